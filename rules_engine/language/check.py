"""Reading a document: the ruleset it describes, or every error in it, in one pass."""

import json

from rules_engine.language.errors import BadValue, FactsInvalid, RulesetInvalid
from rules_engine.language.kinds import (
    DECISION_LABELS,
    HIT_POLICIES,
    LIMIT_CASES,
    LIMIT_NOTE,
    LIMIT_RULES,
    Decision,
    FieldType,
    HitPolicy,
    Words,
)
from rules_engine.language.model import OTHERWISE, Action, Rule, Ruleset, TestCase
from rules_engine.language.near import near
from rules_engine.language.problems import Problem
from rules_engine.language.read_actions import ActionReader
from rules_engine.language.read_bonus import RESERVED_LINES, WITHOUT_PLAN, read_without_plan
from rules_engine.language.read_conditions import ConditionReader
from rules_engine.language.reading import CODE_LENGTH, Report
from rules_engine.language.references import References
from rules_engine.language.values import parse_facts, parse_type

_KEYS = ("decision", "title", "hit_policy", "rules", "otherwise", "cases")
_RULE_KEYS = ("id", "title", "note", "enabled", "when", "then", "review_on")
_DECISIONS = tuple(decision.value for decision in Decision)


def check(document: object, references: References | None = None) -> tuple[Problem, ...]:
    """Return every error of a document, in reading order; empty for a ruleset that may be published."""
    try:
        read(document, references)
    except RulesetInvalid as invalid:
        return invalid.problems
    return ()


def read(document: object, references: References | None = None) -> Ruleset:
    """Return the ruleset that a parsed JSON document describes. Raises RulesetInvalid with every error.

    Without `references` the names of people, teams, skills and services are not looked up.
    """
    report = Report(references)
    if not isinstance(document, dict):
        raise RulesetInvalid((Problem("not_a_document", ""),))
    report.mapping(document, "", _KEYS)
    decision = _decision(document.get("decision"), report)
    if decision is None:
        # Without the decision nothing else can be judged: each has its own fields and actions.
        raise RulesetInvalid(tuple(report.problems))
    title = report.words(document["title"], "/title") if "title" in document else DECISION_LABELS[decision]
    policy = _hit_policy(document, decision, report)
    actions = ActionReader(report, decision)
    rules = _rules(document.get("rules", []), decision, actions, report)
    otherwise = _otherwise(document, decision, policy, actions, report)
    written = report.list(document.get("cases", []), "/cases", LIMIT_CASES, "too_many_cases")
    ids = _ids(document.get("rules"))
    lines = actions.lines.union(RESERVED_LINES) if decision is Decision.BONUS else None
    cases = tuple(_case(item, f"/cases/{index}", ids, report, lines) for index, item in enumerate(written))
    if report.problems:
        raise RulesetInvalid(tuple(report.problems))
    return Ruleset(
        decision=decision,
        title=title,
        hit_policy=policy,
        rules=rules,
        otherwise=otherwise,
        cases=tuple(case for case in cases if case is not None),
        document=json.dumps(document),
    )


def _decision(value: object, report: Report) -> Decision | None:
    if value is None or value == "":
        report.add("missing_key", "", key="decision")
    elif value in _DECISIONS:
        return Decision(str(value))
    else:
        report.add("unknown_decision", "/decision", value=value, suggestion=near(value, _DECISIONS))
    return None


def _hit_policy(document: dict[str, object], decision: Decision, report: Report) -> HitPolicy:
    expected = HIT_POLICIES[decision]
    if document.get("hit_policy", expected) != expected:
        report.add("wrong_hit_policy", "/hit_policy", expected=expected.value, suggestion=expected.value)
    return expected


def _rules(value: object, decision: Decision, actions: ActionReader, report: Report) -> tuple[Rule, ...]:
    seen: set[str] = set()
    rules = []
    for index, item in enumerate(report.list(value, "/rules", LIMIT_RULES, "too_many_rules")):
        rule = _rule(item, f"/rules/{index}", decision, actions, report, seen)
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _rule(
    value: object, path: str, decision: Decision, actions: ActionReader, report: Report, seen: set[str]
) -> Rule | None:
    row = report.mapping(value, path, _RULE_KEYS)
    if row is None:
        return None
    rule_id = _rule_id(row.get("id"), path, report, seen)
    title = report.words(row["title"], f"{path}/title") if "title" in row else Words(rule_id, rule_id)
    note = report.words(row.get("note", ""), f"{path}/note", LIMIT_NOTE, may_be_empty=True)
    enabled = row.get("enabled", True)
    if not isinstance(enabled, bool):
        report.add("wrong_type", f"{path}/enabled", expected=FieldType.BOOLEAN)
    report.looks_up = enabled is not False
    conditions = ConditionReader(report, decision, path)
    when = conditions.group(row["when"], f"{path}/when") if "when" in row else None
    then: tuple[Action, ...] = ()
    if "then" in row:
        then = actions.actions(row["then"], f"{path}/then", conditions)
    else:
        report.add("no_actions", path)
    report.looks_up = True
    review_on = _review_on(row["review_on"], f"{path}/review_on", report) if "review_on" in row else None
    return Rule(rule_id, title, note, enabled is True, when, then, review_on, path)


