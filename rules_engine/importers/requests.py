"""Requests from a file: handed in now, kept as history, or laid down for a replay."""

from typing import Any

from sqlalchemy.orm import Session

from rules_engine.importers import cells
from rules_engine.importers.columns import Column, Job, Kind, Values
from rules_engine.services.company.people import find_manager
from rules_engine.services.records.forms import read
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.requests import feed
from rules_engine.services.running.replay import lay_down

_CLIENT = {
    "client_external_id": "external_id",
    "client_name": "name",
    "client_inn": "inn",
    "client_phone": "phone",
    "client_email": "email",
}


def take(session: Session, values: Values, job: Job) -> Outcome:
    data = read(RequestIn, _document(values, job.source))
    if data.manager is not None:
        data = data.model_copy(update={"manager": find_manager(session, data.manager).login})
    if job.lays_down:
        payload = data.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return lay_down(session, "request", data.source, data.external_id, data.received_at, payload)
    return feed.hand_in(session, data, now=job.now, actor=job.actor, history=job.is_history)


def _document(values: Values, source: str) -> dict[str, Any]:
    document: dict[str, Any] = {"source": source}
    document |= {name: value for name, value in values.items() if name not in _CLIENT}
    client = {ours: values[column] for column, ours in _CLIENT.items() if values.get(column)}
    if "external_id" in client:
        client["source"] = source
    if client:
        document["client"] = client
    return document


KIND = Kind(
    "requests",
    (
        Column("external_id", ("номер заявки", "номер", "код", "id"), required=True),
        Column("received_at", ("дата поступления", "поступила", "дата", "дата и время"), cells.instant, required=True),
        Column("client_external_id", ("код клиента",)),
        Column("client_name", ("клиент", "контрагент", "имя клиента")),
        Column("client_inn", ("инн", "инн клиента"), cells.inn),
        Column("client_phone", ("телефон", "телефон клиента")),
        Column("client_email", ("почта", "e-mail", "почта клиента")),
        Column("service", ("услуга",)),
        Column("channel", ("канал",), cells.CHANNEL),
        Column("region", ("регион",)),
        Column("city", ("город",)),
        Column("language", ("язык",)),
        Column("amount", ("сумма",), cells.amount),
        Column("priority", ("приоритет",)),
        Column("text", ("текст", "сообщение", "комментарий")),
        Column("tags", ("метки",), cells.words),
        Column("status", ("статус", "состояние"), cells.STATUS),
        Column("manager", ("менеджер", "ответственный")),
        Column("assigned_at", ("передана", "дата распределения"), cells.instant),
        Column("first_answer_at", ("первый ответ",), cells.instant),
        Column("closed_at", ("закрыта", "дата закрытия"), cells.instant),
    ),
    take,
    paths={
        "client": "client_external_id",
        "client.external_id": "client_external_id",
        "client.name": "client_name",
        "client.inn": "client_inn",
        "client.phone": "client_phone",
        "client.email": "client_email",
        "body": "manager",
    },
    can_lay_down=True,
    key="external_id",
    can_be_history=True,
)
