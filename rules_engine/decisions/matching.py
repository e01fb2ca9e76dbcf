"""By what a client is recognised: tax numbers, phones and mail addresses in one form each."""

import re
from dataclasses import dataclass, field

PUBLIC_MAIL = frozenset(
    {
        "mail.ru", "bk.ru", "list.ru", "inbox.ru", "internet.ru", "yandex.ru", "ya.ru", "yandex.com", "yandex.kz",
        "yandex.by", "rambler.ru", "lenta.ru", "ro.ru", "autorambler.ru", "gmail.com", "googlemail.com", "outlook.com",
        "hotmail.com", "live.com", "live.ru", "msn.com", "yahoo.com", "icloud.com", "me.com", "mac.com", "aol.com",
        "gmx.com", "gmx.de", "gmx.net", "web.de", "proton.me", "protonmail.com", "tutanota.com", "vk.com", "ukr.net",
        "tut.by", "mail.kz", "zoho.com", "qip.ru", "nm.ru", "narod.ru",
    }
)  # fmt: skip
"""Domains at which anybody can have an address: they say nothing about the firm."""

_EXTENSION = re.compile(r"(?:доб(?:авочный)?|вн(?:утр)?|ext|x|#)\.?[\s.:]*\d+\s*$", re.IGNORECASE)
_MAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]{2,}")


def normal_phone(text: str) -> str | None:
    """Return a phone as `+` and digits, or None if it is none. Russian numbers without a country get +7.

    >>> normal_phone("8 (495) 000-12-34 доб. 5"), normal_phone("495 000 12 34"), normal_phone("+49 30 0000")
    ('+74950001234', '+74950001234', '+49300000')
    """
    trimmed = _EXTENSION.sub("", text.strip())
    digits = re.sub(r"\D", "", trimmed)
    if trimmed.lstrip().startswith("+"):
        return f"+{digits}" if 8 <= len(digits) <= 15 else None
    if digits.startswith("00") and 10 <= len(digits) <= 17:
        return f"+{digits[2:]}"
    if len(digits) == 10:
        return f"+7{digits}"
    if len(digits) == 11 and digits[0] in "78":
        return f"+7{digits[1:]}"
    return f"+{digits}" if 11 < len(digits) <= 15 else None


def normal_mail(text: str) -> str | None:
    """Return a mail address in lower case, or None if it is none.

    >>> normal_mail(" A.Ivanova@Example.ORG ")
    'a.ivanova@example.org'
    """
    address = text.strip().strip("<>").lower()
    return address if _MAIL.fullmatch(address) and len(address) <= 254 else None


def corporate_domain(mail: str) -> str | None:
    """Return the domain of a normal address if it belongs to a firm; None for public ones."""
    domain = mail.rpartition("@")[2]
    return None if domain in PUBLIC_MAIL else domain


def normal_inn(text: str) -> str | None:
    """Return a Russian tax number with 10 or 12 digits, giving back a leading zero that a spreadsheet took; else None.

    The check digits decide whether 9 and 11 digits have lost a zero. Source: the Federal Tax Service's rule of check
    digits (order ED-7-14/559@ of 2020).

    >>> normal_inn("7707083893"), normal_inn("105012340"), normal_inn("123")
    ('7707083893', None, None)
    """
    digits = re.sub(r"[\s.\-]", "", text)
    digits = digits.removesuffix(",0") if "," in digits else digits
    if not digits.isascii() or not digits.isdigit():
        return None
    if len(digits) in (10, 12):
        return digits
    if len(digits) in (9, 11) and has_inn_check_digits(f"0{digits}"):
        return f"0{digits}"
    return None


_INN_10 = (2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN_11 = (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
_INN_12 = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


def has_inn_check_digits(inn: str) -> bool:
    """Return whether the check digits of a 10- or 12-digit tax number are right."""
    numbers = [int(digit) for digit in inn]

    def check(weights: tuple[int, ...]) -> int:
        return sum(weight * number for weight, number in zip(weights, numbers, strict=False)) % 11 % 10

    if len(numbers) == 10:
        return check(_INN_10) == numbers[9]
    return len(numbers) == 12 and check(_INN_11) == numbers[10] and check(_INN_12) == numbers[11]


@dataclass(frozen=True, slots=True)
class MatchKeys:
    """By what a client can be found. `domains` only suggest; the others are exact."""

    inn: str | None = None
    phones: tuple[str, ...] = ()
    mails: tuple[str, ...] = ()
    domains: tuple[str, ...] = field(default=())


def match_keys(*, inn: str | None = None, phones: tuple[str, ...] = (), mails: tuple[str, ...] = ()) -> MatchKeys:
    """Return the keys of what a sender wrote; what cannot be read is left out."""
    addresses = tuple(dict.fromkeys(mail for text in mails if (mail := normal_mail(text))))
    return MatchKeys(
        inn=normal_inn(inn) if inn else None,
        phones=tuple(dict.fromkeys(phone for text in phones if (phone := normal_phone(text)))),
        mails=addresses,
        domains=tuple(dict.fromkeys(domain for mail in addresses if (domain := corporate_domain(mail)))),
    )
