"""Why so: of a call, a client, a task, a line of a statement; whom it concerns may read it, and nobody else."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Callback, Client, Decision, Occasion, Task
from rules_engine.services.bonus import periods
from rules_engine.services.callbacks.callbacks import look_at_client
from rules_engine.services.callbacks.lists import look_at_callback
from rules_engine.services.requests.assignment import decide_and_assign
from rules_engine.services.requests.escalation import look
from rules_engine.services.requests.tasks import create_own
from rules_engine.services.rules import occasions
from rules_engine.services.running.setup import shipped_ruleset
from tests.admin.conftest import Browser, StandingClock
from tests.bonus_rows import NEW, OLD, credit, plan
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    at,
    condition,
    escalation_rules,
    make_client,
    make_mode,
    make_payment,
    make_request,
    make_version,
    rule,
)

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("\u00a0", " ").split())


@pytest.fixture
def call(cast: Cast, sessions: Sessions, business_clock: StandingClock) -> Callback:
    """A client of Анна bought for the first time: she is to call him."""
    business_clock.at = MONDAY
    with db.transaction(sessions) as session:
        make_mode(session, "callbacks", "live")
        make_version(session, "callbacks", shipped_ruleset("callbacks"))
        occasions.install(session)
        client = make_client(session, "ООО «Пион»", owner=cast.anna, consent_on=MONDAY.date())
        make_payment(session, client, MONDAY - timedelta(hours=1), 1_500_000)
        look_at_client(session, client.id, MONDAY, event="payment")
        session.flush()
        return session.scalars(select(Callback)).one()


class TestCall:
    def test_it_names_version_rule_values_and_why_the_others_did_not(self, call: Callback, logged_in: LogIn) -> None:
        page = logged_in("galina").get(f"/calls/{call.id}/why")
        told = text_of(page.text)
        assert "версия 1" in told
        assert "Плановый звонок:" in told
        assert f'/rules/callbacks/versions/1#rule-{call.rule}"' in page.text
        assert "событие: оплата; нужно: отказ по заявке" in told
        assert "Событие оплата" in told

    def test_the_link_leads_to_the_rule_of_that_version(self, call: Callback, logged_in: LogIn) -> None:
        head = logged_in("galina")
        assert f'id="rule-{call.rule}"' in head.get("/rules/callbacks/versions/1").text

    def test_his_manager_reads_it_without_the_rules_and_another_does_not(
        self, call: Callback, logged_in: LogIn
    ) -> None:
        page = logged_in("anna").get(f"/calls/{call.id}/why")
        assert page.status_code == 200
        assert "/versions/" not in page.text
        assert logged_in("boris").get(f"/calls/{call.id}/why").status_code == 404
        assert logged_in("boris").get(f"/clients/{call.client_id}/why").status_code == 404

    def test_what_escalation_did_about_it_stands_there_too(
        self, call: Callback, sessions: Sessions, business_clock: StandingClock, logged_in: LogIn
    ) -> None:
        later = call.due_at + timedelta(days=7)
        business_clock.at = later
        with db.transaction(sessions) as session:
            late = condition("item.working_days_overdue", "ge", 2)
            tell = rule("tell", late, {"action": "notify", "whom": "head", "text": "звонок ждёт"})
            other = rule("postponed", condition("item.times_postponed", "ge", 3), {"action": "remind"})
            make_version(session, "escalation", escalation_rules(tell, other))
            row = session.get_one(Callback, call.id)
            look_at_callback(session, row.id, call.call_from)
            session.flush()
            look_at_callback(session, row.id, later)
        told = text_of(logged_in("anna").get(f"/calls/{call.id}/why").text)
        assert "Что правила делали с этим звонком потом" in told
        assert "просрочено:" in told
        assert "сколько раз перенесён: 0; нужно: не менее 3" in told

    def test_a_call_that_was_left_out_says_why(
        self, cast: Cast, sessions: Sessions, business_clock: StandingClock, logged_in: LogIn
    ) -> None:
        business_clock.at = MONDAY
        with db.transaction(sessions) as session:
            make_mode(session, "callbacks", "live")
            bought = condition("event.name", "is", "payment")
            promised = rule("promised", bought, {"action": "schedule_callback", "occasion": "own", "within_days": 3})
            offer = rule("offer", bought, {"action": "schedule_callback", "occasion": "other", "within_days": 3})
            title = {"ru": "Звонки", "en": "Calls"}
            rules = {"decision": "callbacks", "title": title, "hit_policy": "collect", "rules": [promised, offer]}
            make_version(session, "callbacks", {**rules, "cases": []})
            session.add(Occasion(code="own", title={"ru": "о заказе", "en": "the order"}, script={}, is_offer=False))
            session.add(Occasion(code="other", title={"ru": "новинка", "en": "novelty"}, script={}, is_offer=True))
            client = make_client(session, owner=cast.anna)
            make_payment(session, client, MONDAY - timedelta(hours=1))
            session.flush()
            look_at_client(session, client.id, MONDAY, event="payment")
            session.flush()
            call_id = session.scalars(select(Callback.id)).one()
        told = text_of(logged_in("anna").get(f"/calls/{call_id}/why").text)
        assert "✗ offer" not in told
        assert "Не запланировано: новинка: это предложение, а согласия клиента нет." in told.partition("Правила по")[2]

    def test_a_client_shows_his_calls_and_all_decisions(self, call: Callback, logged_in: LogIn) -> None:
        for login in ("anna", "zhanna"):
            page = logged_in(login).get(f"/clients/{call.client_id}/why")
            assert f"/calls/{call.id}/why" in page.text
            assert "Закреплённый менеджер: Анна." in text_of(page.text)
            assert "Все решения об этом клиенте" in text_of(page.text)


class TestTask:
    def test_it_leads_to_the_request_the_call_or_says_that_it_is_ones_own(
        self, cast: Cast, sessions: Sessions, logged_in: LogIn, business_clock: StandingClock
    ) -> None:
        business_clock.at = MONDAY
        with db.transaction(sessions) as session:
            make_version(session, "assignment", assignment_rules())
            request = make_request(session)
            decide_and_assign(session, request, MONDAY)
            session.flush()
            given = session.scalars(select(Task)).one()
            holder = given.manager_id
            create_own(session, session.get_one(type(cast.anna), holder), "Отчёт", None, now=MONDAY)
            session.flush()
            own = session.scalars(select(Task).where(Task.request_id.is_(None))).one()
        login = {cast.anna.id: "anna", cast.boris.id: "boris", cast.vera.id: "vera"}[holder]
        other = "vera" if login != "vera" else "anna"
        browser = logged_in(login)
        assert browser.get(f"/tasks/{given.id}/why").location.startswith(f"/requests/{request.id}/why")
        assert "Ваша собственная задача" in browser.get(f"/tasks/{own.id}/why").text
        assert logged_in(other).get(f"/tasks/{own.id}/why").status_code == 404


class TestRequest:
    def test_a_firing_tells_what_it_saw_and_hides_the_amount_until_the_first_answer(
        self, cast: Cast, sessions: Sessions, logged_in: LogIn, business_clock: StandingClock
    ) -> None:
        late = MONDAY + timedelta(minutes=20)
        business_clock.at = late
        with db.transaction(sessions) as session:
            owner = {"action": "assign", "to": {"pool": "owner"}}
            make_version(
                session, "assignment", assignment_rules(rule("own", condition("client.owner", "is_filled"), owner))
            )
            waits = rule("waits", condition("request.working_minutes_since_assigned", "ge", 15), {"action": "remind"})
            large = rule("large", condition("request.amount", "ge", "900000"), {"action": "remind"})
            make_version(session, "escalation", escalation_rules(waits, large))
            client = make_client(session, owner=cast.anna)
            request = make_request(session, client=client, amount_minor=7_777_700)
            decide_and_assign(session, request, MONDAY)
            session.flush()
            look(session, request, late)
        page = logged_in("anna").get(f"/requests/{request.id}/why")
        told = text_of(page.text)
        assert "с распределения: 20 рабочих мин" in told
        assert "скрыто до первого ответа" in told
        assert "77 777" not in told
        with db.transaction(sessions) as session:
            session.get_one(type(request), request.id).first_answer_at = late
        assert "сумма: 77 777 ₽; нужно: не менее 900 000 ₽" in text_of(
            logged_in("anna").get(f"/requests/{request.id}/why").text
        )
        assert logged_in("boris").get(f"/requests/{request.id}/why").status_code == 404
        assert "/rules/escalation/versions/1#rule-waits" in logged_in("galina").get(f"/requests/{request.id}/why").text


class TestStatement:
    @pytest.fixture
    def computed(self, cast: Cast, sessions: Sessions, business_clock: StandingClock) -> None:
        business_clock.at = after = at("2026-11-02 10:00")
        with db.transaction(sessions) as session:
            make_version(session, "bonus", shipped_ruleset("bonus"))
            plan(session, cast.anna, "2026-10", 1_000, 1_000)
            client = make_client(session, "Ромашка")
            credit(session, cast.anna, "2026-10-05", 80_000, NEW, client=client)
            credit(session, cast.anna, "2026-10-06", 43_000, OLD, client=client)
            periods.compute(session, "2026-10", actor="galina", now=after)

    def test_each_line_names_its_rule_of_that_version_and_the_others_say_why_not(
        self, computed: None, logged_in: LogIn
    ) -> None:
        page = logged_in("galina").get("/bonuses/2026-10/anna/why")
        assert page.status_code == 200
        first = shipped_ruleset("bonus")["rules"][0]
        assert f"/rules/bonus/versions/1#rule-{first['id']}" in page.text
        assert first["title"]["ru"] in text_of(page.text)
        assert "версия 1" in text_of(page.text)

    def test_the_running_month_says_why_before_it_has_a_statement(
        self, computed: None, logged_in: LogIn, business_clock: StandingClock
    ) -> None:
        anna = logged_in("anna")
        assert "/bonuses/2026-11/anna/why#line-" in anna.get("/my/bonus").text
        told = text_of(anna.get("/bonuses/2026-11/anna/why").text)
        assert "предварительно на сегодня" in told
        assert "Правила по порядку" in told
        assert anna.get("/bonuses/2026-09/anna/why").status_code == 404

    def test_he_reads_his_own_and_nobody_elses(self, computed: None, logged_in: LogIn) -> None:
        anna = logged_in("anna")
        page = anna.get("/bonuses/2026-10/anna/why")
        assert page.status_code == 200
        assert "/versions/" not in page.text
        assert logged_in("boris").get("/bonuses/2026-10/anna/why").status_code == 404
        assert "/bonuses/2026-10/anna/why#line-" in anna.get("/bonuses/2026-10/anna").text


def test_nothing_is_written_when_somebody_asks_why(call: Callback, sessions: Sessions, logged_in: LogIn) -> None:
    def rows() -> list[int]:
        with sessions() as session:
            return [len(session.scalars(select(kind)).all()) for kind in (Decision, Callback, Client, Task)]

    before = rows()
    logged_in("galina").get(f"/calls/{call.id}/why")
    assert rows() == before
