"""Fairness under any history: absences, weights, caps, holds, newcomers, leavers, timeouts, corrections, values."""

import random as randoms
from dataclasses import dataclass, field, replace
from fractions import Fraction
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.decisions.assignment import AssignmentOutcome, decide
from rules_engine.decisions.fair_share import LEVEL, FairShare, Standing, ValueStep, put_off_until_later
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.language.ruleset import Ruleset, parse
from tests.examples import few


def everyone(strategy: str) -> Ruleset:
    return parse(
        {
            "decision": "assignment",
            "hit_policy": "first",
            "rules": [],
            "otherwise": [{"action": "assign", "to": {"pool": "everyone"}, "strategy": strategy}],
        }
    )


RULES = {name: everyone(name) for name in ("fair_share", "round_robin", "least_loaded")}


@dataclass
class Office:
    """A department in which days pass and things happen; each day brings requests."""

    strategy: str
    people: dict[int, Candidate] = field(default_factory=dict)
    weights: dict[int, Fraction] = field(default_factory=dict)
    pointers: dict[str, int] = field(default_factory=dict)
    at: int = 0
    outcomes: list[AssignmentOutcome] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    """What the requests so far were worth; the mean of all stands for that of 90 days."""

    def join(self, weight: Fraction) -> None:
        number = len(self.people) + 1
        self.people[number] = Candidate(number, f"m{number}", entitlement=Fraction(0))
        self.weights[number] = weight

    def change(self, number: int, **what: Any) -> None:
        self.people[number] = replace(self.people[number], **what)

    def day(self) -> None:
        """Whoever is present works 480 minutes more of the month."""
        for number, person in self.people.items():
            if not person.is_absent:
                self.change(number, entitlement=person.entitlement + 480 * self.weights[number])
            self.change(number, received_today=0, count_before=self.people[number].count)

    def request(self, just_lost: frozenset[int] = frozenset(), value: int = 0) -> AssignmentOutcome:
        self.at += 1
        step = None
        if value and self.values:
            is_large = value * len(self.values) >= sum(self.values)
            step = ValueStep.LARGE if is_large else ValueStep.SMALL
        self.values += [value] if value else []
        roster = Roster(dict(self.people), just_lost=just_lost, pointers=self.pointers, value_step=step)
        found = decide(RULES[self.strategy], (), roster)
        self.outcomes.append(found)
        if found.manager_id is not None:
            person = self.people[found.manager_id]
            self.change(
                found.manager_id,
                count=person.count + 1,
                value_minor=person.value_minor + value,
                last_received_us=self.at,
                open_requests=person.open_requests + 1,
                received_today=person.received_today + 1,
            )
        if found.pointer:
            self.pointers = {found.pointer[0]: found.pointer[1]}
        return found


weights = st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(1), Fraction(2), Fraction(1, 3)])
events = st.lists(
    st.one_of(
        st.tuples(st.just("request"), st.integers(0, 30)),
        st.tuples(st.just("request"), st.integers(0, 30)),
        st.tuples(st.just("request"), st.integers(0, 30)),
        st.tuples(
            st.sampled_from(
                ["day", "join", "away", "back", "cap", "close", "hold", "resume", "leave", "correct", "catch_up"]
            ),
            st.integers(0, 30),
        ),
    ),
    min_size=5,
    max_size=60,
)


def live(office: Office, history: list[tuple[str, int]], spared: int = 0) -> None:
    """Let the history happen; nothing ever happens to the first `spared` managers."""
    for what, number in history:
        others = list(office.people)[spared:]
        whom = others[number % len(others)] if others else None
        match what:
            case "request":
                # Each seventh was taken from somebody, who does not get it back and keeps it on his ledger.
                office.request(frozenset({whom}) if whom and number % 7 == 0 else frozenset(), value=number**3)
            case "day":
                office.day()
            case "join":
                office.join(Fraction(1 + number % 2))
            case "away" if whom:
                office.change(whom, is_absent=True)
            case "back" if whom:
                office.change(whom, is_absent=False)
            case "cap" if whom:
                office.change(whom, daily_cap=number % 4)
            case "close" if whom:
                office.change(whom, open_requests=0)
            case "hold" if whom:
                office.change(whom, is_on_hold=True)
            case "resume" if whom:
                office.change(whom, is_on_hold=False, extra_per_day=3)
            case "leave" if whom:
                office.change(whom, is_active=False)
            case "correct" if whom and office.people[whom].count:
                office.change(whom, count=office.people[whom].count - 1)
            case "catch_up" if whom:
                office.change(whom, extra_per_day=number % 3)


