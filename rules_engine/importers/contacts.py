"""Contacts with clients from a file."""

from typing import Any

from sqlalchemy.orm import Session

from rules_engine.importers import cells
from rules_engine.importers.columns import Column, Job, Kind, Values
from rules_engine.services.company.people import find_manager
from rules_engine.services.records.forms import read
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.requests import contacts
from rules_engine.services.running.replay import lay_down

_SUBJECTS = {"client": "client_external_id", "request": "request_external_id"}


def take(session: Session, values: Values, job: Job) -> Outcome:
    document: dict[str, Any] = {"source": job.source}
    document |= {name: value for name, value in values.items() if name not in _SUBJECTS.values()}
    for part, column in _SUBJECTS.items():
        if values.get(column):
            document[part] = {"source": job.source, "external_id": values[column]}
    data = read(ContactIn, document)
    if data.manager is not None:
        data = data.model_copy(update={"manager": find_manager(session, data.manager).login})
    if job.lays_down:
        payload = data.model_dump(mode="json", exclude_none=True)
        return lay_down(session, "contact", data.source, data.external_id, data.at, payload)
    recorded = contacts.record(session, data, now=job.now, actor=job.actor)
    return Outcome.CREATED if recorded.created else Outcome.UNCHANGED


KIND = Kind(
    "contacts",
    (
        Column("external_id", ("код", "id", "номер"), required=True),
        Column("client_external_id", ("код клиента", "клиент")),
        Column("request_external_id", ("номер заявки", "код заявки", "заявка")),
        Column("phone", ("телефон",)),
        Column("manager", ("менеджер", "сотрудник")),
        Column("at", ("дата", "время", "дата и время"), cells.instant, required=True),
        Column("kind", ("вид",), cells.KIND),
        Column("direction", ("направление",), cells.DIRECTION),
        Column("outcome", ("итог", "результат"), cells.OUTCOME),
        Column("reason", ("причина", "причина отказа")),
        Column("asked_to_call_at", ("перезвонить", "когда перезвонить"), cells.instant),
        Column("note", ("примечание", "комментарий")),
        Column("duration_seconds", ("длительность", "длительность, с"), cells.whole),
        Column("proof", ("подтверждение",), cells.PROOF),
        Column("is_automatic", ("автоматический",), cells.yes_no),
    ),
    take,
    paths={
        "request": "request_external_id",
        "request.external_id": "request_external_id",
        "client": "client_external_id",
        "client.external_id": "client_external_id",
        "body": "request_external_id",
    },
    can_lay_down=True,
    can_be_history=True,
    key="external_id",
)
