"""The candidates of a stored decision, put together again as it saw them.

What the record shows of somebody stands as it is; of whom it does not show, the ledger, the assignments and the
calendars of that instant tell.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from rules_engine.decisions.fair_share import ValueStep
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.decisions.money import parse_amount
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.language.values import Facts
from rules_engine.models import Assignment, Request, UtcDateTime
from rules_engine.services.candidates import Entitlements
from rules_engine.services.facts import person_facts
from rules_engine.services.past_loads import LoadsBefore, PastLoads
from rules_engine.services.reading import rows
from rules_engine.services.reference import ManagerRef, Reference


class PastStage:
    """One decision: its row (`id`, `at`, `subject_id`, `client_id`, `owner_id`, `cover_id`, `value`), its outcome."""

    def __init__(
        self, session: Session, picture: Reference, loads: PastLoads, row: Any, outcome: Mapping[str, Any], facts: Facts
    ) -> None:
        self._session = session
        self._picture = picture
        self._row = row
        self._at = from_us(row.at)
        self._loads = loads
        self._facts = facts
        self._shown: dict[int, Mapping[str, Any]] = {}
        self._ignores_holds = False
        self._shares = [one for one in outcome["attempts"] if one["strategy"] == "fair_share"]
        for attempt in outcome["attempts"]:
            self._ignores_holds = self._ignores_holds or attempt.get("ignores_holds", False)
            for one in attempt["candidates"]:
                self._shown.setdefault(one["id"], one)
        self._named = {attempt["pool"]: attempt["candidates"] for attempt in outcome["attempts"]}

    def roster(self) -> Roster:
        picture, row = self._picture, self._row
        entitled = Entitlements(picture, self._at)
        loads = self._loads.before(self._at, row.id)
        candidates: dict[int, Candidate] = {}
        for one in picture.managers.values():
            shown = self._shown.get(one.id)
            if shown is not None:
                candidates[one.id] = _as_shown(picture, one, loads, shown)
                continue
            load = loads.load(one.id)
            away = one.absence_at(self._at)
            candidates[one.id] = Candidate(
                id=one.id,
                login=one.login,
                name=one.name,
                team=one.team_code,
                skills=one.skills,
                entitlement=entitled.of(one),
                count=load.count,
                value_minor=load.value_minor,
                last_received_us=loads.last_received_us(one.id),
                open_requests=load.open_requests,
                received_today=load.received_today,
                daily_cap=one.daily_cap,
                open_cap=one.open_cap,
                is_active=one.is_employed(self._at),
                is_absent=away is not None,
                back_us=to_us(away[1]) if away else None,
                count_before=load.count - load.counted_today,
                extra_per_day=_extra(picture, one),
            )
        at_us = row.at

        def facts_of(manager_id: int) -> Facts:
            return person_facts(
                "candidate", picture.managers[manager_id], loads.load(manager_id), at_us, _CANDIDATE_FIELDS
            )

        return Roster(
            candidates=candidates,
            owner=self._person("owner", "client.owner", row.owner_id),
            cover=self._person("cover", "", row.cover_id),
            previous=self._previous(),
            holder=None,
            duty=frozenset(one.id for one in picture.managers.values() if one.is_on_duty(self._at)),
            value_step=self._value_step(),
            pointers=_LastServed(candidates),
            facts_of=facts_of,
        )

    def _person(self, pool: str, field: str, now: int | None) -> int | None:
        """Return who that was: as the record shows, as its facts say, else who it is now."""
        if self._named.get(pool):
            return int(self._named[pool][0]["id"])
        login = self._facts.get(field)
        known = self._picture.by_login(login) if isinstance(login, str) else None
        return known.id if known else now

    def _previous(self) -> int | None:
        if self._named.get("previous"):
            return int(self._named["previous"][0]["id"])
        if self._row.client_id is None:
            return None
        here = {"client": self._row.client_id, "itself": self._row.subject_id, "at": self._at}
        found = rows(self._session, _PREVIOUS, here)
        return found[0].manager_id if found else None

    def _value_step(self) -> ValueStep | None:
        if self._shares:
            written = self._shares[0].get("value_step")
            return ValueStep(written) if written else None
        return self._loads.value_step(self._row.value, self._at, self._row.subject_id)


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


def _as_shown(picture: Reference, one: ManagerRef, loads: LoadsBefore, shown: Mapping[str, Any]) -> Candidate:
    """Return a candidate with what the record shows of him; what it does not show is looked up where it can matter."""
    reason = shown["reason"]
    code = reason["code"] if reason else None
    count, extra = shown["count"], _extra(picture, one)
    return Candidate(
        id=one.id,
        login=one.login,
        name=one.name,
        team=one.team_code,
        skills=one.skills,
        entitlement=_fraction(shown["entitlement"]),
        count=count,
        value_minor=_minor(shown["value"]),
        last_received_us=loads.last_received_us(one.id),
        # The record says 0 where no rule looked at it.
        open_requests=shown["open"] or loads.load(one.id).open_requests,
        received_today=reason["seen"] if code == "daily_cap" else 0,
        daily_cap=reason["limit"] if code == "daily_cap" else None,
        open_cap=reason["limit"] if code == "open_cap" else None,
        is_active=code != "inactive",
        is_absent=code == "absent",
        is_on_hold=code == "on_hold",
        count_before=count if extra is None else count - loads.load(one.id).counted_today,
        extra_per_day=extra,
    )


def _extra(picture: Reference, one: ManagerRef) -> int | None:
    team = picture.teams.get(one.team_id) if one.team_id is not None else None
    return team.catch_up_per_day if team else None


@lru_cache(maxsize=20_000)
def _minor(written: str) -> int:
    return parse_amount(written)


@lru_cache(maxsize=20_000)
def _fraction(written: str) -> Fraction:
    return Fraction(written)


_CANDIDATE_FIELDS: Final = frozenset(
    f"candidate.{name}"
    for name in (
        "name",
        "team",
        "skills",
        "is_working_now",
        "is_on_duty",
        "open_requests",
        "unanswered_requests",
        "overdue_callbacks",
        "received_today",
        "received_this_month",
    )
)
_PREVIOUS: Final = (
    select(Assignment.manager_id)
    .join(Request, Request.id == Assignment.request_id)
    .where(
        Request.client_id == bindparam("client"),
        Request.id != bindparam("itself"),
        Request.is_history.is_(False),
        Assignment.assigned_at <= bindparam("at", type_=UtcDateTime()),
        or_(Assignment.ended_at.is_(None), Assignment.ended_at > bindparam("at", type_=UtcDateTime())),
    )
    .order_by(Request.received_at.desc(), Request.id.desc())
    .limit(1)
)
