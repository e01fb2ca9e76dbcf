"""Undo and redo of the draft, and who else is at it now."""

from flask import abort, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from admin.base import shell
from admin.security import actor, viewer
from admin.views.rule_editor.cards import Place, title_of
from admin.views.rule_editor.conflicts import conflict
from admin.views.rule_editor.draft_page import draft_page
from admin.views.rule_editor.drafting import SAID
from admin.views.rule_editor.pages import blueprint
from admin.views.rule_editor.publishing import revision_sent
from admin.views.rule_editor.room import Room, room
from admin.views.rule_editor.wording import _
from rules_engine import db
from rules_engine.errors import NotFound, PravilaError
from rules_engine.language.model import OTHERWISE
from rules_engine.services.drafts import editing, readers, steps
from rules_engine.services.drafts.body import Body, rule_ids, rule_of
from rules_engine.services.drafts.readers import Reader
from rules_engine.services.drafts.rows import ORDER, DraftChanged
from rules_engine.services.drafts.steps import Stepped


@blueprint.route("/<decision>/draft/undo", methods=["GET", "POST"])
def undo(decision: str) -> ResponseReturnValue:
    return _step(decision, is_undo=True)


@blueprint.route("/<decision>/draft/redo", methods=["GET", "POST"])
def redo(decision: str) -> ResponseReturnValue:
    return _step(decision, is_undo=False)


@blueprint.get("/<decision>/draft/presence")
def presence(decision: str) -> ResponseReturnValue:
    """Note that the viewer has the draft open, at a rule or at none, and say who else has."""
    here = room(decision)
    row = editing.draft(here.session, decision)
    if row is None:
        abort(404)
    user_id, rule = viewer().user.id, request.args.get("rule", "")[:80]
    if not g.get("pravila_filling") and readers.is_due(here.session, row, user_id, rule, here.now):
        # A page is read without waiting for writers; only every now and then it notes its reader.
        with db.transaction(shell().sessions) as writing:
            found = editing.draft(writing, decision)
            if found is not None:
                readers.seen(writing, found, user_id, rule, here.now)
    others = [(one, _rule_words(row.body, one, here.lang)) for one in _others(here, row.id, user_id)]
    return render_template("rules/_presence.html", decision=decision, others=others, rule=rule)


def _others(here: Room, draft_id: int, user_id: int) -> list[Reader]:
    row = editing.draft(here.session, here.decision)
    return readers.others(here.session, row, user_id, here.now) if row and row.id == draft_id else []


def _rule_words(body: Body, one: Reader, lang: str) -> str:
    """Return the rule that somebody has open as the page calls it, "" where he has none open."""
    if one.rule == OTHERWISE:
        return _("“Otherwise”")
    if one.rule not in rule_ids(body):
        return ""
    return _("“%(title)s”", title=title_of(rule_of(body, one.rule), lang))


def _step(decision: str, *, is_undo: bool) -> ResponseReturnValue:
    """Take one step. A GET is a page loaded again after its step was refused."""
    if request.method == "GET":
        return redirect(url_for("rules.draft", decision=decision))
    here = room(decision)
    take = steps.undo if is_undo else steps.redo
    try:
        done = take(here.session, decision, expected_revision=revision_sent(), actor=actor(), now=here.now)
    except NotFound:
        here.session.rollback()
        flash(_("The draft is gone: it was approved or given up meanwhile."), "warn")
        return redirect(url_for("rules.read", decision=decision))
    except DraftChanged:
        here.session.rollback()
        return _changed(here)
    except PravilaError as refused:
        here.session.rollback()
        flash(refused.message(here.lang), "warn")
        return redirect(url_for("rules.draft", decision=decision), 303)
    here.session.commit()
    rule = next((one for one in done.subjects if one == OTHERWISE or one in rule_ids(done.draft.body)), "")
    session[SAID] = (_said(here, done, is_undo), rule)
    anchor = f"rule-{rule}" if rule else None
    return redirect(url_for("rules.draft", decision=decision, _anchor=anchor), 303)


def _changed(here: Room) -> ResponseReturnValue:
    """Show the draft as somebody else has left it: nobody undoes what he has not seen."""
    row = editing.draft(here.session, here.decision)
    if row is None:
        return redirect(url_for("rules.read", decision=here.decision))
    return draft_page(here, row, Place(), conflict=conflict(here, row)), 409


def _said(here: Room, done: Stepped, is_undo: bool) -> str:
    what = ", ".join(dict.fromkeys(_subject(here, done.draft.body, one) for one in done.subjects))
    if is_undo:
        return _("Undone: %(what)s (%(who)s).", what=what, who=done.by or _("another program"))
    return _("Done again: %(what)s.", what=what)


def _subject(here: Room, body: Body, subject: str) -> str:
    named = {
        ORDER: _("the order of the rules"),
        OTHERWISE: _("“Otherwise”"),
        "cases": _("test cases"),
        "title": _("the title"),
    }
    if subject in named:
        return named[subject]
    if subject in rule_ids(body):
        return _("“%(title)s”", title=title_of(rule_of(body, subject), here.lang))
    return _("a rule")
