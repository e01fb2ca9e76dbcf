"""Effects of assignment, escalation and callbacks. An effect is data: evaluating rules does nothing."""

from rules_engine.language.kinds import Decision, ReferenceKind, Words
from rules_engine.language.vocabulary.declare import ASSIGNMENT, CALLBACKS, ESCALATION, choices
from rules_engine.language.vocabulary.fields_client import SEGMENTS
from rules_engine.language.vocabulary.fields_request import PRIORITIES
from rules_engine.language.vocabulary.terms import ActionSpec, Param, ParamType

POOLS = choices(
    ("owner", "закреплённый менеджер", "the owner"),
    ("cover", "замещающий", "the cover"),
    ("previous", "менеджер открытой заявки клиента", "the manager of the client's open request"),
    ("team_of_owner", "отдел закреплённого менеджера", "the owner's team"),
    ("team_of_holder", "отдел нынешнего менеджера", "the present holder's team"),
    ("duty", "дежурный", "whoever is on duty"),
    ("everyone", "любой менеджер", "any manager"),
    ("team", "отдел", "team"),
    ("skill", "умение", "skill"),
    ("manager", "менеджер", "manager"),
)
HOLDER_POOLS = frozenset({"team_of_holder"})
"""Pools that exist only where somebody holds the request already."""
POOL_ARGUMENT = {
    "team": ("team", ReferenceKind.TEAM),
    "skill": ("skill", ReferenceKind.SKILL),
    "manager": ("login", ReferenceKind.MANAGER),
}
"""Pools that need to know which one: the key that says so, and the list it comes from."""

EXCEPTIONS = choices(
    ("owner", "закреплённый менеджер", "the owner"),
    ("cover", "замещающий", "the cover"),
    ("previous", "менеджер открытой заявки клиента", "the manager of the client's open request"),
    ("holder", "нынешний менеджер заявки", "the present holder"),
)
STRATEGIES = choices(
    ("fair_share", "у кого больше недобор заявок", "whoever has the largest shortfall"),
    ("round_robin", "по очереди", "round robin"),
    ("least_loaded", "наименее загруженный", "the least loaded"),
)
IF_ABSENT = choices(
    ("wait", "ждать его", "wait for him"),
    ("cover", "замещающий", "the cover"),
    ("next_rule", "следующее правило", "the next rule"),
)
WHOM = choices(("manager", "менеджер", "the manager"), ("head", "руководитель отдела продаж", "the head of sales"))
HOLD_UNTIL = choices(
    ("end_of_day", "конец рабочего дня", "the end of the working day"),
    ("end_of_next_working_day", "конец следующего рабочего дня", "the end of the next working day"),
)
OCCASIONS = choices(
    ("promise", "обещали перезвонить", "we promised to call back"),
    ("need_soon", "скоро понадобится", "will need us soon"),
    ("contract_end", "продление договора", "renewal of the contract"),
    ("first_purchase", "как прошло после первой покупки", "how it went after the first purchase"),
    ("refused_later", "после отказа: дорого или отложили", "after a refusal: too expensive or postponed"),
    ("refused_rival", "после отказа: ушли к другому", "after a refusal: went to a rival"),
    ("lapsing", "давно не покупал", "has not bought for a while"),
    ("lost", "перестал покупать", "has stopped buying"),
    ("returned", "вернулся: как работает", "is back: how it works"),
    ("valued", "как дела у постоянного клиента", "how a valued client is doing"),
)
"""Those that ship; an installation may have others."""

_PLAIN = Words("", "")
_GETS = Words("заявку получает", "the request goes to")

