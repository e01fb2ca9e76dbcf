"""Findings about how rules stand to each other: hidden, overlapping, made void, and what none of them catches."""

from collections.abc import Iterator, Sequence

from rules_engine.language.analysis.finding import Finding, FindingKind, Severity, finding_key
from rules_engine.language.analysis.fixes import Fix, FixKind
from rules_engine.language.analysis.ground import Ground, is_certain, waits
from rules_engine.language.kinds import Decision, HitPolicy
from rules_engine.language.model import OTHERWISE, Action, Rule

OVERLAPS_AT_MOST = 3
_FIRST_WINS = {
    Decision.CALLBACKS: ("set_segment", "release_client"),
    Decision.ESCALATION: ("set_priority", "release_client"),
}
_ASKED_FOR = "client.asked_to_call_on"


def hidden(ground: Ground, rule: Rule) -> Iterator[Finding]:
    """Yield the finding of a rule all of whose matches go to rules above it, at once or as far as they can take."""
    region = ground.regions.get(rule.id)
    if ground.ruleset.hit_policy is not HitPolicy.FIRST or not region:
        return
    firm, every = ground.firm_earlier(rule), ground.earlier(rule)
    if firm and _is_behind(ground, rule, firm):
        ground.behind.add(rule.id)
        yield _hidden(
            ground, rule, FindingKind.HIDDEN, ground.fewest(firm, lambda some: _is_behind(ground, rule, some))
        )
    elif len(every) > len(firm) and _is_behind(ground, rule, every):
        ground.behind.add(rule.id)
        others = ground.fewest(every, lambda some: _is_behind(ground, rule, some))
        yield _hidden(ground, rule, FindingKind.RESERVE, others)


def overlap(ground: Ground, rule: Rule) -> Iterator[Finding]:
    """Yield the finding of a rule some of whose matches go to rules above that do something else.

    A rule above that is a special case is how exceptions are written, and rules that look at different fields are
    put in order on purpose: neither is told. Told are bands of the same kind that run into each other.
    """
    region = ground.regions.get(rule.id)
    if ground.ruleset.hit_policy is not HitPolicy.FIRST or not region or rule.id in ground.behind:
        return
    others: list[Rule] = []
    example = None
    own, does = set(ground.fields[rule.id]), ground.outcomes[rule.id]
    for other in ground.earlier(rule):
        if own != set(ground.fields[other.id]) or ground.outcomes[other.id] == does:
            continue
        common = ground.space.meet(region, ground.regions[other.id])
        if not common or _is_behind(ground, rule, [other]) or _is_behind(ground, other, [rule]):
            continue
        above = ground.earlier(other)
        test = ground.check([rule.id, other.id], (one.id for one in above))
        if ground.space.is_covered(common, ground.union(above), test):
            continue
        if not others:
            fields = ground.fields_of_rules([rule.id, other.id])
            example = ground.space.example(common, ground.union(above), fields, test)
        others.append(other)
        if len(others) == OVERLAPS_AT_MOST:
            break
    if others:
        ids = tuple(other.id for other in others)
        yield Finding(
            FindingKind.OVERLAP,
            Severity.INFORMATION,
            rule.id,
            ids,
            "",
            finding_key(FindingKind.OVERLAP, ground.ruleset, [rule.id, *ids]),
            ground.ruleset.decision,
            example=example,
        )


def gap(ground: Ground) -> Iterator[Finding]:
    """Yield the finding of facts that no rule matches, where the ruleset says what happens otherwise."""
    if not ground.ruleset.otherwise:
        return
    ids = [rule.id for rule in ground.rules]
    covers = ground.union(ground.rules)
    test = ground.check((), ids)
    example = ground.space.example(ground.space.everything, covers, ground.fields_of_rules(ids), test)
    if example is not None:
        yield Finding(
            FindingKind.GAP,
            Severity.INFORMATION,
            OTHERWISE,
            (),
            "",
            finding_key(FindingKind.GAP, ground.ruleset, [OTHERWISE, *ids]),
            ground.ruleset.decision,
            example=example,
        )


def superseded(ground: Ground, rule: Rule) -> Iterator[Finding]:
    """Yield the actions of a rule that other rules make void whenever it matches."""
    if not ground.regions.get(rule.id):
        return
    for action in rule.then:
        if ground.ruleset.decision is Decision.CALLBACKS and action.name == "schedule_callback":
            rivals = _skipping(ground, rule)
        elif action.name in _FIRST_WINS.get(ground.ruleset.decision, ()):
            rivals = _before(ground, rule, action)
        else:
            continue
        if rivals and _is_behind(ground, rule, rivals):
            yield _superseded(ground, rule, action, ground.fewest(rivals, lambda some: _is_behind(ground, rule, some)))


