"""Absences from a file: leave, sickness. A bare last date includes that day."""

from sqlalchemy.orm import Session

from rules_engine.importers import cells
from rules_engine.importers.columns import Column, Job, Kind, Values
from rules_engine.services.company import absences
from rules_engine.services.company.people import find_manager
from rules_engine.services.records.forms import read
from rules_engine.services.records.incoming import AbsenceIn
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.running.replay import lay_down


def take(session: Session, values: Values, job: Job) -> Outcome:
    starts_at, ends_at = absences.bounds(values["from"], values["to"], job.zone)
    data = read(
        AbsenceIn,
        {"manager": values["manager"], "starts_at": starts_at, "ends_at": ends_at, "reason": values.get("reason")},
    )
    if not job.lays_down:
        _, outcome = absences.put(session, data, now=job.now, actor=job.actor)
        return outcome
    manager = find_manager(session, data.manager)
    payload = {**data.model_dump(mode="json"), "manager": manager.login}
    key = f"{manager.login}:{data.starts_at.isoformat()}"
    return lay_down(session, "absence", job.source, key, data.starts_at, payload)


KIND = Kind(
    "absences",
    (
        Column("manager", ("менеджер", "логин", "сотрудник", "фио"), required=True),
        Column("from", ("с", "начало", "дата начала"), cells.day_or_instant, required=True),
        Column("to", ("по", "до", "окончание", "дата окончания"), cells.day_or_instant, required=True),
        Column("reason", ("причина", "вид", "вид отсутствия")),
    ),
    take,
    paths={"starts_at": "from", "ends_at": "to", "body": "to"},
    can_lay_down=True,
)
