"""“We would have done otherwise”: requests that somebody else gave out, beside what the rules would have done.

Two questions, two ways. What the rules say of one request stands in its stored decision, alone, on the ledger as it
was. Whether they would have been fairer is asked on a ledger of their own: request after request, each candidate
weighed by what the rules themselves would have given him before, not by what others did.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rules_engine.decisions.fair_share import FairShare, Standing, Strategy, ValueStep


@dataclass(frozen=True, slots=True)
class Watched:
    """One request that was given out elsewhere, with what was recorded of it.

    `theirs`: who got it, None while nobody has. `ours`: whom the rules named at that time, None for nobody.
    `candidates` are those who were eligible then, with their entitlements; `strategy` and `value_step` are those of the
    attempt that decided, None for a pool of one person and where the details are not kept any more.
    """

    request_id: int
    at_us: int
    value_minor: int | None
    theirs: int | None
    ours: int | None
    strategy: Strategy | None = None
    value_step: ValueStep | None = None
    candidates: tuple[tuple[int, Fraction], ...] = ()

    @property
    def is_same(self) -> bool | None:
        """Whether both chose the same person; None where either chose nobody."""
        return None if self.theirs is None or self.ours is None else self.theirs == self.ours


@dataclass(frozen=True, slots=True)
class Received:
    """What one way of giving out made of one manager: requests and their value."""

    count: int = 0
    value_minor: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One manager: his part by entitlement, what he received of others, what he would have received of the rules."""

    manager_id: int
    due: Fraction
    due_minor: Fraction
    theirs: Received
    ours: Received


@dataclass(frozen=True, slots=True)
class Spread:
    """How far from entitlement a way of giving out is: parts of one (exact), 0 where everybody has his own.

    The part of all requests, and of their value, that somebody received beyond what was due to him. `widest` is the
    largest deviation of one manager in requests.
    """

    count: Fraction
    value: Fraction
    widest: Fraction


@dataclass(frozen=True, slots=True)
class Comparison:
    """`compared` requests have a manager of theirs and one of ours; of those `same` agree. Lines by manager id."""

    watched: int
    compared: int
    same: int
    unassigned: int
    """Nobody has them."""
    undecided: int
    """The rules would have left them waiting."""
    lines: tuple[Line, ...]
    theirs: Spread
    ours: Spread

    @property
    def otherwise(self) -> Fraction:
        """The part of the compared requests for which the rules named another person."""
        return Fraction(self.compared - self.same, self.compared) if self.compared else Fraction(0)


def compare(watched: Sequence[Watched], entitlements: Mapping[int, Fraction]) -> Comparison:
    """Return how others gave requests out beside how the rules would have; `watched` in the order of their instants.

    Fairness is compared on the requests that both gave to somebody; where nobody else gave out any, ours stand alone.
    """
    both = [one for one in watched if one.is_same is not None]
    shown = both or [one for one in watched if one.ours is not None]
    theirs = _received((one.theirs, one.value_minor) for one in shown)
    ours = _received((chosen, one.value_minor) for chosen, one in zip(simulated(shown), shown, strict=True))
    people = sorted({*theirs, *ours, *(id_ for id_, share in entitlements.items() if share)})
    whole = sum((entitlements.get(id_, Fraction(0)) for id_ in people), Fraction(0))
    value = sum(one.value_minor or 0 for one in shown)
    lines = []
    for id_ in people:
        part = entitlements.get(id_, Fraction(0)) / whole if whole else Fraction(1, len(people))
        lines.append(Line(id_, len(shown) * part, value * part, theirs.get(id_, Received()), ours.get(id_, Received())))
    return Comparison(
        watched=len(watched),
        compared=len(both),
        same=sum(1 for one in both if one.is_same),
        unassigned=sum(1 for one in watched if one.theirs is None),
        undecided=sum(1 for one in watched if one.ours is None),
        lines=tuple(lines),
        theirs=_spread([(line.theirs, line) for line in lines]),
        ours=_spread([(line.ours, line) for line in lines]),
    )


def simulated(watched: Sequence[Watched]) -> list[int | None]:
    """Return whom the rules would have chosen for each, one after another, on a ledger of their own.

    Fair share chooses anew among those who were eligible; what goes to one person (an owner, a cover) and what another
    strategy or no kept detail decided stays as it was recorded.
    """
    counts: dict[int, int] = defaultdict(int)
    values: dict[int, int] = defaultdict(int)
    last: dict[int, int] = {}
    found: list[int | None] = []
    for one in watched:
        chosen = one.ours
        if one.strategy is Strategy.FAIR_SHARE and one.candidates:
            standings = [Standing(id_, share, counts[id_], values[id_], last.get(id_)) for id_, share in one.candidates]
            chosen = FairShare(standings, one.value_step).order[0]
        if chosen is not None:
            counts[chosen] += 1
            values[chosen] += one.value_minor or 0
            last[chosen] = one.at_us
        found.append(chosen)
    return found


def _received(given: Iterable[tuple[int | None, int | None]]) -> dict[int, Received]:
    found: dict[int, Received] = {}
    for id_, value in given:
        if id_ is not None:
            known = found.get(id_, Received())
            found[id_] = Received(known.count + 1, known.value_minor + (value or 0))
    return found


def _spread(lines: Sequence[tuple[Received, Line]]) -> Spread:
    number = sum(received.count for received, _ in lines)
    value = sum(received.value_minor for received, _ in lines)
    beyond = sum((max(received.count - line.due, Fraction(0)) for received, line in lines), Fraction(0))
    beyond_value = sum(
        (max(received.value_minor - line.due_minor, Fraction(0)) for received, line in lines), Fraction(0)
    )
    return Spread(
        beyond / number if number else Fraction(0),
        beyond_value / value if value else Fraction(0),
        max((abs(received.count - line.due) for received, line in lines), default=Fraction(0)),
    )
