"""The regulation of calls on paper: two sheets of A4 at most, with every signature on one of them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rules_engine import db
from rules_engine.models import User
from rules_engine.services.company.passwords import hash_password
from rules_engine.services.rules import occasions
from tests.browser.conftest import PHONE, WIDE, Person, Site
from tests.factories import MONDAY, PASSWORD, make_cast, make_manager, make_version

ROOT = Path(__file__).parents[2]


@pytest.fixture
def department(site: Site) -> None:
    """The shipped rules, and a department of two dozen managers."""
    site.clock.at = MONDAY
    with db.transaction(site.sessions) as session:
        make_cast(session)
        for number in range(20):
            make_manager(session, f"m{number}", f"Константин Константинопольский-{number}")
        occasions.install(session)
        for name in ("assignment", "callbacks", "escalation", "bonus"):
            make_version(session, name, json.loads((ROOT / f"rulesets/{name}.json").read_text(encoding="utf-8")))
        secret = hash_password(PASSWORD)
        for user in session.query(User):
            user.password_hash = secret


def test_the_regulation_takes_two_sheets_at_most(department: None, person: Callable[..., Person]) -> None:
    head = person(WIDE)
    head.log_in("galina")
    for language in ("ru", "en"):
        head.page.locator(f".langs button[value={language}]").click()
        head.open("/rules/regulation")
        sheets = head.page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", sheets)) <= 2
        head.look_at_both_widths(f"regulation-{language}")
    head.page.set_viewport_size(PHONE)
    head.look()
