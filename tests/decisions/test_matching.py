"""Clients are recognised by one form of each key, whatever way people write it."""

import pytest

from rules_engine.decisions.matching import corporate_domain, match_keys, normal_inn, normal_mail, normal_phone


@pytest.mark.parametrize(
    "written",
    ["8 (495) 000-12-34", "+7 495 000 12 34", "4950001234", "7-495-000-12-34", "8(495)0001234 доб. 17", "84950001234"],
)
def test_one_phone_written_in_many_ways(written: str) -> None:
    assert normal_phone(written) == "+74950001234"


@pytest.mark.parametrize("written", ["", "нет", "123", "+", "+7 495", "0" * 30, "1" * 40])
def test_what_is_no_phone(written: str) -> None:
    assert normal_phone(written) is None


def test_a_tax_number_gets_its_lost_zero_back_only_when_the_check_digits_say_so() -> None:
    assert normal_inn("0274062111") == "0274062111"
    assert normal_inn("274062111") == "0274062111"
    assert normal_inn("274062112") is None
    assert normal_inn("7707 083 893") == "7707083893"
    assert normal_inn("77O7083893") is None


@pytest.mark.parametrize("written", ["", "a@b", "a b@c.ru", "@c.ru", "a@c.ru, d@e.ru"])
def test_what_is_no_mail_address(written: str) -> None:
    assert normal_mail(written) is None


def test_a_public_domain_says_nothing_about_the_firm() -> None:
    assert corporate_domain("a@mail.ru") is None
    assert corporate_domain("a@romashka.ru") == "romashka.ru"
    keys = match_keys(inn="", phones=("8 495 000 12 34", "+74950001234"), mails=("A@Romashka.ru", "x@gmail.com", "?"))
    assert keys.phones == ("+74950001234",)
    assert keys.mails == ("a@romashka.ru", "x@gmail.com")
    assert keys.domains == ("romashka.ru",)
