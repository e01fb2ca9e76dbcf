"""The bell of every page, and each person's own settings for messages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from admin.views.messages import unread_query
from rules_engine import db
from rules_engine.models import AuditEntry, OutboxMessage, OutboxState, User, WorkItem, WorkKind
from rules_engine.services.messages import outbox
from rules_engine.services.records import settings_store
from tests.admin.conftest import Browser
from tests.factories import MONDAY, Cast
from tests.postbox import postbox
from tests.receiver import Receiver, receiver

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]
TELEGRAM = "tgram://123456789:abcdefg_hijklmnop/12315544/"


def tell(sessions: Sessions, user_id: int, key: str, **more: object) -> None:
    with db.transaction(sessions) as session:
        outbox.notify(
            session, user_ids=[user_id], subject=f"Сообщение {key}", body="", link="/my/", key=key, now=MONDAY,
            **more,
        )  # type: ignore[arg-type]  # fmt: skip


class TestTheBell:
    @pytest.fixture
    def anna(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> Browser:
        for key in ("раз", "два"):
            tell(sessions, cast.anna.user_id, key, channels=["page"])
        return logged_in("anna")

    def test_it_counts_what_is_new_and_lists_the_newest(self, anna: Browser) -> None:
        assert "новых: 2" in anna.get("/my/").text
        page = anna.get("/messages/latest").text
        assert page.index("Сообщение два") < page.index("Сообщение раз")

    def test_asked_again_it_answers_only_when_the_number_is_another(
        self, anna: Browser, cast: Cast, sessions: Sessions
    ) -> None:
        assert anna.get("/messages/bell?shown=2").status_code == 204
        tell(sessions, cast.anna.user_id, "три", channels=["page"])
        assert "новых: 3" in anna.get("/messages/bell?shown=2").text

    def test_following_a_message_marks_it_and_no_other(self, anna: Browser, sessions: Sessions) -> None:
        with sessions() as session:
            first = session.scalars(select(OutboxMessage.id).order_by(OutboxMessage.id)).first()
        assert anna.post(f"/messages/{first}/open").location == "/my/"
        assert "новых: 1" in anna.get("/my/").text
        anna.post("/messages/read", {"up_to": 10**6, "next": "//evil.example.org"})
        assert "новых:" not in anna.get("/my/").text

    def test_a_foreign_message_is_not_there(self, anna: Browser, logged_in: LogIn, sessions: Sessions) -> None:
        with sessions() as session:
            first = session.scalars(select(OutboxMessage.id)).first()
        boris = logged_in("boris")
        assert boris.post(f"/messages/{first}/open").status_code == 404
        boris.post(f"/messages/{first}/read")
        assert "новых: 2" in anna.get("/my/").text

    def test_its_question_does_not_keep_a_session_alive(self, anna: Browser) -> None:
        with anna.client.session_transaction() as kept:
            kept["seen_at"] -= 3600
            left_at = kept["seen_at"]
        anna.get("/messages/bell?shown=2")
        with anna.client.session_transaction() as kept:
            assert kept["seen_at"] == left_at
            kept["seen_at"] -= 8 * 3600
        answer = anna.get("/messages/bell?shown=2", headers={"HX-Request": "true"})
        assert (answer.status_code, "HX-Redirect" in answer.headers) == (401, False)

    def test_nor_does_a_page_that_fetches_itself_again(self, anna: Browser) -> None:
        def seen_at(**more: object) -> float:
            with anna.client.session_transaction() as kept:
                kept["seen_at"] = kept["began_at"] - 3600
            anna.get("/my/", **more)
            with anna.client.session_transaction() as kept:
                return float(kept["seen_at"] - kept["began_at"])

        assert seen_at(headers={"X-Pravila-Unasked": "1"}) == -3600
        assert seen_at() >= 0

    def test_it_is_read_from_its_own_index(self, app: Flask) -> None:
        engine = app.extensions["pravila"].engine
        question = unread_query(1).compile(engine, compile_kwargs={"literal_binds": True})
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}").all()
        assert any("ix_outbox_messages_unread (user_id=?)" in str(line) for line in plan), plan


def test_what_could_not_be_delivered_elsewhere_is_sent_again_by_whom_it_concerns(
    logged_in: LogIn, cast: Cast, sessions: Sessions
) -> None:
    tell(sessions, cast.anna.user_id, "k", channels=["email"])
    with db.transaction(sessions) as session:
        mail = session.scalars(select(OutboxMessage)).one()
        mail.state, mail.last_error = OutboxState.DEAD, "не доставлено: ящика нет"
    anna, boris = logged_in("anna"), logged_in("boris")
    assert "ящика нет" in anna.get("/messages/").text
    assert boris.post(f"/messages/{mail.id}/send-again").status_code == 404

    anna.post(f"/messages/{mail.id}/send-again")

    with sessions() as session:
        assert session.get_one(OutboxMessage, mail.id).state is OutboxState.PENDING
        item = session.scalars(select(WorkItem).where(WorkItem.kind == WorkKind.OUTBOX)).one()
        assert (item.subject_id, item.wake_at) == (mail.id, MONDAY)
        assert session.scalars(select(AuditEntry.action)).all()[-1] == "send_again"


class TestOwnSettings:
    def kept(self, sessions: Sessions, login: str = "anna") -> User:
        with sessions() as session:
            return session.scalars(select(User).where(User.login == login)).one()

    def test_they_are_kept_and_addresses_are_never_shown_again(self, logged_in: LogIn, sessions: Sessions) -> None:
        anna = logged_in("anna")

        saved = anna.post("/me/messages", {"urls": TELEGRAM, "after_hours": "1", "digest_minutes": "30"})

        assert saved.status_code == 302
        user = self.kept(sessions)
        assert (user.notify_by_mail, user.notify_after_hours, user.digest_minutes) == (False, True, 30)
        assert user.notify_urls == [TELEGRAM]
        page = anna.get("/me/messages").text
        assert "Telegram" in page
        for place in (page, logged_in("denis").get(f"/admin/users/details/?id={user.id}").text):
            assert "abcdefg" not in place
        with sessions() as session:
            [entry] = session.scalars(select(AuditEntry).where(AuditEntry.subject_kind == "user")).all()
            assert entry.after == {
                "notify_by_mail": False, "notify_after_hours": True, "digest_minutes": 30, "notify_urls": 1
            }  # fmt: skip

    def test_an_administrator_sees_that_there_are_some(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        logged_in("anna").post("/me/messages", {"urls": TELEGRAM, "digest_minutes": "0"})
        page = logged_in("denis").get(f"/admin/users/details/?id={cast.anna.user_id}").text
        assert "<dt>Другие адреса</dt><dd>1</dd>" in page
        assert "abcdefg" not in logged_in("denis").get("/admin/users/export/csv/").text

    def test_one_is_removed_and_the_others_stay(self, logged_in: LogIn, sessions: Sessions) -> None:
        anna = logged_in("anna")
        anna.post("/me/messages", {"urls": f"{TELEGRAM}\njson://example.org/x", "digest_minutes": "0"})
        page = anna.get("/me/messages").text
        key = page.partition('name="remove" value="')[2].partition('"')[0]

        anna.post("/me/messages", {"remove": [key], "digest_minutes": "0"})

        assert self.kept(sessions).notify_urls == ["json://example.org/x"]

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"urls": "syslog://", "digest_minutes": "0"}, "строка 1: такой службы в списке разрешённых нет"),
            ({"urls": f"{TELEGRAM}\njson://127.0.0.1/s3cret", "digest_minutes": "0"}, "строка 2: адрес внутренней"),
            ({"urls": "\n".join(f"json://h/{n}" for n in range(6)), "digest_minutes": "0"}, "адресов не больше 5"),
            ({"digest_minutes": "7"}, "такого промежутка"),
            ({"digest_minutes": "²"}, "такого промежутка"),
        ],
    )
    def test_nothing_is_saved_while_something_is_wrong(
        self, logged_in: LogIn, sessions: Sessions, form: dict[str, object], words: str
    ) -> None:
        answer = logged_in("anna").post("/me/messages", form)
        assert (answer.status_code, words in answer.text, "s3cret" in answer.text) == (422, True, False)
        assert (self.kept(sessions).notify_urls, self.kept(sessions).notify_by_mail) == ([], True)

    def test_only_an_administrator_opens_the_internal_network(self, logged_in: LogIn, sessions: Sessions) -> None:
        for login, expected in (("galina", "off"), ("denis", "on")):
            logged_in(login).post("/settings/save", {"notify_private_addresses": "on"})
            with sessions() as session:
                assert settings_store.choice(session, "notify_private_addresses") == expected


class TestATestMessage:
    @contextmanager
    def with_mail(self, app: Flask, port: int) -> Iterator[None]:
        shell = app.extensions["pravila"]
        app.extensions["pravila"] = replace(
            shell, settings=replace(shell.settings, smtp_url=f"smtp://127.0.0.1:{port}")
        )
        yield
        app.extensions["pravila"] = shell

    def name(self, sessions: Sessions, box: Receiver) -> None:
        with db.transaction(sessions) as session:
            settings_store.change(session, "notify_private_addresses", "on", actor="denis")
            session.scalars(select(User).where(User.login == "anna")).one().notify_urls = [box.url]

    def test_it_says_of_each_way_what_became_of_it(self, app: Flask, logged_in: LogIn, sessions: Sessions) -> None:
        anna = logged_in("anna")
        with receiver() as box, postbox() as (letters, port), self.with_mail(app, port):
            self.name(sessions, box)
            box.answers = [403]
            anna.post("/me/messages/test")
            page = anna.get("/me/messages").text
            assert "anna@example.org: отправлено" in page
            assert "служба ответила отказом, код 403" in page
            assert [one["Subject"] for one in letters.received] == ["Пробное сообщение"]

            anna.post("/me/messages/test")
            assert [body["title"] for _key, body in box.received] == ["Пробное сообщение"]
            assert "t0ken" not in anna.get("/me/messages").text

    def test_without_a_mail_server_it_says_so(self, logged_in: LogIn) -> None:
        anna = logged_in("anna")
        anna.post("/me/messages/test")
        assert "почта в этой системе не настроена" in anna.get("/me/messages").text

    def test_it_cannot_be_used_to_send_without_end(self, logged_in: LogIn) -> None:
        anna = logged_in("anna")
        for _ in range(4):
            anna.post("/me/messages/test")
        assert "Подождите минуту" in anna.get("/me/messages").text
