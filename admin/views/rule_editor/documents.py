"""The rules as a JSON document: taken from the page as a file, brought back with a preview of what it changes."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.security import actor
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.places import complaints
from admin.views.rule_editor.publishing import revision_sent
from admin.views.rule_editor.room import Room, room, told
from admin.views.rule_editor.wording import _, problem_text
from rules_engine.errors import PravilaError
from rules_engine.language.problems import Problem
from rules_engine.services.drafts import documents, editing
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.documents import DocumentRefused

_SHOWN = 12


@blueprint.get("/<decision>/versions/<int:number>.json")
def version_file(decision: str, number: int) -> ResponseReturnValue:
    """Return a published version as a file."""
    here = room(decision)
    return _file(editing.version(here.session, decision, number).body, f"{decision}-{number}.json")


@blueprint.get("/<decision>/draft.json")
def draft_file(decision: str) -> ResponseReturnValue:
    """Return the draft as a file."""
    here = room(decision)
    row = editing.draft(here.session, decision)
    if row is None:
        abort(404)
    return _file(row.body, f"{decision}-draft.json")


@blueprint.route("/<decision>/bring", methods=["GET", "POST"])
def bring(decision: str) -> ResponseReturnValue:
    """Take a document, show what it would change, and put it into the draft when that was seen."""
    here = room(decision)
    if request.method == "GET":
        return _page(here)
    upload = request.files.get("file")
    raw = upload.read() if upload else b""
    if not raw:
        raw = request.form.get("text", "").encode("utf-8", "surrogatepass")
    try:
        brought = documents.read(here.session, decision, raw)
        text = documents.text_of(brought.body)
    except DocumentRefused as refused:
        typed = request.form.get("text", "") or raw.decode("utf-8", "replace")
        return _page(here, text=typed, problem=refused.message(here.lang), wrong=_places(here, refused)), 422
    if request.form.get("do") != "put":
        return _page(here, text=text, body=brought.body, unfinished=brought.unfinished)
    try:
        documents.put(
            here.session, decision, brought.body, expected_revision=revision_sent(), actor=actor(), now=here.now
        )
    except PravilaError as refused:
        here.session.rollback()
        return _page(here, text=text, body=brought.body, problem=refused.message(here.lang)), 409
    here.session.commit()
    flash(_("The document is in the draft now. One step back undoes it."), "good")
    return redirect(url_for("rules.draft", decision=decision))


def _file(body: Body, name: str) -> Response:
    answer = Response(documents.text_of(body), mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _page(
    here: Room,
    *,
    text: str = "",
    body: Body | None = None,
    unfinished: tuple[Problem, ...] = (),
    problem: str = "",
    wrong: tuple[str, ...] = (),
) -> str:
    row = editing.draft(here.session, here.decision)
    present = row.body if row else editing.latest_version(here.session, here.decision).body
    return render_template(
        "rules/bring.html",
        **head(here, "history"),
        text=text,
        changes=told(here, present, body) if body is not None else None,
        unfinished=complaints(unfinished, body, here.decision, here.lang) if body is not None else (),
        problem=problem,
        wrong=wrong,
        most=_SHOWN,
    )


def _places(here: Room, refused: DocumentRefused) -> tuple[str, ...]:
    """Return what is wrong, each with its place in words."""
    found = []
    for one in refused.problems:
        place = _place(one.path.split("/")[1:], refused.document)
        text = problem_text(one, here.decision, here.lang)
        found.append(f"{place}: {text}" if place else text)
    return tuple(dict.fromkeys(found))


def _place(steps: list[str], document: Body) -> str:
    number = int(steps[1]) + 1 if len(steps) > 1 and steps[1].isdecimal() else 0
    if steps[:1] == ["rules"] and number:
        rules = document.get("rules")
        rule = rules[number - 1] if isinstance(rules, list) and number <= len(rules) else None
        name = rule.get("id") if isinstance(rule, dict) else None
        text = _("rule %(n)s", n=number)
        return f"{text} [{str(name)[:60]}]" if name else text
    if steps[:1] == ["cases"] and number:
        return _("test case %(n)s", n=number)
    return _("“Otherwise”") if steps[:1] == ["otherwise"] else ""
