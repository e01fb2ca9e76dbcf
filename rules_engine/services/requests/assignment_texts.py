"""What people read when a request is given to somebody, or to nobody: tasks and messages, in both languages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rules_engine.decisions.assignment import AssignmentOutcome
from rules_engine.decisions.assignment_words import explain_assignment
from rules_engine.decisions.fair_share import Strategy
from rules_engine.decisions.field_words import decimal_words, quoted
from rules_engine.decisions.picking import Verdict
from rules_engine.language.kinds import Words
from rules_engine.models import Request

Text = dict[str, str]
LANGUAGES: Final = ("ru", "en")


def name_of(request: Request) -> str:
    """Return how people call a request: by its client, else by its number in the other system."""
    return request.client_name or request.external_id


def task_title(request: Request) -> Text:
    name = name_of(request)
    return {"ru": f"Ответить на заявку: {name}", "en": f"Answer the request: {name}"}


def reason_of_rule(outcome: AssignmentOutcome) -> Text:
    """Return why the chosen manager got it: the rule, and by fair share how many he has of how many are due."""
    # Of who is one of his own kind (the owner, the cover) no share is due.
    chosen = outcome.attempts[-1].chosen if outcome.strategy is Strategy.FAIR_SHARE else None
    title = dict(outcome.titles).get(outcome.rule or "", Words("", ""))
    return {lang: _reason(title, outcome.is_otherwise, chosen, lang) for lang in LANGUAGES}


def reason_of_repeat(first: Request) -> Text:
    return {
        "ru": f"Повторяет открытую заявку {first.external_id}, которую ведёте вы. В норму не засчитана.",
        "en": f"Repeats the open request {first.external_id}, which is yours. Not counted again.",
    }


def reason_of_transfer(from_name: str) -> Text:
    return {
        "ru": f"Передана без ответа. Прежний менеджер: {from_name}.",
        "en": f"Reassigned without an answer. Manager before: {from_name}.",
    }


def reason_external() -> Text:
    return {"ru": "Передана другой системой.", "en": "Assigned by another system."}


def reason_by_hand(actor_name: str, reason: str) -> Text:
    return {"ru": f"Передал руководитель: {actor_name}. {reason}", "en": f"Reassigned by {actor_name}. {reason}"}


def given(request: Request, reason: Mapping[str, str], due_at: datetime | None, zone: ZoneInfo) -> tuple[Text, Text]:
    """Return subject and body of the message to the manager who gets a request. No amount: he sees it later."""
    name = name_of(request)
    lines = {lang: [reason[lang]] for lang in LANGUAGES}
    if due_at is not None:
        local = due_at.astimezone(zone)
        lines["ru"].append(f"Срок ответа: {local:%d.%m.%Y %H:%M}")
        lines["en"].append(f"Answer due: {local:%Y-%m-%d %H:%M}")
    return (
        {"ru": f"Новая заявка: {name}", "en": f"New request: {name}"},
        {lang: "\n".join(lines[lang]) for lang in LANGUAGES},
    )


def taken(request: Request, new_holder: str, *, still_counts: bool) -> tuple[Text, Text]:
    """Return subject and body of the message to the manager from whom a request was taken.

    `still_counts`: it stands in the ledger as received by him, and he reads why his share has not shrunk.
    """
    name = name_of(request)
    counts = {
        "ru": " В журнале она остаётся полученной вами: передача недобор не увеличивает." if still_counts else "",
        "en": " In the ledger it stays received by you: a transfer adds nothing to your shortfall."
        if still_counts
        else "",
    }
    return (
        {"ru": f"Заявка передана: {name}", "en": f"The request was reassigned: {name}"},
        {
            "ru": f"Теперь её ведёт: {new_holder}.{counts['ru']}",
            "en": f"It is now with: {new_holder}.{counts['en']}",
        },
    )


def unassigned(request: Request, outcome: AssignmentOutcome) -> tuple[Text, Text]:
    """Return subject and body of the message to the head about a request that nobody has."""
    name = name_of(request)
    document = outcome.to_json()
    return (
        {"ru": f"Заявка без менеджера: {name}", "en": f"A request without a manager: {name}"},
        {lang: "\n".join(explain_assignment(document, lang)) for lang in LANGUAGES},
    )


def several_unassigned(number: int, outcome: AssignmentOutcome, *, is_more: bool) -> tuple[Text, Text]:
    """Return subject and body of the message to the head about many requests; `outcome` is that of the last one."""
    document = outcome.to_json()
    shown = f"{number}+" if is_more else str(number)
    lead = {"ru": "О последней из них:", "en": "About the last of them:"}
    return (
        {"ru": f"Заявок без менеджера: {shown}", "en": f"Requests without a manager: {shown}"},
        {lang: "\n".join((lead[lang], *explain_assignment(document, lang))) for lang in LANGUAGES},
    )


def why_unassigned(outcome: AssignmentOutcome, lang: str) -> str:
    """Return in one line why nobody has the request."""
    return " ".join(explain_assignment(outcome.to_json(), lang))


def _reason(title: Words, is_otherwise: bool, chosen: Verdict | None, lang: str) -> str:
    parts = []
    if not is_otherwise:
        parts.append(f"{'Правило' if lang == 'ru' else 'Rule'}: {quoted(title.text(lang), lang)}.")
    if chosen is not None and chosen.shortfall is not None:
        due = decimal_words(chosen.shortfall + chosen.count, lang)
        parts.append(
            f"Ваша очередь: получено {chosen.count} при норме {due}."
            if lang == "ru"
            else f"Your turn: {chosen.count} received, {due} due."
        )
    if not parts:
        parts.append("Ваша очередь." if lang == "ru" else "Your turn.")
    return " ".join(parts)
