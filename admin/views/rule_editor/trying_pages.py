"""The trial by itself: what htmx puts beside the rules; without scripts the page beside which it stands comes again."""

from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.security import UNASKED_HEADER
from admin.views.rule_editor.pages import blueprint
from admin.views.rule_editor.room import room
from admin.views.rule_editor.trying import panel, panel_again, sent_values
from rules_engine.services.drafts import editing
from rules_engine.services.rules import rulebook


@blueprint.route("/<decision>/try", methods=["GET", "POST"])
def trial(decision: str) -> ResponseReturnValue:
    """Try what is picked or typed. Nothing is written: what was typed stays in the session of the person."""
    here = room(decision)
    draft = editing.draft(here.session, decision) if request.values.get("beside") == "draft" else None
    body = draft.body if draft else None
    in_force = rulebook.in_force_at(here.session, decision, here.now).body
    problems = sent_values(here, in_force, body) if request.method == "POST" else {}
    values = panel_again(here, in_force, body, problems) if problems else panel(here, in_force, body)
    is_part = bool(request.headers.get("HX-Request"))
    if not is_part and not problems:
        place: dict[str, Any] = {key: request.values[key] for key in ("edit", "at") if request.values.get(key)}
        endpoint = "rules.draft" if draft else "rules.read"
        return redirect(url_for(endpoint, decision=decision, **place, _anchor="try"), 303)
    page = render_template(
        "rules/try.html",
        **values,
        decision=decision,
        draft=draft,
        tab="draft" if draft else "rules",
        edit=request.values.get("edit", ""),
        at=request.values.get("at", ""),
        whole=not is_part,
        # What was pressed is gone with the old part: one goes on at the answer. Who edits a rule meanwhile stays there.
        is_part=is_part,
        is_unasked=UNASKED_HEADER in request.headers,
    )
    return page, 422 if problems else 200
