"""Bearer tokens of the REST API: 256 random bits shown once, stored as their hash, scoped, expiring, revocable."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.language.near import near
from rules_engine.models import ApiToken
from rules_engine.services.records import audit

SCOPES: Final = (
    "requests:write",
    "requests:read",
    "clients:write",
    "payments:write",
    "contacts:write",
    "tasks:read",
    "tasks:write",
    "bonuses:read",
)
PREFIX: Final = "pravila_"
"""So that a token left in a file is recognised as one."""
USE_STEP: Final = timedelta(minutes=1)
"""How often the instant of the last use is written: not at every request."""
_NAME_LIMIT = 100


def create(
    session: Session,
    name: str,
    scopes: Iterable[str],
    *,
    now: datetime,
    expires_at: datetime | None = None,
    actor: str = "system",
    created_by_id: int | None = None,
) -> tuple[ApiToken, str]:
    """Return a new token and its secret, which is kept nowhere.

    Raises InputError for an empty name, an unknown scope, no scope, and an end that has passed.
    """
    clean = name.strip()
    if not clean or len(clean) > _NAME_LIMIT or not clean.isprintable():
        raise InputError(path="name", ru="нужно название до 100 знаков", en="must be a name of up to 100 characters")
    wanted = list(dict.fromkeys(scopes))
    if not wanted:
        raise InputError(path="scopes", ru="не указано ни одного права", en="names no scope")
    for scope in wanted:
        if scope not in SCOPES:
            meant = near(scope, SCOPES) or ", ".join(SCOPES)
            raise InputError(
                path="scopes", ru=f"нет права {scope}; есть {meant}", en=f"there is no scope {scope}; there is {meant}"
            )
    if expires_at is not None and expires_at <= now:
        raise InputError(path="expires_at", ru="этот срок уже прошёл", en="has already passed")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        name=clean,
        digest=_digest(secret),
        scopes=wanted,
        created_at=now,
        expires_at=expires_at,
        created_by_id=created_by_id,
    )
    session.add(token)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="create",
        subject_kind="token",
        subject_id=token.id,
        after={"name": clean, "scopes": wanted, "expires_at": expires_at},
    )
    return token, secret


def authenticate(session: Session, secret: str, now: datetime) -> ApiToken | None:
    """Return the token of a secret; None when there is none, it has run out, or it was revoked. Writes nothing."""
    token = session.scalars(select(ApiToken).where(ApiToken.digest == _digest(secret))).first()
    if token is None or token.revoked_at is not None:
        return None
    if token.expires_at is not None and token.expires_at <= now:
        return None
    return token


def is_use_noted(token: ApiToken, now: datetime) -> bool:
    """Return whether the last use stands in the row already, to the minute."""
    return token.last_used_at is not None and now - token.last_used_at < USE_STEP


def note_use(session: Session, token_id: int, now: datetime) -> None:
    """Write down that the token was used."""
    session.execute(
        update(ApiToken)
        .where(ApiToken.id == token_id)
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )


def revoke(session: Session, token: ApiToken, *, now: datetime, actor: str) -> None:
    """Close a token for good; a second time changes nothing."""
    if token.revoked_at is not None:
        return
    token.revoked_at = now
    audit.record(
        session,
        actor=actor,
        action="revoke",
        subject_kind="token",
        subject_id=token.id,
        before={"name": token.name, "revoked_at": None},
        after={"name": token.name, "revoked_at": now},
    )


def _digest(secret: str) -> str:
    # A plain hash is enough: 256 random bits cannot be guessed from a list of words.
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()
