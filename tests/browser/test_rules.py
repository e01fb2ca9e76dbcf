"""A head changes a rule in the browser, and the next request follows it; keys, dragging, trying, without scripts."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Role, User
from rules_engine.services.company.passwords import hash_password
from rules_engine.services.drafts import editing
from rules_engine.services.requests.assignment import decide_and_assign
from tests.browser.conftest import PHONE, WIDE, Person, Site
from tests.factories import (
    MONDAY,
    PASSWORD,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_client,
    make_request,
    make_user,
    make_version,
    rule,
)

DRAFT = "/rules/assignment/draft"
OWN = {
    "action": "assign",
    "to": {"pool": "owner"},
    "answer_within": 30,
    "among": {"all": [condition("candidate.unanswered_requests", "lt", 10)]},
}


def three_rules() -> dict:
    body = assignment_rules(
        rule("own", condition("client.owner", "is_filled"), OWN),
        rule("large", condition("request.amount", "ge", "150000"), {**OWN, "to": {"pool": "team", "team": "others"}}),
        rule("calls", condition("request.channel", "in", ["phone", "chat"]), {**OWN, "to": {"pool": "everyone"}}),
    )
    titles = (("Свой клиент", "Own client"), ("Крупные", "Large ones"), ("Звонки", "Calls"))
    for document, (ru, en) in zip(body["rules"], titles, strict=True):
        document["title"] = {"ru": ru, "en": en}
    return body


@pytest.fixture
def cast(site: Site) -> Cast:
    """The cast with passwords, three rules in force, one request of Борис's client; the clock stands still."""
    site.clock.at = MONDAY
    with db.transaction(site.sessions) as session:
        cast = make_cast(session)
        make_user(session, "zhanna", "Жанна", role=Role.AUDITOR)
        secret = hash_password(PASSWORD)
        for user in session.query(User):
            user.password_hash = secret
        make_version(session, "assignment", three_rules())
        make_version(session, "escalation", escalation_rules())
        make_request(session, client=make_client(session, "ООО «Ромашка»", owner=cast.boris), amount_minor=8_000_000)
    return cast


def body_of(site: Site) -> dict:
    with site.sessions() as session:
        draft = editing.draft(session, "assignment")
        assert draft is not None
        return draft.body


def choose_field(page: object, words: str) -> None:
    """Find a field by its name and take it."""
    page.locator("#c-field-search").click()
    page.keyboard.type(words)
    page.keyboard.press("Enter")


def order_of(someone: Person) -> list[str]:
    found: list[str] = someone.page.evaluate(
        "[...document.querySelectorAll('#rules > .rule')].map(e => e.dataset.rule)"
    )
    return found


def editing_as(person: Callable[..., Person], login: str = "galina", **how: object) -> Person:
    someone = person(**how)
    someone.log_in(login)
    someone.open("/rules/assignment/")
    someone.page.locator(".head form .btn.primary").click()
    someone.page.wait_for_url(f"**{DRAFT}")
    someone.look()
    return someone


def assigned_minutes(sessions: sessionmaker[Session], now_minutes: int = 0) -> int | None:
    """Let the rules in force decide about a new request of a client with an owner; return its answer time."""
    now = MONDAY + timedelta(minutes=now_minutes)
    with db.transaction(sessions) as session:
        owner = session.query(User).filter_by(login="boris").one().manager
        request = make_request(session, client=make_client(session, owner=owner), received_at=now)
        decide_and_assign(session, request, now)
        assert request.manager_id == owner.id
        return request.answer_within


