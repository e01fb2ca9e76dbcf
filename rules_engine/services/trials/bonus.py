"""Trying rules of the bonus: what a manager's month, or typed measures, would be paid. Nothing is written.

The measures are those that the statement of the month keeps, else those of now. Where what was paid or planned is
typed over, the attainments follow unless they are typed too.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_figures import ATTAINMENT, NEW_ATTAINMENT, OLD_ATTAINMENT
from rules_engine.decisions.bonus_measures import PREFIX, canonical_measures, read_measures
from rules_engine.language.cases import fired
from rules_engine.language.kinds import FieldType
from rules_engine.language.read_bonus import ATTAINMENTS, WITHOUT_PLAN
from rules_engine.language.spelling import Spellings
from rules_engine.language.values import Facts, dump_scaled
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.drafts import bonus_pay
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.trying import Trial, Typed, looked_at, ready, verdicts_of

DIGITS: Final = 12
"""As many decimals of a percentage stand in a test case."""
_SIDES: Final = (
    (NEW_ATTAINMENT, f"{PREFIX}revenue_new", f"{PREFIX}plan_new"),
    (OLD_ATTAINMENT, f"{PREFIX}revenue_old", f"{PREFIX}plan_old"),
)
_REVENUE: Final = f"{PREFIX}revenue"


@dataclass(frozen=True, slots=True)
class MonthGround:
    """On what rules are tried: exact measures, money in kopecks. `is_stored`: as the statement keeps them."""

    measures: Mapping[str, Fraction]
    without_plan: frozenset[str]
    is_stored: bool
    spellings: Spellings = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        return canonical_measures(self.measures)

    def run(self, body: Body) -> Trial:
        """Return what a body of rules pays; of an unfinished draft, what its finished rules pay."""
        made = ready(body)
        ids = self.fired_on(body)
        statement = compute(made.ruleset, ids, self.measures, without_plan=self.without_plan)
        return Trial(ids, verdicts_of(made, body, self.facts, ids), statement)

    def fired_on(self, body: Body) -> tuple[str, ...]:
        made = ready(body)
        return fired(made.ruleset, made.engine.matching(self.facts))


def ground(
    session: Session,
    manager_id: int | None,
    month: str,
    bodies: Collection[Body],
    now: datetime,
    typed: Typed | None = None,
) -> MonthGround | None:
    """Return what these bodies are tried on: a month (`2026-10`) of a manager, with what is typed over it.

    `manager_id` None: measures of which nothing is known but what is typed. None where the manager has nothing to count
    in that month. Raises InputError for what is no month, FactsInvalid.
    """
    measures: dict[str, Fraction] = {}
    without_plan: frozenset[str] = frozenset()
    is_stored = False
    if manager_id is not None:
        found = bonus_pay.ground_of(session, month, now, [manager_id])
        one = found.managers.get(manager_id)
        if one is None:
            return None
        measures = {key: value for key, value in one.measures.items() if value is not None}
        without_plan, is_stored = one.without_plan, found.is_stored
    if typed:
        is_stored = False
        given = read_measures({key: value for key, value in typed.items() if value is not None})
        measures = {key: value for key, value in measures.items() if key not in typed}
        measures |= {key: value for key, value in given.measures.items() if value is not None}
        measures = _followed(measures, typed, looked_at(bodies))
        without_plan = frozenset(key for key in without_plan if key not in measures)
    return MonthGround(measures, without_plan, is_stored)


def case_facts(on: MonthGround, fields: Collection[str]) -> dict[str, object]:
    """Return the measures as a test case keeps them: those among `fields`, percentages with twelve decimals."""
    document: dict[str, object] = {
        key: json_value(key, value) for key, value in sorted(on.measures.items()) if key in fields
    }
    without = sorted(key for key in on.without_plan if key in ATTAINMENTS and key in fields)
    return document | ({WITHOUT_PLAN: without} if without else {})


def json_value(key: str, value: Fraction) -> object:
    """Return an exact measure in its JSON form, cut where it has more digits than a test case keeps."""
    kind = FIELDS[key].type
    if kind is FieldType.MONEY:
        return dump_scaled(FieldType.MONEY, int(value))
    if kind is FieldType.INTEGER:
        return int(value)
    places = DIGITS if kind is FieldType.PERCENT else 4
    units = int(abs(value) * 10**places)
    digits = f"{units:0{places + 1}d}"
    text = f"{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 and units else text


def _followed(measures: Mapping[str, Fraction], typed: Typed, fields: Collection[str]) -> dict[str, Fraction]:
    """Return the measures with what follows from typed payments and plans."""
    found = dict(measures)
    moved = {key for _, paid, plan in _SIDES for key in (paid, plan) if key in typed}
    if not moved:
        return found
    parts = [found[paid] for _, paid, _plan in _SIDES if paid in found]
    if _REVENUE not in typed and parts:
        found[_REVENUE] = sum(parts, Fraction(0))
    plans = [found[plan] for _, _paid, plan in _SIDES if plan in found]
    shares = [(attainment, found.get(paid), found.get(plan)) for attainment, paid, plan in _SIDES]
    shares.append((ATTAINMENT, found.get(_REVENUE), sum(plans, Fraction(0)) if plans else None))
    for attainment, paid_minor, plan_minor in shares:
        if attainment not in typed and attainment in fields and paid_minor is not None and plan_minor:
            found[attainment] = 100 * paid_minor / plan_minor
    return found
