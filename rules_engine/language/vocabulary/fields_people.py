"""Fields of people: the client's owner, the holder of the item, a candidate for it."""

from collections.abc import Callable

from rules_engine.language.kinds import Decision, ReferenceKind, Words
from rules_engine.language.kinds import FieldType as T
from rules_engine.language.vocabulary.declare import (
    ASSIGNMENT,
    BONUS,
    CALLBACKS,
    ESCALATION,
    ITEM,
    OTHERS,
    TIME,
    WORKING_MINUTES,
    group,
)
from rules_engine.language.vocabulary.terms import NAMED, Field

_NO_OWNER = Words("закреплённого менеджера нет", "there is no owner")
_NO_HOLDER = Words("менеджера ещё нет", "there is no manager yet")
_NO_CANDIDATE = Words("кандидата нет", "there is no candidate")
_WORKING = (Words("работает", "working"), Words("не работает", "not working"))

_owner = group("owner", frozenset({ASSIGNMENT, ESCALATION, CALLBACKS}), TIME)
_manager = group("manager", frozenset({ESCALATION, CALLBACKS}), OTHERS)
_candidate = group("candidate", frozenset({ASSIGNMENT, ESCALATION, CALLBACKS}), OTHERS)


def _person(
    declare: Callable[..., Field], empty: Words, whose: Words, identified_in: frozenset[Decision]
) -> tuple[Field, ...]:
    """Return what is known of the holder and of a candidate alike; `whose` makes the labels of counts."""

    def counted(name: str, ru: str, en: str, **more: object) -> Field:
        return declare(name, T.INTEGER, whose.ru.format(ru), whose.en.format(en), minimum=0, empty=empty, **more)

    return (
        declare(
            "name",
            T.REFERENCE,
            "менеджер",
            "manager",
            reference=ReferenceKind.MANAGER,
            filled_words=NAMED,
            moved=ITEM,
            empty=empty,
            where=identified_in,
        ),
        declare(
            "team",
            T.REFERENCE,
            "отдел менеджера",
            "team of the manager",
            chip=("отдел", "team"),
            reference=ReferenceKind.TEAM,
            moved=ITEM,
            empty=empty,
            where=identified_in,
        ),
        declare(
            "skills",
            T.LIST,
            "умения менеджера",
            "skills of the manager",
            chip=("умения", "skills"),
            reference=ReferenceKind.SKILL,
            exact_items=True,
            moved=ITEM,
            empty=empty,
            where=identified_in,
        ),
        declare(
            "is_working_now",
            T.BOOLEAN,
            "сейчас работает",
            "is working now",
            chip=("сейчас", "now"),
            boolean_words=_WORKING,
            moved=TIME,
            empty=empty,
        ),
        counted("open_requests", "открытых заявок", "open requests"),
        counted("unanswered_requests", "заявок без ответа", "unanswered requests"),
        counted("overdue_callbacks", "просроченных звонков", "overdue callbacks"),
        counted("received_today", "получено сегодня", "received today"),
        counted("received_this_month", "получено за месяц", "received this month"),
        declare(
            "plan_attainment_pct",
            T.PERCENT,
            "выполнение плана",
            "attainment of the plan",
            empty=Words("плана нет", "there is no plan"),
            implemented=False,
        ),
        declare(
            "callbacks_done_pct",
            T.PERCENT,
            "сделано плановых звонков",
            "callbacks done",
            empty=Words("звонков не было", "there were no callbacks"),
            implemented=False,
        ),
    )


FIELDS: tuple[Field, ...] = (
    _owner(
        "is_absent",
        T.BOOLEAN,
        "закреплённый менеджер отсутствует (отпуск, болезнь)",
        "the owner is absent (leave, illness)",
        chip=("закреплённый менеджер", "owner"),
        boolean_words=(Words("отсутствует", "absent"), Words("не отсутствует", "not absent")),
        empty=_NO_OWNER,
    ),
    _owner(
        "back_in_working_minutes",
        T.DURATION,
        "закреплённый менеджер вернётся через, рабочих минут",
        "the owner is back in, working minutes",
        chip=("закреплённый менеджер вернётся через", "owner is back in"),
        unit=WORKING_MINUTES,
        minimum=0,
        empty=_NO_OWNER,
    ),
    *_person(
        _manager,
        _NO_HOLDER,
        Words("{} у менеджера", "{} of the manager"),
        frozenset({ESCALATION, CALLBACKS, BONUS}),
    ),
    *_person(
        _candidate,
        _NO_CANDIDATE,
        Words("{} у него", "his {}"),
        frozenset({ASSIGNMENT, ESCALATION, CALLBACKS}),
    ),
    _candidate(
        "is_on_duty",
        T.BOOLEAN,
        "дежурит",
        "is on duty",
        chip=("дежурство", "duty"),
        empty=_NO_CANDIDATE,
        moved=TIME,
    ),
    _candidate(
        "shortfall",
        T.NUMBER,
        "недобор заявок у него",
        "his shortfall of requests",
        chip=("недобор", "shortfall"),
        empty=_NO_CANDIDATE,
    ),
)
