"""Old numbers in the note and the texts of a rule whose values were changed, on the rules that ship."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask_babel import Babel

from admin.views.rule_editor.leftovers import Leftover, leftovers
from admin.views.rule_editor.sentences import Speaker
from rules_engine.language.kinds import Decision
from rules_engine.services.drafts.body import rule_of
from rules_engine.services.rules.rulebook import StoredReferences

ROOT = Path(__file__).parents[3]
MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.fixture(scope="module", params=["ru", "en"])
def lang(request: pytest.FixtureRequest) -> Iterator[str]:
    app = Flask(__name__)
    Babel(app, default_locale=request.param, default_translation_directories=str(ROOT / "admin/translations"))
    with app.test_request_context():
        yield request.param


def shipped(name: str, rule_id: str) -> dict[str, Any]:
    body = json.loads((ROOT / f"rulesets/{name}.json").read_text(encoding="utf-8"))
    return copy.deepcopy(rule_of(body, rule_id))


def hints(name: str, rule: dict[str, Any], lang: str) -> list[Leftover]:
    decision = Decision(name)
    speaker = Speaker(decision, lang, StoredReferences({}), MOSCOW)
    return list(leftovers(rule, shipped(name, rule["id"]), decision, speaker, lang))


def test_a_silence_of_30_days_is_missed_by_the_note_in_both_languages_and_by_the_reason(lang: str) -> None:
    rule = shipped("callbacks", "silence")
    rule["when"]["all"][1]["any"][1]["value"] = 30

    note, other, reason = hints("callbacks", rule, lang)

    assert (note.at, note.on) == ("title", "note")
    assert ("осталось 21:" if lang == "ru" else "still says 21:") in note.text
    assert (other.at, other.on) == ("", "")
    assert ("по-английски осталось 21." if lang == "ru" else "In Russian the note still says 21.") in other.text
    assert (reason.at, reason.on) == ("/then/0", "reason")
    assert "«просил не звонить" in reason.text if lang == "ru" else "“просил не звонить" in reason.text


def test_two_numbers_are_told_together(lang: str) -> None:
    rule = shipped("bonus", "quality")
    rule["then"][0]["nodes"] = [["0", "0.60"], ["90", "1.00"], ["100", "1.10"]]

    note = hints("bonus", rule, lang)[0]

    assert ("0,50, 1,05, 95" if lang == "ru" else "0.50, 1.05, 95") in note.text


def test_an_unfinished_rule_has_hints_too(lang: str) -> None:
    rule = shipped("callbacks", "silence")
    rule["when"]["all"][1]["any"][1] = {"field": "", "op": "", "value": None}
    rule["then"].append({"action": ""})
    assert [one.on for one in hints("callbacks", rule, lang)] == ["note", "", "reason"]


@pytest.mark.parametrize("name", ["assignment", "escalation", "callbacks", "bonus"])
def test_a_rule_whose_values_are_those_in_force_has_none(lang: str, name: str) -> None:
    for rule in json.loads((ROOT / f"rulesets/{name}.json").read_text(encoding="utf-8"))["rules"]:
        assert hints(name, rule, lang) == []
