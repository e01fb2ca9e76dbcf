"""A head puts payments right: credits in parts, another client, a request, what a refund pays back, or as it is."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError, PolicyViolation
from rules_engine.models import AuditEntry, Client, MoneyClass, Payment
from rules_engine.services.money import payments
from rules_engine.services.money.credits import parted
from rules_engine.services.money.incoming_money import PaymentIn
from rules_engine.services.money.refunds import candidates
from rules_engine.services.records.forms import read
from tests.factories import MONDAY, Cast, at, make_cast, make_client, make_payment, make_request

Book = Callable[..., Payment]


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


@pytest.fixture
def client(session: Session, cast: Cast) -> Client:
    return make_client(session, owner=cast.anna, external_id="K-1")


@pytest.fixture
def book(session: Session, client: Client) -> Book:
    def booked(number: str, amount: str = "100.00", **more: Any) -> Payment:
        body = {
            "source": "1c",
            "external_id": number,
            "client": {"source": "1c", "external_id": "K-1"},
            "paid_at": MONDAY.isoformat(),
            "amount": amount,
            **more,
        }
        return payments.book(session, read(PaymentIn, body), now=MONDAY, actor="api:1c").payment

    return booked


def parts(payment: Payment) -> list[tuple[str, int]]:
    return [(credit.manager.login, credit.amount_minor) for credit in payment.credits]


class TestCredits:
    def test_parts_add_up_to_the_payment_and_the_change_is_audited(
        self, session: Session, cast: Cast, book: Book
    ) -> None:
        paid = book("P-1", "100.00", vat_amount="20.00")

        payments.set_credits(
            session, paid, [(cast.anna, 3_333), (cast.boris, 3_333), (cast.vera, 3_334)], "galina", MONDAY
        )

        assert parts(paid) == [("anna", 3_333), ("boris", 3_333), ("vera", 3_334)]
        assert sum(credit.vat_minor for credit in paid.credits) == 2_000
        assert paid.manager_id == cast.vera.id
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "credit")).one()
        assert entry.before == {"credits": [{"manager": "anna", "share_bp": 10_000, "amount_minor": 10_000}]}

    def test_a_refund_follows_unless_it_was_parted_by_hand(self, session: Session, cast: Cast, book: Book) -> None:
        paid = book("P-1")
        follows = book("R-1", "-10.00", reverses={"source": "1c", "external_id": "P-1"})
        by_hand = book("R-2", "-10.00", reverses={"source": "1c", "external_id": "P-1"})
        payments.set_credits(session, by_hand, [(cast.vera, 10_000)], "galina", MONDAY)

        payments.set_credits(session, paid, [(cast.anna, 5_000), (cast.boris, 5_000)], "galina", MONDAY)

        session.expire_all()
        assert parts(follows) == [("anna", -500), ("boris", -500)]
        assert parts(by_hand) == [("vera", -1_000)]

    @pytest.mark.parametrize(
        ("shares", "ru"),
        [
            ([("anna", 9_900)], "сумма долей 99 %, нужно 100 %"),
            ([("anna", 5_000), ("boris", 5_001)], "сумма долей 100,01 %, нужно 100 %"),
            ([], "сумма долей 0 %, нужно 100 %"),
            ([("anna", 5_000), ("anna", 5_000)], "менеджер назван дважды"),
            ([("anna", 10_000), ("boris", 0)], "доля больше 0"),
            ([("anna", 11_000), ("boris", -1_000)], "доля больше 0"),
        ],
    )
    def test_shares_make_exactly_a_hundred_percent(
        self, session: Session, cast: Cast, book: Book, shares: list[tuple[str, int]], ru: str
    ) -> None:
        paid = book("P-1")

        with pytest.raises(InputError) as refused:
            payments.set_credits(session, paid, [(getattr(cast, name), bp) for name, bp in shares], "galina", MONDAY)

        assert ru in refused.value.message("ru")
        assert parts(paid) == [("anna", 10_000)]

    @given(
        st.integers(-(10**12), 10**12),
        st.lists(st.integers(1, 10_000), min_size=1, max_size=8),
    )
    def test_nothing_is_lost_in_parting(self, minor: int, weights: list[int]) -> None:
        found = parted(minor, weights)

        assert sum(found) == minor
        assert parted(-minor, weights) == [-part for part in found]
        assert all(
            abs(part - minor * weight / sum(weights)) < 1.001 for part, weight in zip(found, weights, strict=True)
        )


class TestMending:
    def test_a_request_chosen_by_hand_credits_its_manager(
        self, session: Session, cast: Cast, client: Client, book: Book
    ) -> None:
        request = make_request(session, client=client, manager=cast.boris)
        paid = book("P-1", request={"source": "1c", "external_id": "R-404"})

        payments.resolve(session, paid, request=request, actor="galina", now=MONDAY)

        assert (paid.request_id, paid.problems, paid.is_unmatched) == (request.id, [], False)
        assert parts(paid) == [("boris", 10_000)]
        assert payments.unmatched(session) == []

    def test_the_request_of_another_client_is_refused(self, session: Session, cast: Cast, book: Book) -> None:
        other = make_request(session, client=make_client(session), manager=cast.boris)

        with pytest.raises(InputError):
            payments.resolve(session, book("P-1"), request=other, actor="galina", now=MONDAY)

    def test_another_client_means_his_owner_and_his_class(self, session: Session, cast: Cast, book: Book) -> None:
        other = make_client(session, owner=cast.vera)
        make_payment(session, other, at("2025-01-10 12:00"))
        paid = book("P-1", client={"source": "1c", "external_id": "K-1", "inn": "7707083893"})
        assert paid.money_class is MoneyClass.NEW

        payments.resolve(session, paid, client=other, actor="galina", now=MONDAY)

        assert (paid.client_id, paid.money_class) == (other.id, MoneyClass.OLD)
        assert parts(paid) == [("vera", 10_000)]

    def test_a_manager_is_named_where_nobody_earned_it(self, session: Session, cast: Cast, book: Book) -> None:
        paid = book("P-1", client={"source": "1c", "external_id": "K-new"})
        assert paid.problems == ["no_manager"]

        payments.resolve(session, paid, manager_id=cast.boris.id, actor="galina", now=MONDAY)

        assert (paid.problems, parts(paid)) == ([], [("boris", 10_000)])

    def test_a_refund_is_joined_to_what_it_pays_back(self, session: Session, book: Book) -> None:
        book("P-1", "50.00")
        paid = book("P-2", "500.00")
        refund = book("R-1", "-60.00", reverses={"source": "1c", "external_id": "lost"})
        assert [one.payment.id for one in candidates(session, refund)] == [paid.id]

        payments.resolve(session, refund, reverses=paid, actor="galina", now=MONDAY)

        assert (refund.reverses_id, refund.problems) == (paid.id, [])
        second = book("R-2", "-450.00", reverses={"source": "1c", "external_id": "lost"})
        with pytest.raises(InputError):
            payments.resolve(session, second, reverses=paid, actor="galina", now=MONDAY)

    def test_it_may_be_left_as_it_is_but_not_by_choosing_nothing(self, session: Session, book: Book) -> None:
        paid = book("P-1", request={"source": "1c", "external_id": "R-404"})

        with pytest.raises(PolicyViolation):
            payments.resolve(session, paid, actor="galina", now=MONDAY)
        payments.resolve(session, paid, accept=True, actor="galina", now=MONDAY)

        assert (paid.is_unmatched, parts(paid)) == (False, [("anna", 10_000)])
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "resolve")).one()
        assert entry.before is not None
        assert entry.before["problems"] == ["request_unknown"]
