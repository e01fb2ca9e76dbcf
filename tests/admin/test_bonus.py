"""The pages of bonuses: for a manager his own, for heads all of them and the steps of a period."""

import io
import re
from collections.abc import Callable

import pytest
from openpyxl import load_workbook
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import BonusPeriod, BonusStatement, PeriodState, User
from rules_engine.services.approvals import approvals
from rules_engine.services.bonus import periods
from rules_engine.services.drafts import editing
from rules_engine.services.running.setup import shipped_ruleset
from tests.admin.conftest import Browser, StandingClock
from tests.bonus_rows import NEW, OLD, call, credit, held, plan
from tests.factories import Cast, at, make_client, make_version

AFTER = at("2026-11-02 10:00")
Enter = Callable[[str], Browser]


@pytest.fixture
def month(cast: Cast, sessions: sessionmaker[Session], business_clock: StandingClock) -> None:
    """Анна sold, answered and called in October; it is the 16th."""
    business_clock.at = at("2026-10-16 12:00")
    with db.transaction(sessions) as session:
        make_version(session, "bonus", shipped_ruleset("bonus"))
        plan(session, cast.anna, "2026-10", 1_000, 1_000)
        client = make_client(session, "=Ромашка")
        credit(session, cast.anna, "2026-10-05", 80_000, NEW, client=client)
        credit(session, cast.anna, "2026-10-06", 43_000, OLD, client=client)
        held(session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30", answered="2026-10-05 10:10")
        made = at("2026-10-06 12:00")
        call(session, cast.anna, client, made, done_at=made)


@pytest.fixture
def computed(month: None, sessions: sessionmaker[Session], business_clock: StandingClock) -> None:
    business_clock.at = AFTER
    with db.transaction(sessions) as session:
        periods.compute(session, "2026-10", actor="galina", now=AFTER)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("\u00a0", " ").split())


class TestOwn:
    def test_the_running_month_is_provisional_with_forecast_and_what_comes_next(
        self, month: None, logged_in: Enter, count_queries: Callable[[], int]
    ) -> None:
        anna = logged_in("anna")
        anna.get("/my/bonus")
        count_queries()
        answer = anna.get("/my/bonus")
        assert count_queries() <= 22
        page = text_of(answer.text)

        assert answer.status_code == 200
        assert "предварительно на сегодня" in page
        assert "Прогноз на месяц при том же темпе" in page
        assert "80 % 800 ₽ из 1 000 ₽" in page
        assert "До 50 %: выполнение плана по старым" in page
        assert "не хватает 70,00 ₽" in page
        assert "вы здесь" in page
        assert "style=" not in answer.text and "<script>" not in answer.text

    def test_it_reads_in_english_too(self, month: None, logged_in: Enter, sessions: sessionmaker[Session]) -> None:
        with db.transaction(sessions) as session:
            session.scalars(select(User).where(User.login == "anna")).one().locale = "en"
        page = text_of(logged_in("anna").get("/my/bonus").text)
        assert "So far, provisional" in page and "Forecast for the month at this pace" in page
        assert not re.search("[а-яё]{3}", page.replace("Анна", ""))

    def test_others_are_not_found(self, computed: None, logged_in: Enter) -> None:
        boris = logged_in("boris")
        assert boris.get("/bonuses/2026-10/boris").status_code == 200
        for path in ("", "/behind/revenue", "/export/csv", "/export/xlsx"):
            assert boris.get(f"/bonuses/2026-10/anna{path}").status_code == 404, path
        assert boris.get("/bonuses/").status_code == 403
        assert boris.post("/bonuses/2026-10/step/present").status_code == 403

    def test_who_sells_nothing_is_led_to_the_periods(self, month: None, logged_in: Enter) -> None:
        assert logged_in("galina").get("/my/bonus").location == "/bonuses/"

    def test_looking_at_it_is_noted_once_it_was_presented(
        self, computed: None, logged_in: Enter, sessions: sessionmaker[Session], cast: Cast
    ) -> None:
        def seen() -> object:
            with sessions() as session:
                found = select(BonusStatement.seen_at).where(BonusStatement.manager_id == cast.anna.id)
                return session.scalar(found)

        anna, galina = logged_in("anna"), logged_in("galina")
        anna.get("/bonuses/2026-10/anna")
        assert seen() is None
        galina.post("/bonuses/2026-10/step/present")
        galina.get("/bonuses/2026-10/anna")
        assert seen() is None
        assert "ещё нет" in galina.get("/bonuses/?period=2026-10").text
        anna.get("/bonuses/2026-10/anna")
        assert seen() == AFTER


