"""Which contact is a call that was made, and whether it counts as a valid one."""

from typing import Final

UNREACHED: Final = frozenset({"not_reached", "wrong_number"})
"""Outcomes in which nobody spoke with the client."""
_SPOKEN: Final = frozenset({"call", "meeting"})


def finishes_call(kind: str, direction: str) -> bool:
    """Return whether a contact can be the call that was planned: one spoken, or an answer of the client."""
    return kind in _SPOKEN or direction == "in"


def outcome_of(outcome: str | None, duration_seconds: int | None) -> str:
    """Return how a contact ended; where telephony does not say, a call of no length reached nobody.

    >>> outcome_of(None, 0), outcome_of(None, 45), outcome_of("order", None)
    ('not_reached', 'answered', 'order')
    """
    if outcome is not None:
        return outcome
    return "not_reached" if duration_seconds == 0 else "answered"


def is_valid(kind: str, direction: str, outcome: str | None, duration_seconds: int | None, minimum: int) -> bool:
    """Return whether a contact is a valid one by itself: long enough, or with a reply of the client.

    A call without a length was marked by hand: its outcome is what the client replied.

    >>> is_valid("call", "out", "answered", 29, 30), is_valid("call", "out", "answered", 30, 30)
    (False, True)
    >>> is_valid("call", "out", "thinks", None, 30), is_valid("call", "out", None, None, 30)
    (True, False)
    """
    if outcome in UNREACHED:
        return False
    if direction == "in":
        return True
    if kind not in _SPOKEN:
        return False
    return outcome is not None if duration_seconds is None else duration_seconds >= minimum
