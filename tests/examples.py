"""How many generated examples a property is tried on."""

import os

TIMES = int(os.environ.get("PRAVILA_EXAMPLES") or "1")


def few(number: int) -> int:
    """Return this number, or as many times more as `PRAVILA_EXAMPLES` says: `make faults` asks for ten times."""
    return number * TIMES
