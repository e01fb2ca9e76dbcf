"""The candidates of a stored decision, put together again as it saw them.

What the record shows of somebody stands as it is; of whom it does not show, the ledger, the assignments and the
calendars of that instant tell.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

from rules_engine.decisions.fair_share import ValueStep
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.decisions.money import parse_amount
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.language.model import Ruleset
from rules_engine.language.values import Facts
from rules_engine.services.candidates import Entitlements, needs_of
from rules_engine.services.facts import person_facts
from rules_engine.services.past_loads import PastLoads
from rules_engine.services.reference import ManagerRef, Reference


class PastPeople:
    """The managers, with what is the same for all decisions that are compared by these rulesets.

    What no action of theirs weighs is not looked up.
    """

    def __init__(self, picture: Reference, loads: PastLoads, rulesets: Iterable[Ruleset]) -> None:
        self.picture = picture
        self.loads = loads
        needs = [needs_of(one) for one in rulesets]
        self.fields: frozenset[str] = frozenset().union(*(one.fields for one in needs))
        self.weighs_work = any(one.work for one in needs)
        self.weighs_shares = any(one.shares for one in needs)
        self.needs_previous = any(one.previous for one in needs)
        self._on_duty = [one for one in picture.managers.values() if one.duty]
        self._extra = {
            one.id: team.catch_up_per_day
            for one in picture.managers.values()
            if (team := picture.teams.get(one.team_id or 0)) is not None
        }

        self.limits_days = any(one is not None for one in self._extra.values())

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


class _PastStage:
    """One decision."""

    def __init__(self, people: PastPeople, row: Any, outcome: Mapping[str, Any], facts: Facts) -> None:
        self._people = people
        self._row = row
        self._at = from_us(row.at)
        self._facts = facts
        self._loads = people.loads.before(row.at, row.id)
        self._shown: dict[int, Mapping[str, Any]] = {}
        self._shares = [one for one in outcome["attempts"] if one["strategy"] == "fair_share"]
        for attempt in outcome["attempts"]:
            for one in attempt["candidates"]:
                self._shown.setdefault(one["id"], one)
        self._named = {attempt["pool"]: attempt["candidates"] for attempt in outcome["attempts"]}
        self._value_step = self._step() if people.weighs_shares else None

    def roster(self) -> Roster:
        people, row = self._people, self._row
        managers = people.picture.managers
        candidates = {
            one.id: self._as_looked_up(one)
            if (shown := self._shown.get(one.id)) is None
            else self._as_shown(one, shown)
            for one in managers.values()
        }
        loads, at_us, fields = self._loads, row.at, people.fields

        def facts_of(manager_id: int) -> Facts:
            return person_facts("candidate", managers[manager_id], loads.load(manager_id), at_us, fields)

        return Roster(
            candidates=candidates,
            owner=self._person("owner", "client.owner", row.owner_id),
            cover=self._person("cover", "", row.cover_id),
            previous=self._previous() if people.needs_previous else None,
            holder=None,
            duty=people.on_duty(self._at),
            value_step=self._value_step,
            pointers=_LastServed(candidates),
            facts_of=facts_of,
        )

    def _as_looked_up(self, one: ManagerRef) -> Candidate:
        people = self._people
        load = self._loads.load(one.id)
        count, extra = load.count, people.extra_per_day(one.id)
        away = one.absence_at(self._at)
        return Candidate(
            id=one.id,
            login=one.login,
            name=one.name,
            team=one.team_code,
            skills=one.skills,
            entitlement=self._entitled.of(one),
            count=count,
            value_minor=load.value_minor if self._value_step is not None else 0,
            last_received_us=load.last_received_us,
            open_requests=load.open_requests if people.weighs_work or one.open_cap is not None else 0,
            received_today=load.received_today if one.daily_cap is not None else 0,
            daily_cap=one.daily_cap,
            open_cap=one.open_cap,
            is_active=one.is_employed(self._at),
            is_absent=away is not None,
            back_us=to_us(away[1]) if away else None,
            count_before=count - load.counted_today if people.limits_days else count,
            extra_per_day=extra,
        )

    def _as_shown(self, one: ManagerRef, shown: Mapping[str, Any]) -> Candidate:
        """Return a candidate with what the record shows of him; what it does not show is looked up if it can matter."""
        people = self._people
        load = self._loads.load(one.id)
        reason = shown["reason"]
        code = reason["code"] if reason else None
        count, extra = shown["count"], people.extra_per_day(one.id)
        # The record says 0 where no rule looked at it.
        held = shown["open"] or (load.open_requests if people.weighs_work else 0)
        return Candidate(
            id=one.id,
            login=one.login,
            name=one.name,
            team=one.team_code,
            skills=one.skills,
            entitlement=_fraction(shown["entitlement"]),
            count=count,
            value_minor=_minor(shown["value"]) if self._value_step is not None else 0,
            last_received_us=load.last_received_us,
            open_requests=held,
            received_today=reason["seen"] if code == "daily_cap" else 0,
            daily_cap=reason["limit"] if code == "daily_cap" else None,
            open_cap=reason["limit"] if code == "open_cap" else None,
            is_active=code != "inactive",
            is_absent=code == "absent",
            is_on_hold=code == "on_hold",
            count_before=count if extra is None else count - load.counted_today,
            extra_per_day=extra,
        )

    @cached_property
    def _entitled(self) -> Entitlements:
        return Entitlements(self._people.picture, self._at)

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
