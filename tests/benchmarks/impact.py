"""«Что изменится» over many stored decisions, as two workers reckon it, slice by slice.

`python -m tests.benchmarks.impact [decisions]`, 10,000 unless told otherwise; the promise is 100,000 in 30 s. Some
hundred requests are decided by the shipped rules, all switched on; the rest are rows like theirs, each with an amount
and an instant of its own. Measured: a threshold that moves, rules by which nearly all must be decided anew, and
reminders at another time.
"""

import copy
import json
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing import get_context
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.models import (
    Assignment,
    AssignmentCause,
    Decision,
    DecisionDetail,
    Impact,
    ImpactState,
    LedgerEntry,
    Request,
    RequestStatus,
    RulesetDraft,
    WorkKind,
)
from rules_engine.services.impact import impact, slices
from rules_engine.services.queue import work
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake
from rules_engine.services.requests.weighing import ASSIGNMENT
from rules_engine.services.rules import rulebook
from rules_engine.services.running import agenda, setup
from rules_engine.settings import Settings
from tests.benchmarks.end_to_end import databases
from tests.factories import ROUND_THE_CLOCK, make_calendar, make_manager, make_team, make_version

ESCALATION = "escalation"
MANAGERS = 24
WORKERS = 2
DECIDED = 240
"""Decided by the service itself: the others repeat them."""
BEGIN = datetime(2026, 7, 1, 8, tzinfo=UTC)
UNTIL = BEGIN + timedelta(days=85)
WORKED_ON = timedelta(hours=5)
ANSWER_WITHIN = 30
"""Minutes, as round the clock."""
ANSWERED_AFTER = timedelta(minutes=20)
LIMIT_SECONDS = 30.0
_CHUNK = 5_000


@dataclass(frozen=True)
class Line:
    database: str
    what: str
    decisions: int
    changed: int
    seconds: float
    cpu: float
    """Seconds of all workers together."""
    longest_slice: float


def measure(decisions: int = 10_000) -> list[Line]:
    """Return what each kind of draft took on each database."""
    lines: list[Line] = []
    with databases() as makers, tempfile.TemporaryDirectory(prefix="pravila-bench-") as home:
        for kind, make in makers.items():
            settings = Settings.from_env({"PRAVILA_HOME": home})
            engine = db.make_engine(url := make())
            migrations.upgrade(engine)
            sessions = db.make_sessions(engine, settings)
            company(sessions)
            fill(sessions, decisions)
            with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
                workers = _Workers(pool, url, home)
                for what, (decision, body) in drafts(sessions).items():
                    lines.append(_measured(kind, what, sessions, decision, body, decisions, workers))
            engine.dispose()
    return lines


def table(lines: list[Line]) -> str:
    """Return the lines as a table of text."""
    limit = f"limit {LIMIT_SECONDS:.0f} s a 100,000"
    heading = f"impact of a draft, {MANAGERS} managers, {WORKERS} workers ({limit})"
    return "\n".join(
        [
            heading,
            *(
                f"  {one.database:<11}{one.what:<34}{one.decisions:>8,} decisions, {one.changed:>7,} otherwise"
                f"{one.seconds:8.2f} s ({one.cpu:.2f} s of the processors), longest slice {one.longest_slice:.2f} s"
                for one in lines
            ),
        ]
    )


def company(sessions: sessionmaker[Session]) -> None:
    """Make people who work round the clock, and let some requests be decided."""
    with db.transaction(sessions) as session:
        setup.initialise(session, now=BEGIN, live=True)
        rules = setup.shipped_ruleset(ASSIGNMENT)
        for one in rules["rules"]:
            one["enabled"] = True
        make_version(session, ASSIGNMENT, rules)
        calendar = make_calendar(session, "always", weekly=ROUND_THE_CLOCK, is_default=False)
        teams = [make_team(session, code, calendar=calendar) for code in ("key", "west", "east")]
        for number in range(MANAGERS):
            make_manager(session, f"manager{number}", team=teams[number % 3])
    for number in range(DECIDED):
        now = BEGIN + timedelta(minutes=number)
        document = {
            "source": "bench",
            "external_id": f"D-{number}",
            "received_at": now.isoformat(),
            "channel": ("web", "phone", "chat", "email")[number % 4],
            "amount": f"{_amount(number)}.00",
        }
        with db.transaction(sessions) as session:
            intake.receive(session, RequestIn.model_validate(document), now=now, actor="bench")
        agenda.run_due(sessions, now)


