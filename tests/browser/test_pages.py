"""The pages in a browser: both widths, both languages, without JavaScript on the main path, by keyboard."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Incident, OutboxMessage, Replay, Request, RequestStatus, Role, User, WorkItem
from rules_engine.services.company.passwords import hash_password
from rules_engine.services.drafts import editing
from rules_engine.services.records.incoming import ContactIn, Key, RequestIn
from rules_engine.services.requests import contacts, intake
from rules_engine.services.running import agenda, setup
from rules_engine.settings import Settings
from tests.browser.conftest import PHONE, WIDE, Person, Site
from tests.factories import PASSWORD, at, make_absence, make_client, make_manager, make_team, make_user

Seat = Callable[..., Person]

TUESDAY = at("2026-11-24 11:48")
SIZES = [pytest.param(WIDE, id="wide"), pytest.param(PHONE, id="phone")]
LANGUAGES = ["ru", "en"]
NAMES = {
    "anna": "Анна Белова",
    "boris": "Борис Титов",
    "vera": "Вера Громова",
    "gleb": "Глеб Осипов",
    "daria": "Дарья Ким",
    "egor": "Егор Лапин",
}
FIRMS = [
    "ООО «Вектор»", "ИП Соколова", "ООО «Маяк»", "АО «Северный терминал»", "ООО «Ромашка»", "ЗАО «Технопарк Заречный»",
    "ИП Гаврилов", "ООО «Лето»", "ООО «Научно-производственное объединение «Прогресс»", "Фонд «Дети»",
]  # fmt: skip
SERVICES = ["хостинг", "поддержка", "домены", "серверы"]


@dataclass
class Company:
    """A company at work: its rules are the shipped ones, its requests went through the real services."""

    requests: dict[str, int]


def found_company(sessions: sessionmaker[Session]) -> Company:
    """Let the company live through a day and a half, by the services that do it in earnest."""
    known = hash_password(PASSWORD)
    with db.transaction(sessions) as session:
        setup.initialise(session, now=TUESDAY - timedelta(days=40), live=True)
        svetlana = make_user(session, "svetlana", "Светлана Корнеева", role=Role.HEAD)
        make_user(session, "denis", "Денис Админов", role=Role.ADMINISTRATOR)
        teams = [make_team(session, "east", "Восток", head=svetlana), make_team(session, "west", "Запад")]
        people = [
            make_manager(session, login, name, team=teams[place % 2], skills=["чат"] if place == 2 else [])
            for place, (login, name) in enumerate(NAMES.items())
        ]
        make_absence(session, people[5], TUESDAY - timedelta(days=1), TUESDAY + timedelta(days=6))
        make_client(session, "ООО «Вектор»", owner=people[1], phone="+74950000001", inn="7701234567", region="Москва")
        for user in session.scalars(select(User)):
            user.password_hash = known
    made: dict[str, int] = {}
    for place in range(34):
        with db.transaction(sessions) as session:
            firm = FIRMS[place % len(FIRMS)]
            received_at = TUESDAY - timedelta(minutes=48 + 37 * (33 - place))
            arrived = intake.receive(
                session,
                RequestIn.model_validate(
                    {
                        "source": "site",
                        "external_id": f"A-{1000 + place}",
                        "received_at": received_at.isoformat(),
                        "client": {"name": firm, "phone": f"+7 495 000-00-{place % len(FIRMS) + 1:02d}"},
                        "service": SERVICES[place % 4],
                        "channel": ["web", "phone", "email", "chat"][place % 4],
                        "amount": f"{(place * 7919) % 160 * 1000 + 1500}.00",
                        "text": "Нужен перенос сайта\nи почты до конца недели" if place % 3 == 0 else "",
                    }
                ),
                now=received_at,
                actor="api:site",
            )
            made[f"A-{1000 + place}"] = arrived.request.id
        agenda.run_due(sessions, received_at + timedelta(seconds=5))
        if place % 3 == 0 and place < 30:
            with db.transaction(sessions) as session:
                request = session.get_one(Request, arrived.request.id)
                if request.manager_id is not None:
                    contact = ContactIn(
                        source="test",
                        external_id=str(place),
                        at=received_at + timedelta(minutes=9),
                        outcome="answered",
                        note="Отправили предложение, ждут согласования",
                        request=Key(source="site", external_id=request.external_id),
                    )
                    contacts.record(session, contact, now=received_at + timedelta(minutes=9), actor="api:phone")
    agenda.run_due(sessions, TUESDAY)
    with db.transaction(sessions) as session:
        session.add(
            Incident(at=TUESDAY, kind="loop", message={"ru": "правила вызывают друг друга", "en": "a loop"}, data={})
        )
        editing.start_draft(session, "assignment", actor="svetlana", now=TUESDAY - timedelta(hours=1))
    return Company(made)


@pytest.fixture(scope="session")
def company_file(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Company]:
    """The database of the company, made once; each test works on a copy of its own."""
    path = tmp_path_factory.mktemp("company") / "company.db"
    shutil.copy(sqlite_template, path)
    settings = Settings.from_env({"PRAVILA_HOME": str(path.parent / "home")})
    engine = db.make_engine(f"sqlite:///{path}", relaxed=True)
    company = found_company(db.make_sessions(engine, settings))
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return path, company


@pytest.fixture
def sqlite_url(company_file: tuple[Path, Company], tmp_path: Path) -> str:
    """Instead of the empty database: what the pages of these tests stand on."""
    path = tmp_path / "pravila.db"
    shutil.copy(company_file[0], path)
    return f"sqlite:///{path}"


@pytest.fixture
def company(site: Site, company_file: tuple[Path, Company]) -> Company:
    site.clock.at = TUESDAY
    return company_file[1]


def holder_of(site: Site, request_id: int) -> str:
    with site.sessions() as session:
        row = session.get_one(Request, request_id)
        return row.manager.login if row.manager else ""


def busiest(site: Site) -> str:
    """Return the login of the manager with most open requests: his list has all its parts."""
    with site.sessions() as session:
        open_ones = session.scalars(select(Request).where(Request.manager_id.is_not(None))).all()
        logins = [row.manager.login for row in open_ones if row.status.is_open]
    return max(set(logins), key=logins.count)


@pytest.mark.parametrize("lang", LANGUAGES)
class TestEveryPageFits:
    """No page scrolls sideways, complains in the console or fetches anything from outside."""

    def test_of_a_head(self, site: Site, company: Company, person: Seat, lang: str) -> None:
        svetlana = person(WIDE)
        svetlana.log_in("svetlana", lang)
        request_id = company.requests["A-1009"]
        with site.sessions() as session:
            client_id = session.get_one(Request, request_id).client_id
        for name, path in {
            "home": "/",
            "requests": "/requests/",
            "requests-none": "/requests/?q=nothing",
            "request": f"/requests/{request_id}",
            "why": f"/requests/{request_id}/why",
            "clients": "/clients/",
            "client": f"/clients/{client_id}",
            "their-tasks": f"/my/?manager={busiest(site)}",
            "modes": "/modes/",
            "outbox": "/admin/outbox/",
            "messages": "/messages/",
        }.items():
            svetlana.open(path)
            svetlana.look_at_both_widths(f"head-{name}-{lang}")

    def test_of_a_manager(self, site: Site, company: Company, person: Seat, lang: str) -> None:
        login = busiest(site)
        manager = person(WIDE)
        manager.log_in(login, lang)
        manager.look_at_both_widths(f"my-{lang}")
        manager.page.locator("details.fold > summary", has_text="Ещё…" if lang == "ru" else "More…").first.click()
        manager.look_at_both_widths(f"my-more-{lang}")
        for name, path in {"requests": "/requests/", "clients": "/clients/", "messages": "/messages/"}.items():
            manager.open(path)
            manager.look_at_both_widths(f"manager-{name}-{lang}")
        manager.open("/my/")
        manager.page.locator("a", has_text="Почему мне?" if lang == "ru" else "Why me?").first.click()
        manager.look_at_both_widths(f"manager-why-{lang}")

    def test_of_an_administrator(self, site: Site, company: Company, person: Seat, lang: str) -> None:
        with db.transaction(site.sessions) as session:
            item = session.scalars(select(WorkItem).where(WorkItem.wake_at.is_not(None))).first()
            item.quarantined_at, item.attempts, item.last_error = TUESDAY, 5, "Traceback\nValueError: poison"
        denis = person(WIDE)
        denis.page.goto(site.url + "/login")
        denis.look_at_both_widths(f"login-{lang}")
        denis.log_in("denis", lang)
        denis.look_at_both_widths(f"health-{lang}")
        with site.sessions() as session:
            user_id = session.scalars(select(User.id).where(User.login == "anna")).one()
            message_id = session.scalars(select(OutboxMessage.id)).first()
        for name, path in {
            "reference": "/admin/",
            "managers": "/admin/managers/",
            "manager-form": "/admin/managers/edit/?id=1",
            "calendar-form": "/admin/calendars/edit/?id=1",
            "calendar": "/admin/calendars/details/?id=1",
            "exceptions": "/admin/exceptions/",
            "absences": "/admin/absences/",
            "year": "/calendars/1?day=2026-11-04",
            "away": "/leaving/anna/away",
            "token-form": "/admin/tokens/new/",
            "user": f"/admin/users/details/?id={user_id}",
            "journal": "/admin/journal/",
            "message": f"/admin/outbox/details/?id={message_id}",
            "decisions": "/admin/decision_rows/",
            "jobs": "/jobs/",
            "settings": "/settings/",
            "password": "/password",
        }.items():
            denis.open(path)
            denis.look_at_both_widths(f"admin-{name}-{lang}")


class TestTheMainPath:
    @pytest.mark.parametrize("width", SIZES)
    def test_a_manager_answers_and_the_line_moves_on(
        self, site: Site, company: Company, person: Seat, width: dict[str, int]
    ) -> None:
        login = busiest(site)
        manager = person(width)
        manager.log_in(login)
        first = manager.page.locator(".task").first
        line_id = first.get_attribute("id")
        assert manager.page.locator(".btn.primary").count() == 1

        first.get_by_role("button", name="Ответ отправлен").click()

        manager.look()
        assert "Записано" in manager.page.locator(".flashes").inner_text()
        assert manager.page.locator(f"#{line_id}").count() == 0

    def test_whoever_thinks_needs_a_date_and_the_panel_stays_open_with_what_was_typed(
        self, site: Site, company: Company, person: Seat
    ) -> None:
        manager = person(PHONE)
        manager.expected.append("422")
        manager.log_in(busiest(site))
        card = manager.page.locator(".task").first
        card.get_by_text("Ещё…").click()
        card.get_by_label("О чём говорили").fill("ждёт директора")
        card.get_by_role("button", name="Думает").click()
        manager.look()

        again = manager.page.locator(".task").first
        assert again.get_by_text("До какого дня думает клиент").is_visible()
        assert again.get_by_label("О чём говорили").input_value() == "ждёт директора"
        assert again.get_by_label("Следующий шаг").get_attribute("aria-invalid") == "true"
        again.get_by_label("Следующий шаг").fill("2026-11-26T12:00")
        again.get_by_role("button", name="Думает").click()

        manager.look()
        assert "26" in manager.page.locator(".flashes").inner_text()

    def test_it_works_without_javascript(self, site: Site, company: Company, person: Seat) -> None:
        manager = person(PHONE, scripts=False)
        page = manager.page
        page.goto(site.url + "/login")
        page.locator("input[name=login]").fill(busiest(site))
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("form.card button").click()
        before = page.locator(".task").first.get_attribute("id")
        card = page.locator(".task").first
        card.get_by_text("Ещё…").click()
        card.get_by_label("Если отказ, то почему").select_option("expensive")
        card.get_by_role("button", name="Отказ").click()

        assert "Записано" in page.locator(".flashes").inner_text()
        assert page.locator(f"#{before}").count() == 0

    def test_it_works_by_keyboard(self, site: Site, company: Company, person: Seat) -> None:
        manager = person(WIDE)
        page = manager.page
        page.goto(site.url + "/login")
        page.keyboard.type(busiest(site))
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        with page.expect_navigation(url="**/my/"):
            page.keyboard.press("Enter")
        manager.look()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.innerText") == "Ответ отправлен":
                break
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        with page.expect_navigation():
            page.keyboard.press("Enter")

        manager.look()
        assert outline == "solid"
        assert "Записано" in page.locator(".flashes").inner_text()

    def test_a_head_hands_a_request_on_and_both_read_why(self, site: Site, company: Company, person: Seat) -> None:
        with site.sessions() as session:
            request_id = session.scalars(
                select(Request.id).where(Request.status == RequestStatus.ASSIGNED).order_by(Request.id.desc())
            ).first()
        before = holder_of(site, request_id)
        after = "vera" if before != "vera" else "anna"
        svetlana = person(WIDE)
        svetlana.log_in("svetlana")
        svetlana.open(f"/requests/{request_id}")
        svetlana.page.get_by_text("Передать другому…").click()
        svetlana.page.get_by_label("Кому").select_option(after)
        svetlana.page.locator("#reassign-reason").fill("клиент просил")
        svetlana.page.get_by_role("button", name="Передать", exact=True).click()
        svetlana.look()
        assert "клиент просил" in svetlana.page.locator(".history").inner_text()

        for login in (before, after):
            reader = person(PHONE)
            reader.log_in(login)
            reader.open(f"/requests/{request_id}/why")
            assert "клиент просил" in reader.page.locator("main").inner_text()

    def test_the_language_is_switched_in_the_top_bar_and_stays(
        self, site: Site, company: Company, person: Seat
    ) -> None:
        anna = person(PHONE)
        anna.log_in("anna")
        anna.page.locator(".langs button[value=en]").click()
        anna.look()
        assert anna.page.locator("html").get_attribute("lang") == "en"
        assert anna.page.get_by_role("link", name="My tasks").is_visible()

        elsewhere = person(WIDE)
        elsewhere.log_in("anna", "en")
        assert elsewhere.page.locator("html").get_attribute("lang") == "en"


class TestLook:
    def test_dark_follows_the_system(self, site: Site, company: Company, person: Seat) -> None:
        svetlana = person(WIDE, dark=True)
        svetlana.log_in("svetlana")
        svetlana.shot("dark-home")
        assert svetlana.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 17, 21)"
        svetlana.open(f"/requests/{company.requests['A-1009']}")
        svetlana.shot("dark-request")

    @pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
    def test_every_text_is_dark_enough_on_its_ground(
        self, site: Site, company: Company, person: Seat, dark: bool
    ) -> None:
        """WCAG AA: 4.5 to 1 for text, measured on what the browser paints."""
        svetlana = person(WIDE, dark=dark)
        svetlana.log_in("svetlana")
        for path in ("/", "/requests/", f"/requests/{company.requests['A-1009']}", f"/my/?manager={busiest(site)}"):
            svetlana.open(path)
            faint = svetlana.page.evaluate(FAINT_TEXTS)
            assert faint == [], path

    def test_the_bar_of_a_filling_history_is_seen_and_forms_are_refused_in_words(
        self, site: Site, company: Company, person: Seat
    ) -> None:
        svetlana = person(PHONE)
        svetlana.log_in("svetlana")
        with db.transaction(site.sessions) as session:
            session.add(
                Replay(
                    from_at=TUESDAY - timedelta(days=90),
                    until_at=TUESDAY,
                    clock_at=TUESDAY - timedelta(days=30),
                    totals={},
                )
            )
        svetlana.open("/")
        svetlana.shot("filling")
        assert "66" in svetlana.page.locator(".band").inner_text()
        svetlana.expected.append("503")
        svetlana.open("/settings/")
        svetlana.page.get_by_role("button", name="Сохранить").click()
        svetlana.page.wait_for_load_state()

        assert "Пока нельзя" in svetlana.page.locator("main").inner_text()


FAINT_TEXTS = """
() => {
  const curve = (part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const channel = (value) => curve(value / 255);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgb(style.color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
"""
