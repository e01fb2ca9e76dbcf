"""The switch of a decision: for all, for one team, and from which instant."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.modes import Mode
from rules_engine.errors import InputError, NotFound
from rules_engine.models import AuditEntry, ModeChange, WorkItem
from rules_engine.services.rules.modes import mode_of, set_mode, show
from rules_engine.services.rules.rulebook import DECISIONS
from tests.factories import MONDAY, at, make_cast, make_request

LATER = at("2026-10-05 15:00")


def test_before_any_switch_everything_is_off(session: Session) -> None:
    cast = make_cast(session, live=False)

    assert mode_of(session, "assignment", cast.sales.id, MONDAY) is Mode.OFF


def test_a_switch_for_one_team_leaves_the_others(any_session: Session) -> None:
    cast = make_cast(any_session, live=False)
    set_mode(any_session, "assignment", "watch", actor="denis", now=MONDAY)
    set_mode(any_session, "assignment", "live", team=cast.sales, actor="denis", now=MONDAY)

    assert mode_of(any_session, "assignment", cast.sales.id, LATER) is Mode.LIVE
    assert mode_of(any_session, "assignment", cast.others.id, LATER) is Mode.WATCH
    assert mode_of(any_session, "escalation", cast.sales.id, LATER) is Mode.OFF


def test_a_later_switch_for_all_ends_the_separate_ones(session: Session) -> None:
    cast = make_cast(session, live=False)
    set_mode(session, "assignment", "live", team=cast.sales, actor="denis", now=MONDAY)
    set_mode(session, "assignment", "watch", actor="galina", now=LATER)

    assert mode_of(session, "assignment", cast.sales.id, LATER) is Mode.WATCH
    assert mode_of(session, "assignment", cast.sales.id, MONDAY) is Mode.LIVE


def test_the_mode_of_the_past_is_the_one_that_held_then(session: Session) -> None:
    make_cast(session)
    set_mode(session, "assignment", "watch", actor="galina", now=LATER)

    assert mode_of(session, "assignment", None, MONDAY) is Mode.LIVE


def test_a_switch_is_audited_and_wakes_open_requests(any_session: Session) -> None:
    make_cast(any_session, live=False)
    request = make_request(any_session)
    item = any_session.scalars(select(WorkItem).where(WorkItem.subject_id == request.id)).one()
    item.wake_at = None

    set_mode(any_session, "assignment", "live", actor="denis", now=LATER)

    any_session.refresh(item)
    assert item.wake_at == LATER
    entry = any_session.scalars(select(AuditEntry)).one()
    assert (entry.actor, entry.before, entry.after["mode"]) == ("denis", {"mode": "off"}, "live")


def test_the_same_mode_again_is_not_recorded(session: Session) -> None:
    cast = make_cast(session)

    assert set_mode(session, "assignment", "live", actor="denis", now=MONDAY) is None
    assert set_mode(session, "assignment", "live", team=cast.sales, actor="denis", now=MONDAY) is None
    assert len(session.scalars(select(ModeChange)).all()) == len(DECISIONS)


def test_the_page_shows_teams_that_differ(session: Session) -> None:
    cast = make_cast(session)
    set_mode(session, "assignment", "watch", team=cast.others, actor="denis", now=MONDAY)

    line = show(session, LATER)[0]

    assert (line.decision, line.mode, line.by_team) == ("assignment", Mode.LIVE, (("others", Mode.WATCH),))


def test_unknown_words_are_refused(session: Session) -> None:
    make_cast(session)
    with pytest.raises(InputError):
        set_mode(session, "assignment", "sometimes", actor="denis", now=MONDAY)
    with pytest.raises(NotFound):
        set_mode(session, "weather", "live", actor="denis", now=MONDAY)
