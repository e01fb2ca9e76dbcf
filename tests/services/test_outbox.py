"""Messages: written once with the decision, delivered later, as one letter where they form a digest."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.errors import DeliveryError
from rules_engine.models import Incident, OutboxMessage, OutboxState, WorkItem
from rules_engine.services import agenda, outbox
from rules_engine.services.outbox import Letter
from rules_engine.settings import Settings
from tests.factories import MONDAY, Cast, at, make_cast, make_user

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
        write(session, cast.galina.id)
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
def test_the_grid_of_digests_begins_at_local_midnight(session: Session, now: str, minutes: int, then: str) -> None:
    assert outbox.next_of_grid(at(now), minutes, session) == at(then)
