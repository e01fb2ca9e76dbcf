"""The candidates of a stored decision, put together again as it saw them.

What the record shows of somebody stands as it is; of whom it does not show, the ledger, the assignments and the
calendars of that instant tell.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.decisions.fair_share import ValueStep
from rules_engine.decisions.instants import NEVER_US, from_us, to_us
from rules_engine.decisions.money import parse_amount
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.language.kinds import ReferenceKind
from rules_engine.language.model import Ruleset
from rules_engine.language.values import Facts
from rules_engine.language.vocabulary.shipped import spellings
from rules_engine.services.company.reference import ManagerRef, Reference
from rules_engine.services.facts.candidates import Entitlements, entitling, needs_of
from rules_engine.services.facts.requests import person_facts
from rules_engine.services.impact.past_loads import AT_ONCE, LoadBefore, PastLoads

_STATES: Final = {
    "inactive": "inactive",
    "absent": "absent",
    "on_hold": "on_hold",
    "daily_cap": "cap",
    "open_cap": "cap",
}
"""What a reason says of the person himself; the others say what a rule does not want."""

_STEADY: Final = frozenset(
    f"candidate.{name}"
    for name in (
        "name",
        "team",
        "skills",
        "is_working_now",
        "open_requests",
        "unanswered_requests",
        "overdue_callbacks",
        "received_today",
        "received_this_month",
        "shortfall",
    )
)
"""Facts of a candidate that hold until his load changes or his working hours begin or end."""


class PastPeople:
    """The managers, with what is the same for all decisions that are compared by these rulesets.

    What no action of theirs weighs is not looked up. The decisions come in the order in which they were made: from
    one to the next little changes, and only that is looked up anew.
    """

    def __init__(
        self, session: Session, picture: Reference, since: datetime, until: datetime, rulesets: Iterable[Ruleset]
    ) -> None:
        needs = [needs_of(one) for one in rulesets]
        self.picture = picture
        self.fields: frozenset[str] = frozenset().union(*(one.fields for one in needs))
        self.weighs_work = any(one.work for one in needs)
        self.weighs_shares = any(one.shares for one in needs)
        self.needs_previous = any(one.previous for one in needs)
        asked = {field.removeprefix("candidate.") for field in self.fields}
        if self.weighs_work or any(one.open_cap is not None for one in picture.managers.values()):
            asked.add("open_requests")
        self.loads = PastLoads(session, picture, since, until, asked)
        self._on_duty = [one for one in picture.managers.values() if one.duty]
        self._extra = {
            one.id: team.catch_up_per_day
            for one in picture.managers.values()
            if (team := picture.teams.get(one.team_id or 0)) is not None
        }
        self.limits_days = any(one is not None for one in self._extra.values())
        self._are_steady = self.fields <= _STEADY
        self._us = NEVER_US
        self._ends: list[tuple[int, int, int]] = []
        """Until when, and before which decision at that instant, what is known of each manager holds: a heap."""
        self._hours: dict[int, int] = {}
        self._loads: dict[int, LoadBefore] = {}
        self._facts: dict[int, Facts] = {}
        self._looked_up: dict[int, Candidate] = {}
        self._shown: dict[int, tuple[tuple[object, ...], Candidate]] = {}

    def extra_per_day(self, manager_id: int) -> int | None:
        """Return how much of what he is behind by a manager may make up for in a day; None without limit."""
        return self._extra.get(manager_id)

    def on_duty(self, at: datetime) -> frozenset[int]:
        return frozenset(one.id for one in self._on_duty if one.is_on_duty(at))

    def roster(self, row: Any, outcome: Mapping[str, Any], facts: Facts) -> Roster:
        """Return the candidates of one decision.

        `row` has its `id`, `at`, `subject_id`, `client_id`, `owner_id`, `cover_id` and `value`; `outcome` is recorded.
        """
        return _PastStage(self, row, outcome, facts).roster()

    def go_on_to(self, at: datetime, us: int, decision_id: int) -> None:
        """Look up whoever's figures have changed since the decision before; all where this one was earlier."""
        if us < self._us:
            self._ends = [(us, AT_ONCE, manager_id) for manager_id in sorted(self.picture.managers)]
            self._hours.clear()
        self._us = us
        changed = []
        while self._ends and self._ends[0][:2] < (us, decision_id):
            changed.append(heappop(self._ends)[2])
        for manager_id in changed:
            one = self.picture.managers[manager_id]
            load = self._loads[manager_id] = self.loads.load(manager_id, us, decision_id)
            self._facts.pop(manager_id, None)
            self._looked_up.pop(manager_id, None)
            self._shown.pop(manager_id, None)
            until = min((load.until, load.until_decision), (self._hours_until(one, at, us), AT_ONCE))
            heappush(self._ends, (*until, manager_id))

    def _hours_until(self, one: ManagerRef, at: datetime, us: int) -> int:
        """Return when he begins or ends work next, or comes, leaves or is away: his entitlement may change then."""
        known = self._hours.get(one.id, 0)
        if us < known:
            return known
        presence = one.next_presence_change(at)
        changes = (
            one.calendar.next_change_us(us),
            entitling(self.picture, one).next_change_us(us),
            None if presence is None else to_us(presence),
        )
        found = self._hours[one.id] = min((change for change in changes if change is not None), default=NEVER_US)
        return found

    def facts_at(self, us: int) -> Callable[[int], Facts]:
        """Return what gives the `candidate.` facts of a manager just before the decision at hand."""
        known = self._facts

        def facts_of(manager_id: int) -> Facts:
            found = known.get(manager_id)
            if found is None:
                one = self.picture.managers[manager_id]
                found = person_facts("candidate", one, self._loads[manager_id], us, self.fields)
                if self._are_steady:
                    known[manager_id] = found
            return found

        return facts_of

    def looked_up(self, one: ManagerRef, at: datetime) -> Candidate:
        """Return a manager as he stood just before the decision at hand, his received value too."""
        known = self._looked_up.get(one.id)
        if known is not None:
            return known
        load = self._loads[one.id]
        extra = self.extra_per_day(one.id)
        away = one.absence_at(at)
        found = Candidate(
            id=one.id,
            login=one.login,
            name=one.name,
            team=one.team_code,
            skills=one.skills,
            entitlement=Entitlements(self.picture, at).of(one),
            count=load.count,
            value_minor=load.value_minor,
            last_received_us=load.last_received_us,
            open_requests=load.open_requests,
            received_today=load.received_today,
            daily_cap=one.daily_cap,
            open_cap=one.open_cap,
            is_active=one.is_employed(at),
            is_absent=away is not None,
            back_us=to_us(away[1]) if away else None,
            count_before=load.count - load.counted_today if self.limits_days else load.count,
            extra_per_day=extra,
        )
        self._looked_up[one.id] = found
        return found

    def shown(self, one: ManagerRef, shown: Mapping[str, Any]) -> Candidate:
        """Return a manager with what a record shows of him; what it does not show is looked up if it can matter."""
        reason = shown["reason"]
        state = None if reason is None else _STATES.get(reason["code"])
        if state == "cap":
            return self._as_shown(one, shown)
        # Most of them stand as they stood in the record before.
        known = self._shown.get(one.id)
        figures = state, shown["count"], shown["value"], shown["entitlement"], shown["open"]
        if known is None or known[0] != figures:
            known = self._shown[one.id] = figures, self._as_shown(one, shown)
        return known[1]

    def _as_shown(self, one: ManagerRef, shown: Mapping[str, Any]) -> Candidate:
        load = self._loads[one.id]
        count, extra = shown["count"], self._extra.get(one.id)
        found = Candidate(
            id=one.id,
            login=one.login,
            name=one.name,
            team=one.team_code,
            skills=one.skills,
            entitlement=_fraction(shown["entitlement"]),
            count=count,
            value_minor=_minor(shown["value"]),
            last_received_us=load.last_received_us,
            # The record says 0 where no rule looked at it.
            open_requests=shown["open"] or (load.open_requests if self.weighs_work else 0),
            count_before=count if extra is None else count - load.counted_today,
            extra_per_day=extra,
        )
        if reason := shown["reason"]:
            code = reason["code"]
            found.is_active = code != "inactive"
            found.is_absent = code == "absent"
            found.is_on_hold = code == "on_hold"
            if code == "daily_cap":
                found.received_today, found.daily_cap = reason["seen"], reason["limit"]
            elif code == "open_cap":
                found.open_cap = reason["limit"]
        return found