@pytest.mark.parametrize(("width", "language"), [(PHONE, "en")], ids=["390-en"])
def test_a_head_changes_the_answer_time_and_the_next_request_follows_it(
    site: Site, cast: Cast, person: Callable[..., Person], width: dict[str, int], language: str
) -> None:
    assert assigned_minutes(site.sessions) == 30
    head = person(width)
    head.log_in("galina", language)
    head.open("/rules/")
    head.shot(f"rules-{width['width']}-{language}")
    head.open("/rules/assignment/")
    page = head.page
    sentence = page.locator("#rule-own > p").first.inner_text().replace("\u00a0", " ")
    assert ("срок ответа: 30 мин" if language == "ru" else "answer within: 30 min") in sentence.replace("  ", " ")
    head.shot(f"rules-read-{width['width']}-{language}")
    page.locator(".head form .btn.primary").click()
    page.wait_for_url(f"**{DRAFT}")

    page.locator("#sentence-own .chip").last.click()
    page.locator("#a-answer_within:focus").fill("15")
    page.locator('#open-form button[value="action"]').click()
    page.locator("#open-form").wait_for(state="detached")
    page.locator("#sentence-own .chip", has_text="15").wait_for()
    head.look()

    page.locator("#open-own").click()
    page.locator('#rule-own button[value="add-condition"]').first.click()
    choose_field(page, "сумма заявки" if language == "ru" else "amount of the request")
    head.await_focus("#c-value")
    # Kept, and said to be unfinished, before anything is pressed.
    page.locator("#blocks .summary li").wait_for()
    reason = page.locator("#blocks .summary li").inner_text()
    assert ("укажите значение" if language == "ru" else "fill in the value") in reason
    page.locator('#open-form button[value="condition"]').click()
    page.locator('#c-value[aria-invalid="true"]').wait_for()
    head.look()
    head.shot(f"rules-unfinished-{width['width']}-{language}")
    head.open(f"{DRAFT.removesuffix('/draft')}/approval")
    assert page.locator("#send").count() == 0, "an unfinished draft is not sent"

    page.locator(".note.bad a").first.click()
    page.locator("#c-value").fill("1 000,50" if language == "ru" else "1,000.50")
    page.locator('#open-form button[value="condition"]').click()
    page.locator("#sentence-own .chip.broken").wait_for(state="detached")
    assert page.locator("#blocks .summary").count() == 0
    head.shot(f"rules-draft-{width['width']}-{language}")
    # Whoever leaves does not wait for the findings.
    head.expected += ["htmx:sendAbort", "htmx:afterRequest"]
    page.locator(".publish-row .btn").last.click()
    page.wait_for_url("**/approval")
    head.look()
    head.shot(f"rules-approval-{width['width']}-{language}")
    page.locator("#p-note").fill("быстрее")
    page.locator("#send").click()
    page.wait_for_load_state()
    other = person(width)
    other.log_in("denis", language)
    other.open(f"{DRAFT.removesuffix('/draft')}/approval")
    other.page.locator("#approve").click()
    other.page.wait_for_load_state()
    other.look()

    assert assigned_minutes(site.sessions, 1) == 15
    with site.sessions() as session:
        version = editing.latest_version(session, "assignment")
        assert (version.number, version.authored_by, version.note) == (2, "galina", "быстрее")
        assert version.body["rules"][0]["when"]["all"][1] == condition("request.amount", "ge", "1000.5")


def test_a_rule_is_changed_by_keyboard_alone_and_saved_while_typing(
    site: Site, cast: Cast, person: Callable[..., Person]
) -> None:
    head = editing_as(person)
    page, keys = head.page, head.page.keyboard
    page.locator("#open-large").focus()
    while page.evaluate("document.activeElement.closest('a.chip') === null"):
        keys.press("Tab")
    keys.press("Enter")
    head.await_focus("#c-value")
    keys.type("120 000,5")
    page.locator("#count", has_text="при «").wait_for()
    keys.press("Tab")
    page.locator("#sentence-large .chip", has_text="120").wait_for()
    assert body_of(site)["rules"][1]["when"]["all"] == [condition("request.amount", "ge", "120000.5")]
    keys.press("Escape")
    head.await_focus("#sentence-large a.chip")
    # Another field is found by a word of its name; what is left unfinished becomes what it was.
    keys.press("Enter")
    head.await_focus("#c-value")
    keys.press("Shift+Tab")
    keys.press("Shift+Tab")
    keys.type("канал")
    keys.press("Enter")
    head.await_focus('#c-value[type="checkbox"]')
    assert body_of(site)["rules"][1]["when"]["all"] == [{"field": "request.channel", "op": "in", "value": None}]
    keys.press("Escape")
    head.await_focus("#sentence-large a.chip")
    assert body_of(site)["rules"][1]["when"]["all"] == [condition("request.amount", "ge", "120000.5")]
    keys.press("Control+z")
    page.locator("#sentence-large .chip.broken").wait_for()
    head.settle()
    keys.press("/")
    keys.type("крупн")
    assert page.locator("#rules > .rule:visible").count() == 1
    head.await_announced("Найдено правил: 1")
    keys.press("Escape")
    assert page.locator("#rules > .rule:visible").count() == 4
    page.locator("#open-own").focus()
    keys.press("?")
    page.locator("dialog#keys[open]").wait_for()
    keys.press("Escape")
    assert page.evaluate("document.activeElement.id") == "open-own"
    head.look()


