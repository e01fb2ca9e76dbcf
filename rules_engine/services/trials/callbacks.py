"""Trying rules of callbacks: whether a client would be called, on which occasion and when. Nothing is written.

A client is seen as he stands now. The rules are asked for each event that happened to him lately and for none, as a
look does; for one event alone where `event.name` is typed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.decisions.callback_outcome import Cause, CauseKind
from rules_engine.decisions.callbacks import decide_callbacks
from rules_engine.decisions.instants import DAY_US, to_us
from rules_engine.language.cases import fired
from rules_engine.language.spelling import Spellings, joined, of_values
from rules_engine.language.values import Canonical, Facts, parse_facts
from rules_engine.models import Client
from rules_engine.services.callbacks import callbacks
from rules_engine.services.callbacks.people import Callers
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.trying import (
    RuleVerdict,
    Trial,
    Typed,
    looked_at,
    ready,
    verdicts_of,
    with_typed,
)
from rules_engine.services.facts import spellings
from rules_engine.services.facts.callbacks import SeenClient, see_clients
from rules_engine.services.facts.requests import see
from rules_engine.services.records import settings_store
from rules_engine.services.rules import occasions
from rules_engine.services.trials.requests import new_request

EVENT: Final = "event.name"
DUE: Final = "due"
_CAUSES: Final[Mapping[str, CauseKind]] = {
    "client.days_since_last_payment": CauseKind.PAYMENT,
    "client.payments_count": CauseKind.PAYMENT,
    "client.expected_need_in_days": CauseKind.PAYMENT,
    "client.refusal_reason": CauseKind.REFUSAL,
    "client.days_since_last_contact": CauseKind.CONTACT,
    "client.last_outcome": CauseKind.CONTACT,
    "client.contract_ends_in_days": CauseKind.CONTRACT,
    "client.asked_to_call_on": CauseKind.PROMISE,
}
"""What a typed value says that there is: a payment, a refusal, a contract."""
_OF_EVENT: Final[Mapping[str, CauseKind]] = {
    "payment": CauseKind.PAYMENT,
    "request_lost": CauseKind.REFUSAL,
    "contact": CauseKind.CONTACT,
}


@dataclass(frozen=True, slots=True)
class ClientGround:
    """On what rules are tried: the client as he is seen, and the events for which the rules are asked.

    `facts` are those of the first event, as a test case keeps them.
    """

    session: Session
    now: datetime
    seen: SeenClient
    events: tuple[str, ...]
    spellings: Spellings

    @property
    def facts(self) -> Facts:
        return {key: value for key, value in self.seen.facts_on(self.events[0]).items() if value is not None}

    def run(self, body: Body) -> Trial:
        """Return what a body of rules does; of an unfinished draft, what its finished rules do."""
        made = ready(body)
        matching = {rule for name in self.events for rule in made.engine.matching(self.seen.facts_on(name))}
        ordered = [rule.id for rule in made.ruleset.rules if rule.id in matching]
        picture = reference(self.session)
        read = callbacks.Readings(
            self.now,
            picture.token,
            Callers(self.session, picture, self.now),
            {code: one.is_offer for code, one in occasions.catalogue(self.session).items() if one.is_active},
        )
        now = callbacks.situation_of(self.session, picture, self.seen, read, self.now)
        outcome = decide_callbacks(made.ruleset, ordered, now)
        return Trial(tuple(ordered) or fired(made.ruleset, ()), self._verdicts(body, ordered), outcome)

    def fired_on(self, body: Body) -> tuple[str, ...]:
        """Return what a test case on these facts would expect."""
        made = ready(body)
        return fired(made.ruleset, made.engine.matching(self.facts))

    def _verdicts(self, body: Body, acting: Collection[str]) -> tuple[RuleVerdict, ...]:
        """Return the verdicts of the event on which a rule comes furthest."""
        made = ready(body)
        found: list[RuleVerdict] = []
        for name in self.events:
            facts = {key: value for key, value in self.seen.facts_on(name).items() if value is not None}
            verdicts = verdicts_of(made, body, facts, acting)
            if not found:
                found = list(verdicts)
                continue
            for place, (before, after) in enumerate(zip(found, verdicts, strict=True)):
                if not before.matched and _is_about_the_event(before) and not _is_about_the_event(after):
                    found[place] = after
        return tuple(found)


def ground(
    session: Session, client: Client | None, bodies: Collection[Body], now: datetime, typed: Typed | None = None
) -> ClientGround:
    """Return what these bodies are tried on; `client` None: one of whom nothing is known. Raises FactsInvalid."""
    typed = typed or {}
    fields = {*looked_at(bodies), EVENT}
    picture = reference(session)
    days = settings_store.number(session, settings_store.CALL_FREQUENCY_DAYS)
    if client is not None:
        seen = see_clients(session, picture, [client.id], now, fields, frequency_days=days)[client.id]
    else:
        found = see(session, [new_request(now)], now, {key for key in fields if key.startswith("now.")})[0]
        year = picture.day_of(now).year
        begun = picture.start_of_day(date(year, 1, 1))
        seen = SeenClient(
            0, found.facts, found.clocks, None, None, (DUE,), {CauseKind.YEAR: Cause(f"year:{year}", to_us(begun))}
        )
    events = seen.events
    if typed.get(EVENT):
        events = (str(parse_facts({EVENT: typed[EVENT]})[EVENT]),)
    over = {key: value for key, value in typed.items() if key != EVENT}
    if over or typed.get(EVENT):
        facts = with_typed({key: value for key, value in seen.facts.items() if value is not None}, over)
        seen = replace(
            seen,
            facts=facts,
            causes=_causes(seen, facts, over, events, to_us(now)),
            promised_us=_promised(session, seen, facts, over),
        )
        if "client.owner" in over:
            owner = picture.by_login(str(over["client.owner"] or ""))
            seen = replace(seen, owner_id=owner.id if owner else None, cover_id=None)
    return ClientGround(session, now, seen, events, joined(of_values(typed), spellings.of_client(client)))


def _causes(
    seen: SeenClient, facts: Facts, over: Typed, events: Collection[str], now_us: int
) -> Mapping[CauseKind, Cause]:
    """Return the causes that there are, with those of typed values and of a typed event; such a cause is a new one."""
    causes = dict(seen.causes)
    for key, kind in _CAUSES.items():
        if key not in over:
            continue
        if key not in facts:
            causes.pop(kind, None)
            continue
        ago = facts[key] if key.startswith("client.days_since_") else 0
        causes[kind] = Cause(f"{kind}:typed", now_us - (ago if isinstance(ago, int) else 0) * DAY_US)
    for event in events:
        kind_of = _OF_EVENT.get(event)
        if kind_of is not None:
            causes.setdefault(kind_of, Cause(f"{kind_of}:typed", now_us))
    return causes


def _promised(session: Session, seen: SeenClient, facts: Mapping[str, Canonical], over: Typed) -> int | None:
    if "client.asked_to_call_on" not in over:
        return seen.promised_us
    day = facts.get("client.asked_to_call_on")
    if not isinstance(day, int):
        return None
    return to_us(reference(session).start_of_day(date.fromordinal(day)))


def _is_about_the_event(verdict: RuleVerdict) -> bool:
    return verdict.failed is not None and verdict.failed.field == EVENT
