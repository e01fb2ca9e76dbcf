"""What time it is at a client's: by region, by town, by the code of a phone; and when he may be called."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest

from rules_engine.decisions.client_time import _CODES, _PLACES, client_zone, time_at


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("Москва", "Europe/Moscow"),
        ("г. Пермь", "Asia/Yekaterinburg"),
        ("Омская область", "Asia/Omsk"),
        ("Томск", "Asia/Tomsk"),
        ("Красноярский край", "Asia/Krasnoyarsk"),
        ("Краснодарский край", "Europe/Moscow"),
        ("Республика Алтай", "Asia/Barnaul"),
        ("Приморский край", "Asia/Vladivostok"),
        ("Казахстан", "Asia/Almaty"),
        ("Ямало-Ненецкий автономный округ", "Asia/Yekaterinburg"),
        ("Ненецкий автономный округ", "Europe/Moscow"),
        ("ОРЁЛ", "Europe/Moscow"),
        ("Амурская обл.", "Asia/Yakutsk"),
        ("Нижний Новгород", "Europe/Moscow"),
        ("Великий Новгород", "Europe/Moscow"),
        ("Нижний Тагил", None),
        ("Тула", "Europe/Moscow"),
        ("Тулун", None),
        ("Атлантида", None),
    ],
)
def test_a_place_names_its_zone(place: str, zone: str | None) -> None:
    found = client_zone([place])

    assert (found.key if found else None) == zone


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("+74950000000", "Europe/Moscow"),
        ("+78120000000", "Europe/Moscow"),
        ("+73832000000", "Asia/Novosibirsk"),
        ("+78462000000", "Europe/Samara"),
        ("+77272000000", "Asia/Almaty"),
        ("+375172000000", "Europe/Minsk"),
        ("+79160000000", None),
        ("+78000000000", None),
        ("?12345", None),
    ],
)
def test_the_code_of_a_phone_names_its_zone(phone: str, zone: str | None) -> None:
    found = client_zone([None, ""], [phone])

    assert (found.key if found else None) == zone


def test_the_region_is_believed_before_the_phone() -> None:
    assert client_zone(["Владивосток"], ["+74950000000"]) == ZoneInfo("Asia/Vladivostok")


def test_every_zone_of_the_tables_exists() -> None:
    assert {*_PLACES, *_CODES} <= available_timezones()


@pytest.mark.parametrize(
    ("now", "local", "opens"),
    [
        ("2026-10-05T08:00", "15:00", None),  # a Monday, 15:00 in Novosibirsk
        ("2026-10-05T11:00", "18:00", "2026-10-06T09:30"),  # the hours are half-open
        ("2026-10-05T02:29", "09:29", "2026-10-05T09:30"),
        ("2026-10-05T02:30", "09:30", None),
        ("2026-10-09T12:40", "19:40", "2026-10-12T09:30"),  # a Friday evening
        ("2026-10-10T06:00", "13:00", "2026-10-12T09:30"),
    ],
)
def test_calls_fall_into_the_client_s_own_hours(now: str, local: str, opens: str | None) -> None:
    found = time_at(ZoneInfo("Asia/Novosibirsk"), instant(now))

    assert f"{found.local:%H:%M}" == local
    assert (f"{found.opens_at:%Y-%m-%dT%H:%M}" if found.opens_at else None) == opens