@settings(max_examples=few(150), deadline=None)
@given(st.lists(weights, min_size=1, max_size=6), events)
def test_no_eligible_candidate_had_a_larger_shortfall_beyond_half_a_request(
    given_weights: list[Fraction], history: list[tuple[str, int]]
) -> None:
    office = Office("fair_share")
    for weight in given_weights:
        office.join(weight)
    office.day()
    live(office, history)
    for found in office.outcomes:
        if found.manager is None:
            assert not any(verdict["eligible"] for a in found.to_json()["attempts"] for verdict in a["candidates"])
            continue
        # Recomputed from what is stored, as an outsider would.
        eligible = [c for c in found.to_json()["attempts"][-1]["candidates"] if c["eligible"]]
        entitled = sum(Fraction(c["entitlement"]) for c in eligible)
        after = 1 + sum(c["count"] for c in eligible)
        shortfalls = {}
        for c in eligible:
            share = Fraction(c["entitlement"]) / entitled if entitled else Fraction(1, len(eligible))
            shortfalls[c["login"]] = after * share - c["count"]
        held_back = {c["login"]: Fraction(c["catch_up"]["put_off"]) for c in eligible if "catch_up" in c}
        for c in eligible:
            # Whoever makes up for something in steps is weighed as if he had received what is left for later.
            share = Fraction(c["entitlement"]) / entitled if entitled else Fraction(1, len(eligible))
            shortfalls[c["login"]] += sum(held_back.values()) * share - held_back.get(c["login"], 0)
            assert Fraction(c["shortfall"]) == shortfalls[c["login"]]
        assert shortfalls[found.manager] >= max(shortfalls.values()) - Fraction(1, 2)
        assert sum(shortfalls.values()) == 1
        assert sorted(c["place"] for c in eligible) == list(range(1, len(eligible) + 1))


@settings(max_examples=few(150), deadline=None)
@given(st.lists(weights, max_size=4), events)
def test_equals_who_were_eligible_for_the_same_requests_differ_by_at_most_one_at_every_moment(
    others: list[Fraction], history: list[tuple[str, int]]
) -> None:
    office = Office("fair_share")
    for weight in [Fraction(1)] * 3 + others:
        office.join(weight)
    office.day()
    for event in history:
        live(office, [event], spared=3)
        counts = [office.people[number].count for number in (1, 2, 3)]
        assert max(counts) - min(counts) <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), events)
def test_the_deviation_shrinks_when_disturbances_stop(size: int, history: list[tuple[str, int]]) -> None:
    office = Office("fair_share")
    for _ in range(size):
        office.join(Fraction(1))
    office.day()
    live(office, [event for event in history if event[0] not in ("join", "leave")])
    for number in office.people:
        office.change(number, is_absent=False, daily_cap=None, is_on_hold=False, extra_per_day=None)
    for _ in range(20 * size * size):
        office.day()
        office.request()
    total = sum(person.count for person in office.people.values())
    entitled = sum(person.entitlement for person in office.people.values())
    for person in office.people.values():
        assert abs(person.count - total * person.entitlement / entitled) <= Fraction(3, 2)


@settings(max_examples=few(60), deadline=None)
@given(st.lists(weights, min_size=1, max_size=6), events, st.randoms())
def test_the_same_facts_give_the_same_person_in_whatever_order_they_come(
    given_weights: list[Fraction], history: list[tuple[str, int]], random: Any
) -> None:
    office = Office("fair_share")
    for weight in given_weights:
        office.join(weight)
    live(office, history)
    shuffled = list(office.people.items())
    random.shuffle(shuffled)
    one = decide(RULES["fair_share"], (), Roster(dict(office.people)))
    other = decide(RULES["fair_share"], (), Roster(dict(shuffled)))
    assert one.manager_id == other.manager_id


@settings(max_examples=few(60), deadline=None)
@given(st.integers(1, 6), events)
def test_least_loaded_never_passes_over_someone_with_fewer_open_requests(
    size: int, history: list[tuple[str, int]]
) -> None:
    office = Office("least_loaded")
    for _ in range(size):
        office.join(Fraction(1))
    live(office, history)
    for found in office.outcomes:
        eligible = [v for v in found.attempts[0].verdicts if v.refusal is None]
        chosen = found.attempts[0].chosen
        assert (chosen is None) is (not eligible)
        if chosen is not None:
            assert chosen.open_requests == min(v.open_requests for v in eligible)


@settings(max_examples=few(60), deadline=None)
@given(st.integers(1, 6), events)
def test_round_robin_serves_everyone_present_before_anyone_twice(size: int, history: list[tuple[str, int]]) -> None:
    office = Office("round_robin")
    for _ in range(size):
        office.join(Fraction(1))
    live(office, [event for event in history if event[0] not in ("hold", "leave")])
    for number in office.people:
        office.change(number, is_absent=False, daily_cap=None)
    served = [office.request().manager_id for _ in range(2 * len(office.people))]
    assert sorted(served[: len(office.people)], key=str) == sorted(office.people, key=str)
    assert served[: len(office.people)] == served[len(office.people) :]


