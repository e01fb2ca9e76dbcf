"""The table of rules: to read, and in a draft to change cell by cell; and out of it as a file."""

from typing import Any

from flask import abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from admin.security import actor
from admin.sheets import TYPES, Sheet, as_file
from admin.views.rule_editor.conditions import Option, OptionGroup, Typed, submitted
from admin.views.rule_editor.pages import blueprint, head, hits
from admin.views.rule_editor.pasted import text_of
from admin.views.rule_editor.places import complaints
from admin.views.rule_editor.room import Room, room, title_text
from admin.views.rule_editor.table_headings import column_options
from admin.views.rule_editor.tables import Kept, Place, Tables, sheet_rows
from admin.views.rule_editor.wording import _, removed
from rules_engine.errors import NotFound
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts import body as edits
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import Body, Edit, Node, node_at, pointer, rule_of
from rules_engine.services.drafts.editing import DraftChanged, Seen
from rules_engine.services.drafts.table import Column, Part, condition_edit
from rules_engine.services.rules import rulebook

_SAID = "rules_table_said"
MOST_EXTRA = 5


@blueprint.get("/<decision>/table")
def table(decision: str) -> ResponseReturnValue:
    here = room(decision)
    body = rulebook.in_force_at(here.session, decision, here.now).body
    shown = Tables(here, body, hits=hits(here, body))
    return render_template(
        "rules/table.html",
        **head(here, "rules"),
        table=shown.table(),
        editable=False,
        text=text_of(shown.sheet()),
    )


@blueprint.get("/<decision>/draft/table")
def draft_table(decision: str) -> ResponseReturnValue:
    here = room(decision)
    row = editing.draft(here.session, decision)
    if row is None:
        return redirect(url_for("rules.table", decision=decision))
    place = Place(*(request.args.get(name, "") for name in ("rule", "at", "column")))
    said, cell = session.pop(_SAID, ("", ""))
    try:
        return _page(here, row, place, said=said, cell=cell or request.args.get("cell", ""))
    except NotFound:
        return redirect(url_for("rules.draft_table", decision=decision))


@blueprint.post("/<decision>/draft/table/change")
def table_change(decision: str) -> ResponseReturnValue:
    """Do one edit and go back to the table; what cannot be taken stays in its form, with the reason beneath it."""
    here, form = room(decision), request.form
    row = editing.open_draft(here.session, decision)
    place = Place(*(form.get(name, "") for name in ("rule", "at", "column")))
    kept, wanted, said = _wanted(here, row, place.rule, place.at)
    if wanted is None:
        here.session.rollback()
        return _page(here, row, place, kept), 422 if kept.errors else 200
    try:
        editing.change(
            here.session,
            decision,
            wanted,
            expected_revision=_revision(),
            actor=actor(),
            now=here.now,
            seen=Seen(form.get("subject", ""), form.get("seen", "")),
        )
    except DraftChanged as refused:
        here.session.rollback()
        now_there = editing.draft(here.session, decision)
        if now_there is None:
            return redirect(url_for("rules.table", decision=decision))
        text = refused.message(here.lang)
        text = _("%(reason)s. Look at the present state; saving again puts your values in its place.", reason=text)
        try:
            return _page(here, now_there, place, kept, refused=text), 409
        except NotFound:
            return _page(here, now_there, Place(), refused=text), 409
    here.session.commit()
    session[_SAID] = (said, f"{place.rule} {place.column}")
    return redirect(url_for("rules.draft_table", decision=decision, **_extra_query()), 303)


@blueprint.get("/<decision>/table.<kind>")
def table_file(decision: str, kind: str) -> ResponseReturnValue:
    here = room(decision)
    return _file(here, rulebook.in_force_at(here.session, decision, here.now).body, kind)


@blueprint.get("/<decision>/draft/table.<kind>")
def draft_table_file(decision: str, kind: str) -> ResponseReturnValue:
    here = room(decision)
    row = editing.draft(here.session, decision)
    if row is None:
        abort(404)
    return _file(here, row.body, kind)


def _file(here: Room, body: Body, kind: str) -> ResponseReturnValue:
    if kind not in TYPES:
        abort(404)
    return as_file(Sheet(f"rules-{here.decision}", title_text(body, here.lang), sheet_rows(here, body)), kind)


