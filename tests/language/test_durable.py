"""durable_rules inside its guards: limits, forks, threads, memory, failures, and the verdict of native above it."""

import os
import threading
from typing import Any

import psutil
import pytest

from rules_engine.language.engines import durable
from rules_engine.language.engines.base import Facts
from rules_engine.language.engines.durable import DurableEngine, available
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.engines.trial import probes, trial_compile
from rules_engine.language.engines.verified import Incident, IncidentKind, VerifiedEngine
from rules_engine.language.errors import EngineFailure
from rules_engine.language.model import Ruleset
from rules_engine.language.ruleset import parse
from rules_engine.language.values import parse_facts

pytestmark = pytest.mark.skipif(not available(), reason="durable_rules cannot be imported in this Python")

Json = dict[str, Any]


def escalation(*whens: Json | None) -> Ruleset:
    then = [{"action": "mark_late"}]
    rules = [{"id": f"r{index}", "then": then} | ({"when": when} if when else {}) for index, when in enumerate(whens)]
    return parse({"decision": "escalation", "hit_policy": "collect", "rules": rules})


def amount(op: str, value: Any) -> Json:
    return {"field": "request.amount", "op": op, "value": value}


class TestLimits:
    def test_five_hundred_rules_on_one_condition_are_sharded(self) -> None:
        ruleset = escalation(*[{"all": [amount("ge", "1")]}] * 500)
        engine = DurableEngine(ruleset)
        try:
            assert engine.shard_count == 9
            assert engine.native_only == ()
            assert engine.matching({"request.amount": 100}) == tuple(f"r{index}" for index in range(500))
            assert engine.matching({"request.amount": 99}) == ()
        finally:
            engine.close()

    def test_sixty_conditions_all_true_in_one_rule(self) -> None:
        conditions = [amount("is_not", str(number)) for number in range(60)]
        ruleset = escalation({"all": conditions}, {"none": conditions}, {"any": conditions})
        engine = DurableEngine(ruleset)
        try:
            for facts in ({"request.amount": -5}, {"request.amount": 500}, {}):
                assert engine.matching(facts) == NativeEngine(ruleset).matching(facts)
        finally:
            engine.close()

    def test_branches_that_multiply_stay_native(self) -> None:
        any_ = {"any": [amount("ge", str(number)) for number in range(4)]}
        ruleset = escalation({"all": [any_] * 10}, {"all": [any_]})
        engine = DurableEngine(ruleset)
        try:
            assert engine.native_only == ("r0",)
            assert engine.matching({"request.amount": 10_000}) == ("r0", "r1")
        finally:
            engine.close()

    def test_more_groups_than_the_extension_takes_are_computed_here(self) -> None:
        pairs = [{"field": "request.amount", "op": "between", "value": [str(low), "100"]} for low in range(20)]
        ruleset = escalation({"none": pairs}, {"all": pairs})
        engine = DurableEngine(ruleset)
        try:
            assert engine.native_only == ()
            for facts in ({"request.amount": 2_000}, {"request.amount": 10_000}, {"request.amount": 500}, {}):
                assert engine.matching(facts) == NativeEngine(ruleset).matching(facts)
        finally:
            engine.close()

    def test_an_empty_right_field_is_false_although_the_extension_says_true(self) -> None:
        other = {"field": "request.expected_value"}
        ruleset = escalation(*[{"all": [amount(op, other)]} for op in ("is", "is_not", "lt", "le", "gt", "ge")])
        engine = DurableEngine(ruleset)
        try:
            assert engine.matching({"request.amount": 5}) == ()
            assert engine.matching({"request.amount": 5, "request.expected_value": 5}) == ("r0", "r3", "r5")
        finally:
            engine.close()

    @pytest.mark.parametrize(
        "text", ['"', "\\", "\\u0000", "{}", "\u2028", "😀", "x" * 200_000, "\ud800", "~all", "$m"]
    )
    def test_no_text_reaches_the_extension(self, text: str) -> None:
        ruleset = escalation(
            {"all": [{"field": "request.region", "op": "is_not", "value": "москва"}]},
            {"all": [{"field": "request.region", "op": "is", "value": '"\\{$m'}]},
        )
        engine = DurableEngine(ruleset)
        try:
            assert engine.matching({"request.region": text}) == ("r0",)
            assert engine.matching({"request.region": '"\\{$m'}) == ("r0", "r1")
        finally:
            engine.close()


