"""Users, tokens, settings, the journal, the outbox, one's own messages and the jobs page."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock, db
from rules_engine.models import (
    ApiToken,
    AuditEntry,
    Heartbeat,
    Incident,
    OutboxMessage,
    OutboxState,
    Role,
    User,
    WorkItem,
    WorkKind,
)
from rules_engine.services.company import tokens
from rules_engine.services.messages import outbox
from rules_engine.services.records import settings_store
from tests.admin.conftest import Browser
from tests.factories import MONDAY, PASSWORD, Cast, make_request

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


def user_of(sessions: Sessions, login: str) -> User:
    with sessions() as session:
        return session.scalars(select(User).where(User.login == login)).one()


class TestUsers:
    def form(self, user: User, **changes: str) -> dict[str, object]:
        given = {"name": user.name, "login": user.login, "role": user.role, "locale": user.locale, "is_active": "y"}
        return {key: value for key, value in {**given, **changes}.items() if value}

    def test_a_one_time_password_is_shown_once_and_must_be_changed(
        self, logged_in: LogIn, browser: Browser, cast: Cast, sessions: Sessions
    ) -> None:
        answer = logged_in("denis").post("/admin/users/password/", {"id": cast.anna.user_id})
        secret = re.search(r'class="secret"[^>]*>([^<]+)<', answer.text)[1]

        assert browser.log_in("anna", PASSWORD).status_code == 401
        assert browser.log_in("anna", secret).status_code == 302
        assert browser.get("/").location == "/password"
        with sessions() as session:
            kept = session.scalars(select(AuditEntry)).all()
        assert any(row.action == "password" and row.subject_id == "anna" for row in kept)
        assert all(secret not in f"{row.before}{row.after}" for row in kept)

    def test_the_last_administrator_stays_one(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        denis = logged_in("denis")
        address = f"/admin/users/edit/?id={cast.denis.id}"
        for changes in ({"role": "head"}, {"is_active": ""}):
            assert "последний администратор" in denis.post(address, self.form(cast.denis, **changes)).text

        denis.post(f"/admin/users/edit/?id={cast.galina.id}", self.form(cast.galina, role="administrator"))
        assert denis.post(address, self.form(cast.denis, role="head")).status_code == 302
        assert user_of(sessions, "denis").role == Role.HEAD

    def test_whoever_is_switched_off_is_out_at_once(self, logged_in: LogIn, cast: Cast) -> None:
        anna, denis = logged_in("anna"), logged_in("denis")

        denis.post(f"/admin/users/edit/?id={cast.anna.user_id}", self.form(cast.anna.user, is_active=""))

        assert anna.get("/messages/").location.startswith("/login")

    def test_the_hash_of_a_password_is_shown_nowhere(self, logged_in: LogIn, cast: Cast) -> None:
        denis = logged_in("denis")
        for page in (f"/admin/users/details/?id={cast.denis.id}", "/admin/users/", "/admin/users/export/csv/"):
            assert "argon2" not in denis.get(page).text


class TestTokens:
    def test_its_secret_opens_and_is_shown_once(self, logged_in: LogIn, sessions: Sessions) -> None:
        denis = logged_in("denis")

        answer = denis.post("/admin/tokens/new/", {"name": "сайт", "scopes": ["requests:write"]})

        secret = re.search(r'class="secret"[^>]*>([^<]+)<', answer.text)[1]
        with sessions() as session:
            token = tokens.authenticate(session, secret, MONDAY)
            assert token is not None
            assert (token.name, token.scopes) == ("сайт", ["requests:write"])
        assert secret not in denis.get(f"/admin/tokens/details/?id={token.id}").text

    def test_a_problem_stands_beside_its_field(self, logged_in: LogIn) -> None:
        denis = logged_in("denis")

        assert "не указано ни одного права" in denis.post("/admin/tokens/new/", {"name": "сайт"}).text
        past = denis.post("/admin/tokens/new/", {"name": "x", "scopes": "tasks:read", "expires_at": "2020-01-01T00:00"})
        assert "этот срок уже прошёл" in past.text

    def test_a_revoked_token_opens_nothing(self, logged_in: LogIn, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            token, secret = tokens.create(session, "сайт", ["tasks:read"], now=MONDAY)

        logged_in("denis").post("/admin/tokens/revoke/", {"id": token.id})

        with sessions() as session:
            assert tokens.authenticate(session, secret, MONDAY) is None
            assert session.get_one(ApiToken, token.id).revoked_at == MONDAY


class TestSettings:
    def test_a_changed_setting_holds_and_the_journal_says_who(self, logged_in: LogIn, sessions: Sessions) -> None:
        galina = logged_in("galina")

        assert galina.post("/settings/save", {"answer_within": "45", "amount_shown": "never"}).status_code == 302

        with sessions() as session:
            assert settings_store.number(session, "answer_within") == 45
            assert settings_store.choice(session, "amount_shown") == "never"
        page = galina.get("/admin/journal/?subject=setting&id=answer_within").text
        assert "30 → 45" in page
        assert "amount_shown" not in page

    def test_nothing_is_saved_while_one_value_is_wrong(self, logged_in: LogIn, sessions: Sessions) -> None:
        answer = logged_in("galina").post("/settings/save", {"answer_within": "полчаса", "amount_shown": "never"})

        assert answer.status_code == 422
        assert "нужно целое число" in answer.text
        assert 'value="полчаса"' in answer.text
        with sessions() as session:
            assert settings_store.choice(session, "amount_shown") == "after_answer"


class TestMessages:
    def tell(self, sessions: Sessions, user: User, key: str = "k") -> None:
        with db.transaction(sessions) as session:
            outbox.notify(
                session,
                user_ids=[user.id],
                subject={"ru": "Заявка ждёт", "en": "A request waits"},
                body={"ru": "Осталось 10 минут", "en": "10 minutes left"},
                link="/messages/",
                key=key,
                now=MONDAY - timedelta(minutes=5),
            )

    def test_one_sees_his_own_and_how_many_are_new(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        self.tell(sessions, cast.anna.user)
        anna, boris = logged_in("anna"), logged_in("boris")

        page = anna.get("/messages/")
        assert "Заявка ждёт" in page.text
        assert "новых: 1" in page.text
        assert "Заявка ждёт" not in boris.get("/messages/").text

        anna.post("/messages/read", {"up_to": 10**6})
        assert "новых: " not in anna.get("/messages/").text

    def test_reading_does_not_touch_those_of_others(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        self.tell(sessions, cast.anna.user)

        logged_in("boris").post("/messages/read", {"up_to": 10**6})

        with sessions() as session:
            assert session.scalars(select(OutboxMessage.read_at)).all() == [None, None]

    def test_what_was_given_up_is_sent_again_by_hand(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        self.tell(sessions, cast.anna.user)
        with db.transaction(sessions) as session:
            mail = session.scalars(select(OutboxMessage).where(OutboxMessage.channel == "email")).one()
            mail.state, mail.attempts, mail.last_error = OutboxState.DEAD, 8, "отказ"
        galina = logged_in("galina")
        assert "отказ" in galina.get(f"/admin/outbox/details/?id={mail.id}").text

        galina.post("/admin/outbox/send-again/", {"id": mail.id})

        with sessions() as session:
            assert session.get_one(OutboxMessage, mail.id).state == OutboxState.PENDING
            item = session.scalars(select(WorkItem).where(WorkItem.kind == WorkKind.OUTBOX)).one()
            assert (item.subject_id, item.wake_at) == (mail.id, MONDAY)


class TestJobs:
    def test_what_was_set_aside_is_tried_again_by_hand(self, logged_in: LogIn, sessions: Sessions) -> None:
        galina = logged_in("galina")
        with db.transaction(sessions) as session:
            request = make_request(session)
            item = session.scalars(select(WorkItem).where(WorkItem.subject_id == request.id)).one()
            item.quarantined_at, item.attempts, item.last_error = MONDAY, 5, "Traceback\nValueError: яд"
        page = galina.get("/jobs/").text
        assert "ValueError: яд" in page
        assert f"/requests/{request.id}" in page

        galina.post(f"/jobs/{item.id}/release")

        with sessions() as session:
            fresh = session.get_one(WorkItem, item.id)
            assert (fresh.quarantined_at, fresh.attempts) == (None, 0)
            assert session.scalars(select(AuditEntry.action)).all()[-1] == "release"

    def test_an_incident_is_settled(self, logged_in: LogIn, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            incident = Incident(at=MONDAY, kind="loop", message={"ru": "правила по кругу", "en": "a loop"}, data={})
            session.add(incident)
        denis = logged_in("denis")
        assert "правила по кругу" in denis.get("/jobs/").text

        denis.post(f"/jobs/incidents/{incident.id}/resolve")

        assert "правила по кругу" not in denis.get("/jobs/").text

    @pytest.mark.parametrize(("seconds", "alive"), [(5, True), (120, False)])
    def test_it_says_whether_the_background_part_works(
        self, logged_in: LogIn, sessions: Sessions, seconds: int, alive: bool
    ) -> None:
        with db.transaction(sessions) as session:
            for name in ("clock:here:1", "worker:here:2"):
                session.add(Heartbeat(name=name, at=clock.now() - timedelta(seconds=seconds), data={}))

        page = logged_in("denis").get("/jobs/").text

        assert ("фоновая часть не запущена" not in page) == alive
