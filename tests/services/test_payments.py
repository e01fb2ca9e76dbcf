"""Payments as they come in: matched, classed, credited; refunds; the same twice; what a person must look at."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.errors import Conflict, InputError, PravilaError
from rules_engine.models import (
    BonusPeriod,
    Client,
    MoneyClass,
    Payment,
    PaymentCredit,
    PaymentKind,
    PeriodState,
    WorkItem,
    WorkKind,
)
from rules_engine.services.facts.money import client_money, refresh_norms
from rules_engine.services.money import payments
from rules_engine.services.money.incoming_money import PaymentIn
from rules_engine.services.money.mending import problem_words
from rules_engine.services.records import settings_store
from rules_engine.services.records.forms import InvalidForm, read
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.running import replay
from rules_engine.services.running.arrivals import HANDLERS
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    Cast,
    at,
    make_cast,
    make_client,
    make_group,
    make_request,
    make_version,
    statements_of,
)

NEW, OLD = MoneyClass.NEW, MoneyClass.OLD
Book = Callable[..., Payment]


def form(number: str, amount: str = "1000.00", paid_at: datetime = MONDAY, **more: Any) -> PaymentIn:
    body = {
        "source": "1c",
        "external_id": number,
        "client": {"source": "1c", "external_id": "K-1"},
        "paid_at": paid_at.isoformat(),
        "amount": amount,
        **more,
    }
    return read(PaymentIn, body)


def key(external_id: str) -> dict[str, str]:
    return {"source": "1c", "external_id": external_id}


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


@pytest.fixture
def client(session: Session, cast: Cast) -> Client:
    return make_client(session, owner=cast.anna, external_id="K-1")


@pytest.fixture
def book(session: Session, client: Client) -> Book:
    def booked(number: str, *words: Any, now: datetime | None = None, **more: Any) -> Payment:
        data = form(number, *words, **more)
        return payments.book(session, data, now=now or max(MONDAY, data.paid_at), actor="api:1c").payment

    return booked


def credits_of(session: Session, payment: Payment) -> list[tuple[str, int, int]]:
    session.expire(payment, ["credits"])
    return [(credit.manager.login, credit.share_bp, credit.amount_minor) for credit in payment.credits]


class TestBooking:
    def test_a_payment_is_stored_once_and_the_client_is_looked_at(self, session: Session, client: Client) -> None:
        data = form(
            "P-1", vat_amount="166.67", service="hosting", invoice="42", organization="ООО Рога", purpose="за октябрь"
        )

        first = payments.book(session, data, now=MONDAY, actor="api:1c")
        again = payments.book(session, data, now=MONDAY + timedelta(hours=1), actor="api:1c")

        assert (first.created, again.created, again.payment.id) == (True, False, first.payment.id)
        stored = first.payment
        assert (stored.amount_minor, stored.vat_minor, stored.month, stored.paid_on.day) == (
            100_000,
            16_667,
            "2026-10",
            5,
        )
        assert (stored.kind, stored.money_class, stored.is_unmatched) == (PaymentKind.PAYMENT, NEW, False)
        item = session.scalars(select(WorkItem).where(WorkItem.kind == WorkKind.CLIENT)).one()
        assert (item.subject_id, item.wake_at) == (client.id, MONDAY)

    def test_another_body_under_the_same_key_is_a_conflict(self, session: Session, book: Book) -> None:
        book("P-1")

        with pytest.raises(Conflict):
            book("P-1", "999.00")

    def test_the_day_and_month_are_of_the_business_zone(self, book: Book) -> None:
        stored = book("P-1", paid_at=datetime.fromisoformat("2026-09-30T22:30:00+00:00"))

        assert (stored.month, f"{stored.paid_on}") == ("2026-10", "2026-10-01")

    def test_an_unknown_client_is_made(self, session: Session, cast: Cast) -> None:
        data = form("P-1", client={**key("K-9"), "name": "Лютик", "inn": "7707083893", "phone": "8 495 000-00-07"})

        payment = payments.book(session, data, now=MONDAY, actor="api:1c").payment

        assert (payment.client.name, payment.client.inn, payment.client.external_id) == ("Лютик", "7707083893", "K-9")
        assert [point.normalized for point in payment.client.points] == ["+74950000007"]
        assert problem_words(payment, "ru") == ["некому зачесть"]
        assert payment.is_unmatched

    def test_an_arrival_is_booked_at_its_instant(self, session: Session, client: Client) -> None:
        payload = form("P-1").model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        replay.lay_down(session, "payment", "1c", "P-1", MONDAY, payload)

        HANDLERS["payment"](session, payload, MONDAY)

        assert session.scalars(select(Payment)).one().amount_minor == 100_000

    @pytest.mark.parametrize(
        ("more", "path", "ru"),
        [
            ({"currency": "USD"}, "currency", "валюта USD"),
            ({"paid_at": MONDAY + timedelta(days=2)}, "paid_at", "ещё не наступило"),
            ({"paid_at": at("1949-01-01 00:00")}, "paid_at", "раньше 1950"),
        ],
    )
    def test_what_cannot_be_is_refused(self, book: Book, more: dict[str, Any], path: str, ru: str) -> None:
        with pytest.raises(InputError) as refused:
            book("P-1", now=MONDAY, **more)

        assert refused.value.path == path
        assert ru in refused.value.message("ru")

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"client": None}, "client"),
            ({"client": {}}, "client"),
            ({"client": {"source": "1c"}}, "client"),
            ({"amount": "12"}, "amount"),
            ({"amount": 12.5}, "amount"),
            ({"vat_amount": "1000.01"}, "body"),
            ({"reverses": {"source": "1c", "external_id": "P-0"}}, "body"),
            ({"kind": "fee"}, "kind"),
            ({"amount": "0.00", "kind": "refund"}, "body"),
        ],
    )
    def test_a_form_says_what_is_wrong_with_it(self, body: dict[str, Any], path: str) -> None:
        with pytest.raises(InvalidForm) as refused:
            form("P-1", **body)

        assert refused.value.problems[0].path == path

    def test_rubles_are_rubles_in_any_spelling(self, book: Book) -> None:
        for number, currency in enumerate(("RUB", "руб.", "643", "₽")):
            book(f"P-{number}", currency=currency)


class TestMatching:
    def test_the_manager_of_the_request_earns_it_before_the_owner(
        self, session: Session, cast: Cast, client: Client, book: Book
    ) -> None:
        request = make_request(session, client=client, source="1c", manager=cast.boris)

        paid = book("P-1", request=key(request.external_id))

        assert (paid.request_id, paid.manager_id) == (request.id, cast.boris.id)
        assert credits_of(session, paid) == [("boris", 10_000, 100_000)]

    def test_without_a_request_the_owner_earns_it(self, session: Session, book: Book) -> None:
        assert credits_of(session, book("P-1")) == [("anna", 10_000, 100_000)]

    def test_an_owner_who_had_left_earns_nothing(self, session: Session, cast: Cast, book: Book) -> None:
        cast.anna.left_on = MONDAY.date() - timedelta(days=1)
        session.flush()

        paid = book("P-1")

        assert (paid.manager_id, paid.problems) == (None, ["no_manager"])

    def test_the_invoice_tells_what_an_earlier_payment_was_for(
        self, session: Session, cast: Cast, client: Client, book: Book
    ) -> None:
        first, second = (make_request(session, client=client, source="1c", manager=cast.boris) for _ in range(2))
        book("P-1", invoice="42", request=key(first.external_id))

        rest = book("P-2", invoice="42")
        book("P-3", invoice="42", request=key(second.external_id))
        unclear = book("P-4", invoice="42")

        assert (rest.request_id, rest.manager_id) == (first.id, cast.boris.id)
        assert (unclear.request_id, unclear.problems) == (None, ["invoice_ambiguous"])

    def test_a_request_that_is_not_there_or_of_somebody_else_is_listed(
        self, session: Session, cast: Cast, book: Book
    ) -> None:
        other = make_request(session, client=make_client(session), source="1c", manager=cast.vera)

        unknown = book("P-1", request=key("R-404"))
        foreign = book("P-2", request=key(other.external_id))

        assert unknown.problems == ["request_unknown"]
        assert foreign.problems == ["request_of_other_client"]
        assert [one.external_id for one in payments.unmatched(session)] == ["P-1", "P-2"]
        assert problem_words(foreign, "en") == ["the request is that of another client"]

    def test_a_firm_of_the_same_group_may_pay(self, session: Session, cast: Cast, client: Client, book: Book) -> None:
        other = make_client(session)
        client.group_id = other.group_id = make_group(session).id
        request = make_request(session, client=other, source="1c", manager=cast.vera)

        assert book("P-1", request=key(request.external_id)).problems == []

    def test_the_tax_number_finds_the_client_whose_key_is_not_known(self, session: Session, cast: Cast) -> None:
        known = make_client(session, owner=cast.anna, inn="7707083893")

        by_inn = payments.book(
            session, form("P-1", client={**key("other"), "inn": "7707083893"}), now=MONDAY, actor="api:1c"
        ).payment
        alone = payments.book(session, form("P-2", client={"inn": "7707083893"}), now=MONDAY, actor="api:1c").payment

        assert {by_inn.client_id, alone.client_id} == {known.id}

    def test_a_tax_number_of_several_clients_decides_nothing(self, session: Session, cast: Cast) -> None:
        for _ in range(2):
            make_client(session, owner=cast.anna, inn="7707083893")

        made = payments.book(
            session, form("P-1", client={**key("K-9"), "inn": "7707083893"}), now=MONDAY, actor="api:1c"
        ).payment
        with pytest.raises(InputError) as refused:
            payments.book(session, form("P-2", client={"inn": "7707083893"}), now=MONDAY, actor="api:1c")

        assert made.client.external_id == "K-9"
        assert "inn_ambiguous" in made.problems
        assert refused.value.path == "client.inn"

    def test_another_tax_number_than_on_the_card_is_listed_and_a_missing_one_is_learned(
        self, session: Session, client: Client, book: Book
    ) -> None:
        learned = book("P-1", client={**key("K-1"), "inn": "7707083893"})
        differs = book("P-2", client={**key("K-1"), "inn": "7736050003"})

        session.refresh(client)
        assert (client.inn, learned.problems, differs.problems) == ("7707083893", [], ["inn_differs"])


class TestClasses:
    def test_money_is_new_for_sixty_days_and_old_afterwards(self, book: Book) -> None:
        start = at("2026-01-10 12:00")
        seen = [book(f"P-{days}", paid_at=start + timedelta(days=days)).money_class for days in (0, 60, 61)]

        assert seen == [NEW, NEW, OLD]

    def test_firms_of_a_group_are_one_client(self, session: Session, client: Client, book: Book) -> None:
        sister = make_client(session, external_id="K-2")
        client.group_id = sister.group_id = make_group(session).id
        book("P-1", paid_at=at("2026-01-10 12:00"))

        assert book("P-2", client=key("K-2")).money_class is OLD

    def test_after_a_long_silence_it_is_new_again_only_where_the_setting_says_so(
        self, session: Session, book: Book
    ) -> None:
        book("P-1", paid_at=at("2025-01-10 12:00"))
        assert book("P-2").money_class is OLD

        settings_store.change(session, settings_store.NEW_AGAIN_AFTER_DAYS, 365, actor="galina")

        assert book("P-3", paid_at=MONDAY + timedelta(days=20)).money_class is NEW

    def test_an_earlier_payment_that_comes_late_changes_open_months_only(
        self, session: Session, cast: Cast, book: Book
    ) -> None:
        august, october = book("P-8", paid_at=at("2026-08-10 12:00")), book("P-10", paid_at=at("2026-10-02 12:00"))
        assert (august.money_class, october.money_class) == (NEW, NEW)
        refund = book("P-11", "-10.00", paid_at=at("2026-10-03 12:00"), reverses=key("P-10"))
        close_month(session, "2026-08")

        book("P-1", paid_at=at("2026-01-10 12:00"))

        for payment in (august, october, refund):
            session.refresh(payment)
        assert (august.money_class, october.money_class, refund.money_class) == (NEW, OLD, OLD)
        of_october = session.scalars(select(PaymentCredit).where(PaymentCredit.payment_id == october.id)).one()
        assert of_october.money_class is OLD

    def test_an_amount_of_zero_is_a_day_but_makes_nobody_old(self, book: Book) -> None:
        book("P-1", "0.00", paid_at=at("2026-01-10 12:00"))

        assert book("P-2").money_class is NEW


def close_month(session: Session, month: str) -> None:
    version = make_version(session, "bonus", {})
    session.add(
        BonusPeriod(
            month=month, state=PeriodState.CLOSED, version_id=version.id, computed_at=MONDAY, computed_by="system"
        )
    )
    session.flush()


class TestRefunds:
    def test_a_refund_is_below_zero_however_it_is_written(self, book: Book) -> None:
        book("P-1")
        one = book("R-1", "100.00", kind="refund", vat_amount="20.00")
        two = book("R-2", "-100.00", vat_amount="-20.00")

        for refund in (one, two):
            assert (refund.amount_minor, refund.vat_minor, refund.kind) == (-10_000, -2_000, PaymentKind.REFUND)

    def test_it_takes_class_and_shares_of_what_it_pays_back(self, session: Session, cast: Cast, book: Book) -> None:
        paid = book("P-1", "1000.00", paid_at=at("2026-01-10 12:00"))
        book("P-2", "1000.00", paid_at=at("2026-09-10 12:00"))
        payments.set_credits(session, paid, [(cast.anna, 6_667), (cast.boris, 3_333)], "galina", MONDAY)

        refund = book("R-1", "-100.00", reverses=key("P-1"))

        assert (refund.reverses_id, refund.money_class, refund.month) == (paid.id, NEW, "2026-10")
        assert credits_of(session, refund) == [("anna", 6_667, -6_667), ("boris", 3_333, -3_333)]

    def test_without_a_name_it_pays_back_the_latest_payment_that_can_bear_it(self, book: Book) -> None:
        first = book("P-1", "500.00", paid_at=at("2026-09-01 12:00"))
        second = book("P-2", "300.00", paid_at=at("2026-09-20 12:00"))
        book("P-3", "900.00", paid_at=at("2026-10-20 12:00"))

        assert book("R-1", "-300.00").reverses_id == second.id
        assert book("R-2", "-100.00").reverses_id == first.id

    def test_more_than_what_remains_is_refused(self, book: Book) -> None:
        book("P-1", "500.00", paid_at=at("2026-09-01 12:00"))
        book("R-1", "-400.00", reverses=key("P-1"))

        for more in ({"reverses": key("P-1")}, {}):
            with pytest.raises(InputError) as refused:
                book("R-2", "-100.01", **more)
            assert refused.value.path == "amount"
            assert "возврат 100.01 больше, чем осталось от оплаты: 100.00" in refused.value.message("ru")

    def test_payments_of_others_and_refunds_cannot_be_paid_back(self, session: Session, cast: Cast, book: Book) -> None:
        make_client(session, external_id="K-2")
        book("P-1")
        book("P-2", client=key("K-2"))
        book("R-1", "-100.00", reverses=key("P-1"))

        for named in ("P-2", "R-1"):
            with pytest.raises(InputError) as refused:
                book("R-2", "-1.00", reverses=key(named))
            assert refused.value.path == "reverses"

    def test_what_it_pays_back_may_come_later(self, session: Session, book: Book) -> None:
        waiting = book("R-1", "-100.00", reverses=key("P-1"), paid_at=at("2026-10-02 12:00"))
        assert waiting.problems == ["reverses_unknown"]

        paid = book("P-1", paid_at=at("2026-10-01 12:00"))

        session.refresh(waiting)
        assert (waiting.reverses_id, waiting.problems, waiting.is_unmatched) == (paid.id, [], False)


class TestMany:
    def test_queries_do_not_grow_with_the_rows(self, session: Session, cast: Cast) -> None:
        def sent_for(numbers: range) -> int:
            forms = [
                form(f"P-{n}", client={**key(f"K-{n}"), "inn": f"{7_700_000_000 + n}"}, invoice=str(n)) for n in numbers
            ]
            with statements_of(session) as sent:
                found = payments.book_many(session, forms, now=MONDAY, actor="import")
            assert set(found) == {Outcome.CREATED}
            return len(sent)

        sent_for(range(2))
        assert sent_for(range(2, 5)) == sent_for(range(10, 200))

    def test_many_at_once_end_as_one_by_one(self, session: Session, cast: Cast, client: Client) -> None:
        forms = [
            form("P-1", paid_at=at("2026-01-10 12:00")),
            form("P-2", invoice="7", paid_at=at("2026-10-01 12:00")),
            form("P-2", invoice="7", paid_at=at("2026-10-01 12:00")),
            form("P-2", "7.00"),
            form("R-1", "-10.00", reverses=key("P-1")),
            form("R-2", "-5000.00"),
            form("P-3", currency="EUR"),
        ]

        outcomes = payments.book_many(session, forms, now=MONDAY, actor="import")

        assert outcomes[:3] + outcomes[4:5] == [Outcome.CREATED, Outcome.CREATED, Outcome.UNCHANGED, Outcome.CREATED]
        assert all(isinstance(outcomes[place], PravilaError) for place in (3, 5, 6))
        assert session.scalar(select(func.count(Payment.id))) == 3
        again = payments.book_many(session, forms, now=MONDAY, actor="import")
        assert again[:3] == [Outcome.UNCHANGED] * 3
        assert session.scalar(select(func.count(Payment.id))) == 3

    def test_history_lists_nobody_to_credit_as_no_problem(self, session: Session, cast: Cast) -> None:
        payments.book_many(session, [form("P-1")], now=MONDAY, actor="import", history=True)

        assert payments.unmatched(session) == []

    def test_what_waits_is_found_by_its_own_index(self, session: Session) -> None:
        plan = session.execute(
            text("EXPLAIN QUERY PLAN SELECT id FROM payments WHERE payments.is_unmatched ORDER BY paid_at, id LIMIT 50")
        ).all()
        assert any("ix_payments_unmatched" in str(row) for row in plan)


def test_two_databases_read_and_mend_alike(any_session: Session) -> None:
    session = any_session
    cast = make_cast(session)
    client, sister = make_client(session, owner=cast.anna, external_id="K-1"), make_client(session, external_id="K-2")
    client.group_id = sister.group_id = make_group(session).id
    settings_store.change(session, settings_store.NEW_AGAIN_AFTER_DAYS, 365, actor="galina")
    payments.book(session, form("P-0", paid_at=at("2025-01-10 12:00")), now=MONDAY, actor="import")
    paid = payments.book(session, form("P-1", vat_amount="200.00"), now=MONDAY, actor="import").payment
    lost = form("R-1", "-10.00", client=key("K-2"), reverses=key("lost"))
    refund = payments.book(session, lost, now=MONDAY, actor="import").payment

    assert (paid.money_class, payments.unmatched(session)) == (NEW, [refund])
    payments.set_credits(session, paid, [(cast.anna, 5_000), (cast.boris, 5_000)], "galina", MONDAY)
    payments.resolve(session, refund, reverses=paid, actor="galina", now=MONDAY)

    assert credits_of(session, refund) == [("anna", 5_000, -500), ("boris", 5_000, -500)]
    money = client_money(session, [client.id, sister.id], MONDAY)
    assert [money[one.id].revenue_total for one in (client, sister)] == [200_000, -1_000]
    assert money[sister.id].first_paid_in_group_at == at("2025-01-10 12:00")
    assert refresh_norms(session, MONDAY).of_all is None


def test_two_databases_book_alike(any_session: Session) -> None:
    session = any_session
    cast = make_cast(session)
    make_client(session, owner=cast.anna, external_id="K-1")

    payments.book_many(session, [form("P-1", paid_at=at("2026-01-10 12:00")), form("P-2")], now=MONDAY, actor="import")
    payments.book(session, form("R-1", "-1.00", reverses=key("P-2")), now=MONDAY, actor="import")
    payments.book(session, form("P-0", paid_at=at("2025-01-10 12:00")), now=MONDAY, actor="import")

    seen = session.execute(
        select(PaymentCredit.amount_minor, PaymentCredit.money_class).order_by(PaymentCredit.id)
    ).all()
    assert [tuple(row) for row in seen] == [(100_000, OLD), (100_000, OLD), (-100, OLD), (100_000, NEW)]


@pytest.mark.parametrize("amount", ["1000.00", "-1.00"])
def test_the_same_payment_twice_at_once_is_booked_once(any_engine: Engine, settings: Settings, amount: str) -> None:
    sessions = db.make_sessions(any_engine, settings)
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        make_client(session, owner=cast.anna, external_id="K-1")
        payments.book(session, form("P-0"), now=MONDAY, actor="api:1c")
    start = threading.Barrier(4)

    def deliver() -> bool:
        start.wait()
        with db.transaction(sessions) as session:
            return payments.book(session, form("P-1", amount), now=MONDAY, actor="api:1c").created

    with ThreadPoolExecutor(4) as pool:
        created = [call.result() for call in [pool.submit(deliver) for _ in range(4)]]

    assert sorted(created) == [False, False, False, True]
    with sessions() as session:
        assert session.scalar(select(func.count(PaymentCredit.id))) == 2


def test_refunds_at_once_never_pay_back_more_than_was_paid(any_engine: Engine, settings: Settings) -> None:
    sessions = db.make_sessions(any_engine, settings)
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        make_client(session, owner=cast.anna, external_id="K-1")
        payments.book(session, form("P-0", "100.00"), now=MONDAY, actor="api:1c")
    start = threading.Barrier(4)

    def pay_back(number: int) -> bool:
        start.wait()
        try:
            with db.transaction(sessions) as session:
                payments.book(session, form(f"R-{number}", "-60.00"), now=MONDAY, actor="api:1c")
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = [call.result() for call in [pool.submit(pay_back, number) for number in range(4)]]

    assert sorted(done) == [False, False, False, True]
