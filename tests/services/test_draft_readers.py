"""Who has a draft open: the others see him for two minutes, and looking writes seldom."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import DraftReader, RulesetDraft
from rules_engine.services.drafts import editing, readers
from rules_engine.services.drafts.readers import Reader
from tests.factories import MONDAY, Cast, assignment_rules, make_cast, make_version

SECOND = timedelta(seconds=1)


@pytest.fixture
def cast(any_session: Session) -> Cast:
    return make_cast(any_session)


@pytest.fixture
def draft(any_session: Session, cast: Cast) -> RulesetDraft:
    make_version(any_session, "assignment", assignment_rules())
    return editing.start_draft(any_session, "assignment", actor="galina", now=MONDAY)


def test_the_others_are_seen_with_the_rule_they_have_open(
    any_session: Session, cast: Cast, draft: RulesetDraft
) -> None:
    readers.seen(any_session, draft, cast.galina.id, "large", MONDAY)
    assert readers.others(any_session, draft, cast.galina.id, MONDAY) == []
    assert readers.others(any_session, draft, cast.denis.id, MONDAY) == [Reader("Галина", "large", MONDAY)]


def test_who_has_gone_is_not_shown_any_more(any_session: Session, cast: Cast, draft: RulesetDraft) -> None:
    readers.seen(any_session, draft, cast.galina.id, "", MONDAY)
    just, over = MONDAY + timedelta(seconds=119), MONDAY + timedelta(seconds=120)
    assert len(readers.others(any_session, draft, cast.denis.id, just)) == 1
    assert readers.others(any_session, draft, cast.denis.id, over) == []


def test_a_row_is_written_at_most_every_twenty_seconds_and_at_once_for_another_rule(
    any_session: Session, cast: Cast, draft: RulesetDraft
) -> None:
    def written() -> tuple[str, int]:
        row = any_session.execute(select(DraftReader.rule, DraftReader.seen_at)).one()
        return row.rule, (row.seen_at - MONDAY) // SECOND

    for second, rule in ((0, "a"), (10, "a"), (19, "a"), (20, "a"), (25, "b")):
        readers.seen(any_session, draft, cast.galina.id, rule, MONDAY + second * SECOND)
        assert written() == {0: ("a", 0), 10: ("a", 0), 19: ("a", 0), 20: ("a", 20), 25: ("b", 25)}[second]
