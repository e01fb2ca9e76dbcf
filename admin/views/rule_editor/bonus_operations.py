"""What only the bonus editor does: reshape a table, and say what its numbers mean while somebody types."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from admin.views.rule_editor.bonus_actions import BonusActions
from admin.views.rule_editor.bonus_shapes import reshaped
from admin.views.rule_editor.cards import Kept, Place
from admin.views.rule_editor.operating import Form, Operation
from admin.views.rule_editor.pages import blueprint
from admin.views.rule_editor.room import Room, room
from admin.views.rule_editor.wording import _
from rules_engine.errors import NotFound
from rules_engine.services import editing_body as edits

SHAPE = "bonus:"
"""What the small buttons of a table begin with: `bonus:split:2`."""


def reshape(here: Room, form: Form, place: Place) -> Operation:
    """Return the form with its table changed; the draft stays as it is until it is saved."""
    typed = {name: form.getlist(name) for name in form}
    step = form.get("do", "").removeprefix(SHAPE)
    return Operation(place, kept=Kept(action=reshaped(here.reader, typed, step)))


def added_rule(rule_id: str, title: str, lang: str) -> Operation:
    """Return the edit that adds a rule of the bonus: it acts for everybody, and what it pays is to be chosen."""
    add, for_all = edits.add_rule(rule_id, title, lang, {"action": ""}), edits.match_everything(rule_id)
    said = _("A rule is added at the end: choose what it pays.")
    return Operation(Place(rule_id, "/then/0"), lambda body: for_all(add(body)), said)


@blueprint.post("/<decision>/draft/beside")
def bonus_beside(decision: str) -> ResponseReturnValue:
    """Return what stands beside a bonus form, for the values in it; nothing is stored."""
    here = room(decision)
    if not isinstance(here.actions, BonusActions):
        raise NotFound(what=decision)
    typed = {name: request.form.getlist(name) for name in request.form}
    return render_template("rules/bonus_beside.html", decision=decision, live=here.actions.live(typed))
