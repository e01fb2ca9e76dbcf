"""The note of a rule: one text, or one for each language."""

import pytest

from rules_engine.language.check import check
from rules_engine.language.kinds import LIMIT_NOTE, Words
from rules_engine.language.notes import edited, joined, note_text, other_text
from rules_engine.language.ruleset import content_hash, parse
from tests.language.documents import Json, assignment

BOTH = {"ru": "Не чаще раза в 21 день.", "en": "At most once in 21 days."}


def with_note(note: object) -> Json:
    document = assignment()
    document["rules"][0]["note"] = note
    return document


class TestInADocument:
    def test_one_text_is_for_both_languages_and_keeps_its_hash(self) -> None:
        document = with_note("Отношения стоят денег.")

        assert parse(document).rules[0].note == Words("Отношения стоят денег.", "Отношения стоят денег.")
        assert content_hash(document) == content_hash(assignment())

    def test_each_language_may_have_its_own(self) -> None:
        rule = parse(with_note(BOTH)).rules[0]

        assert (rule.note.text("ru"), rule.note.text("en")) == (BOTH["ru"], BOTH["en"])

    def test_one_side_alone_is_read_by_all(self) -> None:
        assert parse(with_note({"ru": "Клиент ждёт."})).rules[0].note.text("en") == "Клиент ждёт."

    @pytest.mark.parametrize("note", ["", {"ru": "", "en": ""}])
    def test_it_may_be_empty(self, note: object) -> None:
        assert check(with_note(note)) == ()

    @pytest.mark.parametrize(
        ("note", "path", "code"),
        [
            (7, "/rules/0/note", "wrong_words"),
            ({}, "/rules/0/note", "wrong_words"),
            ({"ru": 7}, "/rules/0/note/ru", "not_text"),
            ({"de": "warum"}, "/rules/0/note/de", "unknown_key"),
            ({"en": "x" * (LIMIT_NOTE + 1)}, "/rules/0/note/en", "too_long"),
            ("x" * (LIMIT_NOTE + 1), "/rules/0/note", "too_long"),
        ],
    )
    def test_anything_else_is_an_error_with_its_place(self, note: object, path: str, code: str) -> None:
        assert [(one.path, one.code) for one in check(with_note(note))] == [(path, code)]


class TestEditing:
    def test_the_other_language_stays_as_with_a_title(self) -> None:
        assert edited(BOTH, "ru", "Не чаще раза в месяц.") == {**BOTH, "ru": "Не чаще раза в месяц."}

    def test_one_text_for_both_is_replaced_whole(self) -> None:
        assert edited("Не чаще раза в 21 день.", "ru", "Не чаще раза в месяц.") == "Не чаще раза в месяц."

    def test_a_first_note_is_in_the_language_of_its_author(self) -> None:
        assert edited("", "en", "The client waits.") == {"en": "The client waits."}
        assert edited(None, "ru", "Клиент ждёт.") == {"ru": "Клиент ждёт."}

    def test_what_was_left_as_it_read_is_not_touched(self) -> None:
        assert edited({"ru": "Клиент ждёт."}, "en", "Клиент ждёт.") is None
        assert edited(None, "ru", "") is None

    def test_emptied_in_one_language_it_is_empty_in_both(self) -> None:
        assert edited(BOTH, "en", "") == ""

    def test_its_editor_is_told_what_stays_in_the_other_language(self) -> None:
        assert other_text(BOTH, "en") == BOTH["ru"]
        assert other_text({"en": "The client waits."}, "ru") == "The client waits."
        assert other_text("Клиент ждёт.", "en") == ""
        assert other_text({"ru": "Клиент ждёт."}, "ru") == ""


def test_two_notes_become_one_in_each_language() -> None:
    assert joined(BOTH, {"ru": "Клиент ждёт.", "en": "The client waits."}) == {
        "ru": "Не чаще раза в 21 день.\nКлиент ждёт.",
        "en": "At most once in 21 days.\nThe client waits.",
    }


def test_a_note_of_one_text_joins_one_of_two() -> None:
    assert joined("Клиент ждёт.", BOTH) == {
        "ru": "Клиент ждёт.\nНе чаще раза в 21 день.",
        "en": "Клиент ждёт.\nAt most once in 21 days.",
    }
    assert joined("", None) == ""


def test_a_note_reads_in_the_readers_language_else_in_the_other() -> None:
    assert note_text({"ru": "", "en": "The client waits."}, "ru") == "The client waits."
    assert note_text(None, "ru") == ""
