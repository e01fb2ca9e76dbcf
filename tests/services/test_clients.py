"""By what a client is recognised, and what is kept of him."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import Client, ContactPoint
from rules_engine.services.clients import clients
from rules_engine.services.clients.clients import Matched, of_request, put_client
from rules_engine.services.company.people import UnknownManager
from rules_engine.services.records.incoming import ClientIn, RequestClientIn
from rules_engine.services.records.outcome import Outcome
from tests.factories import MONDAY, make_cast

INN = "7707083893"


def put(session: Session, **fields: object) -> tuple[Client, Outcome]:
    data = ClientIn.model_validate({"source": "1c", "external_id": "K-1", "name": "Ромашка", **fields})
    return put_client(session, data, now=MONDAY, actor="import")


def match(session: Session, number: int = 1, **fields: object) -> Matched:
    data = RequestClientIn.model_validate(fields)
    return of_request(session, data, source="site", external_id=f"A-{number}", now=MONDAY)


def points(session: Session) -> list[tuple[str, str, str | None]]:
    rows = session.execute(select(ContactPoint.kind, ContactPoint.normalized, ContactPoint.domain))
    return [tuple(row) for row in rows]  # type: ignore[misc]


def test_a_tax_number_links_whatever_the_phone_says(session: Session) -> None:
    firm, _ = put(session, inn=INN)
    other, _ = put(session, external_id="K-2", phones=["+7 495 000-00-01"])
    assert match(session, inn=INN, phone="8 (495) 000-00-01").client_id == firm.id
    assert match(session, phone="8 (495) 000-00-01") == Matched(other.id, "phone")


def test_a_phone_links_however_it_is_written(session: Session) -> None:
    firm, _ = put(session, phones=["8 (495) 000-00-01 доб. 12"])
    for number, phone in enumerate(("+7 495 000 00 01", "84950000001", "4950000001")):
        assert match(session, number, phone=phone) == Matched(firm.id, "phone")


def test_branches_with_one_tax_number_are_told_apart_by_phone_and_never_guessed(session: Session) -> None:
    first, _ = put(session, inn=INN, phones=["+74950000001"])
    second, _ = put(session, external_id="K-2", inn=INN, phones=["+74950000002"])
    assert match(session, inn=INN, phone="+74950000002") == Matched(second.id, "phone")
    unclear = match(session, 2, inn=INN)
    assert (unclear.by, unclear.suggested) == ("new", (first.id, second.id))
    assert unclear.client_id not in (first.id, second.id)
    stranger, _ = put(session, external_id="K-3", phones=["+74950000003"])
    neither = match(session, 3, inn=INN, phone="+74950000003")
    assert (neither.by, stranger.id in neither.suggested) == ("new", True)


def test_a_corporate_address_only_suggests_and_a_public_one_says_nothing(session: Session) -> None:
    firm, _ = put(session, emails=["info@romashka.example.org", "romashka@mail.ru"])
    same_firm = match(session, email="Boss@Romashka.Example.org")
    assert (same_firm.by, same_firm.suggested) == ("new", (firm.id,))
    assert same_firm.client_id != firm.id
    assert match(session, 2, email="stranger@mail.ru").suggested == ()


def test_a_client_with_a_key_is_made_once_and_learns_what_a_request_tells(session: Session) -> None:
    first = match(session, source="1c", external_id="K-17", name="ООО Ромашка")
    again = match(session, 2, source="1c", external_id="K-17", phone="+7 495 000-00-01", inn=INN)
    assert first.client_id == again.client_id and again.by == "key"
    client = session.get_one(Client, first.client_id)
    assert (client.name, client.inn) == ("ООО Ромашка", INN)
    assert points(session) == [("phone", "+74950000001", None)]


def test_who_left_a_phone_becomes_a_client_and_his_next_request_is_his(session: Session) -> None:
    first = match(session, name="Пётр", phone="+7 495 000-00-07")
    assert first.by == "new"
    assert match(session, 2, phone="84950000007") == Matched(first.client_id, "phone")
    assert match(session, 3, name="Пётр") == Matched()


def test_what_is_no_phone_is_kept_and_never_matches(session: Session) -> None:
    first = match(session, phone="позвоните вечером")
    second = match(session, 2, phone="позвоните вечером")
    assert first.client_id != second.client_id
    assert [kind for kind, normalized, _ in points(session)] == ["phone", "phone"]


def test_a_registry_changes_only_what_it_names_and_never_takes_a_phone_away(session: Session) -> None:
    cast = make_cast(session)
    put(session, owner="Анна", phones=["+74950000001"], region="Москва", group="holding", contact_person="Пётр")
    client, outcome = put(session, phones=["+74950000002"])
    assert outcome is Outcome.UPDATED
    assert (client.owner_id, client.region, client.group.code if client.group else "") == (
        cast.anna.id, "Москва", "holding",
    )  # fmt: skip
    assert [point.normalized for point in client.points] == ["+74950000001", "+74950000002"]
    assert put(session, phones=["8 495 000 00 02"])[1] is Outcome.UNCHANGED
    client, _ = put(session, owner="")
    assert client.owner_id is None


def test_an_owner_nobody_knows_is_named_with_its_column(session: Session) -> None:
    make_cast(session)
    with pytest.raises(UnknownManager) as refused:
        put(session, owner="Глеб")
    assert refused.value.path == "owner"


def test_the_rows_are_the_same_on_both_databases(any_session: Session) -> None:
    firm, outcome = put(any_session, inn=INN, phones=["+74950000001"], emails=["a@firm.example.org"])
    assert outcome is Outcome.CREATED
    assert put(any_session, inn=INN, phones=["+74950000001"], emails=["a@firm.example.org"])[1] is Outcome.UNCHANGED
    assert match(any_session, phone="84950000001") == Matched(firm.id, "phone")
    assert clients.by_phone(any_session, "84950000001") is firm
    clients.forbid_calls(any_session, firm.id)
    assert firm.do_not_call
