"""Old clients are called, by the shipped rules: different outcomes, neglected calls, and a hold that is answered."""

import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    OverdueAction,
    OverdueKind,
    OverdueState,
    Role,
    Task,
    User,
)
from rules_engine.services.clients import wakes
from rules_engine.services.company.passwords import hash_password
from rules_engine.services.requests import assignment
from rules_engine.services.running import agenda, setup
from rules_engine.settings import Settings
from tests.browser.conftest import PHONE, WIDE, Person, Site
from tests.browser.test_pages import FAINT_TEXTS
from tests.factories import (
    PASSWORD,
    at,
    make_client,
    make_contact,
    make_manager,
    make_payment,
    make_request,
    make_team,
    make_user,
)

Seat = Callable[..., Person]

MONDAY = at("2026-11-16 09:05")
FIRMS = [
    "ООО «Вектор»", "ИП Соколова", "ООО «Маяк»", "АО «Северный терминал»", "ООО «Ромашка»", "ИП Гаврилов",
    "ООО «Научно-производственное объединение «Прогресс»", "Фонд «Дети»",
]  # fmt: skip
REGIONS = ["Москва", "Новосибирская область", None, "Приморский край", None, "Казахстан", "Самара", None]


def found(session: Session) -> None:
    """Add Анна's old clients, who pay every sixty days and will need us within a week, and one whose contract ends."""
    setup.initialise(session, now=MONDAY - timedelta(days=300), live=True)
    team = make_team(session, "east", "Восток", head=make_user(session, "svetlana", "Светлана", role=Role.HEAD))
    anna = make_manager(session, "anna", "Анна Белова", team=team)
    make_manager(session, "boris", "Борис Титов", team=team)
    for place, (name, region) in enumerate(zip(FIRMS, REGIONS, strict=True)):
        client = make_client(
            session, name, owner=anna, phone=f"+7905000000{place}", region=region, consent_on=date(2026, 1, 12),
            consent_source="договор",
        )  # fmt: skip
        for turn in range(4):
            paid_at = MONDAY - timedelta(days=57 + 60 * turn)
            make_payment(session, client, paid_at, 4_000_000 + place * 150_000, service="хостинг", manager=anna)
        if place % 2:
            said_at = MONDAY - timedelta(days=50)
            make_contact(session, client=client, at=said_at, outcome="not_now", note="напомните в ноябре", manager=anna)
    make_client(session, "ЗАО «Договор»", owner=anna, phone="+79050000010", contract_ends_on=date(2026, 12, 17))
    wakes.ask_for_clients(session, session.scalars(select(Client.id)), MONDAY)
    client = make_client(session, "ООО «Лето»", owner=anna, phone="+74950000001")
    request = make_request(session, client=client, client_name=client.name, received_at=MONDAY, wake=False)
    assignment.assign_by_hand(session, request, anna, reason="для примера", actor="svetlana", now=MONDAY)
    for user in session.scalars(select(User)):
        user.password_hash = hash_password(PASSWORD)