def _is_behind(ground: Ground, rule: Rule, others: Sequence[Rule]) -> bool:
    """Return whether one of these rules matches wherever this one does."""
    test = ground.check([rule.id], (other.id for other in others))
    return ground.space.is_covered(ground.regions[rule.id], ground.union(others), test)


def _hidden(ground: Ground, rule: Rule, kind: FindingKind, found: list[Rule]) -> Finding:
    others = sorted(found, key=lambda one: ground.place[one.id])
    ids = tuple(other.id for other in others)
    is_hidden = kind is FindingKind.HIDDEN
    return Finding(
        kind,
        Severity.WARNING if is_hidden else Severity.INFORMATION,
        rule.id,
        ids,
        "",
        finding_key(kind, ground.ruleset, [rule.id, *ids]),
        ground.ruleset.decision,
        example=_on_both(ground, rule, others[0]),
        fix=_higher(ground, rule, found[-1]) if is_hidden else None,
        waiting=tuple(other.id for other in others if waits(other)),
        is_certain=all(is_certain(other) for other in others),
    )


def _higher(ground: Ground, rule: Rule, other: Rule) -> Fix:
    """Return the move above `other`; where that would only hide `other` instead, the rule is to be switched off."""
    if _is_behind(ground, other, [*ground.earlier(other), rule]):
        return Fix(FixKind.SWITCH_OFF, rule.id)
    return Fix(FixKind.MOVE_ABOVE, rule.id, other=other.id)


def _skipping(ground: Ground, rule: Rule) -> list[Rule]:
    """Return the rules that cancel the calls of this one; a call for which the client asked is never cancelled."""
    if _ASKED_FOR in ground.fields[rule.id]:
        return []
    return [
        other
        for other in ground.rules
        if other is not rule and ground.regions.get(other.id) and any(one.name == "skip" for one in other.then)
    ]


def _before(ground: Ground, rule: Rule, action: Action) -> list[Rule]:
    """Return the rules above with the same action, which wins because it comes first.

    In escalation a rule fires once: an earlier one may have done so long before. Only rules that match at the very
    same times keep each other from acting.
    """
    rivals = [other for other in ground.earlier(rule) if any(one.name == action.name for one in other.then)]
    if ground.ruleset.decision is not Decision.ESCALATION:
        return rivals
    if _repeats(rule):
        return []
    return [
        other
        for other in rivals
        if not _repeats(other) and _is_behind(ground, rule, [other]) and _is_behind(ground, other, [rule])
    ]


def _repeats(rule: Rule) -> bool:
    return any("repeat_every" in action.params for action in rule.then)


def _superseded(ground: Ground, rule: Rule, action: Action, found: list[Rule]) -> Finding:
    others = sorted(found, key=lambda one: ground.place[one.id])
    ids = tuple(other.id for other in others)
    path = action.path.removeprefix(rule.path)
    return Finding(
        FindingKind.SUPERSEDED,
        Severity.WARNING,
        rule.id,
        ids,
        path,
        finding_key(FindingKind.SUPERSEDED, ground.ruleset, [rule.id, *ids], path),
        ground.ruleset.decision,
        example=_on_both(ground, rule, others[0]),
        fix=_sooner(ground, rule, action, found[-1]),
        action=action.name,
    )


def _sooner(ground: Ground, rule: Rule, action: Action, other: Rule) -> Fix | None:
    """Return the move above the rule that wins, unless that one would then never win."""
    is_about_order = ground.ruleset.decision is Decision.CALLBACKS and action.name != "schedule_callback"
    if is_about_order and not _is_behind(ground, other, [*_before(ground, other, action), rule]):
        return Fix(FixKind.MOVE_ABOVE, rule.id, other=other.id)
    return Fix(FixKind.SWITCH_OFF, rule.id) if len(rule.then) == 1 else None


def _on_both(ground: Ground, rule: Rule, other: Rule) -> dict[str, str | bool | int | tuple[str, ...]] | None:
    common = ground.space.meet(ground.regions[rule.id], ground.regions[other.id])
    fields = ground.fields_of_rules([rule.id, other.id])
    return ground.space.example(common, [], fields, ground.check([rule.id, other.id]))
