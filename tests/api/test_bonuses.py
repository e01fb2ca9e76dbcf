"""GET /bonuses/{period} as another program calls it."""

from flask import Flask

from rules_engine import db
from rules_engine.services.bonus import periods
from rules_engine.services.running.setup import shipped_ruleset
from tests.api.conftest import Program, sessions_of
from tests.api.test_openapi import schema_of
from tests.bonus_rows import NEW, credit, plan
from tests.factories import MONDAY, Cast, make_version


def computed(app: Flask, cast: Cast) -> None:
    with db.transaction(sessions_of(app)) as session:
        make_version(session, "bonus", shipped_ruleset("bonus"))
        plan(session, cast.anna, "2026-10", 1_000, None)
        credit(session, cast.anna, "2026-10-01", 100_000, NEW)
        periods.compute(session, "2026-10", actor="galina", now=MONDAY)


def test_statements_are_read_with_their_lines(app: Flask, program: Program, cast: Cast) -> None:
    computed(app, cast)
    answer = program.get("/bonuses/2026-10")
    assert answer.status_code == 200
    schema_of("BonusPeriodOut").validate(answer.json)
    assert (answer.json["period"], answer.json["state"], answer.json["provisional"]) == ("2026-10", "computed", True)
    assert [one["manager"] for one in answer.json["statements"]] == ["anna", "boris", "vera"]

    (anna,) = program.get("/bonuses/2026-10?manager=anna", Accept_Language="en").json["statements"]
    assert anna["total"] == "35000.00"
    assert "no plan by intention" in anna["lines"][0]["sentence"]
    (anna,) = program.get("/bonuses/2026-10?manager=anna", Accept_Language="ru").json["statements"]
    assert "плана нет намеренно" in anna["lines"][0]["sentence"]


def test_what_is_not_there_is_not_found(app: Flask, program: Program, cast: Cast) -> None:
    computed(app, cast)
    assert program.get("/bonuses/2026-09").status_code == 404
    assert program.get("/bonuses/october").status_code == 422
    assert program.get("/bonuses/2026-10?manager=nobody").status_code in (404, 422)
    assert program.get("/bonuses/2026-10?team=sales").status_code == 422
    assert Program(app, "tasks:read", name="other").get("/bonuses/2026-10").status_code == 403
