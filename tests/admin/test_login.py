"""Logging in: one answer for every failure, growing waits, sessions that end when they must."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from admin.sign_in import ACCOUNT, ADDRESS, sign_in
from rules_engine import clock, db
from rules_engine.models import AuditEntry, LoginBackoff, User
from tests.admin.conftest import Browser
from tests.factories import PASSWORD, Cast

NOW = clock.now()
REFUSED = "Логин или пароль не подошли"


def change(sessions: sessionmaker[Session], who: str, /, **values: Any) -> None:
    with db.transaction(sessions) as session:
        user = session.scalars(select(User).where(User.login == who)).one()
        for name, value in values.items():
            setattr(user, name, value)


def test_nothing_is_called_wrong_before_anything_was_sent(browser: Browser, cast: Cast) -> None:
    """Some browsers call a required input that is empty an invalid one: it is the first thing that one would hear."""
    for name in ("login", "password"):
        tag = browser.get("/login").text.partition(f'name="{name}"')[2].partition(">")[0]
        assert 'aria-invalid="false"' in tag and "required" in tag


class TestOneAnswer:
    def test_the_right_password_opens_the_first_page(self, browser: Browser, cast: Cast) -> None:
        answer = browser.log_in("galina")

        assert (answer.status_code, answer.location) == (302, "/")
        assert "Галина" in browser.get("/").text

    def test_capitals_in_a_login_do_not_matter(self, browser: Browser, cast: Cast) -> None:
        assert browser.log_in(" Galina ").status_code == 302

    @pytest.mark.parametrize("login", ["galina", "nobody", "", "dismissed", "without-password"])
    def test_every_failure_reads_the_same(
        self, browser: Browser, cast: Cast, sessions: sessionmaker[Session], login: str
    ) -> None:
        change(sessions, "vera", is_active=False, login="dismissed")
        change(sessions, "boris", password_hash=None, login="without-password")
        wrong = "wrong" if login == "galina" else PASSWORD

        answer = browser.log_in(login, wrong)

        assert answer.status_code == 401
        assert REFUSED in answer.text
        assert wrong not in answer.text

    def test_the_login_typed_stays_in_the_form(self, browser: Browser, cast: Cast) -> None:
        assert 'value="galina&lt;"' in browser.log_in("galina<", "wrong").text

    def test_login_and_logout_stand_in_the_audit_log(
        self, browser: Browser, cast: Cast, sessions: sessionmaker[Session]
    ) -> None:
        browser.log_in("galina")
        assert browser.post("/logout").location == "/login"

        assert browser.get("/").location == "/login"
        with sessions() as session:
            assert session.scalars(select(AuditEntry.action).where(AuditEntry.actor == "galina")).all() == [
                "login",
                "logout",
            ]


class TestWaiting:
    def test_an_account_is_shut_for_a_while_after_five_failures_and_longer_after_each_more(
        self, session: Session, password_hash: str
    ) -> None:
        session.add(User(login="galina", name="Галина", role="head", password_hash=password_hash, created_at=NOW))
        session.flush()
        at = NOW
        for _ in range(ACCOUNT.free):
            assert sign_in(session, "galina", "wrong", "10.0.0.1", now=at) is None

        assert sign_in(session, "galina", PASSWORD, "10.0.0.2", now=at + timedelta(seconds=1)) is None
        assert sign_in(session, "galina", "wrong", "10.0.0.1", now=at + timedelta(seconds=3)) is None
        assert sign_in(session, "galina", PASSWORD, "10.0.0.2", now=at + timedelta(seconds=6)) is None
        assert sign_in(session, "galina", PASSWORD, "10.0.0.2", now=at + timedelta(seconds=8)) is not None

    def test_the_wait_never_grows_past_its_limit(self) -> None:
        assert ACCOUNT.wait(10**6) == ACCOUNT.longest
        assert ACCOUNT.wait(ACCOUNT.free - 1) is None

    def test_one_address_that_tries_many_accounts_is_shut(self, session: Session, password_hash: str) -> None:
        session.add(User(login="galina", name="Галина", role="head", password_hash=password_hash, created_at=NOW))
        session.flush()
        for number in range(ADDRESS.free):
            sign_in(session, f"guess{number}", "wrong", "10.0.0.1", now=NOW)

        assert sign_in(session, "galina", PASSWORD, "10.0.0.1", now=NOW + timedelta(seconds=1)) is None
        assert sign_in(session, "galina", PASSWORD, "10.0.0.2", now=NOW + timedelta(seconds=1)) is not None

    def test_what_was_typed_is_not_kept(self, session: Session) -> None:
        sign_in(session, "my secret password", "x", "10.0.0.1", now=NOW)

        assert all("secret" not in row.key for row in session.scalars(select(LoginBackoff)))


class TestSessions:
    def test_a_page_asked_for_before_login_is_opened_after_it(self, browser: Browser, cast: Cast) -> None:
        where = browser.get("/password?x=1").location
        browser.get(where)

        answer = browser.post(where, {"login": "galina", "password": PASSWORD})

        assert answer.location == "/password?x=1"

    @pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "evil"])
    def test_login_leads_nowhere_else(self, browser: Browser, cast: Cast, target: str) -> None:
        browser.get("/login")

        assert browser.post("/login", {"login": "galina", "password": PASSWORD, "next": target}).location == "/"

    def test_the_cookie_is_closed_to_scripts_and_other_sites(self, browser: Browser, cast: Cast) -> None:
        cookie = browser.log_in("galina").headers["Set-Cookie"]

        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie  # without TLS the browser would not send it

    def test_login_begins_a_new_session(self, browser: Browser, cast: Cast) -> None:
        browser.get("/login")
        before = browser.token
        browser.log_in("galina")

        assert browser.client.post("/logout", data={"csrf_token": before}).status_code == 400

    @pytest.mark.parametrize(("key", "hours"), [("seen_at", 9), ("began_at", 24 * 8)])
    def test_a_session_ends_when_idle_or_old(self, browser: Browser, cast: Cast, key: str, hours: int) -> None:
        browser.log_in("galina")
        with browser.client.session_transaction() as kept:
            kept[key] -= hours * 3600

        assert browser.get("/").location == "/login"

    @pytest.mark.parametrize("values", [{"session_epoch": 1}, {"is_active": False}])
    def test_a_session_ends_when_its_user_is_shut_out(
        self, browser: Browser, cast: Cast, sessions: sessionmaker[Session], values: dict[str, Any]
    ) -> None:
        browser.log_in("galina")
        change(sessions, "galina", **values)

        assert browser.get("/").location == "/login"


class TestOwnPassword:
    def test_a_changed_password_ends_the_other_sessions(self, logged_in: Callable[[str], Browser]) -> None:
        here, elsewhere = logged_in("galina"), logged_in("galina")

        answer = here.post("/password", {"current": PASSWORD, "new": "осенний лес шумит", "again": "осенний лес шумит"})

        assert answer.status_code == 302
        assert here.get("/").status_code == 200
        assert elsewhere.get("/").location == "/login"
        elsewhere.get("/login")
        assert elsewhere.post("/login", {"login": "galina", "password": "осенний лес шумит"}).status_code == 302

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"current": "wrong", "new": "осенний лес", "again": "осенний лес"}, "не ваш нынешний пароль"),
            ({"current": PASSWORD, "new": "short", "again": "short"}, "не меньше 10 знаков"),
            ({"current": PASSWORD, "new": "galina-galina", "again": "galina-galina"}, "легко угадать"),
            ({"current": PASSWORD, "new": "осенний лес", "again": "зимний лес"}, "не совпадают"),
            ({"current": PASSWORD, "new": PASSWORD, "again": PASSWORD}, "не такой, как раньше"),
        ],
    )
    def test_a_problem_stands_beside_its_field(
        self, logged_in: Callable[[str], Browser], form: dict[str, object], words: str
    ) -> None:
        answer = logged_in("galina").post("/password", form)

        assert answer.status_code == 422
        assert words in answer.text
        assert 'aria-invalid="true"' in answer.text

    def test_a_one_time_password_must_be_changed_before_anything_else(
        self, browser: Browser, cast: Cast, sessions: sessionmaker[Session]
    ) -> None:
        change(sessions, "galina", must_change_password=True)
        browser.log_in("galina")

        assert browser.get("/").location == "/password"
        browser.get("/password")
        browser.post("/password", {"current": PASSWORD, "new": "осенний лес шумит", "again": "осенний лес шумит"})
        assert browser.get("/").status_code == 200


class TestLanguage:
    def test_the_language_chosen_in_the_top_bar_stays_with_the_user(self, logged_in: Callable[[str], Browser]) -> None:
        first = logged_in("galina")
        assert '<html lang="ru">' in first.get("/").text

        assert first.post("/locale", {"locale": "en", "next": "/password"}).location == "/password"

        assert '<html lang="en">' in logged_in("galina").get("/").text

    def test_before_login_it_stays_with_the_browser(self, browser: Browser) -> None:
        browser.get("/login")
        browser.post("/locale", {"locale": "en", "next": "/login"})

        assert "Log in" in browser.get("/login").text

    def test_an_unknown_language_changes_nothing(self, logged_in: Callable[[str], Browser]) -> None:
        galina = logged_in("galina")
        galina.post("/locale", {"locale": "xx"})

        assert '<html lang="ru">' in galina.get("/").text