_TO = Param("to", ParamType.POOLS, Words("кому", "to whom"), _PLAIN, required=True)
_EXCEPT = Param("except", ParamType.EXCEPT, Words("кроме", "except"), Words("кроме", "except"), choices=EXCEPTIONS)
_AMONG = Param("among", ParamType.GROUP, Words("кто подходит", "who of them"), Words("если", "if"))
_STRATEGY = Param(
    "strategy",
    ParamType.CHOICE,
    Words("кого выбрать", "whom to choose"),
    Words("выбор", "chosen"),
    choices=STRATEGIES,
)
_WITHIN = Param(
    "answer_within",
    ParamType.MINUTES,
    Words("срок ответа, рабочих минут", "answer within, working minutes"),
    Words("срок ответа", "answer within"),
    minimum=1,
)
_REPEAT = Param(
    "repeat_every",
    ParamType.MINUTES,
    Words("повторять каждые, рабочих минут", "repeat every, working minutes"),
    Words("повторять каждые", "repeat every"),
    minimum=1,
)
_TEXT = Param("text", ParamType.TEXT, Words("текст", "text"), Words("текст", "text"))
_NOTIFY = (
    Param("whom", ParamType.PERSON, Words("кому", "to whom"), _PLAIN, required=True, choices=WHOM),
    _TEXT,
    Param(
        "digest_minutes",
        ParamType.MINUTES,
        Words("сводкой раз в, минут", "as a digest every, minutes"),
        Words("сводкой раз в", "as a digest every"),
        minimum=0,
    ),
)
_PRIORITY = Param(
    "priority",
    ParamType.CHOICE,
    Words("приоритет", "priority"),
    _PLAIN,
    required=True,
    choices=PRIORITIES,
)
_ESCALATION = frozenset({ESCALATION})
_CALLBACKS = frozenset({CALLBACKS})
_ASSIGNMENT = frozenset({ASSIGNMENT})
_TAG = Param("tag", ParamType.TEXT, Words("метка", "tag"), _PLAIN, required=True)
_REASON = Param("reason", ParamType.TEXT, Words("причина", "reason"), Words("причина", "reason"), required=True)

ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec(
        "assign",
        Words("передать заявку", "assign the request"),
        _GETS,
        _ASSIGNMENT,
        (
            _TO,
            _EXCEPT,
            _AMONG,
            _STRATEGY,
            Param(
                "if_absent",
                ParamType.CHOICE,
                Words("если отсутствует", "if absent"),
                Words("если отсутствует", "if absent"),
                choices=IF_ABSENT,
            ),
            _WITHIN,
        ),
    ),
    ActionSpec(
        "leave_unassigned",
        Words("оставить без менеджера и сообщить руководителю", "leave without a manager and tell the head"),
        Words(
            "заявка остаётся без менеджера, сообщение получает руководитель",
            "the request stays without a manager and the head is told",
        ),
        _ASSIGNMENT,
        (_REASON,),
    ),
    ActionSpec(
        "set_priority",
        Words("поставить приоритет", "set the priority"),
        Words("приоритет", "priority"),
        _ASSIGNMENT | _ESCALATION,
        (_PRIORITY,),
    ),
    ActionSpec("add_tag", Words("добавить метку", "add a tag"), Words("метка", "tag"), _ASSIGNMENT, (_TAG,)),
    ActionSpec(
        "notify",
        Words("сообщить", "notify"),
        Words("сообщение получает", "a message goes to"),
        _ASSIGNMENT,
        _NOTIFY,
    ),
    ActionSpec(
        "remind",
        Words("напомнить менеджеру", "remind the manager"),
        Words("напоминание получает менеджер", "a reminder goes to the manager"),
        _ESCALATION,
        (Param("text", ParamType.TEXT, Words("текст", "text"), _PLAIN), _REPEAT),
    ),
    ActionSpec(
        "reassign",
        Words("передать другому менеджеру", "reassign"),
        Words("заявка передаётся, её получает", "the request is reassigned and goes to"),
        _ESCALATION,
        (_TO, _EXCEPT, _AMONG, _STRATEGY, _WITHIN, _REPEAT),
    ),
    ActionSpec(
        "mark_late",
        Words("отметить «не в срок»", "mark late"),
        Words("отметка «не в срок»", "marked late"),
        _ESCALATION,
        (_REPEAT,),
    ),
    ActionSpec(
        "create_task",
        Words("поставить задачу", "create a task"),
        Words("задача менеджеру", "a task for the manager"),
        _ESCALATION,
        (
            Param("title", ParamType.TEXT, Words("название", "title"), _PLAIN, required=True),
            Param(
                "in_working_minutes",
                ParamType.MINUTES,
                Words("срок, рабочих минут", "due in, working minutes"),
                Words("срок", "due in"),
                required=True,
                minimum=0,
            ),
            _REPEAT,
        ),
    ),
    ActionSpec(
        "return_to_work",
        Words("вернуть в работу", "return to work"),
        Words("заявка возвращается в работу", "the request returns to work"),
        _ESCALATION,
        (_REPEAT,),
    ),
    ActionSpec(
        "hold_new_requests",
        Words("предложить приостановку новых заявок", "propose a hold on new requests"),
        Words(
            "руководителю предлагается приостановка новых заявок, до",
            "a hold on new requests is proposed to the head, until",
        ),
        _ESCALATION,
        (
            Param("until", ParamType.CHOICE, Words("до", "until"), _PLAIN, required=True, choices=HOLD_UNTIL),
            Param(
                "overdue_callbacks_below",
                ParamType.COUNT,
                Words("или пока просроченных звонков не станет меньше", "or until overdue callbacks are below"),
                Words("или пока просроченных звонков не станет меньше", "or until overdue callbacks are below"),
                minimum=1,
            ),
            _REPEAT,
        ),
        proposal=True,
    ),
    ActionSpec(
        "release_client",
        Words("предложить передачу клиента", "propose to release the client"),
        Words(
            "руководителю предлагается передать клиента другому менеджеру",
            "it is proposed to the head that the client goes to another manager",
        ),
        _ESCALATION | _CALLBACKS,
        (_REPEAT,),
        proposal=True,
    ),
    ActionSpec(
        "schedule_callback",
        Words("назначить звонок", "schedule a callback"),
        Words("плановый звонок, повод", "a callback, occasion"),
        _CALLBACKS,
        (
            Param("occasion", ParamType.CODE, Words("повод", "occasion"), _PLAIN, required=True, choices=OCCASIONS),
            Param(
                "in_working_days",
                ParamType.WORKING_DAYS,
                Words("через, рабочих дней", "in, working days"),
                Words("через", "in"),
                minimum=0,
            ),
            Param(
                "within_days",
                ParamType.WORKING_DAYS,
                Words("за, рабочих дней", "within, working days"),
                Words("сделать за", "within"),
                minimum=1,
            ),
            Param("script", ParamType.TEXT, Words("подсказка", "script"), Words("подсказка", "script")),
            Param(
                "priority",
                ParamType.CHOICE,
                Words("приоритет", "priority"),
                Words("приоритет", "priority"),
                choices=PRIORITIES,
            ),
            Param("to", ParamType.POOLS, Words("кому", "to whom"), Words("звонит", "called by")),
        ),
    ),
    ActionSpec(
        "set_segment",
        Words("поставить сегмент", "set the segment"),
        Words("сегмент", "segment"),
        _CALLBACKS,
        (
            Param(
                "segment",
                ParamType.CHOICE,
                Words("сегмент", "segment"),
                _PLAIN,
                required=True,
                choices=SEGMENTS,
            ),
        ),
    ),
    ActionSpec(
        "skip",
        Words("не звонить", "do not call"),
        Words("звонок не назначается", "no call is scheduled"),
        _CALLBACKS,
        (_REASON,),
    ),
)

ESCALATION_NOTIFY = ActionSpec(
    "notify",
    Words("сообщить", "notify"),
    Words("сообщение получает", "a message goes to"),
    _ESCALATION,
    (*_NOTIFY, _REPEAT),
)
"""The same message, which escalation may repeat."""

EXCLUSIVE: dict[Decision, frozenset[str]] = {ASSIGNMENT: frozenset({"assign", "leave_unassigned"})}
"""Of these a rule has exactly one."""
