"""The draft of one decision: the page, its changes, test cases, publishing, giving up."""

from typing import Any

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from admin.security import actor
from admin.views.rule_editor.cards import Cards, Inside, Kept, Place
from admin.views.rule_editor.case_pages import cases_page
from admin.views.rule_editor.conflicts import Clash, conflict, keeps_mine, mine
from admin.views.rule_editor.operations import CASES, operation
from admin.views.rule_editor.pages import blueprint, head, hits
from admin.views.rule_editor.places import Complaint, complaints
from admin.views.rule_editor.publishing import revision_sent
from admin.views.rule_editor.room import Room, room, told
from admin.views.rule_editor.trying import panel
from admin.views.rule_editor.wording import _
from rules_engine.errors import Conflict, NotFound
from rules_engine.language.model import OTHERWISE
from rules_engine.models import RulesetDraft
from rules_engine.services import editing, rulebook
from rules_engine.services.editing import ORDER, DraftChanged, Seen, fingerprint
from rules_engine.services.editing_body import rule_ids

SAID = "rules_said"


@blueprint.post("/<decision>/draft/start")
def start(decision: str) -> ResponseReturnValue:
    here = room(decision)
    number = request.form.get("number", "")
    wanted = int(number) if number.isdecimal() and len(number) < 10 else None
    try:
        editing.start_draft(here.session, decision, actor=actor(), now=here.now, number=wanted)
    except Conflict as refused:
        flash(refused.message(here.lang), "warn")
        return redirect(url_for("rules.history", decision=decision))
    here.session.commit()
    rule = request.form.get("rule", "")
    return redirect(url_for("rules.draft", decision=decision, edit=rule or None))


@blueprint.get("/<decision>/draft")
def draft(decision: str) -> ResponseReturnValue:
    here = room(decision)
    row = editing.draft(here.session, decision)
    if row is None:
        return redirect(url_for("rules.read", decision=decision))
    place = Place(request.args.get("edit", ""), request.args.get("at", ""))
    said, rule = session.pop(SAID, ("", ""))
    return _draft_page(here, row, place, said=said, touched=rule)


@blueprint.post("/<decision>/draft/change")
def change(decision: str) -> ResponseReturnValue:
    """Do one edit and go back to the page; what cannot be taken stays in its form, with the reason beneath it."""
    here = room(decision)
    form = request.form
    try:
        row = editing.open_draft(here.session, decision)
    except NotFound:
        return _gone(here)
    again = keeps_mine()
    seen = Seen(form.get("subject", ""), form.get("his" if again else "seen", ""))
    # A new rule stands at the end whatever the others did meanwhile.
    revision = row.revision if form.get("do") == "add-rule" else revision_sent()
    try:
        wanted = mine(here, row) if again else operation(here, row, form)
        if wanted.edit is None:
            here.session.rollback()
            if form.get("do") in CASES:
                return cases_page(here, row, errors=wanted.kept.errors, sent=form), 422
            return _draft_page(here, row, wanted.place, wanted.kept), 422 if wanted.refused else 200
        row = editing.change(
            here.session,
            decision,
            wanted.edit,
            expected_revision=revision,
            actor=actor(),
            now=here.now,
            seen=seen,
        )
    except (DraftChanged, NotFound) as refused:
        # The place may be gone because somebody else removed it: that, too, is his change.
        if isinstance(refused, NotFound) and row.revision == revision:
            raise
        here.session.rollback()
        return _someone_was_faster(here)
    here.session.commit()
    if form.get("do") in CASES:
        flash(wanted.said, "good")
        return redirect(url_for("rules.cases", decision=decision))
    session[SAID] = (wanted.said, wanted.place.rule or form.get("rule", ""))
    place = wanted.place
    if wanted.stays and not _complaints_at(here, row, place):
        place = Place(place.rule)
    anchor = f"rule-{place.rule or form.get('rule', '')}"
    return redirect(
        url_for("rules.draft", decision=decision, edit=place.rule or None, at=place.at or None, _anchor=anchor), 303
    )


@blueprint.route("/<decision>/draft/discard", methods=["GET", "POST"])
def discard(decision: str) -> ResponseReturnValue:
    here = room(decision)
    row = editing.draft(here.session, decision)
    if row is None:
        return redirect(url_for("rules.read", decision=decision))
    if request.method == "POST":
        try:
            editing.discard(here.session, decision, expected_revision=revision_sent(), actor=actor(), now=here.now)
        except DraftChanged:
            here.session.rollback()
            return _someone_was_faster(here)
        here.session.commit()
        flash(_("The draft is given up; the rules in force stay as they are."), "good")
        return redirect(url_for("rules.read", decision=decision))
    latest = editing.latest_version(here.session, decision)
    return render_template("rules/discard.html", **head(here, "draft"), changes=told(here, latest.body, row.body))


def _draft_page(
    here: Room,
    row: RulesetDraft,
    place: Place,
    kept: Kept | None = None,
    *,
    said: str = "",
    touched: str = "",
    conflict: Clash | None = None,
) -> str:
    kept = kept or Kept()
    found = _complaints(here, row)
    inside = Inside(place, kept, here.speaker, here.conditions, here.actions)
    counted = hits(here)
    cards = Cards(row.body, here.speaker, lang=here.lang, hits=counted, complaints=found)
    values: dict[str, Any] = head(here, "draft")
    return render_template(
        "rules/draft.html",
        **values,
        cards=cards.all(inside),
        kept=kept,
        place=place,
        complaints=found,
        failing=[result for result in editing.case_results(row.body) if not result.passed],
        outdated=row.base_number != editing.latest_version(here.session, here.decision).number,
        order_seen=fingerprint(row.body, ORDER),
        otherwise_seen=fingerprint(row.body, OTHERWISE),
        rules_count=len(rule_ids(row.body)),
        said=said,
        touched=touched,
        conflict=conflict,
        **panel(here, rulebook.in_force_at(here.session, here.decision, here.now).body, row.body),
    )


def _someone_was_faster(here: Room) -> ResponseReturnValue:
    """Show the draft as it is now, above it both versions of what two people changed and the ways on from there."""
    row = editing.draft(here.session, here.decision)
    if row is None:
        return _gone(here)
    return _draft_page(here, row, Place(), conflict=conflict(here, row)), 409


def _gone(here: Room) -> ResponseReturnValue:
    flash(_("The draft is gone: it was approved or given up meanwhile."), "warn")
    return redirect(url_for("rules.read", decision=here.decision))


def _complaints(here: Room, row: RulesetDraft) -> list[Complaint]:
    return complaints(editing.problems(here.session, row.body), row.body, here.decision, here.lang)


def _complaints_at(here: Room, row: RulesetDraft, place: Place) -> bool:
    return any(one.rule == place.rule and one.at == place.at for one in _complaints(here, row))
