"""The history of the rules of one decision: versions and approvals in time, any two compared, back to an old one."""

from dataclasses import dataclass
from datetime import datetime

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.base import commit_and_wake
from admin.security import actor
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.room import Room, person, room, told
from admin.views.rule_editor.wording import _
from rules_engine.errors import Conflict, InputError, NotFound, PravilaError
from rules_engine.models import ApprovalState, RulesetApproval, RulesetVersion
from rules_engine.services.approvals import approvals, publishing
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.diff import compare
from rules_engine.services.rules import rulebook

_SHOWN_CHANGES = 6


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history: a version, or a sending for approval that did not become one.

    `by` is who published or decided, `author` who sent it ("" the same person); `is_own`: approved by its author,
    because one person works alone. `is_past`: it was in force, or its time came and another had taken its place.
    """

    at: datetime
    by: str
    author: str = ""
    version: RulesetVersion | None = None
    approval: RulesetApproval | None = None
    is_own: bool = False
    can_take_back: bool = False
    is_replaced: bool = False
    changes: tuple[str, ...] = ()


@blueprint.get("/<decision>/history")
def history(decision: str) -> ResponseReturnValue:
    return _history_page(room(decision))


@blueprint.get("/<decision>/compare")
def compare_versions(decision: str) -> ResponseReturnValue:
    """Compare two versions; `with=draft` compares a version with the draft."""
    here = room(decision)
    versions = editing.versions(here.session, decision)
    first = editing.version(here.session, decision, _number("from"))
    wanted = request.args.get("with", "")
    if wanted == "draft":
        draft = editing.draft(here.session, decision)
        if draft is None:
            abort(404)
        body, name = draft.body, _("draft")
    else:
        number = _number("with")
        body, name = editing.version(here.session, decision, number).body, _("version %(n)s", n=number)
    return render_template(
        "rules/compare.html",
        **head(here, "history"),
        versions=versions,
        first_number=first.number,
        second_number=wanted,
        first=_("version %(n)s", n=first.number),
        second=name,
        changes=told(here, first.body, body),
    )


@blueprint.route("/<decision>/versions/<int:number>/restore", methods=["GET", "POST"])
def restore(decision: str, number: int) -> ResponseReturnValue:
    """Make a draft of an old version after a look at what that changes; it then goes the way of every draft."""
    here = room(decision)
    old = editing.version(here.session, decision, number)
    problem = ""
    if request.method == "POST":
        try:
            editing.start_draft(here.session, decision, actor=actor(), now=here.now, number=number)
        except Conflict as refused:
            here.session.rollback()
            problem = refused.message(here.lang)
        else:
            here.session.commit()
            flash(
                _("A draft that repeats version %(n)s is open. Send it for approval, or edit it first.", n=number),
                "good",
            )
            return redirect(url_for("rules.approval", decision=decision))
    present = rulebook.in_force_at(here.session, decision, here.now)
    page = render_template(
        "rules/restore.html",
        **head(here, "history"),
        version=old,
        changes=told(here, present.body, old.body),
        problem=problem,
    )
    return page, 409 if problem else 200


@blueprint.post("/<decision>/versions/<int:number>/take-back")
def take_back(decision: str, number: int) -> ResponseReturnValue:
    """Keep a version that is to come from coming into force."""
    here = room(decision)
    reason = request.form.get("reason", "")
    try:
        made = publishing.take_back(here.session, decision, number, reason=reason, actor=actor(), now=here.now)
    except InputError as refused:
        here.session.rollback()
        return _history_page(here, str(refused.data.get(here.lang)), number), 422
    except PravilaError as refused:
        here.session.rollback()
        if isinstance(refused, NotFound):
            raise
        return _history_page(here, refused.message(here.lang), number), 409
    commit_and_wake()
    flash(
        _(
            "Version %(n)s does not come into force: version %(new)s keeps what holds now from the same instant.",
            n=number,
            new=made.number,
        ),
        "good",
    )
    return redirect(url_for("rules.history", decision=decision))


def _history_page(here: Room, problem: str = "", about: int | None = None) -> str:
    versions = editing.versions(here.session, here.decision)
    return render_template(
        "rules/history.html",
        **head(here, "history"),
        events=_events(here, versions),
        versions=versions,
        in_force=rulebook.in_force_at(here.session, here.decision, here.now).number,
        now=here.now,
        most=_SHOWN_CHANGES,
        asked=_asked_moment(here),
        problem=problem,
        about=about,
    )


def _events(here: Room, versions: list[RulesetVersion]) -> list[Event]:
    """Return versions and unsuccessful approvals, the newest first."""
    sendings = approvals.history(here.session, here.decision)
    by_version = {one.version_id: one for one in sendings if one.version_id is not None}
    by_number = {version.number: version for version in versions}
    events = [_version_event(here, version, by_number, by_version.get(version.id)) for version in versions]
    for one in sendings:
        if one.state is not ApprovalState.APPROVED:
            events.append(
                Event(
                    at=one.decided_at or one.sent_at,
                    by=person(here.session, one.decided_by or ""),
                    author=person(here.session, one.sent_by),
                    approval=one,
                )
            )
    # Of one instant the version with the higher number came later; the sort keeps the order of the list.
    return sorted(events, key=lambda event: event.at, reverse=True)


def _version_event(
    here: Room, version: RulesetVersion, by_number: dict[int, RulesetVersion], approval: RulesetApproval | None
) -> Event:
    before = by_number.get(version.number - 1)
    coming = version.holds_from > here.now
    can_take_back = coming and publishing.can_take_back(here.session, version, here.now)
    return Event(
        at=version.published_at,
        by=person(here.session, version.published_by),
        author=person(here.session, version.authored_by) if version.authored_by else "",
        version=version,
        approval=approval,
        is_own=approval is not None and approval.sent_by == approval.decided_by,
        can_take_back=can_take_back,
        is_replaced=coming and not can_take_back,
        changes=tuple(change.headline(here.lang) for change in compare(before.body, version.body)) if before else (),
    )


def _number(name: str) -> int:
    text = request.args.get(name, "")
    if not text.isdecimal() or len(text) > 9:
        abort(404)
    return int(text)


def _asked_moment(here: Room) -> dict[str, object]:
    """Return the answer to “what was in force on 12 March at 14:05”, for the form on the history page."""
    text = request.args.get("at", "")
    if not text:
        return {"text": ""}
    try:
        at = here.reader.instant(text)
        return {"text": text, "at": at, "version": rulebook.in_force_at(here.session, here.decision, at)}
    except (ValueError, OverflowError):
        return {"text": text, "problem": _("A date and a time are needed.")}
    except NotFound:
        return {"text": text, "problem": _("Nothing was in force then.")}
