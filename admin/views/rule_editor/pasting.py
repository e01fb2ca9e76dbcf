"""Rules pasted from a spreadsheet: read, shown as sentences, mended in place; written only when somebody says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import ngettext

from admin.security import actor
from admin.views.rule_editor.conditions import OptionGroup
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.pasted import MAX_COLUMNS, MAX_ROWS, rows_of, text_of
from admin.views.rule_editor.room import Room, room
from admin.views.rule_editor.sentences import Part as Said
from admin.views.rule_editor.sentences import marked
from admin.views.rule_editor.table_headings import Heading, column_options, heading, read_heading
from admin.views.rule_editor.tables import cells_of, sheet_rows
from admin.views.rule_editor.wording import _, problem_text
from rules_engine.errors import NotFound, PravilaError
from rules_engine.language.model import OTHERWISE
from rules_engine.language.problems import Problem
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import Body, Node, new_id, rule_of
from rules_engine.services.drafts.table import NAME, Column, Part, is_kept
from rules_engine.services.drafts.table_reading import ROW, Line, LineKind, lines_edit, read_lines

_LATER_COLUMNS = frozenset({Part.NOTE, Part.REVIEW})


@dataclass(frozen=True, slots=True)
class Preview:
    """One pasted row as the page shows it: its cells as they were typed, the sentence that comes out.

    `bad` names what is wrong with a cell by its place; `unfinished` what the rule still lacks: it comes in all the
    same and holds back publishing.
    """

    number: int
    kind: LineKind
    title: str
    cells: tuple[str, ...]
    bad: Mapping[int, str]
    unfinished: tuple[str, ...]
    before: tuple[Said, ...]
    after: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A pasted text, read. `problem` is about the whole of it, "" for none."""

    headings: tuple[Heading, ...] = ()
    twice: frozenset[int] = frozenset()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[Line, ...] = ()
    previews: tuple[Preview, ...] = ()
    problem: str = ""

    @property
    def good(self) -> list[Line]:
        """Return the lines that can be written: all of their cells are read, and they change something."""
        bad = {one.number for one in self.previews if one.bad}
        return [line for line in self.lines if line.number not in bad and line.kind is not LineKind.UNCHANGED]

    @property
    def bad_cells(self) -> int:
        return sum(len(one.bad) for one in self.previews)

    @property
    def unknown(self) -> int:
        """Return how many headings are not known, or there twice: what stands under them is passed over."""
        return len({place for place, one in enumerate(self.headings) if not one.is_known} | self.twice)

    def count(self, kind: LineKind) -> int:
        return sum(1 for line in self.lines if line.kind is kind)

    def text(self, kept: Sequence[int] | None = None) -> str:
        """Return the rows as text again, headings first; `kept` are the rows that go on."""
        rows = [row for number, row in enumerate(self.rows) if kept is None or number in kept]
        return text_of([[one.text for one in self.headings], *rows])


@blueprint.route("/<decision>/draft/paste", methods=["GET", "POST"])
def paste(decision: str) -> ResponseReturnValue:
    """Show what pasted rows would make of the rules; with `do=add` put those into the draft that can be read."""
    here = room(decision)
    if request.method == "GET":
        row = editing.draft(here.session, decision)
        return _page(here, row, None) if row else redirect(url_for("rules.table", decision=decision))
    try:
        row = editing.open_draft(here.session, decision)
    except NotFound:
        return redirect(url_for("rules.table", decision=decision))
    reading = _read(here, row.body)
    if reading.problem or request.form.get("do") != "add" or not reading.good:
        here.session.rollback()
        return _page(here, row, reading), 422 if reading.problem else 200
    if request.form.get("revision") != str(row.revision):
        here.session.rollback()
        changed = _("Somebody changed the draft meanwhile: look at the sentences again.")
        return _page(here, row, reading, problem=changed), 409
    good = reading.good
    try:
        row = editing.change(
            here.session,
            decision,
            lines_edit(good),
            expected_revision=row.revision,
            actor=actor(),
            now=here.now,
        )
    except PravilaError as refused:
        here.session.rollback()
        return _page(here, row, reading, problem=refused.message(here.lang)), 422
    here.session.commit()
    said = ngettext("%(num)s rule is in the draft.", "%(num)s rules are in the draft.", len(good))
    undone = _("One step back undoes it.")
    flash(f"{said} {undone}", "good")
    waiting = [one.number for one in reading.previews if one.bad]
    if not waiting:
        return redirect(url_for("rules.draft_table", decision=decision), 303)
    left = _understood(here, row.body, rows_of(reading.text(waiting)))
    return _page(here, row, left)


