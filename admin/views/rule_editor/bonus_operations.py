"""What only the bonus editor does: reshape a table, say what its numbers mean, draw the whole bonus over a measure."""

from collections.abc import Sequence

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.views.rule_editor.bonus_actions import BonusActions
from admin.views.rule_editor.bonus_curve import Person, Picture, whole_picture
from admin.views.rule_editor.bonus_shapes import reshaped
from admin.views.rule_editor.cards import Kept, Place
from admin.views.rule_editor.conditions import Option
from admin.views.rule_editor.operating import Form, Operation
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.room import Room, room
from admin.views.rule_editor.wording import _, capital
from rules_engine.decisions.bonus import statement_of
from rules_engine.decisions.bonus_audit import middle_month
from rules_engine.decisions.bonus_audit_along import axes_of, lacks_plan, sources_of, whole_curve
from rules_engine.decisions.bonus_audit_people import PersonMonth
from rules_engine.decisions.bonus_figures import ATTAINMENT
from rules_engine.decisions.bonus_measures import PREFIX
from rules_engine.decisions.bonus_probe import typical_of
from rules_engine.errors import NotFound
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import Ruleset
from rules_engine.language.shown import show_scaled
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.drafts import body as edits
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.bonus_pay import last_month
from rules_engine.services.drafts.trying import usable
from rules_engine.services.rules import rulebook

PLAN = f"{PREFIX}plan_new"
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


@blueprint.get("/<decision>/draft/curve")
def bonus_whole(decision: str) -> ResponseReturnValue:
    """Show what all rules of the draft pay together over one measure, beside what is in force."""
    here = room(decision)
    if not isinstance(here.actions, BonusActions):
        raise NotFound(what=decision)
    row = editing.draft(here.session, decision)
    if row is None:
        return redirect(url_for("rules.read", decision=decision))
    live_body = rulebook.in_force_at(here.session, decision, here.now).body
    (draft, left_out), (live, _left) = usable(row.body), usable(live_body)
    axes = axes_of(draft) or axes_of(live)
    by = request.args.get("by", "")
    who = here.actions.people()
    middle = middle_month([PersonMonth(one.measures, one.without_plan) for one in who.people])
    drawable = [one for one in axes if not lacks_plan(middle.measures, one)]
    axis = by if by in axes else next(iter([*drawable, *axes]), "")
    values = head(here, "draft") | {
        "axes": [Option(one, capital(FIELDS[one].label.text(here.lang)), one == axis) for one in axes],
        "axis_label": FIELDS[axis].label.text(here.lang) if axis else "",
        "picture": _whole(draft, live, axis, who.people, middle, here.lang) if axis in drawable else None,
        "month": who.month,
        "plans_month": last_month(here.session, here.now),
        "has_people": bool(who.people),
        "has_plan": not lacks_plan(middle.measures, ATTAINMENT),
        "usual": show_scaled(FieldType.MONEY, int(typical_of(PLAN)), here.lang),
        "left_out": len(left_out),
    }
    return render_template("rules/bonus_whole.html", **values)


def _whole(
    draft: Ruleset, live: Ruleset, axis: str, people: Sequence[Person], profile: PersonMonth, lang: str
) -> Picture:
    drafted, in_force = NativeEngine(draft), NativeEngine(live)
    breaks = [value for rules in (draft, live) for value in sources_of(rules).get(axis, {})]
    return whole_picture(
        axis,
        people,
        [statement_of(draft, drafted, one.measures, without_plan=one.without_plan).total for one in people],
        lang,
        lambda high: whole_curve(draft, drafted.matching, profile, axis, high),
        lambda high: whole_curve(live, in_force.matching, profile, axis, high),
        breaks,
    )
