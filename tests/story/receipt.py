"""The receipt log lived through by the shipped rules: each later event of a case is a contact of whoever holds it then.

`python -m tests.story.receipt lay HOME UNTIL` makes a company of 20 managers in two teams and lays the log down,
`… run HOME UNTIL` replays it (and dies at `PRAVILA_CRASH_AT`), `… figures HOME UNTIL` prints control by month. The last
event of a case closes it. UNTIL is a date; all of the log ends on 2012-03-01.
"""

import csv
import gzip
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.models import Assignment, AssignmentCause, Firing, Request, RequestStatus, Role
from rules_engine.services.control import control
from rules_engine.services.requests import status
from rules_engine.services.rules import journal
from rules_engine.services.running import replay, setup
from rules_engine.services.running.agenda import Totals
from rules_engine.settings import Settings
from tests.factories import make_manager, make_team, make_user

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "receipt"
BEGIN = datetime(2010, 10, 1, tzinfo=UTC)
ALL = datetime(2012, 3, 1, tzinfo=UTC)
SOURCE = "receipt"


def sessions_of(home: Path) -> sessionmaker[Session]:
    own = {"PRAVILA_HOME": str(home), "PRAVILA_TIMEZONE": "Europe/Amsterdam", "PRAVILA_ENGINE": "native"}
    settings = Settings.from_env(
        {**own, **{name: os.environ[name] for name in ("PRAVILA_CRASH_AT",) if name in os.environ}}
    )
    return db.make_sessions(db.make_engine(f"sqlite:///{home / 'receipt.db'}", relaxed=True), settings)


def lay(home: Path, until: datetime) -> int:
    """Make the company with the shipped rules, live, and lay the log down; return how many requests it has."""
    home.mkdir(parents=True, exist_ok=True)
    sessions = sessions_of(home)
    migrations.upgrade(sessions.kw["bind"])
    number = 0
    with db.transaction(sessions) as session:
        setup.initialise(session, now=BEGIN, live=True)
        for team in ("north", "south"):
            head = make_user(session, f"head-{team}", role=Role.HEAD)
            row = make_team(session, team, head=head)
            for place in range(10):
                make_manager(session, f"{team}{place}", team=row)
        for case, events in groupby(_events(until), key=lambda event: event.case):
            number += 1
            _lay_case(session, case, list(events))
    sessions.kw["bind"].dispose()
    return number


@dataclass(frozen=True)
class Event:
    """One line of the log, as far as it is used."""

    case: str
    task: str
    at: datetime
    channel: str


def _events(until: datetime) -> Iterator[Event]:
    """Yield the events in the order of their cases and instants; those of one case at different instants."""
    with gzip.open(FOLDER / "events.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        found = [
            Event(row["case_concept_name"], row["concept_instance"], at, row["case_channel"])
            for row in csv.DictReader(stream)
            if (at := datetime.fromisoformat(row["time_timestamp_utc"])) < until
        ]
    return iter(sorted(found, key=lambda event: (event.case, event.at, event.task)))


def _lay_case(session: Session, case: str, events: list[Event]) -> None:
    first = events[0]
    payload = {"source": SOURCE, "external_id": case, "received_at": first.at.isoformat(), "channel": _channel(first)}
    replay.lay_down(session, "request", SOURCE, case, first.at, payload)
    for event in events[1:]:
        contact = {
            "source": SOURCE,
            "external_id": f"{case}/{event.task}",
            "request": {"source": SOURCE, "external_id": case},
            "at": event.at.isoformat(),
            "kind": "email",
            "direction": "out",
            "proof": "confirmed",
        }
        replay.lay_down(session, "contact", SOURCE, f"{case}/{event.task}", event.at, contact)
    closes_at = events[-1].at + timedelta(minutes=1)
    replay.lay_down(session, "close", SOURCE, case, closes_at, {"external_id": case})


def _channel(event: Event) -> str:
    return {"Internet": "web", "e-mail": "email", "Desk": "meeting"}.get(event.channel, "other")


def close(session: Session, payload: dict[str, Any], now: datetime) -> None:
    """The case is over: paid, as a sales department would say."""
    row = session.scalars(select(Request).where(Request.external_id == payload["external_id"])).one()
    if row.status is not RequestStatus.NEW:
        status.change_status(session, row, RequestStatus.WON, reason=None, at=now, actor=journal.SYSTEM, now=now)


def run(home: Path, until: datetime) -> Totals:
    """Go on with the replay until its end; in small steps, so that there is a half way to be killed at."""
    replay.BATCH = 100
    return replay.replay(sessions_of(home), BEGIN, until, handlers={"close": close})


def effects(home: Path) -> dict[str, list[Any]]:
    """Return what the replay has left behind, to be compared with that of another."""
    with sessions_of(home)() as session:
        return {
            name: [list(row) for row in session.execute(statement)]
            for name, statement in (
                (
                    "assignments",
                    select(
                        Assignment.request_id,
                        Assignment.manager_id,
                        Assignment.assigned_at,
                        Assignment.ended_at,
                        Assignment.first_answer_at,
                        Assignment.cause,
                        Assignment.is_late,
                    ).order_by(Assignment.id),
                ),
                ("firings", select(Firing.item_id, Firing.rule, Firing.ownership, Firing.at).order_by(Firing.id)),
                ("requests", select(Request.external_id, Request.status, Request.manager_id).order_by(Request.id)),
            )
        }


def figures(home: Path, until: datetime) -> Iterator[str]:
    """Yield control by month as lines of text: received, in time, minutes to the first answer, taken away."""
    yield f"{'month':<8} {'received':>8} {'in time':>12} {'median':>7} {'p90':>7} {'taken away':>11} {'transfers':>10}"
    with sessions_of(home)() as session:
        for month in _months(until):
            total = control.month_figures(session, month, until).total
            start, end = datetime.fromisoformat(f"{month}-01T00:00:00+00:00"), _after(month)
            transfers = session.scalar(
                select(func.count()).where(
                    Assignment.cause == AssignmentCause.TRANSFER,
                    Assignment.assigned_at >= start,
                    Assignment.assigned_at < end,
                )
            )
            met = f"{total.in_time} of {total.due}"
            yield (
                f"{month:<8} {total.received:>8} {met:>12} {_minutes(total.median_minutes):>7} "
                f"{_minutes(total.p90_minutes):>7} {total.taken:>11} {transfers:>10}"
            )


def _minutes(value: Any) -> str:
    return "—" if value is None else f"{float(value):.0f}"


def _months(until: datetime) -> Iterator[str]:
    at = BEGIN
    while at < until:
        yield f"{at:%Y-%m}"
        at = _after(f"{at:%Y-%m}")


def _after(month: str) -> datetime:
    year, number = int(month[:4]), int(month[5:])
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def main(words: list[str]) -> int:
    what, home, until = words[0], Path(words[1]), datetime.fromisoformat(words[2])
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    started = time.perf_counter()
    if what == "lay":
        print(lay(home, until), "requests")
    elif what == "run":
        print(json.dumps(run(home, until).to_json()))
    else:
        print("\n".join(figures(home, until)))
    print(f"{time.perf_counter() - started:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
