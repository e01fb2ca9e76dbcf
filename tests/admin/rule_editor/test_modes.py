"""The page of modes: what runs how, since when and by whom; a switch is confirmed, recorded and heard at once."""

from sqlalchemy import select

from rules_engine import db
from rules_engine.decisions.modes import Mode
from rules_engine.models import AuditEntry, ModeChange
from rules_engine.services.rules import modes
from rules_engine.services.rules.rulebook import DECISIONS
from tests.admin.rule_editor.conftest import Editor
from tests.factories import MONDAY, make_mode


def mode_now(head: Editor, team: int | None = None) -> Mode:
    with head.sessions() as session:
        return modes.mode_of(session, "assignment", team, MONDAY)


def test_the_first_press_asks_and_the_second_switches(head: Editor) -> None:
    assert "действует" in head.browser.get("/modes/").text
    wanted = {"decision": "assignment", "mode": "watch", "team": ""}
    asked = head.browser.post("/modes/change", wanted)
    assert asked.status_code == 200
    assert "никого не трогает" in asked.text
    assert mode_now(head) is Mode.LIVE
    assert head.browser.post("/modes/change", {**wanted, "sure": "yes"}).status_code == 302
    assert mode_now(head) is Mode.WATCH
    with head.sessions() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "mode")).one()
        assert (entry.actor, entry.before, entry.after and entry.after["mode"]) == ("galina", {"mode": "live"}, "watch")
    assert "Галина" in head.browser.get("/modes/").text


def test_what_was_switched_at_the_first_set_up_was_switched_by_the_system(head: Editor) -> None:
    with db.transaction(head.sessions) as session:
        make_mode(session, "assignment", "watch", since=MONDAY)
    page = head.browser.get("/modes/").text
    assert ", система</small>" in page and "system" not in page


def test_one_team_is_set_apart_and_stop_for_all_says_that_this_ends(head: Editor) -> None:
    sales = {"decision": "assignment", "mode": "hints", "team": "sales", "sure": "yes"}
    head.browser.post("/modes/change", sales)
    page = head.browser.get("/modes/").text
    assert "свой" in page
    asked = head.browser.post("/modes/change", {"decision": "assignment", "mode": "watch", "team": ""})
    assert "Продажи" in asked.text
    head.browser.post("/modes/change", {"decision": "assignment", "mode": "watch", "team": "", "sure": "yes"})
    with head.sessions() as session:
        assert {line.decision: line.by_team for line in modes.show(session, MONDAY)}["assignment"] == ()


def test_the_same_mode_again_records_nothing(head: Editor) -> None:
    head.browser.post("/modes/change", {"decision": "assignment", "mode": "live", "team": "", "sure": "yes"})
    with db.transaction(head.sessions) as session:
        assert len(session.scalars(select(ModeChange)).all()) == len(DECISIONS)


def test_unknown_names_are_not_found(head: Editor) -> None:
    for values in (
        {"decision": "lunch", "mode": "live"},
        {"decision": "assignment", "mode": "loud"},
        {"decision": "assignment", "mode": "live", "team": "nobody"},
    ):
        assert head.browser.post("/modes/change", {**values, "sure": "yes"}).status_code == 404
