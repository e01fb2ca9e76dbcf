"""What a contact changes: the first answer, the activity of the holder, attempts, tasks; also late or twice."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, InputError
from rules_engine.models import Assignment, Contact, Proof, Request, RequestEvent, RequestStatus, Task, WorkItem
from rules_engine.services.company.people import UnknownManager
from rules_engine.services.records.forms import read
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import assignment, contacts
from rules_engine.services.requests.contacts import Recorded
from tests.factories import MONDAY, Cast, make_cast, make_client, make_manager, make_request

EXTERNAL = MONDAY + timedelta(hours=6)


def minutes(number: int) -> datetime:
    return MONDAY + timedelta(minutes=number)


def give(session: Session, request: Request, manager: Any, at: datetime = MONDAY) -> Assignment:
    return assignment.assign_external(session, request, manager, assigned_at=at, actor="import", now=at)


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


@pytest.fixture
def held(session: Session, cast: Cast) -> Request:
    """Анна has it since 11:20."""
    request = make_request(session, client=make_client(session, phone="+74950000001"))
    give(session, request, cast.anna)
    return request


def tell(session: Session, number: int = 1, *, actor: str = "api:pbx", **fields: Any) -> Recorded:
    document = {"source": "pbx", "external_id": f"C-{number}", "at": minutes(10), **fields}
    return contacts.record(session, read(ContactIn, document), now=EXTERNAL, actor=actor)


def about(request: Request) -> dict[str, Any]:
    return {"request": {"source": request.source, "external_id": request.external_id}}


def test_the_first_outgoing_contact_is_the_first_answer(session: Session, held: Request, cast: Cast) -> None:
    session.execute(WorkItem.__table__.update().values(wake_at=None))
    recorded = tell(session, **about(held), outcome="answered", duration_seconds=95)
    assert recorded.created
    assert (recorded.contact.manager_id, recorded.contact.client_id) == (cast.anna.id, held.client_id)
    assert (held.first_answer_at, held.last_activity_at) == (minutes(10), minutes(10))
    assert (held.status, held.status_at) == (RequestStatus.IN_PROGRESS, minutes(10))
    assert session.scalars(select(Assignment)).one().first_answer_at == minutes(10)
    assert session.scalar(select(WorkItem.wake_at)) == EXTERNAL
    kinds = [(event.kind, event.data.get("is_first_answer")) for event in session.scalars(select(RequestEvent))]
    assert ("contact", True) in kinds and ("status", None) in kinds


def test_the_task_to_answer_gives_way_to_the_task_to_go_on(session: Session, held: Request) -> None:
    tell(session, **about(held))
    first, second = session.scalars(select(Task).order_by(Task.id))
    assert (first.state, first.outcome, second.state, second.due_at) == ("done", "answered", "open", None)
    tell(session, 2, **about(held), at=minutes(20))
    assert session.scalar(select(func.count()).select_from(Task)) == 2


@pytest.mark.parametrize("fields", [{"direction": "in"}, {"is_automatic": True}, {"at": minutes(-1)}])
def test_what_is_no_answer_leaves_the_request_waiting(session: Session, held: Request, fields: dict[str, Any]) -> None:
    tell(session, **about(held), **fields)
    assert (held.first_answer_at, held.last_activity_at, held.status) == (None, None, "assigned")


def test_a_contact_that_becomes_known_late_moves_the_answer_back_to_its_instant(
    session: Session, held: Request
) -> None:
    tell(session, 1, **about(held), at=minutes(40))
    tell(session, 2, **about(held), at=minutes(25))
    assert held.first_answer_at == minutes(25)
    assert held.last_activity_at == minutes(40)
    assert session.scalars(select(Assignment.first_answer_at)).one() == minutes(25)


def test_an_answer_of_the_one_before_counts_for_him_and_not_for_who_has_it_now(
    session: Session, held: Request, cast: Cast
) -> None:
    assignment.assign_by_hand(session, held, cast.boris, reason="уехала", actor="galina", now=minutes(60))
    recorded = tell(session, **about(held), at=minutes(30))
    assert recorded.contact.manager_id == cast.anna.id
    first, second = session.scalars(select(Assignment).order_by(Assignment.id))
    assert (first.first_answer_at, second.first_answer_at, held.first_answer_at) == (minutes(30), None, None)
    tell(session, 2, **about(held), at=minutes(60))
    assert (second.first_answer_at, held.first_answer_at) == (minutes(60), minutes(60))


def test_a_colleagues_answer_is_an_answer_but_not_the_holders_activity(session: Session, held: Request) -> None:
    tell(session, **about(held), manager="boris")
    assert (held.first_answer_at, held.last_activity_at) == (minutes(10), None)


def test_attempts_are_counted_whatever_their_order(session: Session, held: Request) -> None:
    tell(session, 1, **about(held), outcome="not_reached")
    tell(session, 2, **about(held), at=minutes(5), outcome="not_reached")
    tell(session, 3, **about(held), direction="in", outcome="not_reached")
    assert held.contact_attempts == 2


def test_the_same_contact_again_changes_nothing_and_another_under_its_key_is_a_conflict(
    session: Session, held: Request
) -> None:
    first = tell(session, **about(held), outcome="not_reached")
    again = tell(session, **about(held), outcome="not_reached")
    assert (again.contact.id, again.created, held.contact_attempts) == (first.contact.id, False, 1)
    with pytest.raises(Conflict):
        tell(session, **about(held), outcome="answered")


def test_a_phone_finds_the_client_and_his_open_request(session: Session, held: Request) -> None:
    recorded = tell(session, phone="8 (495) 000-00-01")
    assert (recorded.contact.client_id, recorded.contact.request_id) == (held.client_id, held.id)
    assert held.first_answer_at == minutes(10)


def test_of_several_open_requests_the_unanswered_one_of_who_called_is_meant(
    session: Session, held: Request, cast: Cast
) -> None:
    client = held.client
    assert client is not None
    later = make_request(session, client=client, received_at=minutes(1))
    give(session, later, cast.boris, minutes(1))
    key = {"source": client.source, "external_id": client.external_id}
    assert tell(session, 1, client=key, manager="boris").contact.request_id == later.id
    assert tell(session, 2, client=key).contact.request_id == held.id
    assert tell(session, 3, client=key, at=minutes(-5)).contact.request_id is None


def test_a_contact_with_a_client_without_a_request_is_his_owners(session: Session, cast: Cast) -> None:
    client = make_client(session, owner=cast.vera)
    recorded = tell(session, client={"source": client.source, "external_id": client.external_id})
    assert (recorded.contact.manager_id, recorded.contact.request_id) == (cast.vera.id, None)


def test_a_call_of_a_number_nobody_has_is_kept_with_the_number(session: Session, cast: Cast) -> None:
    contact = tell(session, phone="+7 495 999-99-99", note="перезвонить").contact
    assert (contact.client_id, contact.manager_id, contact.note) == (None, None, "+7 495 999-99-99\nперезвонить")


def test_who_asks_not_to_be_called_is_not_called(session: Session, held: Request) -> None:
    tell(session, **about(held), outcome="do_not_call")
    assert held.client is not None and held.client.do_not_call


def test_the_level_of_proof_follows_the_way_it_was_told(session: Session, held: Request) -> None:
    assert tell(session, 1, **about(held)).contact.proof is Proof.CONFIRMED
    assert tell(session, 2, **about(held), kind="meeting").contact.proof is Proof.BY_HAND
    assert tell(session, 3, **about(held), actor="anna").contact.proof is Proof.BY_HAND
    assert tell(session, 4, **about(held), actor="anna", proof="confirmed").contact.proof is Proof.CONFIRMED


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"request": {"source": "site", "external_id": "none"}}, "request"),
        ({"client": {"source": "site", "external_id": "none"}}, "client"),
        ({"phone": "1", "at": EXTERNAL + timedelta(days=2)}, "at"),
        ({"phone": "1", "manager": "nobody"}, "manager"),
    ],
)
def test_a_contact_about_nothing_known_is_refused(
    session: Session, cast: Cast, fields: dict[str, Any], path: str
) -> None:
    with pytest.raises((InputError, UnknownManager)) as refused:
        tell(session, **fields)
    assert refused.value.path == path
    assert session.scalar(select(func.count()).select_from(Contact)) == 0


def test_history_and_closed_requests_only_remember(session: Session, cast: Cast) -> None:
    request = make_request(session, is_history=True, manager=cast.anna, wake=False)
    recorded = tell(session, **about(request))
    assert (request.first_answer_at, recorded.contact.manager_id) == (None, cast.anna.id)
    assert session.scalars(select(WorkItem)).all() == []


def test_contacts_are_the_same_on_both_databases(any_session: Session) -> None:
    anna = make_manager(any_session, "anna", "Анна")
    request = make_request(any_session)
    give(any_session, request, anna)
    assert tell(any_session, **about(request)).created
    assert not tell(any_session, **about(request)).created
    assert request.status == "in_progress"