def _read(here: Room, body: Body) -> Reading:
    """Return what the form holds: its text, with the headings chosen and the cells mended in it."""
    form = request.form
    try:
        rows = rows_of(form.get("text", ""))
    except ValueError:
        return Reading(problem=_too_large())
    if len(rows) < 2:
        return Reading(problem=_("Paste a row of headings and at least one row beneath it."))
    for name, value in form.items():
        _mend(here, rows, name, value)
    return _understood(here, body, rows)


def _mend(here: Room, rows: list[list[str]], name: str, value: str) -> None:
    """Put one answer of the form into the rows: `map-COLUMN`, or `fix-ROW-COLUMN`."""
    what, *numbers = name.split("-")
    places = [int(number) for number in numbers if number.isdecimal() and len(number) < 5]
    if what == "map" and len(places) == 1 and value and places[0] < len(rows[0]):
        known = {option.value for group in _choices(here) for option in group.options}
        if value in known:
            rows[0][places[0]] = heading(Column.of(value), here.decision, here.lang)
        elif value == "none":
            rows[0][places[0]] = ""
    elif what == "fix" and len(places) == 2 and places[0] + 1 < len(rows) and places[1] < len(rows[0]):
        rows[places[0] + 1][places[1]] = value.strip()


def _understood(here: Room, body: Body, rows: list[list[str]]) -> Reading:
    headings = [read_heading(text, here.decision) for text in rows[0]]
    columns: list[Column | None] = []
    twice = set()
    for place, one in enumerate(headings):
        if one.column is not None and one.column in columns:
            twice.add(place)
        columns.append(None if place in twice else one.column)
    words = cells_of(here)
    taken = editing.taken_ids(here.session, here.decision, body)
    lines = read_lines(
        body,
        columns,
        rows[1:],
        words,
        new_id=lambda title, more: new_id(title, taken | more),
    )
    found = _problems(here, body, lines, columns)
    return Reading(
        headings=tuple(headings),
        twice=frozenset(twice),
        rows=tuple(tuple(row) for row in rows[1:]),
        lines=tuple(lines),
        previews=tuple(
            _preview(here, body, line, columns, rows[line.number + 1], found.get(line.number, ())) for line in lines
        ),
    )


def _problems(
    here: Room, body: Body, lines: Sequence[Line], columns: Sequence[Column | None]
) -> dict[int, list[tuple[int, str]]]:
    """Return what the checker says of the new and changed rules, by row: the place of the column, ROW for none."""
    try:
        after = lines_edit(lines)(body)
    except PravilaError:
        return {}
    by_rule = {line.rule: line for line in lines if line.kind is not LineKind.UNCHANGED}
    places = {column: place for place, column in enumerate(columns) if column}
    found: dict[int, list[tuple[int, str]]] = {}
    for problem in editing.problems(here.session, after):
        steps = problem.path.split("/")[1:]
        if steps[:1] == ["rules"] and len(steps) > 1:
            rule_id, inside = str(after["rules"][int(steps[1])].get("id")), steps[2:]
        elif steps[:1] == ["otherwise"]:
            rule_id, inside = OTHERWISE, ["then", *steps[1:]]
        else:
            continue
        line = by_rule.get(rule_id)
        if line is None:
            continue
        column = _column_of(line.node, inside, problem)
        place = places.get(column, ROW) if column and not is_kept(column, here.decision) else ROW
        if place != ROW or line.kind is LineKind.NEW:
            text = problem_text(problem, here.decision, here.lang, column.key if column else None)
            found.setdefault(line.number, []).append((place, text))
    return found


def _column_of(rule: Mapping[str, Any], inside: Sequence[str], problem: Problem) -> Column | None:
    """Return the column of the condition or the parameter in which a problem stands, None for anything else."""
    if inside[:2] == ["when", "all"] and len(inside) > 2:
        node = rule["when"]["all"][int(inside[2])]
        return Column(Part.FIELD, str(node.get("field"))) if "field" in node else None
    if inside[:1] == ["then"] and len(inside) > 1:
        action = rule["then"][int(inside[1])]
        param = inside[2] if len(inside) > 2 else str(problem.data.get("key", ""))
        return Column(Part.ACTION, str(action.get("action")), param)
    return None


