"""The form of one action: an input for each of its parameters, and the action that it sends back.

`among` has no input here: its conditions are edited as conditions. What this page cannot edit (the arithmetic of
bonus rules) it leaves as it stands.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from admin.views.rule_editor.conditions import Lists, Node, Option, OptionGroup
from admin.views.rule_editor.typed import Reader
from admin.views.rule_editor.wording import _, capital
from rules_engine.language.kinds import REFERENCE_LABELS, Decision, ReferenceKind
from rules_engine.language.kinds import FieldType as T
from rules_engine.language.shown import name_of
from rules_engine.language.vocabulary import ActionSpec, Param, ParamType, actions_of
from rules_engine.language.vocabulary.actions import POOL_ARGUMENT, POOLS

_COUNTS = frozenset({ParamType.COUNT, ParamType.WORKING_DAYS})
_TYPED = _COUNTS | {ParamType.TEXT, ParamType.CODE, ParamType.MINUTES, ParamType.MONEY}
_SPARE_POOLS = 1


@dataclass(frozen=True, slots=True)
class Input:
    """One parameter. `kind`: text, area, select, checks, pools (a select for each), kept (not edited here)."""

    name: str
    kind: str
    label: str
    required: bool
    values: tuple[str, ...]
    groups: tuple[OptionGroup, ...] = ()
    options: tuple[Option, ...] = ()
    suffix: str = ""
    inputmode: str = ""
    error: str = ""
    todo: str = ""
    """What is to be filled in, where nothing is wrong yet."""


@dataclass(frozen=True, slots=True)
class ActionForm:
    name: str
    names: tuple[Option, ...]
    inputs: tuple[Input, ...]
    errors: Mapping[str, str]
    todo: Mapping[str, str] = field(default_factory=dict)
    bonus: object | None = None
    """The table of a bonus component with what stands beside it; None for other actions."""


class Actions:
    """Makes and reads the forms of one ruleset's actions, in the language of one person."""

    def __init__(self, decision: Decision, lang: str, reader: Reader, lists: Lists) -> None:
        self._specs = actions_of(decision)
        self._lang, self._reader, self._lists = lang, reader, lists

    def offered(self) -> tuple[Option, ...]:
        """Return the actions that a rule of this decision can have."""
        return tuple(Option(spec.name, capital(spec.label.text(self._lang))) for spec in self._specs.values())

    def has_among(self, name: str) -> bool:
        """Return whether an action chooses between candidates, so that conditions on them may stand in it."""
        spec = self._specs.get(name)
        return spec is not None and any(param.type is ParamType.GROUP for param in spec.params)

    def has_pools(self, action: Node) -> bool:
        """Return whether its form has a choice of pools, which grows by one with each that is chosen."""
        spec = self._specs.get(str(action.get("action")))
        return spec is not None and any(param.type is ParamType.POOLS for param in spec.params)

    def typed(self, action: Node) -> dict[str, list[str]]:
        """Return a stored action, finished or not, as the texts of its inputs."""
        spec = self._specs.get(str(action.get("action")))
        found = {"action": [str(action.get("action") or "")]}
        for param in spec.params if spec else ():
            found[param.name] = self._texts(param, action.get(param.name))
        return found

    def form(
        self,
        typed: Mapping[str, Sequence[str]],
        errors: Mapping[str, str] | None = None,
        todo: Mapping[str, str] | None = None,
    ) -> ActionForm:
        """Return the form for the chosen action; by input what is wrong in it and what is to be filled in."""
        name = (typed.get("action") or [""])[0]
        spec = self._specs.get(name)
        problems, missing = errors or {}, todo or {}
        names = [
            Option(one.name, capital(one.label.text(self._lang)), one.name == name) for one in self._specs.values()
        ]
        inputs = [
            replace(
                self._input(param, tuple(typed.get(param.name) or ()), problems.get(param.name, "")),
                todo=missing.get(param.name, ""),
            )
            for param in (spec.params if spec else ())
            if param.type is not ParamType.GROUP
        ]
        return ActionForm(name, tuple(names), tuple(inputs), problems, missing)

    def read(self, typed: Mapping[str, Sequence[str]], present: Node) -> tuple[Node, dict[str, str]]:
        """Return the action that the form describes, and what cannot be taken, by input; missing parts are kept so.

        `present` gives what this page cannot edit.
        """
        name = (typed.get("action") or [""])[0]
        spec: ActionSpec | None = self._specs.get(name)
        node: Node = {"action": name}
        errors: dict[str, str] = {}
        for param in spec.params if spec else ():
            if param.type is ParamType.GROUP:
                continue
            if not self._editable(param):
                if param.name in present:
                    node[param.name] = present[param.name]
                continue
            texts = [text.strip() for text in typed.get(param.name) or () if text.strip()]
            if not texts:
                continue
            try:
                node[param.name] = self._value(param, texts)
            except ValueError:
                errors[param.name] = self._expected(param)
        return node, errors

    @staticmethod
    def _editable(param: Param) -> bool:
        closed = {ParamType.CHOICE, ParamType.BOOLEAN, ParamType.PERSON, ParamType.POOLS, ParamType.EXCEPT}
        return param.type in _TYPED or param.type in closed

    def _texts(self, param: Param, written: Any) -> list[str]:
        if written is None or written == "":
            return []
        if param.type is ParamType.POOLS:
            return [_pool_text(pool) for pool in (written if isinstance(written, list) else [written])]
        if param.type is ParamType.EXCEPT:
            return [str(item) for item in written] if isinstance(written, list) else []
        if param.type is ParamType.BOOLEAN:
            return [self._reader.shown(T.BOOLEAN, written)]
        if param.type is ParamType.MONEY:
            return [self._reader.shown(T.MONEY, written)]
        if param.type is ParamType.MINUTES:
            return [self._reader.shown(T.DURATION, written)]
        return [str(written)] if self._editable(param) else [json.dumps(written, ensure_ascii=False)]

    def _value(self, param: Param, texts: Sequence[str]) -> object:
        first = texts[0]
        if param.type is ParamType.POOLS:
            pools = [_pool(text) for text in texts]
            return pools[0] if len(pools) == 1 else pools
        if param.type is ParamType.EXCEPT:
            return list(texts)
        if param.type is ParamType.MINUTES:
            return self._in_range(param, int(str(self._reader.value(T.DURATION, first))))
        if param.type in _COUNTS:
            return self._in_range(param, int(str(self._reader.value(T.INTEGER, first))))
        if param.type is ParamType.MONEY:
            return self._reader.value(T.MONEY, first)
        if param.type is ParamType.BOOLEAN:
            return self._reader.value(T.BOOLEAN, first)
        return first

    @staticmethod
    def _in_range(param: Param, number: int) -> int:
        if number < (param.minimum or 0):
            raise ValueError(str(number))
        return number

    def _input(self, param: Param, values: tuple[str, ...], error: str) -> Input:
        label = capital(param.label.text(self._lang))
        if param.type is ParamType.POOLS:
            spare = ("",) * max(1 - len(values), _SPARE_POOLS)
            return Input(
                param.name,
                "pools",
                label,
                param.required,
                (*values, *spare),
                groups=self._pool_groups(values),
                error=error,
            )
        if param.type is ParamType.EXCEPT:
            options = tuple(Option(one.value, one.label.text(self._lang), one.value in values) for one in param.choices)
            return Input(param.name, "checks", label, False, values, options=options, error=error)
        if param.type in (ParamType.CHOICE, ParamType.PERSON, ParamType.BOOLEAN):
            groups = self._choice_groups(param, values)
            return Input(param.name, "select", label, param.required, values, groups=groups, error=error)
        if not self._editable(param):
            return Input(param.name, "kept", label, param.required, values, error=error)
        number = param.type is ParamType.MINUTES or param.type in _COUNTS
        suffix = "₽" if param.type is ParamType.MONEY else ""
        kind = "area" if param.type is ParamType.TEXT and param.name == "text" else "text"
        mode = "numeric" if number and param.type is not ParamType.MINUTES else ""
        return Input(
            param.name, kind, label, param.required, values or ("",), suffix=suffix, inputmode=mode, error=error
        )

    def _choice_groups(self, param: Param, values: Sequence[str]) -> tuple[OptionGroup, ...]:
        if param.type is ParamType.BOOLEAN:
            yes, no = Option("yes", _("yes"), "yes" in values), Option("no", _("no"), "no" in values)
            return (OptionGroup("", (yes, no)),)
        own = [Option(one.value, one.label.text(self._lang), one.value in values) for one in param.choices]
        groups = [OptionGroup("", tuple(own))]
        if param.type is ParamType.PERSON:
            people = self._live(ReferenceKind.MANAGER)
            named = tuple(Option(login, name, login in values) for login, name in people.items())
            groups.append(OptionGroup(_("Person"), named))
        return (*groups, *self._missing(groups, values))

    def _pool_groups(self, values: Sequence[str]) -> tuple[OptionGroup, ...]:
        """Return every pool that can be chosen; `team:CODE` and the like name which one."""
        plain = [Option(one.value, one.label.text(self._lang)) for one in POOLS if one.value not in POOL_ARGUMENT]
        groups = [OptionGroup("", tuple(plain))]
        for pool, (_key, kind) in POOL_ARGUMENT.items():
            options = tuple(Option(f"{pool}:{value}", label) for value, label in self._live(kind).items())
            if options:
                groups.append(OptionGroup(capital(REFERENCE_LABELS[kind].text(self._lang)), options))
        return (*groups, *self._missing(groups, values))

    def _live(self, kind: ReferenceKind) -> Mapping[str, str]:
        return self._lists.known(kind) or {}

    def _missing(self, groups: Sequence[OptionGroup], values: Sequence[str]) -> tuple[OptionGroup, ...]:
        """Return a group of chosen values that are listed no more, or saving the form would lose them."""
        listed = {option.value for group in groups for option in group.options}
        gone = tuple(Option(value, self._gone_label(value), True) for value in values if value and value not in listed)
        return (OptionGroup(_("Not in the list"), gone),) if gone else ()

    def _gone_label(self, value: str) -> str:
        """Return how a value is called that nobody has: by the shipped word, else as it is written."""
        pool, _colon, argument = value.partition(":")
        if pool not in POOL_ARGUMENT or not argument:
            return argument or value
        return name_of(POOL_ARGUMENT[pool][1], argument, self._lists, self._lang)

    @staticmethod
    def _expected(param: Param) -> str:
        low = param.minimum or 0
        if param.type is ParamType.MINUTES:
            return _("A duration of at least %(low)s min is needed, for example 30 or 1 h 30 min.", low=low)
        if param.type in _COUNTS:
            return _("A whole number of at least %(low)s is needed.", low=low)
        if param.type is ParamType.MONEY:
            return _("An amount is needed, for example 150 000 or 99.50.")
        return _("This value does not fit.")


def _pool_text(pool: Any) -> str:
    if not isinstance(pool, dict):
        return ""
    name = str(pool.get("pool") or "")
    if name in POOL_ARGUMENT:
        return f"{name}:{pool.get(POOL_ARGUMENT[name][0]) or ''}"
    return name


def _pool(text: str) -> Node:
    name, _colon, argument = text.partition(":")
    if name in POOL_ARGUMENT:
        return {"pool": name, POOL_ARGUMENT[name][0]: argument}
    return {"pool": name}
