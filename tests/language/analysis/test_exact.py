"""The analysis against plain enumeration: what it says is so, what it does not say is not."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.language.analysis import Analysis, Finding, FindingKind, FixKind, analyse, fixed
from rules_engine.language.analysis.order import OVERLAPS_AT_MOST
from rules_engine.language.engines.native import NativeEngine, compile_group
from rules_engine.language.model import OTHERWISE
from rules_engine.language.ruleset import parse
from rules_engine.language.values import Facts, parse_facts
from tests.examples import few
from tests.language import generate
from tests.language.analysis import claims, small

Json = dict[str, Any]
TODAY = date(2026, 11, 23)


@settings(max_examples=few(20), deadline=None)
@given(small.rulesets())
def test_every_claim_and_every_silence_is_right(document: Json) -> None:
    ruleset = parse(document)
    analysis = analyse(ruleset, today=TODAY, budget_seconds=60)
    assert analysis.unchecked == ()
    for finding in analysis.findings:
        claims.prove(document, ruleset, finding)
    assert len({finding.key for finding in analysis.findings}) == len(analysis.findings)
    Oracle(document, analysis).judge()


@settings(max_examples=few(10), deadline=None)
@given(st.data())
def test_every_finding_of_a_wide_ruleset_holds_on_its_example_and_on_others(data: st.DataObject) -> None:
    document = data.draw(generate.rulesets(depth=2))
    ruleset = parse(document)
    findings = analyse(ruleset, today=TODAY, budget_seconds=60).findings
    others = [parse_facts(data.draw(generate.facts_for(document))) for _ in range(3 if findings else 0)]
    for finding in findings:
        claims.prove(document, ruleset, finding)
        for facts in others:
            claims.keep(document, ruleset, finding, facts)
        for lang in ("ru", "en"):
            assert finding.message(lang, {})
            assert finding.fix is None or finding.fix.message(lang, {})


class Oracle:
    """All facts with the rules that match them; rules in order, those switched off left out."""

    def __init__(self, document: Json, analysis: Analysis) -> None:
        self.document = document
        self.analysis = analysis
        self.facts = list(small.all_facts(document))
        self.matching = self.matching_of(document)
        self.rules = [rule for rule in document["rules"] if rule["enabled"]]

    def matching_of(self, document: Json) -> list[tuple[str, ...]]:
        engine = NativeEngine(parse(document))
        return [engine.matching(facts) for facts in self.facts]

    def judge(self) -> None:
        assert bool(self.found(FindingKind.GAP)) is (() in self.matching)
        for place, rule in enumerate(self.rules):
            name = rule["id"]
            matches = [matching for matching in self.matching if name in matching]
            contradictions = [one for one in self.found(FindingKind.CONTRADICTION, name) if "/when" in one.path]
            assert bool(contradictions) is (not matches), name
            if matches:
                is_behind = self.judge_order(place, name, matches)
                self.judge_conditions(place, rule, is_behind)
        self.judge_fixes()

    def judge_order(self, place: int, name: str, matches: list[tuple[str, ...]]) -> bool:
        firm = {rule["id"] for rule in self.rules[:place] if is_firm(rule)}
        hidden, reserve = self.found(FindingKind.HIDDEN, name), self.found(FindingKind.RESERVE, name)
        never_first = all(matching[0] != name for matching in matches)
        assert bool(hidden) is all(firm & set(matching[: matching.index(name)]) for matching in matches), name
        assert bool(hidden or reserve) is never_first, name
        for finding in (*hidden, *reserve):
            assert all(set(finding.others) & set(matching[: matching.index(name)]) for matching in matches)
            for one in finding.others:
                left = set(finding.others) - {one}
                assert any(not left & set(matching) for matching in matches), "more rules are named than needed"
        if not never_first:
            self.judge_overlaps(place, name)
        return never_first

    def judge_overlaps(self, place: int, name: str) -> None:
        own = self.rules[place]
        expected = []
        for other in self.rules[:place]:
            first, second = self.where(name), self.where(other["id"])
            reached = any(m and m[0] == other["id"] and name in m for m in self.matching)
            apart = other["then"] != own["then"] and small.used(other["when"]) == small.used(own["when"])
            if apart and reached and not first <= second and not second <= first:
                expected.append(other["id"])
        told = [one for finding in self.found(FindingKind.OVERLAP, name) for one in finding.others]
        assert told == expected[:OVERLAPS_AT_MOST]

    def judge_conditions(self, place: int, rule: Json, is_behind: bool) -> None:
        name = rule["id"]
        told = [one for one in self.found(FindingKind.REDUNDANT, name) if "/when" in one.path]
        alone = [one for one in told if not one.others]
        every = self.document
        # From the last one back, so that the places of the others stay what they are.
        for finding in sorted(alone, key=lambda one: one.path, reverse=True):
            assert finding.fix is not None
            assert self.matching_of(fixed(self.document, finding.fix)) == self.matching
            every = fixed(every, finding.fix)
        if alone:
            assert self.matching_of(every) == self.matching
        firm = {one["id"] for one in self.rules[:place] if is_firm(one)}
        said = {one.path for one in told}
        for path in leaves(rule["when"], "/when"):
            left = self.fits_without(rule, path)
            changed = [
                set(matching)
                for facts, matching in zip(self.facts, self.matching, strict=True)
                if (name in matching) is not left(facts)
            ]
            if not alone:
                assert changed, path
                assert (path in said) <= (not is_behind)
            for finding in told:
                if finding.path == path and finding.others:
                    assert all(set(finding.others) & matching for matching in changed)
            is_near = any(path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in said)
            if path not in said and not alone and not is_behind and not is_near:
                assert any(not firm & matching for matching in changed), path

    def judge_fixes(self) -> None:
        for finding in self.analysis.findings:
            if finding.fix is None or "/among" in finding.path:
                continue
            mended = fixed(self.document, finding.fix)
            parse(mended)
            after = self.matching_of(mended)
            if finding.fix.kind is FixKind.MOVE_ABOVE:
                firm = {rule["id"] for rule in self.rules if is_firm(rule)}
                acts = [matching[: matching.index(finding.rule)] for matching in after if finding.rule in matching]
                assert any(firm.isdisjoint(above) for above in acts)
            elif finding.fix.kind is FixKind.JOIN_CONDITIONS:
                assert any(finding.rule in matching for matching in after)
            elif finding.kind is not FindingKind.REDUNDANT:
                assert self.first_acts(self.document, self.matching) == self.first_acts(mended, after)

    def first_acts(self, document: Json, matching: list[tuple[str, ...]]) -> list[Any]:
        acts = {rule["id"]: rule["then"] for rule in document["rules"]} | {OTHERWISE: document["otherwise"]}
        return [acts[rules[0] if rules else OTHERWISE] for rules in matching]

    def fits_without(self, rule: Json, path: str) -> Callable[[Facts], bool]:
        left = deepcopy(rule)
        remove(left, path.split("/")[1:])
        when = parse({**self.document, "rules": [left]}).rules[0].when
        return compile_group(when) if when else lambda facts: True

    def where(self, name: str) -> set[int]:
        return {place for place, matching in enumerate(self.matching) if name in matching}

    def found(self, kind: FindingKind, name: str | None = None) -> list[Finding]:
        return [one for one in self.analysis.findings if one.kind is kind and name in (None, one.rule)]


def leaves(group: Json, path: str) -> Iterator[str]:
    for mode, items in group.items():
        for index, item in enumerate(items):
            place = f"{path}/{mode}/{index}"
            if "field" in item:
                yield place
            else:
                yield from leaves(item, place)


def remove(holder: Any, steps: list[str]) -> None:
    """Remove a node and every list and group that is left empty."""
    if len(steps) > 1:
        step: Any = int(steps[0]) if isinstance(holder, list) else steps[0]
        remove(holder[step], steps[1:])
        if holder[step] in ([], {}):
            del holder[step]
    else:
        del holder[int(steps[0]) if isinstance(holder, list) else steps[0]]


def is_firm(rule: Json) -> bool:
    action = rule["then"][0]
    return action["action"] == "leave_unassigned" or (action["to"]["pool"] != "owner" and "among" not in action)
