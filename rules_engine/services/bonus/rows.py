"""Bonus statements as rows: written in bulk when a period is computed, read back as every interface prints them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, selectinload

from rules_engine.decisions.bonus_lines import Line
from rules_engine.decisions.bonus_words import line_document, stored_line_json
from rules_engine.decisions.money import format_amount
from rules_engine.models import BonusLine, BonusPeriod, BonusStatement
from rules_engine.services.bonus.texts import Text
from rules_engine.services.records.writing import add_rows
from rules_engine.services.requests.ledger import ratio

CORRECTION: Final = "correction"
"""The component of lines that no rule makes: they put a closed month right."""
_BEGINNING: Final = ("base_unit", "rate_unit", "missing", "at_most", "inputs", "terms", "rows", "part")


@dataclass(frozen=True, slots=True)
class NewStatement:
    """A statement to be stored. `lines` are rows without statement and ordinal."""

    manager_id: int
    total_minor: int
    measures: Mapping[str, Any]
    notes: Sequence[Text] = ()
    lines: Sequence[Mapping[str, Any]] = field(default=())


def line_rows(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Return the lines that rules made as rows; lines of one rule and name are told apart by a number as basis.

    `steps` begins with what the line was counted from, then come its later changes.
    """
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for line in lines:
        document = line_document(line)
        seen[line.rule, line.line] += 1
        number = seen[line.rule, line.line]
        found.append(
            {
                "rule": line.rule,
                "line": line.line,
                "basis": "" if number == 1 else str(number),
                "component": line.component,
                "base": document["base"] or "",
                "rate": document["rate"] or "",
                "amount_minor": line.amount,
                "exact": ratio(line.exact),
                "sentence": document["sentence"],
                "steps": [{key: document[key] for key in _BEGINNING}, *document["steps"]],
                "correction_of_id": None,
            }
        )
    return found


def correction_row(
    *, rule: str, line: str, basis: str, amount: int, sentence: Text, correction_of_id: int | None = None
) -> dict[str, Any]:
    """Return a line that puts a closed month right."""
    return {
        "rule": rule,
        "line": line,
        "basis": basis,
        "component": CORRECTION,
        "base": format_amount(amount),
        "rate": "1",
        "amount_minor": amount,
        "exact": ratio(Fraction(amount)),
        "sentence": sentence,
        "steps": [],
        "correction_of_id": correction_of_id,
    }


def replace_statements(session: Session, period: BonusPeriod, statements: Sequence[NewStatement]) -> None:
    """Put these statements in the place of what the period has; whoever had one keeps its number."""
    session.flush()
    known = _ids(session, period)
    of_period = select(BonusStatement.id).where(BonusStatement.period_id == period.id)
    session.execute(delete(BonusLine).where(BonusLine.statement_id.in_(of_period)))
    wanted = {one.manager_id: one for one in statements}
    gone = [statement_id for manager_id, statement_id in known.items() if manager_id not in wanted]
    if gone:
        session.execute(delete(BonusStatement).where(BonusStatement.id.in_(gone)))
    changed = [
        {"id": statement_id, **_values(wanted[manager_id])}
        for manager_id, statement_id in known.items()
        if manager_id in wanted
    ]
    if changed:
        session.execute(update(BonusStatement), changed)
    new = [one for one in statements if one.manager_id not in known]
    add_rows(
        session,
        BonusStatement,
        [{"period_id": period.id, "manager_id": one.manager_id, **_values(one)} for one in new],
    )
    ids = _ids(session, period)
    add_rows(
        session,
        BonusLine,
        [
            {"statement_id": ids[one.manager_id], "ordinal": ordinal, **line}
            for one in statements
            for ordinal, line in enumerate(one.lines, 1)
        ],
    )
    # They were written past the session: what it holds of them is old.
    session.expire_all()


def statements_of(session: Session, period: BonusPeriod) -> list[BonusStatement]:
    """Return the statements of a period with their lines, by manager; two queries."""
    found = (
        select(BonusStatement)
        .where(BonusStatement.period_id == period.id)
        .order_by(BonusStatement.manager_id)
        .options(selectinload(BonusStatement.lines))
    )
    return list(session.scalars(found))


def line_json(line: BonusLine, lang: str) -> dict[str, Any]:
    """Return a stored line as `decisions.bonus_words.line_json` prints one, with `basis` and `correction_of`."""
    common = {
        "rule": line.rule,
        "line": line.line,
        "component": line.component,
        "amount": format_amount(line.amount_minor),
        "basis": line.basis,
        "correction_of": line.correction_of_id,
    }
    if line.component == CORRECTION:
        sentence = line.sentence.get(lang) or line.sentence["ru"]
        return {
            **common, "base": line.base, "base_unit": "money", "rate": line.rate, "rate_unit": "factor",
            "sentence": sentence, "missing": None, "at_most": None, "inputs": [], "terms": [], "rows": [],
            "part": None, "steps": [],
        }  # fmt: skip
    beginning, *steps = line.steps
    document = {
        **common, **beginning, "base": line.base or None, "rate": line.rate or None, "sentence": line.sentence,
        "steps": steps,
    }  # fmt: skip
    return stored_line_json(document, lang)


def _ids(session: Session, period: BonusPeriod) -> dict[int, int]:
    """Return the statements of a period by manager."""
    of_period = select(BonusStatement.manager_id, BonusStatement.id).where(BonusStatement.period_id == period.id)
    return {row.manager_id: row.id for row in session.execute(of_period)}


def _values(one: NewStatement) -> dict[str, Any]:
    return {
        "total_minor": one.total_minor,
        "measures": dict(one.measures),
        "notes": list(one.notes),
        "is_closed": False,
        "seen_at": None,
    }
