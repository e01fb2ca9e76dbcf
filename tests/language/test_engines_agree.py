"""Native, durable and a naive evaluator must give one answer, whatever the rules and facts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.language.engines.durable import DurableEngine, available
from rules_engine.language.engines.native import NativeEngine, compile_group
from rules_engine.language.ruleset import parse
from rules_engine.language.values import parse_facts
from tests.examples import few
from tests.language import generate, naive

needs_durable = pytest.mark.skipif(not available(), reason="durable_rules cannot be imported in this Python")


@settings(max_examples=few(90), deadline=None)
@given(st.data())
def test_native_and_naive_agree_and_the_explanation_fits(data: st.DataObject) -> None:
    document = data.draw(generate.rulesets())
    ruleset = parse(document)
    engine = NativeEngine(ruleset)
    for _ in range(3):
        raw = data.draw(generate.facts_for(document))
        facts = parse_facts(raw)
        answer = engine.matching(facts)
        assert answer == naive.matching(document, raw)
        traces = engine.explain(facts)
        assert tuple(trace.rule_id for trace in traces if trace.matched) == answer
        for trace in traces:
            assert trace.matched == (trace.first_failed is None)
        for rule in ruleset.rules:
            if rule.enabled and rule.when is not None:
                assert compile_group(rule.when)(facts) == (rule.id in answer)


@settings(max_examples=few(90), deadline=None)
@given(st.data())
def test_the_condition_named_by_the_explanation_did_fail(data: st.DataObject) -> None:
    document = data.draw(generate.rulesets())
    raw = data.draw(generate.facts_for(document))
    for trace in NativeEngine(parse(document)).explain(parse_facts(raw)):
        failed = trace.first_failed
        if failed is None:
            continue
        node = document
        for step in failed.path.split("/")[1:]:
            node = node[int(step)] if isinstance(node, list) else node[step]
        assert (node["field"], node["op"], node.get("value")) == (failed.field, failed.op, failed.value)
        assert naive.condition(node, raw) is failed.unwanted


@needs_durable
@settings(max_examples=few(90), deadline=None)
@given(st.data())
def test_durable_gives_the_same_answer(data: st.DataObject) -> None:
    document = data.draw(generate.rulesets())
    ruleset = parse(document)
    native, durable = NativeEngine(ruleset), DurableEngine(ruleset)
    try:
        for _ in range(3):
            raw = data.draw(generate.facts_for(document))
            facts = parse_facts(raw)
            assert durable.matching(facts) == native.matching(facts) == naive.matching(document, raw)
    finally:
        durable.close()
