"""Somebody else was faster: both versions of the rule side by side, and the two ways on from there."""

from dataclasses import dataclass, replace
from datetime import timedelta

from flask import request
from flask_babel import format_timedelta
from werkzeug.datastructures import MultiDict

from admin.views.rule_editor.cards import title_of
from admin.views.rule_editor.operating import Operation
from admin.views.rule_editor.operations import operation
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.sentences import Part, marked
from admin.views.rule_editor.wording import _, capital
from rules_engine.errors import NotFound
from rules_engine.language.model import OTHERWISE
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts import rows
from rules_engine.services.drafts.body import rule_ids, rule_of
from rules_engine.services.drafts.conflicts import Versions, ground, versions
from rules_engine.services.drafts.diff import compare

_OWN = ("revision", "seen", "his", "keep", "csrf_token")
"""What the form of “keep mine” sets anew; everything else of the refused form goes along as it was typed."""


@dataclass(frozen=True, slots=True)
class Clash:
    """What the page says about a change that came second.

    `theirs` and `mine` are sentences, empty where no single rule is concerned. `details` name what a sentence does not
    show (a name, a note). `fields` are sent again by “keep mine”; empty where there is nothing to keep.
    """

    by: str
    ago: str
    title: str
    removed: bool
    theirs: tuple[Part, ...]
    mine: tuple[Part, ...]
    their_details: tuple[str, ...]
    my_details: tuple[str, ...]
    rule: str
    fields: tuple[tuple[str, str], ...]
    is_step: bool
    """It was an undo or redo, of which nothing is to be kept."""


def keeps_mine() -> bool:
    """Return whether the sent form is that of “keep mine”."""
    return request.form.get("keep") == "mine"


def mine(here: Room, row: RulesetDraft) -> Operation:
    """Return the operation of a “keep mine”: the rule as its sender made it from what he had seen.

    Raises NotFound where nothing of it can be done any more.
    """
    wanted, both = _wanted(here, row)
    if both is None:
        return wanted
    return replace(wanted, edit=both.edit)


def seen_by(row: RulesetDraft, subject: str) -> str:
    """Return what “keep mine” has seen of the other's version: its fingerprint, "" where the rule is gone."""
    try:
        return rows.fingerprint(row.body, subject) if subject else ""
    except NotFound:
        return ""


def conflict(here: Room, row: RulesetDraft) -> Clash:
    """Return what to say about the sent form, whose part of the draft somebody else has changed."""
    form = request.form
    subject = form.get("subject", "")
    changed = rows.changed_by(here.session, row, subject)
    removed = subject not in ("", rows.ORDER, OTHERWISE, "cases") and subject not in rule_ids(row.body)
    try:
        wanted, both = _wanted(here, row)
        can_keep = wanted.edit is not None
    except NotFound:
        both, can_keep = None, False
    theirs: tuple[Part, ...] = ()
    ours: tuple[Part, ...] = ()
    details: tuple[list[str], list[str]] = ([], [])
    if both is not None:
        ours = here.speaker.rule(both.mine)
        theirs = here.speaker.rule(both.theirs) if both.theirs else ()
        if theirs:
            theirs, ours = marked(theirs, ours), marked(ours, theirs)
        details = _details(here, both)
    return Clash(
        by=changed.by or _("another program"),
        ago=format_timedelta(min(changed.at - here.now, timedelta(seconds=-1)), add_direction=True),
        title=_title(here, row, both, subject),
        removed=removed,
        theirs=theirs,
        mine=ours,
        their_details=tuple(details[0]),
        my_details=tuple(details[1]),
        rule="" if removed else form.get("rule", ""),
        fields=_again(row, subject) if can_keep else (),
        is_step="do" not in form,
    )


def _wanted(here: Room, row: RulesetDraft) -> tuple[Operation, Versions | None]:
    """Return what the form wants, and both versions of the rule where it changes just one.

    What concerns more than one rule (an order, a copy) is wanted of the draft as it is now.
    """
    form = request.form
    subject = form.get("subject", "")
    before = ground(here.session, row, subject, form.get("seen", ""))
    if before is not None:
        wanted = operation(here, RulesetDraft(decision=row.decision, body=before, accepted=row.accepted), form)
        both = versions(row, before, subject, wanted.edit) if wanted.edit else None
        if both is not None:
            return wanted, both
    return operation(here, row, form), None


def _again(row: RulesetDraft, subject: str) -> tuple[tuple[str, str], ...]:
    sent: MultiDict[str, str] = request.form
    typed = [(name, value) for name, value in sent.items(multi=True) if name not in _OWN]
    first = sent.get("seen", "")
    own = {"revision": str(row.revision), "seen": first, "his": seen_by(row, subject), "keep": "mine"}
    return (*typed, *own.items())


def _details(here: Room, both: Versions) -> tuple[list[str], list[str]]:
    """Return what each side has changed beside the sentence: name, note, day of review, on or off."""
    if both.theirs is None or both.mine["id"] == OTHERWISE:
        return [], []
    sides = []
    for one in (both.theirs, both.mine):
        found = compare({"rules": [both.before]}, {"rules": [one]})
        sides.append([capital(change.headline(here.lang)) for change in found if change.old is None])
    return sides[0], sides[1]


def _title(here: Room, row: RulesetDraft, both: Versions | None, subject: str) -> str:
    if subject == OTHERWISE:
        return _("Otherwise")
    if both is not None:
        return title_of(both.theirs or both.mine, here.lang)
    return title_of(rule_of(row.body, subject), here.lang) if subject in rule_ids(row.body) else ""
