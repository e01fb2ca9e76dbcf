"""Compile a ruleset with durable_rules in a throw-away process first: a ruleset that hangs or crashes C ends there."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import rules_engine
from rules_engine.language.engines.durable import DurableEngine, available
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.errors import LanguageError
from rules_engine.language.model import Condition, Group, Ruleset
from rules_engine.language.ruleset import parse_text
from rules_engine.language.values import Canonical

_ROOT = Path(rules_engine.__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class TrialResult:
    """`usable`: the ruleset may be given to durable_rules in a working process; `detail` says why not."""

    usable: bool
    detail: str


def trial_compile(ruleset: Ruleset, timeout_seconds: float = 10.0) -> TrialResult:
    """Return whether durable_rules takes the ruleset and answers like native on probing facts.

    Starts a Python process of its own (about a quarter of a second) and ends it at the timeout.
    """
    if not available():
        return TrialResult(False, "durable_rules cannot be imported")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rules_engine.language.engines.trial"],
            input=ruleset.document.encode("ascii"),
            capture_output=True,
            timeout=timeout_seconds,
            cwd=_ROOT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TrialResult(False, f"no answer within {timeout_seconds:g} s")
    if done.returncode == 0:
        return TrialResult(True, "")
    words = done.stderr.decode(errors="replace").strip().splitlines()
    return TrialResult(False, words[-1] if words else f"the process ended with {done.returncode}")


def probes(ruleset: Ruleset) -> Iterator[dict[str, Canonical]]:
    """Yield facts that make many conditions true at once: none, each test case, each rule's own values, all values."""
    yield {}
    everything: dict[str, Canonical] = {}
    for case in ruleset.cases:
        yield dict(case.facts)
    for rule in ruleset.rules:
        if rule.when is not None:
            wanted = _values(rule.when)
            everything |= wanted
            yield wanted
    yield everything


def _values(group: Group) -> dict[str, Canonical]:
    return {condition.field: value for condition in group.conditions() for value in _value(condition)}


def _value(condition: Condition) -> Iterator[Canonical]:
    value = condition.value
    if isinstance(value, str | int):
        yield value
    elif isinstance(value, tuple) and isinstance(value[0], int):
        yield value[0]


def _main() -> int:
    ruleset = parse_text(sys.stdin.read())
    native, durable = NativeEngine(ruleset), DurableEngine(ruleset)
    for facts in probes(ruleset):
        if durable.matching(facts) != native.matching(facts):
            sys.stderr.write("durable_rules and native differ on a probe\n")
            return 1
    durable.close()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(_main())
    except LanguageError as problem:
        sys.exit(problem.message("en"))
