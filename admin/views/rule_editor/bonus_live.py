"""What the numbers of a bonus form mean: examples, worked lines, last month's people, all by the real arithmetic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from admin.views.rule_editor.bonus_curve import Person, Picture, picture, worth_words
from admin.views.rule_editor.wording import _
from rules_engine.decisions.bonus_lines import Term, rounded
from rules_engine.decisions.bonus_measures import Measures
from rules_engine.decisions.bonus_probe import Probe, along, probe_of, typical
from rules_engine.decisions.bonus_words import figure_words
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import GateCondition
from rules_engine.language.shown import NBSP, show_measured, show_scaled
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.drafts.body import Node

MODES = ("slab", "whole")
_NAMED = 3
_HEAT = 5
_FURTHER = Fraction(6, 5)


@dataclass(frozen=True, slots=True)
class People:
    """Last month's managers. `month` in words; `is_stored`: as their statements keep it, else as of now."""

    month: str
    people: tuple[Person, ...]

    @property
    def middle(self) -> Measures:
        return typical(person.measures for person in self.people)


@dataclass(frozen=True, slots=True)
class RowLive:
    """Beside one row of a table: where it ends, an example, who stood there last month."""

    up_to: str = ""
    example: str = ""
    count: int = 0
    names: str = ""


@dataclass(frozen=True, slots=True)
class CellLive:
    """Under one cell of a matrix: how many stood between its marks and the next ones, and how warm its value is."""

    count: int
    names: str
    heat: int


@dataclass(frozen=True, slots=True)
class Live:
    """Everything beside the inputs. `worked` has a sum for each mode of tiers; `said` are lines under the table."""

    month: str = ""
    rows: Mapping[int, RowLive] = field(default_factory=dict)
    cells: Mapping[int, CellLive] = field(default_factory=dict)
    worked_at: str = ""
    worked: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()


def live_of(action: Node, when: Any, before: Node | None, before_when: Any, who: People, lang: str) -> Live:
    """Return what stands beside a component without faults; `before` is the same component as it is in force."""
    ready = _with_a_line(action)
    probe = probe_of(ready, when)
    if probe is None and ready.get("action") == "pay_tiers":
        # Without the choice between part and whole nothing is paid yet; where tiers end can be said all the same.
        return Live(who.month, _tier_rows(ready, None, who, lang), **_worked(ready, when, who, lang))
    if probe is None:
        return Live(who.month)
    live = probe_of(_with_a_line(before), before_when) if before else None
    pictures = tuple(picture(probe, axis, who.people, _others(probe, axis, who), lang, live) for axis in probe.axes)
    name = ready["action"]
    worked = _worked(ready, when, who, lang) if name == "pay_tiers" else {}
    return Live(
        month=who.month,
        rows=_tier_rows(ready, probe, who, lang) if name == "pay_tiers" else _node_rows(ready, who, lang),
        cells=_cells(ready, who) if name == "pay_matrix" else {},
        said=tuple(_sums(probe, live, who, lang)),
        pictures=pictures,
        **worked,
    )


def _others(probe: Probe, axis: str, who: People) -> Measures:
    """Return where the other measures stand: in the middle, those of a gate where they open it in full."""
    found = dict(who.middle)
    gates = probe.action.params.get("all")
    for gate in gates if isinstance(gates, tuple) else ():
        if isinstance(gate, GateCondition) and gate.measure != axis:
            found = dict(along(found, gate.measure, gate.full_at))
    return found


def edges_of(action: Node, who: People, lang: str) -> Live:
    """Return where tiers end and who stands in them, of a component that has faults elsewhere."""
    return Live(who.month, _tier_rows(action, None, who, lang))


def _with_a_line(action: Node) -> Node:
    """Return the component with the line that its save will give it."""
    made = dict(action)
    if str(made.get("action")).startswith("pay_"):
        made["line"] = "line"
        if isinstance(made.get("above"), dict):
            made["above"] = {**made["above"], "line": "above"}
    return made


def _tier_rows(action: Node, probe: Probe | None, who: People, lang: str) -> dict[int, RowLive]:
    by = str(action.get("by") or "")
    if by not in FIELDS:
        return {}
    kind = FIELDS[by].type
    starts = [Fraction(tier["from"]) for tier in action["tiers"]]
    found = {}
    for place, start in enumerate(starts):
        end = starts[place + 1] if place + 1 < len(starts) else None
        inside = _between(who, by, None if place == 0 else start, end)
        example = ""
        if probe is not None:
            at = (start + end) / 2 if end is not None else start * _FURTHER
            paid = probe.worth(along(who.middle, by, at, str(action.get("of"))))
            shown = show_measured(kind, at, lang)
            example = f"{shown} → {worth_words(paid, lang, is_factor=False)}"
        found[place] = RowLive(
            _("no end") if end is None else show_measured(kind, end, lang), example, len(inside), _names(inside)
        )
    return found


