"""What a person, another program, a worker or a command does, each as one press, delivery or run that can be repeated.

`test_every_commit.py` lets a process die at every commit of each, and does it again.
"""

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Flask
from flask import session as web_session
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from sqlalchemy import select
from sqlalchemy.orm import Session, configure_mappers, sessionmaker
from werkzeug.test import TestResponse

from admin.security import start_session
from rules_engine import clock, db
from rules_engine.cli import main as cli
from rules_engine.models import (
    ApiToken,
    OutboxMessage,
    OutboxState,
    Request,
    Task,
    TaskKind,
    User,
    WorkItem,
    WorkKind,
)
from rules_engine.services.bonus import periods
from rules_engine.services.company import tokens
from rules_engine.services.company.tokens import SCOPES
from rules_engine.services.facts import money
from rules_engine.services.messages.outbox import EMAIL, Letter
from rules_engine.services.records import audit
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake, status
from rules_engine.services.running import agenda, heartbeats, upkeep
from rules_engine.services.running.setup import shipped_ruleset
from rules_engine.settings import Settings
from tests.bonus_rows import credit, plan
from tests.calls import make_callback, make_occasion, make_overdue_action
from tests.compiled import engine_maker
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    at,
    escalation_rules,
    make_cast,
    make_client,
    make_manager,
    make_payment,
    make_request,
    make_version,
)
from tests.faults import points
from tests.web import app_of

SECRET = tokens.PREFIX + "the token of the tests"
BODY: dict[str, Any] = {
    "source": "site",
    "external_id": "A-1001",
    "received_at": MONDAY.isoformat(),
    "client": {"source": "1c", "external_id": "K-17", "name": "ООО Ромашка", "phone": "+7 495 000-00-00"},
    "service": "hosting",
    "amount": "14500.00",
}
AFTER = at("2026-11-02 10:00")


