"""The regulation of calls: made of the rules in force, for everybody who logs in, with its sources and signatures."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.services.explain import regulation
from rules_engine.services.records import settings_store
from rules_engine.services.rules import occasions
from tests.admin.conftest import Browser
from tests.factories import MONDAY, Cast, make_version

ROOT = Path(__file__).parents[3]
PAGE = "/rules/regulation"


def shipped(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((ROOT / f"rulesets/{name}.json").read_text(encoding="utf-8"))
    return body


@pytest.fixture
def rules(cast: Cast, sessions: sessionmaker[Session]) -> Cast:
    """The shipped rules in force; from tomorrow nobody is called before his contract ends."""
    with db.transaction(sessions) as session:
        occasions.install(session)
        for name in ("callbacks", "escalation", "bonus"):
            make_version(session, name, shipped(name))
        later = shipped("callbacks")
        later["rules"] = [rule for rule in later["rules"] if rule["id"] != "contract-end"]
        make_version(session, "callbacks", later, holds_from=MONDAY + timedelta(days=1))
    return cast


def plain(text: str) -> str:
    main = text.partition('<main id="main"')[2]
    return " ".join(re.sub(r"<[^>]+>", " ", main).replace("\u00a0", " ").split())


def test_it_answers_the_five_questions_from_the_rules_themselves(
    rules: Cast, logged_in: Callable[[str], Browser]
) -> None:
    text = plain(logged_in("galina").get(PAGE).text)
    assert "Продление договора Дней до конца договора: от 0 дн. до 31 дн. (не включая) сделать за 5 раб. дн." in text
    assert "не чаще раза в 21 день" in text and "6 плановых звонков" in text and "09:30–18:00" in text
    assert "Скоро понадобится предложение: только с согласия" in text
    assert "Она закончена, только когда записан итог: заказ, думает" in text
    assert "Если просрочено: не менее 1 раб. дн. , то напоминание получает менеджер" in text
    assert "Контроль: Галина" in text
    assert "За засчитанный плановый звонок: " in text and "70 ₽" in text
    assert "Анна подпись дата" in text and "Версия" in text


def test_rules_about_requests_and_rules_that_are_off_stay_out(rules: Cast, sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        found = regulation.regulation(session, MONDAY)
        assert [rule["id"] for rule in found.overdue] == [
            "call-overdue",
            "call-overdue-head",
            "postponed",
            "calls-first",
            "neglected",
        ]
        assert [rule["id"] for rule in found.bonus] == ["over", "calls", "returned"]
        assert "contract-end" in [one.rule["id"] for one in found.calls]


def test_its_hash_follows_the_rules_and_the_numbers(rules: Cast, sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        now = regulation.regulation(session, MONDAY).digest
        assert regulation.regulation(session, MONDAY).digest == now
        assert regulation.regulation(session, MONDAY + timedelta(days=2)).digest != now
        settings_store.change(session, settings_store.CALL_FREQUENCY_DAYS, 30, actor="galina")
        assert regulation.regulation(session, MONDAY).digest != now


def test_a_manager_reads_it_with_the_signatures_of_his_own_team(
    rules: Cast, logged_in: Callable[[str], Browser]
) -> None:
    page = logged_in("anna").get(PAGE)
    assert page.status_code == 200
    assert 'name="team"' not in page.text
    signed = plain(page.text).partition("ознакомлены")[2]
    assert "Анна" in signed and "Борис" in signed and "Вера" not in signed


def test_it_can_be_read_as_it_will_be(rules: Cast, logged_in: Callable[[str], Browser]) -> None:
    browser = logged_in("zhanna")
    page = browser.get(PAGE).text
    link = re.search(r'href="(/rules/regulation\?at=[^"]+)"', page)
    assert link
    text = plain(browser.get(link[1].replace("&amp;", "&")).text)
    assert "Как будет с" in text and "Продление договора" not in text
    assert browser.get(f"{PAGE}?at=вчера").status_code == 404


def test_in_english_too(rules: Cast, logged_in: Callable[[str], Browser]) -> None:
    browser = logged_in("galina")
    browser.post("/locale", {"locale": "en", "next": ""})
    text = plain(browser.get(PAGE).text)
    assert "Renewal of the contract" in text and "Read and understood" in text
    assert not re.search("[а-яё]{4,}", re.sub("[А-ЯЁ][а-яё]+|«[^»]*»|“[^”]*”", "", text))
