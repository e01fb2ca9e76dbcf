"""One person out of the pools that an action names: `assign` and `reassign` choose alike.

The pools of `to` are tried in order; each gives an attempt that says of every candidate whether he was eligible
or why not, his figures, and his place. The first pool with an eligible candidate decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Any, Final

from rules_engine.decisions.fair_share import (
    CatchUp,
    FairShare,
    Strategy,
    ValueStep,
    least_loaded_order,
    round_robin_order,
)
from rules_engine.decisions.money import format_amount, parse_amount
from rules_engine.decisions.roster import (
    ONE_PERSON,
    Candidate,
    Refusal,
    Refused,
    Roster,
    refused_by_nature,
)
from rules_engine.language.engines.base import Predicate
from rules_engine.language.engines.native import compile_group, first_failed
from rules_engine.language.kinds import MovedBy
from rules_engine.language.model import Action, Group, Pool
from rules_engine.language.vocabulary import FIELDS

_SHORTFALL: Final = "candidate.shortfall"
_COVER: Final = Pool("cover", None, "")
_NOT_AMONG: Final = Refusal(Refused.AMONG)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one attempt says of one candidate. `shortfall` and `place` are None for who was not eligible.

    `shortfall` is None too where another strategy chose. Place 1 gets the request. `catch_up` is there for whom the
    limit of a day keeps something for later.
    """

    id: int
    login: str
    name: str
    refusal: Refusal | None
    count: int
    value_minor: int
    entitlement: Fraction
    open_requests: int
    shortfall: Fraction | None = None
    place: int | None = None
    catch_up: CatchUp | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the verdict for the trace; fractions as "p/q"."""
        return {
            "id": self.id,
            "login": self.login,
            "name": self.name,
            "eligible": self.refusal is None,
            "reason": self.refusal.to_json() if self.refusal else None,
            "count": self.count,
            "value": format_amount(self.value_minor),
            "entitlement": _ratio(self.entitlement),
            "open": self.open_requests,
            "shortfall": None if self.shortfall is None else _ratio(self.shortfall),
            "place": self.place,
            **({"catch_up": _catch_up_json(self.catch_up)} if self.catch_up else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Verdict":
        reason, shortfall = document["reason"], document["shortfall"]
        caught = document.get("catch_up")
        return cls(
            id=document["id"],
            login=document["login"],
            name=document["name"],
            refusal=Refusal.from_json(reason) if reason else None,
            count=document["count"],
            value_minor=parse_amount(document["value"]),
            entitlement=Fraction(document["entitlement"]),
            open_requests=document["open"],
            shortfall=None if shortfall is None else Fraction(shortfall),
            place=document["place"],
            catch_up=_catch_up_of(caught) if caught else None,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One pool tried for one rule. `strategy` is None for a pool of one named person."""

    rule: str
    pool: str
    argument: str | None
    strategy: Strategy | None
    verdicts: tuple[Verdict, ...]
    ignores_holds: bool = False
    """Everybody who could have been chosen was on hold, and a pause never empties a pool."""
    value_step: ValueStep | None = None
    """Fair share asked too on which side of the mean the request stands."""

    @property
    def chosen(self) -> Verdict | None:
        """The candidate on place 1, None where nobody was eligible."""
        return next((verdict for verdict in self.verdicts if verdict.place == 1), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "pool": self.pool,
            "argument": self.argument,
            "strategy": self.strategy and str(self.strategy),
            "candidates": [verdict.to_json() for verdict in self.verdicts],
            **({"ignores_holds": True} if self.ignores_holds else {}),
            **({"value_step": str(self.value_step)} if self.value_step else {}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Attempt":
        strategy, value_step = document["strategy"], document.get("value_step")
        return cls(
            rule=document["rule"],
            pool=document["pool"],
            argument=document["argument"],
            strategy=Strategy(strategy) if strategy else None,
            verdicts=tuple(map(Verdict.from_json, document["candidates"])),
            ignores_holds=document.get("ignores_holds", False),
            value_step=ValueStep(value_step) if value_step else None,
        )


@dataclass(frozen=True, slots=True)
class Pick:
    """Who was picked and how. `attempts` holds every pool tried, the deciding one last.

    `pointer` is the new pointer of round robin, `(pool key, id)`. `waits_for` is the absent person for whom the
    action would rather wait. `depends_on_others`: somebody was kept out by what other rows can change.
    """

    attempts: tuple[Attempt, ...]
    chosen: int | None = None
    pointer: tuple[str, int] | None = None
    waits_for: int | None = None
    depends_on_others: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom an action gives the request to, without the trace; both None: nobody. `waits_for` as in Pick."""

    chosen: int | None
    waits_for: int | None = None


def pick(action: Action, rule: str, roster: Roster) -> Pick:
    """Return whom `action` (assign or reassign) gives the request to, with the trace of every pool tried."""
    tried, waits_for = _tried(action, roster, explained=True)
    attempts = tuple(one.attempt(rule, roster) for one in tried)
    if tried and tried[-1].chosen is not None:
        return Pick(attempts, tried[-1].chosen, tried[-1].pointer)
    return Pick(attempts, waits_for=waits_for, depends_on_others=_depends_on_others(attempts))


def choose(action: Action, roster: Roster) -> Choice:
    """Return whom `pick` picks, in half its time: nobody is told why the others were not."""
    tried, waits_for = _tried(action, roster, explained=False)
    chosen = tried[-1].chosen if tried else None
    return Choice(chosen, waits_for if chosen is None else None)


def _tried(action: Action, roster: Roster, *, explained: bool) -> tuple[list["_Tried"], int | None]:
    """Return the pools tried, the deciding one last, and for whom the action would rather wait."""
    strategy = Strategy(action.text("strategy") or Strategy.FAIR_SHARE)
    if_absent = action.text("if_absent") or "next_rule"
    excepted = {roster.named(who) for who in action.texts("except")}
    among = action.group("among")
    tried: list[_Tried] = []
    waits_for: int | None = None
    pools = list(action.pools("to"))
    tried_cover = any(pool.name == "cover" for pool in pools)
    while pools:
        pool = pools.pop(0)
        found = _try(pool, roster, strategy, among, excepted, explained=explained)
        tried.append(found)
        if found.chosen is not None:
            return tried, None
        if pool.name not in ("owner", "cover", "previous") or not found.is_absent:
            continue
        if if_absent == "wait" and waits_for is None:
            waits_for = found.members[0].id
        elif if_absent == "cover" and not tried_cover:
            tried_cover = True
            pools.insert(0, _COVER)
    return tried, waits_for


@dataclass(slots=True)
class _Tried:
    """One pool tried: its people, why some of them could not be chosen, and the others in order.

    `share` is there where fair share put them in order.
    """

    pool: Pool
    strategy: Strategy
    members: Sequence[Candidate]
    refusals: Mapping[int, Refusal]
    order: Sequence[int]
    share: FairShare | None
    pointer: tuple[str, int] | None
    ignores_holds: bool

    @property
    def chosen(self) -> int | None:
        return self.order[0] if self.order else None

    @property
    def is_absent(self) -> bool:
        """Whether the one person of the pool is there and away."""
        refusal = self.refusals.get(self.members[0].id) if self.members else None
        return refusal is not None and refusal.code is Refused.ABSENT

    def attempt(self, rule: str, roster: Roster) -> Attempt:
        """Return what the trace says of it."""
        places = {id_: place for place, id_ in enumerate(self.order, 1)}
        shortfalls = self.share.shortfalls if self.share else {}
        catching_up = self.share.catching_up if self.share else {}
        verdicts = tuple(
            Verdict(
                candidate.id,
                candidate.login,
                candidate.name,
                self.refusals.get(candidate.id),
                candidate.count,
                candidate.value_minor,
                candidate.entitlement,
                candidate.open_requests,
                shortfalls.get(candidate.id),
                places.get(candidate.id),
                catching_up.get(candidate.id),
            )
            for candidate in self.members
        )
        one_person = self.pool.name in ONE_PERSON
        by_share = not one_person and self.strategy is Strategy.FAIR_SHARE
        return Attempt(
            rule,
            self.pool.name,
            self.pool.argument,
            None if one_person else self.strategy,
            verdicts,
            self.ignores_holds and bool(self.order),
            roster.value_step if by_share else None,
        )


def _try(
    pool: Pool,
    roster: Roster,
    strategy: Strategy,
    among: Group | None,
    excepted: set[int | None],
    *,
    explained: bool,
) -> _Tried:
    members = roster.members(pool)
    one_person = pool.name in ONE_PERSON
    # What belongs to one person reaches him through a pause too.
    holds = not one_person and any(candidate.is_on_hold for candidate in members)
    willing, refusals = _willing(members, roster, among, excepted, holds=holds, explained=explained)
    ignores_holds = holds and not willing
    if ignores_holds:
        willing, refusals = _willing(members, roster, among, excepted, holds=False, explained=explained)
    share: FairShare | None = None
    pointer: tuple[str, int] | None = None
    match strategy:
        case Strategy.FAIR_SHARE:
            share = FairShare(willing, roster.value_step)
            order = share.order
        case Strategy.LEAST_LOADED:
            order = least_loaded_order(willing)
        case Strategy.ROUND_ROBIN:
            pool_key = roster.pool_key(pool)
            order = round_robin_order(willing, roster.pointers.get(pool_key))
            pointer = (pool_key, order[0]) if order and not one_person else None
    return _Tried(pool, strategy, members, refusals, order, share, pointer, ignores_holds)


def _willing(
    members: Sequence[Candidate],
    roster: Roster,
    among: Group | None,
    excepted: set[int | None],
    *,
    holds: bool,
    explained: bool,
) -> tuple[list[Candidate], dict[int, Refusal]]:
    """Return who of a pool is eligible, and why the others are not.

    `holds` says whether pauses count, `explained` whether to name the condition that somebody does not meet.
    """
    refusals: dict[int, Refusal] = {}
    willing: list[Candidate] = []
    for candidate in members:
        refusal = refused_by_nature(candidate, roster)
        if refusal is None and candidate.id in excepted:
            refusal = Refusal(Refused.EXCEPTED)
        if refusal is None and holds and candidate.is_on_hold:
            refusal = Refusal(Refused.ON_HOLD)
        if refusal is None:
            willing.append(candidate)
        else:
            refusals[candidate.id] = refusal
    if among is not None:
        willing = _among(among, willing, roster, refusals, explained=explained)
    return willing, refusals


def _among(
    among: Group, willing: list[Candidate], roster: Roster, refusals: dict[int, Refusal], *, explained: bool
) -> list[Candidate]:
    """Return who of `willing` meets the conditions; the reasons of the others go into `refusals`."""
    holds, needs_shortfall = _compiled(among)
    shortfalls = FairShare(willing).shortfalls if needs_shortfall else {}
    eligible: list[Candidate] = []
    for candidate in willing:
        facts = roster.facts_of(candidate.id)
        if needs_shortfall:
            facts = {**facts, _SHORTFALL: floor(shortfalls[candidate.id] * 10_000)}
        if holds(facts):
            eligible.append(candidate)
            continue
        failed = first_failed(among, facts) if explained else None
        refusals[candidate.id] = Refusal.of_condition(failed) if failed else _NOT_AMONG
    return eligible


@lru_cache(maxsize=1024)
def _compiled(among: Group) -> tuple[Predicate, bool]:
    return compile_group(among), any(condition.field == _SHORTFALL for condition in among.conditions())


def _depends_on_others(attempts: Sequence[Attempt]) -> bool:
    for attempt in attempts:
        for verdict in attempt.verdicts:
            refusal = verdict.refusal
            if refusal is None:
                continue
            if refusal.code in (Refused.DAILY_CAP, Refused.OPEN_CAP, Refused.ON_HOLD):
                return True
            if refusal.field and FIELDS[refusal.field].moved_by is MovedBy.WITH_OTHERS:
                return True
    return False


def _catch_up_json(found: CatchUp) -> dict[str, Any]:
    return {"limit": found.limit, "today": _ratio(found.today), "put_off": _ratio(found.put_off)}


def _catch_up_of(document: Mapping[str, Any]) -> CatchUp:
    return CatchUp(document["limit"], Fraction(document["today"]), Fraction(document["put_off"]))


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"
