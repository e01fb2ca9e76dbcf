"""What one rule alone shows: a review that is due, a rule for one person."""

from datetime import date
from typing import Any

from rules_engine.language.analysis import FindingKind, FixKind, analyse, fixed
from rules_engine.language.ruleset import parse

Json = dict[str, Any]
TODAY = date(2026, 11, 23)
EVERYONE = [{"action": "assign", "to": {"pool": "everyone"}}]


def assignment(*rules: Json) -> Json:
    return {"decision": "assignment", "rules": list(rules), "otherwise": EVERYONE}


def kinds(document: Json, today: date = TODAY) -> list[FindingKind]:
    return [finding.kind for finding in analyse(parse(document), today=today).findings]


def vip(**more: Any) -> Json:
    return {
        "id": "vip",
        "when": {"all": [{"field": "request.amount", "op": "ge", "value": "50000"}]},
        "then": EVERYONE,
        **more,
    }


def test_a_rule_past_its_review_says_since_when_and_can_be_put_off() -> None:
    document = assignment(vip(review_on="2026-11-23"))
    [finding] = [one for one in analyse(parse(document), today=TODAY).findings if one.kind is FindingKind.REVIEW]
    assert finding.message("ru", {}) == "Пора пересмотреть: срок был 23.11.2026."
    assert finding.message("en", {}) == "Due for review since 23 Nov 2026."
    assert finding.fix is not None
    assert finding.fix.kind is FixKind.SET_REVIEW
    mended = fixed(document, finding.fix)
    assert mended["rules"][0]["review_on"] == "2027-05-23"
    assert FindingKind.REVIEW not in kinds(mended)
    assert FindingKind.REVIEW not in kinds(document, date(2026, 11, 22))


def test_half_a_year_after_the_last_of_august_is_a_day_that_there_is() -> None:
    document = assignment(vip(review_on="2026-08-01"))
    [finding] = [
        one for one in analyse(parse(document), today=date(2026, 8, 31)).findings if one.kind is FindingKind.REVIEW
    ]
    assert finding.fix is not None
    assert finding.fix.on == date(2027, 2, 28)


def test_a_rule_for_one_person_is_named_whether_he_is_asked_for_or_given_to() -> None:
    to_him = vip(then=[{"action": "assign", "to": {"pool": "manager", "login": "anna"}}])
    of_hers = vip(when={"all": [{"field": "client.owner", "op": "in", "value": ["anna"]}]})
    among = [
        {
            "action": "assign",
            "to": {"pool": "everyone"},
            "among": {"all": [{"field": "candidate.name", "op": "is", "value": "anna"}]},
        }
    ]
    for rule in (to_him, of_hers, vip(then=among)):
        found = [
            one
            for one in analyse(parse(assignment(rule)), today=TODAY).findings
            if one.kind is FindingKind.NAMED_PERSON
        ]
        assert [one.message("ru", {}) for one in found] == ["Правило для одного человека: anna."]


def test_a_rule_that_one_person_is_an_exception_of_is_not_for_him() -> None:
    not_his = vip(when={"all": [{"field": "client.owner", "op": "is_not", "value": "anna"}]})
    either = vip(
        when={
            "any": [{"field": "client.owner", "op": "is", "value": "anna"}, {"field": "client.owner", "op": "is_empty"}]
        }
    )
    two = vip(then=[{"action": "assign", "to": [{"pool": "manager", "login": "anna"}, {"pool": "everyone"}]}])
    for rule in (not_his, either, two):
        assert FindingKind.NAMED_PERSON not in kinds(assignment(rule))


def test_what_is_intended_stays_so_until_its_own_rule_changes() -> None:
    own = vip(then=[{"action": "assign", "to": {"pool": "manager", "login": "anna"}}])

    def key(*rules: Json) -> str:
        found = analyse(parse(assignment(*rules)), today=TODAY).findings
        return next(one.key for one in found if one.kind is FindingKind.NAMED_PERSON)

    before = key(own)
    other = {**vip(), "id": "other"}
    assert key(other, {**own, "title": {"ru": "Другое имя"}, "note": "почему"}) == before
    changed = {"all": [{"field": "request.amount", "op": "ge", "value": "60000"}]}
    assert key({**own, "when": changed}) != before


def test_a_rule_that_is_switched_off_takes_no_part() -> None:
    assert FindingKind.REVIEW not in kinds(assignment(vip(review_on="2020-01-01", enabled=False)))
