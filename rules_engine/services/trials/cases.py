"""Test cases of a ruleset: edits of them, whether they hold, which rules they reach. Functions of documents."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rules_engine.errors import NotFound
from rules_engine.language.errors import BadValue, FactsInvalid
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import OTHERWISE
from rules_engine.language.read_bonus import WITHOUT_PLAN
from rules_engine.language.values import parse_type
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.drafts.body import Body, Edit, Node, rule_ids
from rules_engine.services.drafts.trying import looked_at, ready
from rules_engine.services.trials import trials


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which enabled rules some case reaches, in the order of the rules; `otherwise` counts as one of them."""

    reached: tuple[str, ...]
    missed: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.reached) + len(self.missed)


@dataclass(frozen=True, slots=True)
class Judged:
    """A case as it stands on a body. `now` is what happens on its facts, None where they cannot be read (`problem`).

    `number` is its place, counted from 0. `gone` are rules that it expects and that the body has no more.
    """

    number: int
    case: Mapping[str, Any]
    now: Mapping[str, Any] | None
    passed: bool
    gone: tuple[str, ...] = ()
    problem: FactsInvalid | None = None


def judge(body: Body) -> list[Judged]:
    """Return every case with what the finished rules of a body do on its facts, in order.

    The same as `decisions.bonus_cases.run_cases`, also while the body is unfinished.
    """
    made = ready(body)
    found = []
    for number, case in enumerate(body.get("cases", [])):
        gone = tuple(unknown_rules(body, case))
        try:
            now = trials.expectation_of(made, case.get("facts") or {})
        except FactsInvalid as invalid:
            found.append(Judged(number, case, None, False, gone, invalid))
            continue
        found.append(Judged(number, case, now, not gone and holds(case.get("expect") or {}, now), gone))
    return found


def holds(expect: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether an expectation holds: the same rules, and of a bonus every amount that is named."""
    if list(expect.get("fired") or ()) != list(now["fired"]):
        return False
    if "total" in expect and minor(expect["total"]) != minor(now.get("total", "0")):
        return False
    paid = now.get("lines", {})
    return all(minor(amount) == minor(paid.get(name, "0")) for name, amount in (expect.get("lines") or {}).items())


def minor(text: object) -> int | None:
    """Return an amount of a case in kopecks, None where it is none."""
    try:
        found = parse_type(FieldType.MONEY, text)
    except BadValue:
        return None
    return found if isinstance(found, int) else None


def add_case(title: str, lang: str, facts: Mapping[str, Any], expect: Mapping[str, Any]) -> Edit:
    """Add a case at the end; `expect` holds `fired`, and of a bonus `lines` and `total`."""

    def edit(body: Body) -> Body:
        made = {"title": {lang: title}, "facts": dict(facts), "expect": dict(expect)}
        body.setdefault("cases", []).append(copy.deepcopy(made))
        return body

    return _on_copy(edit)


def rename_case(index: int, lang: str, title: str) -> Edit:
    """Set the title in one language; the other stays."""

    def edit(case: Node) -> None:
        present = case.get("title")
        if isinstance(present, dict):
            case["title"] = {**present, lang: title}
        elif present != title:
            other = "en" if lang == "ru" else "ru"
            case["title"] = {lang: title} | ({other: present} if present else {})

    return _within(index, edit)


def set_facts(index: int, facts: Mapping[str, Any]) -> Edit:
    """Change what a case is about; what it expects stays."""

    def edit(case: Node) -> None:
        case["facts"] = dict(facts)

    return _within(index, edit)


def expect(index: int, answer: Mapping[str, Any]) -> Edit:
    """Make an answer the expectation of a case: `fired`, and of a bonus `lines` and `total`."""

    def edit(case: Node) -> None:
        case["expect"] = copy.deepcopy(dict(answer))

    return _within(index, edit)


def expect_now(body: Body) -> Body:
    """Return the body with what happens now as the expectation of every case that does not hold and can be read."""
    made = copy.deepcopy(body)
    for one in judge(body):
        if not one.passed and one.now is not None:
            made["cases"][one.number]["expect"] = dict(one.now)
    return made


def remove_case(index: int) -> Edit:
    def edit(body: Body) -> Body:
        _case(body, index)
        del body["cases"][index]
        return body

    return _on_copy(edit)


def fields_of_case(body: Body, case: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields of the form for a case: those that the rules look at, and those that it has itself."""
    own = {key for key in case.get("facts") or {} if key in FIELDS and key != WITHOUT_PLAN}
    return looked_at([body]) | own


def coverage(body: Body, judged: Iterable[Judged]) -> Coverage:
    """Return which rules really act in some case, and which in none."""
    acting = {rule for one in judged if one.now for rule in one.now["fired"]}
    ids = [str(rule.get("id", "")) for rule in body.get("rules", []) if rule.get("enabled", True) is True]
    if body.get("otherwise"):
        ids.append(OTHERWISE)
    return Coverage(
        tuple(rule for rule in ids if rule in acting),
        tuple(rule for rule in ids if rule not in acting),
    )


def unknown_rules(body: Body, case: Mapping[str, Any]) -> list[str]:
    """Return the rules that a case expects and that are gone."""
    known = {*rule_ids(body), OTHERWISE}
    return [str(rule) for rule in (case.get("expect") or {}).get("fired") or () if rule not in known]


def _on_copy(edit: Edit) -> Edit:
    return lambda body: edit(copy.deepcopy(body))


def _within(index: int, edit: Callable[[Node], None]) -> Edit:
    def whole(body: Body) -> Body:
        edit(_case(body, index))
        return body

    return _on_copy(whole)


def _case(body: Body, index: int) -> Node:
    try:
        case: Node = body["cases"][index]
    except (KeyError, IndexError):
        raise NotFound(what=f"case {index}") from None
    return case
