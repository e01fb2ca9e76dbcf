"""A rule as a sentence in Russian or English, in chips: a label, a colon, a value in the nominative.

So any name fits without inflection: «Если клиент: старый и закреплённый менеджер: указан, то заявку получает:
закреплённый менеджер; срок ответа: 30 мин.» Each value carries the path of what it shows, for the editor.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import StrEnum

from rules_engine.language.kinds import Decision, FieldType, Words
from rules_engine.language.line_names import LineNames, line_names_of
from rules_engine.language.model import Action, Condition, FieldRef, Group, Mode, Rule, Ruleset
from rules_engine.language.references import References
from rules_engine.language.sentence_params import Saying, param_words
from rules_engine.language.shown import name_of, show
from rules_engine.language.vocabulary import FIELDS, OPERATORS, Field, ParamType, actions_of


class SpanKind(StrEnum):
    KEYWORD = "keyword"
    """Words that hold the sentence together: if, and, then."""
    LABEL = "label"
    """What the next value is about."""
    VALUE = "value"
    """A chip."""
    TEXT = "text"
    """Spaces and punctuation."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a sentence; joined without anything between them they read as the plain sentence.

    `path` is the place in the document of what the piece shows, empty for words of the sentence itself.
    """

    kind: SpanKind
    text: str
    path: str = ""


_IF = Words("Если", "If")
_THEN = Words("то", "then")
_ALWAYS = Words("Всегда", "Always")
_AND = Words("и", "and")
_OR = Words("или", "or")
_NOT = Words("неверно, что", "it is not true that")
_AMONG = Words("если", "if")


def rule_spans(
    ruleset: Ruleset,
    rule: Rule,
    lang: str,
    *,
    names: References | None = None,
    zone: tzinfo = UTC,
    lines: LineNames | None = None,
) -> tuple[Span, ...]:
    """Return the sentence of a rule in pieces; `lines` are those of the ruleset unless others are given."""
    writer = _Writer(ruleset.decision, lang, names, zone, line_names_of(ruleset) if lines is None else lines)
    return tuple(writer.rule(rule))


def otherwise_spans(
    ruleset: Ruleset, lang: str, *, names: References | None = None, zone: tzinfo = UTC
) -> tuple[Span, ...]:
    """Return what happens otherwise, in pieces; empty where the ruleset does not say."""
    writer = _Writer(ruleset.decision, lang, names, zone, line_names_of(ruleset))
    return tuple(writer.actions(ruleset.otherwise)) if ruleset.otherwise else ()


def action_spans(
    decision: Decision,
    actions: Iterable[Action],
    lang: str,
    *,
    names: References | None = None,
    lines: LineNames | None = None,
) -> tuple[Span, ...]:
    """Return a list of actions in pieces, ending with a full stop."""
    return tuple(_Writer(decision, lang, names, UTC, lines or LineNames()).actions(tuple(actions)))


def condition_spans(
    decision: Decision, condition: Condition, lang: str, *, names: References | None = None
) -> tuple[Span, ...]:
    """Return one condition in pieces: label and chip."""
    return tuple(_Writer(decision, lang, names, UTC, LineNames()).condition(condition))


def plain(spans: Iterable[Span]) -> str:
    """Return the sentence as text; after an abbreviation one full stop is enough."""
    text = "".join(span.text for span in spans)
    return text[:-1] if text.endswith("..") else text


def rule_text(ruleset: Ruleset, rule: Rule, lang: str, *, names: References | None = None) -> str:
    """Return the sentence of a rule as plain text."""
    return plain(rule_spans(ruleset, rule, lang, names=names))


class _Writer:
    def __init__(self, decision: Decision, lang: str, names: References | None, zone: tzinfo, lines: LineNames) -> None:
        self._specs = actions_of(decision)
        self._lang = lang
        self._names = names
        self._zone = zone
        self._lines = lines

    def rule(self, rule: Rule) -> Iterator[Span]:
        if rule.when is None:
            yield self._word(_ALWAYS)
            yield _text(": ")
        else:
            yield self._word(_IF)
            yield _text(" ")
            yield from self._group(rule.when, outermost=True)
            yield _text(", ")
            yield self._word(_THEN)
            yield _text(" ")
        yield from self.actions(rule.then)

    def actions(self, actions: tuple[Action, ...]) -> Iterator[Span]:
        last: Span | None = None
        for index, action in enumerate(actions):
            if index:
                yield _text("; ")
            for last in self._action(action):
                yield last
        # "3 раб. дн." ends the sentence already.
        if last is None or not last.text.endswith("."):
            yield _text(".")

    def _group(self, group: Group, *, outermost: bool = False) -> Iterator[Span]:
        negated = group.mode is Mode.NONE
        if negated:
            yield self._word(_NOT)
            yield _text(" ")
        brackets = len(group.items) > 1 and (negated or not outermost)
        if brackets:
            yield _text("(")
        joint = _AND if group.mode is Mode.ALL else _OR
        for index, item in enumerate(group.items):
            if index:
                yield _text(" ")
                yield self._word(joint)
                yield _text(" ")
            if isinstance(item, Condition):
                yield from self.condition(item)
            else:
                yield from self._group(item, outermost=outermost and not negated and len(group.items) == 1)
        if brackets:
            yield _text(")")

    def condition(self, condition: Condition) -> Iterator[Span]:
        field = FIELDS[condition.field]
        yield Span(SpanKind.LABEL, field.chip.text(self._lang), condition.path)
        yield _text(": ")
        yield Span(SpanKind.VALUE, self._chip(field, condition), condition.path)

    def _chip(self, field: Field, condition: Condition) -> str:
        operator, value = OPERATORS[condition.op], condition.value
        if value is None:
            return field.filled_words[0 if condition.op == "is_filled" else 1].text(self._lang)
        if isinstance(value, FieldRef):
            other = FIELDS[value.field].label.text(self._lang)
            return (operator.other_chip or operator.chip).text(self._lang).format(value=other)
        if isinstance(value, bool):
            return show(field, value is (condition.op == "is"), self._lang)
        chip = operator.chip.text(self._lang)
        if condition.op == "between" and isinstance(value, tuple):
            first, second = (show(field, item, self._lang, zone=self._zone) for item in value)
            return chip.format(first=first, second=second)
        shown = self._shown(field, condition)
        return chip.format(value=self._listed(shown, condition.op))

    def _shown(self, field: Field, condition: Condition) -> list[str]:
        """Return the values in the order and the spelling in which they were written."""
        written = condition.written_values()
        if field.type in (FieldType.TEXT, FieldType.LIST):
            return [self._worded(field, str(item).strip()) for item in written]
        if field.type in (FieldType.CHOICE, FieldType.REFERENCE):
            return [show(field, str(item), self._lang, names=self._names) for item in written]
        value = condition.value
        numbers = sorted(item for item in value if isinstance(item, int)) if isinstance(value, frozenset) else [value]
        return [show(field, item, self._lang, zone=self._zone) for item in numbers if isinstance(item, int)]

    def _worded(self, field: Field, text: str) -> str:
        """Return a text by its name, else by the word that its field has for it."""
        known = name_of(field.reference, text, self._names, self._lang)
        return field.choice_label(text, self._lang) if known == text else known

    def _listed(self, words: list[str], op: str) -> str:
        if op in ("not_in", "has_any", "has_all") or len(words) < 2:
            return ", ".join(words)
        joint = _AND if op in ("is", "is_not") else _OR
        return f"{', '.join(words[:-1])} {joint.text(self._lang)} {words[-1]}"

    def _action(self, action: Action) -> Iterator[Span]:
        spec = self._specs[action.name]
        yield Span(SpanKind.LABEL, spec.lead.text(self._lang), action.path)
        first = True
        axis = action.text("by") or action.text("rows_by")
        say = Saying(self._lang, self._names, self._lines, FIELDS[axis].type if axis else FieldType.NUMBER)
        for param in spec.params:
            value = action.params.get(param.name)
            # The only line of a rule is called like the rule: its name would say the same again.
            if value is None or (param.type is ParamType.LINE and value in self._lines.lone):
                continue
            path = f"{action.path}/{param.name}"
            if isinstance(value, Group):
                yield _text(", ")
                yield self._word(_AMONG)
                yield _text(" ")
                yield from self._group(value, outermost=True)
                continue
            label = param.chip.text(self._lang)
            if label:
                yield _text(", " if param.type is ParamType.EXCEPT else "; ")
                yield Span(SpanKind.LABEL, label, path)
            elif not first:
                yield _text("; ")
            first = False
            yield _text(": ")
            yield Span(SpanKind.VALUE, param_words(param, value, say), path)

    def _word(self, words: Words) -> Span:
        return Span(SpanKind.KEYWORD, words.text(self._lang))


def _text(text: str) -> Span:
    return Span(SpanKind.TEXT, text)
