"""Sales managers from a file."""

from sqlalchemy.orm import Session

from rules_engine.importers import cells
from rules_engine.importers.columns import Column, Job, Kind, Values
from rules_engine.services.company import people
from rules_engine.services.records.forms import read
from rules_engine.services.records.incoming import ManagerIn
from rules_engine.services.records.outcome import Outcome


def take(session: Session, values: Values, job: Job) -> Outcome:
    _, outcome = people.put_manager(session, read(ManagerIn, dict(values)), now=job.now, actor=job.actor)
    return outcome


KIND = Kind(
    "managers",
    (
        Column("login", ("логин",), required=True),
        Column("name", ("имя", "фио", "менеджер", "сотрудник"), required=True),
        Column("team", ("отдел", "команда", "группа")),
        Column("email", ("почта", "e-mail", "электронная почта")),
        Column("phone", ("телефон",)),
        Column("weight", ("ставка", "доля ставки"), cells.weight),
        Column("skills", ("умения", "навыки"), cells.words),
        Column("hired_on", ("принят", "дата приёма", "дата приема"), cells.day),
        Column("left_on", ("уволен", "дата увольнения"), cells.day),
        Column("calendar", ("календарь",)),
    ),
    take,
)
