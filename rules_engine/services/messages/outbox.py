"""Messages to people: written in the transaction that decided them, delivered afterwards.

Delivery is at least once: a message that was sent by a worker who died before he could note it is sent once more,
with the same key.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Table, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from rules_engine.db import is_sqlite, settings_of
from rules_engine.errors import DeliveryError
from rules_engine.models import Incident, OutboxMessage, OutboxState, WorkKind
from rules_engine.services.company.reference import UserRef, reference
from rules_engine.services.messages import addresses
from rules_engine.services.messages.times import DIGEST, Slot, opening, slot
from rules_engine.services.queue import work
from rules_engine.services.records import settings_store
from rules_engine.services.records.writing import write_later

PAGE = "page"
"""The list of messages on the person's own page: delivered as soon as it is committed."""
EMAIL = "email"
URL = "url"
"""Whatever the person named in his settings; see addresses.py."""
MAX_TRIES = 8
"""With a pause that doubles from one minute: given up after about two hours."""

_TABLE = cast(Table, OutboxMessage.__table__)

Words = str | Mapping[str, str]
"""One text, or one a language: {"ru", "en"}."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a sender is given: one message, or several of a digest made into one."""

    key: str
    """The same on every repeat: a receiver can recognise a double."""
    address: str
    subject: str
    body: str
    link: str
    locale: str
    channel: str
    message_ids: tuple[int, ...]
    url: str = field(default="", repr=False)
    """Where a letter of the channel `url` goes. It holds secrets; `address` is how people are shown it."""
    may_be_private: bool = False
    """Whether it may go into the internal network: a setting."""


Sender = Callable[[Letter], None]
"""Delivers by one channel. Raises DeliveryError, `permanent` when trying again cannot help."""


def notify(
    session: Session,
    *,
    user_ids: Iterable[int],
    subject: Words,
    body: Words,
    key: str,
    now: datetime,
    link: str = "",
    channels: Collection[str] | None = None,
    digest_minutes: int = 0,
    is_urgent: bool = False,
) -> int:
    """Write a message to each of these people by each channel; return how many are new.

    `key` names the cause: the same key again writes nothing. The page has it at once; mail and what the person named
    wait for his working time, and for a digest: `digest_minutes` is the rule's, his own settings may hold another.
    `is_urgent` lets it wait for nothing. Without settings for mail a mail is kept in the outbox page; in a replay
    nothing is delivered at all.
    """
    letters = _written_for(
        session,
        user_ids,
        subject,
        body,
        key,
        now,
        link=link,
        channels=channels,
        digest_minutes=digest_minutes,
        is_urgent=is_urgent,
    )
    return _write(session, letters)


def notify_later(
    session: Session,
    *,
    user_ids: Iterable[int],
    subject: Words,
    body: Words,
    key: str,
    now: datetime,
    link: str = "",
    digest_minutes: int = 0,
) -> None:
    """Write what `notify` does, together with other rows of the transaction: who calls need not know what is new."""
    letters = _written_for(session, user_ids, subject, body, key, now, link=link, digest_minutes=digest_minutes)
    write_later(session, _write, letters)


def _written_for(
    session: Session,
    user_ids: Iterable[int],
    subject: Words,
    body: Words,
    key: str,
    now: datetime,
    *,
    link: str,
    channels: Collection[str] | None = None,
    digest_minutes: int = 0,
    is_urgent: bool = False,
) -> list[dict[str, Any]]:
    """Return the rows of a message: one a person and channel."""
    picture = reference(session)
    people = [picture.users[user_id] for user_id in dict.fromkeys(user_ids) if user_id in picture.users]
    rows: list[dict[str, Any]] = []
    for user in people:
        if not user.is_active:
            continue
        common = {
            "user_id": user.id,
            "subject": words_in(subject, user.locale),
            "body": words_in(body, user.locale),
            "link": link,
            "created_at": now,
            "is_urgent": is_urgent,
        }
        later = slot(picture, user, now, digest_minutes=digest_minutes, is_urgent=is_urgent)
        for channel, address, suffix in _ways(session, user):
            if channels is None or channel in channels:
                state = _first_state(session, channel)
                when = Slot(now) if channel == PAGE else later
                own = {
                    "key": f"{key}:{user.id}:{suffix}",
                    "channel": channel,
                    "address": address,
                    "not_before": when.not_before,
                    "digest_key": when.digest_key,
                    "state": state,
                    "sent_at": now if state is OutboxState.SENT else None,
                }
                rows.append({**common, **own})
    return rows


def _ways(session: Session, user: UserRef) -> Iterator[tuple[str, str, str]]:
    """Yield by what a person is told: channel, address as people are shown it, and the end of the message's key."""
    yield PAGE, "", PAGE
    if user.email and user.is_mailed:
        yield EMAIL, user.email, EMAIL
    if not session.info.get("is_replay"):
        for url in user.urls:
            name = addresses.key_of(url, settings_of(session).secret_key)
            yield URL, addresses.brief(url, name), f"{URL}:{name}"


