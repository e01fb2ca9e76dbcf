"""Reading the rules: what is in force, since when and by whom, the history, any two versions compared."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from admin.base import db_session, request_now
from admin.language import language
from admin.security import actor
from admin.views.rule_editor.cards import Cards
from admin.views.rule_editor.room import Room, person, room, title_text
from admin.views.rule_editor.trying import panel
from rules_engine.errors import NotFound
from rules_engine.language.kinds import HIT_POLICIES
from rules_engine.models import RulesetDraft, RulesetVersion
from rules_engine.services.approvals import approvals, publishing
from rules_engine.services.drafts import editing, steps
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.diff import compare
from rules_engine.services.drafts.recent_facts import counts
from rules_engine.services.rules import modes, rulebook
from rules_engine.services.rules.modes import ModeLine

blueprint = Blueprint("rules", __name__, url_prefix="/rules")


@dataclass(frozen=True, slots=True)
class Overview:
    """One decision on the first page. `changes`: in how many ways the draft differs, 0 without one."""

    decision: str
    title: str
    version: RulesetVersion
    by: str
    coming: tuple[RulesetVersion, ...]
    rules: int
    switched_off: int
    draft: RulesetDraft | None
    changes: int
    waiting: str
    """Who sent the draft for approval, "" where nothing waits."""
    mode: ModeLine


@blueprint.get("/")
def index() -> ResponseReturnValue:
    session, now = db_session(), request_now()
    lines = {line.decision: line for line in modes.show(session, now)}
    shown = []
    for decision in rulebook.DECISIONS:
        try:
            version = rulebook.in_force_at(session, decision, now)
        except NotFound:
            continue
        draft, waiting = editing.draft(session, decision), approvals.waiting(session, decision)
        rules = version.body.get("rules", [])
        shown.append(
            Overview(
                decision=decision.value,
                title=title_text(version.body, language()),
                version=version,
                by=person(session, version.published_by),
                coming=tuple(editing.coming_versions(session, decision, now)),
                rules=len(rules),
                switched_off=sum(1 for rule in rules if rule.get("enabled") is False),
                draft=draft,
                changes=changes_of(session, draft),
                waiting=person(session, waiting.sent_by) if waiting else "",
                mode=lines[decision.value],
            )
        )
    return render_template("rules/index.html", overviews=shown)


@blueprint.get("/<decision>/")
def read(decision: str) -> ResponseReturnValue:
    here = room(decision)
    version = rulebook.in_force_at(here.session, decision, here.now)
    return render_template(
        "rules/read.html",
        **head(here, "rules"),
        version=version,
        by=person(here.session, version.published_by),
        cards=Cards(version.body, here.speaker, lang=here.lang, hits=hits(here, version.body)).all(),
        **panel(here, version.body, None),
    )


@blueprint.get("/<decision>/versions/<int:number>")
def version(decision: str, number: int) -> ResponseReturnValue:
    here = room(decision)
    found = editing.version(here.session, decision, number)
    return render_template(
        "rules/version.html",
        **head(here, "history"),
        version=found,
        by=person(here.session, found.published_by),
        author=person(here.session, found.authored_by) if found.authored_by else "",
        can_take_back=publishing.can_take_back(here.session, found, here.now),
        in_force=rulebook.in_force_at(here.session, decision, here.now).number,
        cards=Cards(found.body, here.speaker, lang=here.lang).all(),
    )


def head(here: Room, tab: str) -> dict[str, object]:
    """Return what the head of every page of one decision shows."""
    draft = editing.draft(here.session, here.decision)
    waiting = approvals.waiting(here.session, here.decision) if draft else None
    body = rulebook.in_force_at(here.session, here.decision, here.now).body
    return {
        "decision": here.decision.value,
        "heading": title_text(body, here.lang),
        "tab": tab,
        "draft": draft,
        "changes_count": changes_of(here.session, draft),
        "steps": steps.available(here.session, draft) if draft and tab == "draft" else None,
        "waiting": waiting,
        "waiting_by": person(here.session, waiting.sent_by) if waiting else "",
        "my_turn": bool(draft and waiting and approvals.may_approve(here.session, draft, waiting, actor()) is None),
        "impact_url": url_for("rules.impact_page", decision=here.decision.value),
        "policy": HIT_POLICIES[here.decision].value,
        "cases_count": len((draft.body if draft else body).get("cases", [])),
    }


def changes_of(session: Session, draft: RulesetDraft | None) -> int:
    """Return in how many ways a draft differs from the last version; 0 without a draft."""
    return len(compare(editing.latest_version(session, draft.decision).body, draft.body)) if draft else 0


def hits(here: Room, body: Body) -> Mapping[str, int]:
    """Return by rule how much of the last month it would take, live and draft on one ground; see `recent_facts`.

    A rule that is not finished has no figure.
    """
    return counts(here.session, here.decision, body, here.now).counts
