"""Stepping minute by minute and jumping from wake to wake give the same effects at the same instants.

The world: random working weeks with lunch, weekends and changes of clock; random rules; answers, status changes
and absences at whole minutes, a holder who has the client on the line, warnings before transfers. The stepping driver
evaluates at every minute, whatever `next_wake` says.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules_engine.decisions.escalation import Situation, decide_escalation
from rules_engine.decisions.escalation_plan import EscalationPlan, Fired, next_wake
from rules_engine.decisions.escalation_warning import TransferWarning, transfer_warning, wake_for
from rules_engine.decisions.instants import MINUTE_US, from_us, to_us
from rules_engine.decisions.request_clocks import RequestClocks, RequestTimes
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.language.ruleset import parse
from tests.examples import few

MINUTES = 3 * 1440
STEPS = 10
ON_THE_LINE = 15

lengths = st.integers(0, 700)


def condition(name: str, op: str, value: object) -> dict[str, Any]:
    return {"field": name, "op": op, "value": value}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.integers(0, 11))
    if kind <= 3:
        name = draw(st.sampled_from(["received", "assigned", "activity"]))
        clock = draw(st.sampled_from([f"since_{name}", "without_answer"]))
        low = draw(lengths)
        op = draw(st.sampled_from(["ge", "gt", "lt", "le", "is", "between"]))
        return condition(
            f"request.working_minutes_{clock}", op, [low, low + draw(st.integers(1, 300))] if op == "between" else low
        )
    if kind <= 5:
        share = str(draw(st.integers(0, 40)) * 25)
        return condition("request.answer_used_pct", draw(st.sampled_from(["ge", "lt", "gt"])), share)
    days = draw(st.integers(0, 3))
    choices: list[dict[str, Any]] = [
        condition("request.is_past_answer_time", "is", draw(st.booleans())),
        condition(
            draw(st.sampled_from(["request.waiting_client_days", "request.working_days_open"])),
            draw(st.sampled_from(["ge", "le"])),
            days,
        ),
        condition("now.hour", draw(st.sampled_from(["ge", "lt"])), draw(st.integers(0, 23))),
        condition("now.weekday", "in", draw(st.lists(st.sampled_from(["mon", "fri", "sun"]), min_size=1, unique=True))),
        condition(
            draw(st.sampled_from(["now.is_working_time", "manager.is_working_now", "owner.is_absent"])),
            "is",
            draw(st.booleans()),
        ),
        condition("owner.back_in_working_minutes", draw(st.sampled_from(["lt", "ge", "le"])), draw(lengths)),
        condition("request.status", "is", draw(st.sampled_from(["assigned", "in_progress", "waiting_client"]))),
        condition("request.is_answered", "is", draw(st.booleans())),
        condition("request.priority", "is_not", draw(st.sampled_from(["low", "high"]))),
        condition(
            "request.working_minutes_since_assigned",
            draw(st.sampled_from(["ge", "lt"])),
            {"field": draw(st.sampled_from(["request.answer_within", "request.working_minutes_since_received"]))},
        ),
        {"field": "request.working_minutes_without_answer", "op": draw(st.sampled_from(["is_empty", "is_filled"]))},
    ]
    return draw(st.sampled_from(choices))


groups: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(
        st.sampled_from(["all", "all", "any", "none"]),
        st.lists(conditions(), min_size=1, max_size=3),
        min_size=1,
        max_size=1,
    ),
    lambda inner: st.dictionaries(
        st.sampled_from(["all", "any", "none"]),
        st.lists(conditions() | inner, min_size=1, max_size=3),
        min_size=1,
        max_size=1,
    ),
    max_leaves=4,
)


@st.composite
def rulesets(draw: st.DrawFn) -> EscalationPlan:
    rules = []
    for n in range(draw(st.integers(1, 5))):
        actions: list[dict[str, Any]] = [
            draw(
                st.sampled_from(
                    [
                        {"action": "remind"},
                        {"action": "mark_late"},
                        {"action": "notify", "whom": "head", "digest_minutes": 15},
                        {"action": "set_priority", "priority": "high"},
                        {"action": "set_priority", "priority": "low"},
                        {"action": "reassign", "to": {"pool": "everyone"}, "strategy": "round_robin"},
                        {"action": "reassign", "to": {"pool": "duty"}},
                    ]
                )
            )
        ]
        if draw(st.integers(0, 3)) == 0 and actions[0]["action"] != "set_priority":
            actions[0] = actions[0] | {"repeat_every": draw(st.integers(5, 400))}
        rules.append({"id": f"r{n}", "title": {"ru": "а", "en": "a"}, "when": draw(groups), "then": actions})
    document: dict[str, Any] = {"decision": "escalation", "hit_policy": "collect", "rules": rules}
    if draw(st.integers(0, 4)) == 0:
        document["otherwise"] = [{"action": "mark_late"}]
    return EscalationPlan.of(parse(document))


@st.composite
def calendars(draw: st.DrawFn, zone: str) -> WorkingCalendar:
    if draw(st.integers(0, 5)) == 0:
        windows = [["00:00", "24:00"]]
        return WorkingCalendar.build(dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), windows), zone)
    start = draw(st.integers(6, 11))
    lunch = draw(st.integers(12, 14))
    windows = [[f"{start:02d}:00", f"{lunch}:00"], [f"{lunch}:{draw(st.sampled_from(['30', '45']))}", "18:20"]]
    days = draw(st.sampled_from([("mon", "tue", "wed", "thu", "fri"), ("fri", "sat", "sun", "mon")]))
    return WorkingCalendar.build(dict.fromkeys(days, windows), zone)


@dataclass
class World:
    """One request, its people, and what will happen to it; drivers move the clock."""

    plan: EscalationPlan
    start: int
    company: WorkingCalendar
    holders: dict[int, WorkingCalendar]
    owner_absences: tuple[tuple[int, int], ...]
    events: dict[int, list[tuple[str, str]]]
    answer_within: int
    received: int
    warn_before: int = 10
    line: int | None = None
    holder: int = 1
    assigned: int = 0
    transfers: int = 0
    answered: int | None = None
    activity: int | None = None
    waiting: int | None = None
    status: str = "assigned"
    priority: str = "normal"
    pointer: dict[str, int] = field(default_factory=dict)
    fired: dict[str, Fired] = field(default_factory=dict)
    log: list[Any] = field(default_factory=list)

    def clocks(self) -> RequestClocks:
        calendar = self.holders[self.holder]
        due = calendar.add_us(self.assigned, self.answer_within * MINUTE_US)
        line_until = None if self.line is None else calendar.add_us(self.line, ON_THE_LINE * MINUTE_US)
        return RequestClocks(
            RequestTimes(
                company=self.company,
                received_us=self.received,
                holder=calendar,
                assigned_us=self.assigned,
                answer_within=self.answer_within,
                answer_due_us=due,
                first_answer_us=self.answered,
                last_activity_us=self.activity,
                waiting_since_us=self.waiting,
                pauses=() if self.line is None or line_until is None else ((self.line, line_until),),
                line_until_us=line_until,
                owner=self.holders[1],
                owner_absences=self.owner_absences,
            )
        )

    def facts(self, now: int) -> dict[str, Any]:
        stored = {
            "request.status": self.status,
            "request.priority": self.priority,
            "request.is_answered": self.answered is not None,
            "request.answer_within": self.answer_within,
        }
        return stored | self.clocks().facts_at(now, self.plan.clock_fields)

    def happen(self, now: int) -> None:
        for what, value in self.events.get(now, []):
            if what == "answer":
                self.answered = self.answered or now
                self.activity = now
            elif what == "line":
                if self.answered is None and self.line is None:
                    self.line = now
            elif what == "status":
                self.status, self.activity = value, now
                self.waiting = now if value == "waiting_client" else None
            else:
                self.priority = value

    def evaluate(self, now: int) -> None:
        for _ in range(STEPS):
            facts = self.facts(now)
            roster = Roster(
                {n: Candidate(n, f"m{n}") for n in self.holders},
                just_lost=frozenset({self.holder}),
                pointers=self.pointer,
            )
            situation = Situation(
                now,
                facts,
                dict(self.fired),
                self.clocks(),
                partial(_same, roster),
                self.transfers,
                warning=self.warning(now, facts),
            )
            found = decide_escalation(self.plan, self.plan.matching(facts), situation)
            if not found:
                return
            for firing in found.firings:
                first = self.fired.get(firing.rule)
                self.fired[firing.rule] = Fired(first.first_us if first else now, firing.occurrence)
            self.log.append((now, found.to_json()))
            for effect in found.applied:
                if effect.action == "set_priority":
                    self.priority = effect.params["priority"]
            if found.transfer:
                self.holder, self.assigned = found.transfer.manager_id, now
                self.answered = self.activity = self.waiting = self.line = None
                self.status = "assigned"
                self.transfers += 1
                self.fired = {}
                if found.transfer.pointer:
                    self.pointer = dict([found.transfer.pointer])

    def warning(self, now: int, facts: dict[str, Any]) -> TransferWarning | None:
        return transfer_warning(
            self.plan,
            self.fired,
            self.clocks(),
            facts,
            from_us(now),
            minutes=self.warn_before,
            times_reassigned=self.transfers,
        )

    def wake(self, now: int) -> int | None:
        facts = self.facts(now)
        wakes = (
            next_wake(self.plan, self.fired, self.clocks(), facts, from_us(now)),
            wake_for(self.warning(now, facts), from_us(now)),
        )
        return min((to_us(wake) for wake in wakes if wake is not None), default=None)


def _same(roster: Roster) -> Roster:
    return roster


@st.composite
def worlds(draw: st.DrawFn) -> World:
    zone, first = draw(
        st.sampled_from(
            [
                ("Europe/Berlin", "2026-03-27T00:00"),
                ("Europe/Berlin", "2026-10-23T00:00"),
                ("Europe/Moscow", "2026-10-02T00:00"),
                ("America/New_York", "2026-10-30T00:00"),
            ]
        )
    )
    start = to_us(datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone))) + draw(st.integers(0, 1440)) * MINUTE_US
    happenings = st.one_of(
        st.just(("answer", "")),
        st.just(("line", "")),
        st.tuples(st.just("status"), st.sampled_from(["in_progress", "waiting_client"])),
        st.tuples(st.just("priority"), st.sampled_from(["normal", "low"])),
    )
    events: dict[int, list[tuple[str, str]]] = {}
    for minute, happening in draw(st.lists(st.tuples(st.integers(1, MINUTES - 1), happenings), max_size=5)):
        events.setdefault(start + minute * MINUTE_US, []).append(happening)
    away = start + draw(st.integers(0, 2000)) * MINUTE_US
    absence = (away, away + draw(st.integers(1, 2000)) * MINUTE_US)
    holders = {n: draw(calendars(zone)) for n in (1, 2, 3)}
    holders[2] = holders[2].with_absences([(from_us(absence[0]), from_us(absence[1]))])
    return World(
        plan=draw(rulesets()),
        start=start,
        company=draw(calendars(zone)),
        holders=holders,
        owner_absences=(absence,),
        events=events,
        answer_within=draw(st.integers(1, 120)),
        received=start - draw(st.integers(0, 1000)) * MINUTE_US,
        warn_before=draw(st.sampled_from([0, 1, 10, 45])),
        assigned=start,
    )


def stepped(world: World) -> list[Any]:
    for n in range(MINUTES):
        now = world.start + n * MINUTE_US
        world.happen(now)
        world.evaluate(now)
    return world.log


def jumped(world: World) -> list[Any]:
    end = world.start + (MINUTES - 1) * MINUTE_US
    now: int | None = world.start
    while now is not None and now <= end:
        world.happen(now)
        before, line_until = world.holder, world.clocks().times.line_until_us
        world.evaluate(now)
        # Nothing is taken from a holder who has the client on the line.
        assert line_until is None or now >= line_until or world.holder == before
        wake = world.wake(now)
        assert wake is None or (wake > now and wake % MINUTE_US == 0)
        following = [at for at in (wake, *(at for at in world.events if at > now)) if at is not None]
        now = min(following, default=None)
    return world.log


@settings(max_examples=few(12), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds())
def test_jumping_from_wake_to_wake_does_what_stepping_through_every_minute_does(world: World) -> None:
    again = replace(world, fired={}, log=[], pointer={})
    assert jumped(world) == stepped(again)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(1, MINUTES - 1))
def test_after_an_outage_each_rule_acts_at_most_once_an_ownership(world: World, minutes: int) -> None:
    world.evaluate(world.start + minutes * MINUTE_US)
    seen = set()
    ownership = 0
    for _, stored in world.log:
        for firing in stored["firings"]:
            key = (ownership, firing["rule"], firing["occurrence"])
            assert key not in seen
            seen.add(key)
        ownership += stored["transfer"] is not None
    assert ownership <= 2
