"""A manager's running month: what it pays so far, what it would pay at this pace, what the next thing is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy.orm import Session

from rules_engine.decisions.bonus_figures import NEW_ATTAINMENT, OLD_ATTAINMENT, Figures
from rules_engine.decisions.bonus_lines import Figure, Statement, Unit
from rules_engine.decisions.bonus_outlook import NextKind, NextThing, at_this_pace, curve, edges_of, next_things
from rules_engine.decisions.bonus_words import figure_words
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import Decision
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.bonus.reckoning import Rules
from rules_engine.services.bonus.texts import Text, money_words
from rules_engine.services.measures.measures import counting_now, figures_of, hours_of
from rules_engine.services.measures.month import Month, month_of_instant
from rules_engine.services.rules import rulebook


@dataclass(frozen=True, slots=True)
class SoFar:
    """So far, provisional. Money in kopecks; `forecast_minor` is None before any working time has passed.

    `curve` is the pay over the attainment `curve_by`: (percent of plan, kopecks); empty without a plan.
    """

    month: Month
    rules: Rules
    with_vat: bool
    figures: Figures
    statement: Statement
    forecast_minor: int | None
    next: tuple[NextThing, ...]
    curve_by: str
    curve: Sequence[tuple[Fraction, int]]

    @property
    def total_minor(self) -> int:
        return self.statement.total


def so_far(session: Session, manager_id: int, now: datetime) -> SoFar:
    """Return a manager's running month by the rules in force since its beginning. Raises NotFound.

    The same number of queries as the measures of everybody; what is not known yet is not guessed.
    """
    month = month_of_instant(session, now)
    published = rulebook.published(session, Decision.BONUS, month.start)
    # What would be is asked a hundred times: the native engine is enough for what nobody is paid by.
    matching = NativeEngine(published.ruleset).matching
    rules = Rules(published.version_id, published.number, published.ruleset, matching)
    counting = counting_now(session)
    figures = figures_of(session, month, [manager_id], now, counting=counting)[manager_id]
    hours = hours_of(session, manager_id, month, now)
    expected = at_this_pace(figures, hours.so_far, hours.whole)

    def pay(changed: Figures) -> int:
        return rules.statement(changed).total

    edges = edges_of(rules.ruleset)
    side = OLD_ATTAINMENT if figures.plan_old_minor is not None else NEW_ATTAINMENT
    return SoFar(
        month=month,
        rules=rules,
        with_vat=counting.with_vat,
        figures=figures,
        statement=rules.statement(figures),
        forecast_minor=None if expected is None else pay(expected),
        next=next_things(pay, edges, figures),
        curve_by=side,
        curve=curve(pay, edges, figures, side),
    )


_NEXT = {
    NextKind.REQUEST: {"ru": "Следующая обработанная заявка", "en": "The next request processed in full"},
    NextKind.ANSWER: {"ru": "Следующий ответ в срок", "en": "The next answer in time"},
    NextKind.CALL: {"ru": "Следующий плановый звонок", "en": "The next callback done"},
    NextKind.NEW_MONEY: {"ru": "Следующие 100 000 ₽ новых клиентов", "en": "The next 100,000 ₽ of new clients"},
    NextKind.OLD_MONEY: {"ru": "Следующие 100 000 ₽ старых клиентов", "en": "The next 100,000 ₽ of old clients"},
}


def next_words(thing: NextThing) -> Text:
    """Return what a next thing is."""
    if thing.kind is not NextKind.EDGE or thing.measure is None or thing.edge is None:
        return dict(_NEXT[thing.kind])
    field = FIELDS[thing.measure]
    unit = Figure.of(thing.measure, Fraction(0)).unit
    edge = Figure(thing.edge, unit)
    return {
        "ru": f"До {figure_words(edge, 'ru')}: {field.chip.text('ru')}",
        "en": f"Up to {figure_words(edge, 'en')}: {field.chip.text('en')}",
    }


def missing_words(thing: NextThing) -> Text | None:
    """Return how much is missing to an edge, None for what is no edge."""
    if thing.missing is None or thing.measure is None:
        return None
    name = thing.measure.partition(".")[2]
    if name.startswith(("attainment", "revenue")):
        return {
            "ru": f"не хватает {money_words(thing.missing, 'ru')}",
            "en": f"{money_words(thing.missing, 'en')} are missing",
        }
    number = Figure(Fraction(thing.missing), Unit.COUNT)
    if name == "in_time_pct":
        return {
            "ru": f"столько ответов в срок подряд: {figure_words(number, 'ru')}",
            "en": f"so many answers in time in a row: {figure_words(number, 'en')}",
        }
    return {"ru": f"не хватает: {figure_words(number, 'ru')}", "en": f"missing: {figure_words(number, 'en')}"}
