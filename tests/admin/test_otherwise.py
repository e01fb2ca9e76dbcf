"""“We would have done otherwise”: what a head reads of a month under watch."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Manager
from rules_engine.services.requests import assignment
from rules_engine.services.rules import modes
from tests.admin.conftest import Browser
from tests.factories import MONDAY, Cast, assignment_rules, make_request, make_version

LogIn = Callable[[str], Browser]


def watched(sessions: sessionmaker[Session], to: Manager, number: int) -> None:
    with db.transaction(sessions) as session:
        modes.set_mode(session, "assignment", "watch", actor="galina", now=MONDAY - timedelta(hours=1))
        make_version(session, "assignment", assignment_rules())
        for n in range(number):
            at = MONDAY - timedelta(minutes=number - n)
            request = make_request(session, received_at=at)
            assignment.assign_external(session, request, to, assigned_at=at, actor="galina", now=MONDAY)


def test_a_head_reads_how_another_system_gave_requests_out(
    sessions: sessionmaker[Session], cast: Cast, logged_in: LogIn
) -> None:
    galina = logged_in("galina")
    assert "ещё ничего не решалось" in galina.get("/otherwise/").text
    watched(sessions, cast.anna, 6)

    page = galina.get("/otherwise/").text

    assert "Под наблюдением 6 заявок." in page
    assert "тому же менеджеру: 1, другому: 5" in page
    assert "67\u00a0%" in page
    assert page.count("Почему так?") + page.count("/why#decision-") >= 5
    assert "В этом месяце" in galina.get("/otherwise/?month=2026-08").text
    assert galina.get("/otherwise/?month=nonsense").status_code == 200
    assert logged_in("anna").get("/otherwise/").status_code in (403, 404)
