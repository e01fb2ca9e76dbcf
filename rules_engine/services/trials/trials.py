"""One door to trying rules of any decision: what is picked, what is typed over it, and what a test case keeps of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_cases import paid
from rules_engine.decisions.bonus_measures import read_measures
from rules_engine.decisions.money import format_amount
from rules_engine.language.cases import fired
from rules_engine.language.errors import FactsInvalid
from rules_engine.language.kinds import Decision
from rules_engine.language.spelling import Spellings, spelt_facts
from rules_engine.language.values import Facts, dump_facts, parse_facts
from rules_engine.models import Callback, Client, Request
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.trying import Ready, Trial, Typed, looked_at, ready
from rules_engine.services.measures.month import month_named
from rules_engine.services.trials import bonus, callbacks, escalation, requests

KINDS: Mapping[Decision, tuple[str, ...]] = {
    Decision.ASSIGNMENT: ("request",),
    Decision.ESCALATION: ("request", "call"),
    Decision.CALLBACKS: ("client",),
    Decision.BONUS: ("month",),
}
"""What rules of a decision can be tried on; typed values besides."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was picked: `request`, `call`, `client`, `month` (of a manager); with kind "" nothing, all is typed."""

    kind: str = ""
    id: int = 0
    month: str = ""

    @classmethod
    def read(cls, text: str) -> "Subject":
        """Return the subject that `str` wrote; one without a kind for anything else.

        >>> Subject.read("month:3:2026-10"), Subject.read("nonsense").kind
        (Subject(kind='month', id=3, month='2026-10'), '')
        """
        kind, _, rest = text.partition(":")
        number, _, month = rest.partition(":")
        if not number.isdecimal() or len(number) > 15:
            return cls()
        return cls(kind, int(number), month[:7])

    def __str__(self) -> str:
        return ":".join(part for part in (self.kind, str(self.id) if self.kind else "", self.month) if part)


class Ground(Protocol):
    """On what bodies of rules are tried. `spellings`: how the texts among the facts were written."""

    @property
    def facts(self) -> Facts: ...

    @property
    def spellings(self) -> Spellings: ...

    def run(self, body: Body) -> Trial: ...

    def fired_on(self, body: Body) -> tuple[str, ...]: ...


def prepare(
    session: Session,
    decision: Decision,
    subject: Subject,
    typed: Typed,
    bodies: Collection[Body],
    now: datetime,
) -> Ground | None:
    """Return what these bodies are tried on; None where what was picked is not there or not of this decision.

    Raises FactsInvalid for typed values of a wrong type, InputError for what is no month.
    """
    if subject.kind and subject.kind not in KINDS[decision]:
        return None
    if decision is Decision.BONUS:
        if not subject.kind:
            return bonus.ground(session, None, "", bodies, now, typed)
        if subject.id not in reference(session).managers:
            return None
        return bonus.ground(session, subject.id, month_named(session, subject.month).text, bodies, now, typed)
    if decision is Decision.CALLBACKS:
        client = session.get(Client, subject.id) if subject.kind else None
        return None if subject.kind and client is None else callbacks.ground(session, client, bodies, now, typed)
    if subject.kind == "call" or (not subject.kind and typed.get("item.kind") == "callback"):
        call = session.get(Callback, subject.id) if subject.kind else None
        if subject.kind and call is None:
            return None
        return escalation.ground_of_call(session, call, bodies, now, typed)
    request = session.get(Request, subject.id) if subject.kind else None
    if subject.kind and request is None:
        return None
    if decision is Decision.ESCALATION:
        return escalation.ground_of_request(session, request, bodies, now, typed)
    return requests.ground(session, request, bodies, now, typed)


def values(on: Ground) -> dict[str, object]:
    """Return the values of a ground in JSON form by field: what a form of typed values begins with."""
    if isinstance(on, bonus.MonthGround):
        return {key: bonus.json_value(key, value) for key, value in on.measures.items()}
    return spelt_facts(dump_facts(on.facts), on.spellings)


def case_facts(on: Ground, bodies: Collection[Body]) -> dict[str, object]:
    """Return the facts as a test case keeps them."""
    if isinstance(on, bonus.MonthGround):
        return bonus.case_facts(on, looked_at(bodies))
    return spelt_facts(dump_facts(on.facts), on.spellings)


def expectation(body: Body, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a test case on these facts (JSON) expects: what the finished rules of a body do with them now.

    `fired`, and for a bonus `lines` and `total` as decimal text. Raises FactsInvalid.
    """
    return expectation_of(ready(body), facts)


def expectation_of(made: Ready, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `expectation` does, of a body that is ready."""
    if made.ruleset.decision is not Decision.BONUS:
        return {"fired": list(fired(made.ruleset, made.engine.matching(parse_facts(facts))))}
    given = read_measures(facts)
    ids = fired(made.ruleset, made.engine.matching(given.facts))
    found = paid(compute(made.ruleset, ids, given.measures, without_plan=given.without_plan))
    return {
        "fired": list(ids),
        "lines": {name: format_amount(amount) for name, amount in found.lines.items()},
        "total": format_amount(found.total),
    }


def check_facts(decision: Decision, facts: Mapping[str, Any]) -> FactsInvalid | None:
    """Return what is wrong with the facts of a test case, None where they can be used."""
    try:
        if decision is Decision.BONUS:
            read_measures(facts)
        else:
            parse_facts(facts)
    except FactsInvalid as invalid:
        return invalid
    return None
