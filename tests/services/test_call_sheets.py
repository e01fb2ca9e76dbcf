"""What a manager knows before a call, and where a call stands in his list."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from rules_engine.models import CallbackState, OverdueState
from rules_engine.services.callbacks import sheets
from rules_engine.services.requests import assignment, tasks
from rules_engine.services.requests.tasks import Group
from tests.calls import TONIGHT, make_callback, make_occasion, make_overdue_action
from tests.factories import (
    MONDAY,
    Cast,
    at,
    make_cast,
    make_client,
    make_contact,
    make_payment,
    make_request,
    statements_of,
)


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


class TestOrder:
    def test_calls_come_after_what_is_due_today_then_by_due_then_by_expected_money(
        self, session: Session, cast: Cast
    ) -> None:
        def call(name: str, **more: object) -> int:
            return make_callback(session, make_client(session, name), cast.anna, **more).id

        small = call("малый", expected_minor=100_000)
        large = call("большой", expected_minor=900_000)
        late = call("давний", due_at=at("2026-10-02 18:00"))
        handed_out = call("на неделе", due_at=at("2026-10-08 18:00"))
        later = call("не дозвонились", due_at=at("2026-10-06 18:00"), attempts=1)
        own = tasks.create_own(session, cast.anna, "Отчёт", at("2026-10-05 17:00"), now=MONDAY)

        lines = tasks.open_tasks(session, cast.anna.id, MONDAY)

        assert [line.callback_id or line.id for line in lines] == [own.id, late, large, small, handed_out, later]
        assert [line.group for line in lines] == [
            Group.TODAY, Group.OVERDUE, Group.TODAY, Group.TODAY, Group.TODAY, Group.LATER,
        ]  # fmt: skip

    def test_an_overdue_call_does_not_hide_a_request(self, session: Session, cast: Cast) -> None:
        for place in range(9):
            make_callback(session, make_client(session, f"К{place}"), cast.anna, due_at=at("2026-10-02 18:00"))
        request = make_request(session)
        assignment.assign_by_hand(session, request, cast.anna, reason="пример", actor="galina", now=MONDAY)

        assert tasks.open_tasks(session, cast.anna.id, MONDAY)[0].request_id == request.id


class TestSheet:
    def test_it_says_what_he_buys_what_was_said_and_how_to_begin(self, session: Session, cast: Cast) -> None:
        make_occasion(session)
        make_occasion(session, "how-is-it", title={"ru": "как работает", "en": "how is it"})
        client = make_client(session, region="Новосибирская область", phone="+79160000001")
        for day in ("2026-04-01 12:00", "2026-05-31 12:00", "2026-07-30 12:00"):
            make_payment(session, client, at(day), 4_000_000, service="хостинг")
        make_contact(
            session, client=client, at=MONDAY - timedelta(days=9), outcome="thinks", note="напомните в октябре"
        )
        make_contact(session, client=client, at=MONDAY - timedelta(days=40), outcome="refused", note="раньше")
        make_contact(session, client=client, at=MONDAY - timedelta(days=1))  # nothing was said
        call = make_callback(session, client, cast.anna, also=["how-is-it", "unknown"])

        sheet = sheets.call_sheets(session, [call.id], MONDAY)[call.id]

        assert [title["ru"] for title in sheet.occasions] == ["скоро понадобится", "как работает", "unknown"]
        assert sheet.script is not None and sheet.script["ru"].startswith("Подходит срок")
        assert (sheet.average_payment_minor, sheet.usual_interval_days, sheet.service) == (4_000_000, 60, "хостинг")
        assert sheet.last_word is not None
        assert (sheet.last_word.outcome, sheet.last_word.note) == ("thinks", "напомните в октябре")
        assert sheet.there is not None and f"{sheet.there.local:%H:%M}" == "15:20"

    def test_of_whom_nothing_is_known_it_claims_nothing(self, session: Session, cast: Cast) -> None:
        call = make_callback(session, make_client(session), cast.anna)

        sheet = sheets.call_sheets(session, [call.id], MONDAY)[call.id]

        assert (sheet.script, sheet.average_payment_minor, sheet.usual_interval_days) == (None, None, None)
        assert (sheet.last_word, sheet.there, sheet.silent_days) == (None, None, None)

    def test_the_rule_s_own_phrase_goes_before_that_of_the_occasion(self, session: Session, cast: Cast) -> None:
        make_occasion(session)
        call = make_callback(session, make_client(session), cast.anna, script={"ru": "Своя", "en": "Own"})

        sheet = sheets.call_sheets(session, [call.id], MONDAY)[call.id]

        assert sheet.script == {"ru": "Своя", "en": "Own"}

    def test_more_calls_cost_no_more_queries(self, session: Session, cast: Cast) -> None:
        calls = [make_callback(session, make_client(session, f"К{place}"), cast.anna).id for place in range(12)]

        with statements_of(session) as few:
            sheets.call_sheets(session, calls[:1], MONDAY)
        with statements_of(session) as many:
            sheets.call_sheets(session, calls, MONDAY)

        assert 0 < len(many) <= len(few)
        assert sheets.call_sheets(session, [], MONDAY) == {}


def test_only_calls_finished_on_this_day_of_the_business_zone_count_as_today_s(session: Session, cast: Cast) -> None:
    for done_at in ("2026-10-04 23:59", "2026-10-05 00:00", "2026-10-05 23:59", "2026-10-06 00:00"):
        make_callback(session, make_client(session), cast.anna, state=CallbackState.DONE, done_at=at(done_at))
    make_callback(session, make_client(session), cast.boris, state=CallbackState.DONE, done_at=at("2026-10-05 12:00"))

    assert sheets.done_today(session, MONDAY) == {cast.anna.id: 2, cast.boris.id: 1}
    assert sheets.done_today(session, MONDAY, [cast.anna.id]) == {cast.anna.id: 2}


def test_a_hold_is_shown_until_its_last_instant(session: Session, cast: Cast) -> None:
    row = make_overdue_action(session, cast.anna, state=OverdueState.CONFIRMED, ends_at=TONIGHT)

    assert sheets.hold_of(session, cast.anna.id, TONIGHT - timedelta(minutes=1)) is row
    assert sheets.hold_of(session, cast.anna.id, TONIGHT) is None
    assert sheets.hold_of(session, cast.boris.id, MONDAY) is None