@pytest.fixture(scope="session")
def company_file(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of the company on that Monday, made once; each test works on a copy of its own."""
    path = tmp_path_factory.mktemp("callers") / "company.db"
    shutil.copy(sqlite_template, path)
    engine = db.make_engine(f"sqlite:///{path}", relaxed=True)
    sessions = db.make_sessions(engine, Settings.from_env({"PRAVILA_HOME": str(path.parent / "home")}))
    with db.transaction(sessions) as session:
        found(session)
    agenda.run_due(sessions, MONDAY)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(company_file: Path, tmp_path: Path) -> str:
    """Instead of the empty database: what the pages of these tests stand on."""
    path = tmp_path / "pravila.db"
    shutil.copy(company_file, path)
    return f"sqlite:///{path}"


@pytest.fixture
def company(site: Site) -> Site:
    site.clock.at = MONDAY
    return site


def faint_texts(person: Person) -> list[str]:
    """Return the texts of the page that WCAG AA calls too faint."""
    found: list[str] = person.page.evaluate(FAINT_TEXTS)
    return found


def live_until(site: Site, now: datetime) -> None:
    """Let what is due be done, and the pages' clock stand at `now`."""
    agenda.run_due(site.sessions, now)
    site.clock.at = now


def calls(site: Site, state: CallbackState = CallbackState.OPEN) -> list[Callback]:
    with site.sessions() as session:
        return list(session.scalars(select(Callback).where(Callback.state == state).order_by(Callback.id)))


def holds(site: Site) -> list[tuple[OverdueState, str | None]]:
    found = select(OverdueAction).where(OverdueAction.kind == OverdueKind.HOLD).order_by(OverdueAction.id)
    with site.sessions() as session:
        return [(row.state, row.end_reason) for row in session.scalars(found)]


def task_of(site: Site, call: Callback) -> int:
    with site.sessions() as session:
        return session.scalars(select(Task.id).where(Task.callback_id == call.id, Task.state == "open")).one()


def test_calls_are_made_with_different_outcomes_in_two_taps(company: Site, person: Seat) -> None:
    anna = person(PHONE, dark=True)
    anna.log_in("anna")
    page = anna.page
    assert "ООО «Лето»" in page.locator(".task").first.inner_text()  # a request has minutes, a call has days
    assert "Звонки сегодня: 0 из 6" in page.locator("main").inner_text()
    anna.look_at_both_widths("calls")
    first, second, third, fourth = (task_of(company, call) for call in calls(company)[:4])

    page.locator(f"#task-{first} a[data-opens]").evaluate("link => link.removeAttribute('href')")
    page.locator(f"#task-{first} a[data-opens]").click()
    page.set_viewport_size(PHONE)
    anna.look_at_both_widths("calls-open")
    page.locator(f"#talk-{first}").get_by_role("button", name="Через неделю").click()
    anna.look()
    assert "Звонки сегодня: 1 из 6" in page.locator("main").inner_text()

    page.locator(f"#task-{second}").get_by_role("button", name="Не дозвонился").click()
    anna.look()
    page.locator(f"#talk-{third} summary").click()
    page.locator(f"#talk-{third}").get_by_role("button", name="Дорого").click()
    anna.look()
    anna.expected.append("422")
    page.locator(f"#talk-{fourth} summary").click()
    page.locator(f"#talk-{fourth}").get_by_label("О чём говорили").fill("ждёт директора")
    page.locator(f"#talk-{fourth}").get_by_role("button", name="Думает").click()
    anna.look()
    assert page.locator(f"#talk-{fourth}").get_by_text("До какого дня думает клиент").is_visible()
    assert page.locator(f"#talk-{fourth}").get_by_label("О чём говорили").input_value() == "ждёт директора"
    anna.look_at_both_widths("calls-refused")
    assert faint_texts(anna) == []

    assert sorted(call.outcome for call in calls(company, CallbackState.DONE)) == ["refused", "thinks"]
    assert "попытка 2" in page.locator("main").inner_text()


def test_without_javascript_and_by_keyboard_a_call_is_finished_too(company: Site, person: Seat) -> None:
    first, second = (task_of(company, call) for call in calls(company)[:2])
    plain = person(PHONE, scripts=False)
    plain.page.goto(company.url + "/login")
    plain.page.locator("input[name=login]").fill("anna")
    plain.page.locator("input[name=password]").fill(PASSWORD)
    plain.page.locator("form.card button").click()
    plain.page.locator(f"#talk-{first} summary").click()
    plain.page.locator(f"#talk-{first}").get_by_role("button", name="Заказ").click()
    assert "Записано" in plain.page.locator(".flashes").inner_text()

    keys = person(WIDE)
    keys.log_in("anna")
    keys.expected.append("422")
    keys.page.locator(f"#talk-{second} summary").focus()
    keys.page.keyboard.press("Enter")
    keys.page.keyboard.press("Tab")
    keys.page.keyboard.type("перезвонить")
    with keys.page.expect_navigation():
        keys.page.keyboard.press("Enter")  # in the note: it must decide nothing
    keys.look()
    assert keys.page.get_by_text("Выберите итог").is_visible()
    keys.page.locator(f"#note-{second}").focus()
    keys.page.keyboard.press("Tab")
    with keys.page.expect_navigation():
        keys.page.keyboard.press("Enter")
    keys.look()

    assert [call.outcome for call in calls(company, CallbackState.DONE)] == ["order", "order"]


def test_neglected_calls_lead_to_a_hold_that_is_declined_proposed_again_confirmed_and_ends(
    company: Site, person: Seat
) -> None:
    for day in range(17, 21):
        live_until(company, at(f"2026-11-{day} 09:05"))
    svetlana = person(WIDE)
    svetlana.log_in("svetlana")
    svetlana.page.get_by_role("link", name="1 предложение ждёт ответа").click()
    svetlana.look_at_both_widths("overdue")
    svetlana.page.get_by_role("button", name="договорились о другом сроке").click()
    svetlana.look()
    assert holds(company) == [(OverdueState.DECLINED, None)]

    # Another call becomes overdue: something new has happened, so it is proposed again.
    for day in ("2026-11-23", "2026-11-24", "2026-11-25"):
        live_until(company, at(f"{day} 09:05"))
    svetlana.open("/overdue/")
    svetlana.look_at_both_widths("overdue-many")
    hold = svetlana.page.locator("article", has_text="приостановка новых заявок")
    hold.get_by_role("button", name="Подтвердить").click()
    svetlana.look_at_both_widths("overdue-hold")
    assert faint_texts(svetlana) == []
    assert holds(company) == [(OverdueState.DECLINED, None), (OverdueState.CONFIRMED, None)]

    anna = person(PHONE)
    anna.log_in("anna")
    assert "Новые заявки приостановлены" in anna.page.locator("main .note").first.inner_text()
    anna.look_at_both_widths("my-hold")
    assert faint_texts(anna) == []
    anna.open("/overdue/")
    anna.look_at_both_widths("overdue-manager")
    late = [task_of(company, call) for call in calls(company) if call.due_at < company.clock.at]
    for task_id in late[:-2]:
        anna.open("/my/")
        if not anna.page.locator(f"#task-{task_id}").is_visible():
            anna.page.locator("details.section > summary", has_text="ещё").click()
        anna.page.locator(f"#talk-{task_id} summary").click()
        anna.page.locator(f"#talk-{task_id}").get_by_role("button", name="Не сейчас").click()
        anna.look()
    live_until(company, at("2026-11-25 12:00"))

    assert holds(company)[-1] == (OverdueState.ENDED, "calls_made")
    svetlana.open("/overdue/")
    svetlana.look_at_both_widths("overdue-history")
    assert "звонки сделаны" in svetlana.page.locator("main").inner_text()
    with company.sessions() as session:
        client_id = session.scalars(select(Client.id).where(Client.name == FIRMS[1])).one()
    svetlana.open(f"/clients/{client_id}")
    svetlana.look_at_both_widths("client")
    assert faint_texts(svetlana) == []
    svetlana.open("/")
    svetlana.look_at_both_widths("home-calls")
