"""Why a client is called, and why not, in words, from the stored outcome alone; nothing is decided again."""

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

from rules_engine.decisions.field_words import quoted
from rules_engine.language.vocabulary.fields_client import SEGMENTS

_SEGMENTS: Final = {choice.value: choice.label for choice in SEGMENTS}
_WHY: Final = {
    "skipped": ("другое правило велит не беспокоить", "another rule says not to disturb"),
    "do_not_call": ("клиент попросил не звонить", "the client asked not to be called"),
    "no_consent": ("это предложение, а согласия клиента нет", "it is an offer, and there is no consent of the client"),
    "already_planned": ("такой звонок уже запланирован", "such a call is planned already"),
    "already_made": ("по этому поводу уже звонили", "there was a call for this cause already"),
    "frequency": ("с клиентом недавно говорили", "the client was spoken with lately"),
    "same_number": ("по этому номеру уже запланирован звонок", "a call of this number is planned already"),
    "no_working_time": ("у того, кто должен звонить, нет рабочего времени", "whoever is to call has no working time"),
}


def explain_callbacks(outcome: Mapping[str, Any], lang: str, titles: Mapping[str, str], zone: tzinfo) -> list[str]:
    """Return sentences that explain a stored outcome (CallbackOutcome.to_json) in `lang`.

    `titles` are those of the occasions by code. First what was done, then what was left out and why.
    """
    named = ("Правило: {rule}.", "Rule: {rule}.")
    return [
        f"{sentence} {_say(lang, *named, rule=_title(outcome, rule, lang))}"
        for rule, sentence in _sentences(outcome, lang, titles, zone)
    ]


def rule_words(outcome: Mapping[str, Any], rule: str, lang: str, titles: Mapping[str, str], zone: tzinfo) -> list[str]:
    """Return the sentences of a stored outcome that concern one rule, without naming it."""
    return [sentence for concerned, sentence in _sentences(outcome, lang, titles, zone) if concerned == rule]


def _sentences(
    outcome: Mapping[str, Any], lang: str, titles: Mapping[str, str], zone: tzinfo
) -> Iterator[tuple[str, str]]:
    """Yield each sentence after the id of its rule."""
    if outcome["segment"]:
        rule, segment = outcome["segment"]
        label = _SEGMENTS[segment].text(lang) if segment in _SEGMENTS else segment
        yield rule, _say(lang, "Сегмент: {segment}.", "Segment: {segment}.", segment=label)
    for call in outcome["scheduled"]:
        occasions = "; ".join(titles.get(code, code) for code in (call["occasion"], *call["also"]))
        yield (
            call["rule"],
            _say(
                lang,
                "Плановый звонок: {occasions}; с {start}, до {due}.",
                "Callback: {occasions}; from {start}, due {due}.",
                occasions=occasions,
                start=_day(call["from"], lang, zone),
                due=_day(call["due"], lang, zone),
            ),
        )
    for joined in outcome["joined"]:
        yield (
            joined["rule"],
            _say(
                lang,
                "Повод {occasion} войдёт в уже запланированный звонок.",
                "The occasion {occasion} becomes a part of the call that is planned already.",
                occasion=quoted(titles.get(joined["occasion"], joined["occasion"]), lang),
            ),
        )
    if outcome["released"]:
        yield (
            outcome["released"],
            _say(
                lang,
                "Предлагается передать клиента другому менеджеру.",
                "It is proposed that the client goes to another manager.",
            ),
        )
    for left in outcome["left_out"]:
        why = _WHY[left["why"]][0 if lang == "ru" else 1]
        until = (
            _say(lang, " (до {day})", " (until {day})", day=_day(left["until"], lang, zone)) if left["until"] else ""
        )
        yield (
            left["rule"],
            _say(
                lang,
                "Не запланировано: {occasion}: {why}{until}.",
                "Not planned: {occasion}: {why}{until}.",
                occasion=titles.get(left["occasion"], left["occasion"]),
                why=why,
                until=until,
            ),
        )


def _title(outcome: Mapping[str, Any], rule: str, lang: str) -> str:
    title = outcome["titles"].get(rule, {})
    return quoted(title.get(lang) or title.get("ru") or rule, lang)


def _day(text: str, lang: str, zone: tzinfo) -> str:
    local = datetime.fromisoformat(text).astimezone(zone)
    return f"{local:%d.%m.%Y}" if lang == "ru" else f"{local:%Y-%m-%d}"


def _say(lang: str, ru: str, en: str, **data: str) -> str:
    return (ru if lang == "ru" else en).format(**data)
