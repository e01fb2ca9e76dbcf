"""An engine compiles each statement once, and a process has one engine; the tests make one for each database."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Dialect, Engine, create_engine, event
from sqlalchemy.util import LRUCache


def engine_maker() -> Callable[..., Engine]:
    """Return what makes engines, as `create_engine` does, that share what they have compiled."""
    shared: dict[str, tuple[Dialect, LRUCache[Any, Any]]] = {}

    def make(url: URL, **how: Any) -> Engine:
        engine = create_engine(url, **how)
        kind = url.drivername
        if kind in shared:
            engine.dialect, engine._compiled_cache = shared[kind]
            return engine

        @event.listens_for(engine, "connect")
        def keep(_connection: object, _record: object) -> None:
            # Not before: the first connection tells a dialect with which server it has to do.
            shared.setdefault(kind, (engine.dialect, LRUCache(5_000)))

        return engine

    return make
