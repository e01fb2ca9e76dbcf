"""The forms of money that REST and the importers fill: payments and payment plans."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from rules_engine.decisions.money import format_amount, parse_amount
from rules_engine.services.records.forms import Code, Form, Instant, Name, Note, refused
from rules_engine.services.records.incoming import Inn, Key

PaymentKindIn = Literal["payment", "prepayment", "refund", "offset"]

_AMOUNT = re.compile(r"-?[0-9]{1,13}\.[0-9]{2}")
_MONTH = re.compile(r"(?:20|21)[0-9]{2}-(?:0[1-9]|1[0-2])")
MONTH_PATTERN = rf"^{_MONTH.pattern}$"


def _signed_amount(value: object) -> int:
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise refused("нужна сумма с копейками, например «14500.00»", 'must be an amount such as "14500.00"')
    return parse_amount(value)


def _plan_amount(value: object) -> int:
    minor = _signed_amount(value)
    if minor <= 0:
        raise refused(
            "план больше нуля; если плана нет намеренно, оставьте пустым",
            "a plan is above zero; leave it empty where there is no plan by intention",
        )
    return minor


def _plan_count(value: object) -> int:
    if type(value) is not int or value > 100_000:
        raise refused("нужно целое число", "must be a whole number")
    if value <= 0:
        raise refused(
            "план больше нуля; если плана нет намеренно, оставьте пустым",
            "a plan is above zero; leave it empty where there is no plan by intention",
        )
    return value


def _month(value: object) -> str:
    if not isinstance(value, str) or not _MONTH.fullmatch(value):
        raise refused("нужен месяц, например «2026-10»", 'must be a month such as "2026-10"')
    return value


SignedAmountMinor = Annotated[
    int,
    BeforeValidator(_signed_amount),
    PlainSerializer(format_amount, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d{1,13}\.\d{2}$", "examples": ["14500.00", "-500.00"]}),
]
"""Kopecks, written as a decimal with two places; below zero it was paid back."""
PlanAmountMinor = Annotated[
    int,
    BeforeValidator(_plan_amount),
    PlainSerializer(format_amount, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,13}\.\d{2}$", "examples": ["560000.00"]}),
]
PlanCount = Annotated[int, BeforeValidator(_plan_count), WithJsonSchema({"type": "integer", "minimum": 1})]
Month = Annotated[
    str, BeforeValidator(_month), WithJsonSchema({"type": "string", "pattern": MONTH_PATTERN, "examples": ["2026-10"]})
]


class PaymentClientIn(Form):
    """Who paid: his key in another system, a tax number, or both. The rest is for one who is not known yet."""

    source: Code | None = None
    external_id: Code | None = None
    name: Name | None = None
    inn: Inn | None = None
    phone: Code | None = None
    email: Code | None = None

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if (self.source is None) != (self.external_id is None):
            raise refused("source и external_id даются вместе", "source and external_id belong together")
        if self.external_id is None and self.inn is None:
            raise refused("нужен код клиента или его ИНН", "needs the key or the tax number of the client")
        return self


class PaymentIn(Form):
    """Money received, or paid back: an amount below zero, or one above it with the kind `refund`.

    `request` and `invoice` say what was paid for, `reverses` which payment is paid back.
    """

    source: Code
    external_id: Code
    client: PaymentClientIn
    request: Key | None = None
    invoice: Code | None = None
    service: Code | None = None
    organization: Code | None = None
    paid_at: Instant
    amount: SignedAmountMinor
    vat_amount: SignedAmountMinor | None = None
    currency: Code | None = None
    kind: PaymentKindIn = "payment"
    reverses: Key | None = None
    purpose: Note = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.reverses is not None and not self.is_refund:
            raise refused("reverses бывает только у возврата", "only a refund reverses a payment")
        if self.vat_amount is not None and abs(self.vat_amount) > abs(self.amount):
            raise refused("НДС больше самой суммы", "the VAT is more than the amount itself")
        if self.kind == "refund" and self.amount == 0:
            raise refused("сумма возврата равна нулю", "the amount of the refund is zero")
        return self

    @property
    def is_refund(self) -> bool:
        return self.amount < 0 or self.kind == "refund"

    @property
    def signed_minor(self) -> int:
        """The amount as it counts: a refund is below zero, however the sender writes it."""
        return -abs(self.amount) if self.is_refund else self.amount

    @property
    def signed_vat_minor(self) -> int | None:
        if self.vat_amount is None:
            return None
        return -abs(self.vat_amount) if self.is_refund else abs(self.vat_amount)


class PlanIn(Form):
    """The payment plan of a manager for a month; what is left out he has no plan for, by intention."""

    period: Month
    manager: Code
    new: PlanAmountMinor | None = None
    old: PlanAmountMinor | None = None
    callbacks: PlanCount | None = None
    reason: Annotated[Note, Field(max_length=500)] = ""
