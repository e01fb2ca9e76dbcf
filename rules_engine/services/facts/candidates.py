"""Who could get a request: the roster of managers with everything that a decision weighs of each."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rules_engine.decisions.fair_share import entitlement
from rules_engine.decisions.instants import NEVER_US, to_us
from rules_engine.decisions.opening_hours import CalendarError
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.language.engines.base import Facts
from rules_engine.language.model import Action, Ruleset
from rules_engine.language.thresholds import fields_used
from rules_engine.models import Request, RoundRobinPointer
from rules_engine.services.company.reference import ManagerRef, Reference
from rules_engine.services.facts.loads import HELD, NOTHING, Load, loads
from rules_engine.services.facts.request_values import step_of
from rules_engine.services.facts.requests import SeenRequest, load_needs, person_facts
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows

_CLIENTS_PEOPLE: Final = frozenset({"owner", "cover", "team_of_owner"})


@dataclass(frozen=True, slots=True)
class RosterNeeds:
    """What the actions of a ruleset need to know of managers and of the request's people."""

    fields: frozenset[str]
    work: bool
    today: bool
    calls: bool
    pointers: bool
    previous: bool
    clients_people: bool
    shares: bool
    """Whether fair share may choose, and the value of a request may count."""


def needs_of(ruleset: Ruleset) -> RosterNeeds:
    """Return what must be read to carry out any rule of the ruleset."""
    actions = [action for action in _actions(ruleset) if action.name in ("assign", "reassign")]
    named = {pool.name for action in actions for pool in action.pools()}
    named |= {who for action in actions for who in action.texts("except")}
    if any(action.text("if_absent") == "cover" for action in actions):
        named.add("cover")
    strategies = {action.text("strategy") or "fair_share" for action in actions}
    wanted = frozenset(key for key in fields_used(ruleset) if key.startswith("candidate."))
    work, today, calls = load_needs(wanted, "candidate")
    return RosterNeeds(
        fields=wanted,
        work=work or strategies != {"fair_share"},
        today=today,
        calls=calls,
        pointers="round_robin" in strategies,
        previous="previous" in named,
        clients_people=not named.isdisjoint(_CLIENTS_PEOPLE),
        shares="fair_share" in strategies,
    )


def build_roster(
    session: Session,
    picture: Reference,
    request: Request,
    seen: SeenRequest,
    now: datetime,
    needs: RosterNeeds,
    *,
    just_lost: Collection[int] = (),
) -> Roster:
    """Return the roster for one request: at most one query for all managers, and one each for what few rules need.

    `seen` must have been read with the client's people where the needs say so. Open requests are 0 where no rule
    weighs them and nobody has a limit.
    """
    people = picture.managers.values()
    limits = _extra_per_day(session, picture, now)
    carried = loads(
        session,
        picture,
        now,
        work=needs.work or any(one.open_cap is not None for one in people),
        today=needs.today or any(one.daily_cap is not None for one in people),
        calls=needs.calls,
        counted_today=bool(limits),
    )
    entitled = Entitlements(picture, now)
    return Roster(
        candidates={
            one.id: _candidate(
                one,
                carried.get(one.id, NOTHING),
                entitled.of(one),
                now,
                is_on_hold=_is_on_hold(picture, one.id, now),
                extra_per_day=limits.get(one.id),
            )
            for one in people
        },
        owner=seen.owner_id,
        cover=seen.cover_id,
        previous=previous_holder(session, request) if needs.previous else None,
        holder=request.manager_id,
        duty=frozenset(one.id for one in people if one.is_on_duty(now)),
        value_step=step_of(session, picture, request, now) if needs.shares else None,
        just_lost=frozenset(just_lost),
        pointers=_pointers(session) if needs.pointers else {},
        facts_of=_facts_of(picture, carried, now, needs.fields),
        next_change_us=_next_change_of(picture, now),
    )


def previous_holder(session: Session, request: Request) -> int | None:
    """Return who holds the latest other open request of the client; None where nobody does."""
    if request.client_id is None:
        return None
    found = rows(session, _PREVIOUS, {"client": request.client_id, "itself": request.id})
    return found[0].manager_id if found else None


_PREVIOUS: Final = (
    select(Request.manager_id)
    .where(
        Request.client_id == bindparam("client"),
        Request.id != bindparam("itself"),
        Request.status.in_(HELD),
        Request.is_history.is_(False),
        Request.manager_id.is_not(None),
    )
    .order_by(Request.received_at.desc(), Request.id.desc())
    .limit(1)
)


class Entitlements:
    """Weight × working minutes of the month to date, to the end of each manager's current or next working day."""

    def __init__(self, picture: Reference, now: datetime) -> None:
        self._now = now
        self._picture = picture
        first = picture.day_of(now).replace(day=1)
        self._month_start = picture.start_of_day(first)

    def of(self, manager: ManagerRef) -> Fraction:
        """Return his entitlement; 0 for who is not employed."""
        if not manager.is_employed(self._now):
            return Fraction(0)
        return manager.weight * _worked(entitling(self._picture, manager), self._month_start, self._now)


def entitling(picture: Reference, manager: ManagerRef) -> WorkingCalendar:
    """Return the working time that entitles a manager: his presence; in a team that makes up for absences, they too."""
    team = picture.teams.get(manager.team_id) if manager.team_id is not None else None
    return manager.presence if team is None or team.catch_up_per_day is None else manager.employment


