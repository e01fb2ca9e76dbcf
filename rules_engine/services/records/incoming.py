"""The forms that REST and the importers fill: what may come from outside, field by field.

Whether an instant lies too far ahead is no matter of a form: the services that take one know `now`.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from rules_engine.decisions.matching import normal_inn
from rules_engine.services.records.forms import AmountMinor, Code, Day, Form, Instant, Name, Note, refused

Status = Literal["new", "assigned", "in_progress", "waiting_client", "won", "lost", "spam"]
NextStatus = Literal["in_progress", "waiting_client", "won", "lost", "spam"]
ContactKind = Literal["call", "message", "email", "meeting"]
Direction = Literal["in", "out"]
ContactOutcome = Literal[
    "answered", "order", "thinks", "not_now", "refused", "do_not_call", "not_reached", "wrong_number"
]
Priority = Literal["low", "normal", "high"]

_INN = re.compile(r"\d{5,20}")
_WEIGHT = re.compile(r"\d{1,3}(\.\d{1,3})?")


def _inn(value: object) -> str:
    digits = value.replace(" ", "") if isinstance(value, str) else ""
    if not _INN.fullmatch(digits) or not digits.isascii():
        raise refused("ИНН состоит из цифр", "a tax number consists of digits")
    # Numbers of other countries have other lengths: they are kept as they are.
    return normal_inn(digits) or digits


def _weight(value: object) -> int:
    if not isinstance(value, str) or not value.isascii() or not _WEIGHT.fullmatch(value):
        raise refused("нужна доля ставки, например «0.5»", 'must be a share of a full position such as "0.5"')
    whole, _, decimals = value.partition(".")
    milli = int(whole) * 1000 + int(decimals.ljust(3, "0"))
    if not 0 < milli <= 100_000:
        raise refused("доля ставки больше 0 и не больше 100", "the share is above 0 and at most 100")
    return milli


def format_weight(milli: int) -> str:
    """Return the share as a decimal.

    >>> format_weight(2000), format_weight(500)
    ('2', '0.5')
    """
    whole, rest = divmod(milli, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")


Inn = Annotated[str, BeforeValidator(_inn)]
WeightMilli = Annotated[
    int,
    BeforeValidator(_weight),
    PlainSerializer(format_weight, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["1", "0.5"]}),
]
Tags = Annotated[list[Code], Field(max_length=50)]
Points = Annotated[list[Code], Field(max_length=20)]
Seconds = Annotated[int, Field(ge=0, le=10_000_000)]


class RequestClientIn(Form):
    """The client of a request: by his key in another system, or only by what he left."""

    source: Code | None = None
    external_id: Code | None = None
    name: Name | None = None
    inn: Inn | None = None
    phone: Code | None = None
    email: Code | None = None

    @model_validator(mode="after")
    def _key_is_whole(self) -> Self:
        if (self.source is None) != (self.external_id is None):
            raise refused("source и external_id даются вместе", "source and external_id belong together")
        return self


class RequestIn(Form):
    """A request as it arrives. Only its key and the instant of arrival are mandatory.

    `manager` and what follows describe a request that another system has already given to somebody.
    """

    source: Code
    external_id: Code
    received_at: Instant
    client: RequestClientIn | None = None
    service: Code | None = None
    channel: Code | None = None
    region: Code | None = None
    city: Code | None = None
    language: Code | None = None
    amount: AmountMinor | None = None
    priority: Priority = "normal"
    text: Note = ""
    tags: Tags = []
    status: Status | None = None
    manager: Code | None = None
    assigned_at: Instant | None = None
    first_answer_at: Instant | None = None
    closed_at: Instant | None = None

    @model_validator(mode="after")
    def _holder_is_whole(self) -> Self:
        if self.manager is None and (self.assigned_at or self.first_answer_at):
            raise refused(
                "assigned_at и first_answer_at нужны вместе с manager",
                "assigned_at and first_answer_at need a manager",
            )
        return self


class RequestChanges(Form):
    """What may change in a stored request; a field that is left out stays, null empties it."""

    client: RequestClientIn | None = None
    service: Code | None = None
    channel: Code | None = None
    region: Code | None = None
    city: Code | None = None
    language: Code | None = None
    amount: AmountMinor | None = None
    priority: Priority = "normal"
    text: Note = ""
    tags: Tags = []


class ClientIn(Form):
    """A client of the registry. `group` is the code of a group of firms with one owner."""

    source: Code
    external_id: Code
    name: Name
    inn: Inn | None = None
    phones: Points = []
    emails: Points = []
    contact_person: Name | None = None
    group: Code | None = None
    region: Code | None = None
    city: Code | None = None
    segment: Code | None = None
    tags: Tags = []
    owner: Code | None = None
    cover: Code | None = None
    do_not_call: bool = False
    consent_on: Day | None = None
    consent_source: Name | None = None
    contract_ends_on: Day | None = None


class Key(Form):
    """A row by its key in another system."""

    source: Code
    external_id: Code


class ContactFacts(Form):
    """What happened in a contact. `proof`: confirmed by telephony or mail, or marked by hand.

    `reason` is that of a refusal; `asked_to_call_at` is when the client himself asked to be called.
    """

    at: Instant
    kind: ContactKind = "call"
    direction: Direction = "out"
    outcome: ContactOutcome | None = None
    reason: Code | None = None
    asked_to_call_at: Instant | None = None
    note: Note = ""
    duration_seconds: Seconds | None = None
    proof: Literal["confirmed", "by_hand"] | None = None
    is_automatic: bool = False
    manager: Code | None = None


class RequestContactIn(ContactFacts):
    """A contact about one known request; without `source` the name of the token stands in."""

    external_id: Code
    source: Code | None = None


class ContactIn(ContactFacts):
    """A contact by its key, with the request, the client or only the phone that it was about."""

    source: Code
    external_id: Code
    request: Key | None = None
    client: Key | None = None
    phone: Code | None = None

    @model_validator(mode="after")
    def _is_about_somebody(self) -> Self:
        if self.request is None and self.client is None and self.phone is None:
            raise refused("нужна заявка, клиент или телефон", "needs a request, a client or a phone")
        return self


class StatusIn(Form):
    """A change of status; `at` when it is not now. `reason` is the refusal reason of `lost`."""

    status: NextStatus
    at: Instant | None = None
    reason: Code | None = None


class CompleteIn(Form):
    """How a task ended. `next_at` is the next step; `reason` the refusal reason of `refused`."""

    outcome: ContactOutcome
    note: Note = ""
    next_at: Instant | None = None
    reason: Code | None = None


class PostponeIn(Form):
    """Until when a task waits, and why."""

    until: Instant
    reason: Name


class ManagerIn(Form):
    """A sales manager with his user. `weight` is the share of a full position."""

    login: Code
    name: Name
    team: Code | None = None
    email: Code | None = None
    phone: Code | None = None
    weight: WeightMilli = 1000
    skills: Tags = []
    hired_on: Day | None = None
    left_on: Day | None = None
    calendar: Code | None = None


class AbsenceIn(Form):
    """A manager is away during `[starts_at, ends_at)`."""

    manager: Code
    starts_at: Instant
    ends_at: Instant
    reason: Note = ""

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise refused("отсутствие кончается раньше, чем начинается", "the absence ends before it begins")
        return self
