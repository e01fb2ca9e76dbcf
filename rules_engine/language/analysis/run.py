"""The analysis of a whole ruleset."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date
from functools import partial

from rules_engine.clock import monotonic
from rules_engine.language.analysis import conditions, merging, order, single
from rules_engine.language.analysis.boxes import Budget, OutOfTime
from rules_engine.language.analysis.finding import Analysis, Finding, FindingKind, Unchecked, WhyUnchecked
from rules_engine.language.analysis.ground import Ground
from rules_engine.language.analysis.space import NotExact, TooWide
from rules_engine.language.model import OTHERWISE, Rule, Ruleset
from rules_engine.language.references import References

_ORDER = {kind: place for place, kind in enumerate(FindingKind)}
Check = Callable[[Ground, Rule], Iterable[Finding]]


def analyse(
    ruleset: Ruleset,
    *,
    today: date,
    names: References | None = None,
    budget_seconds: float = 2.0,
    clock: Callable[[], float] = monotonic,
) -> Analysis:
    """Return what is odd in a ruleset, in the order of its rules; rules that are switched off take no part.

    Nothing is searched for once `clock` has gone on by `budget_seconds`; what is left is named in `unchecked`.
    With `names` the examples use people and teams that there are.
    """
    enabled = [rule for rule in ruleset.rules if rule.enabled]
    notes = _Notes()
    for rule in enabled:
        notes.add(single.review(ruleset, rule, today))
    try:
        budget = Budget(budget_seconds, clock)
        ground = Ground(ruleset, today=today, names=names, budget=budget)
        _run(ground, notes)
    except OutOfTime:
        notes.left(rule.id for rule in enabled)
    places = {rule.id: place for place, rule in enumerate(ruleset.rules)} | {OTHERWISE: len(ruleset.rules)}
    findings = sorted(notes.findings, key=lambda one: (places[one.rule], _ORDER[one.kind], one.path))
    unchecked = sorted(notes.unchecked.items(), key=lambda item: places[item[0]])
    return Analysis(tuple(findings), tuple(Unchecked(rule, why) for rule, why in unchecked))


class _Notes:
    """What was found, and why a rule was not checked to the end: the first reason stays."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.unchecked: dict[str, WhyUnchecked] = {}

    def add(self, finding: Finding | None) -> None:
        if finding is not None:
            self.findings.append(finding)

    def left(self, rules: Iterable[str], why: WhyUnchecked = WhyUnchecked.TIME) -> None:
        for rule in rules:
            self.unchecked.setdefault(rule, why)


def _run(ground: Ground, notes: _Notes) -> None:
    """Make all checks, those that matter most first."""
    steps = list(_steps(ground))
    for place, (rule, check) in enumerate(steps):
        try:
            for finding in check():
                notes.add(finding)
        except TooWide:
            notes.left([rule], WhyUnchecked.TOO_WIDE)
        except NotExact:
            notes.left([rule], WhyUnchecked.NOT_EXACT)
        except OutOfTime:
            notes.left(rule for rule, _ in steps[place:])
            return


def _steps(ground: Ground) -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
    def each(check: Check) -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
        for rule in ground.rules:
            yield rule.id, partial(check, ground, rule)

    yield from each(conditions.contradiction)
    yield from each(_named_person)
    yield from each(order.hidden)
    yield from each(order.superseded)
    if ground.ruleset.otherwise:
        yield OTHERWISE, partial(order.gap, ground)
        yield OTHERWISE, partial(conditions.who_fits, ground, OTHERWISE, "", ground.ruleset.otherwise)
    for rule in ground.rules:
        yield rule.id, partial(conditions.who_fits, ground, rule.id, rule.path, rule.then)
    yield from each(conditions.redundant)
    yield from each(merging.mergeable)
    yield from each(order.overlap)


def _named_person(ground: Ground, rule: Rule) -> Iterator[Finding]:
    found, region = single.named_person(ground.ruleset, rule), ground.regions.get(rule.id)
    if found is not None and region:
        example = ground.space.example(region, [], ground.fields[rule.id], ground.check([rule.id]))
        yield replace(found, example=example)
