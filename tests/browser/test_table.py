"""The table of rules in a browser: by keyboard alone, pasted into, on a phone, and without scripts."""

from collections.abc import Callable

import pytest

from rules_engine import db
from rules_engine.models import User
from rules_engine.services.company.passwords import hash_password
from rules_engine.services.drafts import editing
from tests.browser.conftest import PHONE, WIDE, Person, Site
from tests.browser.test_rules import three_rules
from tests.factories import MONDAY, PASSWORD, condition, make_cast, make_version

TABLE = "/rules/assignment/draft/table"
ROWS = "Название\tСумма\tКому\nСрочные\t≥ 500 000\tдежурный\nМелкие\tмало\tдежурный"
PASTE = """text => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  document.activeElement.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
}"""


@pytest.fixture
def drafted(site: Site) -> Site:
    """Three rules in force, and a draft of them begun by Галина."""
    site.clock.at = MONDAY
    with db.transaction(site.sessions) as session:
        make_cast(session)
        secret = hash_password(PASSWORD)
        for user in session.query(User):
            user.password_hash = secret
        make_version(session, "assignment", three_rules())
    with db.transaction(site.sessions) as session:
        editing.start_draft(session, "assignment", actor="galina", now=MONDAY)
    return site


def body(site: Site) -> dict:
    with site.sessions() as session:
        draft = editing.draft(session, "assignment")
        assert draft is not None
        return draft.body


def here(someone: Person) -> str:
    return someone.page.evaluate("document.activeElement.dataset.cell || ''")


def test_a_cell_is_changed_by_keyboard_alone(drafted: Site, person: Callable[..., Person]) -> None:
    head = person(WIDE)
    head.log_in("galina")
    head.open(TABLE)
    head.page.locator("[data-cell='own name']").focus()
    head.page.keyboard.press("ArrowDown")
    head.page.keyboard.press("ArrowRight")
    assert here(head) == "large on"
    while here(head) != "large field:request.amount":
        head.page.keyboard.press("ArrowRight")
    # One cell of the table is in the order of Tab, whatever its size.
    assert head.page.locator(".rules-grid [data-cell][tabindex='0']").count() == 1
    head.page.keyboard.press("Enter")
    head.page.locator("#open-form").wait_for()
    head.await_focus("#c-value")
    head.page.keyboard.press("Control+A")
    head.page.keyboard.type("250 000")
    head.page.keyboard.press("Enter")
    head.page.locator("#open-form").wait_for(state="detached")
    head.await_focus("[data-cell='large field:request.amount']")
    assert body(drafted)["rules"][1]["when"]["all"] == [condition("request.amount", "ge", "250000")]
    head.page.keyboard.press("ArrowDown")
    head.page.keyboard.press("Enter")
    head.await_focus("#open-form ")
    head.page.keyboard.press("Escape")
    head.page.locator("#open-form").wait_for(state="detached")
    assert len(body(drafted)["rules"][2]["when"]["all"]) == 1
    head.look_at_both_widths("rules-table")


def test_rows_pasted_into_the_table_are_mended_and_added(drafted: Site, person: Callable[..., Person]) -> None:
    head = person(PHONE)
    head.log_in("galina")
    head.open(TABLE)
    name = head.page.locator("tbody .stuck").first
    before = name.bounding_box()
    head.page.evaluate("document.querySelector('.grid-scroll').scrollLeft = 200")
    assert name.bounding_box() == before
    head.page.locator("[data-cell='own name']").focus()
    head.page.evaluate(PASTE, ROWS)
    head.page.wait_for_url("**/draft/paste")
    head.look_at_both_widths("rules-paste")
    assert [rule["id"] for rule in body(drafted)["rules"]] == ["own", "large", "calls"]
    head.page.locator("[aria-invalid=true]").fill("меньше 1 000")
    head.page.locator("button[value=check]").click()
    head.page.locator("button[value=add]").click()
    head.page.wait_for_url("**/draft/table")
    assert [rule["id"] for rule in body(drafted)["rules"]][3:] == ["srochnye", "melkie"]


def test_every_cell_is_a_link_without_scripts(drafted: Site, person: Callable[..., Person]) -> None:
    head = person(WIDE, scripts=False)
    head.log_in("galina")
    head.open(TABLE)
    head.page.locator("[data-cell='large field:client.owner']").click()
    head.page.locator("#c-op").select_option("is")
    head.page.locator("button[value=refresh]").click()
    head.page.locator("#c-value").select_option("anna")
    head.page.locator("#open-form button[value=condition]").click()
    assert body(drafted)["rules"][1]["when"]["all"][1] == condition("client.owner", "is", "anna")
