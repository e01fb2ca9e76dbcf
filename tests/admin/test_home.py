"""The first page, by role: what burns now, how the decisions work, and whether the installation is well."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import BonusPeriod, BonusStatement, Incident
from rules_engine.services.drafts import editing
from rules_engine.services.records import settings_store
from rules_engine.services.requests import assignment
from rules_engine.services.rules import modes
from rules_engine.services.running import setup
from tests.admin.conftest import Browser, StandingClock
from tests.admin.test_my_tasks import give
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_request,
    make_requests,
    make_version,
    rule,
)

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


def text_of(page: str) -> str:
    """Return the words of a page, blanks made plain."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def decide(sessions: Sessions, number: int) -> None:
    with db.transaction(sessions) as session:
        own = rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})
        make_version(session, "assignment", assignment_rules(own))
        make_version(session, "escalation", escalation_rules())
        for request in make_requests(session, number):
            assignment.decide_and_assign(session, request, MONDAY)


def test_a_manager_goes_to_his_tasks(logged_in: LogIn) -> None:
    assert logged_in("anna").get("/").location == "/my/"


class TestHead:
    def test_the_cards_say_what_is_in_force_and_what_came_of_it(self, logged_in: LogIn, sessions: Sessions) -> None:
        decide(sessions, 6)

        page = text_of(logged_in("galina").get("/").text)

        assert "Добрый день, Галина" in page or "Доброе утро, Галина" in page
        assert "v1" in page
        assert "6 решений за 30 дней" in page
        assert "100 % распределило правило «Остальные»" in page
        assert "1 правило за 30 дней не сработало" in page

    def test_the_bonus_card_says_what_the_newest_month_pays(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        galina = logged_in("galina")
        with db.transaction(sessions) as session:
            version = make_version(session, "bonus", setup.shipped_ruleset("bonus_today"))
        assert "Ни один месяц ещё не рассчитан" in text_of(galina.get("/").text)
        with db.transaction(sessions) as session:
            for month, total in (("2026-08", 1), ("2026-09", 1_000_000)):
                period = BonusPeriod(month=month, version_id=version.id, computed_at=MONDAY, computed_by="galina")
                for manager, reached in ((cast.anna, "100"), (cast.boris, "199/2"), (cast.vera, None)):
                    measures = {"measure.attainment_pct": reached}
                    period.statements.append(
                        BonusStatement(manager_id=manager.id, total_minor=total, measures=measures)
                    )
                session.add(period)

        page = text_of(galina.get("/").text).replace("\u00a0", " ")

        assert "30 000 ₽ премии за сентябрь 2026" in page
        assert "50 % менеджеров выполнили план" in page

    def test_shares_stand_beside_what_was_due(self, logged_in: LogIn, sessions: Sessions) -> None:
        decide(sessions, 7)

        page = text_of(logged_in("galina").get("/").text)

        assert "Ключевые" in page
        assert "Вера 2 2,3 −0,3" in page
        assert "самая большая разница" in page

    def test_every_number_that_burns_leads_to_the_list_behind_it(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        give(sessions, cast.anna, 3)
        with db.transaction(sessions) as session:
            make_request(session)
            session.add(Incident(at=MONDAY, kind="loop", message={"ru": "x", "en": "x"}, data={}))
        business_clock.forward(hours=2)
        galina = logged_in("galina")

        burning = galina.get("/").text.partition('class="row tight burning"')[2].partition("</div>")[0]

        links = dict(re.findall(r'href="([^"]+)">([^<]+)<', burning))
        assert set(links.values()) == {
            "3 заявки ждут дольше часа после срока",
            "1 заявка без менеджера",
            "1 происшествие",
        }
        for link in links:
            assert galina.get(link).status_code == 200
        behind = galina.get("/requests/?over_hour=1").text
        assert behind.count('class="nowrap title"') == 3

    def test_an_overloaded_team_is_named_and_leads_to_its_late_requests(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        give(sessions, cast.anna, 3)
        give(sessions, cast.vera)
        business_clock.forward(hours=2)
        with db.transaction(sessions) as session:
            settings_store.put(session, f"overload:{cast.sales.id}", business_clock.at.isoformat())
        galina = logged_in("galina")

        burning = galina.get("/").text.partition('class="row tight burning"')[2].partition("</div>")[0]

        links = {words: link for link, words in re.findall(r'href="([^"]+)">([^<]+)<', burning)}
        link = links["перегрузка, отдел Продажи: не в срок 3 из 3"].replace("&amp;", "&")
        assert "3 строки" in text_of(galina.get(link).text)

    def test_nothing_burning_is_said_too(self, logged_in: LogIn) -> None:
        assert "ничего не горит" in logged_in("galina").get("/").text

    @pytest.mark.parametrize(("mode", "words"), [("watch", "никому ничего не передают"), ("off", "Ничего не решается")])
    def test_a_mode_that_is_not_live_is_said_at_once(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, mode: str, words: str
    ) -> None:
        with db.transaction(sessions) as session:
            modes.set_mode(session, "assignment", mode, actor="galina", now=MONDAY)

        assert words in logged_in("galina").get("/").text

    def test_a_draft_under_way_is_shown_with_its_editor(self, logged_in: LogIn, sessions: Sessions) -> None:
        decide(sessions, 1)
        with db.transaction(sessions) as session:
            editing.start_draft(session, "assignment", actor="galina", now=MONDAY)

        page = text_of(logged_in("galina").get("/").text)

        assert "черновик Галина" in page

    def test_more_requests_cost_no_more_queries(
        self, logged_in: LogIn, sessions: Sessions, count_queries: Callable[[], int]
    ) -> None:
        decide(sessions, 2)
        galina = logged_in("galina")
        galina.get("/")
        count_queries()
        galina.get("/")
        few = count_queries()
        with db.transaction(sessions) as session:
            for request in make_requests(session, 20, first_at=MONDAY - timedelta(hours=1)):
                assignment.decide_and_assign(session, request, MONDAY)
        galina.get("/")
        count_queries()

        galina.get("/")

        assert count_queries() <= few


class TestOthers:
    def test_an_administrator_sees_whether_all_is_well(self, logged_in: LogIn) -> None:
        page = logged_in("denis").get("/").text

        assert "Состояние установки" in page
        assert "посмотрите" in page  # no worker runs in this test

    def test_an_auditor_reads_the_head_s_page(self, logged_in: LogIn, sessions: Sessions) -> None:
        decide(sessions, 1)

        page = logged_in("zhanna").get("/")

        assert page.status_code == 200
        assert "Распределение заявок" in page.text