def fill(sessions: sessionmaker[Session], decisions: int) -> None:
    """Add rows like those of the decided requests until there are so many decisions, over 80 days."""
    with sessions() as session:
        found = session.execute(
            select(Decision, DecisionDetail.payload)
            .join(DecisionDetail, DecisionDetail.decision_id == Decision.id)
            .where(Decision.decision == ASSIGNMENT, Decision.chosen_manager_id.is_not(None))
            .order_by(Decision.id)
        ).all()
        known = [_Like(row.Decision, json.loads(zlib.decompress(row.payload))) for row in found]
    by_size: dict[bool, list[_Like]] = {True: [], False: []}
    for one in known:
        by_size[float(one.record["facts"]["request.amount"]) >= 150_000].append(one)
    step = timedelta(days=80) / decisions
    numbers = count(1_000_000)
    carried = _Carried()
    for first in range(0, decisions - len(known), _CHUNK):
        size = min(_CHUNK, decisions - len(known) - first)
        with db.transaction(sessions) as session:
            for model, rows in _rows(by_size, [next(numbers) for _ in range(size)], step, carried):
                session.execute(insert(model), rows)


@dataclass(frozen=True)
class _Like:
    """A request that the service decided, with the record beside it."""

    decision: Decision
    record: dict[str, Any]

    def written(self, amount: int, at: datetime, carried: "_Carried") -> bytes:
        """Return the record of a request of this amount, with what everybody carried by then."""
        carried.end_what_is_over(at)
        self.record["facts"]["request.amount"] = f"{amount}.00"
        for attempt in self.record["outcome"]["attempts"]:
            for one in attempt["candidates"]:
                number, value = carried.balance[f"{at:%Y-%m}", one["id"]]
                one["count"], one["value"], one["open"] = number, f"{value // 100}.00", carried.open[one["id"]]
                one["entitlement"] = f"{at.day * 1440}/1"
        return zlib.compress(json.dumps(self.record, ensure_ascii=False, separators=(",", ":")).encode(), 1)


class _Carried:
    """What everybody carries while rows are written."""

    def __init__(self) -> None:
        self.balance: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        self.open: Counter[int] = Counter()
        self._ends: deque[tuple[datetime, int]] = deque()

    def end_what_is_over(self, at: datetime) -> None:
        while self._ends and self._ends[0][0] <= at:
            self.open[self._ends.popleft()[1]] -= 1

    def receive(self, manager: int, at: datetime, minor: int) -> None:
        one = self.balance[f"{at:%Y-%m}", manager]
        one[0] += 1
        one[1] += minor
        self.open[manager] += 1
        self._ends.append((at + WORKED_ON, manager))


def _rows(
    by_size: dict[bool, list[_Like]],
    numbers: list[int],
    step: timedelta,
    carried: _Carried,
) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    made: dict[Any, list[dict[str, Any]]] = {
        Request: [], Decision: [], DecisionDetail: [], Assignment: [], LedgerEntry: []
    }  # fmt: skip
    for number in numbers:
        amount = _amount(number)
        like = by_size[amount >= 150_000][number % len(by_size[amount >= 150_000])]
        at = BEGIN + timedelta(days=1) + (number - 1_000_000) * step
        manager = like.decision.chosen_manager_id
        due = {"answer_within": ANSWER_WITHIN, "answer_due_at": at + timedelta(minutes=ANSWER_WITHIN)}
        made[Request].append({
            "id": number, "source": "bench", "external_id": f"B-{number}", "body_hash": "", "received_at": at,
            "amount_minor": amount * 100, "expected_value_minor": amount * 100, "status": RequestStatus.WON,
            "status_at": at, "closed_at": at + WORKED_ON, "manager_id": manager, "tags": [],
            "assigned_at": at, "first_answer_at": at + ANSWERED_AFTER, **due,
        })  # fmt: skip
        made[Decision].append({
            "id": number, "decision": ASSIGNMENT, "subject_kind": "request", "subject_id": number, "at": at,
            "version_id": like.decision.version_id, "engine": "native", "mode": "live", "fired": like.decision.fired,
            "effects": [], "chosen_manager_id": manager,
        })  # fmt: skip
        made[DecisionDetail].append(
            {"decision_id": number, "payload": like.written(amount, at, carried), "created_at": at}
        )
        made[Assignment].append({
            "id": number, "request_id": number, "manager_id": manager, "assigned_at": at,
            "ended_at": at + WORKED_ON, "end_reason": "closed", "cause": AssignmentCause.RULE,
            "decision_id": number, "first_answer_at": at + ANSWERED_AFTER, **due,
        })  # fmt: skip
        made[LedgerEntry].append({
            "at": at, "month": f"{at:%Y-%m}", "request_id": number, "manager_id": manager, "assignment_id": number,
            "delta": 1, "value_minor": amount * 100, "cause": "rule", "decision_id": number,
        })  # fmt: skip
        carried.receive(manager or 0, at, amount * 100)
    yield from made.items()