def _with_gaps(line: Line, columns: Sequence[Column | None]) -> Node:
    """Return the rule for its sentence: a condition whose cell cannot be read stands there as not finished."""
    items = [item.get("field") for item in (line.node.get("when") or {}).get("all", [])]
    unread = [column.key for place in line.problems if (column := columns[place]) and column.part is Part.FIELD]
    gaps = [{"field": key, "op": "", "value": None} for key in unread if key not in items]
    if not gaps or line.rule == OTHERWISE or "any" in (line.node.get("when") or {}):
        return line.node
    return {**line.node, "when": {"all": [*(line.node.get("when") or {}).get("all", []), *gaps]}}


def _preview(
    here: Room,
    body: Body,
    line: Line,
    columns: Sequence[Column | None],
    row: Sequence[str],
    found: Sequence[tuple[int, str]],
) -> Preview:
    bad = {place: text for place, text in found if place != ROW} | dict(line.problems)
    is_new = line.kind is LineKind.NEW
    before = () if is_new else here.speaker.rule(rule_of(body, line.rule))
    after = here.speaker.rule(_with_gaps(line, columns))
    if line.kind is LineKind.CHANGED:
        before, after = marked(before, after), marked(after, before)
    unfinished = tuple(dict.fromkeys(text for place, text in found if place == ROW))
    if is_new and not line.node.get("when") and not bad:
        unfinished = (*unfinished, _("Without conditions this rule matches always."))
    return Preview(
        number=line.number,
        kind=line.kind,
        title=cells_of(here).title(line.node),
        cells=tuple(row),
        bad=bad,
        unfinished=unfinished,
        before=before if line.kind is LineKind.CHANGED else (),
        after=after,
    )


def _page(here: Room, row: RulesetDraft, reading: Reading | None, *, problem: str = "") -> str:
    sent = request.form.get("text", "") if reading and reading.problem else ""
    return render_template(
        "rules/paste.html",
        **head(here, "draft"),
        reading=reading if reading and not reading.problem else None,
        problem=problem or (reading.problem if reading else ""),
        sent=sent,
        choices=_choices(here),
        example=_example(here, row.body),
        NEW=LineKind.NEW,
        CHANGED=LineKind.CHANGED,
        UNCHANGED=LineKind.UNCHANGED,
        name_column=_name_place(reading),
        add_text=_add_text(reading),
    )


def _name_place(reading: Reading | None) -> int:
    """Return the place of the column that names the rules, ROW for none."""
    headings = reading.headings if reading else ()
    return next((place for place, one in enumerate(headings) if one.column == NAME), ROW)


def _add_text(reading: Reading | None) -> str:
    """Return what the button says: how many rules come in and how many change."""
    if reading is None or reading.problem:
        return ""
    new = sum(1 for line in reading.good if line.kind is LineKind.NEW)
    changed = len(reading.good) - new
    added = ngettext("Add %(num)s rule", "Add %(num)s rules", new)
    if not changed:
        return str(added)
    if not new:
        return str(ngettext("Change %(num)s rule", "Change %(num)s rules", changed))
    return _("%(added)s, change %(changed)s", added=added, changed=changed)


def _choices(here: Room) -> tuple[OptionGroup, ...]:
    return column_options(here.decision, here.lang)


def _example(here: Room, body: Body) -> list[list[str]]:
    """Return the headings and the first rules as a table that can be pasted."""
    rows = sheet_rows(here, body)[:3]
    wanted = [place for place, text in enumerate(rows[0]) if any(row[place] for row in rows[1:])]
    shown = [place for place in wanted if read_heading(rows[0][place], here.decision).column is not None][:7]
    kept = [place for place in shown if _is_shown(read_heading(rows[0][place], here.decision))]
    return [[row[place] for place in kept] for row in rows]


def _is_shown(one: Heading) -> bool:
    return one.column is not None and one.column.part not in {*_LATER_COLUMNS, Part.MORE_WHEN, Part.MORE_THEN}


def _too_large() -> str:
    return _(
        "This is more than fits: at most %(rows)s rows and %(columns)s columns.", rows=MAX_ROWS, columns=MAX_COLUMNS
    )
