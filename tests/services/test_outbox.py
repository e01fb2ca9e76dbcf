"""Messages: written once with the decision, delivered later, as one letter where they form a digest."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.errors import AddressFailed, DeliveryError
from rules_engine.models import Incident, OutboxMessage, OutboxState, User, WorkItem, WorkKind
from rules_engine.services.messages import outbox, times
from rules_engine.services.messages.outbox import Letter
from rules_engine.services.messages.senders import UrlSender
from rules_engine.services.queue.work import Claim
from rules_engine.services.records import settings_store
from rules_engine.services.rules import journal
from rules_engine.services.running import agenda, quarantine
from rules_engine.settings import Settings
from tests.factories import MONDAY, MOSCOW, Cast, at, make_absence, make_cast, make_user
from tests.receiver import receiver

HELLO = {"ru": "Новая заявка", "en": "A new request"}


@pytest.fixture
def with_mail(settings: Settings) -> Settings:
    return replace(settings, smtp_url="smtp://127.0.0.1:1")


@pytest.fixture
def mailing(any_engine: Engine, with_mail: Settings) -> Iterator[sessionmaker[Session]]:
    yield db.make_sessions(any_engine, with_mail)


@pytest.fixture
def cast(mailing: sessionmaker[Session]) -> Cast:
    with db.transaction(mailing) as session:
        return make_cast(session)


class Mailbox:
    """A receiver that can be told to refuse."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.refuse: list[Exception] = []

    def __call__(self, letter: Letter) -> None:
        if self.refuse:
            raise self.refuse.pop(0)
        self.letters.append(letter)


def write(session: Session, *user_ids: int, key: str = "k", now=MONDAY, **more) -> int:  # type: ignore[no-untyped-def]
    return outbox.notify(
        session, user_ids=user_ids, subject=HELLO, body=HELLO, link="/requests/1", key=key, now=now, **more
    )


def messages(session: Session) -> list[OutboxMessage]:
    return list(session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)))


