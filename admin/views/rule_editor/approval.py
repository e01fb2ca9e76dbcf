"""How a draft comes into force: sent for approval, then approved by another, rejected, or taken back by its sender."""

from dataclasses import dataclass

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.base import commit_and_wake, row_id
from admin.security import actor
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.places import complaints
from admin.views.rule_editor.publishing import as_input, chosen_instant, months_to_come, revision_sent
from admin.views.rule_editor.room import Room, person, room, told
from admin.views.rule_editor.wording import _
from rules_engine.errors import InputError, NotFound, PravilaError
from rules_engine.language.kinds import Decision
from rules_engine.language.model import OTHERWISE
from rules_engine.language.ruleset import content_hash
from rules_engine.models import ApprovalState, RulesetApproval, RulesetDraft
from rules_engine.services.approvals import approvals
from rules_engine.services.approvals.checks import readiness
from rules_engine.services.approvals.findings import Found, findings
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts import editing, letters
from rules_engine.services.drafts.body import rule_ids
from rules_engine.services.impact import impact
from rules_engine.services.rules import rulebook


@dataclass(frozen=True, slots=True)
class Reason:
    """A finding that was said to be intended: its words, why, by whom."""

    text: str
    why: str
    by: str


@dataclass(frozen=True, slots=True)
class Loser:
    """Somebody whose bonus becomes smaller, over the months that were compared, in kopecks."""

    name: str
    live_minor: int
    draft_minor: int


@blueprint.get("/<decision>/approval")
def approval(decision: str) -> ResponseReturnValue:
    """Show in sentences what would change, and whose turn it is."""
    return _page(room(decision))


@blueprint.post("/<decision>/approval/send")
def send(decision: str) -> ResponseReturnValue:
    """Send the draft for approval; where one person works alone, approve it in the same step."""
    here = room(decision)
    at, problem = chosen_instant(here)
    if problem:
        return _page(here, problem)
    note, seen = request.form.get("note", ""), request.form.get("losses_seen") == "yes"
    try:
        if approvals.four_eyes(here.session):
            approvals.send(
                here.session,
                decision,
                expected_revision=revision_sent(),
                note=note,
                at=at,
                actor=actor(),
                now=here.now,
            )
            done = _("Sent for approval. You will be told what comes of it.")
        else:
            version = approvals.send_and_approve(
                here.session,
                decision,
                expected_revision=revision_sent(),
                note=note,
                at=at,
                losses_seen=seen,
                actor=actor(),
                now=here.now,
            )
            done = _("Version %(n)s is approved.", n=version.number)
    except PravilaError as refused:
        return _refused(here, refused)
    commit_and_wake()
    flash(done, "good")
    return redirect(url_for("rules.approval", decision=decision))


@blueprint.post("/<decision>/approval/withdraw")
def withdraw(decision: str) -> ResponseReturnValue:
    here = room(decision)
    try:
        approvals.withdraw(here.session, decision, _number(), actor=actor(), now=here.now)
    except PravilaError as refused:
        return _refused(here, refused)
    commit_and_wake()
    flash(_("Taken back: the draft can be edited and sent again."), "good")
    return redirect(url_for("rules.approval", decision=decision))


@blueprint.post("/<decision>/approval/approve")
def approve(decision: str) -> ResponseReturnValue:
    here = room(decision)
    at, problem = chosen_instant(here)
    if problem:
        return _page(here, problem)
    try:
        version = approvals.approve(
            here.session,
            decision,
            _number(),
            at=here.now if request.form.get("when") == "now" else at,
            losses_seen=request.form.get("losses_seen") == "yes",
            actor=actor(),
            now=here.now,
        )
    except PravilaError as refused:
        return _refused(here, refused)
    commit_and_wake()
    flash(_("Version %(n)s is approved.", n=version.number), "good")
    return redirect(url_for("rules.history", decision=decision))


@blueprint.post("/<decision>/approval/reject")
def reject(decision: str) -> ResponseReturnValue:
    here = room(decision)
    try:
        approvals.reject(
            here.session, decision, _number(), reason=request.form.get("reason", ""), actor=actor(), now=here.now
        )
    except PravilaError as refused:
        return _refused(here, refused)
    commit_and_wake()
    flash(_("Rejected: the author is told why. The draft stays."), "good")
    return redirect(url_for("rules.approval", decision=decision))


