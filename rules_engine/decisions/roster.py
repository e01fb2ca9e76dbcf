"""Who could get a request: the managers with what a decision weighs of each, and the pools they stand in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

from rules_engine.decisions.fair_share import ValueStep
from rules_engine.language.engines.base import Facts, FailedCondition
from rules_engine.language.kinds import ReferenceKind
from rules_engine.language.model import Pool
from rules_engine.language.values import dump
from rules_engine.language.vocabulary import FIELDS
from rules_engine.language.vocabulary.shipped import spellings


# Nobody changes one, but frozen it takes nine times as long to make, and a decision makes one of every manager.
@dataclass(slots=True)
class Candidate:
    """A manager as a decision sees him; it has the figures of a Standing.

    `entitlement` is weight × working minutes (fair_share.entitlement); `count` and `value_minor` are his balance
    in the month's ledger; caps of None do not bind; `back_us` is the end of an absence, where it is known.
    `is_on_hold`: a confirmed pause keeps new requests from him, except those of his own clients. `count_before` and
    `extra_per_day`: see Standing.
    """

    id: int
    login: str
    name: str = ""
    team: str | None = None
    skills: frozenset[str] = frozenset()
    entitlement: Fraction = Fraction(1)
    count: int = 0
    value_minor: int = 0
    last_received_us: int | None = None
    open_requests: int = 0
    received_today: int = 0
    daily_cap: int | None = None
    open_cap: int | None = None
    is_active: bool = True
    is_absent: bool = False
    is_on_hold: bool = False
    back_us: int | None = None
    given_shortfall: Fraction | None = None
    count_before: int = 0
    extra_per_day: int | None = None


def _no_facts(_: int) -> Facts:
    return {}


def _no_change(_: int) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class Roster:
    """Everyone who may be considered, in rising id, and who is who for this request.

    `facts_of(id)` gives the `candidate.` facts of one manager; it is called only for conditions of `among`.
    `next_change_us(id)` gives the next instant at which his working hours or his absence change, None for never;
    it is called only where nobody can take the request. `pointers` are those of round robin, by pool key.
    `value_step` says on which side of the mean the request stands; None: its value does not count.
    """

    candidates: Mapping[int, Candidate]
    owner: int | None = None
    cover: int | None = None
    previous: int | None = None
    holder: int | None = None
    duty: frozenset[int] = frozenset()
    just_lost: frozenset[int] = frozenset()
    pointers: Mapping[str, int] = field(default_factory=dict)
    value_step: ValueStep | None = None
    facts_of: Callable[[int], Facts] = _no_facts
    next_change_us: Callable[[int], int | None] = _no_change

    def named(self, who: str) -> int | None:
        """Return the id of `owner`, `cover`, `previous` or `holder`; None where there is none."""
        by_name = {"owner": self.owner, "cover": self.cover, "previous": self.previous, "holder": self.holder}
        return by_name.get(who)

    def by_login(self, login: str | None) -> int | None:
        """Return the id of a login, None where nobody has it."""
        return next((c.id for c in self.candidates.values() if c.login == login), None)

    def members(self, pool: Pool) -> list[Candidate]:
        """Return the candidates of a pool in rising id; who has left stands only in a pool of one person."""
        if pool.name in ONE_PERSON:
            found = self.by_login(pool.argument) if pool.name == "manager" else self.named(pool.name)
            person = self.candidates.get(found) if found is not None else None
            return [person] if person else []
        present = [candidate for candidate in self.candidates.values() if candidate.is_active]
        match pool.name:
            case "everyone":
                return present
            case "duty":
                return [c for c in present if c.id in self.duty]
            case "skill":
                wanted = spellings(ReferenceKind.SKILL, pool.argument or "")
                return [c for c in present if not wanted.isdisjoint(c.skills)]
            case _:
                team = self.team_of(pool)
                return [c for c in present if team is not None and c.team == team]

    def team_of(self, pool: Pool) -> str | None:
        """Return the team that a pool of a team means."""
        if pool.name == "team":
            return pool.argument
        whose = {"team_of_owner": self.owner, "team_of_holder": self.holder}.get(pool.name)
        person = self.candidates.get(whose) if whose is not None else None
        return person.team if person else None

    def pool_key(self, pool: Pool) -> str:
        """Return the key under which round robin keeps its pointer; the owner's team is that team."""
        team = self.team_of(pool)
        if team is not None:
            return f"team:{team}"
        return f"{pool.name}:{pool.argument}" if pool.argument else pool.name


#: Pools that are one person; `if_absent` concerns the first three.
ONE_PERSON = ("owner", "cover", "previous", "manager")


class Refused(StrEnum):
    """Why a candidate of a pool could not get the request."""

    INACTIVE = "inactive"
    ABSENT = "absent"
    ON_HOLD = "on_hold"
    DAILY_CAP = "daily_cap"
    OPEN_CAP = "open_cap"
    JUST_LOST = "just_lost"
    EXCEPTED = "excepted"
    AMONG = "among"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason with its figures: `limit` and `seen` of a cap; field, operator, value and seen of a condition."""

    code: Refused
    seen: object = None
    limit: object = None
    field: str | None = None
    op: str | None = None
    unwanted: bool = False

    @classmethod
    def of_condition(cls, failed: FailedCondition) -> "Refusal":
        """Return the refusal by a condition of `among`, its values in JSON form."""
        seen = None if failed.seen is None else dump(FIELDS[failed.field], failed.seen)
        return cls(Refused.AMONG, seen, failed.value, failed.field, failed.op, failed.unwanted)

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"code": str(self.code)}
        if self.code in (Refused.DAILY_CAP, Refused.OPEN_CAP, Refused.AMONG):
            document |= {"seen": self.seen, "limit": self.limit}
        if self.code is Refused.AMONG:
            document |= {"field": self.field, "op": self.op, "unwanted": self.unwanted}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Refusal":
        return cls(
            Refused(document["code"]),
            document.get("seen"),
            document.get("limit"),
            document.get("field"),
            document.get("op"),
            document.get("unwanted", False),
        )


def refused_by_nature(candidate: Candidate, roster: Roster) -> Refusal | None:
    """Return why a manager cannot get any request now, or not this one again; None where he can."""
    if not candidate.is_active:
        return Refusal(Refused.INACTIVE)
    if candidate.is_absent:
        return Refusal(Refused.ABSENT)
    if candidate.id in roster.just_lost:
        return Refusal(Refused.JUST_LOST)
    if candidate.daily_cap is not None and candidate.received_today >= candidate.daily_cap:
        return Refusal(Refused.DAILY_CAP, candidate.received_today, candidate.daily_cap)
    if candidate.open_cap is not None and candidate.open_requests >= candidate.open_cap:
        return Refusal(Refused.OPEN_CAP, candidate.open_requests, candidate.open_cap)
    return None
