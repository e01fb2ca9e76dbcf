"""Who calls: a bearer token, and whether it may."""

from dataclasses import dataclass

from flask import current_app, request

from admin.api.limits import CALLS_A_MINUTE, FAILURES_A_MINUTE, Limiter
from admin.api.problems import Refused
from admin.base import shell
from rules_engine import clock
from rules_engine.db import transaction
from rules_engine.services.company import tokens

_MAX_SECRET = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """The token of a call. `actor` is the name under which its changes are recorded."""

    token_id: int
    name: str
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        return f"api:{self.name}"


def authenticate(scope: str) -> Caller:
    """Return who calls. Raises Refused: 401 without a valid token, 403 without the scope, 429 when it calls too often.

    Tokens run out by the machine's clock. It reads only; that a token was used is written once a minute.
    """
    limiter: Limiter = current_app.extensions["pravila_limiter"]
    now = clock.now()
    address = f"address:{request.remote_addr}"
    if limiter.has_reached(address, FAILURES_A_MINUTE, now):
        raise Refused(429, headers={"Retry-After": "60"})
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    token = None
    if scheme.casefold() == "bearer" and 0 < len(secret.strip()) <= _MAX_SECRET:
        with shell().reading_sessions() as session:
            token = tokens.authenticate(session, secret.strip(), now)
    if token is None:
        limiter.is_exceeded(address, FAILURES_A_MINUTE, now)
        raise Refused(401, headers={"WWW-Authenticate": "Bearer"})
    if limiter.is_exceeded(f"token:{token.id}", CALLS_A_MINUTE, now):
        raise Refused(429, headers={"Retry-After": "60"})
    if not tokens.is_use_noted(token, now):
        with transaction(shell().sessions) as session:
            tokens.note_use(session, token.id, now)
    if scope not in token.scopes:
        raise Refused(403, f"нужно право {scope}", f"the scope {scope} is needed")
    return Caller(token.id, token.name, frozenset(token.scopes))
