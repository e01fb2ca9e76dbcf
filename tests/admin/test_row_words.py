"""Codes and names of columns are for programs: these pages, the journal and the files say them in words."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from flask_babel import LazyString
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from admin.incident_words import ONE, WORK
from admin.views.journal import ACTIONS, SUBJECTS
from rules_engine import db
from rules_engine.models import ApprovalState, Decision, WorkKind
from rules_engine.services.records import audit
from rules_engine.services.requests.assignment import decide_and_assign
from tests.admin.conftest import Browser
from tests.factories import MONDAY, Cast, assignment_rules, condition, make_client, make_request, make_version, rule

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]
TO_EVERYONE = {"action": "assign", "to": {"pool": "everyone"}}


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("\u00a0", " ").split())


def test_every_column_of_every_page_is_named_in_both_languages(app: Flask) -> None:
    views = [one for one in app.extensions["admin"][0]._views if hasattr(one, "column_list")]
    assert len(views) > 12
    with app.test_request_context():
        for view in views:
            shown = [*(view.column_list or ()), *(view.column_details_list or ())]
            unnamed = [name for name in shown if not isinstance(view.get_column_name(name), LazyString)]
            assert unnamed == [], view.endpoint
            assert all(str(view.get_column_name(name)) for name in shown)


def test_a_request_a_task_and_a_decision_are_read_without_codes(
    logged_in: LogIn, cast: Cast, sessions: Sessions
) -> None:
    with db.transaction(sessions) as session:
        own = rule("own", condition("request.channel", "is", "phone"), TO_EVERYONE)
        own["title"] = {"ru": "Звонят сами", "en": "They call"}
        make_version(session, "assignment", assignment_rules(own))
        row = make_request(session, channel="phone", priority="high", wake=False)
        decide_and_assign(session, row, MONDAY)
        request_id, decision_id = row.id, session.scalars(select(Decision.id)).one()
    auditor = logged_in("zhanna")
    page = text_of(auditor.get("/admin/decision_rows/").text)
    assert f"заявка {request_id} Звонят сами действует система оба движка" in page
    details = text_of(auditor.get(f"/admin/decision_rows/details/?id={decision_id}").text)
    assert "Что сделано передать заявку" in details and "Кто получил Анна" in details
    assert f"№ {decision_id}" in details
    auditor.post("/locale", {"locale": "en", "next": "/"})
    assert "№" not in auditor.get(f"/admin/decision_rows/details/?id={decision_id}").text
    auditor.post("/locale", {"locale": "ru", "next": "/"})
    request = text_of(auditor.get(f"/admin/request_rows/details/?id={request_id}").text)
    assert "Канал телефон" in request and "Ответить до" in request and "Answer" not in request
    exported = auditor.get("/admin/request_rows/export/csv/").text
    assert "Канал" in exported and "телефон" in exported and "phone" not in exported
    assert "Звонят сами,действует,система" in auditor.get("/admin/decision_rows/export/csv/").text


def test_the_journal_names_people_states_and_reasons(logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
    why = {"ru": "закреплённого менеджера не было", "en": "there was no owner"}
    with db.transaction(sessions) as session:
        common: dict[str, Any] = {"actor": "galina", "action": "update"}
        after = {"owner_id": cast.anna.id, "why": why, "do_not_call": True, "created_at": MONDAY, "new_minor": 150}
        audit.record(session, **common, subject_kind="client", subject_id=7, before={"owner_id": None}, after=after)
        audit.record(session, actor="galina", action="mode", subject_kind="mode", subject_id="callbacks:key")
    galina = logged_in("galina")
    page = text_of(galina.get("/admin/journal/").text)
    assert "Закреплённый менеджер: Анна" in page and "Причина: закреплённого менеджера не было" in page
    assert "Просил не звонить: да" in page and "owner_id" not in page
    assert "План по новым клиентам: 1,50 ₽" in page
    assert "Плановые звонки, key" in page
    galina.post("/locale", {"locale": "en", "next": "/"})
    assert "Owner: Анна; Reason: there was no owner" in text_of(galina.get("/admin/journal/").text)


def test_everything_that_the_journal_can_hold_has_words() -> None:
    root = Path(__file__).parents[2]
    sources = [path.read_text("utf-8") for name in ("admin", "rules_engine") for path in (root / name).rglob("*.py")]
    calls = [
        call
        for text in sources
        for call in re.findall(r"audit\.record\((.*?)\n\s*\)\n|audit\.record\((.*)\)", text, re.S)
    ]
    said = "".join("".join(call) for call in calls)
    actions = set(re.findall(r'action="(\w+)"', said)) | {
        f"approval_{state}" for state in ApprovalState if state != "waiting"
    }
    assert len(actions) > 20
    assert actions - set(ACTIONS) == set()
    assert set(re.findall(r'subject_kind="(\w+)"', said)) - set(SUBJECTS) == set()
    assert {kind for kind in WorkKind if kind not in WORK or kind not in ONE} == set()


def test_the_list_of_clients_says_the_segment_in_words(logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
    with db.transaction(sessions) as session:
        make_client(session, owner=cast.anna, segment="lapsing")
    anna = logged_in("anna")
    assert "забытый" in text_of(anna.get("/clients/").text)
    anna.post("/locale", {"locale": "en", "next": "/"})
    assert "lapsing" in text_of(anna.get("/clients/").text)
