"""What the page of the table shows: columns under their headings, rows of cells, and the form that is open in a row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from admin.reference_view import defused
from admin.views.rule_editor.actions import ActionForm
from admin.views.rule_editor.cards import told_in_form
from admin.views.rule_editor.cells import Cells
from admin.views.rule_editor.conditions import ConditionForm, Typed
from admin.views.rule_editor.places import Complaint
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.table_headings import heading
from admin.views.rule_editor.wording import _
from rules_engine.errors import NotFound
from rules_engine.language.kinds import HIT_POLICIES, Decision, HitPolicy
from rules_engine.language.model import OTHERWISE
from rules_engine.language.vocabulary import FIELDS, actions_of, fields_of
from rules_engine.services.drafts.body import Body, Node, group_mode, node_at, pointer, rule_ids, rule_of
from rules_engine.services.drafts.editing import fingerprint
from rules_engine.services.drafts.table import (
    MORE_THEN,
    MORE_WHEN,
    NAME,
    ON,
    Column,
    Held,
    Laid,
    Part,
    columns_of,
    is_kept,
    lay_out,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `at` is the place of what it shows, "" for nothing yet; `kind`: value, empty, more, kept, none."""

    column: Column
    kind: str
    text: str
    at: str = ""
    said: str = ""
    """What a screen reader hears of an empty cell."""
    complaint: str = ""
    is_missing: bool = False
    """Nothing is wrong in it: it is not filled in yet."""


@dataclass(frozen=True, slots=True)
class Open:
    """The form that is open under a row, of a condition or an action; `at` is its place or `add:` and the column.

    `column` is the code of the column in which somebody has opened it.
    """

    at: str
    column: str
    condition: ConditionForm | None = None
    action: ActionForm | None = None

    @property
    def is_there(self) -> bool:
        """Whether what it is about stands in the rule already."""
        return not self.at.startswith("add:")


@dataclass(frozen=True, slots=True)
class Place:
    """What is open: a rule, the place of the form in it (or `add:` and a column), and the column of the cell."""

    rule: str = ""
    at: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. `number` is None for `otherwise`."""

    id: str
    number: int | None
    title: str
    enabled: bool
    seen: str
    hits: int | None
    cells: tuple[Cell, ...]
    open: Open | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """Columns that belong together, under one heading."""

    label: str
    columns: tuple[tuple[Column, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    bands: tuple[Band, ...]
    rows: tuple[Row, ...]

    @property
    def width(self) -> int:
        return 2 + sum(len(band.columns) for band in self.bands)


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody sent that could not be taken: it stays in the form."""

    condition: Typed | None = None
    action: Mapping[str, Sequence[str]] | None = None
    errors: Mapping[str, str] | None = None


def cells_of(here: Room) -> Cells:
    return Cells(here.decision, here.reader, here.speaker, here.conditions, here.actions)


def sheet_rows(here: Room, body: Body) -> list[list[str]]:
    """Return the table as it leaves for a spreadsheet: headings first, `otherwise` last."""
    words = cells_of(here)
    return _sheet(here, [lay_out(rule, here.decision, words) for rule in _rules(body)])


def _sheet(here: Room, laid: Sequence[Laid]) -> list[list[str]]:
    columns = columns_of(laid, here.decision, whole=True)
    head = [heading(column, here.decision, here.lang) for column in columns]
    return [head, *([defused(one.texts.get(column, "")) for column in columns] for one in laid)]


