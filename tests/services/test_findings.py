"""Findings of a draft: by the day of the business zone, the intended ones apart, each body analysed once a day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from rules_engine.errors import NotFound
from rules_engine.language.analysis import Analysis, FindingKind, Unchecked, WhyUnchecked
from rules_engine.services.approvals import findings as service
from rules_engine.services.approvals.findings import findings, mend
from rules_engine.services.rules import rulebook
from tests.factories import MONDAY, assignment_rules, condition, make_cast, rule

EVERYONE = {"action": "assign", "to": {"pool": "everyone"}}
LARGE = rule("large", condition("request.amount", "ge", "100000"), {**EVERYONE, "answer_within": 10})
SMALL = rule("small", condition("request.amount", "ge", "50000"), EVERYONE)
OF_ANNA = rule("anna", condition("client.owner", "is", "anna"), {**EVERYONE, "answer_within": 5})
INTENDED = {"reason": "на время отпуска", "by": "galina", "at": "2026-10-05T09:00:00+00:00"}


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    service._analysed.clear()
    yield
    service._analysed.clear()


@pytest.fixture
def session(session: Session) -> Session:
    make_cast(session)
    return session


def test_what_is_said_to_be_intended_is_open_no_longer_until_its_rules_change(session: Session) -> None:
    body = assignment_rules(SMALL, LARGE)
    [hidden] = findings(session, body, {}, MONDAY).of("large")
    assert hidden.kind is FindingKind.HIDDEN
    accepted = {hidden.key: INTENDED}
    again = findings(session, body, accepted, MONDAY)
    assert again.of("large") == ()
    assert again.warnings == ()
    assert [(one.finding, one.reason, one.by) for one in again.accepted] == [(hidden, INTENDED["reason"], "galina")]
    assert again.by_key(hidden.key) is hidden
    renamed = assignment_rules({**SMALL, "title": "Другое имя"}, OF_ANNA, LARGE)
    assert [one.finding.key for one in findings(session, renamed, accepted, MONDAY).accepted] == [hidden.key]
    larger = rule("large", condition("request.amount", "ge", "200000"), LARGE["then"][0])
    changed = findings(session, assignment_rules(SMALL, larger), accepted, MONDAY)
    assert changed.accepted == ()
    with pytest.raises(NotFound):
        changed.by_key(hidden.key)


def test_the_button_of_a_finding_is_an_edit_of_the_draft(session: Session) -> None:
    body = assignment_rules(SMALL, LARGE)
    [hidden] = findings(session, body, {}, MONDAY).of("large")
    assert hidden.fix is not None
    mended = mend(hidden.fix)(body)
    assert [one["id"] for one in mended["rules"]] == ["large", "small"]
    assert [one["id"] for one in body["rules"]] == ["small", "large"]
    with pytest.raises(NotFound):
        mend(hidden.fix)(assignment_rules(LARGE))


def test_people_are_called_by_their_names_and_examples_use_those_there_are(session: Session) -> None:
    found = findings(session, assignment_rules(OF_ANNA), {}, MONDAY)
    [named] = found.of("anna")
    assert named.message("ru", {}, rulebook.references(session)) == "Правило для одного человека: Анна."
    [gap] = found.of("otherwise")
    assert gap.example is not None
    assert gap.example["client.owner"] in {"boris", "vera", "galina"}


def test_a_review_is_due_by_the_day_of_the_business_and_not_of_greenwich(session: Session) -> None:
    body = assignment_rules({**LARGE, "review_on": "2026-10-06"})
    evening, night = (datetime(2026, 10, 5, hour, tzinfo=UTC) for hour in (20, 22))
    assert findings(session, body, {}, evening).of("large") == ()
    assert [one.kind for one in findings(session, body, {}, night).of("large")] == [FindingKind.REVIEW]


def test_of_an_unfinished_draft_the_finished_rules_are_looked_at(session: Session) -> None:
    unfinished: dict[str, Any] = {"id": "new", "when": {"all": [{"field": "", "op": "", "value": None}]}, "then": []}
    body = assignment_rules(unfinished, SMALL, LARGE)
    [hidden] = findings(session, body, {}, MONDAY).of("large")
    assert hidden.fix is not None
    assert [one["id"] for one in mend(hidden.fix)(body)["rules"]] == ["new", "large", "small"]
    assert findings(session, {"decision": "assignment", "rules": 5}, {}, MONDAY).open == ()


def test_a_body_is_analysed_once_a_day(session: Session) -> None:
    first = findings(session, assignment_rules(SMALL, LARGE), {}, MONDAY)
    again = findings(session, assignment_rules(SMALL, LARGE), {}, MONDAY)
    assert first.open[0] is again.open[0]
    assert len(service._analysed) == 1


def test_an_analysis_that_ran_out_of_time_is_made_again_a_minute_later(session: Session) -> None:
    body = assignment_rules(SMALL, LARGE)
    findings(session, body, {}, MONDAY)
    [key] = service._analysed
    service._analysed[key] = Analysis((), (Unchecked("large", WhyUnchecked.TIME),)), MONDAY
    assert findings(session, body, {}, MONDAY + timedelta(seconds=30)).unchecked
    later = findings(session, body, {}, MONDAY + timedelta(seconds=90))
    assert later.unchecked == ()
    assert later.of("large")