def _node_rows(action: Node, who: People, lang: str) -> dict[int, RowLive]:
    """Return who stood between each point of a curve and the next."""
    by = str(action.get("by") or "")
    nodes = action.get("nodes")
    if by not in FIELDS or action.get("action") == "pay_matrix" or not isinstance(nodes, list):
        return {}
    starts = [Fraction(node[0]) for node in nodes]
    found = {}
    for place, start in enumerate(starts):
        end = starts[place + 1] if place + 1 < len(starts) else None
        inside = _between(who, by, None if place == 0 else start, end)
        found[place] = RowLive(count=len(inside), names=_names(inside))
    return found


def _worked(action: Node, when: Any, who: People, lang: str) -> dict[str, Any]:
    """Return one amount worked through in both ways, so that the choice is made with open eyes."""
    by, of = str(action.get("by") or ""), str(action.get("of") or "")
    tiers = action.get("tiers") or []
    if by not in FIELDS or of not in FIELDS or len(tiers) < 2:
        return {}
    at = Fraction(tiers[-1]["from"]) * _FURTHER
    measures = along(who.middle, by, at, of)
    worked = {}
    for mode in MODES:
        probe = probe_of({**action, "mode": mode})
        if probe is None:
            return {}
        lines = probe.statement(measures).lines
        terms = [_term(term, lang) for line in lines for term in line.terms]
        total = worth_words(probe.worth(measures), lang, is_factor=False)
        worked[mode] = f"{' + '.join(terms)} = {total}" if terms else total
    said = show_measured(FIELDS[by].type, at, lang)
    if by != of:
        paid = show_scaled(FieldType.MONEY, rounded(measures[of] or Fraction(0)), lang)
        said = f"{said}, {FIELDS[of].chip.text(lang)} {paid}"
    return {"worked_at": said, "worked": worked}


def _term(term: Term, lang: str) -> str:
    base = show_scaled(FieldType.MONEY, rounded(term.base.value * 100), lang)
    return base if term.factor is None else f"{base} × {figure_words(term.factor, lang)}"


def _sums(probe: Probe, live: Probe | None, who: People, lang: str) -> Iterable[str]:
    """Yield what the component pays all people together, and what the one in force does."""
    if probe.is_factor or not who.people:
        return
    draft, now = (
        sum((one.worth(person.measures, person.without_plan) for person in who.people), Fraction(0)) if one else None
        for one in (probe, live)
    )
    amount = worth_words(draft or Fraction(0), lang, is_factor=False)
    text = _("%(month)s would pay %(amount)s to all together", month=who.month.capitalize(), amount=amount)
    if now is not None and now != draft:
        text += "; " + _("as it is in force: %(amount)s", amount=worth_words(now, lang, is_factor=False))
    yield f"{text}."


def _cells(action: Node, who: People) -> dict[int, CellLive]:
    marks = [Fraction(mark) for mark in action["nodes"]]
    values = [[Fraction(cell) for cell in row] for row in action["values"]]
    most = max((cell for row in values for cell in row), default=Fraction(0))
    sides = [str(action.get("rows_by") or ""), str(action.get("cols_by") or "")]
    placed: dict[int, list[Person]] = {}
    for person in who.people:
        at = [person.measures.get(side) for side in sides]
        if None in at:
            continue
        row, column = (
            max((place for place, mark in enumerate(marks) if mark <= (value or 0)), default=0) for value in at
        )
        placed.setdefault(row * len(marks) + column, []).append(person)
    found = {}
    for row, cells in enumerate(values):
        for column, cell in enumerate(cells):
            place = row * len(marks) + column
            inside = placed.get(place, [])
            found[place] = CellLive(len(inside), _names(inside), int(cell * _HEAT / most) if most else 0)
    return found


def _between(who: People, measure: str, start: Fraction | None, end: Fraction | None) -> list[Person]:
    scale = 100 if FIELDS[measure].type is FieldType.MONEY else 1
    return [
        person
        for person in who.people
        if (value := person.measures.get(measure)) is not None
        and (start is None or value >= start * scale)
        and (end is None or value < end * scale)
    ]


def _names(people: Sequence[Person]) -> str:
    named = ", ".join(person.name.replace(" ", NBSP) for person in people[:_NAMED])
    more = len(people) - _NAMED
    return _("%(names)s and %(more)s more", names=named, more=more) if more > 0 else named
