"""Parameters of bonus components: measures, lines, tiers, nodes and matrices, in exact fractions."""

import itertools
from collections.abc import Callable, Mapping
from fractions import Fraction

from rules_engine.language.errors import BadValue, FactsInvalid
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import Above, GateCondition, Parameter, Tier
from rules_engine.language.near import near
from rules_engine.language.reading import Report
from rules_engine.language.values import parse_exact, parse_type
from rules_engine.language.vocabulary import FIELDS, Param, ParamType
from rules_engine.language.vocabulary.fields_measure import NO_PLAN

WITHOUT_PLAN = "without_plan"
"""The key beside the facts of a bonus that lists the attainments which have no plan by intention."""
RESERVED_LINES = ("guarantee", "floor")
"""Lines that a statement makes by itself."""
_LIMIT_NODES = 50
_MEASURES = tuple(key for key in FIELDS if key.startswith("measure."))
ATTAINMENTS = tuple(key for key in _MEASURES if FIELDS[key].type is FieldType.PERCENT and FIELDS[key].empty == NO_PLAN)
"""The measures that compare with a plan."""


class BonusReader:
    """`readers` reads each type of parameter; `finish` looks at an action as a whole, in document order."""

    def __init__(self, report: Report, *, knows_lines: bool = True) -> None:
        self._report = report
        self._knows_lines = knows_lines
        self._lines: set[str] = set()
        self.readers: dict[ParamType, Callable[[object, str, Param], Parameter | None]] = {
            ParamType.EXACT: self._exact,
            ParamType.MEASURE: self._measure,
            ParamType.LINE: self._line,
            ParamType.LINES: self._known_lines,
            ParamType.TIERS: self._tiers,
            ParamType.NODES: self._nodes,
            ParamType.AXIS: self._axis,
            ParamType.MATRIX: self._matrix,
            ParamType.GATES: self._gates,
            ParamType.ABOVE: self._above,
        }

    def finish(self, name: str, params: dict[str, Parameter], path: str) -> None:
        """Remember the lines that an action makes; check a matrix against its nodes and its two measures."""
        line, above = params.get("line"), params.get("above")
        if isinstance(line, str):
            self._new_line(line, f"{path}/line")
        if isinstance(above, Above):
            self._new_line(above.line, f"{path}/above/line")
        rows_by = params.get("rows_by")
        if name == "pay_matrix" and rows_by is not None and rows_by == params.get("cols_by"):
            self._report.add("same_measure", f"{path}/cols_by", value=rows_by)
        nodes, values = params.get("nodes"), params.get("values")
        if name == "pay_matrix" and isinstance(nodes, tuple) and isinstance(values, tuple):
            size = len(nodes)
            if len(values) != size or any(not isinstance(row, tuple) or len(row) != size for row in values):
                self._report.add("wrong_shape", f"{path}/values", rows=size, cols=size)

    @property
    def lines(self) -> frozenset[str]:
        """Every line that the actions read so far make."""
        return frozenset(self._lines)

    def _new_line(self, name: str, path: str) -> None:
        if name in RESERVED_LINES:
            self._report.add("reserved_line", path, value=name)
        elif name in self._lines:
            self._report.add("duplicate_line", path, value=name)
        self._lines.add(name)

    def _exact(self, value: object, path: str, param: Param | None = None) -> Fraction | None:
        try:
            number = parse_exact(value)
        except BadValue as problem:
            self._report.bad_value(problem, path)
            return None
        if param is not None and param.minimum is not None and number < param.minimum:
            self._report.add("out_of_range", path, low=param.minimum, high="∞")
            return None
        return number

    def _measure(self, value: object, path: str, param: Param) -> str | None:
        if not isinstance(value, str):
            self._report.add("not_text", path)
        elif value not in _MEASURES:
            self._report.add("unknown_field", path, value=value, suggestion=near(value, _MEASURES))
        elif param.measures and FIELDS[value].type not in param.measures:
            self._report.add("wrong_measure", path, value=value)
        else:
            return value
        return None

    def _line(self, value: object, path: str, _param: Param) -> str | None:
        return self._report.code(value, path)

    def _known_lines(self, value: object, path: str, _param: Param) -> tuple[str, ...] | None:
        if value == []:
            self._report.add("empty_list", path)
        names = []
        for index, item in enumerate(self._report.list(value, path, _LIMIT_NODES)):
            name = self._report.code(item, f"{path}/{index}")
            if name is None:
                continue
            if self._knows_lines and name not in self._lines:
                self._report.add("unknown_line", f"{path}/{index}", value=name, suggestion=near(name, self._lines))
            elif name in names:
                self._report.add("same_line", f"{path}/{index}", value=name)
            names.append(name)
        return tuple(names)

    def _tiers(self, value: object, path: str, _param: Param) -> tuple[Tier, ...] | None:
        tiers = []
        written = self._report.list(value, path, _LIMIT_NODES)
        for index, item in enumerate(written):
            place = f"{path}/{index}"
            row = self._report.mapping(item, place, ("from", "rate", "fixed"))
            if row is None:
                continue
            start = self._given(row.get("from"), place, "from")
            rate = self._given(row.get("rate"), place, "rate")
            fixed = self._fixed(row["fixed"], f"{place}/fixed") if "fixed" in row else None
            if start is not None and rate is not None:
                tiers.append(Tier(start, rate, fixed))
        if len(written) < 2:
            self._report.add("few_tiers", path)
        if tiers and len(tiers) == len(written):
            if tiers[0].start != 0:
                self._report.add("first_tier", f"{path}/0/from")
            self._rising([tier.start for tier in tiers], path)
        return tuple(tiers)

    def _given(self, value: object, path: str, key: str) -> Fraction | None:
        if value is None or value == "":
            self._report.add("missing_key", path, key=key)
            return None
        return self._exact(value, f"{path}/{key}")

    def _fixed(self, value: object, path: str) -> int | None:
        try:
            minor = parse_type(FieldType.MONEY, value)
        except BadValue as problem:
            self._report.bad_value(problem, path)
            return None
        return minor if isinstance(minor, int) else None

    def _nodes(self, value: object, path: str, _param: Param) -> tuple[tuple[Fraction, ...], ...] | None:
        nodes = []
        written = self._report.list(value, path, _LIMIT_NODES)
        for index, item in enumerate(written):
            place = f"{path}/{index}"
            if not isinstance(item, list) or len(item) != 2:
                self._report.add("not_a_pair", place)
                continue
            pair = [self._exact(number, f"{place}/{position}") for position, number in enumerate(item)]
            if pair[0] is not None and pair[1] is not None:
                nodes.append((pair[0], pair[1]))
        if len(written) < 2:
            self._report.add("too_few", path, limit=2)
        elif len(nodes) == len(written):
            self._rising([node[0] for node in nodes], path)
        return tuple(nodes)

    def _axis(self, value: object, path: str, _param: Param) -> tuple[Fraction, ...] | None:
        written = self._report.list(value, path, _LIMIT_NODES)
        numbers = [self._exact(item, f"{path}/{index}") for index, item in enumerate(written)]
        good = [number for number in numbers if number is not None]
        if len(written) < 2:
            self._report.add("too_few", path, limit=2)
        elif len(good) == len(written):
            self._rising(good, path)
        return tuple(good)

    def _matrix(self, value: object, path: str, _param: Param) -> tuple[tuple[Fraction, ...], ...] | None:
        rows = []
        for index, row in enumerate(self._report.list(value, path, _LIMIT_NODES)):
            place = f"{path}/{index}"
            numbers = [
                self._exact(item, f"{place}/{column}")
                for column, item in enumerate(self._report.list(row, place, _LIMIT_NODES))
            ]
            rows.append(tuple(number for number in numbers if number is not None))
        return tuple(rows)

    def _gates(self, value: object, path: str, param: Param) -> tuple[GateCondition, ...] | None:
        gates: list[GateCondition] = []
        written = self._report.list(value, path, _LIMIT_NODES)
        if not written:
            self._report.add("too_few", path, limit=1)
        for index, item in enumerate(written):
            place = f"{path}/{index}"
            row = self._report.mapping(item, place, ("measure", "from", "full_at"))
            if row is None:
                continue
            measure = self._measure(row.get("measure"), f"{place}/measure", param)
            start = self._given(row.get("from"), place, "from")
            full_at = self._given(row.get("full_at"), place, "full_at")
            if measure is None or start is None or full_at is None:
                continue
            if full_at < start:
                self._report.add("gate_order", place)
            if any(gate.measure == measure for gate in gates):
                self._report.add("same_measure", f"{place}/measure", value=measure)
            gates.append(GateCondition(measure, start, full_at))
        return tuple(gates)

    def _above(self, value: object, path: str, _param: Param) -> Above | None:
        row = self._report.mapping(value, path, ("from", "line"))
        if row is None:
            return None
        start = self._given(row.get("from"), path, "from")
        line = self._report.code(row.get("line"), f"{path}/line")
        return Above(start, line) if start is not None and line is not None else None

    def _rising(self, numbers: list[Fraction], path: str) -> None:
        if any(first >= second for first, second in itertools.pairwise(numbers)):
            self._report.add("not_sorted", path)


def read_without_plan(document: Mapping[str, object], path: str) -> frozenset[str]:
    """Return the attainments that have no plan by intention, from the object that holds the facts of a bonus.

    Empty without the key. Raises FactsInvalid for what is no list of attainments.
    """
    report = Report()
    place = f"{path}/{WITHOUT_PLAN}"
    named = report.list(document.get(WITHOUT_PLAN, []), place, _LIMIT_NODES)
    for index, item in enumerate(named):
        if item not in ATTAINMENTS:
            report.add("wrong_measure", f"{place}/{index}", value=item, suggestion=near(str(item), ATTAINMENTS))
    if report.problems:
        raise FactsInvalid(tuple(report.problems))
    return frozenset(str(item) for item in named)
