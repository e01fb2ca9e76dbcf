"""The statuses of a request and which may follow which."""

from enum import StrEnum


class Status(StrEnum):
    """The values of `models.RequestStatus`; the core does not know rows."""

    NEW = "new"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    WAITING_CLIENT = "waiting_client"
    WON = "won"
    LOST = "lost"
    SPAM = "spam"


WORDS = {
    Status.NEW: {"ru": "новая", "en": "new"},
    Status.ASSIGNED: {"ru": "назначена", "en": "assigned"},
    Status.IN_PROGRESS: {"ru": "в работе", "en": "in progress"},
    Status.WAITING_CLIENT: {"ru": "ждём клиента", "en": "waiting for client"},
    Status.WON: {"ru": "оплачена", "en": "won (paid)"},
    Status.LOST: {"ru": "отказ", "en": "lost"},
    Status.SPAM: {"ru": "спам", "en": "spam"},
}

_CLOSED = frozenset({Status.WON, Status.LOST, Status.SPAM})
_HELD = (Status.ASSIGNED, Status.IN_PROGRESS, Status.WAITING_CLIENT)
_NEXT = {
    Status.NEW: frozenset(),
    **{held: (frozenset({Status.IN_PROGRESS, Status.WAITING_CLIENT}) | _CLOSED) - {held} for held in _HELD},
    Status.LOST: frozenset({Status.IN_PROGRESS, Status.WON}),
    Status.SPAM: frozenset({Status.IN_PROGRESS}),
    Status.WON: frozenset(),
}


def is_closed(status: Status) -> bool:
    return status in _CLOSED


def refusal(old: Status, new: Status, *, by_head: bool = False) -> dict[str, str] | None:
    """Return why a person or a program may not lead a request from `old` to `new`, in both languages; None: he may.

    The same status again is no change and always permitted. `by_head` opens what only a head may do.

    >>> refusal(Status.ASSIGNED, Status.WON) is None
    True
    >>> refusal(Status.WON, Status.LOST)["en"]
    'a paid request is final'
    """
    if old is new:
        return None
    if old is Status.NEW:
        return {
            "ru": "у заявки ещё нет менеджера, состояние меняется после распределения",
            "en": "the request has no manager yet; its status changes after the assignment",
        }
    if old is Status.WON:
        return {"ru": "оплаченная заявка не меняется", "en": "a paid request is final"}
    if new in (Status.NEW, Status.ASSIGNED):
        return {"ru": "это состояние ставит только система", "en": "only the system sets this status"}
    if old is Status.SPAM and new is Status.IN_PROGRESS and not by_head:
        return {
            "ru": "вернуть заявку из спама может только руководитель",
            "en": "only a head can take a request back from spam",
        }
    if new not in _NEXT[old]:
        return {
            "ru": f"из состояния «{WORDS[old]['ru']}» нельзя перейти в «{WORDS[new]['ru']}»",
            "en": f"“{WORDS[old]['en']}” cannot become “{WORDS[new]['en']}”",
        }
    return None
