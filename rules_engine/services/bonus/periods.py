"""A period's life: computed, presented to the managers, approved, closed; opened again only as a new revision.

Every step locks the newest row of its month, so that double clicks and parallel steps are done once. What is closed
the database itself refuses to change.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session, selectinload

from rules_engine.decisions.bonus_lines import FLOOR
from rules_engine.errors import InputError, NotFound, PolicyViolation
from rules_engine.models import BonusPeriod, BonusStatement, PeriodState, RulesetVersion
from rules_engine.services.bonus import corrections, texts
from rules_engine.services.bonus.reckoning import (
    Rules,
    counting_of,
    kept_measures,
    reckon,
    rules_of_month,
    rules_of_version,
)
from rules_engine.services.bonus.rows import CORRECTION, NewStatement, correction_row, line_rows, replace_statements
from rules_engine.services.bonus.texts import BELOW_ZERO
from rules_engine.services.company.reference import reference
from rules_engine.services.measures.measures import counting_now
from rules_engine.services.measures.month import Month, month_named
from rules_engine.services.messages import outbox
from rules_engine.services.records import audit, settings_store
from rules_engine.services.records.inserting import one_at_a_time

STATE_WORDS: Final = {
    PeriodState.COMPUTED: {"ru": "рассчитано", "en": "computed"},
    PeriodState.PRESENTED: {"ru": "показано менеджерам", "en": "presented to the managers"},
    PeriodState.APPROVED: {"ru": "утверждено", "en": "approved"},
    PeriodState.CLOSED: {"ru": "закрыто", "en": "closed"},
    PeriodState.REVERSED: {"ru": "отменено", "en": "reversed"},
}
_NOBODY: Final = frozenset({"system"})
"""Authors of rules who are no persons: what ships, and what was published at the console."""


def compute(session: Session, period: str, *, actor: str, now: datetime) -> BonusPeriod:
    """Compute a month for everybody, by the rules in force at its first instant; return its open period.

    An open period is computed anew and is then to be presented again. While the month runs, the result is provisional.
    Raises InputError for what is no month, PolicyViolation for one that has not begun or is closed.
    """
    month = month_named(session, period)
    if now < month.start:
        raise PolicyViolation(
            ru=f"месяц {period} ещё не начался, считать нечего", en=f"{period} has not begun, there is nothing to count"
        )
    one_at_a_time(session, [f"bonus {period}"])
    row = _locked(session, period)
    if row is not None and row.state is PeriodState.CLOSED:
        raise PolicyViolation(
            ru=f"период {period} закрыт; его можно открыть заново, с причиной",
            en=f"the period {period} is closed; it can be opened again, with a reason",
        )
    if row is not None and row.revision > 1:
        rules = rules_of_version(session, row.version_id)
        return _fill(session, row, month, rules, actor=actor, now=now, replaced=_revision(session, row, -1))
    rules = rules_of_month(session, month, now)
    if row is None:
        row = BonusPeriod(month=period, revision=1, version_id=rules.version_id, computed_at=now, computed_by=actor)
        session.add(row)
    return _fill(session, row, month, rules, actor=actor, now=now)


def present(session: Session, period: str, *, actor: str, now: datetime) -> BonusPeriod:
    """Show a computed period to the managers, who may object; each is told. A second time changes nothing.

    Raises NotFound, and PolicyViolation where the month is not over or was computed before it was.
    """
    row = _existing(session, period)
    if row.state is PeriodState.PRESENTED:
        return row
    _needs(row, PeriodState.COMPUTED, ru="показать можно рассчитанный", en="only a computed period can be presented")
    _is_over(session, row, now)
    _enter(session, row, PeriodState.PRESENTED, actor, now)
    picture = reference(session)
    day = settings_store.number(session, settings_store.BONUS_OBJECTIONS_DAY)
    totals = session.execute(
        select(BonusStatement.manager_id, BonusStatement.total_minor).where(BonusStatement.period_id == row.id)
    )
    for manager_id, total in totals:
        one = picture.managers.get(manager_id)
        if one is None:
            continue
        words = {lang: texts.month_words(period, lang) for lang in ("ru", "en")}
        outbox.notify(
            session,
            user_ids=[one.user_id],
            subject={"ru": f"Премия рассчитана: {words['ru']}", "en": f"Bonus computed: {words['en']}"},
            body={
                "ru": f"Итог {texts.money_words(total, 'ru')}. Посмотрите расчётный лист; если с чем-то не "
                f"согласны, скажите руководителю до {day}-го числа.",
                "en": f"Total {texts.money_words(total, 'en')}. Look at your statement; if you do not agree, "
                f"tell your head by day {day} of the month.",
            },
            key=f"bonus:{row.id}:{row.computed_at.isoformat()}",
            link=f"/bonuses/{period}/{one.login}",
            now=now,
        )
    session.flush()
    return row


def approve(session: Session, period: str, *, actor: str, now: datetime) -> BonusPeriod:
    """Approve a presented period. A second time changes nothing.

    Raises NotFound, and PolicyViolation for one in another state and for whoever wrote the rules that it was computed
    by, unless the settings say that one person works alone.
    """
    row = _existing(session, period)
    if row.state is PeriodState.APPROVED:
        return row
    _needs(row, PeriodState.PRESENTED, ru="утвердить можно показанный менеджерам", en="present the period first")
    _is_over(session, row, now)
    version = session.get_one(RulesetVersion, row.version_id)
    author = version.authored_by or version.published_by
    alone = settings_store.choice(session, settings_store.BONUS_FOUR_EYES) == "off"
    if author == actor and author not in _NOBODY and not alone:
        raise PolicyViolation(
            ru="утверждает не тот, кто вводил правила этой премии",
            en="somebody else than the author of these bonus rules approves",
        )
    _enter(session, row, PeriodState.APPROVED, actor, now, is_author=author == actor and author not in _NOBODY)
    session.flush()
    return row


def close(session: Session, period: str, *, actor: str, now: datetime) -> BonusPeriod:
    """Close an approved period for ever. A second time changes nothing.

    Raises NotFound, and PolicyViolation for a month that is not over, or whose period is not approved.
    """
    row = _existing(session, period)
    if row.state is PeriodState.CLOSED:
        return row
    _is_over(session, row, now)
    _needs(row, PeriodState.APPROVED, ru="закрыть можно утверждённый", en="approve the period first")
    session.execute(update(BonusStatement).where(BonusStatement.period_id == row.id).values(is_closed=True))
    session.expire_all()
    _enter(session, row, PeriodState.CLOSED, actor, now)
    session.flush()
    return row


def reopen(session: Session, period: str, *, reason: str, actor: str, now: datetime) -> BonusPeriod:
    """Reverse a closed period and return the next revision, computed anew by the rules of the first.

    Raises NotFound, InputError without a reason, PolicyViolation for one that is not closed.
    """
    clean = " ".join(reason.split())
    if not clean:
        raise InputError(path="reason", ru="укажите причину", en="give a reason")
    row = _existing(session, period)
    _needs(row, PeriodState.CLOSED, ru="открыть заново можно закрытый", en="only a closed period can be opened again")
    month = month_named(session, period)
    row.state = PeriodState.REVERSED
    session.flush()
    following = BonusPeriod(
        month=period,
        revision=row.revision + 1,
        version_id=row.version_id,
        computed_at=now,
        computed_by=actor,
        reason=clean[:500],
    )
    session.add(following)
    said = {"month": period, "revision": following.revision, "reason": clean}
    audit.record(session, actor=actor, action="reopen", subject_kind="bonus_period", subject_id=row.id, after=said)
    rules = rules_of_version(session, row.version_id)
    return _fill(session, following, month, rules, actor=actor, now=now, replaced=_revision(session, row))


def newest(session: Session, period: str) -> BonusPeriod:
    """Return the period of a month that stands, the highest revision. Raises InputError, NotFound."""
    month_named(session, period)
    found = session.scalars(_newest(period)).first()
    if found is None:
        raise NotFound(what=f"премия за {period}: период не рассчитан / no bonus was computed")
    return found


def is_over(session: Session, period: str, now: datetime) -> bool:
    """Return whether a month is over: before that its figures are provisional. Raises InputError."""
    return now >= month_named(session, period).end


def _fill(
    session: Session,
    row: BonusPeriod,
    month: Month,
    rules: Rules,
    *,
    actor: str,
    now: datetime,
    replaced: BonusPeriod | None = None,
) -> BonusPeriod:
    """Count everybody's month and store it in an open period; a later revision counts as the one that it replaces."""
    kept = {one.manager_id: one.measures for one in replaced.statements} if replaced else {}
    counting = counting_of(kept) if kept else counting_now(session)
    picture = reference(session)
    session.flush()
    owed = corrections.owed(session, month)
    reckoned = reckon(session, month, rules, None, min(now, month.end), counting=counting)
    missing = (set(owed.lines) | set(owed.notes)) - set(reckoned)
    if missing:
        reckoned |= reckon(session, month, rules, sorted(missing), min(now, month.end), counting=counting)
    totals = {one.manager_id: one.total_minor for one in replaced.statements} if replaced else {}
    statements = []
    for manager_id in sorted(reckoned):
        figures, statement = reckoned[manager_id].figures, reckoned[manager_id].statement
        lines = line_rows(statement.lines) + owed.lines.get(manager_id, [])
        notes = texts.notes_of(figures, with_vat=counting.with_vat) + owed.notes.get(manager_id, [])
        if replaced is not None and manager_id in totals:
            notes.append(texts.reversed_note(replaced.revision, totals[manager_id]))
        statements.append(
            NewStatement(
                manager_id,
                _never_below_zero(lines),
                kept_measures(figures, counting, manager_id, picture),
                notes,
                lines,
            )
        )
    row.state = PeriodState.COMPUTED
    row.version_id = rules.version_id
    row.computed_at, row.computed_by = now, actor
    for step in ("presented", "approved"):
        setattr(row, f"{step}_at", None)
        setattr(row, f"{step}_by", None)
    session.flush()
    replace_statements(session, row, statements)
    total = sum(one.total_minor for one in statements)
    said = {"month": month.text, "revision": row.revision, "version": row.version_id, "total_minor": total}
    audit.record(session, actor=actor, action="compute", subject_kind="bonus_period", subject_id=row.id, after=said)
    session.flush()
    return row


