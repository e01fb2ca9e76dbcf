"""Passwords: what a guess costs, and that an account which is not there costs as much."""

import pytest
from argon2 import PasswordHasher, Type

from rules_engine.services.company import passwords


def test_the_product_makes_each_guess_cost_what_rfc_9106_asks_of_little_memory(product_hasher: PasswordHasher) -> None:
    assert product_hasher.type is Type.ID
    assert product_hasher.time_cost >= 3
    assert product_hasher.memory_cost >= 64 * 1024


def test_a_hash_is_argon2id_with_a_salt_of_its_own() -> None:
    first, second = (passwords.hash_password("three sober accountants") for _ in range(2))
    assert first.startswith("$argon2id$")
    assert first != second


@pytest.mark.parametrize("password", ["three sober accountant", "", "three sober accountants "])
def test_only_the_same_password_fits(password: str) -> None:
    known = passwords.hash_password("three sober accountants")
    assert passwords.verify_password(known, "three sober accountants")
    assert not passwords.verify_password(known, password)


@pytest.mark.parametrize("known", [None, "", "three sober accountants"])
def test_what_is_no_hash_fits_nothing(known: str | None) -> None:
    assert not passwords.verify_password(known, "three sober accountants")
