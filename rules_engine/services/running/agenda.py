"""What is due at an instant, and doing it: the one driver of time.

The workers call `run_due` every few seconds, `pravila run-due` and the tests call it with any instant, and a replay
does the same things through `look` under its own clock.
"""

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock
from rules_engine.db import transaction
from rules_engine.errors import DeliveryError, PolicyViolation
from rules_engine.models import Replay, RequestStatus, WorkKind
from rules_engine.services.callbacks import callbacks
from rules_engine.services.callbacks.callbacks import Readings
from rules_engine.services.clients import moves
from rules_engine.services.impact import slices
from rules_engine.services.messages import outbox
from rules_engine.services.messages.outbox import Letter, Sender
from rules_engine.services.queue import publications, work
from rules_engine.services.queue.crash_points import reach
from rules_engine.services.queue.work import Claim
from rules_engine.services.records.reading import locked_request, locked_requests
from rules_engine.services.records.writing import gathered, write_gathered
from rules_engine.services.requests import assignment, escalation, overdue_actions
from rules_engine.services.running import quarantine

log = logging.getLogger(__name__)

PEOPLE = (WorkKind.REQUEST, WorkKind.CALLBACK, WorkKind.OVERDUE_ACTION)
"""What people wait for: done before anything else."""

TOGETHER = 20
"""Requests in one transaction: their locks are held for about a tenth of a second."""

OUTBOX_LEASE_SECONDS = 60
"""Longer than any sender may take."""

_LEASES: Mapping[tuple[WorkKind, ...], int] = {
    (WorkKind.OUTBOX,): OUTBOX_LEASE_SECONDS,
    (WorkKind.IMPACT,): slices.LEASE_SECONDS,
}

_SQLITE_MACHINE_FAULTS = frozenset({5, 6, 10, 13})
"""SQLITE_BUSY, LOCKED, IOERR, FULL."""


class ReplayRunning(PolicyViolation):
    """Live work is refused while a replay has not reached its end."""

    def __init__(self) -> None:
        super().__init__(
            ru="прогон не окончен: повторите «pravila replay» с теми же --from и --to",
            en="a replay is unfinished: repeat “pravila replay” with the same --from and --to",
        )


@dataclass(slots=True)
class Totals:
    """What was done between two business instants, as the command line prints it."""

    from_at: datetime
    until_at: datetime
    arrived: int = 0
    assigned: int = 0
    escalated: int = 0
    """Rules of escalation that fired."""
    callbacks: int = 0
    """Calls to clients that were scheduled."""
    quarantined: int = 0
    sent: int = 0
    failed: int = 0
    handled: int = 0
    """Items taken in hand, whatever came of it: 0 says that nothing more was due."""
    goes_on: int = 0
    """Slices of long work that are done, with more to do: it is due again at the next instant."""
    seconds: float = 0.0
    _started: float = field(default_factory=clock.monotonic, repr=False)

    def stop_watch(self) -> "Totals":
        self.seconds = round(clock.monotonic() - self._started, 3)
        return self

    def add(self, step: "Totals") -> None:
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(step, name))

    def to_json(self) -> dict[str, Any]:
        return {
            "from": self.from_at.isoformat(),
            "until": self.until_at.isoformat(),
            "arrived": self.arrived,
            "assigned": self.assigned,
            "escalated": self.escalated,
            "callbacks": self.callbacks,
            "quarantined": self.quarantined,
            "seconds": self.seconds,
        }


