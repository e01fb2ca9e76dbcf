"""What only people's months show of bonus rules: tiers that nobody reaches, gates that never or always open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rules_engine.decisions.bonus_gauges import Gauges
from rules_engine.decisions.bonus_lines import Figure
from rules_engine.decisions.bonus_measures import Measures, canonical_measures
from rules_engine.language.analysis.finding import FindingKind
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import Words
from rules_engine.language.model import Action, GateCondition, Rule, Ruleset, Tier
from rules_engine.language.shown import show_measured
from rules_engine.language.vocabulary import FIELDS

FEWEST_MONTHS = 8
"""Fewer manager-months say nothing about what people can reach."""
_SELDOM = Fraction(15, 100)
_NEARLY_ALWAYS = Fraction(95, 100)
Told = tuple[FindingKind, str, str, Words]

_UNREACHED = Words(
    "До ступени от {start} за последние 12 месяцев не дошёл никто: наибольшее — {most} ({measure}).",
    "Nobody reached the tier from {start} in the last 12 months: the most was {most} ({measure}).",
)
_CLOSED = Words(
    "Порог открылся полностью в {open} из {all} месяцев менеджеров: до него почти не доходят.",
    "The gate opened in full in {open} of {all} months of managers: hardly anybody reaches it.",
)
_OPEN = Words(
    "Порог открылся полностью в {open} из {all} месяцев менеджеров: он почти ничего не меняет.",
    "The gate opened in full in {open} of {all} months of managers: it changes hardly anything.",
)
_SELDOM_ACTS = Words(
    "Условие выполнено в {open} из {all} месяцев менеджеров: до него почти не доходят.",
    "The condition was met in {open} of {all} months of managers: hardly anybody reaches it.",
)
_ALWAYS_ACTS = Words(
    "Условие выполнено в {open} из {all} месяцев менеджеров: оно почти ничего не меняет.",
    "The condition was met in {open} of {all} months of managers: it changes hardly anything.",
)


@dataclass(frozen=True, slots=True)
class PersonMonth:
    """One manager's month: exact measures, and the attainments that have no plan by intention."""

    measures: Measures
    without_plan: frozenset[str]


def people_findings(ruleset: Ruleset, history: Sequence[PersonMonth]) -> Iterator[Told]:
    """Yield kind, rule, place and words of what people's months show; nothing where there are too few."""
    if len(history) < FEWEST_MONTHS:
        return
    matching = NativeEngine(ruleset).matching
    acted = [frozenset(matching(canonical_measures(one.measures))) for one in history]
    for rule in ruleset.rules:
        if not rule.enabled:
            continue
        if rule.when is not None:
            met = sum(1 for ids in acted if rule.id in ids)
            yield from _share(rule, "/when", met, len(history), (_SELDOM_ACTS, _ALWAYS_ACTS))
        for action in rule.then:
            path = action.path.removeprefix(rule.path)
            yield from _tiers(rule, action, path, history)
            gates = action.params.get("all")
            if isinstance(gates, tuple):
                conditions = [gate for gate in gates if isinstance(gate, GateCondition)]
                open_in = sum(1 for one in history if _opens(conditions, one))
                yield from _share(rule, path, open_in, len(history), (_CLOSED, _OPEN))


def _share(rule: Rule, path: str, met: int, count: int, said: tuple[Words, Words]) -> Iterator[Told]:
    share = Fraction(met, count)
    if share < _SELDOM:
        yield FindingKind.GATE_CLOSED, rule.id, path, _filled(said[0], met, count)
    elif share > _NEARLY_ALWAYS:
        yield FindingKind.GATE_OPEN, rule.id, path, _filled(said[1], met, count)


def _filled(template: Words, met: int, count: int) -> Words:
    return Words(*(template.text(lang).format(open=met, all=count) for lang in ("ru", "en")))


def _opens(gates: Sequence[GateCondition], month: PersonMonth) -> bool:
    gauges = Gauges(month.measures, month.without_plan)
    return all(gauges.gate(gate, soft=False).share == 1 for gate in gates)


def _tiers(rule: Rule, action: Action, path: str, history: Sequence[PersonMonth]) -> Iterator[Told]:
    tiers, by = action.params.get("tiers"), action.text("by")
    if not isinstance(tiers, tuple) or by is None:
        return
    seen = [Figure.of(by, value).value for one in history if (value := one.measures.get(by)) is not None]
    most = max(seen, default=None)
    missed = [tier.start for tier in tiers if isinstance(tier, Tier) and (most is None or tier.start > most)]
    if most is None or not missed:
        return
    field = FIELDS[by]
    texts = (
        _UNREACHED.text(lang).format(
            start=show_measured(field.type, missed[0], lang),
            most=show_measured(field.type, Fraction(round(most * 100), 100), lang),
            measure=field.chip.text(lang),
        )
        for lang in ("ru", "en")
    )
    yield FindingKind.TIER_UNREACHED, rule.id, path, Words(*texts)
