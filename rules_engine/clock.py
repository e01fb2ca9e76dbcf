"""The only caller of the machine's clock. Everything else takes `now` as an argument."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds of a clock that never jumps, for measuring how long something took."""
    return time.monotonic()
