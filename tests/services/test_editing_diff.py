"""What a comparison of two bodies tells: as few moves as possible, each change once, in the reader's language."""

from rules_engine.services.drafts import body as edits
from rules_engine.services.drafts.diff import ChangeKind, compare
from rules_engine.services.trials import cases
from tests.factories import assignment_rules, condition, rule

ASSIGN = {"action": "assign", "to": {"pool": "owner"}, "answer_within": 30}


def five_rules() -> dict:
    names = ("one", "two", "three", "four", "five")
    return assignment_rules(*(rule(name, condition("request.amount", "ge", "50000"), ASSIGN) for name in names))


def told(old: dict, new: dict, lang: str = "ru") -> list[str]:
    return [change.headline(lang) for change in compare(old, new)]


def test_equal_bodies_have_no_differences() -> None:
    assert compare(five_rules(), five_rules()) == []


def test_only_the_rule_that_was_moved_is_called_moved() -> None:
    old = five_rules()
    assert told(old, edits.move_rule("five", 1)(old)) == ["«five» перенесено с места 5 на 2"]
    assert told(old, edits.move_rule("one", 4)(old), "en") == ["“one” moved from place 1 to 5"]


def test_a_removed_rule_does_not_move_the_others() -> None:
    old = five_rules()
    assert told(old, edits.remove_rule("two")(old)) == ["убрано правило «two», было на месте 2"]


def test_an_added_rule_does_not_move_the_others() -> None:
    old = five_rules()
    new = edits.move_rule("new", 0)(edits.add_rule("new", "Новое", "ru", ASSIGN)(old))
    assert told(old, new) == ["новое правило «Новое», на месте 1"]


def test_each_kind_of_change_in_one_rule_is_told() -> None:
    old = five_rules()
    new = edits.switch_rule("one", False)(edits.rename("one", "ru", "Первое", "почему")(old))
    new = edits.set_action("one", 0, {**ASSIGN, "answer_within": 15})(new)
    kinds = [change.kind for change in compare(old, new)]
    assert kinds == [ChangeKind.RENAMED, ChangeKind.SWITCHED_OFF, ChangeKind.CHANGED, ChangeKind.NOTE]
    changed = compare(old, new)[2]
    assert changed.old is not None and changed.new is not None
    assert (changed.old["then"][0]["answer_within"], changed.new["then"][0]["answer_within"]) == (30, 15)


def test_a_note_that_reads_the_same_in_both_languages_is_the_same_note() -> None:
    old, new, other = five_rules(), five_rules(), five_rules()
    old["rules"][0]["note"] = "Клиент ждёт."
    new["rules"][0]["note"] = {"ru": "Клиент ждёт."}
    other["rules"][0]["note"] = {"ru": "Клиент ждёт.", "en": "The client waits."}

    assert told(old, new) == []
    assert told(new, other, "en") == ["another note at “one”"]


def test_otherwise_and_test_cases_are_compared_too() -> None:
    old = five_rules()
    new = cases.add_case("телефон", "ru", {"request.channel": "phone"}, {"fired": ["otherwise"]})(
        edits.set_action("otherwise", 0, {**ASSIGN, "to": {"pool": "everyone"}})(old)
    )
    assert told(old, new) == ["изменено «Остальные»", "изменены контрольные примеры: было 0, стало 1"]