@dataclass
class Here:
    """An installation, as one process has it."""

    settings: Settings
    sessions: sessionmaker[Session]
    now: datetime
    noted: dict[str, Any]
    """What was prepared, by name."""

    def call(self, method: str, path: str, body: Any, **headers: str) -> TestResponse:
        """Call the interface for programs."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with self._app() as app:
            return app.test_client().open(
                f"/api/v1{path}", method=method, json=body, headers={"Authorization": f"Bearer {SECRET}", **named}
            )

    def press(self, login: str, path: str, **form: Any) -> TestResponse:
        """Post a form as somebody who has logged in."""
        with self._app() as app:
            client, token = seat(app, self.sessions, login)
            return client.post(path, data={"csrf_token": token, **form})

    def look(self, login: str, path: str) -> TestResponse:
        """Open a page as somebody who has logged in."""
        with self._app() as app:
            client, _ = seat(app, self.sessions, login)
            return client.get(path)

    def command(self, *words: str) -> None:
        """Run a command of `pravila`."""
        cli(list(words), standalone_mode=False)

    def _app(self) -> Any:
        return app_of(self.settings, self.settings.database_url, lambda: self.now)


def seat(app: Flask, sessions: sessionmaker[Session], login: str) -> tuple[FlaskClient, str]:
    """Return a browser of somebody who has logged in, and the token of his forms."""
    client = app.test_client()
    with sessions() as session:
        user = session.scalars(select(User).where(User.login == login)).one()
    with app.test_request_context(environ_base=client.environ_base):
        start_session(user)
        token = generate_csrf()
        begun = dict(web_session)
    with client.session_transaction() as kept:
        kept.update(begun)
    return client, token


Do = Callable[[Here], object]
Prepare = Callable[[Session, Cast], dict[str, Any] | None]


@dataclass(frozen=True)
class Act:
    """`is_once` False: done twice it leaves more behind than done once, and is to: the reason stands beside it."""

    do: Do
    prepare: Prepare = lambda session, cast: None
    now: datetime = MONDAY
    is_once: bool = True


ACTS: dict[str, Act] = {}
A = TypeVar("A", bound=Do)


def act(prepare: Prepare = lambda session, cast: None, **more: Any) -> Callable[[A], A]:
    def register(do: A) -> A:
        ACTS[do.__name__] = Act(do, prepare, **more)
        return do

    return register


def found(session: Session, name: str) -> dict[str, Any]:
    """Make the company, and what the act needs; return what is noted of it."""
    cast = make_cast(session)
    make_version(session, "assignment", assignment_rules())
    make_version(session, "escalation", escalation_rules())
    for user in session.scalars(select(User)):
        # Else whoever logs in is led to the page where he chooses one.
        user.password_hash = "x"
    make_token(session)
    return ACTS[name].prepare(session, cast) or {}


def make_token(session: Session) -> None:
    """Let whoever knows SECRET do everything."""
    row = ApiToken(name="crm", digest=tokens._digest(SECRET), scopes=list(SCOPES), created_at=datetime.now(UTC))
    session.add(row)
    session.flush()


def play(name: str, noted: dict[str, Any], record: str = "", die_at: str = "", is_repeated: bool = False) -> None:
    """Do an act in this process, which was forked for it, noting points, or dying at one."""
    settings = Settings.from_env()
    engine = db.make_engine(settings.database_url, relaxed=True)
    points.watch(Path(record) if record else None, die_at)
    # The machine's clock stands still too, so that the rows of two runs can be compared.
    clock.now = lambda: ACTS[name].now
    here = Here(settings, db.make_sessions(engine, settings), ACTS[name].now, noted)
    answer = ACTS[name].do(here)
    if isinstance(answer, TestResponse):
        assert answer.status_code < (500 if is_repeated else 400), answer.text


def warm_up() -> None:
    """Do beforehand what every fork would do first, and let all of them share what is compiled."""
    configure_mappers()
    db.create_engine = engine_maker()  # type: ignore[assignment]


def rehearse(name: str, noted: dict[str, Any], environment: dict[str, str]) -> None:
    """Do an act in the process that forks the others: what it compiles and builds they need not build again.

    What fails here fails in its own test too, and there it is told.
    """
    os.environ.update(environment)
    settings = Settings.from_env(environment)
    engine = db.make_engine(settings.database_url, relaxed=True)
    here = Here(settings, db.make_sessions(engine, settings), ACTS[name].now, noted)
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing), contextlib.suppress(Exception):
        ACTS[name].do(here)
    engine.dispose()


# Other programs


def received(session: Session, cast: Cast, *, assigned: bool = True) -> dict[str, Any]:
    """Take a request in and let it be assigned."""
    taken = intake.receive(session, RequestIn.model_validate(BODY), now=MONDAY, actor="api:crm").request
    if assigned:
        agenda.look(session, taken.id, MONDAY)
        item = session.scalars(select(WorkItem).where(WorkItem.subject_id == taken.id)).one()
        item.wake_at = MONDAY + timedelta(minutes=30)
    task = session.scalars(select(Task.id).where(Task.kind == TaskKind.REQUEST)).first()
    holder = session.scalar(select(User.login).join_from(Request, Request.manager).join(User)) if assigned else None
    return {"request": taken.id, "task": task, "holder": holder}


@act()
def deliver_a_request(here: Here) -> TestResponse:
    return here.call("POST", "/requests", BODY)


@act(received)
def change_a_request(here: Here) -> TestResponse:
    return here.call("PATCH", f"/requests/{here.noted['request']}", {"amount": "20000.00", "region": "Тверь"})


@act(received)
def tell_of_a_contact(here: Here) -> TestResponse:
    body = {"external_id": "C-1", "at": MONDAY.isoformat(), "kind": "call", "direction": "out", "outcome": "answered"}
    return here.call("POST", f"/requests/{here.noted['request']}/contacts", body)


@act(received)
def tell_of_a_call_by_its_phone(here: Here) -> TestResponse:
    call = {"source": "telephony", "external_id": "C-2", "at": MONDAY.isoformat(), "kind": "call", "direction": "in"}
    return here.call("POST", "/contacts", {**call, "outcome": "answered", "phone": "+74950000000"})


@act(received)
def close_a_request(here: Here) -> TestResponse:
    body = {"status": "lost", "reason": "expensive", "at": MONDAY.isoformat()}
    return here.call("POST", f"/requests/{here.noted['request']}/status", body)


def closed(session: Session, cast: Cast) -> dict[str, Any]:
    noted = received(session, cast)
    row = session.get_one(Request, noted["request"])
    status.change_status(
        session, row, status.RequestStatus.LOST, reason="expensive", at=MONDAY, actor="api:crm", now=MONDAY
    )
    return noted


@act(closed, now=MONDAY + timedelta(hours=1))
def take_a_request_up_again(here: Here) -> TestResponse:
    body = {"status": "in_progress", "at": here.now.isoformat()}
    return here.call("POST", f"/requests/{here.noted['request']}/status", body)


@act()
def put_a_client(here: Here) -> TestResponse:
    return here.call("POST", "/clients", {"source": "1c", "external_id": "K-5", "name": "Маяк", "owner": "anna"})


@act(received)
def book_a_payment(here: Here) -> TestResponse:
    of = {"source": "site", "external_id": "A-1001"}
    body = {"source": "1c", "external_id": "P-1", "client": BODY["client"], "request": of, "amount": "14500.00"}
    return here.call("POST", "/payments", {**body, "paid_at": MONDAY.isoformat()})


@act(received)
def complete_a_task_by_its_key(here: Here) -> TestResponse:
    body = {"outcome": "thinks", "note": "ждёт", "next_at": (MONDAY + timedelta(days=2)).isoformat()}
    return here.call("POST", f"/tasks/{here.noted['task']}/complete", body, Idempotency_Key="one")


@act(received)
def postpone_a_task_by_its_key(here: Here) -> TestResponse:
    body = {"until": (MONDAY + timedelta(days=1)).isoformat(), "reason": "просил"}
    return here.call("POST", f"/tasks/{here.noted['task']}/postpone", body, Idempotency_Key="two")


# People


@act(received)
def answer_on_the_own_list(here: Here) -> TestResponse:
    return here.press(here.noted["holder"], f"/my/{here.noted['task']}/complete", outcome="answered")


@act(received)
def record_a_contact_by_hand(here: Here) -> TestResponse:
    form = {"kind": "call", "direction": "out", "outcome": "answered", "key": "of-this-form"}
    return here.press(here.noted["holder"], f"/requests/{here.noted['request']}/contact", **form)


@act(received)
def hand_a_request_over(here: Here) -> TestResponse:
    to = {"anna": "boris", "boris": "anna"}.get(here.noted["holder"], "anna")
    return here.press("galina", f"/requests/{here.noted['request']}/reassign", manager=to, reason="просил сам")


def as_spam(session: Session, cast: Cast) -> dict[str, Any]:
    noted = received(session, cast)
    row = session.get_one(Request, noted["request"])
    status.change_status(session, row, status.RequestStatus.SPAM, reason=None, at=MONDAY, actor="api:crm", now=MONDAY)
    return noted


@act(as_spam)
def confirm_that_it_is_spam(here: Here) -> TestResponse:
    return here.press("galina", f"/requests/{here.noted['request']}/correct", what="spam")


@act(received)
def send_somebody_home(here: Here) -> TestResponse:
    """As a person does it: he looks at what would move, and presses the button below it."""
    where = f"/leaving/{here.noted['holder']}/away"
    shown = re.search(r'name="plan" value="([^"]*)"', here.look("galina", where).text)
    return here.press("galina", where, plan=shown[1] if shown else "", reason="болеет")


@act(is_once=False)  # Whoever looks again and confirms what is shown then has confirmed twice, and the journal says so.
def plan_a_leaving(here: Here) -> TestResponse:
    form = {"left_on": "2026-10-16", "first_day": "2026-10-06", "days": "3", "requests": "share", "takers": "boris"}
    shown = re.search(r'name="plan" value="([^"]*)"', here.look("galina", f"/leaving/anna?{urlencode(form)}").text)
    return here.press("galina", "/leaving/anna", plan=shown[1] if shown else "", **form)


@act()
def give_a_day_off(here: Here) -> TestResponse:
    return here.press("galina", "/calendars/1/2026-10-07", kind="off", note="праздник")


@act()
def choose_how_to_be_told(here: Here) -> TestResponse:
    return here.press("anna", "/me/messages", by_mail="y", digest_minutes="30")


def called(session: Session, cast: Cast) -> dict[str, Any]:
    make_occasion(session)
    callback = make_callback(session, make_client(session, owner=cast.anna), cast.anna, due_at=MONDAY)
    return {"task": session.scalars(select(Task.id).where(Task.callback_id == callback.id)).first()}


@act(called)
def finish_a_planned_call(here: Here) -> TestResponse:
    return here.press("anna", f"/my/{here.noted['task']}/complete", outcome="order", note="поговорили")


def sold(session: Session, cast: Cast) -> None:
    make_version(session, "bonus", shipped_ruleset("bonus"))
    plan(session, cast.anna, "2026-10", 1_000, 1_000)
    credit(session, cast.anna, "2026-10-05", 80_000, client=make_client(session, "Маяк"))


def brought_to(session: Session, cast: Cast, *steps: str) -> None:
    sold(session, cast)
    for name in steps:
        getattr(periods, name)(session, "2026-10", actor="galina", now=AFTER)


def step(name: str, here: Here) -> TestResponse:
    return here.press("galina", f"/bonuses/2026-10/step/{name}", reason="проверка")


STEPS = ("compute", "present", "approve", "close", "reopen")
for place, step_name in enumerate(STEPS):
    ACTS[f"{step_name}_a_bonus"] = Act(
        partial(step, step_name),
        lambda session, cast, place=place: brought_to(session, cast, *STEPS[:place]),
        now=AFTER,
        # A computation is done anew by each press, and told in the journal each time.
        is_once=step_name != "compute",
    )


@act(sold)
def change_a_plan(here: Here) -> TestResponse:
    return here.press("galina", "/plans/2026-11/anna", new="2000", old="1000", callbacks="10", reason="рост")


def unmatched(session: Session, cast: Cast) -> dict[str, Any]:
    return {"payment": make_payment(session, make_client(session), MONDAY).id}


@act(unmatched, is_once=False)  # The shares are set anew by each press, and told in the journal each time.
def share_a_payment(here: Here) -> TestResponse:
    form = {"manager": ["anna", "boris"], "share": ["60", "40"]}
    return here.press("galina", f"/payments/{here.noted['payment']}/credits", **form)


def proposed(session: Session, cast: Cast) -> dict[str, Any]:
    make_occasion(session)
    for number in range(5):
        client = make_client(session, f"Фирма {number}", owner=cast.anna)
        make_callback(session, client, cast.anna, due_at=at("2026-10-02 18:00"))
    return {"proposal": make_overdue_action(session, cast.anna).id}


@act(proposed)
def confirm_a_proposal(here: Here) -> TestResponse:
    return here.press("galina", f"/overdue/{here.noted['proposal']}/confirm")


@act()
def switch_a_mode(here: Here) -> TestResponse:
    return here.press("galina", "/modes/change", decision="assignment", mode="watch", sure="yes")


@act()
def save_settings(here: Here) -> TestResponse:
    return here.press("galina", "/settings/save", answer_within="45", amount_shown="never")


def set_aside(session: Session, cast: Cast) -> dict[str, Any]:
    request = make_request(session)
    item = session.scalars(select(WorkItem).where(WorkItem.subject_id == request.id)).one()
    item.quarantined_at = MONDAY
    return {"item": item.id}


@act(set_aside)
def try_again_what_was_set_aside(here: Here) -> TestResponse:
    return here.press("denis", f"/jobs/{here.noted['item']}/release")


def mail(session: Session, cast: Cast, state: OutboxState = OutboxState.PENDING) -> dict[str, Any]:
    message = OutboxMessage(
        key="late:1:email", channel=EMAIL, user_id=cast.anna.user_id, address="anna@example.org", subject="Заявка",
        body="Срок ответа прошёл", created_at=MONDAY, not_before=MONDAY, state=state, is_urgent=True,
    )  # fmt: skip
    session.add(message)
    session.flush()
    if state is OutboxState.PENDING:
        session.add(WorkItem(kind=WorkKind.OUTBOX, subject_id=message.id, wake_at=MONDAY))
    return {"message": message.id}


@act(partial(mail, state=OutboxState.DEAD))
def send_a_dead_letter_again(here: Here) -> TestResponse:
    return here.press("denis", "/admin/outbox/send-again/", id=str(here.noted["message"]))


@act()
def make_a_team(here: Here) -> TestResponse:
    return here.press("galina", "/admin/teams/new/", name="Запад", code="west")


# Workers


def due(session: Session, cast: Cast) -> None:
    """Let three requests wait, one that came back late and a client whose turn it is."""
    for number in range(3):
        make_request(session, received_at=MONDAY - timedelta(minutes=number))
    make_manager(session, team=cast.sales)


@act(due)
def do_what_is_due(here: Here) -> None:
    agenda.run_due(here.sessions, here.now)


def broken(session: Session, cast: Cast) -> None:
    make_request(session, tags=17)
    make_version(session, "assignment", {"decision": "assignment", "rules": "none"})


@act(broken, is_once=False)  # Each run is a try, and each try is counted.
def fail_at_what_is_due(here: Here) -> None:
    agenda.run_due(here.sessions, here.now)


def post(box: Path, letter: Letter) -> None:
    with box.open("a") as sent:
        sent.write(f"{letter.key}\n")


@act(mail)
def send_what_waits(here: Here) -> None:
    agenda.run_due(here.sessions, here.now, senders={EMAIL: partial(post, here.settings.home / "sent")})


def audited(session: Session, cast: Cast) -> None:
    for number in range(3):
        audit.record(session, actor="denis", action="update", subject_kind="setting", subject_id=number)


@act(audited)
def seal_the_journal(here: Here) -> None:
    with db.transaction(here.sessions) as session:
        audit.seal(session)


@act(due)
def tidy_up(here: Here) -> None:
    with db.transaction(here.sessions) as session:
        upkeep.prune(session, here.now)
    with here.sessions() as session:
        norms = money.reckon_norms(session, here.now) if money.norms_are_old(session, here.now) else None
    if norms is not None:
        with db.transaction(here.sessions) as session:
            money.keep_norms(session, norms, here.now)


@act()
def show_a_sign_of_life(here: Here) -> None:
    with db.transaction(here.sessions) as session:
        heartbeats.beat(session, "worker:here:1", here.now, {"pid": 1})


# Commands


@act()
def import_managers(here: Here) -> None:
    path = here.settings.home / "managers.csv"
    path.write_text("login,name,team\nivanova,Иванова,sales\npetrov,Петров,sales\n")
    here.command("import", "managers", str(path))


@act()
def import_requests(here: Here) -> None:
    path = here.settings.home / "requests.csv"
    lines = [f"R-{number},2026-10-05 10:0{number},hosting,{number}000" for number in range(1, 4)]
    path.write_text("\n".join(["external_id,received_at,service,amount", *lines]))
    here.command("import", "requests", str(path))


@act(due)
def run_what_is_due_by_command(here: Here) -> None:
    here.command("run-due", "--now", MONDAY.isoformat())


@act()
def switch_a_mode_by_command(here: Here) -> None:
    here.command("mode", "set", "assignment", "watch")


@act()
def initialise_again(here: Here) -> None:
    here.command("init")