def test_who_changes_a_value_keeps_the_focus_and_hears_what_came_of_it(
    site: Site, cast: Cast, person: Callable[..., Person]
) -> None:
    head = editing_as(person)
    page, keys = head.page, head.page.keyboard
    page.locator("#try-search").fill("ромашка")
    page.locator("#try-search").press("Enter")
    # Who asked for the answer goes on at it.
    page.locator("#try .versus:focus").wait_for()
    page.locator("#sentence-own .chip").last.focus()
    keys.press("Enter")
    head.await_focus("#a-answer_within")
    keys.type("скоро")
    with page.expect_response("**/draft/change"):
        keys.press("Tab")
    page.locator('#a-answer_within[aria-invalid="true"]').wait_for()
    head.await_focus("#a-answer_within")
    # The reason was said of another value than the one that is being typed.
    keys.type("2")
    assert page.locator("#open-form .problem, [aria-invalid]").count() == 0
    keys.type("0")
    with page.expect_response("**/try?**"):
        keys.press("Tab")
    page.locator("#try .versus .card:last-child", has_text="20").wait_for()
    assert page.evaluate("document.activeElement.closest('#open-form') !== null")
    head.await_announced("Пример, в черновике: Борис; срок ответа: 20")


def test_keys_lead_through_the_cards_and_move_them(site: Site, cast: Cast, person: Callable[..., Person]) -> None:
    head = editing_as(person)
    page = head.page
    page.locator("#open-own").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.id") == "open-large"
    page.keyboard.press("Alt+ArrowUp")
    page.locator("#rules > .rule:first-child[data-rule=large]").wait_for()
    head.await_focus("#open-large")
    head.await_announced("«Крупные» теперь на месте 1 из 3.")
    assert [document["id"] for document in body_of(site)["rules"]] == ["large", "own", "calls"]
    page.keyboard.press("Enter")
    page.locator("#rule-large.active").wait_for()
    page.locator("#sentence-large .chip").first.click()
    page.locator("#open-form").wait_for()
    page.keyboard.press("Escape")
    page.locator("#open-form").wait_for(state="detached")
    page.locator("#open-large").focus()
    page.keyboard.press("Control+d")
    page.locator("#t-title").wait_for()
    assert [document["id"] for document in body_of(site)["rules"]][1] == "krupnye"
    head.look()


def test_a_rule_is_dragged_to_another_place(site: Site, cast: Cast, person: Callable[..., Person]) -> None:
    head = editing_as(person)
    mouse = head.page.mouse
    handle = head.page.locator("#rule-calls .handle").bounding_box()
    first = head.page.locator("#rule-own").bounding_box()
    mouse.move(handle["x"] + 4, handle["y"] + 8)
    mouse.down()
    mouse.move(handle["x"] + 6, handle["y"] - 20, steps=4)
    mouse.move(first["x"] + 60, first["y"] + 6, steps=6)
    mouse.up()
    head.page.locator("#rules > .rule:first-child[data-rule=calls]").wait_for()
    assert order_of(head) == ["calls", "own", "large", "otherwise"]
    assert [document["id"] for document in body_of(site)["rules"]] == ["calls", "own", "large"]


def test_a_request_is_tried_on_what_is_in_force_and_on_the_draft(
    site: Site, cast: Cast, person: Callable[..., Person]
) -> None:
    head = editing_as(person)
    page = head.page
    page.locator("#try-search").focus()
    page.keyboard.type("ромашка")
    page.keyboard.press("Enter")
    page.locator(".verdicts").wait_for()
    assert page.locator(".versus .card b:nth-child(2)").all_inner_texts() == ["Борис", "Борис"]
    why = page.locator(".verdicts li", has_text="Крупные").inner_text().replace("\u00a0", " ")
    assert "сумма: 80 000 ₽; нужно: не менее 150 000 ₽" in why
    # Changing the draft shows at once what becomes of the same request.
    page.locator("#switch-own").click()
    page.locator("#rule-own.off").wait_for()
    assert page.locator(".versus .card b:nth-child(2)").all_inner_texts()[0] == "Борис"
    assert "без изменений" not in page.locator(".versus").inner_text()
    head.look()
    head.shot("rules-try")
    page.locator('#try details:has(button[value="add-case"]) > summary').click()
    page.locator('#try button[value="add-case"]').click()
    page.wait_for_url("**/cases")
    assert body_of(site)["cases"][0]["expect"] == {"fired": ["otherwise"]}


