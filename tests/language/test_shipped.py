"""The rulesets that ship: valid, explained, proved by cases, and said in the words of the glossary."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import rulesets
from rules_engine.decisions.bonus_cases import run_cases
from rules_engine.language.engines.durable import DurableEngine, available
from rules_engine.language.kinds import Decision
from rules_engine.language.model import OTHERWISE, Ruleset
from rules_engine.language.old_numbers import numbers_in
from rules_engine.language.ruleset import parse, to_json
from rules_engine.language.sentence import rule_text
from rules_engine.language.thresholds import fields_used
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.rules.rulebook import StoredReferences
from tests.language.test_vocabulary import FORBIDDEN

FOLDER = Path(next(iter(rulesets.__path__)))
SHIPPED = ["assignment", "escalation", "callbacks"]
ALL = [*SHIPPED, "bonus", "bonus_today"]
CYRILLIC = re.compile("[А-Яа-яЁё]")


def document_of(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(params=SHIPPED)
def shipped(request: pytest.FixtureRequest) -> Ruleset:
    return parse(document_of(request.param))


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_valid_and_written_in_the_normal_form(name: str) -> None:
    document = document_of(name)
    ruleset = parse(document)
    assert ruleset.decision == name
    assert to_json(ruleset) == document


def test_every_case_holds(shipped: Ruleset) -> None:
    assert [result.case.title.en for result in run_cases(shipped) if not result.passed] == []


@pytest.mark.skipif(not available(), reason="durable_rules cannot be imported in this Python")
def test_every_case_holds_with_durable_too(shipped: Ruleset) -> None:
    engine = DurableEngine(shipped)
    try:
        assert engine.native_only == ()
        assert all(result.passed for result in run_cases(shipped, engine))
    finally:
        engine.close()


def test_every_rule_that_can_fire_has_three_cases(shipped: Ruleset) -> None:
    expected = [rule_id for case in shipped.cases for rule_id in case.fired]
    for rule in shipped.rules:
        if rule.enabled:
            assert expected.count(rule.id) >= 3, rule.id
    if shipped.decision is Decision.ASSIGNMENT:
        assert expected.count(OTHERWISE) >= 3


def test_every_rule_says_why_it_exists_and_what_it_does(shipped: Ruleset) -> None:
    for rule in shipped.rules:
        assert rule.title.ru
        assert rule.title.en
        for lang in ("ru", "en"):
            text = rule_text(shipped, rule, lang)
            assert text.endswith(".")
            assert not FORBIDDEN.search(text)
        assert not FORBIDDEN.search(rule.title.ru)


@pytest.mark.parametrize("name", ALL)
def test_every_note_and_title_is_there_in_both_languages(name: str) -> None:
    ruleset = parse(document_of(name))
    for words in (*(rule.note for rule in ruleset.rules), *(rule.title for rule in ruleset.rules), ruleset.title):
        assert CYRILLIC.search(words.ru)
        assert words.en
        assert not CYRILLIC.search(words.en)
        assert not FORBIDDEN.search(words.ru)


@pytest.mark.parametrize("name", ALL)
def test_a_note_names_the_same_numbers_in_both_languages(name: str) -> None:
    for rule in parse(document_of(name)).rules:
        assert numbers_in(rule.note.ru, "ru").keys() == numbers_in(rule.note.en, "en").keys(), rule.id


@pytest.mark.parametrize("name", ALL)
def test_no_sentence_says_a_code_also_where_the_company_has_nothing_of_what_it_names(name: str) -> None:
    ruleset = parse(document_of(name))
    for rule in ruleset.rules:
        assert re.findall("[A-Za-z]+", rule_text(ruleset, rule, "ru", names=StoredReferences({}))) == [], rule.id
    off = [rule_text(ruleset, rule, "en") for rule in ruleset.rules if not rule.enabled]
    assert not re.search(r"“(key|english)”|: en\b", " ".join(off))


def test_it_looks_only_at_fields_that_are_filled(shipped: Ruleset) -> None:
    assert [key for key in fields_used(shipped) if not FIELDS[key].implemented] == []


def test_every_case_is_named_in_both_languages(shipped: Ruleset) -> None:
    titles = [case.title for case in shipped.cases]
    assert all(title.ru and title.en for title in titles)
    assert len({title.ru for title in titles}) == len(titles)
