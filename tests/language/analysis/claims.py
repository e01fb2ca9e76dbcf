"""What each finding claims of its example, tried on the reference engine."""

from typing import Any

from rules_engine.language.analysis import Finding, FindingKind, fixed
from rules_engine.language.engines.native import NativeEngine, compile_group
from rules_engine.language.model import OTHERWISE, Ruleset
from rules_engine.language.ruleset import parse
from rules_engine.language.thresholds import fields_used
from rules_engine.language.values import Facts, dump_facts, parse_facts
from rules_engine.language.vocabulary import FIELDS

Json = dict[str, Any]
WITHOUT_EXAMPLE = (FindingKind.CONTRADICTION, FindingKind.REVIEW)


def prove(document: Json, ruleset: Ruleset, finding: Finding) -> None:
    """Fail unless the example shows what the finding says."""
    example = finding.example
    if finding.kind in WITHOUT_EXAMPLE:
        assert example is None
        return
    assert example is not None
    assert parse_facts(dump_facts(example)) == example
    if "/among" in finding.path:
        _prove_in_among(document, ruleset, finding, example)
        return
    matching = NativeEngine(ruleset).matching(example)
    match finding.kind:
        case FindingKind.GAP:
            assert matching == ()
        case FindingKind.NAMED_PERSON:
            assert finding.rule in matching
        case FindingKind.HIDDEN | FindingKind.RESERVE:
            assert matching.index(finding.others[0]) < matching.index(finding.rule)
        case FindingKind.SUPERSEDED:
            assert {finding.rule, finding.others[0]} <= set(matching)
        case FindingKind.OVERLAP:
            assert matching[0] == finding.others[0]
            assert finding.rule in matching
            assert ruleset.actions_of(finding.rule) != ruleset.actions_of(finding.others[0])
        case FindingKind.MERGEABLE:
            assert finding.fix is not None
            joined = NativeEngine(parse(fixed(document, finding.fix)))
            assert len({finding.rule, finding.others[0]} & set(matching)) == 1
            assert finding.others[0] in joined.matching(example)
        case FindingKind.REDUNDANT:
            is_matched = finding.rule in matching
            would_match = finding.rule in _without(document, finding).matching(example)
            if finding.others:
                assert is_matched is not would_match
                assert finding.others[0] in matching
            else:
                assert is_matched
                assert would_match


def keep(document: Json, ruleset: Ruleset, finding: Finding, facts: Facts) -> None:
    """Fail if any facts speak against what the finding says of all of them."""
    if "/among" in finding.path or not _is_possible(ruleset, facts):
        return
    matching = NativeEngine(ruleset).matching(facts)
    match finding.kind:
        case FindingKind.CONTRADICTION:
            assert finding.rule not in matching
        case FindingKind.MERGEABLE:
            assert finding.fix is not None
            joined = NativeEngine(parse(fixed(document, finding.fix))).matching(facts)
            assert not {finding.rule, finding.others[0]} <= set(matching)
            assert (finding.others[0] in joined) is bool({finding.rule, finding.others[0]} & set(matching))
        case FindingKind.REDUNDANT:
            assert (finding.rule in matching) is (finding.rule in _without(document, finding).matching(facts))


def _is_possible(ruleset: Ruleset, facts: Facts) -> bool:
    """Return whether the product could come to such facts: what is always filled is, and choices are those declared."""
    for field in (FIELDS[key] for key in fields_used(ruleset)):
        value = facts.get(field.key)
        if value is None and not field.can_be_empty:
            return False
        declared = {choice.value for choice in field.choices}
        if value is not None and declared and field.reference is None and value not in declared:
            return False
    return True


def _without(document: Json, finding: Finding) -> NativeEngine:
    assert finding.fix is not None
    return NativeEngine(parse(fixed(document, finding.fix)))


def _prove_in_among(document: Json, ruleset: Ruleset, finding: Finding, example: Facts) -> None:
    if finding.rule == OTHERWISE:
        return
    assert finding.fix is not None
    index = int(finding.path.split("/")[2])
    for version in (ruleset, parse(fixed(document, finding.fix))):
        group = version.actions_of(finding.rule)[index].group()
        assert group is None or compile_group(group)(example)
