"""The impact of a draft of callbacks: which clients would have been called when, beside what each manager can make.

Both rulesets are played on the same recorded payments, contacts and requests. How calls are spread over the days by the
daily portion is left out: a week says how many there are to make.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_plan import CallbackPlan
from rules_engine.decisions.impact_callbacks import Courses
from rules_engine.decisions.instants import to_us
from rules_engine.language.kinds import MovedBy
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Client, UtcDateTime
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.impact.parts import NO_END, Budget, Json, Question, Slice, add_to, shares, titles_of
from rules_engine.services.impact.past_calls import PastCalls, PlannedCall, week_of
from rules_engine.services.impact.past_clients import PastClients
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows

_BATCH: Final = 50
_NOT_KEPT: Final = frozenset(
    key for key, field in FIELDS.items() if key.startswith("manager.") and field.moved_by is MovedBy.WITH_OTHERS
)


class CallbacksImpact:
    """Compares the calls that the rules in force and the draft would have planned."""

    def total(self, session: Session, question: Question) -> int:
        return session.scalar(_COUNT, {"until": question.until}) or 0

    def beginnings(self, session: Session, question: Question, parts: int) -> list[Json]:
        every = {"until": question.until, "after": 0, "last": NO_END, "most": NO_END}
        return [_beginning(cursor) for cursor in shares([row.id for row in rows(session, _NEXT, every)], parts)]

    def step(self, session: Session, question: Question, state: Json, budget: Budget) -> Slice:
        state = json.loads(json.dumps(state))
        picture = reference(session)
        past = PastCalls(session, picture, PastClients(session, picture), to_us(question.since), to_us(question.until))
        courses = Courses(question.live_rules, question.draft_rules)
        done = 0
        changes: list[Json] = []
        while budget.allows(done):
            after, last = state["cursor"]
            here = {"until": question.until, "after": after, "last": last, "most": budget.batch(_BATCH)}
            ids = [row.id for row in rows(session, _NEXT, here)]
            if not ids:
                return Slice(state, done, True, changes)
            clients = past.read(ids)
            for client_id in ids:
                if not budget.allows(done):
                    break
                before, then = past.planned(clients[client_id], courses)
                changes += _compare(picture, state, client_id, before, then)
                state["cursor"][0] = client_id
                done += 1
        return Slice(state, done, False, changes)

    def result(self, session: Session, question: Question, state: Json) -> Json:
        picture = reference(session)
        weeks = _weeks(picture, question, state["people"])
        plans = {
            "live": CallbackPlan.of(question.live_rules),
            "draft": CallbackPlan.of(question.draft_rules),
        }
        return {
            "sample": state["sample"],
            "changed": state["changed"],
            "calls": state["calls"],
            "left_out": {
                side: [one.rule.id for one in plan.rules if not _fields(one).isdisjoint(_NOT_KEPT)]
                for side, plan in plans.items()
            },
            "weeks": weeks,
            "people": [
                {
                    "manager": int(id_) if id_ else None,
                    "weeks": of_weeks,
                    "capacity": _capacity(session, picture, int(id_), weeks) if id_ else {},
                }
                for id_, of_weeks in sorted(state["people"].items(), key=lambda item: int(item[0] or 0))
            ],
            "occasions": state["occasions"],
            "rules": state["rules"],
            "titles": titles_of(question.live, question.draft),
        }


def _beginning(cursor: list[int]) -> Json:
    return {
        "cursor": cursor,
        "sample": 0,
        "changed": 0,
        "calls": [0, 0],
        "people": {},
        "occasions": {},
        "rules": {},
    }


def _compare(
    picture: Reference, state: Json, client_id: int, live: Sequence[PlannedCall], draft: Sequence[PlannedCall]
) -> list[Json]:
    state["sample"] += 1
    for side, calls in enumerate((live, draft)):
        for call in calls:
            state["calls"][side] += 1
            add_to(state["occasions"], call.occasion, side)
            add_to(state["rules"], call.rule, side)
            person = "" if call.manager_id is None else str(call.manager_id)
            add_to(state["people"].setdefault(person, {}), week_of(picture, call.from_us), side)
    before = {(call.occasion, call.cause, call.cycle): call for call in live}
    then = {(call.occasion, call.cause, call.cycle): call for call in draft}
    changes: list[Json] = []
    for key in dict.fromkeys((*before, *then)):
        one, other = before.get(key), then.get(key)
        if one is not None and other is not None and (one.from_us, one.rule) == (other.from_us, other.rule):
            continue
        shown = other or one
        if shown is None:
            continue
        changes.append(
            {
                "client": client_id,
                "manager": shown.manager_id,
                "occasion": key[0],
                "live": one.from_us if one else None,
                "draft": other.from_us if other else None,
                "live_rule": one.rule if one else None,
                "draft_rule": other.rule if other else None,
            }
        )
    state["changed"] += bool(changes)
    return changes


def _weeks(picture: Reference, question: Question, people: Json) -> list[str]:
    """Return the Mondays of the weeks that the days touch, and on to the last call: some are planned far ahead."""
    monday = date.fromisoformat(week_of(picture, to_us(question.since)))
    planned = (week for of_weeks in people.values() for week in of_weeks)
    last = date.fromisoformat(max((week_of(picture, to_us(question.until)), *planned)))
    found = []
    while monday <= last:
        found.append(monday.isoformat())
        monday += timedelta(weeks=1)
    return found


def _capacity(session: Session, picture: Reference, manager_id: int, weeks: Sequence[str]) -> dict[str, int]:
    """Return how many calls a manager can make in each week: his daily portion, times the days he works."""
    one = picture.managers.get(manager_id)
    if one is None:
        return {}
    portion = settings_store.number(session, settings_store.CALLS_PER_DAY)
    daily = -(-portion * one.weight.numerator // one.weight.denominator)
    found = {}
    for week in weeks:
        monday = date.fromisoformat(week)
        days = (monday + timedelta(days=place) for place in range(7))
        found[week] = daily * sum(1 for day in days if one.presence.day_windows(day))
    return found


def _fields(planned: Any) -> frozenset[str]:
    return (
        frozenset(condition.field for condition in planned.rule.when.conditions()) if planned.rule.when else frozenset()
    )


_COUNT: Final = select(func.count(Client.id)).where(Client.created_at < bindparam("until", type_=UtcDateTime()))
_NEXT: Final = (
    select(Client.id)
    .where(
        Client.created_at < bindparam("until", type_=UtcDateTime()),
        Client.id > bindparam("after"),
        Client.id <= bindparam("last"),
    )
    .order_by(Client.id)
    .limit(bindparam("most"))
)
