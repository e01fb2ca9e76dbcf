"""Which calls rules of callbacks would have planned for a client over past days: looked at whenever he would have been.

Payments, contacts and requests are those that happened. A call that really was planned is taken to have ended when it
did; one that was not, to have been made at its due instant, so that the pause of his number follows it.
"""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, select, type_coerce
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_outcome import Cause, CauseKind, KnownCall, Scheduled
from rules_engine.decisions.callbacks import Limits, Situation, decide_callbacks
from rules_engine.decisions.impact_callbacks import Course, Courses
from rules_engine.decisions.instants import DAY_US, NEVER_US, from_us, to_us
from rules_engine.language.values import Facts
from rules_engine.models import ActionState, Callback, Firing, FiringAction, UtcDateTime
from rules_engine.services.callbacks.planning import FIRING_KIND
from rules_engine.services.company.reference import ManagerRef, Reference
from rules_engine.services.facts.callbacks import EVENT_DAYS, NEEDED, PROMISE_DAYS
from rules_engine.services.impact.past_clients import PastClient, PastClients, PastContact, with_segment
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows
from rules_engine.services.rules import occasions

_LOOKS: Final = 400
"""Looks at one client: rules that want one every minute must not keep the others waiting."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call that would have been planned at `made_us`, to be made from `from_us` on."""

    rule: str
    occasion: str
    cause: str
    cycle: int
    made_us: int
    from_us: int
    due_us: int
    manager_id: int | None


@dataclass(slots=True)
class _Call:
    """A call as one of the two courses knows it; open until `closes_us`."""

    known: KnownCall
    made_us: int
    closes_us: int
    is_real: bool

    def at(self, us: int) -> KnownCall:
        closed = self.closes_us if self.closes_us <= us else None
        return replace(self.known, closed_us=closed, is_in_list=closed is None and self.known.call_from_us <= us)


class PastCalls:
    """Plays courses on clients over `[since_us, until_us)`."""

    def __init__(
        self, session: Session, picture: Reference, clients: PastClients, since_us: int, until_us: int
    ) -> None:
        self._session = session
        self._picture = picture
        self._clients = clients
        self._since, self._until = since_us, until_us
        catalogue = occasions.catalogue(session)
        self._offers = {code: one.is_offer for code, one in catalogue.items() if one.is_active}
        self._ended_by_purchase = {
            code for code, one in catalogue.items() if occasions.ends_with_purchase(code, is_offer=one.is_offer)
        }
        self._limits = Limits(
            settings_store.number(session, settings_store.CALL_FREQUENCY_DAYS),
            settings_store.number(session, settings_store.CALL_CYCLE_DAYS),
        )
        self._real: dict[int, list[Any]] = {}
        self.segments: dict[int, str | None] = {}
        """The segments of those whose segment the rules have changed since, as they were at the beginning."""

    def read(self, client_ids: Sequence[int]) -> Mapping[int, PastClient]:
        """Read what is recorded of these clients, and of others with one of their numbers."""
        found = self._clients.of(client_ids)
        sharing = {other for one in found.values() for other in one.sharing}
        self._clients.of(sharing)
        self._real = {}
        for row in rows(self._session, _CALLS, {"clients": sorted({*client_ids, *sharing})}):
            self._real.setdefault(row.client_id, []).append(row)
        self.segments = {}
        for row in rows(self._session, _SEGMENTS, {"clients": list(client_ids), "since": from_us(self._since)}):
            # Before the first change since then he was in the segment that it found.
            if row.state is ActionState.APPLIED:
                self.segments.setdefault(row.item_id, (row.result or {}).get("before"))
        return found

    def planned(self, client: PastClient, courses: Courses) -> tuple[list[PlannedCall], list[PlannedCall]]:
        """Return the calls that the rules in force plan for a client, in order, and those of the draft."""
        live = _Played(self, client, courses.live, courses.fields, courses.different)
        found = live.calls()
        if not live.could_differ:
            return found, found
        return found, _Played(self, client, courses.draft, courses.fields, None).calls()

    def caller(self, client: PastClient, us: int) -> ManagerRef | None:
        """Return the owner if he worked here then, else the cover."""
        at = from_us(us)
        for manager_id in (client.card.owner_id, client.card.cover_id):
            found = self._picture.managers.get(manager_id) if manager_id is not None else None
            if found is not None and found.is_employed(at):
                return found
        return None


