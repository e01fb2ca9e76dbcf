"""Files taken in row by row: what is made, what is refused and why, and that the same file twice changes nothing."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import Workbook
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.errors import InputError
from rules_engine.importers.columns import Job
from rules_engine.importers.report import Report
from rules_engine.importers.run import KINDS, import_file
from rules_engine.importers.tabular import FileRefused
from rules_engine.models import (
    Absence,
    Arrival,
    Assignment,
    Client,
    Contact,
    Manager,
    Request,
    RequestStatus,
    WorkItem,
)
from rules_engine.services.company.reference import reference
from rules_engine.settings import Settings
from tests.conftest import skip_or_fail
from tests.factories import MONDAY, Cast, at, make_cast, make_mode

RECEIPT = Path(__file__).parents[3] / "shared" / "data" / "receipt" / "requests.csv.gz"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
JOB = Job(source="import", zone=ZoneInfo("Europe/Moscow"), now=NOW, actor="import")


class Desk:
    """Imports text or rows as files of one folder; what `reading` has loaded is read anew afterwards."""

    def __init__(self, sessions: sessionmaker[Session], folder: Path, reading: Session | None = None) -> None:
        self.sessions = sessions
        self.folder = folder
        self.reading = reading

    def take(self, kind: str, text: str | Path, job: Job = JOB, **more: Any) -> Report:
        path = text if isinstance(text, Path) else self.folder / "file.csv"
        if isinstance(text, str):
            path.write_text(text, encoding="utf-8")
        if self.reading is not None:
            self.reading.rollback()
        return import_file(self.sessions, KINDS[kind], path, job, **more)

    def counts(self, kind: str, text: str | Path, job: Job = JOB, **more: Any) -> tuple[int, int, int, int, int]:
        report = self.take(kind, text, job, **more)
        return report.read, report.created, report.updated, report.unchanged, len(report.rejected)


@pytest.fixture
def session(engine: Engine, settings: Settings) -> Iterator[Session]:
    with db.make_reading_sessions(engine, settings)() as session:
        yield session


@pytest.fixture
def desk(sessions: sessionmaker[Session], tmp_path: Path, session: Session) -> Desk:
    return Desk(sessions, tmp_path, session)


@pytest.fixture
def cast(sessions: sessionmaker[Session]) -> Cast:
    with db.transaction(sessions) as session:
        cast = make_cast(session, live=False)
        make_mode(session, "assignment", "hints")
    return cast


def number_of(session: Session, row: type) -> int:
    return session.scalar(select(func.count()).select_from(row)) or 0


MANAGERS = "login;name;team;weight;skills;hired_on\nivan;Иван;Юг;0,5;сайты, хостинг;12.01.2026\nolga;Ольга;Юг;;;\n"


def test_managers_come_in_once_and_change_when_the_file_does(desk: Desk, session: Session) -> None:
    assert desk.counts("managers", MANAGERS) == (2, 2, 0, 0, 0)
    assert desk.counts("managers", MANAGERS) == (2, 0, 0, 2, 0)
    assert desk.counts("managers", MANAGERS.replace("Ольга", "Ольга Петрова")) == (2, 0, 1, 1, 0)
    ivan = reference(session).by_login("ivan")
    assert ivan is not None and (ivan.team_code, ivan.weight * 2, sorted(ivan.skills)) == (
        "Юг",
        1,
        ["сайты", "хостинг"],
    )


def test_a_real_export_is_read_under_its_title_and_without_its_totals(desk: Desk, cast: Cast, session: Session) -> None:
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    for row in (
        ["Заявки за октябрь"],
        ["сформировано 01.11.2026"],
        [],
        ["Номер заявки *", "Дата поступления", "Клиент", "ИНН", "Телефон", "Сумма", "Ответственный", "Примечание"],
        ["A-1", MONDAY.replace(tzinfo=None), "ООО Ромашка", 277047190, "8 (495) 000-00-01", 1234.56, "Анна", "x"],
        ["A-2", "05.10.2026 9:05", "Пётр", None, "8 495 000-00-02", "1 234,56 ₽", None, "y"],
        ["Итого", None, None, None, None, 2469.12],
    ):
        sheet.append(row)
    path = desk.folder / "requests.xlsx"
    workbook.save(path)
    report = desk.take("requests", path)
    assert (report.read, report.created, report.rejected, report.ignored) == (2, 2, [], ("Примечание",))
    first, second = session.scalars(select(Request).order_by(Request.id))
    assert (first.amount_minor, first.manager_id, first.received_at) == (123_456, cast.anna.id, MONDAY)
    assert (second.amount_minor, second.manager_id, second.received_at) == (123_456, None, at("2026-10-05 09:05"))
    assert [client.inn for client in session.scalars(select(Client).order_by(Client.id))] == ["0277047190", None]


REQUESTS = """external_id,received_at,client_external_id,client_name,service,channel,amount,manager
A-1,2026-10-05T11:20:00+03:00,K-1,Ромашка,hosting,сайт,14500.00,
A-2,05.10.2026 11:30,K-1,,site,телефон,"1 234,56",Анна
"""


def test_requests_come_in_and_who_has_a_manager_is_his(desk: Desk, cast: Cast, session: Session) -> None:
    assert desk.counts("requests", REQUESTS) == (2, 2, 0, 0, 0)
    first, second = session.scalars(select(Request).order_by(Request.id))
    assert (first.status, first.channel, first.client_id) == (RequestStatus.NEW, "web", second.client_id)
    assert (second.status, second.manager_id, second.amount_minor) == ("assigned", cast.anna.id, 123_456)
    wakes = {item.subject_id: item.wake_at for item in session.scalars(select(WorkItem))}
    assert wakes[first.id] == MONDAY
    assert session.scalars(select(Assignment)).one().request_id == second.id


def test_the_same_file_again_changes_nothing_and_a_corrected_one_only_what_differs(
    desk: Desk, cast: Cast, session: Session
) -> None:
    desk.take("requests", REQUESTS)
    assert desk.counts("requests", REQUESTS) == (2, 0, 0, 2, 0)
    corrected = REQUESTS.replace("14500.00", "15000.00").replace("Анна", "boris")
    assert desk.counts("requests", corrected) == (2, 0, 2, 0, 0)
    assert desk.counts("requests", corrected) == (2, 0, 0, 2, 0)
    first, second = session.scalars(select(Request).order_by(Request.id))
    assert (first.amount_minor, second.manager_id) == (1_500_000, cast.boris.id)
    assert [held.end_reason for held in session.scalars(select(Assignment).order_by(Assignment.id))] == [
        "external",
        None,
    ]


def test_a_file_cannot_take_a_request_from_who_the_rules_chose(desk: Desk, cast: Cast, session: Session) -> None:
    with db.transaction(desk.sessions) as writing:
        make_mode(writing, "assignment", "live", since=NOW - timedelta(days=40))
    desk.take("requests", REQUESTS)
    report = desk.take("requests", REQUESTS.replace("Анна", "boris"))
    assert [(one.row, one.column) for one in report.rejected] == [(3, "manager")]
    assert session.scalars(select(Assignment)).one().manager_id == cast.anna.id


def test_a_status_in_the_file_is_followed_as_far_as_it_can_follow(desk: Desk, cast: Cast, session: Session) -> None:
    head = "external_id,received_at,manager,status,closed_at\nA-1,2026-10-05 11:20,anna,"
    desk.take("requests", head + "assigned,\n")
    assert desk.counts("requests", head + "отказ,2026-10-06 10:00\n") == (1, 0, 1, 0, 0)
    request = session.scalars(select(Request)).one()
    assert (request.status, request.close_reason, request.closed_at) == ("lost", "other", at("2026-10-06 10:00"))
    desk.take("requests", head + "won,2026-10-07 10:00\n")
    report = desk.take("requests", head + "отказ,2026-10-08 10:00\n")
    assert [(one.column, one.en) for one in report.rejected] == [("status", "a paid request is final")]


SPOILED = {
    "A-3,вчера,,,": "received_at",
    ",2026-10-05 11:20,,,": "external_id",
    "A-5,2026-10-05 11:20,много,,": "amount",
    "A-6,2026-10-05 11:20,-5,,": "amount",
    "A-7,2026-10-05 11:20,,глеб,": "manager",
    "A-8,2036-10-05 11:20,,,": "received_at",
    "A-9,1986-10-05 11:20,,,": "received_at",
    "A-10,2026-10-05 11:20,,,спит": "status",
    "A-11,2026-10-05 11:20,,,in_progress": "status",
    "A-1,2026-10-05 11:21,,,": "external_id",
    "A-12,2026-10-05 11:20,1.00,,,лишнее": None,
    f"{'A' * 201},2026-10-05 11:20,,,": "external_id",
}


def test_each_spoiled_row_is_named_with_its_line_column_and_reason_and_stops_nothing(
    desk: Desk, cast: Cast, session: Session
) -> None:
    rows = ["A-1,2026-10-05 11:20,1.00,,", *SPOILED, "A-2,2026-10-05 11:20,,,"]
    report = desk.take("requests", "\n".join(["external_id,received_at,amount,manager,status", *rows]))
    assert (report.read, report.created) == (len(rows), 2)
    assert [(one.row, one.column) for one in report.rejected] == list(zip(range(3, 15), SPOILED.values(), strict=True))
    assert all(one.reason("ru") != one.reason("en") and one.reason("ru") for one in report.rejected)
    assert sorted(session.scalars(select(Request.external_id))) == ["A-1", "A-2"]


def test_an_arrival_cannot_be_moved_by_a_later_file(desk: Desk, cast: Cast) -> None:
    text = "external_id,received_at\nA-1,2026-10-05 11:20\n"
    desk.take("requests", text)
    report = desk.take("requests", text.replace("11:20", "11:21"))
    assert [(one.row, one.column) for one in report.rejected] == [(2, "received_at")]


def test_a_refused_row_names_the_column_as_the_file_calls_it(desk: Desk) -> None:
    report = desk.take("requests", "case,when\n1,завтра\n", mapping={"external_id": "case", "received_at": "when"})
    assert report.to_json("en")["rejected"] == [
        {"row": 2, "column": "when", "reason": "'завтра' is no date and no time"}
    ]


def test_a_dry_run_reports_the_same_and_stores_nothing(desk: Desk, cast: Cast, session: Session) -> None:
    spoiled = REQUESTS + REQUESTS.splitlines()[1] + "\nA-3,вчера,,,,,,\n"
    trial = desk.take("requests", spoiled, dry_run=True)
    assert number_of(session, Request) == number_of(session, Client) == number_of(session, WorkItem) == 0
    real = desk.take("requests", spoiled)
    assert trial.to_json("ru") == real.to_json("ru")
    assert (real.created, real.unchanged, len(real.rejected)) == (2, 1, 1)


def test_history_is_kept_as_a_closed_book(desk: Desk, cast: Cast, session: Session) -> None:
    head = "external_id,received_at,manager,status,first_answer_at\n"
    job = replace(JOB, is_history=True)
    assert desk.counts("requests", head + "A-1,2026-10-05 11:20,anna,,\n", job) == (1, 1, 0, 0, 0)
    assert number_of(session, WorkItem) == number_of(session, Assignment) == 0
    assert desk.counts("requests", head + "A-1,2026-10-05 11:20,boris,won,2026-10-05 12:00\n", job) == (1, 0, 1, 0, 0)
    request = session.scalars(select(Request)).one()
    assert (request.is_history, request.status, request.manager_id) == (True, "won", cast.boris.id)


def test_clients_come_in_with_owner_phones_and_consent(desk: Desk, cast: Cast, session: Session) -> None:
    text = (
        "Код;Наименование;ИНН;Телефоны;Почта;Закреплённый менеджер;Не звонить;consent_on\n"
        "K-1;ООО Ромашка;7707083893;8 495 000-00-01; info@romashka.example.org;Вера;да;01.02.2026\n"
    )
    assert desk.counts("clients", text) == (1, 1, 0, 0, 0)
    assert desk.counts("clients", text) == (1, 0, 0, 1, 0)
    client = session.scalars(select(Client)).one()
    assert (client.owner_id, client.do_not_call, str(client.consent_on)) == (cast.vera.id, True, "2026-02-01")
    assert [point.normalized for point in client.points] == ["+74950000001", "info@romashka.example.org"]
    assert desk.take("clients", text.replace("Вера", "Глеб")).rejected[0].column == "Закреплённый менеджер"


def test_contacts_find_their_request_and_answer_it(desk: Desk, cast: Cast, session: Session) -> None:
    desk.take("requests", REQUESTS)
    text = (
        "external_id,request_external_id,client_external_id,at,вид,направление,итог,duration_seconds\n"
        "C-1,A-2,,05.10.2026 11:40,звонок,исходящий,ответил,65\n"
        "C-2,,K-1,05.10.2026 11:50,встреча,входящий,,\n"
        "C-3,A-9,,05.10.2026 11:50,звонок,исходящий,,\n"
        "C-4,,,05.10.2026 11:50,звонок,исходящий,,\n"
    )
    report = desk.take("contacts", text)
    assert (report.created, [(one.row, one.column) for one in report.rejected]) == (
        2, [(4, "request_external_id"), (5, "request_external_id")],
    )  # fmt: skip
    assert desk.counts("contacts", text) == (4, 0, 0, 2, 2)
    answered = session.scalars(select(Request).where(Request.external_id == "A-2")).one()
    assert (answered.first_answer_at, answered.status) == (at("2026-10-05 11:40"), "in_progress")
    assert [one.proof for one in session.scalars(select(Contact))] == ["by_hand", "by_hand"]


def test_absences_include_their_last_day(desk: Desk, cast: Cast, session: Session) -> None:
    text = "Сотрудник;С;По;Причина\nАнна;05.10.2026;09.10.2026;отпуск\nборис;05.10.2026 12:00;05.10.2026 10:00;врач\n"
    report = desk.take("absences", text)
    assert (report.created, [(one.row, one.column) for one in report.rejected]) == (1, [(3, "По")])
    away = session.scalars(select(Absence)).one()
    assert (away.starts_at, away.ends_at) == (at("2026-10-05 00:00"), at("2026-10-10 00:00"))
    assert desk.counts("absences", text) == (2, 0, 0, 1, 1)


def test_what_is_laid_down_waits_unseen(desk: Desk, cast: Cast, session: Session) -> None:
    job = replace(JOB, lays_down=True)
    assert desk.counts("requests", REQUESTS, job) == (2, 2, 0, 0, 0)
    assert desk.counts("requests", REQUESTS, job) == (2, 0, 0, 2, 0)
    assert desk.counts("requests", REQUESTS.replace("14500", "99"), job) == (2, 0, 1, 1, 0)
    assert (number_of(session, Arrival), number_of(session, Request)) == (2, 0)
    arrival = session.scalars(select(Arrival).order_by(Arrival.at)).first()
    assert arrival is not None and (arrival.kind, arrival.at, arrival.payload["amount"]) == ("request", MONDAY, "99.00")
    session.rollback()
    with db.transaction(desk.sessions) as writing:
        writing.execute(Arrival.__table__.update().values(handed_at=NOW))
    assert desk.counts("requests", REQUESTS, job) == (2, 0, 0, 1, 1)
    absences = "manager,from,to\nanna,05.10.2026,09.10.2026\n"
    assert desk.counts("absences", absences, job) == (1, 1, 0, 0, 0)
    assert number_of(session, Absence) == 0


def test_a_header_that_lacks_a_column_says_which_and_what_there_is(desk: Desk) -> None:
    with pytest.raises(FileRefused, match=r"lacks the columns received_at; it has external_id, when"):
        desk.take("requests", "external_id,when\n1,2\n")
    with pytest.raises(FileRefused, match="no column “zeit”"):
        desk.take("requests", "external_id,when\n1,2\n", mapping={"received_at": "zeit"})
    with pytest.raises(FileRefused, match="no header row"):
        desk.take("requests", "a,b\n1,2\n")
    with pytest.raises(InputError, match="received_at"):
        desk.take("requests", "a,b\n1,2\n", mapping={"recieved_at": "a"})


def test_a_mapped_column_is_not_also_that_of_its_own_name(desk: Desk, session: Session) -> None:
    text = "id,received_at,region\n1,2026-10-05 11:20,Post\n"
    desk.take("requests", text, mapping={"external_id": "id", "channel": "region"})
    request = session.scalars(select(Request)).one()
    assert (request.channel, request.region) == ("Post", None)


def test_many_rows_go_through_in_several_transactions(desk: Desk, session: Session) -> None:
    rows = [f"A-{number},2026-10-05 11:20" for number in range(1201)]
    text = "external_id,received_at\n" + "\n".join(rows)
    path = desk.folder / "many.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert desk.counts("requests", path) == (1201, 1201, 0, 0, 0)
    assert number_of(session, Request) == 1201


def test_files_are_taken_in_alike_on_both_databases(any_engine: Engine, settings: Settings, tmp_path: Path) -> None:
    desk = Desk(db.make_sessions(any_engine, settings), tmp_path)
    assert desk.counts("managers", MANAGERS) == (2, 2, 0, 0, 0)
    assert desk.counts("requests", REQUESTS.replace("Анна", "Глеб")) == (2, 1, 0, 0, 1)
    with desk.sessions() as session:
        assert (number_of(session, Manager), number_of(session, Request)) == (2, 1)


def test_a_real_log_of_requests_is_laid_down_whole(desk: Desk, session: Session) -> None:
    if not RECEIPT.exists():
        skip_or_fail("../shared/data/receipt is not there")
    mapping = {"external_id": "case_id", "received_at": "first_event_utc", "client_external_id": "responsible"}
    job = replace(JOB, zone=ZoneInfo("Europe/Amsterdam"), lays_down=True)
    report = desk.take("requests", RECEIPT, job, mapping=mapping)
    assert (report.read, report.created, report.rejected) == (1434, 1434, [])
    assert {"department", "arrival", "n_resources"} <= set(report.ignored)
    first = session.scalars(select(Arrival).order_by(Arrival.at).limit(1)).one()
    assert first.at == datetime(2010, 10, 2, 7, 20, 39, 266000, tzinfo=UTC)