@blueprint.post("/<decision>/draft/rebase")
def rebase(decision: str) -> ResponseReturnValue:
    here = room(decision)
    try:
        editing.rebase(here.session, decision, expected_revision=revision_sent(), actor=actor(), now=here.now)
    except PravilaError as refused:
        return _refused(here, refused)
    here.session.commit()
    return redirect(url_for("rules.approval", decision=decision))


def _refused(here: Room, refused: PravilaError) -> ResponseReturnValue:
    here.session.rollback()
    if isinstance(refused, NotFound) and editing.draft(here.session, here.decision) is not None:
        raise refused
    text = str(refused.data.get(here.lang, "")) if isinstance(refused, InputError) else ""
    return _page(here, text or refused.message(here.lang))


def _page(here: Room, problem: str = "") -> ResponseReturnValue:
    row = editing.draft(here.session, here.decision)
    if row is None:
        if problem:
            flash(problem, "warn")
        return redirect(url_for("rules.history", decision=here.decision))
    latest = editing.latest_version(here.session, here.decision)
    waiting = approvals.waiting(here.session, here.decision)
    found = readiness(here.session, row, here.now)
    wanted = waiting.holds_from if waiting else None
    page = render_template(
        "rules/approval.html",
        **head(here, "approval"),
        changes=told(here, latest.body, row.body),
        complaints=complaints(found.problems, row.body, here.decision, here.lang),
        readiness=found,
        **_said(here, row, findings(here.session, row.body, row.accepted, here.now)),
        latest=latest,
        latest_by=person(here.session, latest.published_by),
        coming=editing.coming_versions(here.session, here.decision, here.now),
        approval=waiting,
        own=approvals.may_approve(here.session, row, waiting, actor()) if waiting else None,
        wanted=wanted,
        wanted_over=wanted is not None and wanted < here.now,
        wanted_input=as_input(here, wanted),
        last=_last(here, row),
        four_eyes=approvals.four_eyes(here.session),
        alone=not any(user.login != actor() for user in letters.heads(here.session)),
        is_bonus=here.decision is Decision.BONUS,
        losers=_losers(here, row) if here.decision is Decision.BONUS else (),
        months=months_to_come(here) if here.decision is Decision.BONUS else (),
        problem=problem,
        typed=request.form,
    )
    return page, 422 if problem else 200


def _last(here: Room, row: RulesetDraft) -> tuple[RulesetApproval, str] | None:
    """Return what came of the last sending of this draft, and by whom; None where nothing did."""
    for one in approvals.history(here.session, here.decision)[:1]:
        if one.state in (ApprovalState.REJECTED, ApprovalState.VOID) and one.sent_at >= row.created_at:
            return one, person(here.session, one.decided_by or "")
    return None


def _said(here: Room, row: RulesetDraft, found: Found) -> dict[str, object]:
    """Return the words of the findings: those that wait for an answer, with their rules, and those intended."""
    titles = {rule_id: str(number) for number, rule_id in enumerate(rule_ids(row.body), 1)}
    titles[OTHERWISE] = _("“Otherwise”")
    names = rulebook.references(here.session)
    return {
        "open_findings": [(one.rule, one.message(here.lang, titles, names)) for one in found.warnings],
        "reasons": [
            Reason(one.finding.message(here.lang, titles, names), one.reason, person(here.session, one.by))
            for one in found.accepted
        ],
    }


def _losers(here: Room, row: RulesetDraft) -> list[Loser]:
    """Return whose bonus the draft makes smaller, by what was reckoned; empty for other decisions."""
    reckoned = impact.done_for(here.session, here.decision, content_hash(row.body), here.now)
    managers = reference(here.session).managers
    return [
        Loser(managers[one.manager_id].name, one.live_minor, one.draft_minor)
        for one in (impact.losers(reckoned) if reckoned else ())
        if one.manager_id in managers
    ]


def _number() -> int:
    try:
        return row_id(request.form.get("approval", ""))
    except ValueError:
        raise NotFound(what="approval") from None