class TestStatement:
    def test_lines_add_up_and_say_what_did_not_count(self, computed: None, logged_in: Enter) -> None:
        answer = logged_in("galina").get("/bonuses/2026-10/anna")
        page = text_of(answer.text)
        rows = re.findall(r'<td class="r">([^<]+)</td>\s*</tr>', answer.text)
        total = re.search(r'class="r"><b>([^<]+)</b>', answer.text)

        assert total is not None
        assert sum(kopecks(row) for row in rows) == kopecks(total[1]) > 0
        assert "Плановая премия: новые и старые клиенты" in page
        assert "Как прочитана таблица" in page
        assert "возражения до 5 ноября · утверждение до 8 ноября" in page
        assert "Полученные в этом месяце заявки, не обработанные полностью: 1 из 1." in page

    def test_what_stands_behind_a_measure_adds_up(self, computed: None, logged_in: Enter) -> None:
        anna = logged_in("anna")
        money = text_of(anna.get("/bonuses/2026-10/anna/behind/attainment_new_pct?stored=1").text)
        assert "=Ромашка" in money and "Итого 800 ₽" in money
        requests = text_of(anna.get("/bonuses/2026-10/anna/behind/processed_requests").text)
        assert "нужна оплата, отказ с причиной или выдержанный следующий шаг" in requests
        assert anna.get("/bonuses/2026-10/anna/behind/plan_new").status_code == 404

    def test_it_goes_out_as_csv_and_xlsx_without_formulas(self, computed: None, logged_in: Enter) -> None:
        anna = logged_in("anna")
        plain = anna.get("/bonuses/2026-10/anna/export/csv")
        assert plain.data.startswith(b"\xef\xbb\xbf")
        assert "Плановая премия" in plain.text and "Итого" in plain.text
        sheet = load_workbook(io.BytesIO(anna.client.get("/bonuses/2026-10/anna/export/xlsx").data)).active
        assert sheet is not None
        rows = [row[:4] for row in sheet.iter_rows(min_row=2, values_only=True) if row[3] is not None]
        *lines, total = [round(100 * row[3]) for row in rows]
        assert rows[-1][0] == "Итого" and sum(lines) == total > 0
        assert anna.get("/bonuses/2026-10/anna/export/pdf").status_code == 404

    def test_a_month_without_a_statement_is_not_found(self, month: None, logged_in: Enter) -> None:
        galina = logged_in("galina")
        for path in ("2026-09/anna", "2026-10/anna", "2026-13/anna", "2026-10/nobody"):
            assert galina.get(f"/bonuses/{path}").status_code == 404, path


def test_a_correction_leads_to_the_statement_that_it_puts_right(
    computed: None, logged_in: Enter, sessions: sessionmaker[Session], business_clock: StandingClock, cast: Cast
) -> None:
    galina = logged_in("galina")
    for name in ("present", "approve", "close"):
        galina.post(f"/bonuses/2026-10/step/{name}")
    business_clock.at = at("2026-11-20 10:00")
    with db.transaction(sessions) as session:
        credit(session, cast.anna, "2026-10-30", 20_000, NEW, booked_at=business_clock.at)
    galina.post("/bonuses/2026-11/step/compute")
    page = galina.get("/bonuses/2026-11/anna").text
    assert '<a class="badge on" href="/bonuses/2026-10/anna">перерасчёт</a>' in page
    assert "Перерасчёт за октябрь 2026" in page


