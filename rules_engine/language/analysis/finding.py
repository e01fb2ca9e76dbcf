"""What an analysis answers: findings, each with facts that prove it, and what was left unchecked."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from rules_engine.language.analysis import words
from rules_engine.language.analysis.fixes import Fix
from rules_engine.language.kinds import Decision, Words
from rules_engine.language.model import OTHERWISE, Condition, Group, Rule, Ruleset
from rules_engine.language.references import References
from rules_engine.language.shown import show
from rules_engine.language.spelling import Spellings, spelt
from rules_engine.language.values import Facts
from rules_engine.language.vocabulary import FIELDS


class FindingKind(StrEnum):
    """What is odd. The comment says what `example` proves; None where no facts can."""

    CONTRADICTION = "contradiction"
    """No facts meet the conditions at `places`: nothing can prove it but the conditions themselves."""
    HIDDEN = "hidden"
    """The rule matches, and so does the first of `others`, which stands above it; wherever it matches one of
    `others` does. They are passed over only when nobody at all can take what they give."""
    RESERVE = "reserve"
    """As HIDDEN; but one of `others` gives to one person, or to those of a group who meet conditions, and is
    passed over whenever none of them can."""
    SUPERSEDED = "superseded"
    """The rule matches, and so does the first of `others`, which makes the action at `path` void; wherever the
    rule matches one of `others` does."""
    OVERLAP = "overlap"
    """The rule matches, and so does the first of `others`, which stands above it and does something else."""
    GAP = "gap"
    """No enabled rule matches."""
    REDUNDANT = "redundant"
    """The rule matches, with the condition at `path` and without it. With `others`: only one of the two is so, and
    the first of `others`, which stands above it, matches too. In `among`: facts of a candidate who fits."""
    MERGEABLE = "mergeable"
    """Either this rule or the first of `others` matches, not both; the joined rule does."""
    REVIEW = "review"
    """None."""
    NAMED_PERSON = "named_person"
    """The rule matches."""
    CLIFF = "cliff"
    """Bonus, as all that follow: one small step pays far more. The example stands behind the step."""
    FALLING_PAY = "falling_pay"
    """More of a measure pays less. The example stands where it pays less."""
    FLAT_END = "flat_end"
    """From some value on more pays nothing. The example stands behind it."""
    RATE_ABOVE_ALL = "rate_above_all"
    PAID_TWICE = "paid_twice"
    SUBSTITUTION = "substitution"
    TIER_UNREACHED = "tier_unreached"
    GATE_CLOSED = "gate_closed"
    GATE_OPEN = "gate_open"
    UNPAID_WORK = "unpaid_work"


class Severity(StrEnum):
    WARNING = "warning"
    """To be mended, or accepted with a reason, before publishing."""
    INFORMATION = "information"


class WhyUnchecked(StrEnum):
    TIME = "time"
    TOO_WIDE = "too_wide"
    """Its conditions make more combinations than are looked at."""
    NOT_EXACT = "not_exact"
    """It compares texts or lists with each other, which is not followed exactly."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `rule` is an id, `otherwise` where it concerns what no rule catches.

    `path` is a JSON pointer inside the rule, as edits name places ("" is the whole rule); `places` are all of
    them where several belong together. `others` are ids of other rules concerned. `example` are canonical facts
    that prove it (see FindingKind). `key` stays the same until one of the rules concerned changes.
    `said` is a sentence made elsewhere, for findings whose words hold more than conditions.
    """

    kind: FindingKind
    severity: Severity
    rule: str
    others: tuple[str, ...]
    path: str
    key: str
    decision: Decision
    example: Facts | None = None
    fix: Fix | None = None
    places: tuple[str, ...] = ()
    conditions: tuple[Condition | Group, ...] = ()
    action: str = ""
    person: str = ""
    on: date | None = None
    waiting: tuple[str, ...] = ()
    """Those of `others` that wait for an absent person instead of being passed over."""
    is_certain: bool = False
    """None of `others` is ever passed over."""
    said: Words | None = None

    def message(self, lang: str, titles: Mapping[str, str], names: References | None = None) -> str:
        """Return the sentence. `titles` says how the page calls each rule, for example “2” or “2 «Name»”."""
        if self.said is not None:
            return self.said.text(lang)
        return words.sentence(
            self.kind.value,
            lang,
            decision=self.decision,
            others=[titles.get(rule, rule) for rule in self.others],
            conditions=self.conditions,
            names=names,
            action=self.action,
            person=self.person,
            on=self.on,
            waiting=[titles.get(rule, rule) for rule in self.waiting],
            in_among="/among" in self.path,
            is_certain=self.is_certain,
        )

    def example_words(
        self, lang: str, names: References | None = None, spellings: Spellings | None = None
    ) -> tuple[tuple[str, str], ...]:
        """Return the example as pairs of the field's label and its value in words; empty without an example.

        `spellings` are those of the rules: the texts of examples come from them.
        """
        return tuple(
            (FIELDS[key].label.text(lang), show(FIELDS[key], spelt(key, value, spellings or {}), lang, names=names))
            for key, value in (self.example or {}).items()
        )


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A rule (or `otherwise`) of which not everything was checked, and why."""

    rule: str
    why: WhyUnchecked

    def message(self, lang: str, titles: Mapping[str, str]) -> str:
        return words.unchecked(self.why.value, lang, _names([self], titles))


@dataclass(frozen=True, slots=True)
class Analysis:
    """Findings in the order of the rules; `unchecked` is empty when everything was checked exactly."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.unchecked


def unchecked_lines(unchecked: Iterable[Unchecked], lang: str, titles: Mapping[str, str]) -> tuple[str, ...]:
    """Return what was not fully checked in as few sentences as there are reasons."""
    by_reason: dict[WhyUnchecked, list[Unchecked]] = {}
    for one in unchecked:
        by_reason.setdefault(one.why, []).append(one)
    lines = []
    for why, group in by_reason.items():
        rules = _names(group, titles)
        lines.append(words.unchecked(why.value, lang, rules))
        if rules and len(rules) < len(group):
            lines.append(words.unchecked(why.value, lang, ()))
    return tuple(lines)


def finding_key(kind: FindingKind, ruleset: Ruleset, rules: Iterable[str], detail: str = "") -> str:
    """Return a key that stays while conditions and actions of these rules do: titles, notes and places may change.

    `detail` tells apart several findings of one kind about the same rules.
    """
    told = [(rule_id, _content(ruleset, rule_id)) for rule_id in rules]
    text = json.dumps([kind.value, detail, told], sort_keys=True, ensure_ascii=False)
    subject = told[0][0] if told else ""
    return f"{kind.value}:{subject}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _names(unchecked: Iterable[Unchecked], titles: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(titles.get(one.rule, one.rule) for one in unchecked if one.rule != OTHERWISE)


def _content(ruleset: Ruleset, rule_id: str) -> object:
    if rule_id == OTHERWISE:
        return [action.written for action in ruleset.otherwise]
    rule: Rule | None = ruleset.rule(rule_id)
    if rule is None:
        return None
    return [_written(rule.when) if rule.when else None, [action.written for action in rule.then]]


def _written(item: Condition | Group) -> object:
    if isinstance(item, Condition):
        return [item.field, item.op, item.written]
    return [item.mode.value, [_written(member) for member in item.items]]
