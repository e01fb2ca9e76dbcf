"""The forms of bonus rules: plain inputs, tables, the choice between part and whole, and what stands beside them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from admin.views.rule_editor.actions import ActionForm, Actions, Input
from admin.views.rule_editor.bonus_curve import Person
from admin.views.rule_editor.bonus_forms import (
    STORED,
    BonusTexts,
    Texts,
    axis_kind,
    first,
    spec_of,
    table_of,
    text_at,
)
from admin.views.rule_editor.bonus_live import MODES, Live, People, edges_of, live_of
from admin.views.rule_editor.bonus_view import (
    BonusForm,
    Cell,
    LineChoice,
    TableRow,
    mode_label,
    plain_label,
    soft_options,
)
from admin.views.rule_editor.conditions import Lists, Option, OptionGroup
from admin.views.rule_editor.typed import Reader
from admin.views.rule_editor.wording import _, capital
from rules_engine.decisions.bonus_lines import StepKind
from rules_engine.errors import NotFound
from rules_engine.language.kinds import Decision
from rules_engine.language.kinds import FieldType as T
from rules_engine.language.line_names import line_names
from rules_engine.language.read_bonus import RESERVED_LINES
from rules_engine.language.vocabulary import FIELDS, Param, ParamType
from rules_engine.services.bonus.texts import month_words
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import Body, Node, pointer, rule_ids, rule_of, set_action
from rules_engine.services.drafts.bonus import free_line, lines_above, lines_of
from rules_engine.services.drafts.bonus_pay import StatementUnder, ground_of, last_month, pay_under
from rules_engine.services.rules import rulebook

_PLAIN = (ParamType.MEASURE, ParamType.MONEY, ParamType.EXACT, ParamType.COUNT)
_SUFFIXES = {T.MONEY: "₽", T.PERCENT: "%"}


class BonusActions(Actions):
    """As `Actions`, with the editors of bonus components; reads the draft and last month when a form is open."""

    def __init__(self, lang: str, reader: Reader, lists: Lists, session: Session, now: datetime) -> None:
        super().__init__(Decision.BONUS, lang, reader, lists)
        self._session, self._now = session, now
        self._texts_of = BonusTexts(reader)

    def typed(self, action: Node) -> dict[str, list[str]]:
        found = self._texts_of.typed(action)
        rule, at = self._place_of(action)
        return {**found, "rule": [rule], "at": [at]}

    def read(self, typed: Texts, present: Node) -> tuple[Node, dict[str, str]]:
        node, errors = self._texts_of.read(typed)
        self._name_lines(node, present, first(typed, "rule"))
        return node, errors

    def form(
        self, typed: Texts, errors: Mapping[str, str] | None = None, todo: Mapping[str, str] | None = None
    ) -> ActionForm:
        texts = self._texts_of.begun(typed)
        name = first(texts, "action")
        node, found = self._texts_of.read(texts)
        # Its form is saved by a button: what is missing then is wrong like anything else.
        problems = {**(todo or {}), **(errors or {})}
        if STORED in typed:
            problems |= found
        spec = spec_of(name)
        names = tuple(Option(one.value, one.label, one.value == name) for one in self.offered())
        inputs = tuple(
            self._plain(param, first(texts, param.name), name, problems)
            for param in (spec.params if spec else ())
            if param.type in _PLAIN
        )
        table = self._table(texts, node, found, problems) if spec else None
        return ActionForm(name, names, inputs, problems, bonus=table)

    def live(self, typed: Texts) -> Live:
        """Return what stands beside a form while somebody types in it; little while there are faults."""
        node, found = self._texts_of.read(self._texts_of.begun(typed))
        return self._beside(typed, node, found)

    def _table(self, texts: Texts, node: Node, found: Mapping[str, str], errors: Mapping[str, str]) -> BonusForm:
        table = table_of(first(texts, "action"))
        fixed = first(texts, "with_fixed") == "yes" or any(text for text in texts.get("tier_fixed") or ())
        marks = tuple(
            Cell("mark", place, text, _("Mark %(n)s", n=place + 1), errors.get(f"mark-{place}", ""))
            for place, text in enumerate(texts.get("mark") or ())
        )
        spec = spec_of(first(texts, "action"))
        params = spec.by_name if spec else {}
        mode, soft = first(texts, "mode"), first(texts, "soft")
        return BonusForm(
            table=table,
            suffix=_SUFFIXES.get(axis_kind(texts), ""),
            rows=self._rows(table, texts, errors),
            marks=marks,
            grid=self._grid(texts, len(marks), errors) if table == "matrix" else (),
            with_fixed=fixed,
            modes=tuple(Option(one, mode_label(one), one == mode) for one in MODES) if "mode" in params else (),
            soft=soft_options(soft) if "soft" in params else (),
            above=Cell("above_from", 0, first(texts, "above_from"), _("The part above"), errors.get("above_from", ""))
            if "above" in params
            else None,
            lines=self._lines(texts) if "lines" in params else None,
            sides=tuple(self._label(first(texts, side)) for side in ("rows_by", "cols_by")),  # type: ignore[arg-type]
            errors=errors,
            live=self._beside(texts, node, found),
        )

    def _rows(self, table: str, texts: Texts, errors: Mapping[str, str]) -> tuple[TableRow, ...]:
        columns = {
            "tiers": (("tier_from", _("Starts at")), ("tier_rate", _("Rate")), ("tier_fixed", _("At once"))),
            "nodes": (("node_at", _("At")), ("node_value", _("Value"))),
            "gates": (("gate_from", _("Begins at")), ("gate_full", _("In full from"))),
        }.get(table, ())
        names = [name for name, _label in columns] + (["gate_measure"] if table == "gates" else [])
        count = max((len(texts.get(name) or ()) for name in names), default=0)
        return tuple(
            TableRow(
                place,
                tuple(
                    Cell(
                        name,
                        place,
                        text_at(texts, name, place),
                        f"{label}, {place + 1}",
                        errors.get(f"{name}-{place}", ""),
                    )
                    for name, label in columns
                ),
                self._measures(None, text_at(texts, "gate_measure", place)) if table == "gates" else (),
                text_at(texts, "gate_measure", place),
                errors.get(f"gate_measure-{place}", ""),
                self._suffix(text_at(texts, "gate_measure", place)),
            )
            for place in range(count)
        )

    def _grid(self, texts: Texts, size: int, errors: Mapping[str, str]) -> tuple[tuple[Cell, ...], ...]:
        marks = [text_at(texts, "mark", place) for place in range(size)]
        return tuple(
            tuple(
                Cell(
                    "cell",
                    place,
                    text_at(texts, "cell", place),
                    _("Row %(row)s, column %(column)s", row=marks[row], column=marks[place % size]),
                    errors.get(f"cell-{place}", ""),
                )
                for place in range(row * size, row * size + size)
            )
            for row in range(size)
        )

    def _plain(self, param: Param, value: str, action: str, errors: Mapping[str, str]) -> Input:
        label, error = plain_label(param.name, action) or capital(param.label.text(self._lang)), errors.get(param.name)
        if param.type is ParamType.MEASURE:
            return Input(param.name, "select", label, True, (value,), self._measures(param, value), error=error or "")
        suffix = {ParamType.MONEY: "₽", ParamType.EXACT: "%"}.get(param.type, "")
        mode = "numeric" if param.type is ParamType.COUNT else "decimal"
        return Input(
            param.name, "text", label, param.required, (value,), suffix=suffix, inputmode=mode, error=error or ""
        )

    def _measures(self, param: Param | None, chosen: str) -> tuple[OptionGroup, ...]:
        fitting = [
            Option(key, capital(one.label.text(self._lang)), key == chosen)
            for key, one in FIELDS.items()
            if key.startswith("measure.")
            and one.implemented
            and (param is None or not param.measures or one.type in param.measures)
        ]
        groups = [OptionGroup("", tuple(fitting))]
        if chosen and chosen not in [option.value for option in fitting]:
            label = self._label(chosen) if chosen in FIELDS else _("a measure that there is not")
            groups.append(OptionGroup(_("Does not fit here"), (Option(chosen, label, True),)))
        return tuple(groups)

    def _lines(self, texts: Texts) -> tuple[LineChoice, ...]:
        body = self._draft()
        names = line_names(body)
        chosen = list(dict.fromkeys(line for line in texts.get("lines") or () if line))
        rule, index = self._place(texts)
        above = lines_above(body, rule, index) if rule in [*rule_ids(body), "otherwise"] else []
        offered = [LineChoice(line, names.text(line, self._lang), line in chosen) for line in above]
        gone = [
            LineChoice(
                line, names.text(line, self._lang) if line in names.names else _("A line that is gone"), True, True
            )
            for line in chosen
            if line not in above
        ]
        return (*offered, *gone)

    def _beside(self, texts: Texts, node: Node, found: Mapping[str, str]) -> Live:
        who = self.people()
        if found or not node.get("action"):
            borders_stand = "tiers" in node and not any(key.startswith("tier_from") for key in found)
            return edges_of(node, who, self._lang) if borders_stand else Live(who.month)
        rule_id, index = self._place(texts)
        body, live_body = self._draft(), rulebook.in_force_at(self._session, Decision.BONUS, self._now).body
        rule = _rule_or_none(body, rule_id)
        present = _then(rule)
        old = present[index] if index < len(present) else {}
        before, before_when = _before(live_body, rule_id, old if isinstance(old, dict) else {}, index)
        beside = live_of(node, (rule or {}).get("when"), before, before_when, who, self._lang)
        return replace(beside, said=(*beside.said, *self._whole(node, body, rule_id, index, who)))

    def _whole(self, node: Node, body: Body, rule_id: str, index: int, who: People) -> tuple[str, ...]:
        """Return for whom last month's bonus would have been capped, or filled up to the guarantee."""
        name = node.get("action")
        if name not in ("cap", "guarantee") or rule_id not in rule_ids(body):
            return ()
        month = last_month(self._session, self._now)
        paid = pay_under(ground_of(self._session, month, self._now), set_action(rule_id, index, node)(body))
        touched = [one for one in paid.values() if _touches(one, name, rule_id)]
        words = (
            _("%(month)s: the cap would act for %(n)s of %(all)s people.")
            if name == "cap"
            else _("%(month)s: the guarantee would add something for %(n)s of %(all)s people.")
        )
        return (words % {"month": capital(who.month), "n": len(touched), "all": len(paid)},)

    def people(self) -> People:
        """Return last month's managers with their measures."""
        month = last_month(self._session, self._now)
        ground = ground_of(self._session, month, self._now)
        known = reference(self._session).managers
        people = tuple(
            Person(known[one.manager_id].name, one.measures, one.without_plan)
            for one in ground.managers.values()
            if one.manager_id in known
        )
        return People(month_words(month, self._lang), people)

    def _name_lines(self, node: Node, present: Node, rule: str) -> None:
        """Give what pays the code of its line: the one that it has, else a new one."""
        if not str(node.get("action")).startswith("pay_"):
            return
        known = lines_of(self._draft())
        taken = set(known)

        def own(line: object, stem: str) -> str:
            """Keep the code of a line unless another action makes the same."""
            text = str(line or "")
            return text if text and known.count(text) < 2 and text not in RESERVED_LINES else free_line(stem, taken)

        node["line"] = own(present.get("line"), rule)
        if isinstance(node.get("above"), dict):
            was = present.get("above")
            taken.add(node["line"])
            node["above"]["line"] = own(was.get("line") if isinstance(was, dict) else "", f"{node['line']}-over")

    def _draft(self) -> Body:
        row = editing.draft(self._session, Decision.BONUS)
        return row.body if row else rulebook.in_force_at(self._session, Decision.BONUS, self._now).body

    def _place_of(self, action: Node) -> tuple[str, str]:
        """Return where an action of the draft stands: cards hand over the action itself, not its place."""
        body = self._draft()
        for rule_id in [*rule_ids(body), "otherwise"]:
            for index, one in enumerate(_then(rule_of(body, rule_id))):
                if one is action:
                    return rule_id, f"/then/{index}"
        return "", ""

    @staticmethod
    def _place(texts: Texts) -> tuple[str, int]:
        at = first(texts, "at")
        try:
            steps = pointer(at) if at else ()
        except NotFound:
            steps = ()
        return first(texts, "rule"), int(steps[1]) if len(steps) == 2 else 0

    def _label(self, measure: str) -> str:
        return capital(FIELDS[measure].label.text(self._lang)) if measure in FIELDS else measure

    @staticmethod
    def _suffix(measure: str) -> str:
        return _SUFFIXES.get(FIELDS[measure].type, "") if measure in FIELDS else ""


