"""The candidates of a stored decision, put together again as it saw them.

What the record shows of somebody stands as it is; of whom it does not show, the ledger, the assignments and the
calendars of that instant tell.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from sqlalchemy.orm import Session

from rules_engine.decisions.fair_share import ValueStep
from rules_engine.decisions.instants import NEVER_US, from_us, to_us
from rules_engine.decisions.money import parse_amount
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.language.model import Ruleset
from rules_engine.language.values import Facts
from rules_engine.services.candidates import Entitlements, entitling, needs_of
from rules_engine.services.facts import person_facts
from rules_engine.services.past_loads import LoadBefore, PastLoads
from rules_engine.services.reference import ManagerRef, Reference

T = TypeVar("T")

_CAPS: Final = ("daily_cap", "open_cap")

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


@dataclass(frozen=True, slots=True)
class _Stretch(Generic[T]):
    """What is so of a manager at every instant of `[since, until)`, in UTC microseconds."""

    since: int
    until: int
    what: T


class PastPeople:
    """The managers, with what is the same for all decisions that are compared by these rulesets.

    What no action of theirs weighs is not looked up, and what was looked up serves as long as it holds: from one
    decision to the next little changes.
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
        self._facts: dict[int, _Stretch[Facts]] = {}
        self._candidates: dict[int, _Stretch[Candidate]] = {}
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

    def facts_before(self, us: int, decision_id: int) -> Callable[[int], Facts]:
        """Return what gives the `candidate.` facts of a manager just before a decision."""
        facts = self._facts

        def facts_of(manager_id: int) -> Facts:
            known = facts.get(manager_id)
            if known is not None and known.since <= us < known.until:
                return known.what
            one = self.picture.managers[manager_id]
            load = self.loads.load(manager_id, us, decision_id)
            found = person_facts("candidate", one, load, us, self.fields)
            if self._are_steady:
                changes = one.calendar.next_change_us(us)
                facts[manager_id] = _Stretch(us, min(load.until, changes or NEVER_US), found)
            return found

        return facts_of

    def candidate(self, one: ManagerRef, at: datetime, us: int, decision_id: int) -> Candidate:
        """Return a manager as he stood just before a decision, his received value too."""
        known = self._candidates.get(one.id)
        if known is not None and known.since <= us < known.until:
            return known.what
        load = self.loads.load(one.id, us, decision_id)
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
        presence = one.next_presence_change(at)
        changes = entitling(self.picture, one).next_change_us(us)
        until = min(load.until, changes or NEVER_US, NEVER_US if presence is None else to_us(presence))
        self._candidates[one.id] = _Stretch(us, until, found)
        return found

    def shown(self, one: ManagerRef, shown: Mapping[str, Any], us: int, decision_id: int) -> Candidate:
        """Return a manager with what a record shows of him; what it does not show is looked up if it can matter."""
        load = self.loads.load(one.id, us, decision_id)
        reason = shown["reason"]
        code = None if reason is None else reason["code"]
        if code in _CAPS:
            return self._as_shown(one, shown, load)
        # Most of them stand as they stood in the record before.
        known = self._shown.get(one.id)
        figures = load, code, shown["count"], shown["value"], shown["entitlement"], shown["open"]
        if known is None or known[0] != figures:
            known = self._shown[one.id] = figures, self._as_shown(one, shown, load)
        return known[1]

    def _as_shown(self, one: ManagerRef, shown: Mapping[str, Any], load: LoadBefore) -> Candidate:
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
        us, decision_id = row.at, row.id
        candidates = {
            one.id: people.candidate(one, self._at, us, decision_id)
            if (shown := self._shown.get(one.id)) is None
            else people.shown(one, shown, us, decision_id)
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
            facts_of=people.facts_before(us, decision_id),
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
        members = [
            one
            for one in self._candidates.values()
            if one.last_received_us is not None
            and (name != "team" or one.team == argument)
            and (name != "skill" or argument in one.skills)
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
