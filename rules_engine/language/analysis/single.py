"""Findings that one rule alone is enough for: past its review, written for one person."""

from collections.abc import Iterator
from datetime import date

from rules_engine.language.analysis.finding import Finding, FindingKind, Severity, finding_key
from rules_engine.language.analysis.fixes import Fix, FixKind
from rules_engine.language.kinds import ReferenceKind
from rules_engine.language.model import Condition, Group, Mode, Rule, Ruleset
from rules_engine.language.vocabulary import FIELDS

_MONTHS_AHEAD = 6


def inside(rule: Rule, path: str) -> str:
    """Return a pointer into the document as a pointer inside the rule."""
    return path.removeprefix(rule.path)


def review(ruleset: Ruleset, rule: Rule, today: date) -> Finding | None:
    """Return the finding of a rule that was to be looked at again by today."""
    if rule.review_on is None or rule.review_on > today.toordinal():
        return None
    on = date.fromordinal(rule.review_on)
    return Finding(
        FindingKind.REVIEW,
        Severity.WARNING,
        rule.id,
        (),
        "/review_on",
        finding_key(FindingKind.REVIEW, ruleset, [rule.id], on.isoformat()),
        ruleset.decision,
        fix=Fix(FixKind.SET_REVIEW, rule.id, on=_later(today)),
        on=on,
    )


def named_person(ruleset: Ruleset, rule: Rule) -> Finding | None:
    """Return the finding of a rule that is for one named person; its `example` is still to be found."""
    found = next(_persons(rule), None)
    if found is None:
        return None
    person, path = found
    return Finding(
        FindingKind.NAMED_PERSON,
        Severity.WARNING,
        rule.id,
        (),
        inside(rule, path),
        finding_key(FindingKind.NAMED_PERSON, ruleset, [rule.id]),
        ruleset.decision,
        person=person,
    )


def _persons(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield login and place of each person without whom the rule would not act."""
    if rule.when is not None:
        yield from _required(rule.when)
    for action in rule.then:
        pools = action.pools("to")
        if len(pools) == 1 and pools[0].name == "manager" and pools[0].argument:
            yield pools[0].argument, pools[0].path
        among = action.group("among")
        if among is not None:
            yield from _required(among)


def _required(group: Group) -> Iterator[tuple[str, str]]:
    if group.mode is not Mode.ALL and (group.mode is Mode.NONE or len(group.items) > 1):
        return
    for item in group.items:
        if isinstance(item, Group):
            yield from _required(item)
        elif (login := _one_person(item)) is not None:
            yield login, item.path


def _one_person(condition: Condition) -> str | None:
    if FIELDS[condition.field].reference is not ReferenceKind.MANAGER:
        return None
    value = condition.value
    if condition.op == "is" and isinstance(value, str):
        return value
    if condition.op == "in" and isinstance(value, frozenset) and len(value) == 1:
        return str(next(iter(value)))
    return None


def _later(today: date) -> date:
    years, month = divmod(today.month - 1 + _MONTHS_AHEAD, 12)
    # The 31st has no twin in every month; the first of the next one would do as well, this is simply shorter.
    return date(today.year + years, month + 1, min(today.day, 28))