def _touches(paid: StatementUnder, name: str, rule_id: str) -> bool:
    if name == "guarantee":
        return any(line.component == name and line.rule == rule_id and line.amount_minor for line in paid.lines)
    steps = (step for line in paid.statement.lines for step in line.steps)
    return any(step.kind is StepKind.CAP and step.rule == rule_id for step in steps)


def _before(body: Body, rule_id: str, old: Node, index: int) -> tuple[Node | None, Any]:
    """Return the same component as it is in force, and the conditions of its rule; it may have moved to another."""
    line = old.get("line")
    for rule in body.get("rules", []):
        for action in _then(rule):
            if line and action.get("line") == line:
                return action, rule.get("when")
    rule = _rule_or_none(body, rule_id)
    then = _then(rule)
    if not line and index < len(then) and then[index].get("action") == old.get("action"):
        return then[index], (rule or {}).get("when")
    return None, None


def _then(rule: Node | None) -> list[Any]:
    """Return the actions of a rule; of a hand-edited one that has none in order, empty ones in their places."""
    then = (rule or {}).get("then")
    return [one if isinstance(one, dict) else {} for one in then] if isinstance(then, list) else []


def _rule_or_none(body: Body, rule_id: str) -> Node | None:
    try:
        return rule_of(body, rule_id)
    except NotFound:
        return None