def _write(session: Session, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write messages whose keys are new, have those delivered that wait for it, and return how many they are."""
    if not rows:
        return 0
    new = session.connection().execute(_writing(is_sqlite(session)), rows).all()
    not_before = {row["key"]: row["not_before"] for row in rows if row["state"] is OutboxState.PENDING}
    work.ask_many(session, WorkKind.OUTBOX, {id_: not_before[key] for id_, key in new if key in not_before})
    return len(new)


@lru_cache(maxsize=2)
def _writing(for_sqlite: bool) -> ReturningInsert[Any]:
    insert = (sqlite.insert if for_sqlite else postgresql.insert)(_TABLE)
    return insert.on_conflict_do_nothing(index_elements=["key"]).returning(_TABLE.c.id, _TABLE.c.key)


def _first_state(session: Session, channel: str) -> OutboxState:
    if session.info.get("is_replay"):
        return OutboxState.KEPT
    if channel == PAGE:
        return OutboxState.SENT
    return OutboxState.PENDING if channel == URL or settings_of(session).smtp_url else OutboxState.KEPT


def words_in(words: Words, locale: str) -> str:
    """Return the text in `locale`; where that is missing, in Russian."""
    if isinstance(words, str):
        return words
    return words.get(locale) or words["ru"]


def letter_of(session: Session, message_id: int, now: datetime) -> Letter | None:
    """Return what is to be sent for a message, or None if there is nothing to do any more.

    Of a digest the oldest message that still waits carries all of them. Later is raised for the others, which are
    looked at again when it has been sent, and where the reader is not at work any more: his absence was entered since,
    or the last try failed at closing time.
    """
    message = session.get(OutboxMessage, message_id)
    if message is None or message.state != OutboxState.PENDING:
        return None
    picture = reference(session)
    user = picture.users.get(message.user_id) if message.user_id is not None else None
    url = _url_of(session, message, user)
    is_off = message.channel == EMAIL and user is not None and not user.is_mailed and not message.is_urgent
    if user is None or not user.is_active or is_off or (message.channel == URL and url is None):
        # He left, switched mail off, or took the address off his list.
        message.state = OutboxState.KEPT
        return None
    opens_at = now if message.is_urgent else opening(picture, user, now)
    if opens_at > now:
        message.not_before, message.digest_key = opens_at, DIGEST
        raise Later(opens_at)
    together = _digest_of(session, message) if message.digest_key else [message]
    if together[0].id != message.id:
        raise Later(now + timedelta(minutes=1))
    subject, body, link = message.subject, message.body, message.link
    if len(together) > 1:
        subject = _digest_subject(len(together), user.locale)
        body = "\n\n".join("\n".join(filter(None, (m.subject, m.body, _address(session, m.link)))) for m in together)
        link = ""
    return Letter(
        key=message.key,
        address=message.address,
        subject=subject,
        body=body,
        link=link,
        locale=user.locale,
        channel=message.channel,
        message_ids=tuple(m.id for m in together),
        url=url or "",
        may_be_private=settings_store.choice(session, settings_store.NOTIFY_PRIVATE_ADDRESSES) == "on",
    )


def _url_of(session: Session, message: OutboxMessage, user: UserRef | None) -> str | None:
    """Return the address that the end of a message's key names, None where its reader has it no more."""
    if message.channel != URL or user is None:
        return None
    return addresses.find(user.urls, _way_of(message), settings_of(session).secret_key)


def _address(session: Session, link: str) -> str:
    return f"{settings_of(session).public_url}{link}" if link else ""


def _digest_of(session: Session, message: OutboxMessage) -> Sequence[OutboxMessage]:
    waiting = session.scalars(
        select(OutboxMessage)
        .where(
            OutboxMessage.user_id == message.user_id,
            OutboxMessage.channel == message.channel,
            OutboxMessage.digest_key == message.digest_key,
            OutboxMessage.not_before == message.not_before,
            OutboxMessage.state == OutboxState.PENDING,
        )
        .order_by(OutboxMessage.id)
    )
    return [one for one in waiting if _way_of(one) == _way_of(message)]


def _way_of(message: OutboxMessage) -> str:
    """Return the end of a message's key: by which way, of several addresses by which of them, it goes."""
    return message.key.rpartition(":")[2]


class Later(Exception):
    """Nothing is sent now; `at`: when to look at the message again."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        super().__init__(at)


def _digest_subject(number: int, locale: str) -> str:
    return f"Сводка, сообщений: {number}" if locale == "ru" else f"Digest, messages: {number}"


def mark_sent(session: Session, letter: Letter, now: datetime) -> None:
    """Note that a letter has gone out, for every message in it."""
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(letter.message_ids), OutboxMessage.state == OutboxState.PENDING)
        .values(state=OutboxState.SENT, sent_at=now, attempts=OutboxMessage.attempts + 1, last_error=None)
        .execution_options(synchronize_session=False)
    )


def keep(session: Session, letter: Letter) -> None:
    """Leave the messages of a letter readable in the outbox page: there is nothing to send them by."""
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(letter.message_ids), OutboxMessage.state == OutboxState.PENDING)
        .values(state=OutboxState.KEPT)
        .execution_options(synchronize_session=False)
    )


def mark_failed(session: Session, letter: Letter, error: DeliveryError, now: datetime) -> datetime | None:
    """Note a try that failed; return when to try again, or None if the message was given up and an incident written."""
    message = session.get_one(OutboxMessage, letter.message_ids[0])
    session.refresh(message)
    message.attempts += 1
    message.last_error = error.message(settings_of(session).locale)[:2000]
    if error.permanent or message.attempts >= MAX_TRIES:
        message.state = OutboxState.DEAD
        problem = {lang: error.message(lang) for lang in ("ru", "en")}
        session.add(
            Incident(
                at=now,
                kind="message_not_delivered",
                message={
                    "ru": f"сообщение для {message.address}: {problem['ru']}",
                    "en": f"the message to {message.address}: {problem['en']}",
                },
                data={"message_id": message.id, "tries": message.attempts},
            )
        )
        return None
    return now + timedelta(minutes=2 ** (message.attempts - 1))


def send_again(session: Session, message: OutboxMessage, now: datetime) -> None:
    """Let a message that was given up or kept be delivered now, with its old key: somebody asked for it."""
    message.state = OutboxState.PENDING
    message.attempts = 0
    message.not_before = now
    message.digest_key = None
    message.is_urgent = True
    session.flush()
    work.ask(session, WorkKind.OUTBOX, message.id, now)
