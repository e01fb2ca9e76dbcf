"""Reference data: changed only by whom the table allows, checked in place, audited, and safe to export."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from admin.reference_view import defused
from rules_engine import db
from rules_engine.models import (
    Absence,
    AuditEntry,
    Calendar,
    CalendarException,
    DutyShift,
    Manager,
    RequestStatus,
    Team,
    WorkItem,
)
from tests.admin.conftest import Browser, StandingClock
from tests.factories import MONDAY, Cast, at, make_absence, make_manager, make_request, make_team

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


def audit_of(sessions: Sessions, subject: str) -> list[tuple[str, Any, Any]]:
    with sessions() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.subject_kind == subject).order_by(AuditEntry.id))
        return [(row.action, row.before, row.after) for row in rows]


class TestTeams:
    def test_a_team_is_added_changed_and_deleted_and_the_journal_knows(
        self, logged_in: LogIn, sessions: Sessions
    ) -> None:
        galina = logged_in("galina")
        assert galina.post("/admin/teams/new/", {"name": "Запад", "code": "west"}).status_code == 302
        with sessions() as session:
            team_id = session.scalars(select(Team.id).where(Team.code == "west")).one()
        galina.post(f"/admin/teams/edit/?id={team_id}", {"name": "Дальний запад", "code": "west"})
        galina.post("/admin/teams/delete/", {"id": team_id})

        actions = audit_of(sessions, "team")
        assert [action for action, _before, _after in actions] == ["create", "update", "delete"]
        assert actions[1][1:] == ({"name": "Запад"}, {"name": "Дальний запад"})
        with sessions() as session:
            assert session.get(Team, team_id) is None

    def test_a_team_with_people_stays(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        galina = logged_in("galina")

        answer = galina.post("/admin/teams/delete/", {"id": cast.sales.id})

        assert "ещё что-то ссылается" in galina.get(answer.location).text
        with sessions() as session:
            assert session.get(Team, cast.sales.id) is not None
        assert audit_of(sessions, "team") == []

    def test_a_code_that_is_taken_is_refused_and_nothing_typed_is_lost(self, logged_in: LogIn) -> None:
        answer = logged_in("galina").post("/admin/teams/new/", {"name": "Вторые продажи", "code": "sales"})

        assert "Такая запись уже есть" in answer.text
        assert "Вторые продажи" in answer.text

    def test_a_problem_stands_beside_its_field(self, logged_in: LogIn) -> None:
        answer = logged_in("galina").post("/admin/teams/new/", {"name": "", "code": "два слова"})

        assert "Не может быть пустым" in answer.text
        assert "Латинские буквы" in answer.text


class TestManagers:
    def test_a_manager_is_made_with_his_user(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        form = {
            "name": "Егор",
            "login": "egor",
            "email": "egor@example.org",
            "weight_milli": "0,5",
            "skills": "чат, vip, чат",
        }

        answer = logged_in("galina").post("/admin/managers/new/", {**form, "team_id": cast.sales.id})

        assert answer.status_code == 302
        with sessions() as session:
            egor = session.scalars(select(Manager).join(Manager.user).where(Manager.user.has(login="egor"))).one()
            assert (egor.weight_milli, egor.skills, egor.team_id) == (500, ["чат", "vip"], cast.sales.id)
            assert egor.user.email == "egor@example.org"
            assert egor.user.password_hash is None

    def test_his_page_of_changes_shows_what_is_there(self, logged_in: LogIn, cast: Cast) -> None:
        page = logged_in("galina").get(f"/admin/managers/edit/?id={cast.anna.id}").text

        assert 'value="anna@example.org"' in page
        assert 'value="1"' in page

    def test_nobody_leaves_before_he_came(self, logged_in: LogIn, cast: Cast) -> None:
        form = {"name": "Анна", "login": "anna", "weight_milli": "1", "hired_on": "2026-05-01", "left_on": "2026-04-01"}

        answer = logged_in("galina").post(f"/admin/managers/edit/?id={cast.anna.id}", form)

        assert "раньше первого рабочего дня" in answer.text


class TestCalendars:
    WEEK = {"name": "Смена", "code": "shift", "zone": "Europe/Moscow"}

    def test_hours_are_typed_as_people_write_them(self, logged_in: LogIn, sessions: Sessions) -> None:
        answer = logged_in("galina").post(
            "/admin/calendars/new/", {**self.WEEK, "mon": "9:00-13:00, 14:00 – 18:00", "sun": "0:00–24:00"}
        )

        assert answer.status_code == 302
        with sessions() as session:
            weekly = session.scalars(select(Calendar.weekly).where(Calendar.code == "shift")).one()
        assert weekly == {"mon": [["09:00", "13:00"], ["14:00", "18:00"]], "sun": [["00:00", "24:00"]]}

    @pytest.mark.parametrize(
        ("week", "words"),
        [
            ({}, "нет рабочего времени"),
            ({"mon": "09:00–13:00, 12:00–18:00"}, "пересекаются"),
            ({"tue": "18:00–09:00"}, "не позже, чем начинается"),
            ({"wed": "9 утра"}, "двумя временами"),
            ({"mon": "09:00–18:00", "zone": "Mars/Olympus"}, "не найден"),
        ],
    )
    def test_hours_that_make_no_sense_are_refused_in_place(
        self, logged_in: LogIn, sessions: Sessions, week: dict[str, str], words: str
    ) -> None:
        answer = logged_in("galina").post("/admin/calendars/new/", {**self.WEEK, **week})

        assert words in answer.text and 'class="problem"' in answer.text
        assert all(f'value="{typed}"' in answer.text for typed in week.values())
        with sessions() as session:
            assert session.scalars(select(Calendar).where(Calendar.code == "shift")).all() == []

    def test_the_company_always_has_exactly_one(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        galina = logged_in("galina")
        old = f"/admin/calendars/edit/?id={cast.calendar.id}"
        kept = {"name": "Основной", "code": "default", "zone": "Europe/Moscow", "mon": "09:00–18:00"}
        assert "сначала отметьте другой календарь" in galina.post(old, kept).text

        galina.post("/admin/calendars/new/", {**self.WEEK, "mon": "09:00–18:00", "is_default": "y"})

        with sessions() as session:
            assert session.scalars(select(Calendar.code).where(Calendar.is_default)).all() == ["shift"]

    def test_a_changed_calendar_wakes_the_open_requests(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        with db.transaction(sessions) as session:
            request = make_request(session)
            session.scalars(select(WorkItem).where(WorkItem.subject_id == request.id)).one().wake_at = None

        logged_in("galina").post("/admin/calendars/new/", {**self.WEEK, "mon": "09:00–18:00"})

        with sessions() as session:
            assert session.scalars(select(WorkItem.wake_at)).all() == [MONDAY]

    def test_a_date_with_other_hours_needs_them(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        galina = logged_in("galina")
        form = {"calendar_id": cast.calendar.id, "day": "2026-12-31", "kind": "windows"}
        assert "укажите часы" in galina.post("/admin/exceptions/new/", form).text
        assert (
            "пересекаются"
            in galina.post("/admin/exceptions/new/", {**form, "windows": "10:00–12:00, 11:00–13:00"}).text
        )

        galina.post("/admin/exceptions/new/", {**form, "windows": "10:00–15:00"})

        with sessions() as session:
            row = session.scalars(select(CalendarException)).one()
        assert (row.day, row.windows) == (date(2026, 12, 31), [["10:00", "15:00"]])


class TestAbsences:
    def test_an_absence_is_of_the_business_zone(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        form = {"manager_id": cast.anna.id, "starts_at": "2026-10-06T00:00", "ends_at": "2026-10-20T00:00"}
        galina = logged_in("galina")

        assert galina.post("/admin/absences/new/", form).status_code == 302

        with sessions() as session:
            row = session.scalars(select(Absence)).one()
            assert row.starts_at.isoformat() == "2026-10-05T21:00:00+00:00"
        assert "Анна" in galina.get("/admin/absences/").text

    @pytest.mark.parametrize("ends_at", [["2026-10-05", ""], ["2026-10-06", "09:00"], ["2026-10-06", "08:59"]])
    def test_it_cannot_end_before_it_begins(self, logged_in: LogIn, cast: Cast, ends_at: list[str]) -> None:
        form = {"manager_id": cast.anna.id, "starts_at": ["2026-10-06", "09:00"], "ends_at": ends_at}

        answer = logged_in("galina").post("/admin/absences/new/", form)

        assert "раньше начала" in answer.text
        assert all(f'value="{typed}"' in answer.text for typed in ("2026-10-06", "09:00", *ends_at) if typed)

    def test_a_bare_last_day_is_an_absence_too_and_is_shown_so_again(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        galina = logged_in("galina")
        form = {"manager_id": cast.anna.id, "starts_at": ["2026-10-06", ""], "ends_at": ["2026-10-09", ""]}
        assert galina.post("/admin/absences/new/", form).status_code == 302
        with sessions() as session:
            row = session.scalars(select(Absence)).one()
        assert (row.starts_at, row.ends_at) == (at("2026-10-06 00:00"), at("2026-10-10 00:00"))
        shown = galina.get(f"/admin/absences/edit/?id={row.id}").text
        assert 'value="2026-10-06"' in shown and 'value="2026-10-09"' in shown

    def test_he_is_not_away_twice(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            row = make_absence(session, cast.anna, at("2026-10-06 00:00"), at("2026-10-10 00:00"))
        galina = logged_in("galina")
        form = {"manager_id": cast.anna.id, "starts_at": ["2026-10-09", ""], "ends_at": ["2026-10-12", ""]}
        answer = galina.post("/admin/absences/new/", form)
        assert "Анна уже отсутствует с 06.10.2026 00:00 до 10.10.2026 00:00" in answer.text
        # The absence itself may be made longer, and another may begin when it ends.
        assert galina.post(f"/admin/absences/edit/?id={row.id}", form).status_code == 302
        form |= {"starts_at": ["2026-10-13", ""], "ends_at": ["2026-10-13", ""]}
        assert galina.post("/admin/absences/new/", form).status_code == 302


class TestDuty:
    def form(self, cast: Cast, **more: Any) -> dict[str, Any]:
        hours = {"starts_at": ["2026-10-24", "10:00"], "ends_at": ["2026-10-24", "14:00"]}
        return {"manager_id": cast.anna.id, **hours, **more}

    def test_a_shift_is_repeated_by_the_clock_on_the_wall(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        galina = logged_in("galina")
        assert galina.post("/admin/duty/new/", self.form(cast, weeks="2", note="суббота")).status_code == 302
        with sessions() as session:
            begins = session.scalars(select(DutyShift.starts_at).order_by(DutyShift.starts_at)).all()
        assert begins == [at("2026-10-24 10:00"), at("2026-10-31 10:00"), at("2026-11-07 10:00")]
        shown = galina.get("/duty/?from=2026-10-20").text
        assert shown.count("10:00–14:00 · суббота") == 3 and "Никто сейчас не дежурит" in shown

    def test_a_shift_that_overlaps_or_ends_before_it_begins_is_refused_in_place(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        galina = logged_in("galina")
        galina.post("/admin/duty/new/", self.form(cast))
        again = galina.post(
            "/admin/duty/new/", self.form(cast, starts_at=["2026-10-24", "13:00"], ends_at=["2026-10-24", "18:00"])
        )
        assert "Анна уже дежурит с 24.10.2026 10:00" in again.text
        reversed_ = galina.post("/admin/duty/new/", self.form(cast, ends_at=["2026-10-24", "09:00"]))
        assert "кончается раньше, чем начинается" in reversed_.text
        # A repeat that overlaps keeps none of them.
        before = galina.post(
            "/admin/duty/new/",
            self.form(cast, starts_at=["2026-10-17", "10:00"], ends_at=["2026-10-17", "14:00"], weeks="1"),
        )
        assert "уже дежурит" in before.text
        with sessions() as session:
            assert session.query(DutyShift).count() == 1

    def test_a_day_of_the_roster_fills_the_form(self, logged_in: LogIn, cast: Cast) -> None:
        shown = logged_in("galina").get("/admin/duty/new/?day=2026-10-24").text
        assert shown.count('value="2026-10-24"') == 2


class TestPeople:
    def test_a_team_without_managers_says_what_follows(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            nobody = make_team(session, "north", "Север")
        galina = logged_in("galina")
        assert "В этом отделе никто не работает" in galina.get(f"/admin/teams/details/?id={nobody.id}").text
        of_sales = galina.get(f"/admin/teams/details/?id={cast.sales.id}").text
        assert "В этом отделе никто не работает" not in of_sales and "Анна, Борис" in of_sales

    def test_whoever_holds_open_requests_cannot_have_left(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        with db.transaction(sessions) as session:
            make_request(session, manager_id=cast.anna.id, status=RequestStatus.ASSIGNED)
        form = {"name": "Анна", "login": "anna", "weight_milli": "1", "left_on": "2026-10-20"}
        answer = logged_in("galina").post(f"/admin/managers/edit/?id={cast.anna.id}", form)
        assert "у него открытых заявок: 1" in answer.text
        with sessions() as session:
            assert session.get_one(Manager, cast.anna.id).left_on is None


class TestLists:
    @pytest.mark.parametrize(
        "query",
        [
            "page=99999999999999999999",
            "page=-1",
            "page_size=100000000",
            "sort=99",
            "sort=-1",
            "flt0_0=x",
            "flt9_9=1",
            "search=%25",
        ],
    )
    def test_an_address_made_up_by_hand_does_not_break_a_list(self, logged_in: LogIn, query: str) -> None:
        assert logged_in("galina").get(f"/admin/managers/?{query}").status_code == 200

    @pytest.mark.parametrize("row_id", ["0", "-1", "x", "9" * 30, "1' or 1=1"])
    def test_a_row_that_is_not_there_is_not_found(self, logged_in: LogIn, row_id: str) -> None:
        assert logged_in("galina").get("/admin/teams/details/", query_string={"id": row_id}).status_code == 404

    def test_a_list_is_filtered_and_searched(self, logged_in: LogIn, cast: Cast) -> None:
        galina = logged_in("galina")

        one_team = galina.get(f"/admin/managers/?flt0_0={cast.others.id}").text.partition("<tbody>")[2]
        found = galina.get("/admin/managers/?search=Борис").text.partition("<tbody>")[2]

        assert "Вера" in one_team
        assert "Анна" not in one_team
        assert "Борис" in found
        assert "Анна" not in found

    def test_more_rows_cost_no_more_queries(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, count_queries: Callable[[], int]
    ) -> None:
        galina = logged_in("galina")
        with db.transaction(sessions) as session:
            make_absence(session, cast.anna, MONDAY, MONDAY.replace(day=20))
        pages = ["/admin/managers/", "/admin/absences/", "/admin/request_rows/", "/admin/teams/"]
        galina.get("/admin/managers/")
        few = []
        for page in pages:
            count_queries()
            galina.get(page)
            few.append(count_queries())
        with db.transaction(sessions) as session:
            for number in range(20):
                manager = make_manager(session, team=cast.sales)
                make_absence(session, manager, MONDAY, MONDAY.replace(day=20))
                make_request(session, manager_id=manager.id, external_id=f"R-{number}")
        galina.get("/admin/managers/")
        for page, before in zip(pages, few, strict=True):
            count_queries()
            galina.get(page)
            assert count_queries() <= before, page


class TestExport:
    @pytest.mark.parametrize(
        ("cell", "safe"),
        [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+7 999", "'+7 999"),
            ("-12", "-12"),
            ("-12.5", "-12.5"),
            ("Анна", "Анна"),
        ],
    )
    def test_a_cell_is_never_a_formula(self, cell: str, safe: str) -> None:
        assert defused(cell) == safe

    def test_an_exported_list_opens_in_a_spreadsheet(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        galina = logged_in("galina")
        galina.post("/admin/teams/new/", {"name": "=cmd()", "code": "evil"})

        answer = galina.get("/admin/teams/export/csv/")

        assert answer.mimetype == "text/csv"
        assert "teams-2026-10-05.csv" in answer.headers["Content-Disposition"]
        assert answer.text.startswith("\ufeffНазвание,Код")
        assert "'=cmd()" in answer.text


def test_an_auditor_reads_everything_and_is_offered_no_button(logged_in: LogIn, cast: Cast) -> None:
    page = logged_in("zhanna").get(f"/admin/teams/details/?id={cast.sales.id}").text

    assert "Продажи" in page
    assert "Изменить</a>" not in page
    assert "Удалить" not in page
