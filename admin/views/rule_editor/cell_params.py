"""The cells of a table that hold parameters of actions: to whom, answer within, a text, a reason."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from admin.views.rule_editor.actions import Actions
from admin.views.rule_editor.cell_text import NO, YES, items_of, squeezed, unquoted, without_unit
from admin.views.rule_editor.conditions import Option
from admin.views.rule_editor.sentences import Speaker
from admin.views.rule_editor.wording import _
from rules_engine.language.kinds import REFERENCE_LABELS, Decision
from rules_engine.language.near import near
from rules_engine.language.vocabulary import YES_NO, Param, ParamType, actions_of
from rules_engine.language.vocabulary.actions import POOL_ARGUMENT, POOLS
from rules_engine.language.vocabulary.shipped import shipped_name
from rules_engine.services.drafts.body import Node
from rules_engine.services.drafts.table import CELL_PARAMS, CellRefused, folded

_ELSE: Final = re.compile(r"\s*(?:,?\s*\b(?:иначе|else|затем|then)\b|→|/)\s*", re.IGNORECASE)
_UNITS: Final = {
    ParamType.MINUTES: ("рабочих минут", "рабочих мин", "раб. мин", "working minutes", "working min"),
    ParamType.WORKING_DAYS: (
        *("раб. дн.", "рабочих дней", "рабочих дня", "рабочий день", "дней", "дня", "день", "дн."),
        *("working days", "working day", "days", "day"),
    ),
    ParamType.COUNT: ("раз", "шт.", "шт", "times"),
}
_CHOSEN: Final = frozenset({ParamType.CHOICE, ParamType.PERSON, ParamType.POOLS, ParamType.EXCEPT, ParamType.CODE})
_ENDS: Final = {"ru": ("«", "»"), "en": ("“", "”")}


class Params:
    """Reads and writes the cells of parameters, by way of what the form of an action would send."""

    def __init__(self, decision: Decision, lang: str, actions: Actions, speaker: Speaker) -> None:
        self._specs, self._lang, self._actions, self._speaker = actions_of(decision), lang, actions, speaker
        self._kept: dict[tuple[str, str], dict[str, str]] = {}
        self._present: set[str] = set()

    def text(self, action: Node, name: str) -> str | None:
        """Return a given parameter as its cell; for what a cell cannot hold its sentence. None where it would not
        come back as the same."""
        spec = self._specs[str(action["action"])]
        param = spec.by_name[name]
        if param.type not in CELL_PARAMS:
            return self._sentence(action, name)
        typed = self._actions.typed({"action": spec.name, name: action[name]})[name]
        if param.type is ParamType.POOLS:
            self._present.update(typed)
        for text in self._texts(param, typed, spec.name):
            try:
                read = self.read(spec.name, name, text)
            except CellRefused:
                continue
            if read == action[name] or (param.type is ParamType.POOLS and [read] == action[name]):
                return text
        return None

    def read(self, action: str, name: str, text: str) -> object:
        """Return the parameter that a cell says. Raises CellRefused."""
        param = self._specs[action].by_name[name]
        plain = squeezed(text)
        typed = self._typed(param, plain, action)
        node, errors = self._actions.read({"action": [action], name: typed}, {"action": action})
        if errors:
            raise CellRefused(next(iter(errors.values())))
        if name not in node:
            raise CellRefused(_("The value is missing."))
        return node[name]

    def _sentence(self, action: Node, name: str) -> str:
        """Return a parameter as the sentence of its action says it, "" for one that it does not name."""
        said = [part.text for part in self._speaker.action(action, "/then/0") if part.param == name]
        return "".join(said).replace("\u00a0", " ")

    def _texts(self, param: Param, typed: Sequence[str], action: str) -> Iterator[str]:
        """Yield ways to write a parameter, the most natural first."""
        if param.type is ParamType.BOOLEAN:
            yield YES_NO[0 if typed == ["yes"] else 1].text(self._lang)
        elif param.type in _CHOSEN:
            labels = self._labels(param, action)
            yield "; ".join(labels.get(value, value) for value in typed)
            yield "; ".join(typed)
        elif param.type is ParamType.MINUTES:
            yield f"{typed[0]} {_('min')}" if typed[0].isdecimal() else typed[0]
        elif param.type is ParamType.TEXT:
            yield typed[0]
            yield f"«{typed[0]}»"
        elif param.type is ParamType.MONEY:
            yield f"{typed[0]} ₽".replace("\u00a0", " ")
        else:
            yield typed[0]

    def _typed(self, param: Param, text: str, action: str) -> list[str]:
        """Return what the inputs of a form would send."""
        if param.type is ParamType.BOOLEAN:
            low = text.casefold()
            return ["yes" if low in YES else "no" if low in NO else text]
        if param.type is ParamType.TEXT:
            quoted = unquoted(text)
            return [text if quoted is None else quoted]
        if param.type not in _CHOSEN:
            units = _UNITS.get(param.type, ())
            return [without_unit(text, units)]
        many = param.type in (ParamType.POOLS, ParamType.EXCEPT)
        chain = _ELSE.sub(";", text) if param.type is ParamType.POOLS else text
        items = items_of(chain, with_commas=False) if many else [text]
        return [self._code(param, item, action) for item in items]

    def _code(self, param: Param, item: str, action: str) -> str:
        named = self._named(param, action)
        low = folded(item)
        if low in named:
            return named[low]
        if param.type is ParamType.CODE and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", item):
            return item
        labels = self._labels(param, action)
        meant = near(low, named)
        if meant:
            label = labels.get(named[meant], meant)
            raise CellRefused(_("There is no “%(value)s” here. Did you mean “%(label)s”?", value=item, label=label))
        some = ", ".join(list(labels.values())[:6]) + ("…" if len(labels) > 6 else "")
        raise CellRefused(_("There is no “%(value)s” here. There are: %(labels)s.", value=item, labels=some))

    def _options(self, param: Param, action: str) -> list[Option]:
        form = self._actions.form({"action": [action]})
        for one in form.inputs:
            if one.name == param.name:
                return [*one.options, *(option for group in one.groups for option in group.options)]
        return []

    def _labels(self, param: Param, action: str) -> dict[str, str]:
        """Return what can be chosen, by its code, as a cell writes it."""
        if (action, param.name) not in self._kept:
            listed = {option.value: option.label for option in self._options(param, action)}
            listed |= {one.value: one.label.text(self._lang) for one in param.choices}
            self._kept[action, param.name] = {
                code: self._pool_label(code, label) if ":" in code else label for code, label in listed.items()
            }
        kept = self._kept[action, param.name]
        return kept | self._shipped(kept) if param.type is ParamType.POOLS else kept

    def _shipped(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return the pools of the present rules that the installation does not have, by the words of their sentence."""
        found = {}
        for code in self._present:
            pool, _colon, value = code.partition(":")
            words = shipped_name(POOL_ARGUMENT[pool][1], value) if pool in POOL_ARGUMENT else None
            label = self._pool_label(code, words.text(self._lang)) if words else ""
            if label and code not in labels and label not in labels.values():
                found[code] = label
        return found

    def _pool_label(self, code: str, label: str) -> str:
        """Return “team «Key accounts»” for a pool that names which one; a person by his name alone."""
        pool = code.partition(":")[0]
        if pool not in POOL_ARGUMENT or pool == "manager":
            return label
        before, after = _ENDS["ru" if self._lang == "ru" else "en"]
        return f"{REFERENCE_LABELS[POOL_ARGUMENT[pool][1]].text(self._lang)} {before}{label}{after}"

    def _named(self, param: Param, action: str) -> dict[str, str]:
        """Return the codes by every name that a cell may use; a name of two is nobody's."""
        named: dict[str, set[str]] = {}
        for code, label in self._labels(param, action).items():
            bare = re.sub('[«»“”"]', "", label)
            pool, _colon, argument = code.partition(":")
            names = {label, bare, code}
            if argument:
                kind = REFERENCE_LABELS[POOL_ARGUMENT[pool][1]]
                own = bare if pool == "manager" else bare.partition(" ")[2]
                names |= {
                    argument,
                    own,
                    f"{kind.ru} «{own}»",
                    f"{kind.en} “{own}”",
                    f"{kind.ru} {own}",
                    f"{kind.en} {own}",
                }
            for name in names:
                named.setdefault(folded(name), set()).add(code)
        for one in (*param.choices, *(POOLS if param.type is ParamType.POOLS else ())):
            if one.value not in POOL_ARGUMENT or param.type is not ParamType.POOLS:
                for words in (one.label.ru, one.label.en):
                    named.setdefault(folded(words), set()).add(one.value)
        return {name: next(iter(codes)) for name, codes in named.items() if name and len(codes) == 1}
