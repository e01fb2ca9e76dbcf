"""Clients from a file."""

from sqlalchemy.orm import Session

from rules_engine.importers import cells
from rules_engine.importers.columns import Column, Job, Kind, Values
from rules_engine.services.clients import clients
from rules_engine.services.records.forms import read
from rules_engine.services.records.incoming import ClientIn
from rules_engine.services.records.outcome import Outcome


def take(session: Session, values: Values, job: Job) -> Outcome:
    data = read(ClientIn, {**values, "source": job.source})
    _, outcome = clients.put_client(session, data, now=job.now, actor=job.actor)
    return outcome


KIND = Kind(
    "clients",
    (
        Column("external_id", ("код", "id", "номер", "код клиента"), required=True),
        Column("name", ("наименование", "название", "клиент", "контрагент"), required=True),
        Column("inn", ("инн",), cells.inn),
        Column("phones", ("телефоны", "телефон"), cells.items),
        Column("emails", ("почта", "e-mail", "электронная почта"), cells.items),
        Column("contact_person", ("контактное лицо",)),
        Column("group", ("группа", "группа компаний")),
        Column("region", ("регион",)),
        Column("city", ("город",)),
        Column("segment", ("сегмент",)),
        Column("tags", ("метки",), cells.words),
        Column("owner", ("закреплённый менеджер", "закрепленный менеджер", "менеджер", "ответственный")),
        Column("cover", ("замещающий",)),
        Column("do_not_call", ("не звонить",), cells.yes_no),
        Column("consent_on", ("согласие от", "дата согласия"), cells.day),
        Column("consent_source", ("источник согласия",)),
        Column("contract_ends_on", ("договор до", "окончание договора"), cells.day),
    ),
    take,
    can_be_history=True,
)
