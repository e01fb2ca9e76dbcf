"""How the clients of somebody who leaves are spread over those who stay, and over days."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """One client: who gets him, and on which of the days, counted from 0."""

    client_id: int
    taker: int
    day: int


def spread(clients: Sequence[tuple[int, int]], takers: Sequence[int], days: int) -> list[Spread]:
    """Return who gets which client when; `clients` are pairs of id and revenue in kopecks, `days` at least 1.

    Each taker gets as many clients as the others, at most one more, and revenue as even as that allows: in rounds of
    one client each, largest first, the one who has received least so far takes the largest. Days get rounds in order,
    as many as the others, at most one more: the largest clients are handed over first, while the old manager can
    still introduce the new one. The same clients and takers give the same plan. Empty without takers.
    """
    if not takers:
        return []
    ordered = sorted(clients, key=lambda one: (-one[1], one[0]))
    received = dict.fromkeys(sorted(takers), 0)
    rounds = [ordered[at : at + len(received)] for at in range(0, len(ordered), len(received))]
    plan: list[Spread] = []
    for number, round_ in enumerate(rounds):
        turn = sorted(received, key=lambda taker: (received[taker], taker))
        for (client_id, revenue), taker in zip(round_, turn, strict=False):
            received[taker] += revenue
            plan.append(Spread(client_id, taker, number * days // len(rounds)))
    return plan
