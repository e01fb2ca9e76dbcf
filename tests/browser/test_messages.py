"""The bell and one's own settings for messages: by keyboard, on a phone, and what comes while the page stands open."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from rules_engine import db
from rules_engine.models import User
from rules_engine.services.company.passwords import hash_password
from rules_engine.services.messages import outbox
from tests.browser.conftest import PHONE, Person, Site
from tests.factories import MONDAY, PASSWORD, make_cast

Seat = Callable[..., Person]


@pytest.fixture
def tell(site: Site) -> Callable[[str], None]:
    """Returns a function that writes Анна a message."""
    site.clock.at = MONDAY
    with db.transaction(site.sessions) as session:
        make_cast(session)
        for user in session.scalars(select(User)):
            user.password_hash = hash_password(PASSWORD)
    with site.sessions() as session:
        anna_id = session.scalars(select(User.id).where(User.login == "anna")).one()

    def write(subject: str) -> None:
        with db.transaction(site.sessions) as session:
            outbox.notify(
                session, user_ids=[anna_id], subject=subject, body="Срок ответа 12:20", link="/my/", key=subject,
                now=MONDAY, channels=["page"],
            )  # fmt: skip

    return write


def test_the_bell_opens_by_keyboard_and_counts_what_comes_meanwhile(tell: Callable[[str], None], person: Seat) -> None:
    tell("Заявка А-17")
    anna = person(PHONE)
    anna.log_in("anna")
    number, summary = anna.page.locator("#bell-count .badge"), anna.page.locator("#bell > summary")
    assert number.inner_text() == "1"

    tell("Заявка А-18")
    anna.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    anna.page.locator("#bell-count .badge", has_text="2").wait_for()

    summary.focus()
    anna.page.keyboard.press("Enter")
    anna.page.locator("#bell-list", has_text="Заявка А-18").wait_for()
    anna.look_at_both_widths("bell")
    anna.page.set_viewport_size(PHONE)
    anna.page.keyboard.press("Escape")
    assert anna.page.locator("#bell[open]").count() == 0
    assert anna.page.evaluate("document.activeElement.tagName") == "SUMMARY"

    anna.page.keyboard.press("Enter")
    anna.page.locator("#bell-list button", has_text="Заявка А-17").click()
    anna.page.wait_for_url(lambda url: url.endswith("/my/"))
    assert number.inner_text() == "1"

    anna.open("/me/messages")
    anna.page.locator("textarea[name=urls]").fill("tgram://123456789:abcdefg_hijklmnop/12315544/")
    anna.page.locator("form.form button.primary").click()
    anna.page.locator("code", has_text="Telegram").wait_for()
    anna.look_at_both_widths("own-messages")
