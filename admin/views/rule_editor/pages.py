"""Reading the rules: what is in force, since when and by whom, the history, any two versions compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.base import commit_and_wake, db_session, request_now
from admin.language import language
from admin.security import actor
from admin.views.rule_editor.cards import Cards
from admin.views.rule_editor.publishing import chosen_instant
from admin.views.rule_editor.room import Room, person, room, title_text, told
from admin.views.rule_editor.trying import panel
from admin.views.rule_editor.wording import _
from rules_engine.errors import NotFound, PravilaError
from rules_engine.language.kinds import HIT_POLICIES
from rules_engine.models import Firing, LedgerEntry, RulesetDraft, RulesetVersion
from rules_engine.services import editing, modes, publishing, rulebook
from rules_engine.services.editing_diff import compare
from rules_engine.services.modes import ModeLine

blueprint = Blueprint("rules", __name__, url_prefix="/rules")
HITS_OVER = timedelta(days=30)


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
        draft = editing.draft(session, decision)
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
        cards=Cards(version.body, here.speaker, lang=here.lang, hits=hits(here)).all(),
        **panel(here, version.body, None),
    )


@blueprint.get("/<decision>/history")
def history(decision: str) -> ResponseReturnValue:
    here = room(decision)
    versions = editing.versions(here.session, decision)
    older = {version.number: version for version in versions}
    in_force = rulebook.in_force_at(here.session, decision, here.now)
    return render_template(
        "rules/history.html",
        **head(here, "history"),
        versions=versions,
        in_force=in_force.number,
        now=here.now,
        people={version.published_by: person(here.session, version.published_by) for version in versions},
        differences={
            number: [change.headline(here.lang) for change in compare(older[number - 1].body, version.body)]
            for number, version in older.items()
            if number - 1 in older
        },
        asked=_asked_moment(here),
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
        in_force=rulebook.in_force_at(here.session, decision, here.now).number,
        cards=Cards(found.body, here.speaker, lang=here.lang).all(),
    )


@blueprint.get("/<decision>/compare")
def compare_versions(decision: str) -> ResponseReturnValue:
    """Compare two versions; `with=draft` compares a version with the draft."""
    here = room(decision)
    first = editing.version(here.session, decision, _number("from"))
    if request.args.get("with") == "draft":
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
        first=_("version %(n)s", n=first.number),
        second=name,
        changes=told(here, first.body, body),
    )


@blueprint.route("/<decision>/versions/<int:number>/restore", methods=["GET", "POST"])
def restore(decision: str, number: int) -> ResponseReturnValue:
    """Publish an old body again, after a look at what that changes."""
    here = room(decision)
    old = editing.version(here.session, decision, number)
    present = rulebook.in_force_at(here.session, decision, here.now)
    problem = ""
    if request.method == "POST":
        at, problem = chosen_instant(here)
        if request.form.get("present") != str(present.number):
            problem = _("Another version has come into force since; look at the differences again.")
        if not problem:
            try:
                made = publishing.roll_back(
                    here.session,
                    decision,
                    number,
                    at=at,
                    actor=actor(),
                    now=here.now,
                    note=request.form.get("note", ""),
                )
            except PravilaError as refused:
                here.session.rollback()
                problem = refused.message(here.lang)
            else:
                commit_and_wake()
                flash(_("Version %(n)s is published; it repeats version %(old)s.", n=made.number, old=number), "good")
                return redirect(url_for("rules.history", decision=decision))
    page = render_template(
        "rules/restore.html",
        **head(here, "history"),
        version=old,
        in_force=present.number,
        changes=told(here, present.body, old.body),
        problem=problem,
        typed=request.form,
    )
    return page, 422 if problem else 200


def head(here: Room, tab: str) -> dict[str, object]:
    """Return what the head of every page of one decision shows."""
    draft = editing.draft(here.session, here.decision)
    body = rulebook.in_force_at(here.session, here.decision, here.now).body
    return {
        "decision": here.decision.value,
        "heading": title_text(body, here.lang),
        "tab": tab,
        "draft": draft,
        "changes_count": changes_of(here.session, draft),
        "policy": HIT_POLICIES[here.decision].value,
        "cases_count": len((draft.body if draft else body).get("cases", [])),
    }


def changes_of(session: Session, draft: RulesetDraft | None) -> int:
    """Return in how many ways a draft differs from the last version; 0 without a draft."""
    return len(compare(editing.latest_version(session, draft.decision).body, draft.body)) if draft else 0


def hits(here: Room) -> Mapping[str, int] | None:
    """Return how often each rule acted in the last 30 days, by the rows that its actions left; None for bonuses."""
    if here.decision == "bonus":
        return None
    since = here.now - HITS_OVER
    if here.decision == "assignment":
        rows = here.session.execute(
            select(LedgerEntry.rule, func.count())
            .where(LedgerEntry.month >= f"{_local(here, since):%Y-%m}", LedgerEntry.at >= since, LedgerEntry.delta > 0)
            .group_by(LedgerEntry.rule)
        )
    else:
        rows = here.session.execute(select(Firing.rule, func.count()).where(Firing.at >= since).group_by(Firing.rule))
    return {rule: count for rule, count in rows if rule}


def _local(here: Room, instant: datetime) -> datetime:
    return instant.astimezone(here.reader.zone)


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
