"""Fields of the item looked at, of the instant, and of the event that woke a decision."""

from rules_engine.language.kinds import FieldType as T
from rules_engine.language.kinds import Words
from rules_engine.language.vocabulary.declare import (
    ASSIGNMENT,
    CALLBACKS,
    ESCALATION,
    ITEM,
    TIME,
    WORKING_DAYS,
    choices,
    group,
)
from rules_engine.language.vocabulary.terms import ALWAYS_FILLED, Field

WEEKDAYS = choices(
    ("mon", "понедельник", "Monday"),
    ("tue", "вторник", "Tuesday"),
    ("wed", "среда", "Wednesday"),
    ("thu", "четверг", "Thursday"),
    ("fri", "пятница", "Friday"),
    ("sat", "суббота", "Saturday"),
    ("sun", "воскресенье", "Sunday"),
)
KINDS = choices(("request", "заявка", "request"), ("callback", "плановый звонок", "callback"))
EVENTS = choices(
    ("payment", "оплата", "payment"),
    ("request_lost", "отказ по заявке", "request lost"),
    ("contact", "контакт", "contact"),
    ("due", "подошёл срок", "due"),
    ("occasion", "повод", "occasion"),
)

_item = group("item", frozenset({ESCALATION}), ITEM)
_now = group("now", frozenset({ASSIGNMENT, ESCALATION, CALLBACKS}), TIME)
_event = group("event", frozenset({CALLBACKS}), ITEM)
_NOT_A_CALLBACK = Words("это не плановый звонок", "this is not a callback")

FIELDS: tuple[Field, ...] = (
    _item("kind", T.CHOICE, "вид дела", "kind of item", choices=KINDS, empty=ALWAYS_FILLED),
    _item(
        "working_days_overdue",
        T.INTEGER,
        "просрочено рабочих дней",
        "working days overdue",
        chip=("просрочено", "overdue"),
        unit=WORKING_DAYS,
        moved=TIME,
        minimum=0,
        empty=_NOT_A_CALLBACK,
    ),
    _item(
        "times_postponed",
        T.INTEGER,
        "сколько раз перенесён",
        "times postponed",
        minimum=0,
        empty=_NOT_A_CALLBACK,
    ),
    _now(
        "weekday",
        T.CHOICE,
        "день недели",
        "day of the week",
        chip=("день", "day"),
        choices=WEEKDAYS,
        empty=ALWAYS_FILLED,
    ),
    _now("hour", T.INTEGER, "час", "hour", minimum=0, maximum=23, empty=ALWAYS_FILLED),
    _now("day_of_month", T.INTEGER, "число месяца", "day of the month", minimum=1, maximum=31, empty=ALWAYS_FILLED),
    _now("month", T.INTEGER, "месяц", "month", minimum=1, maximum=12, empty=ALWAYS_FILLED),
    _now(
        "is_working_time",
        T.BOOLEAN,
        "сейчас рабочее время компании",
        "the company is open now",
        chip=("сейчас", "now"),
        boolean_words=(Words("рабочее время", "working hours"), Words("нерабочее время", "after hours")),
        empty=ALWAYS_FILLED,
    ),
    _event("name", T.CHOICE, "событие", "event", choices=EVENTS, empty=ALWAYS_FILLED),
)
