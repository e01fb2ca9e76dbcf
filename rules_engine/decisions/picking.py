"""One person out of the pools that an action names: `assign` and `reassign` choose alike.

The pools of `to` are tried in order; each gives an attempt that says of every candidate whether he was eligible
or why not, his figures, and his place. The first pool with an eligible candidate decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Any, Final

from rules_engine.decisions.fair_share import (
    CatchUp,
    FairShare,
    Standing,
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


def pick(action: Action, rule: str, roster: Roster) -> Pick:
    """Return whom `action` (assign or reassign) gives the request to, with the trace of every pool tried."""
    strategy = Strategy(action.text("strategy") or Strategy.FAIR_SHARE)
    if_absent = action.text("if_absent") or "next_rule"
    excepted = {roster.named(who) for who in action.texts("except")}
    among = action.group("among")
    attempts: list[Attempt] = []
    waits_for: int | None = None
    pools = list(action.pools("to"))
    tried_cover = any(pool.name == "cover" for pool in pools)
    while pools:
        pool = pools.pop(0)
        attempt, pointer = _attempt(pool, rule, roster, strategy, among, excepted)
        attempts.append(attempt)
        chosen = attempt.chosen
        if chosen is not None:
            return Pick(tuple(attempts), chosen.id, pointer)
        if pool.name not in ("owner", "cover", "previous") or not _is_absent(attempt):
            continue
        if if_absent == "wait" and waits_for is None:
            waits_for = attempt.verdicts[0].id
        elif if_absent == "cover" and not tried_cover:
            tried_cover = True
            pools.insert(0, _COVER)
    return Pick(tuple(attempts), waits_for=waits_for, depends_on_others=_depends_on_others(attempts))


def _attempt(
    pool: Pool,
    rule: str,
    roster: Roster,
    strategy: Strategy,
    among: Group | None,
    excepted: set[int | None],
) -> tuple[Attempt, tuple[str, int] | None]:
    members = roster.members(pool)
    # What belongs to one person reaches him through a pause too.
    holds = pool.name not in ONE_PERSON and any(candidate.is_on_hold for candidate in members)
    willing, refusals = _willing(members, roster, among, excepted, holds=holds)
    ignores_holds = holds and not willing
    if ignores_holds:
        willing, refusals = _willing(members, roster, among, excepted, holds=False)
    standings = [candidate.standing for candidate in willing]
    one_person = pool.name in ONE_PERSON
    ordered = _ordered(standings, strategy, roster.pool_key(pool), roster)
    order, shortfalls, pointer = ordered.order, ordered.shortfalls, ordered.pointer
    places = {id_: place for place, id_ in enumerate(order, 1)}
    verdicts = tuple(
        Verdict(
            candidate.id,
            candidate.login,
            candidate.name,
            refusals.get(candidate.id),
            candidate.count,
            candidate.value_minor,
            candidate.entitlement,
            candidate.open_requests,
            shortfalls.get(candidate.id),
            places.get(candidate.id),
            ordered.catching_up.get(candidate.id),
        )
        for candidate in members
    )
    ignores_holds = ignores_holds and bool(willing)
    by_share = not one_person and strategy is Strategy.FAIR_SHARE
    attempt = Attempt(
        rule,
        pool.name,
        pool.argument,
        None if one_person else strategy,
        verdicts,
        ignores_holds,
        roster.value_step if by_share else None,
    )
    return attempt, None if one_person else pointer


def _willing(
    members: Sequence[Candidate],
    roster: Roster,
    among: Group | None,
    excepted: set[int | None],
    *,
    holds: bool,
) -> tuple[list[Candidate], dict[int, Refusal]]:
    """Return who of a pool is eligible, and why the others are not; `holds` says whether pauses count."""
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
        willing = _among(among, willing, roster, refusals)
    return willing, refusals


@dataclass(frozen=True, slots=True)
class _Ordered:
    """Ids in order; shortfalls where fair share computed them; the new pointer of round robin."""

    order: list[int]
    shortfalls: Mapping[int, Fraction] = field(default_factory=dict)
    catching_up: Mapping[int, CatchUp] = field(default_factory=dict)
    pointer: tuple[str, int] | None = None


def _ordered(standings: Sequence[Standing], strategy: Strategy, pool_key: str, roster: Roster) -> _Ordered:
    match strategy:
        case Strategy.FAIR_SHARE:
            share = FairShare(standings, roster.value_step)
            return _Ordered(share.order, share.shortfalls, share.catching_up)
        case Strategy.LEAST_LOADED:
            return _Ordered(least_loaded_order(standings))
        case Strategy.ROUND_ROBIN:
            order = round_robin_order(standings, roster.pointers.get(pool_key))
            return _Ordered(order, pointer=(pool_key, order[0]) if order else None)


def _among(among: Group, willing: list[Candidate], roster: Roster, refusals: dict[int, Refusal]) -> list[Candidate]:
    """Return who of `willing` meets the conditions; the reasons of the others go into `refusals`."""
    holds, needs_shortfall = _compiled(among)
    shortfalls = FairShare([c.standing for c in willing]).shortfalls if needs_shortfall else {}
    eligible: list[Candidate] = []
    for candidate in willing:
        facts = roster.facts_of(candidate.id)
        if needs_shortfall:
            facts = {**facts, _SHORTFALL: floor(shortfalls[candidate.id] * 10_000)}
        if holds(facts):
            eligible.append(candidate)
            continue
        failed = first_failed(among, facts)
        refusals[candidate.id] = Refusal.of_condition(failed) if failed else Refusal(Refused.AMONG)
    return eligible


@lru_cache(maxsize=1024)
def _compiled(among: Group) -> tuple[Predicate, bool]:
    return compile_group(among), any(condition.field == _SHORTFALL for condition in among.conditions())


def _is_absent(attempt: Attempt) -> bool:
    """Return whether the one person of the pool is there and away."""
    refusal = attempt.verdicts[0].refusal if attempt.verdicts else None
    return refusal is not None and refusal.code is Refused.ABSENT


def _depends_on_others(attempts: list[Attempt]) -> bool:
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
