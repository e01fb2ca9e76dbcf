"""Messages to people: written in the transaction that decided them, delivered afterwards.

Delivery is at least once: a message that was sent by a worker who died before he could note it is sent once more,
with the same key.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Table, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from rules_engine.db import is_sqlite, settings_of
from rules_engine.errors import DeliveryError
from rules_engine.models import Incident, OutboxMessage, OutboxState, User, WorkKind
from rules_engine.services import work
from rules_engine.services.reference import reference

PAGE = "page"
"""The list of messages on the person's own page: delivered as soon as it is committed."""
EMAIL = "email"
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
) -> int:
    """Write a message to each of these people by each channel; return how many are new.

    `key` names the cause: the same key again writes nothing. `digest_minutes` holds it back until the next instant of
    a grid of so many minutes from local midnight, where all messages of one person with the same grid go out as one.
    Without settings for mail a mail is kept in the outbox page; in a replay nothing is delivered at all.
    """
    known = reference(session).users
    people = [known[user_id] for user_id in dict.fromkeys(user_ids) if user_id in known and known[user_id].is_active]
    not_before = next_of_grid(now, digest_minutes, session) if digest_minutes else now
    rows: list[dict[str, Any]] = []
    for user in people:
        common = {
            "user_id": user.id,
            "subject": words_in(subject, user.locale),
            "body": words_in(body, user.locale),
            "link": link,
            "created_at": now,
            "not_before": not_before,
            "digest_key": f"every-{digest_minutes}" if digest_minutes else None,
        }
        addresses = {PAGE: "", **({EMAIL: user.email} if user.email else {})}
        for channel, address in addresses.items():
            if channels is None or channel in channels:
                state = _first_state(session, channel)
                sent_at = not_before if state is OutboxState.SENT else None
                own = {"key": f"{key}:{user.id}:{channel}", "channel": channel, "address": address}
                rows.append({**common, **own, "state": state, "sent_at": sent_at})
    written = [_write(session, row) for row in rows]
    for message_id, row in zip(written, rows, strict=True):
        if message_id is not None and row["state"] is OutboxState.PENDING:
            work.ask(session, WorkKind.OUTBOX, message_id, not_before)
    return sum(message_id is not None for message_id in written)


def _write(session: Session, row: dict[str, Any]) -> int | None:
    """Return the id of a new message, None where its key is there already."""
    found: int | None = session.connection().scalar(_writing(is_sqlite(session)), row)
    return found


@lru_cache(maxsize=2)
def _writing(for_sqlite: bool) -> ReturningInsert[Any]:
    insert = (sqlite.insert if for_sqlite else postgresql.insert)(_TABLE)
    return insert.on_conflict_do_nothing(index_elements=["key"]).returning(_TABLE.c.id)


def _first_state(session: Session, channel: str) -> OutboxState:
    if session.info.get("is_replay"):
        return OutboxState.KEPT
    if channel == PAGE:
        return OutboxState.SENT
    return OutboxState.PENDING if settings_of(session).smtp_url else OutboxState.KEPT


def words_in(words: Words, locale: str) -> str:
    """Return the text in `locale`; where that is missing, in Russian."""
    if isinstance(words, str):
        return words
    return words.get(locale) or words["ru"]


def next_of_grid(now: datetime, minutes: int, session: Session) -> datetime:
    """Return the first instant after `now` of a grid of so many minutes from each midnight of the business zone."""
    zone = settings_of(session).zone
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(now.tzinfo)
    step = timedelta(minutes=minutes)
    then = midnight + ((now - midnight) // step + 1) * step
    tomorrow = (local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + timedelta(days=1)).astimezone(
        now.tzinfo
    )
    return min(then, tomorrow)


def letter_of(session: Session, message_id: int) -> Letter | None:
    """Return what is to be sent for a message, or None if there is nothing to do any more.

    Of a digest the oldest message that still waits carries all of them. For the others LaterInDigest is raised: they
    are looked at again when it has been sent.
    """
    message = session.get(OutboxMessage, message_id)
    if message is None or message.state != OutboxState.PENDING:
        return None
    locale = session.scalar(select(User.locale).where(User.id == message.user_id)) or settings_of(session).locale
    together = _digest_of(session, message) if message.digest_key else [message]
    if together[0].id != message.id:
        raise LaterInDigest
    subject, body, link = message.subject, message.body, message.link
    if len(together) > 1:
        subject = _digest_subject(len(together), locale)
        body = "\n\n".join("\n".join(filter(None, (m.subject, m.body, _address(session, m.link)))) for m in together)
        link = ""
    ids = tuple(m.id for m in together)
    return Letter(message.key, message.address, subject, body, link, locale, message.channel, ids)


def _address(session: Session, link: str) -> str:
    return f"{settings_of(session).public_url}{link}" if link else ""


def _digest_of(session: Session, message: OutboxMessage) -> Sequence[OutboxMessage]:
    return session.scalars(
        select(OutboxMessage)
        .where(
            OutboxMessage.user_id == message.user_id,
            OutboxMessage.channel == message.channel,
            OutboxMessage.digest_key == message.digest_key,
            OutboxMessage.not_before == message.not_before,
            OutboxMessage.state == OutboxState.PENDING,
        )
        .order_by(OutboxMessage.id)
    ).all()


class LaterInDigest(Exception):
    """Another message of the same digest carries this one."""


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
    message.last_error = error.message("ru")[:2000]
    if error.permanent or message.attempts >= MAX_TRIES:
        message.state = OutboxState.DEAD
        problem = {lang: error.message(lang) for lang in ("ru", "en")}
        session.add(
            Incident(
                at=now,
                kind="message_not_delivered",
                message={
                    "ru": f"сообщение для {message.address} не доставлено: {problem['ru']}",
                    "en": f"the message to {message.address} was not delivered: {problem['en']}",
                },
                data={"message_id": message.id, "tries": message.attempts},
            )
        )
        return None
    return now + timedelta(minutes=2 ** (message.attempts - 1))


def send_again(session: Session, message: OutboxMessage, now: datetime) -> None:
    """Let a message that was given up or kept be delivered, with its old key."""
    message.state = OutboxState.PENDING
    message.attempts = 0
    message.not_before = now
    message.digest_key = None
    session.flush()
    work.ask(session, WorkKind.OUTBOX, message.id, now)
