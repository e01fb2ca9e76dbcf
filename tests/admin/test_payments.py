"""Pages of payments and plans: what a head puts right there, and what he cannot."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Payment, Plan
from rules_engine.services.money import payments, plans
from rules_engine.services.money.incoming_money import PaymentIn, PlanIn
from rules_engine.services.records.forms import read
from tests.admin.conftest import Browser, StandingClock
from tests.factories import MONDAY, Cast, make_client, make_request

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]
Book = Callable[..., int]


@pytest.fixture
def book(sessions: Sessions, cast: Cast) -> Book:
    with db.transaction(sessions) as session:
        make_client(session, "Ромашка", owner=cast.anna, external_id="K-1", inn="7707083893")

    def booked(number: str, amount: str = "1000.00", **more: Any) -> int:
        body = {
            "source": "1c",
            "external_id": number,
            "client": {"source": "1c", "external_id": "K-1"},
            "paid_at": MONDAY.isoformat(),
            "amount": amount,
            **more,
        }
        with db.transaction(sessions) as session:
            return payments.book(session, read(PaymentIn, body), now=MONDAY, actor="api:1c").payment.id

    return booked


@pytest.fixture
def galina(logged_in: LogIn) -> Browser:
    return logged_in("galina")


def stored(sessions: Sessions, payment_id: int) -> tuple[list[tuple[str, int]], list[str]]:
    with sessions() as session:
        row = session.get_one(Payment, payment_id)
        return [(one.manager.login, one.share_bp) for one in row.credits], row.problems


class TestPayments:
    def test_what_is_unclear_stands_oldest_first_with_its_reason(self, galina: Browser, book: Book) -> None:
        book("P-good")
        book("P-late", request={"source": "1c", "external_id": "R-404"})
        book("P-early", paid_at="2026-10-01T12:00:00+03:00", client={"source": "1c", "external_id": "K-new"})

        page = galina.get("/payments/").text

        assert re.findall(r'href="/payments/\d+">([^<]+)<', page) == ["P-early", "P-late"]
        assert "некому зачесть" in page
        assert "названной заявки нет" in page
        every = galina.get("/payments/?all=1&q=ромаш").text
        assert re.findall(r'href="/payments/\d+">([^<]+)<', every) == ["P-late", "P-good"]

    def test_the_list_goes_on_from_page_to_page(self, galina: Browser, book: Book) -> None:
        for number in range(52):
            book(f"P-{number}", request={"source": "1c", "external_id": "R-404"})

        first = galina.get("/payments/").text
        more = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")  # type: ignore[index]

        shown = re.findall(r'href="/payments/(\d+)">', first) + re.findall(
            r'href="/payments/(\d+)">', galina.get(more).text
        )
        assert len(shown) == len(set(shown)) == 52

    @pytest.mark.parametrize("cursor", ["x", "1", "1.x", "9" * 30 + ".1", "-1.1", "99999999999999999.1"])
    def test_a_cursor_made_up_by_hand_breaks_nothing(self, galina: Browser, book: Book, cursor: str) -> None:
        assert galina.get(f"/payments/?after={cursor}").status_code == 200
        assert galina.get(f"/payments/?all=1&after={cursor}").status_code == 200

    def test_a_head_chooses_the_request(self, galina: Browser, book: Book, sessions: Sessions, cast: Cast) -> None:
        number = book("P-1", request={"source": "1c", "external_id": "R-404"})
        with db.transaction(sessions) as session:
            client = session.get_one(Payment, number).client
            request = make_request(session, manager_id=cast.boris.id, client=client).id

        page = galina.get(f"/payments/{number}").text
        assert f'<option value="{request}">' in page
        answer = galina.post(f"/payments/{number}/resolve", {"how": "request", "request": request})

        assert answer.status_code == 302
        assert stored(sessions, number) == ([("boris", 10_000)], [])

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"how": "client", "client": "nobody"}, "такого клиента нет"),
            ({"how": "request", "request": "999"}, "выберите из списка"),
            ({"how": "reverses", "reverses": ""}, "выберите из списка"),
            ({"how": "manager", "manager": ""}, "выберите менеджера"),
        ],
    )
    def test_a_choice_that_fits_nothing_is_refused(
        self, galina: Browser, book: Book, sessions: Sessions, form: dict[str, object], words: str
    ) -> None:
        number = book("P-1", request={"source": "1c", "external_id": "R-404"})
        refund = book("R-1", "-1.00", reverses={"source": "1c", "external_id": "lost"})
        with db.transaction(sessions) as session:
            make_request(session, client=session.get_one(Payment, number).client)

        answer = galina.post(f"/payments/{refund if form['how'] == 'reverses' else number}/resolve", form)

        assert answer.status_code == 422
        assert words in answer.text
        assert galina.post(f"/payments/{number}/resolve", {"how": "magic"}).status_code == 400

    def test_another_client_another_manager_or_as_it_is(
        self, galina: Browser, book: Book, sessions: Sessions, cast: Cast
    ) -> None:
        with db.transaction(sessions) as session:
            make_client(session, "ООО «Лютик»", owner=cast.vera)
        moved, named, left = (book(n, client={"source": "1c", "external_id": f"K-{n}"}) for n in ("P-1", "P-2", "P-3"))

        galina.post(f"/payments/{moved}/resolve", {"how": "client", "client": "ООО «Лютик»"})
        galina.post(f"/payments/{named}/resolve", {"how": "manager", "manager": "boris"})
        galina.post(f"/payments/{left}/resolve", {"how": "accept"})

        assert stored(sessions, moved) == ([("vera", 10_000)], [])
        assert stored(sessions, named) == ([("boris", 10_000)], [])
        assert stored(sessions, left) == ([], [])
        assert "У каждой оплаты есть клиент" in galina.get("/payments/").text

    def test_a_payment_is_parted_into_exactly_a_hundred_percent(
        self, galina: Browser, book: Book, sessions: Sessions
    ) -> None:
        number = book("P-1")

        short = galina.post(
            f"/payments/{number}/credits", {"manager": ["anna", "boris"], "share": ["33,33", "65,67 %"]}
        )
        assert (short.status_code, "сумма долей 99 %, нужно 100 %" in short.text.lower()) == (422, True)
        assert 'value="33,33"' in short.text
        for parts in ({"manager": ["anna", ""], "share": ["50", "50"]}, {"manager": ["anna"], "share": ["сто"]}):
            assert galina.post(f"/payments/{number}/credits", parts).status_code == 422
        parted = {"manager": ["anna", "boris", "", ""], "share": ["33,33", "66.67", "", ""]}
        assert galina.post(f"/payments/{number}/credits", parted).status_code == 302

        assert stored(sessions, number)[0] == [("anna", 3_333), ("boris", 6_667)]

    def test_an_auditor_reads_and_changes_nothing_and_a_manager_sees_nothing(
        self, logged_in: LogIn, book: Book
    ) -> None:
        number = book("P-1", request={"source": "1c", "external_id": "R-404"})
        zhanna, anna = logged_in("zhanna"), logged_in("anna")

        page = zhanna.get(f"/payments/{number}")
        assert (page.status_code, '<form class="row end"' in page.text) == (200, False)
        assert zhanna.post(f"/payments/{number}/resolve", {"how": "accept"}).status_code == 403
        assert {anna.get(path).status_code for path in ("/payments/", f"/payments/{number}", "/plans/")} == {403}


class TestPlans:
    def plan(self, sessions: Sessions, month: str, **more: Any) -> None:
        data = read(PlanIn, {"period": month, "manager": "anna", "new": "560000.00", "old": "350000.00", **more})
        with db.transaction(sessions) as session:
            plans.put_plan(session, data, now=MONDAY, actor="galina")

    def test_a_month_shows_plans_and_what_hours_make_of_them(
        self, galina: Browser, cast: Cast, sessions: Sessions
    ) -> None:
        with db.transaction(sessions) as session:
            session.get_one(type(cast.anna), cast.anna.id).weight_milli = 500
        self.plan(sessions, "2026-10")

        page = galina.get("/plans/").text.replace("\u00a0", " ")

        assert "Октябрь 2026" in page
        assert "560 000 ₽" in page
        assert "280 000 ₽" in page
        assert "88,0 / 176,0" in page
        assert page.count("нет плана") == 4
        assert galina.get("/plans/?month=nothing").status_code == 200

    def test_a_head_makes_a_plan_for_a_month_to_come(self, galina: Browser, cast: Cast, sessions: Sessions) -> None:
        form = {"new": "560 000", "old": "", "callbacks": "80", "reason": ""}

        answer = galina.post("/plans/2026-11/anna", form)

        assert (answer.status_code, answer.location) == (302, "/plans/?month=2026-11")
        with sessions() as session:
            made = session.scalars(select(Plan)).one()
            assert (made.new_minor, made.old_minor, made.callbacks, made.made_by) == (56_000_000, None, 80, "galina")

    def test_the_running_month_is_lowered_with_a_reason_only(
        self, galina: Browser, cast: Cast, sessions: Sessions
    ) -> None:
        self.plan(sessions, "2026-10")

        more = galina.post("/plans/2026-10/anna", {"new": "600 000", "old": "350 000", "reason": "сезон"})
        silent = galina.post("/plans/2026-10/anna", {"new": "500 000", "old": "350 000"})
        lowered = galina.post("/plans/2026-10/anna", {"new": "500 000", "old": "350 000", "reason": "отпуск клиента"})

        assert (more.status_code, silent.status_code, lowered.status_code) == (422, 422, 302)
        assert "только снизить" in more.text
        assert "укажите причину" in silent.text.lower()
        history = galina.get("/plans/2026-10/anna").text
        assert "отпуск клиента" in history
        assert "Галина" in history

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"new": "0"}, "если плана нет намеренно, оставьте пустым"),
            ({"new": "много"}, "не сумма"),
            ({"callbacks": "1,5"}, "Нужно целое число"),
            ({"callbacks": "-3"}, "оставьте пустым"),
        ],
    )
    def test_a_plan_of_nothing_is_refused(
        self, galina: Browser, cast: Cast, sessions: Sessions, form: dict[str, object], words: str
    ) -> None:
        answer = galina.post("/plans/2026-11/anna", form)

        assert (answer.status_code, words in answer.text) == (422, True)
        with sessions() as session:
            assert session.scalars(select(Plan)).all() == []

    def test_a_month_that_is_over_is_read_only(
        self, galina: Browser, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        self.plan(sessions, "2026-10")
        business_clock.forward(days=40)

        page = galina.get("/plans/2026-10/anna").text

        assert "план не меняется" in page
        assert 'name="new"' not in page
        for login in ("anna", "boris"):
            assert galina.post(f"/plans/2026-10/{login}", {"new": "1", "reason": "x"}).status_code == 422
        assert galina.get("/plans/2026-13/anna").status_code == 404