COUNTED = ("arrived", "assigned", "escalated", "callbacks", "quarantined", "sent", "failed", "handled", "goes_on")


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at an item did. `wake_at`: when to look again; None: nothing to wait for; `goes_on`: at once."""

    wake_at: datetime | None
    assigned: int = 0
    escalated: int = 0
    callbacks: int = 0
    goes_on: bool = False


def run_due(
    sessions: sessionmaker[Session],
    now: datetime,
    *,
    limit: int | None = None,
    senders: Mapping[str, Sender] | None = None,
) -> Totals:
    """Do all that is due at `now` and that nobody else has in hand, at most `limit` items; return what was done.

    Each item in a transaction after the one in which it was claimed, so any number of processes may run this at once
    and any of them may die. Requests whose clocks have run out are done several to a transaction (ADR 0009), all else
    alone; a transaction that did some claims the next. One that fails is put back and the others go on. Without
    `senders` messages are left to whoever has them. Raises ReplayRunning while a replay is unfinished.
    """
    totals = Totals(now, now)
    with sessions() as session:
        if unfinished_replay(session) is not None:
            raise ReplayRunning
    following: list[Claim] = []
    while limit is None or totals.handled < limit:
        # People first: a mail server that hangs must not keep a request waiting, nor a list of clients a mail.
        # The one that has been due longest, tried before or not; those that are claimed along with it were not.
        claims = following or _claim(sessions, now, PEOPLE, totals)
        if not claims and senders is not None:
            claims = _claim(sessions, now, (WorkKind.OUTBOX,), totals)
        if not claims:
            claims = _claim(sessions, now, (WorkKind.CLIENT, WorkKind.CLIENT_MOVE, WorkKind.PUBLICATION), totals)
        if not claims:
            claims = _claim(sessions, now, (WorkKind.IMPACT,), totals)
        if not claims:
            slices.forget()
            break
        totals.handled += len(claims)
        room = TOGETHER if limit is None else min(TOGETHER, limit - totals.handled)
        following = _do(sessions, [one for one in claims if not one.is_given_up], now, senders or {}, totals, room)
        if totals.goes_on:
            # Another part would be due by this `now`, and what people have asked for since would not.
            break
    return totals.stop_watch()


def _do(
    sessions: sessionmaker[Session],
    claims: list[Claim],
    now: datetime,
    senders: Mapping[str, Sender],
    totals: Totals,
    room: int,
) -> list[Claim]:
    """Do what was claimed, and return at most `room` items that were claimed along with it, to be done next."""
    following: list[Claim] = []
    alone = claims
    together = [one for one in claims if one.kind is WorkKind.REQUEST and one.attempt == 1]
    if len(together) > 1:
        is_all = len(together) == len(claims)
        try:
            done, following = _work_together(sessions, together, now, totals, room if is_all else 0)
        except Exception as error:
            log.warning("work together failed, each goes alone", extra={"items": len(together)}, exc_info=error)
            done = set()
        alone = [one for one in claims if one.item_id not in done]
    for place, claim in enumerate(alone, 1):
        try:
            if claim.kind is WorkKind.OUTBOX:
                _deliver(sessions, claim, now, senders, totals)
            elif claim.kind is WorkKind.IMPACT:
                totals.goes_on += slices.work_at(sessions, claim, now)
            else:
                is_last = place == len(alone) and not following
                following += _work(sessions, claim, now, totals, room if is_last else 0)
        except Exception as error:
            _give_back(sessions, claim, now, error, totals)
    return following


def look(session: Session, request_id: int, now: datetime, *, attempt: int = 1) -> Looked:
    """Decide what is to be decided about a request at `now`, carry it out, and return when to look again.

    Reads the request anew and locks it, so what was decided earlier on older facts cannot be repeated. From the second
    `attempt` on the native engine decides alone.
    """
    request = locked_request(session, request_id)
    if request is None or request.is_history or not request.status.is_open:
        return Looked(None)
    assigned = 0
    wakes = []
    if request.status is RequestStatus.NEW:
        result = assignment.decide_and_assign(session, request, now, attempt=attempt)
        assigned = int(result.manager is not None)
        wakes.append(result.wake_at)
    looked = escalation.look(session, request, now, attempt=attempt)
    wakes.append(looked.wake_at)
    return Looked(min((wake for wake in wakes if wake), default=None), assigned, looked.fired)


def look_at(
    session: Session,
    kind: WorkKind,
    subject_id: int,
    now: datetime,
    *,
    attempt: int = 1,
    read: Readings | None = None,
) -> Looked:
    """Look at any item but a message: a request, a client, a planned call, a proposal or a hold.

    `read` is what was read ahead for many clients at `now`.
    """
    match kind:
        case WorkKind.CLIENT:
            seen = callbacks.look_at_client(session, subject_id, now, attempt=attempt, read=read)
            return Looked(seen.wake_at, callbacks=seen.scheduled)
        case WorkKind.CALLBACK:
            called = callbacks.look_at_callback(session, subject_id, now, attempt=attempt)
            return Looked(called.wake_at, escalated=called.fired)
        case WorkKind.OVERDUE_ACTION:
            return Looked(overdue_actions.look(session, subject_id, now))
        case WorkKind.CLIENT_MOVE:
            return Looked(moves.look(session, subject_id, now))
        case WorkKind.PUBLICATION:
            return Looked(None, goes_on=publications.look(session, subject_id, now))
        case _:
            return look(session, subject_id, now, attempt=attempt)


def give_back(session: Session, claim: Claim, now: datetime, looked: Looked) -> None:
    """Give an item back after a look at it, in the same transaction."""
    if looked.goes_on:
        work.go_on(session, claim)
    else:
        work.finish(session, claim, now, looked.wake_at)


def unfinished_replay(session: Session) -> Replay | None:
    """Return the replay that has not reached its end, or None."""
    return session.scalars(select(Replay).where(Replay.finished_at.is_(None)).order_by(Replay.id).limit(1)).first()


def is_fault_of_the_machine(error: BaseException) -> bool:
    """Return whether the item is not to blame: the database was locked, full or away, or a deadlock was broken."""
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_MACHINE_FAULTS
    return isinstance(error, OperationalError) or error.connection_invalidated


def _claim(sessions: sessionmaker[Session], now: datetime, kinds: tuple[WorkKind, ...], totals: Totals) -> list[Claim]:
    lease = _LEASES.get(kinds, work.LEASE_SECONDS)
    with transaction(sessions) as session:
        claims = _take(session, now, kinds, lease, 1)
    _taken(session, claims, totals)
    return claims


def _take(session: Session, now: datetime, kinds: tuple[WorkKind, ...], lease: int, most: int) -> list[Claim]:
    claims = work.claim_some(session, now, most, lease_seconds=lease, kinds=kinds) if most > 0 else []
    for claim in claims:
        if claim.is_given_up:
            quarantine.tell(session, claim, now)
    if claims:
        session.flush()
        reach(session, "claim.before_commit")
    return claims


def _taken(session: Session, claims: list[Claim], totals: Totals) -> None:
    """After the commit of claims."""
    for claim in claims:
        if claim.is_given_up:
            totals.quarantined += 1
            log.error("item quarantined", extra={"kind": claim.kind, "subject_id": claim.subject_id})
    if claims:
        reach(session, "claim.after_commit")


def _work(sessions: sessionmaker[Session], claim: Claim, now: datetime, totals: Totals, room: int) -> list[Claim]:
    """Do an item, and return at most `room` that wait for people, which the same transaction has claimed."""
    with transaction(sessions) as session:
        if not work.lock_mine(session, claim):
            return []
        looked = look_at(session, claim.kind, claim.subject_id, now, attempt=claim.attempt)
        give_back(session, claim, now, looked)
        session.flush()
        following = _take(session, now, PEOPLE, work.LEASE_SECONDS, room)
        reach(session, "work.before_commit")
    reach(session, "work.after_commit")
    _count(totals, looked)
    _taken(session, following, totals)
    return following


def _work_together(
    sessions: sessionmaker[Session], claims: list[Claim], now: datetime, totals: Totals, room: int
) -> tuple[set[int], list[Claim]]:
    """Do the requests among these that somebody has, in one transaction: all of them, or on an error none.

    Return the ids of the items that are done, or another's by now, and at most `room` that were claimed along. New
    requests are left: whoever assigns one holds the month's ledger, on which others wait.
    """
    looks: list[tuple[Claim, Looked]] = []
    with transaction(sessions) as session, gathered(session):
        mine = work.lock_mine_of(session, claims)
        requests = locked_requests(session, [claim.subject_id for claim in mine])
        waiting = {id_: one for id_, one in requests.items() if one.status is RequestStatus.NEW and not one.is_history}
        held = [one for one in requests.values() if one.status.is_open and not one.is_history and one.id not in waiting]
        read = escalation.read_ahead(session, held, now)
        for place, claim in enumerate(mine, 1):
            request = requests.get(claim.subject_id)
            if claim.subject_id in waiting:
                continue
            if request is None or request.is_history or not request.status.is_open:
                looks.append((claim, Looked(None)))
                continue
            seen = escalation.look(session, request, now, read=read)
            looks.append((claim, Looked(seen.wake_at, escalated=seen.fired)))
            if seen.moved:
                read = None
            elif read is None:
                # Nothing was moved this time: what those that follow need holds again for all of them.
                to_come = {one.subject_id for one in mine[place:]}
                read = escalation.read_ahead(session, [one for one in held if one.id in to_come], now)
        session.flush()
        write_gathered(session)
        work.finish_all(session, [(claim, looked.wake_at) for claim, looked in looks], now)
        following = _take(session, now, PEOPLE, work.LEASE_SECONDS, 0 if waiting else room)
        reach(session, "work.before_commit")
    reach(session, "work.after_commit")
    for _, looked in looks:
        _count(totals, looked)
    _taken(session, following, totals)
    return {claim.item_id for claim in claims if claim.subject_id not in waiting}, following


def _count(totals: Totals, looked: Looked) -> None:
    totals.assigned += looked.assigned
    totals.escalated += looked.escalated
    totals.callbacks += looked.callbacks


def _deliver(
    sessions: sessionmaker[Session], claim: Claim, now: datetime, senders: Mapping[str, Sender], totals: Totals
) -> None:
    letter = _letter(sessions, claim, now)
    if letter is None:
        return
    problem: DeliveryError | None = None
    sender = senders.get(letter.channel)
    if sender is not None:
        # Outside any transaction: on SQLite nobody could write while a mail server thinks.
        try:
            sender(letter)
        except DeliveryError as error:
            problem = error
        except OSError as error:
            problem = DeliveryError(reason=str(error) or type(error).__name__, permanent=False)
    with transaction(sessions) as session:
        reach(session, "outbox.after_send")
        if not work.lock_mine(session, claim):
            return
        again = None
        if problem is not None:
            again = outbox.mark_failed(session, letter, problem, now)
            log.warning("message not delivered", extra={"message_id": claim.subject_id, "permanent": problem.permanent})
        elif sender is None:
            outbox.keep(session, letter)
        else:
            outbox.mark_sent(session, letter, now)
            totals.sent += len(letter.message_ids)
        if again is None:
            work.drop(session, claim)
        else:
            work.finish(session, claim, now, again)


def _letter(sessions: sessionmaker[Session], claim: Claim, now: datetime) -> Letter | None:
    with transaction(sessions) as session:
        if not work.lock_mine(session, claim):
            return None
        try:
            letter = outbox.letter_of(session, claim.subject_id, now)
        except outbox.Later as later:
            work.finish(session, claim, now, later.at)
            return None
        if letter is None:
            work.drop(session, claim)
        return letter


def _give_back(sessions: sessionmaker[Session], claim: Claim, now: datetime, error: Exception, totals: Totals) -> None:
    totals.failed += 1
    log.error(
        "work failed",
        extra={"kind": claim.kind, "subject_id": claim.subject_id, "attempt": claim.attempt},
        exc_info=error,
    )
    with transaction(sessions) as session:
        text = "".join(traceback.format_exception(error))[-2000:]
        if work.fail(session, claim, now, text, counts=not is_fault_of_the_machine(error)):
            quarantine.tell(session, claim, now)
            totals.quarantined += 1
    reach(session, "fail.after_commit")