def _wanted(here: Room, row: RulesetDraft, rule_id: str, at: str) -> tuple[Kept, Edit | None, str]:
    """Return what the form keeps open, the edit that it asks for (None: none yet), and what is said when it is done."""
    form = request.form
    rule = rule_of(row.body, rule_id)
    do = form.get("do", "")
    if do == "switch":
        enabled = form.get("enabled") == "yes"
        said = _("The rule is switched on.") if enabled else _("The rule is switched off.")
        return Kept(), edits.switch_rule(rule_id, enabled), said
    if do == "remove" and not at.startswith("add:"):
        return Kept(), edits.remove_node(rule_id, pointer(at)), removed(pointer(at))
    if do == "remove":
        return Kept(), lambda body: body, ""
    if "action" in form:
        return _action(here, rule, at, do)
    typed = submitted(form, form.getlist("value"))
    if do == "refresh":
        same = form.get("field") == form.get("was_field")
        return Kept(condition=typed if same else Typed(typed.field)), None, ""
    condition, errors = here.conditions.read(typed)
    if at.startswith("add:") and not errors and condition.get("value", "") is None:
        errors = {"value": _("The value is missing.")}
    if errors:
        return Kept(condition=typed, errors=errors), None, ""
    said = _("The condition is saved.")
    empty = {"field": condition["field"], "op": "is_empty"}
    whole: Node = {"any": [condition, empty]} if typed.or_empty else condition
    adds = at.startswith("add:")
    edit = condition_edit(rule_id, whole) if adds else edits.set_condition(rule_id, pointer(at), whole)
    return Kept(condition=typed), edit, said


def _action(here: Room, rule: Node, at: str, do: str) -> tuple[Kept, Edit | None, str]:
    sent = {name: request.form.getlist(name) for name in request.form}
    if do == "refresh":
        return Kept(action=sent), None, ""
    adds = at.startswith("add:")
    if not adds and (len(pointer(at)) != 2 or not at.startswith("/then/")):
        raise NotFound(what=at[:60])
    present = {"action": Column.of(at.removeprefix("add:")).key} if adds else node_at(rule, pointer(at))
    action, errors = here.actions.read(sent, present)
    if errors:
        return Kept(action=sent, errors=errors), None, ""
    rule_id = str(rule["id"])
    edit = edits.add_action(rule_id, action) if adds else edits.set_action(rule_id, int(pointer(at)[1]), action)
    return Kept(action=sent), edit, _("The action is saved.")


def _page(
    here: Room,
    row: RulesetDraft,
    place: Place,
    kept: Kept | None = None,
    *,
    said: str = "",
    cell: str = "",
    refused: str = "",
) -> str:
    found = complaints(editing.problems(here.session, row.body), row.body, here.decision, here.lang)
    extra = _extra()
    tables = Tables(here, row.body, hits=hits(here, row.body), complaints=found)
    shown = tables.table(extra=extra, opened=place, kept=kept)
    return render_template(
        "rules/table.html",
        **head(here, "draft"),
        table=shown,
        editable=True,
        place=place,
        cell=cell,
        said=said,
        refused=refused,
        extra=extra,
        more_fields=_more_fields(
            here, shown_fields={column.key for band in shown.bands for column, _label in band.columns}
        ),
        complaints=found,
        text=text_of(tables.sheet()),
        change_url=url_for("rules.table_change", decision=here.decision, **_extra_query()),
        cancel_url=url_for(
            "rules.draft_table",
            decision=here.decision,
            cell=f"{place.rule} {place.column}" if place.rule else None,
            **_extra_query(),
        ),
    )


def _more_fields(here: Room, shown_fields: set[str]) -> OptionGroup:
    """Return the fields that have no column yet."""
    offered = [option for group in column_options(here.decision, here.lang) for option in group.options]
    fields = [Column.of(option.value) for option in offered]
    return OptionGroup(
        "",
        tuple(
            Option(column.key, option.label)
            for option, column in zip(offered, fields, strict=True)
            if column.part is Part.FIELD and column.key not in shown_fields
        ),
    )


def _extra() -> list[str]:
    """Return the fields for which an empty column was asked."""
    return list(dict.fromkeys(request.args.getlist("with")))[:MOST_EXTRA]


def _extra_query() -> dict[str, Any]:
    return {"with": _extra()} if _extra() else {}


def _revision() -> int:
    text = request.form.get("revision", "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0
