"""What a sent form of the draft asks for: one edit, what it touches, and which form is open afterwards."""

import copy
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from admin.views.rule_editor.bonus_operations import SHAPE, added_rule, reshape
from admin.views.rule_editor.cards import Kept, Place, mode_words, title_of
from admin.views.rule_editor.case_operations import CASE_OPERATIONS
from admin.views.rule_editor.conditions import Typed, submitted
from admin.views.rule_editor.operating import Form, Maker, Operation
from admin.views.rule_editor.places import complaints
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.sentences import Part, spoken
from admin.views.rule_editor.wording import _, removed
from rules_engine.errors import NotFound
from rules_engine.language.kinds import HIT_POLICIES, Decision, HitPolicy
from rules_engine.language.model import OTHERWISE
from rules_engine.models import RulesetDraft
from rules_engine.services.approvals import findings
from rules_engine.services.drafts import body as edits
from rules_engine.services.drafts import editing, rows
from rules_engine.services.drafts.body import Body, Edit, Node, node_at, pointer, pointer_text, rule_ids, rule_of
from rules_engine.services.drafts.bonus import with_own_lines
from rules_engine.services.drafts.nodes import move_node, place_after_move, set_when_empty, wrap_node


def operation(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    """Return what the form asks for. Raises NotFound for an unknown request or place."""
    if form.get("do", "").startswith(SHAPE):
        return reshape(here, form, _place(form))
    make = _OPERATIONS.get(form.get("do", ""))
    if make is None:
        raise NotFound(what=form.get("do", "")[:60])
    return make(here, draft, form)


def shaped(here: Room, form: Form) -> Typed:
    """Return the condition that a sent form says.

    Where it is sent by itself as soon as another field or comparison is chosen, what was typed for the one before is
    no value of it.
    """
    if form.get("auto") != "1":
        return submitted(form, form.getlist("value"))
    typed = submitted(form, _values(form))
    return typed if typed.field == form.get("was_field", typed.field) else here.conditions.begun(typed)


def _condition(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    typed = shaped(here, form)
    condition, errors = here.conditions.read(typed)
    if errors:
        return Operation(place, kept=Kept(condition=typed, errors=errors))
    at = pointer(place.at)
    stands: list[str] = []
    put = edits.set_condition(place.rule, at, condition)

    def edit(body: Body) -> Body:
        made = put(body)
        here_now = at
        if "or_empty" in form and condition["op"]:
            here_now = set_when_empty(rule_of(made, place.rule), at, holds=typed.or_empty)
        stands.append(pointer_text(here_now))
        return made

    edit(draft.body)
    moved = Place(place.rule, stands[-1], place.whole)
    reshaped = moved != place or any(
        form.get(f"was_{name}", "") != getattr(typed, name) for name in ("field", "op", "against")
    )
    said = _saved(here.speaker.condition(condition, place.at)) or _("The condition is saved.")
    return Operation(moved, edit, said, stays=True, reshaped=reshaped)


def _action(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    typed = {name: form.getlist(name) for name in form}
    steps = pointer(place.at)
    if len(steps) != 2:
        raise NotFound(what=place.at)
    present = node_at(rule_of(draft.body, place.rule), steps)
    action, errors = here.actions.read(typed, present)
    if errors:
        return Operation(place, kept=Kept(action=typed, errors=errors))
    edit = edits.set_action(place.rule, int(steps[1]), action)
    grown = here.actions.has_pools(action) and action.get("to") != present.get("to")
    reshaped = form.get("was_action", "") != form.get("action", "") or grown
    touched = {name for name in {*action, *present} if action.get(name) != present.get(name)}
    said = _saved(here.speaker.action(action, place.at), None if "action" in touched else touched)
    return Operation(place, edit, said or _("The action is saved."), stays=True, reshaped=reshaped)


def _saved(parts: Iterable[Part], touched: Collection[str] | None = None) -> str:
    """Return what is announced of a saved condition or action: its values, of an action those that are `touched`."""
    chips = [part for part in spoken(parts) if part.kind == "chip" and (touched is None or part.param in touched)]
    return _("Saved: %(what)s.", what="; ".join(part.name or part.text for part in chips)) if chips else ""


def _refresh(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    """Show the form for another field, comparison or action; nothing is changed."""
    place = _place(form)
    if "action" in form:
        return Operation(place, kept=Kept(action={name: form.getlist(name) for name in form}))
    same = form.get("field") == form.get("was_field")
    values = _values(form) if same and _same_shape(form) else []
    return Operation(place, kept=Kept(condition=submitted(form, values)))


def _values(form: Form) -> list[str]:
    """Return the typed values; those of another field or of another kind of comparison are none."""
    same = form.get("field") == form.get("was_field", form.get("field"))
    return form.getlist("value") if same and ("was_op" not in form or _same_shape(form)) else []


def _same_shape(form: Form) -> bool:
    """Return whether the typed value still fits the comparison: one value is no list and no range."""
    many, pair, none = {"in", "not_in", "has_any", "has_all"}, {"between"}, {"is_empty", "is_filled"}
    was, is_ = form.get("was_op", ""), form.get("op", "")
    return all((was in kind) == (is_ in kind) for kind in (many, pair, none))


def _add_condition(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    at = pointer(place.at)
    edit = edits.add_condition(place.rule, at)
    added = replace(_last_of(draft, edit, place.rule, at), whole=place.whole)
    return Operation(added, edit, _("A condition is added: choose a field."))


def _add_group(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    at = pointer(place.at)
    edit = edits.add_group(place.rule, at)
    group = _last_of(draft, edit, place.rule, at)
    inner = Place(place.rule, f"{group.at}/any/0", whole=True)
    return Operation(inner, edit, _("A group is added: choose a field for its first condition."))


def _wrap(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    edit = wrap_node(place.rule, pointer(place.at))
    return Operation(Place(place.rule), edit, _("The condition stands in a group of its own now; add others to it."))


def _step(by: int) -> Maker:
    """Move a condition through the groups of its rule."""

    def make(here: Room, draft: RulesetDraft, form: Form) -> Operation:
        place = _place(form)
        at = pointer(place.at)
        edit = move_node(place.rule, at, by)
        twin = copy.deepcopy(rule_of(draft.body, place.rule))
        group = place_after_move(twin, at, by)
        items = node_at(twin, group[:-1])
        words = mode_words(str(group[-2]))
        said = _(
            "The condition is now at place %(n)s of %(all)s: %(group)s.",
            n=_place_number(group),
            all=len(items),
            group=words,
        )
        return Operation(Place(place.rule, on=pointer_text(group)), edit, said)

    return make


def _place_number(at: edits.Pointer) -> int:
    return int(at[-1]) + 1


def _mode(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    edit = edits.set_mode(place.rule, pointer(place.at), form.get("mode", ""))
    return Operation(Place(place.rule), edit, _("The group is changed."))


def _remove(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    edit = edits.remove_node(place.rule, pointer(place.at))
    return Operation(Place(place.rule) if place.whole else Place(), edit, removed(pointer(place.at)))


def _leave(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    """Close a form whose condition or action was left unfinished: what stood there before comes back."""
    place = _place(form)
    rule, at = rule_of(draft.body, place.rule), pointer(place.at)
    before = _written_before(here, place.rule, form.get("was", ""))
    closed = Place(place.rule) if place.whole else Place()
    present = node_at(rule, at)
    if not _is_unfinished(here, draft, place):
        return Operation(closed)
    if before is None or not (before.get("field") or before.get("action")):
        return Operation(closed, edits.remove_node(place.rule, at), removed(at))
    if before == present:
        return Operation(closed)
    if at[0] == "then" and len(at) == 2:
        edit = edits.set_action(place.rule, int(at[1]), before)
    else:
        edit = edits.set_condition(place.rule, at, before)
    return Operation(closed, edit, _("What stood there before is back."))


def _written_before(here: Room, rule: str, text: str) -> Node | None:
    """Return what the form says stood there; None where it never stood in the rule: nothing else is put there."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    row = editing.draft(here.session, here.decision)
    is_known = isinstance(found, dict) and row is not None and rows.stood_in(here.session, row, rule, found)
    return found if is_known else None


def _is_unfinished(here: Room, draft: RulesetDraft, place: Place) -> bool:
    found = complaints(editing.problems(here.session, draft.body), draft.body, here.decision, here.lang)
    return any(one.rule == place.rule and one.at == place.at for one in found)


def _everything(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    rule = form.get("rule", "")
    return Operation(Place(rule), edits.match_everything(rule), _("The rule now matches every request."))


def _add_action(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    rule = form.get("rule", "")
    index = len(rule_of(draft.body, rule).get("then", []))
    edit = edits.add_action(rule, {"action": ""})
    added = Place(rule, f"/then/{index}", form.get("whole") == "1")
    return Operation(added, edit, _("An action is added: choose what to do."))


def _add_otherwise(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    return Operation(Place(OTHERWISE, "/then/0"), edits.add_otherwise(), _("An action is added: choose what to do."))


def _rename(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    rule, title = form.get("rule", ""), form.get("title", "").strip()
    note = form.get("note", "").strip().replace("\r\n", "\n")
    if not title:
        texts = {"title": "", "note": note}
        return Operation(Place(rule, "title"), kept=Kept(texts=texts, errors={"title": _("A rule needs a name.")}))
    try:
        day = form.get("review_on", "").strip()
        review_on = here.reader.day(day).isoformat() if day else ""
    except ValueError:
        errors = {"review_on": _("A date is needed, for example 05.10.2026.")}
        texts = {"title": title, "note": note, "review_on": form["review_on"]}
        return Operation(Place(rule, "title"), kept=Kept(texts=texts, errors=errors))
    edit = edits.rename(rule, here.lang, title[:200], note[:5000], review_on if "review_on" in form else None)
    return Operation(Place(), edit, _("The name is saved."))


def _add_rule(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    title = form.get("title", "").strip()[:200] or _("New rule")
    rule_id = edits.new_id(title, editing.taken_ids(here.session, here.decision, draft.body))
    if here.decision is Decision.BONUS:
        return added_rule(rule_id, title, here.lang)
    action: Node | None = {"action": "assign"} if HIT_POLICIES[here.decision] is HitPolicy.FIRST else None
    edit = edits.add_rule(rule_id, title, here.lang, action)
    return Operation(Place(rule_id, "/when/all/0"), edit, _("A rule is added at the end: choose a field."))


def _duplicate(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    rule = form.get("rule", "")
    title = title_of(rule_of(draft.body, rule), here.lang)
    rule_id = edits.new_id(title, editing.taken_ids(here.session, here.decision, draft.body))
    edit = with_own_lines(edits.duplicate_rule(rule, rule_id, _("copy")), rule_id)
    return Operation(Place(rule_id, "title"), edit, _("A copy stands behind the rule, switched off."))


def _remove_rule(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    return Operation(Place(), edits.remove_rule(form.get("rule", "")), _("The rule is removed from the draft."))


def _switch(to: bool | None = None) -> Maker:
    """Switch a rule on or off; `to` None: as the form says."""

    def make(here: Room, draft: RulesetDraft, form: Form) -> Operation:
        enabled = form.get("enabled") == "yes" if to is None else to
        said = _("The rule is switched on.") if enabled else _("The rule is switched off.")
        return Operation(Place(), edits.switch_rule(form.get("rule", ""), enabled), said)

    return make


def _move(by: int) -> Maker:
    def make(here: Room, draft: RulesetDraft, form: Form) -> Operation:
        ids, rule = rule_ids(draft.body), form.get("rule", "")
        if rule not in ids:
            raise NotFound(what=rule[:60])
        place = ids.index(rule) + by if by else _whole(form.get("to", ""), len(ids))
        place = max(0, min(place, len(ids) - 1))
        title = title_of(rule_of(draft.body, rule), here.lang)
        said = _("“%(title)s” is now at place %(n)s of %(all)s.", title=title, n=place + 1, all=len(ids))
        return Operation(Place(), edits.move_rule(rule, place), said)

    return make


def _mend(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    """Do what mends a finding. Raises NotFound where its rules have changed since, and it with them."""
    found = findings.findings(here.session, draft.body, draft.accepted, here.now).by_key(form.get("key", ""))
    if found.fix is None:
        raise NotFound(what=found.key)
    return Operation(Place(), findings.mend(found.fix), _("Mended."))


_OPERATIONS: Mapping[str, Maker] = {
    "condition": _condition,
    "action": _action,
    "refresh": _refresh,
    "add-condition": _add_condition,
    "add-group": _add_group,
    "mode": _mode,
    "remove": _remove,
    "everything": _everything,
    "add-action": _add_action,
    "add-otherwise": _add_otherwise,
    "rename": _rename,
    "add-rule": _add_rule,
    "duplicate": _duplicate,
    "remove-rule": _remove_rule,
    "switch": _switch(),
    "switch-on": _switch(True),
    "switch-off": _switch(False),
    "mend": _mend,
    "node-up": _step(-1),
    "node-down": _step(1),
    "wrap": _wrap,
    "leave": _leave,
    "up": _move(-1),
    "down": _move(1),
    "move": _move(0),
    **CASE_OPERATIONS,
}
CASES = frozenset(CASE_OPERATIONS)
"""After these the page of the test cases is shown."""


def _place(form: Form) -> Place:
    return Place(form.get("rule", ""), form.get("at", ""), form.get("whole") == "1")


def _last_of(draft: RulesetDraft, edit: Edit, rule: str, group_at: edits.Pointer) -> Place:
    """Return the place of the last item of a group, as it will be after the edit."""
    group = node_at(rule_of(edit(draft.body), rule), group_at)
    mode = str(edits.group_mode(group))
    return Place(rule, pointer_text((*group_at, mode, len(group[mode]) - 1)))


def _whole(text: str, most: int) -> int:
    if not text.isdecimal() or len(text) > 15 or int(text) > most:
        raise NotFound(what=text[:20])
    return int(text)