@settings(max_examples=few(100), deadline=None)
@given(
    st.lists(st.tuples(weights, st.integers(0, 40), st.one_of(st.none(), st.integers(0, 4))), min_size=1, max_size=8)
)
def test_as_the_day_began_nobody_with_a_limit_is_weighed_as_further_behind_than_it(
    people: list[tuple[Fraction, int, int | None]],
) -> None:
    standings = [
        Standing(n, weight, count=count, count_before=count, extra_per_day=limit)
        for n, (weight, count, limit) in enumerate(people)
    ]
    whole = sum(weight for weight, _, _ in people)
    shares = [weight / whole for weight, _, _ in people]
    left = put_off_until_later(standings, shares)
    assert all(part > 0 for part in left.values())
    counted = [one.count_before + left.get(n, Fraction(0)) for n, one in enumerate(standings)]
    behind = [sum(counted) * share - count for share, count in zip(shares, counted, strict=True)]
    if 1 - sum(shares[n] for n in left) > 0:
        for n, one in enumerate(standings):
            if one.extra_per_day is not None:
                most = one.extra_per_day + LEVEL
                assert behind[n] <= most or (n not in left and sum(shares[m] for m in {*left, n}) == 1)
                assert n not in left or behind[n] == most
    share = FairShare(standings)
    assert sum(share.shortfalls.values()) == 1


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_what_was_missed_is_made_up_for_by_so_many_extra_a_day_and_no_more(limit: int) -> None:
    """Six managers, twelve requests a day; the first is on hold for eight days of which all count for him."""
    office = Office("fair_share")
    for _ in range(6):
        office.join(Fraction(1))
    received: list[int] = []
    for day in range(30):
        office.day()
        on_hold = day < 8
        office.change(1, is_on_hold=on_hold, extra_per_day=None if on_hold else limit)
        before = office.people[1].count
        for _ in range(12):
            office.request()
        received.append(office.people[1].count - before)
    assert received[:8] == [0] * 8
    # Two a day are due to him, sixteen are missing.
    in_full, rest = divmod(16, limit) if limit else (0, 0)
    assert received[8:] == [2 + limit] * in_full + [2 + rest] * bool(rest) + [2] * (22 - in_full - bool(rest))


@settings(max_examples=few(25), deadline=None)
@given(
    st.integers(0, 3),
    st.lists(weights, min_size=1, max_size=6),
    st.lists(st.integers(0, 15), min_size=10, max_size=16),
)
def test_whatever_a_day_brings_nobody_makes_up_for_more_than_his_limit(
    limit: int, others: list[Fraction], days: list[int]
) -> None:
    office = Office("fair_share")
    for weight in [Fraction(1), *others]:
        office.join(weight)
    share = 1 / sum(office.weights.values())
    for day, requests in enumerate(days):
        office.day()
        on_hold = day < 6
        office.change(1, is_on_hold=on_hold, extra_per_day=None if on_hold else limit)
        missing = sum(p.count for p in office.people.values()) * share - office.people[1].count
        before = office.people[1].count
        for _ in range(requests):
            office.request()
        received = office.people[1].count - before
        if not on_hold and missing > limit:
            assert received < requests * share + limit + 1


def spread(seed: int, sigma: float, *, with_values: bool) -> float:
    """Return the coefficient of variation of the value received by 24 managers after 106 requests each."""
    amounts = randoms.Random(seed)
    people = {n: Standing(n) for n in range(24)}
    total = number = 0
    for at in range(24 * 106):
        value = round(amounts.lognormvariate(9.5, sigma) * 100)
        step = None
        if with_values and number:
            step = ValueStep.LARGE if value * number >= total else ValueStep.SMALL
        # Among equals fair share without values is taking turns.
        chosen = FairShare(list(people.values()), step).order[0] if with_values else at % 24
        one = people[chosen]
        people[chosen] = replace(one, count=one.count + 1, value_minor=one.value_minor + value, last_received_us=at)
        total, number = total + value, number + 1
    assert {one.count for one in people.values()} == {106}
    values = [one.value_minor for one in people.values()]
    return pstdev(values) / fmean(values)


@pytest.mark.parametrize(("seed", "sigma"), [(1, 1.0), (2, 1.2), (3, 1.2), (4, 1.4), (5, 1.4)])
def test_with_the_value_step_received_values_vary_at_most_half_as_much(seed: int, sigma: float) -> None:
    without, balanced = (spread(seed, sigma, with_values=on) for on in (False, True))
    print(f"σ {sigma}, seed {seed}: coefficient of variation {without:.3f} without the value step, {balanced:.3f} with")
    assert balanced <= without / 2
