"""The draft of one decision: begun, shown, changed, given up."""

from dataclasses import replace
from typing import Any

from flask import flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from admin.security import actor
from admin.views.rule_editor.cards import Place
from admin.views.rule_editor.case_pages import cases_page
from admin.views.rule_editor.conflicts import conflict, keeps_mine, mine
from admin.views.rule_editor.draft_page import complaints_of, draft_page, saved_parts
from admin.views.rule_editor.operations import CASES, operation
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.publishing import revision_sent
from admin.views.rule_editor.room import Room, room, told
from admin.views.rule_editor.wording import _
from rules_engine.errors import Conflict, NotFound
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.editing import DraftChanged, Seen

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
    asked = request.args
    place = Place(
        asked.get("edit", ""),
        asked.get("at", ""),
        asked.get("whole") == "1",
        asked.get("on", ""),
        asked.get("checked") == "1",
    )
    said, rule = session.pop(SAID, ("", ""))
    return draft_page(here, row, place, said=said, touched=rule)


@blueprint.route("/<decision>/draft/change", methods=["GET", "POST"])
def change(decision: str) -> ResponseReturnValue:
    """Do one edit and go back to the page; what cannot be taken stays in its form, with the reason beneath it.

    What is sent by itself while somebody types is answered by what it touches. A GET is a page loaded again.
    """
    if request.method == "GET":
        return redirect(url_for("rules.draft", decision=decision))
    here = room(decision)
    form = request.form
    is_auto = form.get("auto") == "1" and not keeps_mine()
    try:
        row = editing.open_draft(here.session, decision)
    except NotFound:
        return _gone(here)
    again = keeps_mine()
    seen = Seen(form.get("subject", ""), form.get("his" if again else "seen", ""))
    # A new rule stands at the end whatever the others did meanwhile; a finding is there only while its rules are.
    revision = row.revision if form.get("do") in ("add-rule", "mend") else revision_sent()
    saw_all = row.revision == revision_sent()
    try:
        wanted = mine(here, row) if again else operation(here, row, form)
        if wanted.edit is None:
            here.session.rollback()
            if form.get("do") in CASES:
                return cases_page(here, row, errors=wanted.kept.errors, sent=form), 422
            if is_auto:
                return saved_parts(here, row, wanted, saw_all=saw_all)
            if wanted.closes:
                return _to_draft(here, wanted.place, form.get("rule", ""))
            return draft_page(here, row, wanted.place, wanted.kept), 422 if wanted.refused else 200
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
        if isinstance(refused, NotFound) and form.get("do") == "mend":
            here.session.rollback()
            flash(_("This finding holds no more: the rules have changed since."), "warn")
            return _to_draft(here, Place(), form.get("rule", ""))
        # The place may be gone because somebody else removed it: that, too, is his change.
        if isinstance(refused, NotFound) and row.revision == revision:
            raise
        here.session.rollback()
        present = editing.draft(here.session, decision)
        if form.get("do") in CASES and present is not None:
            return cases_page(here, present, sent=form, refused=refused.message(here.lang)), 409
        return _someone_was_faster(here)
    here.session.commit()
    if is_auto:
        return saved_parts(here, row, wanted, saw_all=saw_all)
    if form.get("do") in CASES:
        flash(wanted.said, "good")
        return redirect(url_for("rules.cases", decision=decision))
    place, said = wanted.place, wanted.said
    if wanted.stays:
        is_unfinished = any(one.rule == place.rule and one.at == place.at for one in complaints_of(here, row))
        closed = Place(place.rule) if place.whole else Place()
        # What is missing is said by the input that gets the focus.
        place, said = (replace(place, checked=True), "") if is_unfinished else (closed, said)
    session[SAID] = (said, wanted.place.rule or form.get("rule", ""))
    return _to_draft(here, place, form.get("rule", ""))


def _to_draft(here: Room, place: Place, rule: str) -> ResponseReturnValue:
    query: dict[str, Any] = {"edit": place.rule or None, "at": place.at or None, "on": place.on or None}
    if place.at and place.whole:
        query["whole"] = "1"
    if place.checked:
        query["checked"] = "1"
    anchor = f"rule-{place.rule or rule}"
    return redirect(url_for("rules.draft", decision=here.decision.value, **query, _anchor=anchor), 303)


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


def _someone_was_faster(here: Room) -> ResponseReturnValue:
    """Show the draft as it is now, above it both versions of what two people changed and the ways on from there."""
    row = editing.draft(here.session, here.decision)
    if row is None:
        return _gone(here)
    return draft_page(here, row, Place(), conflict=conflict(here, row)), 409


def _gone(here: Room) -> ResponseReturnValue:
    flash(_("The draft is gone: it was approved or given up meanwhile."), "warn")
    return redirect(url_for("rules.read", decision=here.decision))