class TestPeriods:
    def test_a_head_takes_a_period_through_its_life(
        self, month: None, logged_in: Enter, sessions: sessionmaker[Session], business_clock: StandingClock
    ) -> None:
        galina = logged_in("galina")
        assert "ещё не рассчитан" in galina.get("/bonuses/").text
        galina.post("/bonuses/2026-10/step/compute")
        page = galina.get("/bonuses/?period=2026-10").text
        assert "предварительно на сегодня" in page and "Показать менеджерам" not in page

        business_clock.at = AFTER
        for name, state in (
            ("compute", "computed"), ("present", "presented"), ("approve", "approved"), ("close", "closed"),
            ("close", "closed"),
        ):  # fmt: skip
            assert galina.post(f"/bonuses/2026-10/step/{name}").status_code == 302
            with sessions() as session:
                assert [row.state for row in session.scalars(select(BonusPeriod))] == [PeriodState(state)]
        assert "закрыто" in galina.get("/bonuses/?period=2026-10").text
        refused = galina.post("/bonuses/2026-10/step/reopen", {"reason": " "}, follow_redirects=True)
        assert "Укажите причину." in refused.text
        galina.post("/bonuses/2026-10/step/reopen", {"reason": "проверка"})
        page = text_of(galina.get("/bonuses/?period=2026-10").text)
        assert "редакция 2" in page and "Открыто заново: проверка" in page

    def test_what_is_refused_is_said(self, computed: None, logged_in: Enter) -> None:
        galina = logged_in("galina")
        answer = galina.post("/bonuses/2026-10/step/close", follow_redirects=True)
        assert "Закрыть можно утверждённый" in answer.text
        assert galina.post("/bonuses/2026-10/step/pay").status_code == 404
        assert galina.post("/bonuses/october/step/compute").status_code == 404

    def test_a_period_goes_out_as_a_table(self, computed: None, logged_in: Enter) -> None:
        galina = logged_in("galina")
        plain = galina.get("/bonuses/2026-10/export/csv")
        assert plain.text.splitlines()[1].startswith("Анна;Продажи;")
        assert galina.client.get("/bonuses/2026-10/export/xlsx").data.startswith(b"PK")
        assert [
            galina.get(f"/bonuses/{path}").status_code for path in ("2026-09/export/csv", "2026-10/export/pdf")
        ] == [404, 404]
        assert logged_in("anna").get("/bonuses/2026-10/export/csv").status_code == 403

    def test_an_auditor_reads_and_changes_nothing(self, computed: None, logged_in: Enter) -> None:
        zhanna = logged_in("zhanna")
        page = zhanna.get("/bonuses/?period=2026-10")
        assert page.status_code == 200 and "Показать менеджерам" not in page.text
        assert zhanna.post("/bonuses/2026-10/step/present").status_code == 403


def kopecks(text: str) -> int:
    return int(re.sub(r"[^0-9−-]", "", text).replace("−", "-"))


def test_new_rules_wait_until_somebody_has_seen_whose_bonus_gets_less(
    month: None, logged_in: Enter, sessions: sessionmaker[Session]
) -> None:
    galina = logged_in("galina")
    galina.get("/bonuses/")
    with db.transaction(sessions) as session:
        body = shipped_ruleset("bonus") | {"title": {"ru": "Премия 2", "en": "Bonus 2"}}
        editing.import_document(session, body, actor="galina", now=AFTER)
    page = galina.get("/rules/bonus/approval").text
    assert "Ещё никто не посмотрел, у кого премия станет меньше" in page
    with db.transaction(sessions) as session:
        draft = editing.open_draft(session, "bonus")
        sent = {"revision": str(draft.revision), "when": "later", "at": "2026-11-01T00:00"}
    assert galina.post("/rules/bonus/approval/send", sent).status_code in (409, 422)
    with db.transaction(sessions) as session:
        assert approvals.waiting(session, "bonus") is None
