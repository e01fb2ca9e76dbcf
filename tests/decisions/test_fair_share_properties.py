"""Fairness under any history: absences, weights, caps, newcomers, people who lose a request."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.decisions.assignment import AssignmentOutcome, decide
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
                worked = person.entitlement + 480 * self.weights[number]
                self.change(number, entitlement=worked, received_today=0)

    def request(self, just_lost: frozenset[int] = frozenset()) -> AssignmentOutcome:
        self.at += 1
        roster = Roster(dict(self.people), just_lost=just_lost, pointers=self.pointers)
        found = decide(RULES[self.strategy], (), roster)
        self.outcomes.append(found)
        if found.manager_id is not None:
            person = self.people[found.manager_id]
            self.change(
                found.manager_id,
                count=person.count + 1,
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
        st.tuples(st.sampled_from(["day", "join", "away", "back", "cap", "close"]), st.integers(0, 30)),
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
                office.request(frozenset({whom}) if whom and number % 7 == 0 else frozenset())
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
    live(office, [event for event in history if event[0] != "join"])
    for number in office.people:
        office.change(number, is_absent=False, daily_cap=None)
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
    live(office, history)
    for number in office.people:
        office.change(number, is_absent=False, daily_cap=None)
    served = [office.request().manager_id for _ in range(2 * len(office.people))]
    assert sorted(served[: len(office.people)], key=str) == sorted(office.people, key=str)
    assert served[: len(office.people)] == served[len(office.people) :]
