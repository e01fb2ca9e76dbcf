"""Facts dated in a closed month that came after it was closed: what they change is paid in the open period.

Line by line: the month recomputed by its own rules, less the line as closed, less what corrections have paid of it
already. Upwards by itself. A lower result changes nothing and is only named, save the lines that fill up to a minimum
(guarantee, floor): what they gave is covered by what the others give more.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.bonus_lines import FLOOR, GUARANTEE
from rules_engine.language.kinds import Words
from rules_engine.models import BonusLine, BonusPeriod, BonusStatement, MoneyClass, PeriodState
from rules_engine.services.bonus import texts
from rules_engine.services.bonus.reckoning import (
    Rules,
    counting_of,
    exact_measures,
    reckon,
    rules_of_version,
)
from rules_engine.services.bonus.rows import CORRECTION, correction_row, line_rows, statements_of
from rules_engine.services.bonus.texts import Text
from rules_engine.services.measures import callbacks, requests
from rules_engine.services.measures import money as measures_money
from rules_engine.services.measures.month import Month, earlier, month_named

MONTHS_BACK: Final = 12
"""Closed months older than these are not looked at any more."""
_FILLING: Final = (GUARANTEE, FLOOR)
_PREFIX: Final = f"{CORRECTION}:"

LineKey = tuple[str, str, str]
"""Rule, line and basis."""


@dataclass(slots=True)
class Owed:
    """What an open period owes managers for closed months: lines to be added and notes, by manager."""

    lines: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[int, list[Text]] = field(default_factory=lambda: defaultdict(list))


def owed(session: Session, month: Month) -> Owed:
    """Return the corrections that belong into an open period; none while an earlier month is open: there they go."""
    found = Owed()
    closed = _closed_before(session, month.text)
    paid = _paid(session, [period.month for period in closed])
    for period in closed:
        if _has_late_facts(session, period):
            _correct(session, period, paid, found)
    _take_off_own(session, month, found)
    return found


def _closed_before(session: Session, month: str) -> list[BonusPeriod]:
    """Return the closed periods just before a month, the latest first, without a gap."""
    first = earlier(month, MONTHS_BACK)
    periods = session.scalars(
        select(BonusPeriod)
        .where(BonusPeriod.month >= first, BonusPeriod.month < month, BonusPeriod.state == PeriodState.CLOSED)
        .order_by(BonusPeriod.month.desc())
    ).all()
    found: list[BonusPeriod] = []
    for period in periods:
        if period.month != earlier(month, len(found) + 1):
            break
        found.append(period)
    return found


def _has_late_facts(session: Session, period: BonusPeriod) -> bool:
    """Return whether sums that indexes give at once differ from what was closed; the rest is not counted for it."""
    closed = _kept(session, period)
    if not closed:
        return False
    month = month_named(session, period.month)
    counting = counting_of(closed)
    money = measures_money.credited(session, [month.text], None, with_vat=counting.with_vat)
    answers = requests.in_time(session, month, month.end, None)
    calls = callbacks.calls(session, month, month.end, None)
    kept = {manager_id: exact_measures(of_him) for manager_id, of_him in closed.items()}
    if {manager_id for _, manager_id, _ in money} - set(kept):
        return True
    for manager_id, known in kept.items():
        due, met = answers.get(manager_id, (0, 0))
        seen = {
            "measure.revenue_new": money.get((month.text, manager_id, MoneyClass.NEW), 0),
            "measure.revenue_old": money.get((month.text, manager_id, MoneyClass.OLD), 0),
            "measure.callbacks_done": calls.get(manager_id, callbacks.Calls()).done,
        }
        if any(known[key] != value for key, value in seen.items()):
            return True
        share = known["measure.in_time_pct"]
        if (share is None) != (due == 0) or (share is not None and share * due != 100 * met):
            return True
    return False


def _kept(session: Session, period: BonusPeriod) -> dict[int, Mapping[str, Any]]:
    """Return what the statements of a period keep, by manager; without the objects, which cost more."""
    of_period = select(BonusStatement.manager_id, BonusStatement.measures).where(BonusStatement.period_id == period.id)
    return {row.manager_id: row.measures for row in session.execute(of_period)}


def _correct(session: Session, period: BonusPeriod, paid: dict[tuple[str, int, LineKey], int], found: Owed) -> None:
    month = month_named(session, period.month)
    rules = rules_of_version(session, period.version_id)
    kept = _kept(session, period)
    again = reckon(session, month, rules, None, month.end, counting=counting_of(kept), kept=kept)
    closed = {one.manager_id: one for one in statements_of(session, period)}
    for manager_id in sorted(set(again) | set(closed)):
        statement = closed.get(manager_id)
        before = {_key(line): line for line in statement.lines} if statement else {}
        rows = line_rows(again[manager_id].statement.lines) if manager_id in again else []
        differences = list(_differences(rows, before, paid, period.month, manager_id))
        # What the others give more covers what filled up before; beyond that nothing is taken back.
        room = sum(one.amount for one in differences if one.amount > 0)
        lower = 0
        for one in sorted(differences, key=lambda one: one.amount, reverse=True):
            amount = max(one.amount, -room if one.is_filling else 0)
            lower += amount - one.amount
            room += min(amount, 0)
            if amount:
                found.lines[manager_id].append(one.row(rules, period.month, amount))
        if lower:
            found.notes[manager_id].append(texts.lower_note(period.month, lower))


@dataclass(frozen=True, slots=True)
class _Difference:
    key: LineKey
    recomputed: int
    closed: int
    paid: int
    is_filling: bool
    original_id: int | None

    @property
    def amount(self) -> int:
        return self.recomputed - self.closed - self.paid

    def row(self, rules: Rules, month: str, amount: int) -> dict[str, Any]:
        rule, line, basis = self.key
        title = title_of(rules, rule, line)
        sentence = texts.correction_sentence(month, self.recomputed, self.closed, self.paid, amount, title)
        return correction_row(
            rule=rule,
            line=line,
            basis=f"{_PREFIX}{month}" + (f":{basis}" if basis else ""),
            amount=amount,
            sentence=sentence,
            correction_of_id=self.original_id,
        )


def title_of(rules: Rules, rule_id: str, line: str) -> Text:
    """Return how people call the rule of a line."""
    rule = rules.ruleset.rule(rule_id)
    title = rule.title if rule is not None else Words(line, line)
    return {"ru": title.ru, "en": title.en}


def _differences(
    rows: Sequence[dict[str, Any]],
    before: dict[LineKey, BonusLine],
    paid: dict[tuple[str, int, LineKey], int],
    month: str,
    manager_id: int,
) -> Iterable[_Difference]:
    now = {(row["rule"], row["line"], row["basis"]): row for row in rows}
    known = {key: line for key, line in before.items() if line.component != CORRECTION}
    for key in dict.fromkeys([*now, *known]):
        row, line = now.get(key), known.get(key)
        component = row["component"] if row else line.component if line else ""
        yield _Difference(
            key,
            row["amount_minor"] if row else 0,
            line.amount_minor if line else 0,
            paid.get((month, manager_id, key), 0),
            component in _FILLING,
            line.id if line else None,
        )


def _key(line: BonusLine) -> LineKey:
    return line.rule, line.line, line.basis


def _paid(session: Session, months: Collection[str]) -> dict[tuple[str, int, LineKey], int]:
    """Return what corrections in closed periods have paid for these months, by month, manager and line."""
    if not months:
        return {}
    lines = select(BonusStatement.manager_id, BonusLine).where(
        BonusLine.component == CORRECTION,
        BonusLine.statement_id == BonusStatement.id,
        BonusStatement.period_id == BonusPeriod.id,
        BonusPeriod.state == PeriodState.CLOSED,
        BonusPeriod.month > min(months),
    )
    found: dict[tuple[str, int, LineKey], int] = defaultdict(int)
    for manager_id, line in session.execute(lines):
        corrected, basis = _corrected(line.basis)
        if corrected:
            found[corrected, manager_id, (line.rule, line.line, basis)] += line.amount_minor
    return found


def _corrected(basis: str) -> tuple[str, str]:
    """Return the month that a correction is for, and the basis of its line; two empty texts where it is none."""
    if not basis.startswith(_PREFIX):
        return "", ""
    month, _, original = basis.removeprefix(_PREFIX).partition(":")
    return month, original


def _take_off_own(session: Session, month: Month, found: Owed) -> None:
    """Take off what corrections in later closed periods have paid of a month that was opened again."""
    later = (
        select(BonusPeriod.month, BonusStatement.manager_id, BonusLine)
        .join(BonusStatement, BonusStatement.period_id == BonusPeriod.id)
        .join(BonusLine, BonusLine.statement_id == BonusStatement.id)
        .where(
            BonusPeriod.state == PeriodState.CLOSED,
            BonusPeriod.month > month.text,
            BonusLine.component == CORRECTION,
        )
        .order_by(BonusPeriod.month, BonusLine.id)
    )
    for paid_in, manager_id, line in session.execute(later):
        if _corrected(line.basis)[0] == month.text and line.amount_minor:
            found.lines[manager_id].append(
                correction_row(
                    rule=line.rule,
                    line=line.line,
                    basis=f"paid:{paid_in}:{line.basis}",
                    amount=-line.amount_minor,
                    sentence=texts.paid_before_sentence(paid_in, line.amount_minor),
                    correction_of_id=line.id,
                )
            )
