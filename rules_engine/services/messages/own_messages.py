"""How a person wants his messages: his own settings, changed by himself alone."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.errors import InputError
from rules_engine.models import User
from rules_engine.services.messages import addresses
from rules_engine.services.records import audit, settings_store

DIGESTS = (0, 15, 30, 60, 120, 240)
"""Minutes; 0: each message by itself."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person filled in. `added`: addresses, one a line; `removed`: keys of those he had."""

    by_mail: bool
    after_hours: bool
    digest_minutes: int
    added: str = ""
    removed: Collection[str] = ()


def change(session: Session, user: User, wishes: Wishes) -> None:
    """Change how a person gets his messages, and note it in the audit log, of addresses only how many there are.

    Raises InputError with the path `urls` or `digest_minutes`; then nothing is changed.
    """
    if wishes.digest_minutes not in DIGESTS:
        raise InputError(path="digest_minutes", ru="такого промежутка в списке нет", en="no such interval on the list")
    secret = settings_of(session).secret_key
    kept = [url for url in user.notify_urls if addresses.key_of(url, secret) not in wishes.removed]
    added = addresses.read_many(wishes.added, allows_private=may_be_private(session))
    urls = list(dict.fromkeys([*kept, *added]))
    if len(urls) > addresses.MOST:
        raise addresses.too_many()
    before, had = _plain(user), list(user.notify_urls)
    user.notify_by_mail = wishes.by_mail
    user.notify_after_hours = wishes.after_hours
    user.digest_minutes = wishes.digest_minutes
    user.notify_urls = urls
    session.flush()
    after = _plain(user)
    if before != after or had != urls:
        audit.record(
            session,
            actor=user.login,
            action="update",
            subject_kind="user",
            subject_id=user.login,
            before=before,
            after=after,
        )


def may_be_private(session: Session) -> bool:
    """Return whether messages may go into the internal network."""
    return settings_store.choice(session, settings_store.NOTIFY_PRIVATE_ADDRESSES) == "on"


def _plain(user: User) -> dict[str, object]:
    return {
        "notify_by_mail": user.notify_by_mail,
        "notify_after_hours": user.notify_after_hours,
        "digest_minutes": user.digest_minutes,
        "notify_urls": len(user.notify_urls),
    }