class _Played:
    """One course played on one client; `watched` are rules that do not act, and of which is told whether they could."""

    def __init__(
        self, over: PastCalls, client: PastClient, course: Course, fields: frozenset[str], watched: Course | None
    ) -> None:
        self._over = over
        self._course = course
        self._watched = watched
        self._watched_next: int | None = None
        self.could_differ = watched is None
        # What this course adds to his contacts is nobody else's.
        self._client = replace(client, contacts=list(client.contacts))
        self._segment: str | None = over.segments.get(client.id, client.card.segment) or None
        self._real = {(row.occasion, row.cause, row.cycle): row for row in over._real.get(client.id, ())}
        self._calls = [_real_call(row) for row in self._real.values() if row.created_at < over._since]
        self._found: list[PlannedCall] = []
        self._wanted = frozenset(key for key in fields | NEEDED if key.partition(".")[0] in ("client", "owner", "now"))
        self._person = frozenset(key for key in fields if key in ("manager.name", "manager.team", "manager.skills"))

    def calls(self) -> list[PlannedCall]:
        over = self._over
        us = max(over._since, to_us(self._client.card.created_at))
        deeds = self._deeds()
        for _ in range(_LOOKS):
            following = self._look(us)
            place = bisect.bisect_right(deeds, us)
            coming = [one for one in (following, deeds[place] if place < len(deeds) else None) if one is not None]
            # A call that this course alone has made is a contact from then on.
            coming += [one.closes_us for one in self._calls if not one.is_real and one.closes_us > us]
            us = min(coming, default=over._until)
            if self._watched_next is not None and self._watched_next < min(us, over._until):
                # They would have had him looked at in between: as good as a match.
                self.could_differ = True
            if us >= over._until:
                break
            self._make_what_is_due(us)
        return self._found

    def _deeds(self) -> list[int]:
        """Return when something happened that has a client looked at."""
        client, over = self._client, self._over
        found = {one.at_us for one in client.contacts} | {one.at_us for one in client.paid} | set(client.booked_us)
        found |= {us for one in client.requests for us in (one.received_us, one.closed_us) if us is not None}
        return sorted(us for us in found if over._since < us < over._until)

    def _make_what_is_due(self, us: int) -> None:
        for one in self._calls:
            if not one.is_real and one.closes_us == us:
                contact = PastContact(-one.known.id, us, "call", "out", "answered", None, None)
                bisect.insort(self._client.contacts, contact, key=lambda known: known.at_us)

    def _look(self, us: int) -> int | None:
        """Let the rules look at the client; return when they want to look again."""
        over, client, course = self._over, self._client, self._course
        caller = over.caller(client, us)
        seen, clocks = over._clients.see(client, us, self._wanted)
        facts: Facts = with_segment(seen, self._segment)
        facts |= {key: value for key, value in self._holder(caller).items() if key in self._person}
        causes, events, promised = self._causes(us)
        if promised is None:
            facts.pop("client.asked_to_call_on", None)
        self._close_what_is_over(us, bool(facts.get("client.do_not_call")))
        of_events = [{**facts, "event.name": name} for name in (*events, "due")]
        matching: set[str] = set()
        for one in of_events:
            matching.update(course.matching(one))
        # On the facts that the other course would have here: before what these rules do to his segment.
        if self._watched is not None and not self.could_differ:
            self.could_differ = any(self._watched.matching(one) for one in of_events)
        retry = None
        if matching or course.plan.ruleset.otherwise:
            ordered = [id_ for id_ in course.ids if id_ in matching]
            outcome = decide_callbacks(
                course.plan.ruleset, ordered, self._situation(us, facts, causes, promised, caller)
            )
            if outcome.segment is not None:
                self._segment = outcome.segment[1]
                of_events = [with_segment(one, self._segment) for one in of_events]
            for call in outcome.scheduled:
                self._add(call, us, caller)
            for joined in outcome.joined:
                self._join(joined.call_id, joined.occasion)
            retry = outcome.retry_us
        if self._watched is not None:
            self._watched_next = self._watched.plan.next_change_us(of_events, clocks, us)
        found = [course.plan.next_change_us(of_events, clocks, us), retry]
        return min((one for one in found if one is not None and one > us), default=None)

    def _holder(self, caller: ManagerRef | None) -> Facts:
        if caller is None:
            return {}
        facts: Facts = {"manager.name": caller.login}
        if caller.team_code:
            facts["manager.team"] = caller.team_code
        if caller.skills:
            facts["manager.skills"] = tuple(sorted(caller.skills))
        return facts

    def _situation(
        self,
        us: int,
        facts: Facts,
        causes: Mapping[CauseKind, Cause],
        promised: int | None,
        caller: ManagerRef | None,
    ) -> Situation:
        over, client = self._over, self._client
        window = us - over._limits.frequency_days * DAY_US
        segment = facts.get("client.segment")
        others = over._clients.of(client.sharing)
        called = [
            contact.at_us
            for one in (client, *others.values())
            for contact in one.contacts
            if window < contact.at_us <= us and contact.is_talk and (contact.kind, contact.direction) == ("call", "out")
        ]
        return Situation(
            now_us=us,
            causes=causes,
            calendar=caller.presence if caller else over._picture.company_calendar,
            segment=segment if isinstance(segment, str) else None,
            do_not_call=bool(facts.get("client.do_not_call")),
            has_consent=bool(facts.get("client.consent_to_offers")),
            promised_us=promised,
            known=tuple(one.at(us) for one in self._calls),
            called_us=max(called, default=None),
            others_us=tuple(
                sorted(
                    row.call_from
                    for other in others
                    for row in over._real.get(other, ())
                    if row.created_at <= us and (row.done_at is None or row.done_at > us)
                )
            ),
            occasions=over._offers,
            limits=over._limits,
        )

    def _causes(self, us: int) -> tuple[dict[CauseKind, Cause], list[str], int | None]:
        """Return what a call could be about, the events that happened lately, and when he asked to be called."""
        client, over = self._client, self._over
        day = over._picture.day_of(from_us(us))
        year = to_us(over._picture.start_of_day(date(day.year, 1, 1)))
        causes = {CauseKind.YEAR: Cause(f"year:{day.year}", year)}
        fresh = us - (over._limits.frequency_days + EVENT_DAYS) * DAY_US
        events: list[str] = []
        promised = None
        if payment := client.last_payment(us):
            causes[CauseKind.PAYMENT] = Cause(f"payment:{payment.id}", payment.at_us)
            if payment.at_us > fresh:
                events.append("payment")
        if refusal := client.last_refusal(us):
            causes[CauseKind.REFUSAL] = Cause(f"{refusal[0]}:{refusal[1]}", refusal[2])
            if refusal[2] > fresh and refusal[0] == "request":
                events.append("request_lost")
        if talk := client.last_talk(us):
            causes[CauseKind.CONTACT] = Cause(f"contact:{talk.id}", talk.at_us)
            if talk.at_us > fresh:
                events.append("contact")
            if talk.asked_us is not None and talk.asked_us > us - PROMISE_DAYS * DAY_US:
                causes[CauseKind.PROMISE] = causes[CauseKind.CONTACT]
                promised = talk.asked_us
        if ends := client.card.contract_ends_on:
            causes[CauseKind.CONTRACT] = Cause(f"contract:{ends.isoformat()}", 0)
        return causes, events, promised

    def _add(self, call: Scheduled, us: int, caller: ManagerRef | None) -> None:
        real = self._real.get((call.occasion, call.cause.key, call.cycle))
        manager_id = caller.id if caller else real.manager_id if real else None
        self._found.append(
            PlannedCall(call.rule, call.occasion, call.cause.key, call.cycle, us, call.from_us, call.due_us, manager_id)
        )
        number = real.id if real else -len(self._found)
        known = KnownCall(number, call.occasion, call.cause.key, call.cycle, call.from_us, call.also)
        closes = call.due_us if real is None else real.done_at or NEVER_US
        self._calls.append(_Call(known, us, max(closes, us + 1), is_real=real is not None))
        for absorbed in self._calls:
            if absorbed.known.id in call.absorbs:
                absorbed.closes_us = min(absorbed.closes_us, us)

    def _join(self, call_id: int, occasion: str) -> None:
        for one in self._calls:
            if one.known.id == call_id and occasion not in one.known.also:
                one.known = replace(one.known, also=(*one.known.also, occasion))

    def _close_what_is_over(self, us: int, is_forbidden: bool) -> None:
        """Close the calls of this course that his last purchase makes pointless, or that he does not want."""
        payment = self._client.last_payment(us)
        for one in self._calls:
            if one.is_real or one.closes_us <= us:
                continue
            about = one.known.cause
            is_older = about.startswith("payment:") or (payment is not None and one.made_us < payment.at_us)
            codes = (one.known.occasion, *one.known.also)
            pointless = (
                payment is not None
                and about != f"payment:{payment.id}"
                and is_older
                and all(code in self._over._ended_by_purchase for code in codes)
            )
            if is_forbidden or pointless:
                one.closes_us = us


