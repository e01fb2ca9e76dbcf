"""The recorded switch: how much each decision may do, for everybody or for one team."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from rules_engine.decisions.modes import Mode
from rules_engine.errors import InputError, NotFound
from rules_engine.language.kinds import Decision as DecisionName
from rules_engine.models import ModeChange, Team
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.queue import work
from rules_engine.services.records import audit
from rules_engine.services.rules.rulebook import DECISIONS


@dataclass(frozen=True, slots=True)
class ModeLine:
    """The mode of a decision for all teams, and of the teams that were set apart since."""

    decision: str
    mode: Mode
    by_team: tuple[tuple[str, Mode], ...]


def mode_of(session: Session, decision: str, team_id: int | None, now: datetime) -> Mode:
    """Return the mode of a decision for a team at an instant; `team_id` None asks for the switch of all teams.

    The latest switch holds: one for all teams ends the separate ones before it. Without any it is `off`.
    """
    return mode_in(reference(session), decision, team_id, now)


def mode_in(picture: Reference, decision: str, team_id: int | None, now: datetime) -> Mode:
    """Return what `mode_of` does, for who has the picture at hand already."""
    for change in reversed(picture.modes):
        if change.decision == decision and change.at <= now and change.team_id in (None, team_id):
            return Mode(change.mode)
    return Mode.OFF


def is_off_everywhere(picture: Reference, decision: str, now: datetime) -> bool:
    """Return whether no team at all has the decision switched on."""
    teams: tuple[int | None, ...] = (None, *picture.teams)
    return not any(mode_in(picture, decision, team, now).decides for team in teams)


def set_mode(
    session: Session, decision: str, mode: str, *, team: Team | None = None, actor: str, now: datetime
) -> ModeChange | None:
    """Return the switch that was recorded, from `now` on; None where the mode was this one already.

    Open requests are looked at again at once. Back to `watch`, open work stays with its people. Raises InputError for
    an unknown mode, NotFound for an unknown decision.
    """
    if decision not in DECISIONS:
        raise NotFound(what=decision)
    wanted = _mode(mode)
    line = next(line for line in show(session, now) if line.decision == decision)
    before = mode_of(session, decision, team.id if team else None, now)
    if before is wanted and (team is not None or not line.by_team):
        return None
    change = ModeChange(decision=decision, team_id=team.id if team else None, mode=wanted.value, at=now, actor=actor)
    session.add(change)
    audit.record(
        session,
        actor=actor,
        action="mode",
        subject_kind="mode",
        subject_id=decision if team is None else f"{decision}:{team.code}",
        before={"mode": before.value},
        after={"mode": wanted.value, "at": now.isoformat()},
    )
    session.flush()
    if decision == DecisionName.CALLBACKS:
        work.wake_clients(session, now)
        work.wake_calls(session, now)
        return change
    work.wake_open_requests(session, now)
    if decision == DecisionName.ESCALATION:
        work.wake_calls(session, now)
    return change


def show(session: Session, now: datetime) -> list[ModeLine]:
    """Return each decision's mode, and the teams whose mode differs from it."""
    picture = reference(session)
    lines = []
    for decision in DECISIONS:
        of_all = mode_in(picture, decision, None, now)
        of_teams = ((team.code, mode_in(picture, decision, team.id, now)) for team in picture.teams.values())
        lines.append(ModeLine(str(decision), of_all, tuple((code, mode) for code, mode in of_teams if mode != of_all)))
    return lines


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        names = ", ".join(mode.value for mode in Mode)
        raise InputError(path="mode", ru=f"возможно: {names}", en=f"must be one of {names}") from None
