"""The stored decisions of assignment that an impact goes through, batch by batch, with what lies beside them."""

import zlib
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, cast

from pydantic_core import from_json
from sqlalchemy import BigInteger, Select, bindparam, func, or_, select, type_coerce

from rules_engine.decisions.instants import from_us, to_us
from rules_engine.models import Client, Decision, DecisionDetail, Request, UtcDateTime
from rules_engine.services.impact.parts import Json, Question
from rules_engine.services.requests.weighing import ASSIGNMENT

_BEGINNING: Final = 2_048
"""So many bytes of a record hold the facts, as a rule."""
_FACTS: Final = b'{"facts":'
_AFTER_FACTS: Final = b',"rules":['
_OUTCOME: Final = b',"outcome":'


def span(question: Question) -> dict[str, datetime]:
    """Return the parameters of COUNT: all the time that is compared."""
    return {"since": question.since, "until": question.until}


def cursors(question: Question, parts: int) -> list[list[int]]:
    """Return the cursors with which so many parts of the time begin, the oldest first."""
    since, until = to_us(question.since), to_us(question.until)
    edges = [since + (until - since) * part // parts for part in range(parts + 1)]
    return [[first, 0, last] for first, last in pairwise(edges)]


def after(cursor: Sequence[int]) -> dict[str, Any]:
    """Return the parameters of NEXT: the decisions after the instant and id at which a part stands, up to its end."""
    at, id_, until = cursor
    return {"since": from_us(at), "until": from_us(until), "after_id": id_}


_DECIDED: Final = (
    Decision.decision == ASSIGNMENT,
    Decision.subject_kind == "request",
    Decision.version_id.is_not(None),
    Decision.at >= bindparam("since", type_=UtcDateTime()),
    Decision.at < bindparam("until", type_=UtcDateTime()),
)
COUNT: Final = select(func.count(Decision.id)).where(*_DECIDED)


def _next_decisions() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Decision.id,
            type_coerce(Decision.at, BigInteger).label("at"),
            Decision.subject_id,
            Decision.version_id,
            Decision.fired,
            Decision.chosen_manager_id,
            DecisionDetail.payload,
            Request.expected_value_minor.label("value"),
            Request.client_id,
            Client.owner_id,
            Client.cover_id,
        )
        .join(Request, Request.id == Decision.subject_id)
        .outerjoin(Client, Client.id == Request.client_id)
        .outerjoin(DecisionDetail, DecisionDetail.decision_id == Decision.id)
        .where(
            *_DECIDED,
            or_(Decision.at > bindparam("since", type_=UtcDateTime()), Decision.id > bindparam("after_id")),
        )
        .order_by(Decision.at, Decision.id)
        .limit(bindparam("most"))
    )


NEXT: Final = _next_decisions()
REQUESTS: Final = select(Request).where(Request.id.in_(bindparam("requests", expanding=True)))


class Details:
    """What lies beside a stored decision, unpacked as far as it is read.

    What cannot be read, as of another release, raises ValueError or KeyError.
    """

    __slots__ = ("_end", "_stream", "_text")

    def __init__(self, payload: bytes) -> None:
        self._stream = zlib.decompressobj()
        self._text = self._stream.decompress(payload, _BEGINNING)
        if _AFTER_FACTS not in self._text:
            self._unpack_rest()
        self._end = self._text.index(_AFTER_FACTS)

    @property
    def facts(self) -> bytes:
        """The facts as they were written, JSON."""
        return self._text[len(_FACTS) : self._end]

    def outcome(self) -> Json:
        """Return the outcome that was recorded."""
        self._unpack_rest()
        # A quotation mark inside a string is escaped: this is the key itself, and no rule has one of that name.
        begin = self._text.index(_OUTCOME, self._end)
        # Each record is read once and thrown away: to look for strings that came before costs more than they do.
        found: Json = from_json(b"{" + self._text[begin + 1 :], cache_strings="none")
        return cast(Json, found["outcome"])

    def _unpack_rest(self) -> None:
        if self._stream.unconsumed_tail:
            self._text += self._stream.decompress(self._stream.unconsumed_tail)
