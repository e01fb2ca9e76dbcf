"""A ruleset tried on facts from a file: `pravila decide`, test cases, "try it" on typed values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rules_engine.decisions.assignment import AssignmentOutcome, decide
from rules_engine.decisions.callbacks import lasting_calls
from rules_engine.decisions.effects import Effect
from rules_engine.decisions.escalation import lasting
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.errors import InputError
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import Decision, HitPolicy
from rules_engine.language.model import OTHERWISE, Ruleset
from rules_engine.language.values import Facts, parse_facts


@dataclass(frozen=True, slots=True)
class Trial:
    """What would act. `outcome` is there only where the facts named candidates.

    `passed_over` holds the ids of matching rules that nobody could carry out.
    """

    fired: tuple[str, ...]
    effects: tuple[Effect, ...]
    passed_over: tuple[str, ...] = ()
    outcome: AssignmentOutcome | None = None

    @property
    def is_otherwise(self) -> bool:
        return self.fired == (OTHERWISE,)


def decide_from_facts(ruleset: Ruleset, document: Mapping[str, Any], matching: Sequence[str] | None = None) -> Trial:
    """Return which rules act on one flat object of facts in JSON form, and their effects.

    The object may hold "candidates", each with a "login" and `candidate.` facts; without them every pool is
    taken to have one. `matching` are the ids an engine found; without it native is asked. Raises FactsInvalid
    for unknown fields and wrong types, InputError for candidates that are not such a list.
    """
    facts = parse_facts({key: value for key, value in document.items() if key != "candidates"})
    if matching is None:
        matching = NativeEngine(ruleset).matching(facts)
    candidates = document.get("candidates")
    if candidates is not None and ruleset.hit_policy is HitPolicy.FIRST:
        outcome = decide(ruleset, matching, roster_from_facts(candidates, facts))
        passed = tuple(item.rule for item in outcome.passed_over)
        return Trial(outcome.fired, outcome.effects, passed, outcome)
    fired = tuple(matching[:1] if ruleset.hit_policy is HitPolicy.FIRST else matching)
    if not fired and ruleset.otherwise:
        fired = (OTHERWISE,)
    effects = tuple(Effect.of(action, rule) for rule in fired for action in ruleset.actions_of(rule))
    if ruleset.decision is Decision.CALLBACKS:
        return Trial(fired, lasting_calls(ruleset, effects))
    return Trial(fired, lasting(effects) if ruleset.decision is Decision.ESCALATION else effects)


def roster_from_facts(candidates: object, facts: Facts) -> Roster:
    """Return the roster that a facts file describes; ids are places in its list, beginning with 1.

    The owner is whoever `client.owner` names, absent where `owner.is_absent` says so. Entitlements are equal;
    a given `candidate.shortfall` is taken as it is.
    """
    if not isinstance(candidates, list):
        raise InputError(path="candidates", ru="нужен список", en="a list is needed")
    owner_login = facts.get("client.owner")
    found: dict[int, Candidate] = {}
    known: dict[int, Facts] = {}
    for number, item in enumerate(candidates, 1):
        path = f"candidates/{number - 1}"
        login = item.get("login") if isinstance(item, Mapping) else None
        if not isinstance(login, str) or not login:
            raise InputError(path=f"{path}/login", ru="нужен логин", en="a login is needed")
        own = parse_facts({key: value for key, value in item.items() if key != "login"}, path)
        own.setdefault("candidate.name", login)
        known[number] = own
        is_owner = login == owner_login
        found[number] = Candidate(
            number,
            login,
            team=_text(own, "candidate.team"),
            skills=frozenset(_texts(own, "candidate.skills")),
            count=_number(own, "candidate.received_this_month"),
            open_requests=_number(own, "candidate.open_requests"),
            received_today=_number(own, "candidate.received_today"),
            is_absent=is_owner and facts.get("owner.is_absent") is True,
            given_shortfall=(
                Fraction(_number(own, "candidate.shortfall"), 10_000) if "candidate.shortfall" in own else None
            ),
        )
    return Roster(
        found,
        owner=next((n for n, candidate in found.items() if candidate.login == owner_login), None),
        duty=frozenset(n for n, own in known.items() if own.get("candidate.is_on_duty") is True),
        facts_of=known.__getitem__,
    )


def _number(facts: Facts, key: str) -> int:
    value = facts.get(key, 0)
    return value if isinstance(value, int) else 0


def _text(facts: Facts, key: str) -> str | None:
    value = facts.get(key)
    return value if isinstance(value, str) else None


def _texts(facts: Facts, key: str) -> tuple[str, ...]:
    value = facts.get(key, ())
    return value if isinstance(value, tuple) else ()