def _never_below_zero(lines: list[dict[str, Any]]) -> int:
    """Return the total of lines; where corrections bring it below zero, a line is added that brings it back."""
    total: int = sum(line["amount_minor"] for line in lines)
    if total < 0:
        lines.append(correction_row(rule=FLOOR, line=FLOOR, basis=CORRECTION, amount=-total, sentence=BELOW_ZERO))
    return max(total, 0)


def _enter(session: Session, row: BonusPeriod, state: PeriodState, actor: str, now: datetime, **more: object) -> None:
    before = row.state
    row.state = state
    setattr(row, f"{state.value}_at", now)
    setattr(row, f"{state.value}_by", actor)
    audit.record(
        session,
        actor=actor,
        action=state.value,
        subject_kind="bonus_period",
        subject_id=row.id,
        before={"state": before.value},
        after={"state": state.value, "month": row.month, "revision": row.revision, **more},
    )


def _needs(row: BonusPeriod, state: PeriodState, *, ru: str, en: str) -> None:
    if row.state is not state:
        raise PolicyViolation(
            ru=f"{ru}; период {row.month}: {STATE_WORDS[row.state]['ru']}",
            en=f"{en}; the period {row.month} is {STATE_WORDS[row.state]['en']}",
        )


def _is_over(session: Session, row: BonusPeriod, now: datetime) -> None:
    end = month_named(session, row.month).end
    if now < end:
        raise PolicyViolation(
            ru=f"месяц {row.month} ещё не закончился: пока всё предварительно",
            en=f"{row.month} is not over: so far all is provisional",
        )
    if row.computed_at < end:
        raise PolicyViolation(
            ru=f"период {row.month} рассчитан до конца месяца: рассчитайте его ещё раз",
            en=f"the period {row.month} was computed before the month was over: compute it again",
        )


def _newest(period: str) -> Select[BonusPeriod]:
    return select(BonusPeriod).where(BonusPeriod.month == period).order_by(BonusPeriod.revision.desc()).limit(1)


def _locked(session: Session, period: str) -> BonusPeriod | None:
    session.flush()
    locked = _newest(period).with_for_update().execution_options(populate_existing=True)
    found: BonusPeriod | None = session.scalars(locked).first()
    return found


def _existing(session: Session, period: str) -> BonusPeriod:
    month_named(session, period)
    return _locked(session, period) or newest(session, period)


def _revision(session: Session, row: BonusPeriod, step: int = 0) -> BonusPeriod | None:
    """Return another revision of the same month with its statements, by default the row itself."""
    return session.scalars(
        select(BonusPeriod)
        .where(BonusPeriod.month == row.month, BonusPeriod.revision == row.revision + step)
        .options(selectinload(BonusPeriod.statements))
        .execution_options(populate_existing=True)
    ).first()
