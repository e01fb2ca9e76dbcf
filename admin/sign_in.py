"""Logging in: one answer and equal time for every failure, and a growing wait for an account and for an address."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rules_engine.models import LoginBackoff, User
from rules_engine.services.company.passwords import verify_password
from rules_engine.services.records import audit


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures are free, and how long the wait grows: twice as long after each, up to `longest`."""

    free: int
    longest: timedelta

    def wait(self, failures: int) -> timedelta | None:
        """Return for how long the next try is refused unseen; None: it is not."""
        if failures < self.free:
            return None
        # The exponent is bounded, or a long attack would overflow it.
        return min(timedelta(seconds=2 ** min(failures - self.free + 1, 12)), self.longest)


ACCOUNT = Patience(free=5, longest=timedelta(minutes=5))
ADDRESS = Patience(free=20, longest=timedelta(minutes=15))
"""An office behind one address must not be shut out by a colleague who mistypes."""
FORGOTTEN_AFTER = timedelta(hours=2)


def sign_in(session: Session, login: str, password: str, address: str, *, now: datetime) -> User | None:
    """Return the user whose password this is; None for any failure. `now` is of the machine's clock.

    Every call verifies one hash, also for an unknown login and while a wait lasts. Counts failures; the caller
    commits either way.
    """
    login = login.strip()
    user = session.scalars(select(User).where(func.lower(User.login) == login.lower())).first()
    counters = [
        (_counter(session, _key("account", login.lower()), now), ACCOUNT),
        (_counter(session, _key("address", address), now), ADDRESS),
    ]
    waiting = any(row.blocked_until is not None and row.blocked_until > now for row, _ in counters)
    may_enter = user is not None and user.is_active and not waiting
    fits = verify_password(user.password_hash if user is not None and may_enter else None, password)
    if user is not None and may_enter and fits:
        counters[0][0].failures, counters[0][0].blocked_until = 0, None
        audit.record(session, actor=user.login, action="login", subject_kind="user", subject_id=user.id)
        return user
    if not waiting:
        for row, patience in counters:
            _count_failure(row, patience, now)
    return None


def _key(kind: str, value: str) -> str:
    # Hashed: people type their password into the wrong field.
    return f"{kind}:{hashlib.sha256(value.encode()).hexdigest()[:32]}"


def _counter(session: Session, key: str, now: datetime) -> LoginBackoff:
    query = select(LoginBackoff).where(LoginBackoff.key == key).with_for_update()
    found = session.scalars(query).first()
    if found is None:
        try:
            with session.begin_nested():
                session.add(LoginBackoff(key=key, failures=0, last_at=now))
        except IntegrityError:
            pass  # another try made it a moment ago
        found = session.scalars(query).one()
    return found


def _count_failure(row: LoginBackoff, patience: Patience, now: datetime) -> None:
    failures = 0 if now - row.last_at > FORGOTTEN_AFTER else row.failures
    row.failures, row.last_at = failures + 1, now
    wait = patience.wait(row.failures)
    row.blocked_until = now + wait if wait else None
