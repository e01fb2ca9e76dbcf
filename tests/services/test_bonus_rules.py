"""When rules of the bonus may begin: with a month to come, never in the middle of one."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import PolicyViolation
from rules_engine.models import BEGINNING_OF_TIME, RulesetVersion
from rules_engine.services.rules import rulebook
from rules_engine.services.running.setup import initialise, shipped_ruleset
from tests.factories import MONDAY, at, make_cast


def test_an_installation_begins_with_the_shipped_scheme(session: Session) -> None:
    initialise(session, now=MONDAY)
    version = session.scalars(select(RulesetVersion).where(RulesetVersion.decision == "bonus")).one()
    assert (version.number, version.holds_from, version.body) == (1, BEGINNING_OF_TIME, shipped_ruleset("bonus"))


@pytest.mark.parametrize(
    "when", ["2026-10-05 11:20", "2026-10-06 00:00", "2026-10-01 00:00", "2026-11-01 00:01", "2026-11-02 00:00"]
)
def test_a_version_cannot_begin_now_or_within_a_month(session: Session, when: str) -> None:
    make_cast(session)
    initialise(session, now=MONDAY)
    with pytest.raises(PolicyViolation) as refused:
        rulebook.publish(session, "bonus", shipped_ruleset("bonus"), holds_from=at(when), now=MONDAY, actor="galina")
    assert "01.11.2026" in refused.value.message("ru")
    assert "2026-11-01" in refused.value.message("en")


@pytest.mark.parametrize("when", ["2026-11-01 00:00", "2027-01-01 00:00"])
def test_a_version_begins_with_a_month_to_come(session: Session, when: str) -> None:
    make_cast(session)
    initialise(session, now=MONDAY)
    body = shipped_ruleset("bonus") | {"title": {"ru": "Премия 2", "en": "Bonus 2"}}
    made = rulebook.publish(session, "bonus", body, holds_from=at(when), now=MONDAY, actor="galina")
    assert (made.number, made.holds_from) == (2, at(when))
    assert rulebook.in_force_at(session, "bonus", MONDAY).number == 1
    assert rulebook.in_force_at(session, "bonus", at("2027-01-31 00:00")).number == 2
