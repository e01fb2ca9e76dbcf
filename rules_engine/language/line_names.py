"""How people call the lines of a bonus statement: by the rule that makes them, never by their code."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from rules_engine.language.errors import BadValue
from rules_engine.language.kinds import Decision, Words
from rules_engine.language.model import OTHERWISE, Ruleset
from rules_engine.language.shown import show_fraction
from rules_engine.language.values import parse_exact
from rules_engine.language.vocabulary import actions_of

_OTHERWISE = Words("Остальные", "Otherwise")
_ABOVE = Words("часть сверх", "the part above")
_GUARANTEE = Words("Гарантированный минимум новичка", "Newcomer guarantee")
_FLOOR = Words("Итог не бывает ниже нуля", "The total is never below zero")


@dataclass(frozen=True, slots=True)
class LineNames:
    """Names by the code of a line. `lone`: called just like its rule, which so need not name it."""

    names: Mapping[str, Words] = field(default_factory=lambda: MappingProxyType({}))
    lone: frozenset[str] = frozenset()

    def text(self, line: str, lang: str) -> str:
        """Return a line's name; the code where nothing makes it."""
        words = self.names.get(line)
        return (words.text(lang) if words else "") or line


def line_names(document: Mapping[str, object]) -> LineNames:
    """Return the names of the lines that a document makes, finished or not, `guarantee` and `floor` included.

    The first line of a rule is called like the rule; to further ones is added what they are: “Premium: the part
    above 1”.
    """
    names = {"guarantee": _GUARANTEE, "floor": _FLOOR}
    lone: set[str] = set()
    for title, actions in _rules(document):
        made = list(_made(actions))
        kinds = Counter(kind for _, kind in made[1:])
        seen: Counter[Words] = Counter()
        for place, (line, kind) in enumerate(made):
            if place == 0:
                names[line] = title
                lone.add(line)
                continue
            seen[kind] += 1
            number = f" {seen[kind]}" if kinds[kind] > 1 else ""
            names[line] = Words(*(f"{title.text(lang)}: {kind.text(lang)}{number}" for lang in ("ru", "en")))
    return LineNames(MappingProxyType(names), frozenset(lone))


def line_names_of(ruleset: Ruleset) -> LineNames:
    """Return the names of a ruleset's lines; none for other decisions than the bonus."""
    return line_names(json.loads(ruleset.document)) if ruleset.decision is Decision.BONUS else LineNames()


def _rules(document: Mapping[str, object]) -> Iterator[tuple[Words, object]]:
    rules = document.get("rules")
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict):
            yield _title(rule), rule.get("then")
    yield _OTHERWISE, document.get(OTHERWISE)


def _title(rule: Mapping[str, object]) -> Words:
    title, code = rule.get("title"), str(rule.get("id") or "")
    if isinstance(title, dict):
        found = Words(str(title.get("ru") or ""), str(title.get("en") or ""))
        return found if found.ru or found.en else Words(code, code)
    text = str(title or code)
    return Words(text, text)


def _made(actions: object) -> Iterator[tuple[str, Words]]:
    """Yield each line that actions make, and what makes it."""
    specs = actions_of(Decision.BONUS)
    for action in actions if isinstance(actions, Sequence) and not isinstance(actions, str) else ():
        if not isinstance(action, dict):
            continue
        spec, line, above = specs.get(str(action.get("action"))), action.get("line"), action.get("above")
        if spec is None or not isinstance(line, str) or not line:
            continue
        yield line, spec.label
        if isinstance(above, dict) and isinstance(above.get("line"), str):
            start = _exact(above.get("from"))
            yield (
                above["line"],
                Words(*(_ABOVE.text(lang) + (f" {show_fraction(start, lang)}" if start is not None else "")
                        for lang in ("ru", "en"))),
            )  # fmt: skip


def _exact(value: object) -> Fraction | None:
    try:
        return parse_exact(value)
    except BadValue:
        return None