def _rule_id(value: object, path: str, report: Report, seen: set[str]) -> str:
    if value is None or value == "":
        report.add("missing_key", path, key="id")
        return ""
    rule_id = report.code(value, f"{path}/id")
    if rule_id is None:
        return ""
    if rule_id == OTHERWISE:
        report.add("reserved_id", f"{path}/id", value=rule_id)
    elif rule_id in seen:
        report.add("duplicate_id", f"{path}/id", value=rule_id)
    seen.add(rule_id)
    return rule_id


def _review_on(value: object, path: str, report: Report) -> int | None:
    if value is None:
        return None
    try:
        day = parse_type(FieldType.DATE, value)
    except BadValue as problem:
        report.bad_value(problem, path)
        return None
    return day if isinstance(day, int) else None


def _otherwise(
    document: dict[str, object],
    decision: Decision,
    policy: HitPolicy,
    actions: ActionReader,
    report: Report,
) -> tuple[Action, ...]:
    value = document.get("otherwise")
    if value is None or (value == [] and policy is HitPolicy.COLLECT):
        if policy is HitPolicy.FIRST:
            report.add("missing_otherwise", "")
        return ()
    if value == []:
        report.add("missing_otherwise", "/otherwise")
        return ()
    return actions.actions(value, "/otherwise", ConditionReader(report, decision, "/otherwise"))


def _ids(rules: object) -> frozenset[str]:
    """Return every id that a test case may name, bad rules included: one error at a time is enough."""
    if not isinstance(rules, list):
        return frozenset({OTHERWISE})
    named = (rule.get("id") for rule in rules[:LIMIT_RULES] if isinstance(rule, dict))
    return frozenset(name for name in named if isinstance(name, str)) | {OTHERWISE}


def _case(
    value: object, path: str, ids: frozenset[str], report: Report, lines: frozenset[str] | None
) -> TestCase | None:
    """Return a test case; `lines` are those that a bonus statement can have, None for the other decisions."""
    row = report.mapping(value, path, ("title", "facts", "expect"))
    if row is None:
        return None
    title = report.words(row["title"], f"{path}/title") if "title" in row else Words("", "")
    facts = {}
    without_plan: frozenset[str] = frozenset()
    given = row.get("facts")
    try:
        if lines is not None and isinstance(given, dict):
            without_plan = read_without_plan(given, f"{path}/facts")
            given = {key: fact for key, fact in given.items() if key != WITHOUT_PLAN}
        facts = parse_facts(given, f"{path}/facts")
    except FactsInvalid as invalid:
        report.problems.extend(invalid.problems)
    keys = ("fired",) if lines is None else ("fired", "lines", "total")
    expect = report.mapping(row.get("expect"), f"{path}/expect", keys)
    if expect is None:
        return None
    if "fired" not in expect:
        report.add("missing_key", f"{path}/expect", key="fired")
        return None
    fired = []
    place = f"{path}/expect/fired"
    for index, name in enumerate(report.list(expect["fired"], place, LIMIT_RULES)):
        rule_id = report.text(name, f"{place}/{index}", CODE_LENGTH)
        if rule_id is None:
            continue
        if rule_id not in ids:
            report.add("unknown_rule", f"{place}/{index}", value=rule_id, suggestion=near(rule_id, ids))
        fired.append(rule_id)
    if lines is None:
        return TestCase(title, facts, tuple(fired), path)
    total = _minor(expect["total"], f"{path}/expect/total", report) if "total" in expect else None
    paid = _paid(expect.get("lines", {}), f"{path}/expect/lines", lines, report)
    return TestCase(title, facts, tuple(fired), path, paid, total, without_plan)


def _paid(value: object, path: str, lines: frozenset[str], report: Report) -> dict[str, int]:
    """Return what each named line must pay, in kopecks."""
    paid = {}
    for name, amount in (report.mapping(value, path, lines) or {}).items():
        minor = _minor(amount, f"{path}/{name}", report)
        if minor is not None:
            paid[name] = minor
    return paid


def _minor(value: object, path: str, report: Report) -> int | None:
    try:
        minor = parse_type(FieldType.MONEY, value)
    except BadValue as problem:
        report.bad_value(problem, path)
        return None
    return minor if isinstance(minor, int) else None