class TestProcess:
    def test_a_child_process_builds_its_own_handles(self) -> None:
        engine = DurableEngine(escalation({"all": [amount("ge", "1")]}))
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            answer = engine.matching({"request.amount": 100})
            os.write(write, ",".join(answer).encode())
            os._exit(0)
        os.close(write)
        assert os.read(read, 100) == b"r0"
        assert os.waitpid(child, 0)[1] == 0
        os.close(read)
        assert engine.matching({"request.amount": 100}) == ("r0",)
        engine.close()

    def test_threads_share_a_handle(self) -> None:
        ruleset = escalation(*[{"all": [amount("ge", str(number))]} for number in range(50)])
        engine, native = DurableEngine(ruleset), NativeEngine(ruleset)
        wrong: list[int] = []

        def ask(start: int) -> None:
            for number in range(start, start + 300):
                facts = {"request.amount": number * 10}
                if engine.matching(facts) != native.matching(facts):
                    wrong.append(number)

        threads = [threading.Thread(target=ask, args=(start,)) for start in (0, 100, 200, 300)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        engine.close()
        assert wrong == []

    def test_memory_stays_flat_over_questions_and_new_rulesets(self) -> None:
        ruleset = escalation(*[{"all": [amount("ge", str(number))]} for number in range(30)])

        def work(rounds: int) -> int:
            for _ in range(rounds):
                engine = DurableEngine(ruleset)
                for number in range(100):
                    engine.matching({"request.amount": number * 100})
                engine.close()
            return int(psutil.Process().memory_info().rss)

        before = work(20)
        assert work(100) - before < 4_000_000

    def test_a_closed_engine_opens_again_when_asked(self) -> None:
        engine = DurableEngine(escalation(None))
        engine.close()
        assert engine.matching({}) == ("r0",)
        engine.close()


class _Broken:
    """The C extension with one function that fails, as it does when its buffers overflow."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.failures = 1

    def __getattr__(self, name: str) -> Any:
        real = getattr(durable._kernel, name)

        def call(*arguments: Any) -> Any:
            if name == self._name and self.failures:
                self.failures -= 1
                raise RuntimeError("Could not start action, error code: 201")
            return real(*arguments)

        return call


class TestFailures:
    @pytest.mark.parametrize("function", ["assert_fact", "start_action_for_state", "retract_fact"])
    def test_a_failing_handle_is_dropped_and_built_anew(self, function: str) -> None:
        engine = DurableEngine(escalation(None))
        engine._kernel = _Broken(function)
        engine.close()
        with pytest.raises(EngineFailure) as failure:
            engine.matching({})
        assert "error code: 201" in failure.value.message("ru")
        assert engine.matching({}) == ("r0",)
        engine.close()

    def test_native_decides_where_the_extension_fails_and_the_failure_is_reported(self) -> None:
        incidents: list[Incident] = []
        engine = VerifiedEngine(escalation({"all": [amount("ge", "1")]}), incidents.append)
        inner = engine._durable
        assert inner is not None
        inner._kernel = _Broken("start_action_for_state")
        inner.close()
        facts = {"request.amount": 100}
        assert engine.matching(facts) == ("r0",)
        assert [(one.kind, one.native, one.durable, one.facts) for one in incidents] == [
            (IncidentKind.FAILURE, ("r0",), None, facts)
        ]
        assert engine.matching(facts) == ("r0",)
        assert len(incidents) == 1
        engine.close()

    def test_native_decides_where_the_engines_differ_and_the_difference_is_reported(self) -> None:
        class _Silent(DurableEngine):
            def matching(self, facts: Facts) -> tuple[str, ...]:
                return ()

        incidents: list[Incident] = []
        ruleset = escalation(None)
        engine = VerifiedEngine(ruleset, incidents.append)
        engine.close()
        engine._durable = _Silent(ruleset)
        assert engine.matching({}) == ("r0",)
        assert [(one.kind, one.native, one.durable) for one in incidents] == [(IncidentKind.DIFFERENCE, ("r0",), ())]
        engine.close()

    def test_engines_that_agree_report_nothing(self) -> None:
        incidents: list[Incident] = []
        ruleset = escalation({"all": [amount("ge", "1")]}, None)
        engine = VerifiedEngine(ruleset, incidents.append)
        for facts in probes(ruleset):
            engine.matching(facts)
        assert (incidents, engine.native_alone, engine.native_only) == ([], False, ())
        engine.close()


class TestTrial:
    def test_a_good_ruleset_passes(self) -> None:
        assert trial_compile(escalation({"all": [amount("ge", "1")]}, None)).usable

    def test_a_process_that_does_not_answer_is_ended(self) -> None:
        result = trial_compile(escalation(None), timeout_seconds=0.001)
        assert not result.usable
        assert "0.001 s" in result.detail

    def test_probes_fill_the_fields_that_rules_look_at(self) -> None:
        ruleset = escalation({"all": [amount("ge", "1"), {"field": "request.region", "op": "is", "value": "Орёл"}]})
        assert {"request.amount": 100, "request.region": "орёл"} in list(probes(ruleset))
        assert parse_facts({"request.region": "Орёл"}) == {"request.region": "орёл"}
