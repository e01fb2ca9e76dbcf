"""«Что изменится»: what the draft would have changed in the last days, its progress, and the list of what differs."""

from datetime import timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.base import commit_and_wake
from admin.security import actor
from admin.sheets import as_file
from admin.views.rule_editor.impact_shown import Shown, sheet_of, shown
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.room import Room, person, room
from admin.views.rule_editor.wording import _
from rules_engine.errors import NotFound, PravilaError
from rules_engine.language.ruleset import content_hash
from rules_engine.models import Impact, ImpactState
from rules_engine.services.drafts import editing
from rules_engine.services.impact import impact
from rules_engine.services.rules import rulebook

PAGE = 50
_LONG = timedelta(minutes=2)
"""After so long without a worker somebody should look."""


@blueprint.get("/<decision>/impact")
def impact_page(decision: str) -> ResponseReturnValue:
    """Show the answer for the days of the address; while it is reckoned, how far that is."""
    here = room(decision)
    days = _days(request.args.get("days", ""))
    row, is_stale = _row(here, days)
    page = max(request.args.get("page", 1, type=int), 1)
    return render_template(
        "rules/impact.html",
        **head(here, "impact"),
        **_state(here, row, days, is_stale),
        answer=_answer(here, row, page),
        offered=impact.DAYS,
        page=page,
    )


@blueprint.get("/<decision>/impact/state")
def impact_state(decision: str) -> ResponseReturnValue:
    """Show how far the reckoning is; when it is over, the whole page is asked for."""
    here = room(decision)
    days = _days(request.args.get("days", ""))
    row, is_stale = _row(here, days)
    text = render_template(
        "rules/_impact_state.html",
        decision=decision,
        **_state(here, row, days, is_stale),
        is_part=True,
        said_before=request.args.get("said", "", type=str),
    )
    if row is None or row.state in impact.RUNNING:
        return text
    return text, 200, {"HX-Refresh": "true"}


@blueprint.post("/<decision>/impact")
def ask_impact(decision: str) -> ResponseReturnValue:
    """Have it reckoned; what is there already for the same draft and days is shown."""
    here = room(decision)
    days = _days(request.form.get("days", ""))
    try:
        impact.ask(here.session, decision, days, actor=actor(), now=here.now, anew=request.form.get("anew") == "yes")
    except PravilaError as refused:
        here.session.rollback()
        flash(refused.message(here.lang), "warn")
    else:
        commit_and_wake()
    return redirect(url_for("rules.impact_page", decision=decision, days=days))


@blueprint.post("/<decision>/impact/<int:number>/cancel")
def cancel_impact(decision: str, number: int) -> ResponseReturnValue:
    here = room(decision)
    row = here.session.get(Impact, number)
    if row is None or row.decision != here.decision:
        raise NotFound(what=f"impact {number}")
    days = row.days
    try:
        impact.cancel(here.session, number, now=here.now)
    except PravilaError as refused:
        here.session.rollback()
        flash(refused.message(here.lang), "warn")
    else:
        here.session.commit()
        flash(_("The reckoning is stopped."), "good")
    return redirect(url_for("rules.impact_page", decision=decision, days=days))


@blueprint.get("/<decision>/impact/<int:number>/changes.csv")
def impact_file(decision: str, number: int) -> ResponseReturnValue:
    """Return everything that would have come out otherwise as a file."""
    here = room(decision)
    row = here.session.get(Impact, number)
    if row is None or row.decision != here.decision or row.state is not ImpactState.DONE:
        raise NotFound(what=f"impact {number}")
    found = impact.changes(here.session, row.id, first=0, most=impact.count_changes(here.session, row.id))
    return as_file(sheet_of(here, row, found), "csv")


def _days(text: str) -> int:
    days = int(text) if text.isdecimal() and len(text) < 4 else 0
    return days if days in impact.DAYS else impact.DAYS[0]


def _row(here: Room, days: int) -> tuple[Impact | None, bool]:
    """Return what there is for these days, and whether the draft or what is in force was another then."""
    digest = _digest(here)
    if digest:
        row = impact.of_draft(here.session, here.decision, digest, days)
        if row is not None:
            return row, row.state is ImpactState.DONE and row.version_id != _in_force(here)
    row = impact.newest(here.session, here.decision, days)
    if row is None or row.state is not ImpactState.DONE:
        return None, False
    return row, True


def _digest(here: Room) -> str:
    """Return the hash of the draft's content, "" where there is no draft."""
    draft = editing.draft(here.session, here.decision)
    return content_hash(draft.body) if draft is not None else ""


def _in_force(here: Room) -> int:
    return rulebook.in_force_at(here.session, here.decision, here.now).id


def _state(here: Room, row: Impact | None, days: int, is_stale: bool) -> dict[str, object]:
    return {
        "impact": row,
        "days": days,
        "is_stale": is_stale,
        "is_outlived": is_stale and row is not None and row.content_hash == _digest(here),
        "is_running": row is not None and row.state in impact.RUNNING,
        "is_slow": row is not None and row.state is ImpactState.QUEUED and here.now - row.asked_at > _LONG,
        "said": _said(row),
        "asked_by": person(here.session, row.asked_by) if row else "",
        "failure": impact.failure_words(row, here.lang) if row and row.state is ImpactState.FAILED else "",
    }


def _said(row: Impact | None) -> str:
    """Return how far the reckoning is as it is read aloud: percent in quarters, "" while it waits for its turn."""
    if row is None or row.state is ImpactState.QUEUED:
        return ""
    return str(100 * row.done // row.total // 25 * 25 if row.total else 0)


def _answer(here: Room, row: Impact | None, page: int) -> Shown | None:
    if row is None or row.state is not ImpactState.DONE:
        return None
    found = impact.changes(here.session, row.id, first=(page - 1) * PAGE, most=PAGE)
    return shown(here, row, found, impact.count_changes(here.session, row.id), PAGE)
