"""Stored statements of a period as documents: what the command, the interface and the explanation print."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from rules_engine.decisions.money import format_amount
from rules_engine.errors import NotFound
from rules_engine.models import BonusStatement, RulesetVersion
from rules_engine.services.bonus import periods
from rules_engine.services.bonus.corrections import title_of
from rules_engine.services.bonus.reckoning import Rules, rules_of_version
from rules_engine.services.bonus.rows import line_json, statements_of
from rules_engine.services.bonus.texts import money_words, month_words
from rules_engine.services.company.people import find_manager
from rules_engine.services.company.reference import reference


def period_document(
    session: Session, period: str, *, lang: str, now: datetime, manager: str | None = None
) -> dict[str, Any]:
    """Return the period of a month with its statements by login, or with that of one manager.

    Raises InputError for what is no month, NotFound where nothing was computed, or not for this manager.
    """
    row = periods.newest(session, period)
    wanted = find_manager(session, manager).id if manager is not None else None
    found = [one for one in statements_of(session, row) if wanted in (None, one.manager_id)]
    if wanted is not None and not found:
        raise NotFound(what=f"{period}, {manager}")
    number = session.scalar(select(RulesetVersion.number).where(RulesetVersion.id == row.version_id))
    picture = reference(session)
    documents = [
        statement_document(one, picture.login_of(one.manager_id) or str(one.manager_id), lang) for one in found
    ]
    return {
        "period": row.month,
        "state": row.state.value,
        "revision": row.revision,
        "version": number,
        "provisional": not periods.is_over(session, row.month, now),
        "computed_at": row.computed_at.isoformat(),
        "statements": sorted(documents, key=lambda one: str(one["manager"])),
    }


def statement_document(statement: BonusStatement, login: str, lang: str) -> dict[str, Any]:
    """Return one statement: total, lines, and what did not count."""
    return {
        "id": statement.id,
        "manager": login,
        "total": format_amount(statement.total_minor),
        "lines": [line_json(line, lang) for line in statement.lines],
        "notes": [note.get(lang) or note["ru"] for note in statement.notes],
    }


def explain_statement(session: Session, statement_id: int, lang: str) -> dict[str, Any]:
    """Return a statement in words: what it is for, each line with the rule that made it, what did not count.

    Raises NotFound.
    """
    found = session.scalars(
        select(BonusStatement)
        .where(BonusStatement.id == statement_id)
        .options(selectinload(BonusStatement.lines), joinedload(BonusStatement.period))
    ).first()
    if found is None:
        raise NotFound(what=f"statement {statement_id}")
    picture = reference(session)
    one = picture.managers.get(found.manager_id)
    rules = rules_of_version(session, found.period.version_id)
    state = periods.STATE_WORDS[found.period.state][lang if lang == "ru" else "en"]
    head = {
        "ru": "Премия за {month}, {name}: {total} ({state}).",
        "en": "Bonus for {month}, {name}: {total} ({state}).",
    }["ru" if lang == "ru" else "en"].format(
        month=month_words(found.period.month, lang),
        name=one.name if one else found.manager_id,
        total=money_words(found.total_minor, lang),
        state=state,
    )
    document = statement_document(found, one.login if one else str(found.manager_id), lang)
    lines = [f"{rule_title(rules, line['rule'], line['line'], lang)}: {line['sentence']}" for line in document["lines"]]
    return {
        "statement": {"period": found.period.month, "state": found.period.state.value, **document},
        "sentences": [head, *lines, *document["notes"]],
    }


def rule_title(rules: Rules, rule: str, line: str, lang: str) -> str:
    """Return how people call the rule of a line."""
    return title_of(rules, rule, line)["ru" if lang == "ru" else "en"]
