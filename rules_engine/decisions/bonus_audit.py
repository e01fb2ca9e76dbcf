"""The incentive audit: where a bonus leaps, falls, goes flat, or pays for nothing anybody did.

The whole statement is asked by the real arithmetic along one measure after the other, at every value where a rule
bends or begins, and one smallest step to either side of it; between those it has no corners. What people do is looked
at in their last months. Every finding names two values and the two amounts that they pay.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from rules_engine.decisions import bonus_audit_words as words
from rules_engine.decisions.bonus_audit_along import Asked, Leap, Source, inside, kept_together, sources_of
from rules_engine.decisions.bonus_audit_people import PersonMonth, people_findings
from rules_engine.decisions.bonus_measures import PREFIX, Measures, canonical_measures
from rules_engine.decisions.bonus_probe import typical, typical_of
from rules_engine.language.analysis.finding import Finding, FindingKind, Severity, finding_key
from rules_engine.language.analysis.fixes import Fix, FixKind
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import Decision, Words
from rules_engine.language.model import Action, GateCondition, Ruleset, Tier
from rules_engine.language.read_bonus import ATTAINMENTS

_SEVERITIES = {
    FindingKind.CLIFF: Severity.WARNING,
    FindingKind.FALLING_PAY: Severity.WARNING,
    FindingKind.RATE_ABOVE_ALL: Severity.WARNING,
    FindingKind.GATE_CLOSED: Severity.WARNING,
}


@dataclass(slots=True)
class _Ledger:
    """The worst leap of each place, and where else it leaps."""

    found: dict[tuple[FindingKind, str, str], dict[tuple[str, Fraction], Leap]] = field(default_factory=dict)

    def add(self, kind: FindingKind, source: Source, leap: Leap) -> None:
        mine = self.found.setdefault((kind, source.rule, source.path), {})
        kept = mine.get((leap.measure, leap.high))
        if kept is None or abs(leap.more) > abs(kept.more):
            mine[leap.measure, leap.high] = leap


def audit(ruleset: Ruleset, history: Sequence[PersonMonth] = ()) -> tuple[Finding, ...]:
    """Return the findings of bonus rules, in the order of the rules; none for other decisions.

    `history` are people's last months; without any the rules are looked at on an ordinary month, and what only people
    can show is not said. About a millisecond for each place where a rule bends.
    """
    if ruleset.decision is not Decision.BONUS:
        return ()
    ledger = _Ledger()
    matching = NativeEngine(ruleset).matching
    for profile in _profiles(history):
        asked = Asked(ruleset, matching, profile)
        for axis, sources in sources_of(ruleset).items():
            for kind, source, leap in asked.along(axis, sources):
                ledger.add(kind, source, leap)
    found = [*_leaps(ruleset, ledger), *_plain(ruleset), *_unpaid(ruleset), *_about_people(ruleset, history)]
    order = {rule.id: place for place, rule in enumerate(ruleset.rules)}
    return tuple(sorted(found, key=lambda one: order.get(one.rule, len(order))))


def leaps_along(ruleset: Ruleset, axis: str, profile: Measures) -> tuple[tuple[FindingKind, Leap], ...]:
    """Return where the bonus leaps, falls or ends along one measure, the others as in `profile`."""
    asked = Asked(ruleset, NativeEngine(ruleset).matching, PersonMonth(dict(profile), frozenset()))
    return tuple((kind, leap) for kind, _source, leap in asked.along(axis, sources_of(ruleset).get(axis, {})))


def ordinary(people: Iterable[Measures]) -> dict[str, Fraction | None]:
    """Return an ordinary month: the middle of people's measures, its money, plans and attainments in keeping."""
    found = typical(people)
    for side in ("new", "old"):
        if not found[f"{PREFIX}plan_{side}"]:
            found[f"{PREFIX}plan_{side}"] = typical_of(f"{PREFIX}plan_{side}")
    return kept_together(found)


def middle_month(people: Sequence[PersonMonth]) -> PersonMonth:
    """Return the middle of people's months; what none of them has stays empty. Without people an ordinary month.

    Money, plans and attainments are in keeping. An attainment that most of them lack by intention is lacking so.
    """
    if not people:
        return PersonMonth(ordinary(()), frozenset())
    middle = typical(one.measures for one in people)
    known = {key for one in people for key, value in one.measures.items() if value is not None}
    found = kept_together({key: value if key in known else None for key, value in middle.items()})
    without = (key for key in ATTAINMENTS if 2 * sum(key in one.without_plan for one in people) > len(people))
    return PersonMonth(found, frozenset(key for key in without if found[key] is None))


