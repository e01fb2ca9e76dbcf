"""How much a decision may do: off, watch, hints, live."""

from enum import StrEnum


class Mode(StrEnum):
    OFF = "off"
    """Nothing is decided."""
    WATCH = "watch"
    """Decides and records what it would have done; touches nobody."""
    HINTS = "hints"
    """Tasks, due times, reminders and proposals; no transfers, holds or pay."""
    LIVE = "live"

    @property
    def decides(self) -> bool:
        """Whether anything is evaluated and recorded at all."""
        return self is not Mode.OFF

    def permits(self, action: str) -> bool:
        """Return whether an action of this name may be carried out, and not only be recorded.

        >>> Mode.HINTS.permits("remind"), Mode.HINTS.permits("reassign"), Mode.WATCH.permits("remind")
        (True, False, False)
        """
        return self is Mode.LIVE or (self is Mode.HINTS and action in HINTS)


HINTS = frozenset(
    {
        "remind",
        "notify",
        "mark_late",
        "set_priority",
        "create_task",
        "add_tag",
        "schedule_callback",
        "set_segment",
        "skip",
    }
)
"""What only tells people something. Everything else moves work, clients or money and needs `live`."""

WORDS = {
    Mode.OFF: {"ru": "выключено", "en": "off"},
    Mode.WATCH: {"ru": "наблюдение", "en": "watch"},
    Mode.HINTS: {"ru": "подсказки", "en": "hints"},
    Mode.LIVE: {"ru": "действует", "en": "live"},
}