class Tables:
    """Makes the table of one body for one person."""

    def __init__(
        self,
        here: Room,
        body: Body,
        *,
        hits: Mapping[str, int] | None = None,
        complaints: Sequence[Complaint] = (),
    ) -> None:
        self._here, self._body, self._words = here, body, cells_of(here)
        self._hits, self._complaints = hits, complaints
        self._laid = [lay_out(rule, here.decision, self._words) for rule in _rules(body)]

    def sheet(self) -> list[list[str]]:
        """Return the same rules as `sheet_rows`, without laying them out again."""
        return _sheet(self._here, self._laid)

    def table(self, *, extra: Iterable[str] = (), opened: Place | None = None, kept: Kept | None = None) -> Table:
        """Return the table; `extra` are fields that get an empty column. Raises NotFound for a place that is none."""
        decision, body = self._here.decision, self._body
        rules = _rules(body)
        laid = self._laid
        loose = [_loose(one) for one in laid]
        known = {field.key for field in fields_of(decision)}
        fields = [*(key for one in loose for key in one), *(key for key in extra if key in known)]
        columns = [column for column in columns_of(laid, decision, extra=fields) if column not in (NAME, ON)]
        if not any(_rest(one, free) for one, free in zip(laid, loose, strict=True)):
            columns = [column for column in columns if column != MORE_WHEN]
        ids = rule_ids(body)
        rows = []
        for rule, one, free in zip(rules, laid, loose, strict=True):
            rule_id = str(rule.get("id"))
            rows.append(
                Row(
                    id=rule_id,
                    number=ids.index(rule_id) + 1 if rule_id in ids else None,
                    title=one.texts[NAME],
                    enabled=rule.get("enabled", True) is True,
                    seen=fingerprint(body, rule_id),
                    hits=None if self._hits is None else self._hits.get(rule_id, 0),
                    cells=tuple(self._cell(column, rule, one, free) for column in columns),
                    open=self._open(rule, opened, kept) if opened and opened.rule == rule_id and opened.at else None,
                )
            )
        return Table(self._bands(columns), tuple(rows))

    def _bands(self, columns: Sequence[Column]) -> tuple[Band, ...]:
        decision, lang = self._here.decision, self._here.lang
        bands: list[Band] = []
        for column in columns:
            if column.part is Part.ACTION:
                spec = actions_of(decision)[column.key]
                band, label = spec.label.text(lang), spec.by_name[column.param].label.text(lang) if column.param else ""
            else:
                band = _("If") if column.part in (Part.FIELD, Part.MORE_WHEN) else _("And more")
                label = FIELDS[column.key].chip.text(lang) if column.part is Part.FIELD else _("And more…")
            if not bands or bands[-1].label != band:
                bands.append(Band(band, ()))
            last = bands.pop()
            bands.append(Band(last.label, (*last.columns, (column, label or band))))
        return tuple(bands)

    def _cell(self, column: Column, rule: Node, laid: Laid, loose: Mapping[str, Held]) -> Cell:
        text = laid.texts.get(column, "")
        is_otherwise = rule.get("id") == OTHERWISE
        if column.part is Part.FIELD:
            held = laid.fields.get(column.key) or loose.get(column.key)
            if held:
                return self._held(column, rule, held, text or self._words.more([held.node]))
            name = FIELDS[column.key].label.text(self._here.lang)
            return Cell(column, "none" if is_otherwise else "empty", "", said=self._said(rule, name))
        if column == MORE_WHEN:
            rest = _rest(laid, loose)
            return self._more(column, rule, rest)
        if column == MORE_THEN:
            return self._more(column, rule, laid.more_then)
        held = laid.actions.get(column.key)
        # Actions of the bonus have editors of their own, beside their pay curve.
        only_shown = is_kept(column, self._here.decision) or self._here.decision is Decision.BONUS
        if only_shown:
            return Cell(column, "kept", text, held.at if held and text else "")
        if held is None:
            name = heading(column, self._here.decision, self._here.lang)
            return Cell(column, "empty", "", said=self._said(rule, name))
        return self._held(column, rule, held, text)

    def _held(self, column: Column, rule: Node, held: Held, text: str) -> Cell:
        wrong = [one for one in self._complaints if one.rule == rule.get("id") and one.at == held.at]
        name = heading(column, self._here.decision, self._here.lang)
        said = "" if text else self._said(rule, name)
        complaint, is_missing = (wrong[0].text, wrong[0].is_missing) if wrong else ("", False)
        return Cell(column, "value" if text or wrong else "empty", text, held.at, said, complaint, is_missing)

    def _more(self, column: Column, rule: Node, rest: Sequence[Held]) -> Cell:
        if not rest:
            return Cell(column, "none", "")
        places = {held.at for held in rest}
        wrong = [
            one
            for one in self._complaints
            if one.rule == rule.get("id") and one.at and any(one.at.startswith(place) for place in places)
        ]
        complaint, is_missing = (wrong[0].text, wrong[0].is_missing) if wrong else ("", False)
        text = self._words.more([held.node for held in rest])
        return Cell(column, "more", text, rest[0].at, "", complaint, is_missing)

    def _said(self, rule: Node, name: str) -> str:
        return _("empty: %(name)s, %(title)s", name=name, title=self._words.title(rule))

    def _open(self, rule: Node, place: Place, kept: Kept | None) -> Open:
        """Return the form at a place of a rule, filled in; with `kept` as it was sent. Raises NotFound."""
        kept, at, here = kept or Kept(), place.at, self._here
        column = Column.of(at.removeprefix("add:")) if at.startswith("add:") else None
        mine = [one for one in self._complaints if one.rule == rule.get("id") and one.at == at]
        is_typed = kept.condition is not None or kept.action is not None
        errors, todo = told_in_form(mine, kept.errors or {}, is_typed=is_typed)
        if (column.part is Part.ACTION) if column else at.startswith("/then/"):
            if here.decision is Decision.BONUS:
                raise NotFound(what=at)
            action = {"action": column.key} if column else node_at(rule, pointer(at))
            sent = kept.action or here.actions.typed(action)
            return Open(at, place.column, action=here.actions.form(sent, errors, todo))
        if rule.get("id") == OTHERWISE or (column is not None and column.part is not Part.FIELD):
            raise NotFound(what=at)
        node = {"field": column.key} if column else node_at(rule, pointer(at))
        if group_mode(node):
            raise NotFound(what=at)
        typed = kept.condition or here.conditions.typed(node)
        form = here.conditions.form(typed, candidates=False, errors=errors, todo=todo)
        return Open(at, place.column, condition=form)


def _rules(body: Body) -> list[Node]:
    rules = list(body.get("rules", []))
    if body.get("otherwise") or HIT_POLICIES[Decision(body["decision"])] is HitPolicy.FIRST:
        rules.append(rule_of(body, OTHERWISE))
    return rules


def _loose(laid: Laid) -> dict[str, Held]:
    """Return the conditions that would have a cell if they could be worded: unfinished ones, odd texts."""
    found: dict[str, Held] = {}
    for held in laid.more_when:
        key = str(held.node.get("field") or "")
        if key in FIELDS and key not in laid.fields and held.at.startswith("/when/all/"):
            found.setdefault(key, held)
    return found


def _rest(laid: Laid, loose: Mapping[str, Held]) -> list[Held]:
    placed = {held.at for held in loose.values()}
    return [held for held in laid.more_when if held.at not in placed]
