"""Payments of many clients at once, as rules and the callbacks see them."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from rules_engine.services.facts.money import client_money, norms_are_old, old_and_new, refresh_norms, stored_norms
from rules_engine.services.facts.requests import request_facts
from rules_engine.services.records import settings_store
from tests.factories import (
    MONDAY,
    make_cast,
    make_client,
    make_group,
    make_payment,
    make_request,
    statements_of,
)


@pytest.fixture(autouse=True)
def _cast(session: Session) -> None:
    make_cast(session)


class TestClients:
    def test_two_queries_serve_any_number_of_clients(self, session: Session) -> None:
        clients = [make_client(session) for _ in range(20)]
        clients[3].group_id = make_group(session).id
        for client in clients:
            make_payment(session, client, MONDAY - timedelta(days=10))
        settings_store.all_rows(session)

        with statements_of(session) as sent:
            found = client_money(session, [client.id for client in clients], MONDAY)

        assert len(sent) == 2
        assert {one.payments_count for one in found.values()} == {1}

    def test_firms_of_one_group_are_one_client_for_new_and_old_only(self, session: Session) -> None:
        mother, daughter = make_client(session), make_client(session)
        mother.group_id = daughter.group_id = make_group(session).id
        make_payment(session, mother, MONDAY - timedelta(days=10))

        seen = client_money(session, [daughter.id], MONDAY)[daughter.id]

        assert seen.payments_count == 0
        assert old_and_new(seen, MONDAY) == {"client.is_old": True, "client.is_new": False}

    def test_money_counts_without_vat_where_the_setting_says_so(self, session: Session) -> None:
        client = make_client(session)
        make_payment(session, client, MONDAY, 120_00, vat_minor=20_00)

        with_vat = client_money(session, [client.id], MONDAY)[client.id]
        settings_store.change(session, settings_store.PAYMENTS_VAT, "without", actor="galina")
        without = client_money(session, [client.id], MONDAY)[client.id]

        assert (with_vat.revenue_total, without.revenue_total) == (120_00, 100_00)

    def test_norms_are_kept_until_they_are_reckoned_anew(self, session: Session) -> None:
        for number in range(5):
            client = make_client(session, segment="active")
            for step in range(3):
                make_payment(session, client, MONDAY - timedelta(days=100 - step * 10 * (number + 1)), service="vps")
        newcomer = make_client(session)
        make_payment(session, newcomer, MONDAY - timedelta(days=45), service="vps")

        before = client_money(session, [newcomer.id], MONDAY)[newcomer.id]
        assert norms_are_old(session, MONDAY)
        refresh_norms(session, MONDAY)
        after = client_money(session, [newcomer.id], MONDAY)[newcomer.id]

        assert before.usual_interval_days is None
        assert (after.usual_interval_days, after.has_own_interval) == (30, False)
        assert stored_norms(session).by_segment == {"active": 30}
        assert not norms_are_old(session, MONDAY + timedelta(hours=3))
        assert norms_are_old(session, MONDAY + timedelta(days=1))


def test_a_request_sees_an_old_client_only_if_he_paid_before_it(session: Session) -> None:
    client = make_client(session)
    make_payment(session, client, MONDAY)
    wanted = ["client.is_old", "client.is_new", "client.payments_count"]

    earlier = make_request(session, client=client, received_at=MONDAY - timedelta(hours=1))
    later = make_request(session, client=client, received_at=MONDAY + timedelta(hours=1))
    nobody = make_request(session, received_at=MONDAY)

    now = MONDAY + timedelta(hours=2)
    assert request_facts(session, earlier, now, wanted) == {
        "client.is_old": False,
        "client.is_new": False,
        "client.payments_count": 1,
    }
    assert request_facts(session, later, now, wanted)["client.is_old"] is True
    assert request_facts(session, nobody, now, wanted) == {}
