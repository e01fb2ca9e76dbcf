"""The page of a draft: its cards with figures beside them; after a change saved while typing, only what it touched."""

import json
from dataclasses import replace
from typing import Any

from flask import make_response, render_template, request
from flask.typing import ResponseReturnValue

from admin.views.rule_editor.cards import Cards, Inside, Kept, Place, title_of
from admin.views.rule_editor.conflicts import Clash
from admin.views.rule_editor.operating import Operation
from admin.views.rule_editor.pages import head, hits
from admin.views.rule_editor.places import Complaint, complaints
from admin.views.rule_editor.publishing import revision_sent
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.trying import panel
from admin.views.rule_editor.wording import _
from rules_engine.language.model import OTHERWISE
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import rule_ids
from rules_engine.services.drafts.editing import ORDER, fingerprint
from rules_engine.services.rules import rulebook


def complaints_of(here: Room, row: RulesetDraft) -> list[Complaint]:
    """Return every error of a draft in the words of the page, in reading order."""
    return complaints(editing.problems(here.session, row.body), row.body, here.decision, here.lang)


def draft_page(
    here: Room,
    row: RulesetDraft,
    place: Place,
    kept: Kept | None = None,
    *,
    said: str = "",
    touched: str = "",
    conflict: Clash | None = None,
) -> str:
    """Return the whole page, with the form at `place` open. `said` is announced, `touched` is the rule it is about."""
    kept = kept or Kept()
    found = complaints_of(here, row)
    if place.checked:
        found = [
            replace(one, is_missing=False) if (one.rule, one.at) == (place.rule, place.at) else one for one in found
        ]
    live = rulebook.in_force_at(here.session, here.decision, here.now).body
    values = _values(here, row, found)
    return render_template(
        "rules/draft.html",
        **values,
        cards=_cards(here, row, live, found).all(_inside(here, place, kept)),
        kept=kept,
        place=place,
        outdated=row.base_number != editing.latest_version(here.session, here.decision).number,
        otherwise_seen=fingerprint(row.body, OTHERWISE),
        rules_count=len(rule_ids(row.body)),
        said=said,
        touched=touched,
        conflict=conflict,
        **panel(here, live, row.body),
    )


def saved_parts(here: Room, row: RulesetDraft, wanted: Operation, *, saw_all: bool) -> ResponseReturnValue:
    """Return what a change saved while typing has touched: the sentence, figures, errors, the head of the page.

    The open form comes along only where other inputs belong in it. What was not taken is said in the form. `saw_all`
    False: somebody else has changed another part, which the page does not show; it does not get the new revision then,
    so that its other forms still have to prove what they saw.
    """
    place = wanted.place
    found = complaints_of(here, row)
    live = rulebook.in_force_at(here.session, here.decision, here.now).body
    form = request.form
    kept = replace(wanted.kept, was=form.get("was", ""))
    card = _cards(here, row, live, found).one(place.rule, _inside(here, place, kept))
    answer = make_response(
        render_template(
            "rules/_saved.html",
            **_values(here, row, found),
            card=card,
            kept=kept,
            place=place,
            said="" if wanted.refused else _said(wanted, found),
            remade=wanted.reshaped or wanted.refused,
            begins=any(form.get(name) != form.get(f"was_{name}") for name in ("field", "action") if name in form),
            most=None,
        )
    )
    state = {
        "taken": not wanted.refused,
        "missing": [one.input for one in found if (one.rule, one.at) == (place.rule, place.at)],
        "revision": row.revision if saw_all else revision_sent(),
        "rule": place.rule,
        "seen": card.seen,
        "order": fingerprint(row.body, ORDER) if saw_all else "",
    }
    answer.headers["HX-Trigger"] = json.dumps({"draft-saved": state})
    return answer


def _said(wanted: Operation, found: list[Complaint]) -> str:
    """Return what is announced: what was saved, else what is still missing there; a form made anew says that itself."""
    place = wanted.place
    missing = next((one.text for one in found if (one.rule, one.at) == (place.rule, place.at)), None)
    return wanted.said if missing is None else "" if wanted.reshaped else missing


def _values(here: Room, row: RulesetDraft, found: list[Complaint]) -> dict[str, Any]:
    return {
        **head(here, "draft"),
        "complaints": found,
        "failing": [result for result in editing.case_results(row.body) if not result.passed],
        "order_seen": fingerprint(row.body, ORDER),
        "titles": {rule_id: f"{number}. {name}" for number, (rule_id, name) in enumerate(_titles(here, row), 1)}
        | {OTHERWISE: _("Otherwise")},
    }


def _titles(here: Room, row: RulesetDraft) -> list[tuple[str, str]]:
    return [(str(rule.get("id", "")), title_of(rule, here.lang)) for rule in row.body.get("rules", [])]


def _inside(here: Room, place: Place, kept: Kept) -> Inside:
    return Inside(place, kept, here.speaker, here.conditions, here.actions)


def _cards(here: Room, row: RulesetDraft, live: dict[str, Any], found: list[Complaint]) -> Cards:
    now, then = hits(here, row.body), hits(here, live)
    return Cards(row.body, here.speaker, lang=here.lang, hits=now, live_hits=then, complaints=found, live=live)
