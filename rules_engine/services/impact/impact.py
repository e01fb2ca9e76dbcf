"""«Что изменится»: what a draft would have changed in the last days. Asking for it, stopping it, reading it.

The workers reckon it slice by slice (slices.py); whoever asks again for the same draft and days sees what there
is. Nothing that was decided changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, InputError, NotFound
from rules_engine.language.ruleset import content_hash
from rules_engine.models import Impact, ImpactChange, ImpactState, WorkItem, WorkKind
from rules_engine.services.drafts import editing
from rules_engine.services.impact.parts import MOST_PARTS, subject_of
from rules_engine.services.queue import work
from rules_engine.services.records.inserting import one_at_a_time
from rules_engine.services.rules import rulebook

DAYS: Final = (30, 90, 365)
"""Over how many last days it can be asked for."""
KEPT: Final = 20
"""So many impacts of a decision are kept, the newest."""
RUNNING: Final = (ImpactState.QUEUED, ImpactState.RUNNING)
_FAILED: Final = {
    "ru": "Посчитать не удалось: {reason}. Администратор видит подробности в журнале заданий.",
    "en": "It could not be reckoned: {reason}. An administrator sees the details among the jobs.",
}


@dataclass(frozen=True, slots=True)
class Loser:
    """A manager whose bonus a draft makes smaller: what he got by the rules in force and by the draft, in kopecks.

    Over all the months that were compared; `months` are those in which he loses.
    """

    manager_id: int
    live_minor: int
    draft_minor: int
    months: tuple[str, ...]

    @property
    def difference_minor(self) -> int:
        return self.draft_minor - self.live_minor


def ask(session: Session, decision: str, days: int, *, actor: str, now: datetime, anew: bool = False) -> Impact:
    """Have the workers reckon what the draft of a decision changes; return the row.

    The same draft and days are reckoned once: what stands there already is returned, finished or not. `anew` reckons
    a finished one again, with what has happened since. What still runs for an older draft is stopped. Raises NotFound
    where there is no draft, InputError for days that are not offered.
    """
    if days not in DAYS:
        raise InputError(path="days", ru="выберите 30, 90 или 365 дней", en="choose 30, 90 or 365 days")
    one_at_a_time(session, [f"impact {decision}"])
    draft = editing.draft(session, decision)
    if draft is None:
        raise NotFound(what=f"draft of {decision}")
    version = rulebook.in_force_at(session, decision, now)
    digest = content_hash(draft.body)
    known = of_draft(session, decision, digest, days)
    fresh = known is not None and known.version_id == version.id
    if known is not None and fresh and (known.state in RUNNING or (known.state is ImpactState.DONE and not anew)):
        return known
    running = select(Impact.id).where(Impact.decision == decision, Impact.state.in_(RUNNING))
    for other_id in session.scalars(running.order_by(Impact.id)).all():
        other = _locked_with_items(session, other_id)
        if other is not None and other.state in RUNNING:
            _cancel(session, other, now)
    found = Impact(
        decision=decision,
        version_id=version.id,
        body=draft.body,
        content_hash=digest,
        days=days,
        asked_by=actor,
        asked_at=now,
    )
    session.add(found)
    session.flush()
    work.ask(session, WorkKind.IMPACT, subject_of(found.id, 0), now)
    return found


def cancel(session: Session, impact_id: int, *, now: datetime) -> Impact:
    """Stop the reckoning; the slices in hand are thrown away. Raises NotFound, Conflict where it is over already."""
    found = _locked_with_items(session, impact_id)
    if found is None:
        raise NotFound(what=f"impact {impact_id}")
    if found.state not in RUNNING:
        raise Conflict(ru="расчёт уже закончен", en="the reckoning is over already")
    _cancel(session, found, now)
    return found


def fail(session: Session, impact_id: int, reason: str, now: datetime) -> None:
    """Say that it could not be reckoned, and why (one line, or one in Russian and one in English).

    One that is over stays as it is. Of its items one is in the hands of this transaction; the others find it over.
    """
    found = locked(session, impact_id)
    if found is not None and found.state in RUNNING:
        found.error = reason[:500]
        _stop(session, found, ImpactState.FAILED, now)


def failure_words(impact: Impact, lang: str) -> str:
    """Return why a reckoning failed, in a sentence."""
    reasons = impact.error.split("\n") if impact.error else ["—"]
    reason = reasons[0] if lang == "ru" else reasons[-1]
    return _FAILED.get(lang, _FAILED["en"]).format(reason=reason)


def locked(session: Session, impact_id: int) -> Impact | None:
    """Return an impact as it is stored now, locked until the transaction ends; None where there is none."""
    statement = select(Impact).where(Impact.id == impact_id).with_for_update()
    return session.scalars(statement.execution_options(populate_existing=True)).one_or_none()


def of_draft(session: Session, decision: str, digest: str, days: int) -> Impact | None:
    """Return the newest impact of one content and number of days."""
    statement = select(Impact).where(Impact.decision == decision, Impact.content_hash == digest, Impact.days == days)
    return session.scalars(statement.order_by(Impact.id.desc()).limit(1)).first()


def newest(session: Session, decision: str, days: int | None = None) -> Impact | None:
    """Return the newest impact of a decision, whatever the content; of one number of days where that is named."""
    statement = select(Impact).where(Impact.decision == decision)
    if days is not None:
        statement = statement.where(Impact.days == days)
    return session.scalars(statement.order_by(Impact.id.desc()).limit(1)).first()


def done_for(session: Session, decision: str, digest: str, now: datetime) -> Impact | None:
    """Return the newest finished impact of a content against what is in force now, over whatever days.

    None: nobody has looked what it changes, or other rules have come into force since.
    """
    statement = select(Impact).where(
        Impact.decision == decision,
        Impact.content_hash == digest,
        Impact.state == ImpactState.DONE,
        Impact.version_id == rulebook.in_force_at(session, decision, now).id,
    )
    return session.scalars(statement.order_by(Impact.id.desc()).limit(1)).first()


def losers(impact: Impact) -> tuple[Loser, ...]:
    """Return who loses money under a draft of the bonus, the largest loss first; empty for other decisions."""
    found = [
        Loser(one["manager"], one["live"], one["draft"], tuple(one["losing_months"]))
        for one in impact.result.get("people", [])
        if one.get("losing_months")
    ]
    return tuple(sorted(found, key=lambda one: (one.difference_minor, one.manager_id)))


def changes(session: Session, impact_id: int, *, first: int, most: int) -> Sequence[dict[str, Any]]:
    """Return a page of what would have come out otherwise, the newest first."""
    statement = select(ImpactChange.data).where(ImpactChange.impact_id == impact_id)
    return session.scalars(statement.order_by(ImpactChange.number.desc()).offset(first).limit(most)).all()


def count_changes(session: Session, impact_id: int) -> int:
    return session.scalar(select(func.count(ImpactChange.id)).where(ImpactChange.impact_id == impact_id)) or 0


def prune(session: Session) -> int:
    """Delete the impacts beyond the newest of each decision, with their changes; return how many."""
    decisions = session.scalars(select(Impact.decision).distinct()).all()
    gone = 0
    for decision in decisions:
        old = select(Impact.id).where(Impact.decision == decision, Impact.state.not_in(RUNNING))
        ids = session.scalars(old.order_by(Impact.id.desc()).offset(KEPT)).all()
        for impact_id in ids:
            _forget(session, impact_id)
            session.execute(delete(Impact).where(Impact.id == impact_id).execution_options(synchronize_session=False))
        gone += len(ids)
    return gone


def _locked_with_items(session: Session, impact_id: int) -> Impact | None:
    """Lock the items first, as whoever works at one does."""
    work.lock_items(session, WorkKind.IMPACT, _subjects(impact_id))
    return locked(session, impact_id)


def _cancel(session: Session, impact: Impact, now: datetime) -> None:
    """Stop one whose items are locked. A worker that has one in hand finds the state and lets go."""
    _stop(session, impact, ImpactState.CANCELLED, now)
    session.execute(
        update(WorkItem)
        .where(WorkItem.kind == WorkKind.IMPACT, WorkItem.subject_id.in_(_subjects(impact.id)))
        .values(wake_at=None)
        .execution_options(synchronize_session=False)
    )


def _stop(session: Session, impact: Impact, state: ImpactState, now: datetime) -> None:
    impact.state = state
    impact.finished_at = now
    impact.progress = {}
    session.flush()
    session.execute(
        delete(ImpactChange).where(ImpactChange.impact_id == impact.id).execution_options(synchronize_session=False)
    )


def _subjects(impact_id: int) -> list[int]:
    return [subject_of(impact_id, part) for part in range(MOST_PARTS)]


def _forget(session: Session, impact_id: int) -> None:
    for statement in (
        delete(ImpactChange).where(ImpactChange.impact_id == impact_id),
        delete(WorkItem).where(WorkItem.kind == WorkKind.IMPACT, WorkItem.subject_id.in_(_subjects(impact_id))),
    ):
        session.execute(statement.execution_options(synchronize_session=False))