def _profiles(history: Sequence[PersonMonth]) -> list[PersonMonth]:
    """Return an ordinary month, and of what there really was the weakest, the middle and the best by money."""
    found = [PersonMonth(ordinary(one.measures for one in history), frozenset())]
    by_money = sorted(history, key=lambda one: one.measures.get(f"{PREFIX}revenue") or Fraction(0))
    if by_money:
        found += [by_money[place] for place in sorted({0, len(by_money) // 2, len(by_money) - 1})]
    return found


def _leaps(ruleset: Ruleset, ledger: _Ledger) -> Iterator[Finding]:
    for (kind, rule, path), leaps in ledger.found.items():
        worst = max(leaps.values(), key=lambda one: abs(one.more))
        others = sorted({leap.high for leap in leaps.values() if leap.measure == worst.measure} - {worst.high})
        said = words.leap_words(kind, worst, others)
        found = _finding(ruleset, kind, rule, path, said, worst.facts, detail=f"{path} {worst.measure}")
        yield replace(found, fix=_fix(ruleset, rule, path)) if kind is FindingKind.CLIFF else found


def _fix(ruleset: Ruleset, rule_id: str, path: str) -> Fix | None:
    """Return what takes a leap away where one choice made it: the whole instead of the part, all instead of softly."""
    rule = ruleset.rule(rule_id)
    action = next((one for one in rule.then if inside(rule, one.path) == path), None) if rule else None
    if action is None:
        return None
    tiers, gates = action.params.get("tiers"), action.params.get("all")
    if isinstance(tiers, tuple) and action.text("mode") == "whole":
        rates = [tier.rate for tier in tiers if isinstance(tier, Tier)]
        return Fix(FixKind.PAY_THE_PART, rule_id, path=path) if rates == sorted(rates) else None
    if isinstance(gates, tuple) and action.params.get("soft") is not True:
        wide = any(isinstance(gate, GateCondition) and gate.start < gate.full_at for gate in gates)
        return Fix(FixKind.SOFTEN, rule_id, path=path) if wide else None
    return None


def _plain(ruleset: Ruleset) -> Iterator[Finding]:
    """Yield what the rules show by themselves."""
    paid: dict[str, tuple[str, str]] = {}
    for rule in ruleset.rules:
        if not rule.enabled:
            continue
        for action in rule.then:
            path = inside(rule, action.path)
            for rate in _rates(action):
                if rate > 100:
                    said = words.rate_words(rate)
                    yield _finding(
                        ruleset, FindingKind.RATE_ABOVE_ALL, rule.id, path, said, None, detail=f"{path} {rate}"
                    )
            measure = action.text("count") or (
                action.text("of") if action.name in ("pay_percent", "pay_tiers") else None
            )
            if measure is not None:
                if measure in paid and paid[measure][0] != rule.id:
                    other = paid[measure][0]
                    said = words.double_words(measure, ruleset, other)
                    yield _finding(ruleset, FindingKind.PAID_TWICE, rule.id, path, said, None, others=(other,))
                paid.setdefault(measure, (rule.id, path))
            if action.name == "pay_matrix" and (cell := _weakens(action)) is not None:
                yield _finding(
                    ruleset,
                    FindingKind.SUBSTITUTION,
                    rule.id,
                    path,
                    words.substitution_words(action, cell),
                    None,
                    detail=path,
                )


def _unpaid(ruleset: Ruleset) -> Iterator[Finding]:
    """Yield the work that pays nothing by itself: what brings no money is then left undone."""
    first = next((rule for rule in ruleset.rules if rule.enabled and rule.then), None)
    if first is None:
        return
    month = ordinary(())
    asked = Asked(ruleset, NativeEngine(ruleset).matching, PersonMonth(month, frozenset()))
    for work in ("processed_requests", "callbacks_done"):
        axis = f"{PREFIX}{work}"
        done = month[axis] or Fraction(0)
        if asked.at(axis, done + 1) == asked.at(axis, done):
            said = words.unpaid_words(work)
            yield _finding(ruleset, FindingKind.UNPAID_WORK, first.id, "", said, None, detail=work)


def _about_people(ruleset: Ruleset, history: Sequence[PersonMonth]) -> Iterator[Finding]:
    for kind, rule, path, said in people_findings(ruleset, history):
        yield _finding(ruleset, kind, rule, path, said, None, detail=path)


def _weakens(action: Action) -> tuple[Fraction, Fraction] | None:
    """Return the marks of a cell where one side makes the other worth less, None where there is none."""
    marks, values = action.params.get("nodes"), action.params.get("values")
    if not isinstance(marks, tuple) or not isinstance(values, tuple):
        return None
    grid = [row for row in values if isinstance(row, tuple)]
    axis = [mark for mark in marks if isinstance(mark, Fraction)]
    for row in range(len(grid) - 1):
        for column in range(len(grid) - 1):
            together = grid[row + 1][column + 1] - grid[row + 1][column] - grid[row][column + 1] + grid[row][column]
            if isinstance(together, Fraction) and together < 0:
                return axis[row], axis[column]
    return None


def _rates(action: Action) -> Iterator[Fraction]:
    rate, tiers = action.params.get("rate"), action.params.get("tiers")
    if isinstance(rate, Fraction):
        yield rate
    yield from (tier.rate for tier in tiers if isinstance(tier, Tier)) if isinstance(tiers, tuple) else ()


def _finding(
    ruleset: Ruleset,
    kind: FindingKind,
    rule: str,
    path: str,
    said: Words,
    facts: Measures | None,
    *,
    others: tuple[str, ...] = (),
    detail: str = "",
) -> Finding:
    return Finding(
        kind=kind,
        severity=_SEVERITIES.get(kind, Severity.INFORMATION),
        rule=rule,
        others=others,
        path=path,
        key=finding_key(kind, ruleset, (rule, *others), detail),
        decision=Decision.BONUS,
        example=None if facts is None else canonical_measures(facts),
        said=said,
    )
