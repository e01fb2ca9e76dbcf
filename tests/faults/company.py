"""The company of the fault tests: equal managers, always at work, so that only the faults make a difference."""

from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from tests.factories import (
    ROUND_THE_CLOCK,
    assignment_rules,
    escalation_rules,
    make_calendar,
    make_manager,
    make_mode,
    make_team,
    make_version,
)


def found(sessions: sessionmaker[Session], managers: int = 6) -> None:
    """Add a team of managers who work round the clock, and rules that hand requests out evenly and escalate none."""
    with db.transaction(sessions) as session:
        make_calendar(session, weekly=ROUND_THE_CLOCK)
        team = make_team(session, "sales")
        for number in range(managers):
            make_manager(session, f"manager{number + 1}", team=team)
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", escalation_rules())
        for decision in ("assignment", "escalation"):
            make_mode(session, decision, "live")
