"""What an escalation did and why, in words, from the stored outcome alone; nothing is decided again."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rules_engine.decisions.assignment_words import candidate_words, choice_words, pool_name
from rules_engine.decisions.field_words import needed_words, quoted, seen_words
from rules_engine.language.kinds import Decision
from rules_engine.language.references import References
from rules_engine.language.sentence_params import Saying, param_words
from rules_engine.language.vocabulary import actions_of

_WHY: Final = {
    "earlier_rule": ("уже сделано другим правилом", "an earlier rule has done it"),
    "max_transfers": ("предел передач достигнут", "the limit of transfers is reached"),
    "transferred": ("не понадобилось, заявка передана", "not needed, the request was reassigned"),
    "mode": ("не выполнено: этого не позволяет режим", "not carried out: the mode does not permit it"),
}
_PASSED_OVER: Final = {
    "no_candidate": (
        "Правило {rule} подошло, но передать заявку некому: {why}.",
        "The rule {rule} matched, but there is nobody to reassign the request to: {why}.",
    ),
    "overload": (
        "Правило {rule} подошло, но передачи остановлены: опаздывает слишком большая часть отдела.",
        "The rule {rule} matched, but transfers are stopped: too large a part of the team is late.",
    ),
    "line_busy": (
        "Правило {rule} подошло, но у менеджера клиент на линии: передача отложена.",
        "The rule {rule} matched, but the manager has the client on the line: the transfer was put off.",
    ),
}
#: The parameter that a short account of an action names.
_MAIN: Final = ("whom", "priority", "title", "until", "segment")


def explain_escalation(outcome: Mapping[str, Any], lang: str, names: References | None = None) -> list[str]:
    """Return sentences that explain a stored outcome (EscalationOutcome.to_json) in `lang`.

    For each rule that fired: what it saw and what came of each action; then the transfer and how the manager was
    chosen; then the rules that matched and could not act.
    """
    lines = [line for firing in outcome["firings"] for line in _firing(outcome, firing, lang, names)]
    transfer = outcome["transfer"]
    if transfer:
        attempt = transfer["attempts"][-1]
        chosen = next(item for item in attempt["candidates"] if item["place"] == 1)
        withheld = any(
            action["action"] == "reassign" and action["state"] == "withheld"
            for firing in outcome["firings"]
            for action in firing["actions"]
        )
        words = (
            ("Заявку получил бы: {name}.", "The request would go to: {name}.")
            if withheld
            else ("Заявку получает: {name}.", "The request goes to: {name}.")
        )
        lines.append(_pick(words, lang).format(name=chosen["name"] or chosen["login"]))
        lines.append(_pick(("Кому: {pool}.", "To: {pool}."), lang).format(pool=pool_name(attempt, lang, names)))
        lines += choice_words(attempt, lang)
    for item in outcome["passed_over"]:
        tried = "; ".join(_nobody(attempt, lang, names) for attempt in item["attempts"])
        lines.append(
            _pick(_PASSED_OVER[item["reason"]], lang).format(rule=_title(outcome, item["rule"], lang), why=tried or "—")
        )
    return lines


def action_words(action: Mapping[str, Any], lang: str) -> str:
    """Return one stored action of a firing, and why it was not applied where it was not."""
    spec = actions_of(Decision.ESCALATION)[action["action"]]
    words = spec.label.text(lang)
    for name in _MAIN:
        if name in action["params"] and name in spec.by_name:
            words += f": {param_words(spec.by_name[name], action['params'][name], Saying(lang))}"
    return words if action["why"] is None else f"{words} ({_pick(_WHY[action['why']], lang)})"


def _firing(
    outcome: Mapping[str, Any], firing: Mapping[str, Any], lang: str, names: References | None
) -> Iterator[str]:
    title = _title(outcome, firing["rule"], lang)
    seen = "; ".join(_condition(item, lang, names) for item in firing["seen"])
    lead = _pick(("Правило {rule}", "Rule {rule}"), lang).format(rule=title)
    if firing["occurrence"]:
        lead += _pick((", повтор {n}", ", repetition {n}"), lang).format(n=firing["occurrence"])
    yield f"{lead}: {seen}." if seen else f"{lead}."
    done = "; ".join(action_words(action, lang) for action in firing["actions"])
    yield _pick(("Действия: {done}.", "Actions: {done}."), lang).format(done=done)


def _condition(item: Mapping[str, Any], lang: str, names: References | None) -> str:
    """Return what a condition saw; for an amount or a time also what it needed."""
    words = seen_words(item["field"], item["seen"], lang, names=names)
    if item["op"] not in ("lt", "le", "gt", "ge", "between"):
        return words
    needed = needed_words(item["field"], item["op"], item["value"], lang, names=names)
    return f"{words} ({_pick(('нужно', 'needed'), lang)}: {needed})"


def _nobody(attempt: Mapping[str, Any], lang: str, names: References | None) -> str:
    reasons = ", ".join(candidate_words(item, lang) for item in attempt["candidates"][:_SHOWN])
    more = len(attempt["candidates"]) - _SHOWN
    if more > 0:
        reasons += _pick((" и ещё {n}", " and {n} more"), lang).format(n=more)
    nobody = _pick(("никого нет", "there is nobody"), lang)
    return f"{pool_name(attempt, lang, names)}: {reasons or nobody}"


#: How many refused candidates a sentence names.
_SHOWN: Final = 3


def _title(outcome: Mapping[str, Any], rule: str, lang: str) -> str:
    title = outcome["titles"].get(rule, {})
    return quoted(title.get(lang) or title.get("ru") or rule, lang)


def _pick(words: tuple[str, str], lang: str) -> str:
    return words[0] if lang == "ru" else words[1]
