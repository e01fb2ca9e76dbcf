"""The figures of the first page: what burns now, and how each decision has worked for thirty days."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import String, cast, func, select
from sqlalchemy.orm import Session

from admin import request_list
from rules_engine.errors import NotFound
from rules_engine.models import (
    ActionState,
    Assignment,
    BonusPeriod,
    BonusStatement,
    Callback,
    CallbackState,
    Decision,
    Firing,
    FiringAction,
    OverdueAction,
    OverdueState,
    Request,
    RulesetApproval,
    RulesetDraft,
    RulesetVersion,
)
from rules_engine.services.approvals import approvals
from rules_engine.services.callbacks.sheets import CallsOfDay, done_today
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts import editing
from rules_engine.services.requests import overload
from rules_engine.services.rules import rulebook

PERIOD = timedelta(days=30)
OTHERWISE = "otherwise"
ATTAINMENT = "measure.attainment_pct"


@dataclass(frozen=True, slots=True)
class Overloaded:
    """A team whose transfers are stopped: of `open` requests `late`. Without `code`: managers who are in none."""

    code: str | None
    name: str
    late: int
    open: int


@dataclass(frozen=True, slots=True)
class Burning:
    """What wants somebody now: requests, calls that were not made, proposals that nobody has answered."""

    unassigned: int
    overdue: int
    over_an_hour: int
    overdue_calls: int
    proposals: int
    overloads: tuple[Overloaded, ...]

    @property
    def is_anything(self) -> bool:
        return bool(self.unassigned or self.overdue or self.overdue_calls or self.proposals or self.overloads)


def burning(session: Session, now: datetime) -> Burning:
    late, very_late = (_count(session, *request_list.overdue(at)) for at in (now, now - timedelta(hours=1)))
    late_calls = select(func.count(Callback.id)).where(Callback.state == CallbackState.OPEN, Callback.due_at < now)
    proposals = select(func.count(OverdueAction.id)).where(OverdueAction.state == OverdueState.PROPOSED)
    return Burning(
        _count(session, *request_list.unassigned()),
        late,
        very_late,
        session.scalar(late_calls) or 0,
        session.scalar(proposals) or 0,
        tuple(_overloads(session, now)),
    )


def _overloads(session: Session, now: datetime) -> Iterator[Overloaded]:
    picture = reference(session)
    for one in overload.overloads(session, picture, now):
        team = picture.teams.get(one.team_id) if one.team_id is not None else None
        yield Overloaded(team.code if team else None, team.name if team else "", one.late, one.open)


def _count(session: Session, *conditions: Any) -> int:
    return session.scalar(select(func.count(Request.id)).where(*conditions)) or 0


@dataclass(frozen=True, slots=True)
class Card:
    """One decision: what is in force, what is being changed, and what came of it in the period."""

    decision: str
    version: RulesetVersion | None
    draft: RulesetDraft | None
    waiting: RulesetApproval | None
    """The draft waits for somebody's approval."""
    decisions: int
    by_otherwise: int
    """Decisions that no rule caught."""
    unused: tuple[dict[str, str], ...]
    """Titles of the enabled rules that never fired in the period."""
    rules: int


def card(session: Session, decision: str, now: datetime) -> Card:
    """Return the card of a decision: six small queries at most."""
    since = now - PERIOD
    try:
        version: RulesetVersion | None = rulebook.in_force_at(session, decision, now)
    except NotFound:
        version = None
    fired = cast(Decision.fired, String)
    counts = session.execute(
        select(fired, func.count(Decision.id))
        .where(Decision.decision == decision, Decision.at > since, Decision.at <= now)
        .group_by(fired)
    ).all()
    draft = editing.draft(session, decision)
    enabled: Sequence[dict[str, Any]] = (
        [rule for rule in version.body.get("rules", []) if rule.get("enabled", True)] if version else []
    )
    # Distinct lists of fired rules are few; each stands as JSON text.
    seen = " ".join(text for text, _number in counts)
    return Card(
        decision=decision,
        version=version,
        draft=draft,
        waiting=approvals.waiting(session, decision) if draft else None,
        decisions=sum(number for _text, number in counts),
        by_otherwise=sum(number for text, number in counts if text == f'["{OTHERWISE}"]'),
        unused=tuple(rule.get("title", {}) for rule in enabled if f'"{rule["id"]}"' not in seen),
        rules=len(enabled),
    )


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of the answers that were due in the period, and what the rules did about them."""

    due: int
    in_time: int
    reminders: int
    transfers: int


def answers(session: Session, now: datetime) -> Answers:
    since = now - PERIOD
    due, in_time = session.execute(
        select(
            func.count(Assignment.id),
            func.count(Assignment.id).filter(Assignment.first_answer_at <= Assignment.answer_due_at),
        ).where(Assignment.answer_due_at > since, Assignment.answer_due_at <= now)
    ).one()
    counts = session.execute(
        select(FiringAction.action, func.count(FiringAction.id))
        .join(Firing, Firing.id == FiringAction.firing_id)
        .where(Firing.at > since, Firing.at <= now, FiringAction.state == ActionState.APPLIED)
        .group_by(FiringAction.action)
    )
    acted = {row[0]: row[1] for row in counts}
    return Answers(due, in_time, acted.get("remind", 0), acted.get("reassign", 0))


@dataclass(frozen=True, slots=True)
class Pay:
    """The newest month whose bonus was computed: its total, and how many managers met their plan."""

    month: str
    total_minor: int
    on_plan: int
    with_plan: int


def pay(session: Session) -> Pay | None:
    """Return the figures of the newest computed month; None before any. Two queries."""
    newest = select(BonusPeriod.id, BonusPeriod.month).order_by(BonusPeriod.month.desc(), BonusPeriod.revision.desc())
    period = session.execute(newest.limit(1)).first()
    if period is None:
        return None
    rows = session.execute(
        select(BonusStatement.total_minor, BonusStatement.measures).where(BonusStatement.period_id == period.id)
    ).all()
    reached = [Fraction(kept[ATTAINMENT]) for _total, kept in rows if kept.get(ATTAINMENT) is not None]
    return Pay(period.month, sum(row.total_minor for row in rows), sum(one >= 100 for one in reached), len(reached))


def calls_today(session: Session, now: datetime) -> CallsOfDay:
    """Return how far all managers together are with their calls: made today, and those in their lists."""
    waiting = select(func.count(Callback.id)).where(Callback.state == CallbackState.OPEN)
    return CallsOfDay(sum(done_today(session, now).values()), session.scalar(waiting) or 0)
