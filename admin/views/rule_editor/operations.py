"""What a sent form of the draft asks for: one edit, what it touches, and which form is open afterwards."""

from collections.abc import Mapping

from rules_engine.services.editing_bonus import with_own_lines

from admin.views.rule_editor.bonus_operations import SHAPE, reshape
from admin.views.rule_editor.cards import Kept, Place, title_of
from admin.views.rule_editor.case_operations import CASE_OPERATIONS
from admin.views.rule_editor.conditions import submitted
from admin.views.rule_editor.operating import Form, Maker, Operation
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.wording import _
from rules_engine.errors import NotFound
from rules_engine.language.kinds import HIT_POLICIES, HitPolicy
from rules_engine.language.model import OTHERWISE
from rules_engine.models import RulesetDraft
from rules_engine.services import editing
from rules_engine.services import editing_body as edits
from rules_engine.services.editing_body import Edit, Node, node_at, pointer, pointer_text, rule_ids, rule_of


def operation(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    """Return what the form asks for. Raises NotFound for an unknown request or place."""
    if form.get("do", "").startswith(SHAPE):
        return reshape(here, form, _place(form))
    make = _OPERATIONS.get(form.get("do", ""))
    if make is None:
        raise NotFound(what=form.get("do", "")[:60])
    return make(here, draft, form)


def _condition(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    typed = submitted(form, form.getlist("value"))
    condition, errors = here.conditions.read(typed)
    if errors:
        return Operation(place, kept=Kept(condition=typed, errors=errors))
    at = pointer(place.at)
    edit = edits.set_condition(place.rule, at, condition, or_empty=typed.or_empty)
    return Operation(place, edit, _("The condition is saved."), stays=True)


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
    return Operation(place, edit, _("The action is saved."), stays=True)


def _refresh(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    """Show the form for another field, comparison or action; nothing is changed."""
    place = _place(form)
    if "action" in form:
        return Operation(place, kept=Kept(action={name: form.getlist(name) for name in form}))
    same = form.get("field") == form.get("was_field")
    values = form.getlist("value") if same and _same_shape(form) else []
    return Operation(place, kept=Kept(condition=submitted(form, values)))


def _same_shape(form: Form) -> bool:
    """Return whether the typed value still fits the comparison: one value is no list and no range."""
    many, pair, none = {"in", "not_in", "has_any", "has_all"}, {"between"}, {"is_empty", "is_filled"}
    was, is_ = form.get("was_op", ""), form.get("op", "")
    return all((was in kind) == (is_ in kind) for kind in (many, pair, none))


def _add_condition(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    at = pointer(place.at)
    edit = edits.add_condition(place.rule, at)
    return Operation(_last_of(draft, edit, place.rule, at), edit, _("A condition is added: choose a field."))


def _add_group(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    at = pointer(place.at)
    edit = edits.add_group(place.rule, at)
    group = _last_of(draft, edit, place.rule, at)
    inner = Place(place.rule, f"{group.at}/any/0")
    return Operation(inner, edit, _("A group is added: choose a field for its first condition."))


def _mode(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    edit = edits.set_mode(place.rule, pointer(place.at), form.get("mode", ""))
    return Operation(Place(place.rule), edit, _("The group is changed."))


def _remove(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    place = _place(form)
    return Operation(Place(place.rule), edits.remove_node(place.rule, pointer(place.at)), _("Removed."))


def _everything(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    rule = form.get("rule", "")
    return Operation(Place(rule), edits.match_everything(rule), _("The rule now matches every request."))


def _add_action(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    rule = form.get("rule", "")
    index = len(rule_of(draft.body, rule).get("then", []))
    edit = edits.add_action(rule, {"action": ""})
    return Operation(Place(rule, f"/then/{index}"), edit, _("An action is added: choose what to do."))


def _add_otherwise(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    return Operation(Place(OTHERWISE, "/then/0"), edits.add_otherwise(), _("An action is added: choose what to do."))


def _rename(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    rule, title = form.get("rule", ""), form.get("title", "").strip()
    note = form.get("note", "").strip().replace("\r\n", "\n")
    if not title:
        texts = {"title": "", "note": note}
        return Operation(Place(rule, "title"), kept=Kept(texts=texts, errors={"title": _("A rule needs a name.")}))
    return Operation(Place(rule), edits.rename(rule, here.lang, title[:200], note[:5000]), _("The name is saved."))


def _add_rule(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    title = form.get("title", "").strip()[:200] or _("New rule")
    rule_id = edits.new_id(title, editing.taken_ids(here.session, here.decision, draft.body))
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


def _switch(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    rule, enabled = form.get("rule", ""), form.get("enabled") == "yes"
    said = _("The rule is switched on.") if enabled else _("The rule is switched off.")
    return Operation(Place(), edits.switch_rule(rule, enabled), said)


def _move(by: int) -> Maker:
    def make(here: Room, draft: RulesetDraft, form: Form) -> Operation:
        ids, rule = rule_ids(draft.body), form.get("rule", "")
        rule_of(draft.body, rule)
        place = ids.index(rule) + by if by else _whole(form.get("to", ""), len(ids))
        place = max(0, min(place, len(ids) - 1))
        title = title_of(rule_of(draft.body, rule), here.lang)
        said = _("“%(title)s” is now at place %(n)s of %(all)s.", title=title, n=place + 1, all=len(ids))
        return Operation(Place(), edits.move_rule(rule, place), said)

    return make


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
    "switch": _switch,
    "up": _move(-1),
    "down": _move(1),
    "move": _move(0),
    **CASE_OPERATIONS,
}
CASES = frozenset(CASE_OPERATIONS)
"""After these the page of the test cases is shown."""


def _place(form: Form) -> Place:
    return Place(form.get("rule", ""), form.get("at", ""))


def _last_of(draft: RulesetDraft, edit: Edit, rule: str, group_at: edits.Pointer) -> Place:
    """Return the place of the last item of a group, as it will be after the edit."""
    group = node_at(rule_of(edit(draft.body), rule), group_at)
    mode = str(edits.group_mode(group))
    return Place(rule, pointer_text((*group_at, mode, len(group[mode]) - 1)))


def _whole(text: str, most: int) -> int:
    if not text.isdecimal() or len(text) > 15 or int(text) > most:
        raise NotFound(what=text[:20])
    return int(text)
