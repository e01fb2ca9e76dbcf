"""Measures of a manager in a period: what a bonus rule looks at and pays for."""

from rules_engine.language.kinds import FieldType as T
from rules_engine.language.kinds import Words
from rules_engine.language.vocabulary.declare import BONUS, OTHERS, group
from rules_engine.language.vocabulary.terms import Field

_measure = group("measure", frozenset({BONUS}), OTHERS)
NO_PLAN = Words("плана нет", "there is no plan")
"""What an empty plan or attainment means: it never pays by itself."""
_NOTHING = Words("считать не из чего", "nothing to count from")


def _pct(name: str, ru: str, en: str, empty: Words = _NOTHING) -> Field:
    return _measure(name, T.PERCENT, ru, en, empty=empty)


def _money(name: str, ru: str, en: str, empty: Words = _NOTHING) -> Field:
    return _measure(name, T.MONEY, ru, en, empty=empty)


def _count(name: str, ru: str, en: str, *, implemented: bool = True) -> Field:
    return _measure(name, T.INTEGER, ru, en, minimum=0, empty=_NOTHING, implemented=implemented)


def _score(name: str, ru: str, en: str) -> Field:
    return _measure(name, T.NUMBER, ru, en, empty=_NOTHING, implemented=False)


FIELDS: tuple[Field, ...] = (
    _money("plan_new", "план по новым", "plan for new clients", NO_PLAN),
    _money("plan_old", "план по старым", "plan for old clients", NO_PLAN),
    _money("revenue_new", "оплаты новых", "paid by new clients"),
    _money("revenue_old", "оплаты старых", "paid by old clients"),
    _money("revenue", "оплаты", "paid by all clients"),
    _pct("attainment_new_pct", "выполнение плана по новым", "attainment, new clients", NO_PLAN),
    _pct("attainment_old_pct", "выполнение плана по старым", "attainment, old clients", NO_PLAN),
    _pct("attainment_pct", "выполнение плана", "attainment", NO_PLAN),
    _pct("team_attainment_pct", "выполнение плана отделом", "attainment of the team", NO_PLAN),
    _count("paid_requests", "оплаченных заявок", "paid requests"),
    _count("received_requests", "полученных заявок", "received requests"),
    _count("processed_requests", "обработанных заявок", "processed requests"),
    _pct("processed_pct", "доля обработанных заявок", "share of requests processed"),
    _pct("in_time_pct", "доля ответов в срок", "share of answers in time"),
    _count("callbacks_planned", "плановых звонков назначено", "callbacks planned"),
    _count("callbacks_done", "плановых звонков засчитано", "callbacks done"),
    _pct("callbacks_done_pct", "доля сделанных звонков", "share of callbacks done"),
    _count("reactivated_clients", "вернувшихся клиентов", "reactivated clients"),
    _count("verified_complaints", "подтверждённых жалоб", "verified complaints", implemented=False),
    _score("rating", "оценка клиентов", "rating by clients"),
    _score("quality_score", "балл качества", "quality score"),
    _pct("worked_norm_pct", "отработано от нормы", "share of the norm worked"),
    _count("months_in_job", "месяцев в должности", "months in the job"),
    _score("cherry_picking_index", "перекос к крупным заявкам", "cherry-picking index"),
)
