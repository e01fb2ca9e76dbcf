"""The company of the fault tests: equal managers, always at work, so that only the faults make a difference."""

from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from tests.factories import (
    ROUND_THE_CLOCK,
    assignment_rules,
    condition,
    escalation_rules,
    make_calendar,
    make_manager,
    make_mode,
    make_team,
    make_version,
    rule,
)


def found(sessions: sessionmaker[Session], managers: int = 6) -> None:
    """Add a team of managers who work round the clock, and rules that hand requests out evenly and escalate none."""
    with db.transaction(sessions) as session:
        make_calendar(session, weekly=ROUND_THE_CLOCK)
        team = make_team(session, "sales")
        for number in range(managers):
            make_manager(session, f"manager{number + 1}", team=team)
        assign = {"action": "assign", "to": {"pool": "everyone"}, "strategy": "fair_share", "answer_within": 30}
        # Like all the others in what it does, but it looks at a list: see poison.py.
        tagged = rule("tagged", condition("request.tags", "has_any", ["vip"]), assign)
        make_version(session, "assignment", assignment_rules(tagged))
        make_version(session, "escalation", escalation_rules())
        for decision in ("assignment", "escalation"):
            make_mode(session, decision, "live")
