"""The pages in a browser: both widths, both languages, without JavaScript on the main path, by keyboard."""

from collections.abc import Callable

import pytest

from rules_engine import db
from rules_engine.models import Role, User
from rules_engine.services.passwords import hash_password
from tests.browser.conftest import PHONE, WIDE, Person, Site
from tests.factories import MONDAY, Cast, make_cast, make_user

Seat = Callable[..., Person]


@pytest.fixture
def cast(site: Site) -> Cast:
    site.clock.at = MONDAY
    with db.transaction(site.sessions) as session:
        cast = make_cast(session)
        make_user(session, "zhanna", "Жанна", role=Role.AUDITOR)
        known = hash_password("three sober accountants")
        for user in session.query(User):
            user.password_hash = known
    return cast


@pytest.mark.parametrize("width", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("lang", ["ru", "en"])
def test_reference_pages_fit_at_both_widths(
    site: Site, cast: Cast, person: Seat, width: dict[str, int], lang: str
) -> None:
    denis = person(width)
    denis.page.goto(site.url + "/login")
    denis.look()
    denis.shot(f"login-{lang}-{width['width']}")
    denis.log_in("denis", lang)
    pages = {
        "reference": "/admin/",
        "managers": "/admin/managers/",
        "manager-form": f"/admin/managers/edit/?id={cast.anna.id}",
        "calendar-form": f"/admin/calendars/edit/?id={cast.calendar.id}",
        "calendar": f"/admin/calendars/details/?id={cast.calendar.id}",
        "token-form": "/admin/tokens/new/",
        "user": f"/admin/users/details/?id={cast.denis.id}",
        "journal": "/admin/journal/",
        "jobs": "/jobs/",
        "settings": "/settings/",
        "messages": "/messages/",
    }
    for name, path in pages.items():
        denis.open(path)
        denis.shot(f"{name}-{lang}-{width['width']}")
