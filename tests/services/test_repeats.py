"""Repeats of open requests, suggested clients, groups of firms, and what was marked as spam or as a repeat."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.errors import Conflict
from rules_engine.models import (
    Client,
    ContactPoint,
    Decision,
    LedgerEntry,
    OutboxMessage,
    Request,
    RequestEvent,
    RequestStatus,
    Task,
    WorkItem,
    WorkKind,
)
from rules_engine.services.clients import clients, suggested
from rules_engine.services.explain import explain
from rules_engine.services.money import payments
from rules_engine.services.money.incoming_money import PaymentIn
from rules_engine.services.records.incoming import ClientIn, RequestChanges, RequestIn
from rules_engine.services.requests import corrections, intake, repeats
from rules_engine.services.requests.assignment import assign_by_hand, decide_and_assign
from rules_engine.services.requests.marks import Marks, marks
from rules_engine.services.requests.status import change_status
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    at,
    make_absence,
    make_cast,
    make_client,
    make_group,
    make_request,
    make_version,
)

MINUTE = timedelta(minutes=1)
PHONE = "+7 495 000-00-00"


@pytest.fixture
def cast(session: Session) -> Cast:
    cast = make_cast(session)
    make_version(session, "assignment", assignment_rules())
    return cast


def take(session: Session, number: str, **fields: Any) -> Request:
    document = {
        "source": "site",
        "external_id": number,
        "received_at": MONDAY.isoformat(),
        "service": "hosting",
        "client": {"phone": PHONE},
        **fields,
    }
    return intake.receive(session, RequestIn.model_validate(document), now=MONDAY, actor="api:site").request


def counted(session: Session, request: Request) -> list[tuple[int, str]]:
    rows = select(LedgerEntry.delta, LedgerEntry.cause).where(LedgerEntry.request_id == request.id)
    return [tuple(row) for row in session.execute(rows.order_by(LedgerEntry.id))]


class TestRepeats:
    def test_a_repeat_goes_to_the_same_manager_whatever_the_rules_and_is_not_counted(
        self, session: Session, cast: Cast
    ) -> None:
        first = take(session, "A-1")
        decide_and_assign(session, first, MONDAY)
        second = take(session, "A-2")

        decide_and_assign(session, second, MONDAY + MINUTE)

        assert (second.duplicate_of_id, second.manager_id) == (first.id, first.manager_id)
        assert counted(session, second) == [(0, "duplicate")]
        assert list(repeats.repeats_of(session, first)) == [second]
        task = session.scalars(select(Task).where(Task.request_id == second.id)).one()
        assert task.reason["ru"].startswith("Повторяет открытую заявку A-1")
        told = explain.explain_request(session, second.id, "ru")
        assert told["sentences"][0] == "Заявку получает: Анна. Правило: «Повтор открытой заявки»."
        # The next request is weighed as if it had not been.
        third = take(session, "A-3", client={"phone": "+7 495 111-11-11"})
        decide_and_assign(session, third, MONDAY + MINUTE)
        assert third.manager_id == cast.boris.id

    def test_where_he_is_away_the_rules_decide(self, session: Session, cast: Cast) -> None:
        first = take(session, "A-1")
        assign_by_hand(session, first, cast.anna, reason="так", actor="galina", now=MONDAY)
        make_absence(session, cast.anna, MONDAY, at("2026-10-09 00:00"))
        second = take(session, "A-2")
        decide_and_assign(session, second, MONDAY + MINUTE)
        assert second.manager_id not in (None, cast.anna.id)
        assert counted(session, second) == [(1, "rule")]

    def test_it_counts_for_who_has_only_another_request_of_the_client(self, session: Session, cast: Cast) -> None:
        first, other = take(session, "A-1"), take(session, "A-2", service="site")
        assign_by_hand(session, first, cast.anna, reason="так", actor="galina", now=MONDAY)
        assign_by_hand(session, other, cast.boris, reason="так", actor="galina", now=MONDAY)
        make_absence(session, cast.anna, MONDAY, at("2026-10-09 00:00"))
        cast.vera.open_cap = 0
        second = take(session, "A-3")
        decide_and_assign(session, second, MONDAY + MINUTE)
        assert (second.duplicate_of_id, second.manager_id) == (first.id, cast.boris.id)
        assert counted(session, second) == [(1, "rule")]

    def test_a_repeat_lets_the_first_go_first(self, session: Session, cast: Cast) -> None:
        first, second = take(session, "A-1"), take(session, "A-2")
        assert decide_and_assign(session, second, MONDAY).wake_at == MONDAY + MINUTE
        decide_and_assign(session, first, MONDAY)
        decide_and_assign(session, second, MONDAY + MINUTE)
        assert second.manager_id == first.manager_id

    def test_what_turns_out_to_repeat_leaves_the_share_by_itself(self, session: Session, cast: Cast) -> None:
        first = take(session, "A-1")
        decide_and_assign(session, first, MONDAY)
        other = take(session, "A-2", client=None)
        assign_by_hand(session, other, cast.anna, reason="так", actor="galina", now=MONDAY)
        assert counted(session, other) == [(1, "hand")]

        named = RequestChanges.model_validate({"client": {"phone": PHONE}})
        intake.change(session, other, named, now=MONDAY + MINUTE, actor="api:site")

        assert other.duplicate_of_id == first.id
        assert counted(session, other) == [(1, "hand"), (-1, "duplicate")]
        assert (
            "corrected" in session.scalars(select(RequestEvent.kind).where(RequestEvent.request_id == other.id)).all()
        )

    def test_by_hand_and_from_another_system_it_is_not_counted_again_either(self, session: Session, cast: Cast) -> None:
        first = take(session, "A-1")
        assign_by_hand(session, first, cast.anna, reason="так", actor="galina", now=MONDAY)
        by_hand = take(session, "A-2")
        assign_by_hand(session, by_hand, cast.anna, reason="так", actor="galina", now=MONDAY)
        external = take(session, "A-3", manager="anna")
        to_another = take(session, "A-4", manager="boris")
        assert counted(session, by_hand) == counted(session, external) == [(0, "duplicate")]
        assert counted(session, to_another) == [(1, "external")]

    def test_what_turns_out_to_be_of_another_service_is_a_repeat_no_more(self, session: Session, cast: Cast) -> None:
        first, second = take(session, "A-1"), take(session, "A-2")
        assert second.duplicate_of_id == first.id
        intake.change(session, second, RequestChanges(service="site"), now=MONDAY, actor="api:site")
        assert (second.is_duplicate, second.duplicate_of_id) == (False, None)
        intake.change(session, second, RequestChanges(service="hosting"), now=MONDAY, actor="api:site")
        assert (second.is_duplicate, second.duplicate_of_id) == (True, first.id)

    def test_another_service_is_no_repeat_nor_is_one_after_the_first_is_closed(
        self, session: Session, cast: Cast
    ) -> None:
        first = take(session, "A-1")
        decide_and_assign(session, first, MONDAY)
        assert take(session, "A-2", service="site").duplicate_of_id is None
        change_status(session, first, RequestStatus.SPAM, reason=None, at=MONDAY, actor="anna", now=MONDAY)
        assert take(session, "A-3").duplicate_of_id is None


class TestSuggested:
    def firm(self, session: Session, cast: Cast) -> Client:
        form = {"source": "1c", "external_id": "K-1", "name": "ООО Ромашка", "emails": ["buh@romashka.example"]}
        client, _ = clients.put_client(session, ClientIn.model_validate(form), now=MONDAY, actor="import")
        client.owner_id = cast.vera.id
        return client

    def test_the_firm_of_a_corporate_mail_is_suggested_and_accepted_in_one_click(
        self, session: Session, cast: Cast
    ) -> None:
        firm = self.firm(session, cast)
        request = take(session, "A-1", client={"email": "sales@romashka.example", "phone": PHONE})
        made = request.client_id
        assert (request.suggested_client_id, made == firm.id) == (firm.id, False)

        suggested.accept(session, request, actor="galina", now=MONDAY)

        assert (request.client_id, request.suggested_client_id) == (firm.id, None)
        points = session.execute(select(ContactPoint.client_id, ContactPoint.normalized)).all()
        assert {row.client_id for row in points} == {firm.id}
        assert len(points) == 3
        # From now on the phone is theirs.
        assert take(session, "A-2", service="site").client_id == firm.id
        with pytest.raises(Conflict):
            suggested.decline(session, request, actor="galina", now=MONDAY)

    def test_the_other_requests_of_the_sender_are_looked_at_with_their_new_owner(
        self, session: Session, cast: Cast
    ) -> None:
        self.firm(session, cast)
        sender = {"email": "sales@romashka.example", "phone": PHONE}
        request, other = (
            take(session, "A-1", client=sender),
            take(session, "A-2", client={"phone": PHONE}, service="site"),
        )
        later = MONDAY + timedelta(hours=1)
        session.execute(update(WorkItem).values(wake_at=later))
        suggested.accept(session, request, actor="galina", now=MONDAY)
        wakes = select(WorkItem.wake_at).where(WorkItem.kind == WorkKind.REQUEST, WorkItem.subject_id == other.id)
        assert session.scalars(wakes).one() == MONDAY

    def test_declined_it_is_not_suggested_any_more(self, session: Session, cast: Cast) -> None:
        self.firm(session, cast)
        request = take(session, "A-1", client={"email": "sales@romashka.example"})
        made = request.client_id
        suggested.decline(session, request, actor="galina", now=MONDAY)
        assert (request.suggested_client_id, request.client_id) == (None, made)

    def test_a_public_domain_suggests_nobody(self, session: Session, cast: Cast) -> None:
        self.firm(session, cast)
        take(session, "A-1", client={"email": "one@mail.ru"})
        assert take(session, "A-2", client={"email": "two@mail.ru"}).suggested_client_id is None


def test_firms_of_a_group_have_one_owner(session: Session, cast: Cast) -> None:
    group = make_group(session, "holding")
    first = make_client(session, owner=cast.anna, group=group)

    def put(key: str, **fields: Any) -> Client:
        form = ClientIn.model_validate({"source": "1c", "external_id": key, "name": key, "group": "holding", **fields})
        return clients.put_client(session, form, now=MONDAY, actor="import")[0]

    second = put("K-new")
    assert second.owner_id == cast.anna.id
    put("K-new", owner="boris")
    assert (first.owner_id, second.owner_id) == (cast.boris.id, cast.boris.id)


class TestMarks:
    def test_spam_that_pays_within_45_days_is_an_alert_once(self, session: Session, cast: Cast) -> None:
        client = make_client(session)
        request = make_request(session, client=client, external_id="A-1")
        assign_by_hand(session, request, cast.anna, reason="так", actor="galina", now=MONDAY)
        change_status(session, request, RequestStatus.SPAM, reason=None, at=MONDAY, actor="anna", now=MONDAY)

        def pay(key: str, days: int) -> list[str]:
            form = {
                "source": "bank",
                "external_id": key,
                "client": {"source": client.source, "external_id": client.external_id},
                "paid_at": (MONDAY + timedelta(days=days)).isoformat(),
                "amount": "100.00",
            }
            now = MONDAY + timedelta(days=days)
            payments.book_many(session, [PaymentIn.model_validate(form)], now=now, actor="import")
            told = select(OutboxMessage.subject).where(
                OutboxMessage.user_id == cast.galina.id, OutboxMessage.channel == "page"
            )
            return list(session.scalars(told))

        assert pay("P-1", 46) == []
        assert pay("P-2", 45) == ["Заявка A-1: отмечена как спам, а клиент заплатил"]
        assert len(pay("P-3", 20)) == 1

    def test_shares_of_marks_by_manager(self, session: Session, cast: Cast) -> None:
        for number in range(4):
            request = make_request(session)
            assign_by_hand(session, request, cast.anna, reason="так", actor="galina", now=MONDAY)
            if number < 2:
                change_status(session, request, RequestStatus.SPAM, reason=None, at=MONDAY, actor="anna", now=MONDAY)
            if number == 0:
                corrections.confirm(session, request, "spam", actor="galina", now=MONDAY)
            if number == 3:
                corrections.confirm(session, request, "duplicate", actor="galina", now=MONDAY)
        found = marks(session, MONDAY, MONDAY + MINUTE)
        assert found == {cast.anna.id: Marks(received=4, spam=2, confirmed_spam=1, confirmed_duplicates=1)}
        assert found[cast.anna.id].spam_share == Fraction(1, 2)
        assert found[cast.anna.id].duplicate_share == Fraction(1, 4)


def test_the_choice_for_a_repeat_is_a_decision(session: Session, cast: Cast) -> None:
    first = take(session, "A-1")
    decide_and_assign(session, first, MONDAY)
    second = take(session, "A-2")
    found = decide_and_assign(session, second, MONDAY)
    decision = session.get_one(Decision, found.decision_id)
    assert (decision.fired, decision.chosen_manager_id, decision.version_id) == ([], first.manager_id, None)


@pytest.mark.postgres
def test_of_two_requests_of_a_client_at_once_the_second_sees_the_first(postgres_url: str, settings: Settings) -> None:
    engine = db.make_engine(postgres_url)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        make_cast(session)
        make_client(session, external_id="K-1")
    known = {"source": "1c", "external_id": "K-1"}
    with sessions() as first, sessions() as second:
        take(first, "A-1", client=known)
        second.execute(text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(OperationalError, match="lock timeout"):
            take(second, "A-2", client=known)
        second.rollback()
        first.commit()
        assert take(second, "A-2", client=known).duplicate_of_id is not None
    engine.dispose()