def week_of(picture: Reference, us: int) -> str:
    """Return the Monday of the week of an instant in the business zone, as an ISO date."""
    day = picture.day_of(from_us(us))
    return (day - timedelta(days=day.weekday())).isoformat()


def _real_call(row: Any) -> _Call:
    known = KnownCall(row.id, row.occasion, row.cause, row.cycle, row.call_from, tuple(row.also))
    return _Call(known, row.created_at, row.done_at or NEVER_US, is_real=True)


def _us(column: Any) -> Any:
    return type_coerce(column, BigInteger)


_CALLS: Final = (
    select(
        Callback.id,
        Callback.client_id,
        Callback.occasion,
        Callback.cause,
        Callback.cycle,
        Callback.also,
        Callback.manager_id,
        _us(Callback.call_from).label("call_from"),
        _us(Callback.due_at).label("due_at"),
        _us(Callback.done_at).label("done_at"),
        _us(Callback.created_at).label("created_at"),
    )
    .where(Callback.client_id.in_(bindparam("clients", expanding=True)))
    .order_by(Callback.id)
)
_SEGMENTS: Final = (
    select(Firing.item_id, FiringAction.state, FiringAction.result)
    .join(FiringAction, FiringAction.firing_id == Firing.id)
    .where(
        Firing.item_kind == FIRING_KIND,
        Firing.item_id.in_(bindparam("clients", expanding=True)),
        Firing.at >= bindparam("since", type_=UtcDateTime()),
        FiringAction.action == "set_segment",
    )
    .order_by(Firing.at, Firing.id)
)
