"""Actions and their parameters: from JSON to nodes, with every error on the way."""

import json
from collections.abc import Callable

from rules_engine.language.errors import BadValue
from rules_engine.language.kinds import (
    LIMIT_ACTIONS,
    LIMIT_TEXT,
    Decision,
    FieldType,
    ReferenceKind,
)
from rules_engine.language.model import Action, Parameter, Pool
from rules_engine.language.near import near
from rules_engine.language.read_bonus import BonusReader
from rules_engine.language.read_conditions import ConditionReader
from rules_engine.language.reading import Report, pointer
from rules_engine.language.values import parse_type
from rules_engine.language.vocabulary import (
    ACTION_NAMES,
    EXCLUSIVE,
    ActionSpec,
    Param,
    ParamType,
    actions_of,
)
from rules_engine.language.vocabulary.actions import HOLDER_POOLS, POOL_ARGUMENT, POOLS

_LIMIT_POOLS = 20
_LIMIT_COUNT = 1_000_000


class ActionReader:
    """Reads the actions of a ruleset in order; it remembers the statement lines that earlier ones made."""

    def __init__(self, report: Report, decision: Decision, *, knows_lines: bool = True) -> None:
        """`knows_lines` is False for a rule by itself: which lines the rules above it make is then not asked."""
        self._report = report
        self._decision = decision
        self._specs = actions_of(decision)
        self._pool_names = tuple(
            choice.value for choice in POOLS if choice.value not in HOLDER_POOLS or decision is not Decision.ASSIGNMENT
        )
        self._bonus = BonusReader(report, knows_lines=knows_lines)
        self._conditions: ConditionReader | None = None
        self._readers: dict[ParamType, Callable[[object, str, Param], Parameter | None]] = {
            ParamType.TEXT: self._text,
            ParamType.CODE: self._code,
            ParamType.CHOICE: self._choice,
            ParamType.BOOLEAN: self._boolean,
            ParamType.COUNT: self._count,
            ParamType.MINUTES: self._count,
            ParamType.WORKING_DAYS: self._count,
            ParamType.MONEY: self._money,
            ParamType.PERSON: self._person,
            ParamType.POOLS: self._pools,
            ParamType.EXCEPT: self._except,
            ParamType.GROUP: self._group,
            **self._bonus.readers,
        }

    @property
    def lines(self) -> frozenset[str]:
        """The lines of a bonus statement that the actions read so far make."""
        return self._bonus.lines

    def actions(self, value: object, path: str, conditions: ConditionReader) -> tuple[Action, ...]:
        """Return the good actions of `then` or `otherwise`; what is wrong with the others is reported."""
        self._conditions = conditions
        if not isinstance(value, list):
            self._report.add("not_a_list", path)
            return ()
        if not value:
            self._report.add("no_actions", path)
            return ()
        written = self._report.list(value, path, LIMIT_ACTIONS, "too_many_actions")
        found = [self._action(item, f"{path}/{index}") for index, item in enumerate(written)]
        exclusive = EXCLUSIVE.get(self._decision, frozenset())
        names = [item.get("action") for item in written if isinstance(item, dict)]
        given = sum(1 for name in names if isinstance(name, str) and name in exclusive)
        if exclusive and given != 1:
            self._report.add("exactly_one_of", path, names=", ".join(sorted(exclusive)), given=given)
        return tuple(action for action in found if action is not None)

    def _action(self, value: object, path: str) -> Action | None:
        if not isinstance(value, dict):
            self._report.add("not_an_object", path)
            return None
        spec = self._spec(value.get("action"), path)
        if spec is None:
            return None
        before = len(self._report.problems)
        for key in value:
            if key != "action" and key not in spec.by_name:
                self._report.add("unknown_parameter", pointer(path, key), key=key, suggestion=near(key, spec.by_name))
        params: dict[str, Parameter] = {}
        for param in spec.params:
            given = value.get(param.name)
            if given is None or given == "":
                if param.required or param.name in value:
                    self._report.add("missing_parameter", path, key=param.name)
                continue
            read = self._readers[param.type](given, f"{path}/{param.name}", param)
            if read is not None:
                params[param.name] = read
        self._bonus.finish(spec.name, params, path)
        if len(self._report.problems) > before:
            return None
        return Action(spec.name, params, path, json.dumps(value))

    def _spec(self, name: object, path: str) -> ActionSpec | None:
        if name is None or name == "":
            self._report.add("missing_key", path, key="action")
            return None
        place = f"{path}/action"
        if not isinstance(name, str):
            self._report.add("not_text", place)
            return None
        spec = self._specs.get(name)
        if spec is None:
            code = "action_not_here" if name in ACTION_NAMES else "unknown_action"
            self._report.add(code, place, value=name, suggestion=near(name, self._specs))
        return spec

    def _text(self, value: object, path: str, _param: Param) -> str | None:
        return self._report.text(value, path, LIMIT_TEXT)

    def _code(self, value: object, path: str, _param: Param) -> str | None:
        return self._report.code(value, path)

    def _choice(self, value: object, path: str, param: Param) -> str | None:
        allowed = [choice.value for choice in param.choices]
        text = self._report.text(value, path, LIMIT_TEXT)
        if text is None or text in allowed:
            return text
        self._report.add("not_allowed", path, value=text, suggestion=near(text, allowed))
        return None

    def _boolean(self, value: object, path: str, _param: Param) -> bool | None:
        if isinstance(value, bool):
            return value
        self._report.add("wrong_type", path, expected=FieldType.BOOLEAN)
        return None

    def _count(self, value: object, path: str, param: Param) -> int | None:
        if type(value) is not int:
            self._report.add("wrong_type", path, expected=FieldType.INTEGER)
            return None
        low = param.minimum or 0
        if not low <= value <= _LIMIT_COUNT:
            self._report.add("out_of_range", path, low=low, high=_LIMIT_COUNT)
            return None
        return value

    def _money(self, value: object, path: str, _param: Param) -> int | None:
        try:
            minor = parse_type(FieldType.MONEY, value)
        except BadValue as problem:
            self._report.bad_value(problem, path)
            return None
        if not isinstance(minor, int) or minor < 0:
            self._report.add("out_of_range", path, low=0, high="∞")
            return None
        return minor

    def _person(self, value: object, path: str, param: Param) -> str | None:
        login = self._report.text(value, path, LIMIT_TEXT)
        if login is not None:
            roles = [choice.value for choice in param.choices]
            self._report.reference(ReferenceKind.MANAGER, login, path, also=roles)
        return login

    def _pools(self, value: object, path: str, _param: Param) -> tuple[Pool, ...] | None:
        if isinstance(value, dict):
            pool = self._pool(value, path)
            return (pool,) if pool else None
        if not isinstance(value, list):
            self._report.add("not_an_object", path)
            return None
        if not value:
            self._report.add("empty_list", path)
            return None
        written = self._report.list(value, path, _LIMIT_POOLS)
        pools = [self._pool(item, f"{path}/{index}") for index, item in enumerate(written)]
        return tuple(pool for pool in pools if pool)

    def _pool(self, value: object, path: str) -> Pool | None:
        if not isinstance(value, dict):
            self._report.add("not_an_object", path)
            return None
        name = value.get("pool")
        if name is None or name == "":
            self._report.add("missing_key", path, key="pool")
            return None
        if not isinstance(name, str) or name not in self._pool_names:
            self._report.add("not_allowed", f"{path}/pool", value=name, suggestion=near(name, self._pool_names))
            return None
        if name not in POOL_ARGUMENT:
            self._report.mapping(value, path, ("pool",))
            return Pool(name, None, path)
        key, kind = POOL_ARGUMENT[name]
        self._report.mapping(value, path, ("pool", key))
        if value.get(key) is None or value.get(key) == "":
            self._report.add("missing_key", path, key=key)
            return None
        argument = self._report.text(value[key], f"{path}/{key}", LIMIT_TEXT)
        if argument is None:
            return None
        self._report.reference(kind, argument, f"{path}/{key}")
        return Pool(name, argument, path)

    def _except(self, value: object, path: str, param: Param) -> tuple[str, ...] | None:
        if value == []:
            self._report.add("empty_list", path)
            return None
        written = self._report.list(value, path, _LIMIT_POOLS)
        names = [self._choice(item, f"{path}/{index}", param) for index, item in enumerate(written)]
        return tuple(name for name in names if name is not None)

    def _group(self, value: object, path: str, _param: Param) -> Parameter | None:
        if self._conditions is None:
            return None
        return self._conditions.group(value, path, candidates=True)
