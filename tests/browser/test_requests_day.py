"""A request that nobody takes moves on across a lunch break and a weekend; the head sees it, and so does who dodged."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from rules_engine import db
from rules_engine.models import Request, Role, User
from rules_engine.services.company.passwords import hash_password
from rules_engine.services.running import agenda, setup
from tests.browser.conftest import PHONE, Person, Site
from tests.factories import PASSWORD, at, make_manager, make_request, make_team, make_user
from tests.moving import jump

Seat = Callable[..., Person]

FRIDAY = at("2026-11-20 12:35")
MONDAY = at("2026-11-23 09:00")
NAMES = {"anna": "Анна Белова", "boris": "Борис Титов", "vera": "Вера Дорохова"}


@pytest.fixture
def company(site: Site) -> Site:
    """Three managers who answer nothing; one request on Friday before lunch, one shortly before the weekend."""
    with db.transaction(site.sessions) as session:
        setup.initialise(session, now=FRIDAY - timedelta(days=30), live=True)
        team = make_team(session, "east", "Восток", head=make_user(session, "svetlana", "Светлана", role=Role.HEAD))
        for login, name in NAMES.items():
            make_manager(session, login, name, team=team)
        make_request(session, external_id="Обед", client_name="ООО «Лето»", received_at=FRIDAY)
        make_request(session, external_id="Выходные", client_name="ИП Зима", received_at=at("2026-11-20 17:20"))
        for user in session.scalars(select(User)):
            user.password_hash = hash_password(PASSWORD)
    return site


def live(site: Site, start: datetime, until: datetime) -> None:
    """Let everything be done at its own instant up to `until`, where the pages' clock stands then."""
    jump(site.sessions, start, until)
    agenda.run_due(site.sessions, until)
    site.clock.at = until


def holder(site: Site, number: str) -> tuple[str, int, int]:
    """Return who has a request, its id, and how often it has moved on."""
    with site.sessions() as session:
        row = session.scalars(select(Request).where(Request.external_id == number)).one()
        assert row.manager is not None
        return row.manager.login, row.id, row.times_reassigned


def test_a_request_nobody_takes_moves_on_and_everybody_can_read_why(company: Site, person: Seat) -> None:
    live(company, FRIDAY, FRIDAY)
    dodger, lunch, _ = holder(company, "Обед")
    # 25 working minutes until lunch, 35 after it: the transfer falls on 14:35.
    live(company, FRIDAY, at("2026-11-20 14:26"))
    at_his_phone = person(PHONE)
    at_his_phone.log_in(dodger)
    page = at_his_phone.page
    at_his_phone.open("/my/")
    assert "Через 9" in page.locator("main").inner_text().replace("\u00a0", " ")
    assert page.get_by_role("button", name="Клиент на линии, ещё 15 мин").is_visible()
    at_his_phone.open("/messages/")
    assert page.get_by_text("Скоро перейдёт к другому менеджеру").first.is_visible()

    live(company, at("2026-11-20 14:26"), at("2026-11-20 14:36"))
    assert holder(company, "Обед")[0] != dodger
    at_his_phone.open("/my/")
    assert "ООО «Лето»" not in page.locator("main").inner_text()
    at_his_phone.open("/messages/")
    assert page.get_by_text("В журнале она остаётся полученной вами").first.is_visible()
    # Why the next one may not be his: he is counted one already, though he answered nothing.
    at_his_phone.open(f"/requests/{lunch}/why")
    assert NAMES[dodger] in page.locator("main").inner_text()
    at_his_phone.look_at_both_widths("dodged-why")

    live(company, at("2026-11-20 14:36"), at("2026-11-20 17:59"))
    before, weekend, _ = holder(company, "Выходные")
    live(company, at("2026-11-20 17:59"), MONDAY)
    # Forty of its sixty minutes went by on Friday; nobody was disturbed on the weekend.
    assert holder(company, "Выходные") == (before, weekend, 0)
    live(company, MONDAY, MONDAY + timedelta(minutes=21))
    assert holder(company, "Выходные")[::2] != (before, 0)
    assert holder(company, "Выходные")[2] == 1

    head = person()
    head.log_in("svetlana")
    head.open("/")
    main = head.page.locator("main").inner_text()
    assert "1 заявка ждёт дольше часа после срока" in main
    assert "передан" in main
    head.look_at_both_widths("head-monday")
    head.open(f"/requests/{lunch}")
    assert head.page.get_by_text("менеджер предупреждён: заявка перейдёт к другому").first.is_visible()
    head.open("/control/")
    assert NAMES[dodger] in head.page.locator("main").inner_text()
    head.open("/control/fairness")
    assert "переданы без ответа" in head.page.locator("main").inner_text()