def entitlement_at(picture: Reference, manager: ManagerRef, start: datetime, end: datetime, now: datetime) -> Fraction:
    """Return weight × working minutes of the month `[start, end)`: all of it once it is over, else to date.

    0 for who was not there at all, and for a month that has not begun.
    """
    if now < start:
        return Fraction(0)
    calendar = entitling(picture, manager)
    if now >= end:
        return manager.weight * calendar.elapsed(start, end)
    return manager.weight * _worked(calendar, start, now)


@dataclass(frozen=True, slots=True)
class _Worked:
    """The minutes that hold for every question asked during `[since, until)`."""

    calendar: WorkingCalendar
    since: datetime
    until: datetime
    minutes: Fraction


_worked_until: dict[tuple[int, datetime], _Worked] = {}
_KEPT: Final = 5_000


def _worked(calendar: WorkingCalendar, month_start: datetime, now: datetime) -> Fraction:
    """Return the working minutes from the month's start to the end of the current or next working day.

    The answer is the same until that day ends, so it is computed once a day and calendar.
    """
    key = (id(calendar), month_start)
    known = _worked_until.get(key)
    if known is not None and known.calendar is calendar and known.since <= now < known.until:
        return known.minutes
    try:
        minutes = entitlement(Fraction(1), calendar, month_start, now)
        until = calendar.end_of_current_or_next_working_day(now)
    except CalendarError:
        # He never works again, as on the evening of the last day: then the month so far is all there is.
        return calendar.elapsed(month_start, now)
    if len(_worked_until) > _KEPT:
        _worked_until.clear()
    _worked_until[key] = _Worked(calendar, now, until, minutes)
    return minutes


def _extra_per_day(session: Session, picture: Reference, now: datetime) -> dict[int, int]:
    """Return how much of what they are behind by managers may make up for in a day; who is left out has no limit.

    A limit has who is in a team that makes up for absences, and whose new requests were on hold this month.
    """
    month_start = picture.start_of_day(picture.day_of(now).replace(day=1))
    limits = {
        one.id: team.catch_up_per_day
        for one in picture.managers.values()
        if (team := picture.teams.get(one.team_id or 0)) is not None and team.catch_up_per_day is not None
    }
    after_hold = [manager_id for manager_id, ended_at in picture.ended_holds.items() if month_start <= ended_at <= now]
    if after_hold:
        most = settings_store.number(session, settings_store.HOLD_EXTRA_PER_DAY)
        limits |= {manager_id: min(most, limits.get(manager_id, most)) for manager_id in after_hold}
    return limits


def _is_on_hold(picture: Reference, manager_id: int, now: datetime) -> bool:
    hold = picture.holds.get(manager_id)
    return hold is not None and hold.is_in_force(now)


def _candidate(
    manager: ManagerRef, load: Load, entitled: Fraction, now: datetime, *, is_on_hold: bool, extra_per_day: int | None
) -> Candidate:
    away = manager.absence_at(now)
    return Candidate(
        id=manager.id,
        login=manager.login,
        name=manager.name,
        team=manager.team_code,
        skills=manager.skills,
        entitlement=entitled,
        count=load.count,
        value_minor=load.value_minor,
        last_received_us=None if load.last_received_at is None else to_us(load.last_received_at),
        open_requests=load.open_requests,
        received_today=load.received_today,
        daily_cap=manager.daily_cap,
        open_cap=manager.open_cap,
        is_active=manager.is_employed(now),
        is_absent=away is not None,
        is_on_hold=is_on_hold,
        back_us=to_us(away[1]) if away else None,
        count_before=load.count - load.counted_today,
        extra_per_day=extra_per_day,
    )


def _facts_of(
    picture: Reference, carried: Mapping[int, Load], now: datetime, wanted: frozenset[str]
) -> Callable[[int], Facts]:
    now_us = to_us(now)

    def facts_of(manager_id: int) -> Facts:
        manager = picture.managers[manager_id]
        return person_facts("candidate", manager, carried.get(manager_id, NOTHING), now_us, wanted)

    return facts_of


def _next_change_of(picture: Reference, now: datetime) -> Callable[[int], int | None]:
    now_us = to_us(now)

    def next_change_us(manager_id: int) -> int | None:
        """The next opening, closing, coming or going of a manager, or begin or end of his duty, whichever is first."""
        manager = picture.managers[manager_id]
        edges = [edge for span in manager.away for edge in span if now_us < edge < NEVER_US]
        edges += [edge for span in manager.duty for edge in map(to_us, span) if edge > now_us]
        opening = manager.presence.next_change_us(now_us)
        return min([*edges, *([] if opening is None else [opening])], default=None)

    return next_change_us


def _pointers(session: Session) -> dict[str, int]:
    return {row.pool: row.manager_id for row in rows(session, _POINTERS, {})}


_POINTERS: Final = select(RoundRobinPointer.pool, RoundRobinPointer.manager_id)


def _actions(ruleset: Ruleset) -> Iterator[Action]:
    for rule in ruleset.rules:
        if rule.enabled:
            yield from rule.then
    yield from ruleset.otherwise
