"""Payments from a file, some hundreds at a time: booked now, kept as history, or laid down for a replay."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from rules_engine.errors import PravilaError
from rules_engine.importers import cells
from rules_engine.importers.columns import Column, Job, Kind, Values
from rules_engine.services.facts import money
from rules_engine.services.money import payments
from rules_engine.services.money.incoming_money import PaymentIn
from rules_engine.services.records.forms import read
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.running.replay import lay_down

_KEYS = {"request": "request_external_id", "reverses": "reverses_external_id"}
_OTHERS = frozenset({"client_external_id", "client_inn", *_KEYS.values()})


def take_many(session: Session, rows: Sequence[Values], job: Job) -> list[Outcome | PravilaError]:
    """Take rows in and return what came of each."""
    outcomes: list[Outcome | PravilaError | None] = [None] * len(rows)
    forms: dict[int, PaymentIn] = {}
    for place, values in enumerate(rows):
        try:
            forms[place] = read(PaymentIn, _document(values, job.source))
        except PravilaError as problem:
            outcomes[place] = problem
    if job.lays_down:
        taken = [_lay_down(session, data) for data in forms.values()]
    else:
        taken = payments.book_many(session, list(forms.values()), now=job.now, actor=job.actor, history=job.is_history)
    for place, outcome in zip(forms, taken, strict=True):
        outcomes[place] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def take(session: Session, values: Values, job: Job) -> Outcome:
    """Take one row in. Raises what is wrong with it."""
    (outcome,) = take_many(session, [values], job)
    if isinstance(outcome, PravilaError):
        raise outcome
    return outcome


def finish(session: Session, job: Job) -> None:
    """Reckon the usual intervals anew: what a file brings changes them for everybody."""
    if not job.lays_down:
        money.refresh_norms(session, job.now)


def _lay_down(session: Session, data: PaymentIn) -> Outcome | PravilaError:
    payload = data.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    try:
        return lay_down(session, "payment", data.source, data.external_id, data.paid_at, payload)
    except PravilaError as problem:
        return problem


def _document(values: Values, source: str) -> dict[str, Any]:
    document: dict[str, Any] = {"source": source}
    document |= {name: value for name, value in values.items() if name not in _OTHERS}
    client = {"source": source, "external_id": values["client_external_id"]}
    if values.get("client_inn"):
        client["inn"] = values["client_inn"]
    document["client"] = client
    for part, column in _KEYS.items():
        if values.get(column):
            document[part] = {"source": source, "external_id": values[column]}
    return document


KIND = Kind(
    "payments",
    (
        Column("external_id", ("номер платежа", "номер документа", "номер", "код", "id"), required=True),
        Column("client_external_id", ("код клиента", "клиент", "контрагент", "плательщик"), required=True),
        Column("client_inn", ("инн", "инн клиента", "инн плательщика"), cells.inn),
        Column("request_external_id", ("номер заявки", "код заявки", "заявка")),
        Column("invoice", ("счёт", "счет", "номер счёта", "номер счета")),
        Column("service", ("услуга",)),
        Column("organization", ("организация", "наша организация", "юрлицо")),
        Column("paid_at", ("дата оплаты", "дата платежа", "оплачено", "дата"), cells.instant, required=True),
        Column("amount", ("сумма", "сумма оплаты", "сумма платежа"), cells.amount, required=True),
        Column("vat_amount", ("ндс", "сумма ндс", "в том числе ндс"), cells.amount),
        Column("currency", ("валюта",)),
        Column("kind", ("вид", "вид оплаты", "тип"), cells.PAYMENT_KIND),
        Column("reverses_external_id", ("возврат по", "возвращает платёж", "номер возвращаемого платежа")),
        Column("purpose", ("назначение", "назначение платежа", "комментарий")),
    ),
    take,
    paths={
        "client": "client_external_id",
        "client.external_id": "client_external_id",
        "client.inn": "client_inn",
        "request": "request_external_id",
        "request.external_id": "request_external_id",
        "reverses": "reverses_external_id",
        "reverses.external_id": "reverses_external_id",
        "body": "amount",
    },
    can_lay_down=True,
    key="external_id",
    take_many=take_many,
    finish=finish,
    can_be_history=True,
)