def _amount(number: int) -> int:
    """Return roubles from a thousand to 300,000."""
    return 1_000 + number * 7_919 % 299_000


def drafts(sessions: sessionmaker[Session]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the drafts that are measured, each with its decision."""
    with sessions() as session:
        live = rulebook.in_force_at(session, ASSIGNMENT, UNTIL).body
        earlier = copy.deepcopy(rulebook.in_force_at(session, ESCALATION, UNTIL).body)
    half = next(one for one in earlier["rules"] if one["id"] == "half")
    next(one for one in half["when"]["all"] if one["field"] == "request.answer_used_pct")["value"] = "10"
    moved = copy.deepcopy(live)
    key = next(one for one in moved["rules"] if one["id"] == "key-accounts")
    key["when"]["all"][0]["value"] = "130000.00"
    few = {"field": "candidate.open_requests", "op": "lt", "value": 20}
    return {
        "a threshold that moves": (ASSIGNMENT, moved),
        "anew, the least loaded": (ASSIGNMENT, _anew(live, strategy="least_loaded")),
        "anew, in turn": (ASSIGNMENT, _anew(live, strategy="round_robin")),
        "anew, fair share of everybody": (ASSIGNMENT, _anew(live, to={"pool": "everyone"})),
        "anew, who has few open requests": (ASSIGNMENT, _anew(live, among={"all": [few]})),
        "reminders at another time": (ESCALATION, earlier),
    }


def _anew(live: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return rules of which nearly every decision must be made anew."""
    anew = copy.deepcopy(live)
    for one in [*(action for rule in anew["rules"] for action in rule["then"]), *anew["otherwise"]]:
        if one["action"] == "assign" and one["to"] != {"pool": "owner"}:
            one.update(changed)
    return anew


def _measured(
    kind: str,
    what: str,
    sessions: sessionmaker[Session],
    decision: str,
    body: dict[str, Any],
    decisions: int,
    workers: "_Workers",
) -> Line:
    with db.transaction(sessions) as session:
        row = session.scalars(select(RulesetDraft).where(RulesetDraft.decision == decision)).first()
        if row is None:
            row = RulesetDraft(decision=decision, base_number=1, created_at=UNTIL, updated_at=UNTIL, body=body)
            session.add(row)
        row.body = body
        session.flush()
        impact_id = impact.ask(session, decision, 90, actor="bench", now=UNTIL).id
    started = time.perf_counter()
    longest, cpu = workers.work(impact_id)
    seconds = time.perf_counter() - started
    with sessions() as session:
        done = session.get_one(Impact, impact_id)
        if done.state is not ImpactState.DONE or done.result["sample"] < decisions * 0.99:
            raise RuntimeError(f"{kind}: {done.state} {done.error} {done.result.get('sample')}")
        return Line(kind, what, done.result["sample"], done.result["changed"], seconds, cpu, longest)


class _Workers:
    """Processes that do slices beside each other, as many as `pravila run` starts."""

    def __init__(self, pool: ProcessPoolExecutor, url: str, home: str) -> None:
        self._pool = pool
        self._where = url, home
        # They have begun and imported what they need before anything is measured.
        self.work(0)

    def work(self, impact_id: int) -> tuple[float, float]:
        """Work until the impact is over; return the longest slice and what the processors did in all, in seconds."""
        each = [self._pool.submit(_work, *self._where, impact_id) for _ in range(WORKERS)]
        found = [one.result() for one in each]
        return max(longest for longest, _ in found), sum(cpu for _, cpu in found)


def _work(url: str, home: str, impact_id: int) -> tuple[float, float]:
    engine = db.make_engine(url)
    sessions = db.make_sessions(engine, Settings.from_env({"PRAVILA_HOME": home}))
    cpu, started, longest = time.process_time(), time.perf_counter(), 0.0
    while True:
        begun = time.perf_counter()
        now = UNTIL + timedelta(seconds=1 + begun - started)
        with db.transaction(sessions) as session:
            row = session.get(Impact, impact_id)
            if row is None or row.state not in impact.RUNNING:
                break
            claim = work.claim(session, now, kinds=(WorkKind.IMPACT,))
        if claim is None:
            time.sleep(0.01)
            continue
        slices.work_at(sessions, claim, now)
        longest = max(longest, time.perf_counter() - begun)
    slices.forget()
    engine.dispose()
    return longest, time.process_time() - cpu


def main() -> int:
    decisions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    lines = measure(decisions)
    print(table(lines))
    most = LIMIT_SECONDS * decisions / 100_000
    return 1 if any(line.seconds > most for line in lines) else 0


if __name__ == "__main__":
    raise SystemExit(main())
