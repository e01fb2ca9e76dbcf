"""API tokens: shown once, kept as a hash, limited in what and for how long."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import ApiToken
from rules_engine.services.company import tokens
from tests.factories import MONDAY


def test_a_secret_opens_its_token_and_is_stored_nowhere(session: Session) -> None:
    token, secret = tokens.create(session, "сайт", ["requests:write"], now=MONDAY)
    found = tokens.authenticate(session, secret, MONDAY)
    assert found is not None and found.id == token.id
    assert found.scopes == ["requests:write"]
    stored = session.get_one(ApiToken, token.id)
    assert secret not in str(vars(stored))
    assert len(secret) > 43


def test_another_secret_opens_nothing(session: Session) -> None:
    _, secret = tokens.create(session, "сайт", ["requests:write"], now=MONDAY)
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), "\ud800", "я"):
        assert tokens.authenticate(session, wrong, MONDAY) is None


def test_a_token_ends_at_its_instant_and_when_it_is_revoked(session: Session) -> None:
    _, secret = tokens.create(session, "a", ["tasks:read"], now=MONDAY, expires_at=MONDAY + timedelta(days=1))
    assert tokens.authenticate(session, secret, MONDAY + timedelta(hours=23)) is not None
    assert tokens.authenticate(session, secret, MONDAY + timedelta(days=1)) is None
    token, secret = tokens.create(session, "b", ["tasks:read"], now=MONDAY)
    tokens.revoke(session, token, now=MONDAY, actor="denis")
    assert tokens.authenticate(session, secret, MONDAY) is None


def test_an_unknown_scope_is_refused_with_the_one_that_was_meant(session: Session) -> None:
    with pytest.raises(InputError, match="requests:write"):
        tokens.create(session, "a", ["request:write"], now=MONDAY)
    for scopes in ([], [""]):
        with pytest.raises(InputError):
            tokens.create(session, "a", scopes, now=MONDAY)
    with pytest.raises(InputError):
        tokens.create(session, " ", ["tasks:read"], now=MONDAY)


def test_the_last_use_is_noted_to_the_minute(session: Session) -> None:
    token, _ = tokens.create(session, "a", ["tasks:read"], now=MONDAY)
    assert not tokens.is_use_noted(token, MONDAY)
    tokens.note_use(session, token.id, MONDAY)
    session.refresh(token)
    assert tokens.is_use_noted(token, MONDAY + timedelta(seconds=59))
    assert not tokens.is_use_noted(token, MONDAY + timedelta(seconds=60))
