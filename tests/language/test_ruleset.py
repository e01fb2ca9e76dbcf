"""A ruleset goes to JSON and back unchanged, and no document whatever brings the reader down."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.ruleset import content_hash, parse, parse_text, to_json
from tests.examples import few
from tests.language import generate
from tests.language.documents import assignment, bonus, escalation


class TestRoundTrip:
    @given(generate.rulesets())
    def test_what_was_read_is_written_as_it_was(self, document: Any) -> None:
        ruleset = parse(document)
        assert to_json(ruleset) == document
        assert parse(to_json(ruleset)) == ruleset

    def test_the_document_cannot_be_changed_behind_the_ruleset(self) -> None:
        document = assignment()
        ruleset = parse(document)
        document["rules"].clear()
        to_json(ruleset)["rules"].clear()
        assert to_json(ruleset) == assignment()


class TestContentHash:
    def test_order_of_keys_does_not_count_and_order_of_rules_does(self) -> None:
        document = assignment()
        document["rules"].append({**document["rules"][0], "id": "second"})
        turned = dict(reversed(document.items()))
        moved = {**document, "rules": document["rules"][::-1]}
        assert content_hash(turned) == content_hash(document) != content_hash(moved)
        assert re.fullmatch("[0-9a-f]{64}", content_hash(document))

    def test_any_text_can_be_hashed(self) -> None:
        assert content_hash({"note": "\ud800"}) != content_hash({"note": "\ud801"})

    @pytest.mark.parametrize("document", [{"a": float("nan")}, {"a": {1, 2}}, {"a": b"x"}])
    def test_what_is_no_json_is_refused(self, document: Any) -> None:
        with pytest.raises(RulesetInvalid):
            content_hash(document)


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_VALID = [
    assignment(),
    escalation({"action": "reassign", "to": {"pool": "everyone"}, "among": {"all": []}}),
    bonus(
        {
            "action": "pay_tiers",
            "line": "a",
            "of": "measure.revenue",
            "by": "measure.revenue",
            "mode": "slab",
            "tiers": [],
        },
        {"action": "gate", "lines": ["a"], "all": [{}]},
        {"action": "pay_curve", "line": "a", "amount": "1", "by": "measure.revenue", "nodes": [[]], "above": {}},
    ),
]


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [path, *(place for key in keys for place in _places(node[key], (*path, key)))]


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """A document that was valid, or nearly, with anything at all put in up to three places."""
    document = json.loads(json.dumps(draw(st.sampled_from(_VALID))))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(_places(document)))
        if not place:
            return draw(_anything)
        node = document
        for step in place[:-1]:
            node = node[step]
        node[place[-1]] = draw(_anything)
    return document


@settings(max_examples=few(350), deadline=None)
@given(spoiled() | _anything)
def test_a_bad_document_gives_problems_and_never_anything_else(document: Any) -> None:
    try:
        ruleset = parse(document)
    except RulesetInvalid as invalid:
        assert invalid.problems
        for problem in invalid.problems:
            assert problem.path == "" or problem.path.startswith("/")
            assert problem.message("ru")
            assert problem.message("en")
            assert "\n" not in problem.message("ru")
        return
    assert to_json(ruleset) == document


@pytest.mark.parametrize("open_, close", [("[", "]"), ('{"all":[', "]}"), ('{"x":', "}")])
@pytest.mark.parametrize("where", ["/", "/rules", "when", "value", "then", "facts", "title"])
def test_nesting_without_end_is_an_ordinary_error(open_: str, close: str, where: str) -> None:
    depth = 100_000
    deep: Any = None
    for _ in range(depth):
        deep = [deep] if open_ == "[" else {"all": [deep]} if "all" in open_ else {"x": deep}
    document = assignment()
    rule = document["rules"][0]
    match where:
        case "/":
            document = deep
        case "/rules":
            document["rules"] = deep
        case "value":
            rule["when"]["all"][0]["value"] = deep
        case "facts":
            document["cases"][0]["facts"] = deep
        case _:
            rule[where] = deep
    with pytest.raises(RulesetInvalid):
        parse(document)
    with pytest.raises(RulesetInvalid):
        content_hash(document)
    with pytest.raises(RulesetInvalid):
        parse_text(open_ * depth + "1" + close * depth)


@pytest.mark.parametrize("text", ["", "{", "null", b"\xff\xfe\x00", "[1,]", '{"decision": NaN}'])
def test_a_text_that_is_no_ruleset_is_an_ordinary_error(text: str | bytes) -> None:
    with pytest.raises(RulesetInvalid) as refused:
        parse_text(text)
    assert refused.value.message("ru")
