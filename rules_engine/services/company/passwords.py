"""Passwords: Argon2id, and what a new one must be like."""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from rules_engine.errors import InputError

MIN_LENGTH = 10
MAX_LENGTH = 200
_COMMON = frozenset(
    {"1234567890", "0123456789", "qwertyuiop", "password12", "password123", "йцукенгшщз", "1q2w3e4r5t", "qwerty12345"}
)

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its salt and costs."""
    return _hasher.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Return whether the password fits. None as the hash costs the same time and fits nothing."""
    try:
        return _hasher.verify(password_hash or _nobody(), password[: MAX_LENGTH + 1]) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def password_problem(password: str, login: str = "") -> InputError | None:
    """Return why a new password cannot be taken; None: it can."""
    if len(password) < MIN_LENGTH:
        return InputError(
            path="password",
            ru=f"нужно не меньше {MIN_LENGTH} знаков",
            en=f"at least {MIN_LENGTH} characters are needed",
        )
    if len(password) > MAX_LENGTH:
        return InputError(
            path="password",
            ru=f"нужно не больше {MAX_LENGTH} знаков",
            en=f"at most {MAX_LENGTH} characters are allowed",
        )
    plain = password.casefold()
    if plain in _COMMON or len(set(plain)) < 4 or (login and login.casefold() in plain and len(login) > 3):
        return InputError(path="password", ru="такой пароль легко угадать", en="this password is easy to guess")
    return None


def one_time_password() -> str:
    """Return a random password that is easy to read out: 79 bits, without look-alike letters."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))


@cache
def _nobody() -> str:
    # Made once a process: whoever asks for a login that does not exist waits as long as everybody.
    return _hasher.hash(secrets.token_hex(16))