def test_two_heads_do_not_lose_each_others_change(site: Site, cast: Cast, person: Callable[..., Person]) -> None:
    galina, denis = editing_as(person), person()
    denis.log_in("denis")
    for someone in (galina, denis):
        someone.open(f"{DRAFT}?edit=own&at=/then/0")
    denis.page.locator("#a-answer_within").fill("20")
    denis.page.locator('#open-form button[value="action"]').click()
    denis.page.locator("#sentence-own .chip", has_text="20").wait_for()
    galina.expected.append("409")
    galina.page.locator("#a-answer_within").fill("10")
    galina.page.locator('#open-form button[value="action"]').click()
    galina.page.locator(".conflict", has_text="Денис").wait_for()
    assert "20" in galina.page.locator("#sentence-own .chip").last.inner_text()
    galina.look()
    galina.page.locator("#keep-mine").click()
    galina.page.locator(".conflict").wait_for(state="detached")
    galina.settle()
    assert body_of(site)["rules"][0]["then"][0]["answer_within"] == 10


def test_a_wrong_value_stays_in_its_form_with_the_reason(site: Site, cast: Cast, person: Callable[..., Person]) -> None:
    head = editing_as(person)
    head.expected.append("422")
    head.page.locator("#sentence-large .chip").first.click()
    head.page.locator("#c-value").fill("много")
    head.page.keyboard.press("Enter")
    head.page.locator("#e-value").wait_for()
    assert head.page.locator("#c-value").input_value() == "много"
    assert body_of(site) == three_rules()
    head.look()


def test_the_editor_works_without_scripts(site: Site, cast: Cast, person: Callable[..., Person]) -> None:
    head = editing_as(person, scripts=False)
    page = head.page
    page.locator("#sentence-large .chip").first.click()
    page.locator("#c-field").select_option("request.channel")
    page.locator('#open-form button[value="refresh"]').click()
    page.locator("#c-op").select_option("is")
    page.locator('#open-form button[value="refresh"]').click()
    page.locator("#c-value").select_option("phone")
    page.locator('#open-form button[value="condition"]').click()
    page.wait_for_load_state()
    page.locator("#down-own").click()
    page.wait_for_load_state()
    assert [document["id"] for document in body_of(site)["rules"]] == ["large", "own", "calls"]
    assert body_of(site)["rules"][0]["when"]["all"] == [condition("request.channel", "is", "phone")]


@pytest.mark.parametrize("width", [WIDE, PHONE], ids=["1440", "390"])
def test_modes_are_switched_after_a_look_at_what_that_means(
    site: Site, cast: Cast, person: Callable[..., Person], width: dict[str, int]
) -> None:
    head = person(width, dark=True)
    head.log_in("galina")
    head.open("/modes/")
    head.shot(f"modes-{width['width']}-dark")
    head.page.locator("section", has_text="Распределение заявок").locator(".btn.bad").first.click()
    head.look()
    head.page.locator("main form .btn.primary").click()
    head.page.wait_for_url("**/modes/")
    head.look()
    assert "наблюдение" in head.page.locator("section").first.locator("tbody tr").first.inner_text()
    for path in ("/rules/", DRAFT.removesuffix("/draft") + "/history", DRAFT.removesuffix("/draft") + "/cases"):
        head.open(path)


def test_an_auditor_reads_and_changes_nothing(site: Site, cast: Cast, person: Callable[..., Person]) -> None:
    auditor = person()
    auditor.log_in("zhanna")
    auditor.open("/rules/assignment/")
    assert auditor.page.locator("main form[method=post]").count() == 0
    assert auditor.page.locator("#rule-own a.chip").count() == 0