class _PastStage:
    """One decision."""

    def __init__(self, people: PastPeople, row: Any, outcome: Mapping[str, Any], facts: Facts) -> None:
        self._people = people
        self._row = row
        self._at = from_us(row.at)
        self._facts = facts
        self._shown: dict[int, Mapping[str, Any]] = {}
        self._shares = [one for one in outcome["attempts"] if one["strategy"] == "fair_share"]
        for attempt in outcome["attempts"]:
            for one in attempt["candidates"]:
                self._shown.setdefault(one["id"], one)
        self._named = {attempt["pool"]: attempt["candidates"] for attempt in outcome["attempts"]}
        self._value_step = self._step() if people.weighs_shares else None

    def roster(self) -> Roster:
        people, row = self._people, self._row
        people.go_on_to(self._at, row.at, row.id)
        candidates = {
            one.id: people.looked_up(one, self._at)
            if (shown := self._shown.get(one.id)) is None
            else people.shown(one, shown)
            for one in people.picture.managers.values()
        }
        return Roster(
            candidates=candidates,
            owner=self._person("owner", "client.owner", row.owner_id),
            cover=self._person("cover", "", row.cover_id),
            previous=self._previous() if people.needs_previous else None,
            holder=None,
            duty=people.on_duty(self._at),
            value_step=self._value_step,
            pointers=_LastServed(candidates),
            facts_of=people.facts_at(row.at),
        )

    def _person(self, pool: str, field: str, now: int | None) -> int | None:
        """Return who that was: as the record shows, as its facts say, else who it is now."""
        if self._named.get(pool):
            return int(self._named[pool][0]["id"])
        login = self._facts.get(field)
        known = self._people.picture.by_login(login) if isinstance(login, str) else None
        return known.id if known else now

    def _previous(self) -> int | None:
        if self._named.get("previous"):
            return int(self._named["previous"][0]["id"])
        row = self._row
        return (
            None if row.client_id is None else self._people.loads.previous_holder(row.client_id, row.at, row.subject_id)
        )

    def _step(self) -> ValueStep | None:
        if self._shares:
            written = self._shares[0].get("value_step")
            return ValueStep(written) if written else None
        return self._people.loads.value_step(self._row.value, self._at, self._row.subject_id)


class _LastServed(Mapping[str, int]):
    """Round robin goes on after whoever of everybody received last: the pointer of that time is not kept."""

    def __init__(self, candidates: Mapping[int, Candidate]) -> None:
        self._candidates = candidates

    def __getitem__(self, key: str) -> int:
        name, _, argument = key.partition(":")
        skills = spellings(ReferenceKind.SKILL, argument)
        members = [
            one
            for one in self._candidates.values()
            if one.last_received_us is not None
            and (name != "team" or one.team == argument)
            and (name != "skill" or not skills.isdisjoint(one.skills))
        ]
        if not members:
            raise KeyError(key)
        return max(members, key=lambda one: (one.last_received_us or 0, one.id)).id

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


@lru_cache(maxsize=20_000)
def _minor(written: str) -> int:
    return parse_amount(written)


@lru_cache(maxsize=20_000)
def _fraction(written: str) -> Fraction:
    return Fraction(written)