def end_leases(sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        session.execute(update(WorkItem).values(lease_until=None))


def test_the_same_cause_again_writes_nothing(any_session: Session) -> None:
    cast = make_cast(any_session)

    assert write(any_session, cast.galina.id, cast.galina.id) == 2
    assert write(any_session, cast.galina.id) == 0
    assert write(any_session, cast.galina.id, cast.denis.id) == 2


def test_each_person_reads_his_own_language(any_session: Session) -> None:
    anna = make_user(any_session, "anna", locale="ru")
    ann = make_user(any_session, "ann", locale="en")
    write(any_session, anna.id, ann.id, channels=["page"])

    assert [m.subject for m in messages(any_session)] == ["Новая заявка", "A new request"]


def test_nobody_writes_to_who_has_left(any_session: Session) -> None:
    gone = make_user(any_session, "gone", is_active=False)

    assert write(any_session, gone.id) == 0


def test_without_settings_for_mail_a_mail_is_kept_and_the_page_shows_it_at_once(any_session: Session) -> None:
    anna = make_user(any_session, "anna")
    write(any_session, anna.id)

    assert [(m.channel, m.state, m.sent_at) for m in messages(any_session)] == [
        ("page", OutboxState.SENT, MONDAY),
        ("email", OutboxState.KEPT, None),
    ]
    assert any_session.scalars(select(WorkItem)).all() == []


def test_in_a_replay_nothing_is_delivered(any_session: Session) -> None:
    any_session.info["is_replay"] = True
    anna = make_user(any_session, "anna")
    write(any_session, anna.id)

    assert {m.state for m in messages(any_session)} == {OutboxState.KEPT}
    assert any_session.scalars(select(WorkItem)).all() == []


def test_a_mail_is_sent_once_with_its_key(mailing: sessionmaker[Session], cast: Cast) -> None:
    with db.transaction(mailing) as session:
        write(session, cast.galina.id, key="request:1")
    mailbox = Mailbox()

    agenda.run_due(mailing, MONDAY, senders={"email": mailbox})
    agenda.run_due(mailing, MONDAY + timedelta(days=1), senders={"email": mailbox})

    assert [(letter.key, letter.address, letter.subject) for letter in mailbox.letters] == [
        (f"request:1:{cast.galina.id}:email", "galina@example.org", "Новая заявка")
    ]
    with mailing() as session:
        assert messages(session)[1].state is OutboxState.SENT
        assert session.scalars(select(WorkItem)).all() == []


def test_who_has_no_senders_leaves_the_mail_to_who_has(mailing: sessionmaker[Session], cast: Cast) -> None:
    with db.transaction(mailing) as session:
        write(session, cast.galina.id)

    agenda.run_due(mailing, MONDAY)

    with mailing() as session:
        assert messages(session)[1].state is OutboxState.PENDING


def test_a_receiver_that_fails_is_tried_again_later_and_given_up_in_the_end(
    mailing: sessionmaker[Session], cast: Cast
) -> None:
    with db.transaction(mailing) as session:
        # Urgent: the last tries fall into the lunch break.
        write(session, cast.galina.id, is_urgent=True)
    mailbox = Mailbox()
    now, pauses = MONDAY, []
    for _ in range(outbox.MAX_TRIES):
        mailbox.refuse = [ConnectionRefusedError("connection refused")]
        agenda.run_due(mailing, now, senders={"email": mailbox})
        with mailing() as session:
            item = session.scalars(select(WorkItem)).first()
            wake_at = item.wake_at if item else None
        if wake_at is not None:
            pauses.append((wake_at - now) // timedelta(minutes=1))
            now = wake_at

    assert pauses == [1, 2, 4, 8, 16, 32, 64]
    with mailing() as session:
        message = messages(session)[1]
        assert message.state is OutboxState.DEAD
        assert message.last_error == "не доставлено: connection refused"
        assert [incident.kind for incident in session.scalars(select(Incident))] == ["message_not_delivered"]


def test_a_mail_that_can_never_arrive_is_given_up_at_once_and_can_be_sent_again(
    mailing: sessionmaker[Session], cast: Cast
) -> None:
    with db.transaction(mailing) as session:
        write(session, cast.galina.id)
    mailbox = Mailbox()
    mailbox.refuse = [DeliveryError(reason="no such mailbox", permanent=True)]
    agenda.run_due(mailing, MONDAY, senders={"email": mailbox})
    with db.transaction(mailing) as session:
        message = messages(session)[1]
        assert message.state is OutboxState.DEAD
        outbox.send_again(session, message, MONDAY)

    agenda.run_due(mailing, MONDAY, senders={"email": mailbox})

    assert len(mailbox.letters) == 1


def test_messages_of_a_digest_go_out_as_one_letter_at_the_next_instant_of_the_grid(
    mailing: sessionmaker[Session], cast: Cast
) -> None:
    mailbox = Mailbox()
    with db.transaction(mailing) as session:
        write(session, cast.galina.id, key="a", now=at("2026-10-05 11:20"), digest_minutes=15)
        write(session, cast.galina.id, key="b", now=at("2026-10-05 11:29"), digest_minutes=15)
        write(session, cast.galina.id, key="c", now=at("2026-10-05 11:30"), digest_minutes=15)

    agenda.run_due(mailing, at("2026-10-05 11:29"), senders={"email": mailbox})
    assert mailbox.letters == []
    agenda.run_due(mailing, at("2026-10-05 11:30"), senders={"email": mailbox})
    agenda.run_due(mailing, at("2026-10-05 11:31"), senders={"email": mailbox})
    assert [letter.subject for letter in mailbox.letters] == ["Сводка, сообщений: 2"]
    assert mailbox.letters[0].body.count("Новая заявка") == 4

    agenda.run_due(mailing, at("2026-10-05 11:46"), senders={"email": mailbox})
    assert [letter.subject for letter in mailbox.letters[1:]] == ["Новая заявка"]
    with mailing() as session:
        assert session.scalars(select(WorkItem)).all() == []


def test_a_digest_that_was_sent_by_a_worker_who_died_is_repeated_with_the_same_key(
    mailing: sessionmaker[Session], cast: Cast
) -> None:
    with db.transaction(mailing) as session:
        write(session, cast.galina.id, key="a", digest_minutes=15)
        write(session, cast.galina.id, key="b", digest_minutes=15)
    mailbox = Mailbox()

    class Died(BaseException):
        pass

    def send_and_die(letter: Letter) -> None:
        mailbox(letter)
        raise Died

    now = at("2026-10-05 11:30")
    with pytest.raises(Died):
        agenda.run_due(mailing, now, senders={"email": send_and_die})
    end_leases(mailing)
    agenda.run_due(mailing, now, senders={"email": mailbox})

    first, second = mailbox.letters
    assert first == second


def test_a_mail_whose_channel_is_gone_is_kept(mailing: sessionmaker[Session], cast: Cast) -> None:
    with db.transaction(mailing) as session:
        write(session, cast.galina.id)

    agenda.run_due(mailing, MONDAY, senders={})

    with mailing() as session:
        assert messages(session)[1].state is OutboxState.KEPT


@pytest.mark.parametrize(
    ("now", "minutes", "then"),
    [
        ("2026-10-05 11:20", 15, "2026-10-05 11:30"),
        ("2026-10-05 11:30", 15, "2026-10-05 11:45"),
        ("2026-10-05 23:50", 45, "2026-10-06 00:00"),
        ("2026-10-05 11:20", 1440, "2026-10-06 00:00"),
    ],
)
def test_the_grid_of_digests_begins_at_local_midnight(now: str, minutes: int, then: str) -> None:
    assert times.next_of_grid(at(now), minutes, MOSCOW) == at(then)


class TestWorkingHours:
    """Галина works by the company's hours: till 18:00, from Tuesday 09:00 on again. Анна is away until Thursday."""

    EVENING = at("2026-10-05 19:30")

    @pytest.fixture
    def mailing(self, engine: Engine, with_mail: Settings) -> sessionmaker[Session]:
        """What is reckoned here does not depend on the kind of database."""
        return db.make_sessions(engine, with_mail)

    def told(self, sessions: sessionmaker[Session], user_id: int, now: datetime = EVENING, **more: object) -> None:
        with db.transaction(sessions) as session:
            write(session, user_id, now=now, key=f"k{now}", **more)

    def slots(self, sessions: sessionmaker[Session]) -> list[tuple[str, datetime]]:
        with sessions() as session:
            return [(one.channel, one.not_before) for one in messages(session)]

    def test_the_page_has_it_at_once_and_a_mail_waits_for_the_opening(
        self, mailing: sessionmaker[Session], cast: Cast
    ) -> None:
        self.told(mailing, cast.galina.id)
        assert self.slots(mailing) == [("page", self.EVENING), ("email", at("2026-10-06 09:00"))]

    def test_an_absence_is_waited_for_too(self, mailing: sessionmaker[Session], cast: Cast) -> None:
        with db.transaction(mailing) as session:
            make_absence(session, session.merge(cast.anna), self.EVENING, at("2026-10-08 00:00"))
        self.told(mailing, cast.anna.user_id)
        assert self.slots(mailing)[1] == ("email", at("2026-10-08 09:00"))

    def test_what_is_urgent_waits_for_nothing(self, mailing: sessionmaker[Session], cast: Cast) -> None:
        self.told(mailing, cast.galina.id, is_urgent=True, digest_minutes=60)
        assert self.slots(mailing)[1] == ("email", self.EVENING)

    def test_who_wants_it_after_hours_gets_it(self, mailing: sessionmaker[Session], cast: Cast) -> None:
        with db.transaction(mailing) as session:
            session.merge(cast.galina).notify_after_hours = True
        self.told(mailing, cast.galina.id)
        assert self.slots(mailing)[1] == ("email", self.EVENING)

    def test_what_waited_for_the_morning_is_one_letter(self, mailing: sessionmaker[Session], cast: Cast) -> None:
        self.told(mailing, cast.galina.id)
        self.told(mailing, cast.galina.id, at("2026-10-06 03:10"), digest_minutes=30)
        mailbox = Mailbox()

        agenda.run_due(mailing, at("2026-10-06 08:59"), senders={"email": mailbox})
        assert mailbox.letters == []
        agenda.run_due(mailing, at("2026-10-06 09:00"), senders={"email": mailbox})

        assert [letter.subject for letter in mailbox.letters] == ["Сводка, сообщений: 2"]

    def test_a_mail_that_failed_at_closing_time_is_tried_again_in_the_morning_with_its_key(
        self, mailing: sessionmaker[Session], cast: Cast
    ) -> None:
        self.told(mailing, cast.galina.id, at("2026-10-05 17:59"))
        mailbox = Mailbox()
        mailbox.refuse = [ConnectionRefusedError("away")]
        for now in ("2026-10-05 17:59", "2026-10-05 18:00", "2026-10-05 18:01", "2026-10-06 08:59"):
            agenda.run_due(mailing, at(now), senders={"email": mailbox})
        assert mailbox.letters == []

        agenda.run_due(mailing, at("2026-10-06 09:00"), senders={"email": mailbox})

        assert [letter.key.endswith(f":{cast.galina.id}:email") for letter in mailbox.letters] == [True]

    def test_the_wider_grid_holds_the_rules_or_his_own(self, mailing: sessionmaker[Session], cast: Cast) -> None:
        with db.transaction(mailing) as session:
            session.merge(cast.galina).digest_minutes = 60
        self.told(mailing, cast.galina.id, at("2026-10-05 11:20"), digest_minutes=15)
        self.told(mailing, cast.galina.id, at("2026-10-05 11:25"), digest_minutes=240)
        assert [when for channel, when in self.slots(mailing) if channel == "email"] == [
            at("2026-10-05 12:00"),
            at("2026-10-05 12:00"),
        ]


class TestWhatAPersonNamed:
    URLS = ("json://one.example.org/s3cret", "json://two.example.org/s3cret")

    @pytest.fixture
    def mailing(self, engine: Engine, with_mail: Settings) -> sessionmaker[Session]:
        """What is reckoned here does not depend on the kind of database."""
        return db.make_sessions(engine, with_mail)

    @pytest.fixture
    def anna(self, mailing: sessionmaker[Session], cast: Cast) -> int:
        with db.transaction(mailing) as session:
            user = session.merge(cast.anna.user)
            user.notify_by_mail, user.notify_urls = False, list(self.URLS)
        return cast.anna.user_id

    def test_each_address_gets_it_and_no_row_shows_its_secret(self, mailing: sessionmaker[Session], anna: int) -> None:
        with db.transaction(mailing) as session:
            assert write(session, anna) == 3
            assert write(session, anna) == 0
        mailbox = Mailbox()

        agenda.run_due(mailing, MONDAY, senders={"url": mailbox})

        assert sorted(letter.url for letter in mailbox.letters) == sorted(self.URLS)
        with mailing() as session:
            rows = messages(session)
            assert [row.channel for row in rows] == ["page", "url", "url"]
            assert all("s3cret" not in f"{row.key}{row.address}{row.last_error}" for row in rows)
            assert {row.state for row in rows} == {OutboxState.SENT}

    def test_what_is_given_up_tells_no_secret_to_those_who_see_incidents(
        self, mailing: sessionmaker[Session], anna: int
    ) -> None:
        with db.transaction(mailing) as session:
            write(session, anna)
        mailbox = Mailbox()
        mailbox.refuse = [AddressFailed(ru="код 404", en="code 404", permanent=True)] * 2

        agenda.run_due(mailing, MONDAY, senders={"url": mailbox})

        with mailing() as session:
            [first, _second] = session.scalars(select(Incident)).all()
            assert first.message["ru"].endswith(": не доставлено: код 404")
            assert "s3cret" not in str(first.message)
            assert messages(session)[1].last_error == "не доставлено: код 404"

    def test_an_address_that_was_taken_off_the_list_gets_nothing_more(
        self, mailing: sessionmaker[Session], anna: int
    ) -> None:
        with db.transaction(mailing) as session:
            write(session, anna)
        with db.transaction(mailing) as session:
            session.get_one(User, anna).notify_urls = [self.URLS[1]]
        mailbox = Mailbox()

        agenda.run_due(mailing, MONDAY, senders={"url": mailbox})

        assert [letter.url for letter in mailbox.letters] == [self.URLS[1]]

    def test_who_may_not_log_in_any_more_gets_nothing_more(self, mailing: sessionmaker[Session], anna: int) -> None:
        with db.transaction(mailing) as session:
            write(session, anna)
        with db.transaction(mailing) as session:
            session.get_one(User, anna).is_active = False
        mailbox = Mailbox()

        agenda.run_due(mailing, MONDAY, senders={"url": mailbox})

        assert mailbox.letters == []

    def test_who_has_switched_mail_off_meanwhile_gets_none(self, mailing: sessionmaker[Session], cast: Cast) -> None:
        with db.transaction(mailing) as session:
            write(session, cast.boris.user_id)
        with db.transaction(mailing) as session:
            session.get_one(User, cast.boris.user_id).notify_by_mail = False
        mailbox = Mailbox()

        agenda.run_due(mailing, MONDAY, senders={"email": mailbox})

        assert mailbox.letters == []
        with mailing() as session:
            assert messages(session)[1].state is OutboxState.KEPT

    def test_a_digest_for_two_addresses_is_two_letters(self, mailing: sessionmaker[Session], anna: int) -> None:
        with db.transaction(mailing) as session:
            for key in ("a", "b"):
                write(session, anna, key=key, digest_minutes=15)
        mailbox = Mailbox()

        agenda.run_due(mailing, at("2026-10-05 11:30"), senders={"url": mailbox})
        agenda.run_due(mailing, at("2026-10-05 11:31"), senders={"url": mailbox})

        assert sorted((one.url, len(one.message_ids)) for one in mailbox.letters) == [(url, 2) for url in self.URLS]

    def test_a_replay_writes_nothing_for_them(self, mailing: sessionmaker[Session], anna: int) -> None:
        with db.transaction(mailing) as session:
            session.info["is_replay"] = True
            assert write(session, anna) == 1


def test_a_real_receiver_that_fails_once_gets_it_a_minute_later(mailing: sessionmaker[Session], cast: Cast) -> None:
    with receiver() as box:
        with db.transaction(mailing) as session:
            settings_store.change(session, "notify_private_addresses", "on", actor="denis")
            session.merge(cast.anna.user).notify_urls = [box.url]
            write(session, cast.anna.user_id, channels=["url"])
        box.answers = [500]
        senders = {"url": UrlSender("https://sales.example.org", patience=5)}

        assert agenda.run_due(mailing, MONDAY, senders=senders).sent == 0
        assert agenda.run_due(mailing, MONDAY + timedelta(minutes=1), senders=senders).sent == 1

    assert [body["title"] for _key, body in box.received] == ["Новая заявка"]


class TestAdministrators:
    """Денис administers."""

    NIGHT = at("2026-10-05 03:00")

    def test_are_told_at_night_and_once_a_day_for_each_kind(self, session: Session) -> None:
        denis = make_cast(session).denis
        for kind, now in (("a", self.NIGHT), ("a", MONDAY), ("b", MONDAY), ("a", MONDAY + timedelta(days=1))):
            journal.incident(session, kind, HELLO, {}, now)

        told = [(one.channel, one.user_id, one.not_before) for one in messages(session) if one.channel == "email"]

        assert told == [("email", denis.id, now) for now in (self.NIGHT, MONDAY, MONDAY + timedelta(days=1))]

    @pytest.mark.parametrize(("kind", "channels"), [("client", {"page", "email"}), ("outbox", {"page"})])
    def test_are_told_of_what_was_set_aside_and_of_a_mail_on_the_page_alone(
        self, session: Session, kind: str, channels: set[str]
    ) -> None:
        make_cast(session)
        item = WorkItem(kind=WorkKind(kind), subject_id=7, wake_at=MONDAY, quarantined_at=MONDAY, last_error="E: яд")
        session.add(item)
        session.flush()

        quarantine.tell(session, Claim(item.id, item.kind, 7, MONDAY, 1, 5, is_given_up=True), MONDAY)

        assert {one.channel for one in messages(session)} == channels
        assert all("яд" in one.body for one in messages(session))
