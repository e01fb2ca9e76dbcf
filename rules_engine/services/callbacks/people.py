"""Who makes a planned call, and on which day: the client's owner, else whoever is due one; a portion a day."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.callbacks import deadline
from rules_engine.decisions.fair_share import FairShare
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.picking import pick
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.language.model import Action
from rules_engine.models import Callback, CallbackState, UtcDateTime
from rules_engine.services.company.reference import ManagerRef, Reference
from rules_engine.services.facts.candidates import Entitlements
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows

_FULL: Final = 1000


class Callers:
    """Who calls at one instant; what is planned with it is counted, so that it serves any number of clients."""

    def __init__(self, session: Session, picture: Reference, now: datetime) -> None:
        self._session = session
        self._picture = picture
        self._now = now
        self._portion = settings_store.number(session, settings_store.CALLS_PER_DAY)
        self._candidates: dict[int, Candidate] | None = None
        self._days: dict[int, Counter[int]] = {}
        self._free_from: dict[int, tuple[int, int]] = {}

    def own(self, owner_id: int | None, cover_id: int | None) -> ManagerRef | None:
        """Return the owner of a client if he works here, else the cover; None where neither does."""
        for manager_id in (owner_id, cover_id):
            found = self._picture.managers.get(manager_id) if manager_id is not None else None
            if found is not None and found.is_employed(self._now):
                return found
        return None

    def present_cover(self, cover_id: int | None) -> ManagerRef | None:
        """Return the cover of a client if he is here now."""
        found = self._picture.managers.get(cover_id) if cover_id is not None else None
        if found is None or not found.is_employed(self._now) or found.absence_at(self._now) is not None:
            return None
        return found

    def named(self, action: Action, rule: str, owner_id: int | None, cover_id: int | None) -> ManagerRef | None:
        """Return whom the pools of an action give the call to; None where it names none or nobody there can."""
        if not action.pools("to"):
            return None
        roster = Roster(candidates=self._everybody(), owner=owner_id, cover=cover_id)
        chosen = pick(action, rule, roster).chosen
        return None if chosen is None else self._picture.managers[chosen]

    def next_by_share(self, former_id: int | None, *, besides: int | None = None) -> ManagerRef | None:
        """Return who is due a client next by fair share: in the team of his former owner, else among all who are here.

        Counted are the calls that were planned for each this month. `besides` is left out. None: nobody is here.
        """
        former = self._picture.managers.get(former_id) if former_id is not None else None
        here = [one for one in self._everybody().values() if one.is_active and not one.is_absent and one.id != besides]
        team = [one for one in here if former is not None and one.team is not None and one.team == former.team_code]
        order = FairShare(team or here).order
        return self._picture.managers[order[0]] if order else None

    def first_free(self, manager: ManagerRef, from_us: int, within: int) -> tuple[int, int] | None:
        """Return from when and by when he can make one more call, not before `from_us`; None: he never works again.

        As many a day as the portion, by his share of a full position.
        """
        days = self._planned(manager.id)
        calendar = manager.presence
        portion = -(-self._portion * manager.weight.numerator // manager.weight.denominator)
        start: int | None = calendar.next_open_us(from_us)
        if start is None:
            return None
        day = first = calendar.local_day_us(start)
        asked, free = self._free_from.get(manager.id, (day + 1, 0))
        if asked <= day <= free:
            day = free
        while days[day] >= portion or day != first:
            full = days[day] >= portion
            start = calendar.working_day_opening_us(day + full, 0)
            if start is None:
                return None
            day = calendar.local_day_us(start)
            if not full:
                break
        self._free_from[manager.id] = (first, day)
        due = deadline(calendar, start, within)
        return None if due is None else (start, due)

    def take(self, manager: ManagerRef, from_us: int) -> None:
        """Count one more call that begins at `from_us`."""
        self._planned(manager.id)[manager.presence.local_day_us(from_us)] += 1
        if self._candidates is not None:
            known = self._candidates[manager.id]
            self._candidates[manager.id] = replace(known, count=known.count + 1, last_received_us=to_us(self._now))

    def _planned(self, manager_id: int) -> Counter[int]:
        days = self._days.get(manager_id)
        if days is None:
            calendar = self._picture.managers[manager_id].presence
            today = self._picture.start_of_day(self._picture.day_of(self._now))
            days = self._days[manager_id] = Counter()
            for call_from, number in rows(self._session, _BY_START, {"manager": manager_id, "today": today}):
                days[calendar.local_day_us(to_us(call_from))] += number
        return days

    def _everybody(self) -> dict[int, Candidate]:
        if self._candidates is None:
            month = self._picture.start_of_day(self._picture.day_of(self._now).replace(day=1))
            counts = {row.manager_id: row for row in rows(self._session, _OF_MONTH, {"month": month})}
            entitled = Entitlements(self._picture, self._now)
            self._candidates = {}
            for one in self._picture.managers.values():
                row = counts.get(one.id)
                self._candidates[one.id] = Candidate(
                    id=one.id,
                    login=one.login,
                    name=one.name,
                    team=one.team_code,
                    skills=one.skills,
                    entitlement=entitled.of(one),
                    count=row.number if row else 0,
                    last_received_us=to_us(row.newest) if row else None,
                    is_active=one.is_employed(self._now),
                    is_absent=one.absence_at(self._now) is not None,
                )
        return self._candidates


_BY_START: Final = (
    select(Callback.call_from, func.count())
    .where(
        Callback.manager_id == bindparam("manager"),
        Callback.state.in_((CallbackState.PLANNED, CallbackState.OPEN)),
        Callback.call_from >= bindparam("today", type_=UtcDateTime()),
    )
    .group_by(Callback.call_from)
)
_OF_MONTH: Final = (
    select(
        Callback.manager_id,
        func.count().label("number"),
        func.max(Callback.created_at, type_=UtcDateTime()).label("newest"),
    )
    .where(Callback.created_at >= bindparam("month", type_=UtcDateTime()), Callback.manager_id.is_not(None))
    .group_by(Callback.manager_id)
)
