"""What is done about a request nobody answers, by example. Анна holds it; Борис and Вера might get it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rules_engine.decisions.escalation import Situation, decide_escalation
from rules_engine.decisions.escalation_outcome import EscalationOutcome, State, Why
from rules_engine.decisions.escalation_plan import (
    EscalationPlan,
    Fired,
    Forecast,
    next_wake,
    transfer_forecast,
)
from rules_engine.decisions.escalation_words import explain_escalation
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.modes import Mode
from rules_engine.decisions.request_clocks import RequestClocks, RequestTimes
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.decisions.trial import decide_from_facts
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.language.ruleset import parse

MOSCOW = ZoneInfo("Europe/Moscow")
OFFICE = WorkingCalendar.build(
    {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}, "Europe/Moscow"
)
ANNA, BORIS, VERA = (
    Candidate(n, login, name) for n, login, name in [(1, "anna", "Анна"), (2, "boris", "Борис"), (3, "vera", "Вера")]
)
PEOPLE = {"manager": "anna", "head": "head"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=MOSCOW).astimezone(UTC)


def used(percent: int, *then: dict[str, Any], **more: Any) -> dict[str, Any]:
    when = {"all": [{"field": "request.answer_used_pct", "op": "ge", "value": str(percent)}]}
    return {
        "id": f"at-{percent}",
        "title": {"ru": f"На {percent} %", "en": f"At {percent} %"},
        "when": when,
        "then": list(then),
    } | more


def plan(*rules: dict[str, Any], otherwise: list[dict[str, Any]] | None = None) -> EscalationPlan:
    document: dict[str, Any] = {"decision": "escalation", "hit_policy": "collect", "rules": list(rules)}
    return EscalationPlan.of(parse(document | ({"otherwise": otherwise} if otherwise else {})))


REMIND = {"action": "remind"}
TELL_HEAD = {"action": "notify", "whom": "head", "text": "ответа нет", "digest_minutes": 15}
TELL_MANAGER = {"action": "notify", "whom": "manager"}
LATE = {"action": "mark_late"}
REASSIGN = {"action": "reassign", "to": {"pool": "everyone"}}


class Case:
    """A request assigned to Анна on Friday at 17:30 with 30 minutes to answer."""

    def __init__(self, rules: EscalationPlan, **times: Any) -> None:
        self.plan = rules
        self.times = RequestTimes(
            company=OFFICE,
            holder=OFFICE,
            received_us=to_us(at("2026-10-02T17:30")),
            assigned_us=to_us(at("2026-10-02T17:30")),
            answer_within=30,
            answer_due_us=to_us(at("2026-10-02T18:00")),
        )
        self.times = replace(self.times, **times)
        self.fired: dict[str, Fired] = {}
        self.facts: dict[str, Any] = {"item.kind": "request", "request.is_answered": False}
        self.roster = Roster({1: ANNA, 2: BORIS, 3: VERA}, holder=1, just_lost=frozenset({1}))

    def seen(self, now: datetime) -> dict[str, Any]:
        return self.facts | RequestClocks(self.times).facts_at(to_us(now), self.plan.clock_fields)

    def decide(self, when: str, **more: Any) -> EscalationOutcome:
        now = at(when)
        facts = self.seen(now)
        clocks = RequestClocks(self.times)
        situation = Situation(to_us(now), facts, dict(self.fired), clocks, lambda: self.roster, people=PEOPLE)
        found = decide_escalation(self.plan, self.plan.matching(facts), replace(situation, **more))
        stored = json.loads(json.dumps(found.to_json()))
        assert EscalationOutcome.from_json(stored).to_json() == found.to_json()
        for lang in ("ru", "en"):
            assert all(explain_escalation(stored, lang))
        for firing in found.firings:
            first = self.fired.get(firing.rule)
            self.fired[firing.rule] = Fired(first.first_us if first else to_us(now), firing.occurrence)
        return found

    def wake(self, now: str) -> datetime | None:
        return next_wake(self.plan, self.fired, RequestClocks(self.times), self.seen(at(now)), at(now))

    def forecast(self, now: str, **more: Any) -> Forecast | None:
        clocks = RequestClocks(self.times)
        return transfer_forecast(self.plan, self.fired, clocks, self.seen(at(now)), at(now), **more)


def actions(found: EscalationOutcome) -> list[tuple[str, str, State]]:
    return [(firing.rule, done.effect.action, done.state) for firing in found.firings for done in firing.actions]


class TestFiring:
    def test_each_rule_fires_once_for_an_ownership(self) -> None:
        case = Case(plan(used(50, REMIND), used(100, LATE, TELL_MANAGER)))
        assert not case.decide("2026-10-02T17:44")
        assert case.decide("2026-10-02T17:45").fired == ("at-50",)
        assert not case.decide("2026-10-02T17:50")
        assert case.decide("2026-10-05T09:00").fired == ("at-100",)

    def test_three_hours_late_each_due_rule_acts_once(self) -> None:
        case = Case(plan(used(50, REMIND), used(100, LATE)))
        assert case.decide("2026-10-05T12:00").fired == ("at-50", "at-100")
        assert not case.decide("2026-10-05T12:01")

    def test_an_answered_request_is_left_alone(self) -> None:
        case = Case(plan(used(50, REMIND)), first_answer_us=to_us(at("2026-10-02T17:40")))
        assert not case.decide("2026-10-05T12:00")

    def test_repetitions_count_working_minutes_and_only_the_newest_is_written(self) -> None:
        case = Case(plan(used(50, {**REMIND, "repeat_every": 10}, LATE)))
        first = case.decide("2026-10-02T17:45")
        assert actions(first) == [("at-50", "remind", State.APPLIED), ("at-50", "mark_late", State.APPLIED)]
        assert not case.decide("2026-10-02T17:54")
        again = case.decide("2026-10-02T17:55")
        assert [(f.occurrence, len(f.actions)) for f in again.firings] == [(1, 1)]
        assert [f.occurrence for f in case.decide("2026-10-05T09:26").firings] == [4]

    def test_actions_of_one_rule_may_repeat_at_their_own_pace(self) -> None:
        case = Case(plan(used(50, {**REMIND, "repeat_every": 10}, {**TELL_HEAD, "repeat_every": 25})))
        case.decide("2026-10-05T09:00")
        seen = [
            [done.effect.action for firing in case.decide(f"2026-10-05T09:{minute}").firings for done in firing.actions]
            for minute in ("10", "20", "30", "40", "50")
        ]
        assert seen == [["remind"], ["remind"], ["remind", "notify"], ["remind"], ["remind", "notify"]]

    def test_otherwise_acts_where_no_rule_matches(self) -> None:
        case = Case(plan(used(100, LATE), otherwise=[{"action": "set_priority", "priority": "low"}]))
        assert case.decide("2026-10-02T17:30").fired == ("otherwise",)
        assert not case.decide("2026-10-02T17:31")


class TestSeveralRules:
    def test_the_first_priority_wins_and_the_later_is_recorded(self) -> None:
        high, low = ({"action": "set_priority", "priority": word} for word in ("high", "low"))
        found = Case(plan(used(50, high), used(60, low))).decide("2026-10-05T10:00")
        assert actions(found) == [
            ("at-50", "set_priority", State.APPLIED),
            ("at-60", "set_priority", State.SUPERSEDED),
        ]
        assert [effect.params for effect in found.applied] == [{"priority": "high"}]

    def test_messages_to_one_person_are_one_that_names_all_reasons(self) -> None:
        person = {"action": "notify", "whom": "anna", "text": "лично"}
        found = Case(plan(used(50, REMIND, TELL_HEAD), used(60, TELL_MANAGER, TELL_HEAD), used(70, person))).decide(
            "2026-10-05T10:00"
        )
        messages = {message.to: message for message in found.messages}
        assert messages["anna"].reasons == (("at-50", None), ("at-60", None), ("at-70", "лично"))
        assert (messages["head"].role, messages["head"].digest_minutes) == ("head", 15)
        assert [rule for rule, _ in messages["head"].reasons] == ["at-50", "at-60"]

    def test_one_reason_that_cannot_wait_makes_the_message_immediate(self) -> None:
        urgent = {"action": "notify", "whom": "head"}
        found = Case(plan(used(50, TELL_HEAD), used(60, urgent))).decide("2026-10-05T10:00")
        assert [message.digest_minutes for message in found.messages] == [0]


class TestTransfers:
    def test_a_transfer_names_its_new_manager_and_drops_reminders_to_the_old_one(self) -> None:
        found = Case(plan(used(100, REMIND, TELL_HEAD), used(200, REASSIGN), used(201, TELL_MANAGER, LATE))).decide(
            "2026-10-05T10:00"
        )
        assert found.transfer is not None
        assert (found.transfer.manager, found.transfer.rule) == ("boris", "at-200")
        assert actions(found) == [
            ("at-100", "remind", State.DROPPED),
            ("at-100", "notify", State.APPLIED),
            ("at-200", "reassign", State.APPLIED),
            ("at-201", "notify", State.DROPPED),
            ("at-201", "mark_late", State.APPLIED),
        ]
        assert [message.to for message in found.messages] == ["head"]

    def test_the_first_transfer_wins(self) -> None:
        to_vera = {"action": "reassign", "to": {"pool": "manager", "login": "vera"}}
        found = Case(plan(used(150, to_vera), used(200, REASSIGN))).decide("2026-10-05T10:00")
        assert found.transfer is not None
        assert found.transfer.manager == "vera"
        assert actions(found)[1] == ("at-200", "reassign", State.SUPERSEDED)

    def test_a_rule_that_finds_nobody_is_passed_over_and_tried_again(self) -> None:
        case = Case(plan(used(200, REASSIGN, LATE), used(150, TELL_HEAD)))
        case.roster = Roster({1: ANNA, 2: replace(BORIS, is_absent=True)}, just_lost=frozenset({1}))
        found = case.decide("2026-10-05T10:00")
        assert found.fired == ("at-150",)
        assert [(item.rule, item.reason) for item in found.passed_over] == [("at-200", "no_candidate")]
        # The grid begins at the assignment, Friday 17:30.
        assert case.wake("2026-10-05T10:00") == at("2026-10-05T10:15")
        case.roster = Roster({1: ANNA, 2: BORIS}, just_lost=frozenset({1}))
        assert case.decide("2026-10-05T10:15").fired == ("at-200",)
        assert case.wake("2026-10-05T10:15") is None

    def test_the_next_rule_may_transfer_where_the_first_finds_nobody(self) -> None:
        nobody = {"action": "reassign", "to": {"pool": "duty"}}
        found = Case(plan(used(150, nobody), used(200, REASSIGN))).decide("2026-10-05T10:00")
        assert found.transfer is not None
        assert found.transfer.rule == "at-200"

    def test_no_more_than_two_transfers_whatever_the_rules_say(self) -> None:
        found = Case(plan(used(200, REASSIGN, REMIND))).decide("2026-10-05T10:00", times_reassigned=2)
        assert found.transfer is None
        assert [(done.state, done.why) for done in found.firings[0].actions] == [
            (State.DROPPED, Why.MAX_TRANSFERS),
            (State.APPLIED, None),
        ]

    def test_an_overloaded_team_passes_nothing_round(self) -> None:
        found = Case(plan(used(200, REASSIGN))).decide("2026-10-05T10:00", is_overloaded=lambda: True)
        assert not found
        assert found.passed_over[0].reason == "overload"


class TestModes:
    RULES = plan(used(100, REMIND, LATE), used(200, REASSIGN))

    def test_hints_show_the_transfer_and_still_remind(self) -> None:
        found = Case(self.RULES).decide("2026-10-05T10:00", mode=Mode.HINTS)
        assert [effect.action for effect in found.applied] == ["remind", "mark_late"]
        assert found.transfer is not None
        assert actions(found)[-1] == ("at-200", "reassign", State.WITHHELD)

    def test_watch_decides_as_if_live_and_touches_nobody(self) -> None:
        found = Case(self.RULES).decide("2026-10-05T10:00", mode=Mode.WATCH)
        assert found.applied == ()
        assert found.transfer is not None
        assert [state for _, _, state in actions(found)] == [State.DROPPED, State.WITHHELD, State.WITHHELD]

    def test_off_does_nothing(self) -> None:
        assert not Case(self.RULES).decide("2026-10-05T10:00", mode=Mode.OFF)


class TestWhenToLookAgain:
    def test_the_next_threshold_by_working_time(self) -> None:
        case = Case(plan(used(50, REMIND), used(100, LATE), used(200, REASSIGN)))
        wakes = []
        now: datetime | None = at("2026-10-02T17:30")
        while now is not None:
            text = now.astimezone(MOSCOW).isoformat()[:16]
            case.decide(text)
            now = case.wake(text)
            wakes.append(now and now.astimezone(MOSCOW).isoformat()[:16])
        assert wakes == ["2026-10-02T17:45", "2026-10-02T18:00", "2026-10-05T09:30", None]

    def test_an_answered_request_is_not_woken(self) -> None:
        when = {
            "all": [
                {"field": "request.is_answered", "op": "is", "value": False},
                {"field": "request.working_minutes_since_received", "op": "ge", "value": 480},
            ]
        }
        case = Case(plan({"id": "a", "title": {"ru": "а", "en": "a"}, "when": when, "then": [REMIND]}))
        assert case.wake("2026-10-02T17:30") == at("2026-10-05T17:30")
        case.facts["request.is_answered"] = True
        assert case.wake("2026-10-02T17:30") is None

    def test_one_way_to_match_closed_by_the_row_leaves_the_other_open(self) -> None:
        late = {"field": "request.answer_used_pct", "op": "ge", "value": "100"}
        when = {"any": [{"field": "request.is_answered", "op": "is", "value": True}, late]}
        case = Case(plan({"id": "a", "title": {"ru": "а", "en": "a"}, "when": when, "then": [REMIND]}))
        assert case.wake("2026-10-02T17:30") == at("2026-10-02T18:00")

    def test_what_others_move_is_looked_at_on_the_grid_while_the_rest_holds(self) -> None:
        rule = used(100, REMIND)
        rule["when"]["all"].append({"field": "manager.open_requests", "op": "lt", "value": 3})
        case = Case(plan(rule))
        case.facts["manager.open_requests"] = 9
        assert case.wake("2026-10-02T17:30") == at("2026-10-02T18:00")
        assert case.wake("2026-10-02T18:00") == at("2026-10-02T18:15")
        assert case.wake("2026-10-02T18:07") == at("2026-10-02T18:15")

    def test_a_repetition_wakes(self) -> None:
        case = Case(plan(used(50, {**REMIND, "repeat_every": 10})))
        case.decide("2026-10-02T17:55")
        assert case.wake("2026-10-02T17:55") == at("2026-10-05T09:05")

    def test_two_clocks_against_each_other_are_looked_at_every_minute(self) -> None:
        other = {"field": "request.working_minutes_since_assigned"}
        when = {"all": [{"field": "request.working_minutes_since_received", "op": "gt", "value": other}]}
        case = Case(plan({"id": "a", "title": {"ru": "а", "en": "a"}, "when": when, "then": [REMIND]}))
        assert case.wake("2026-10-02T17:30") == at("2026-10-02T17:31")

    def test_a_clock_against_a_stored_value_is_looked_at_when_it_gets_there(self) -> None:
        other = {"field": "request.answer_within"}
        when = {"all": [{"field": "request.working_minutes_since_assigned", "op": "ge", "value": other}]}
        case = Case(plan({"id": "a", "title": {"ru": "а", "en": "a"}, "when": when, "then": [REMIND]}))
        case.facts["request.answer_within"] = 45
        assert case.wake("2026-10-02T17:30") == at("2026-10-05T09:15")


class TestForecast:
    def test_says_when_the_request_goes_to_another(self) -> None:
        case = Case(plan(used(50, REMIND), used(200, REASSIGN)))
        assert case.forecast("2026-10-02T17:48") == Forecast(at("2026-10-05T09:30"), "reassign", "at-200")
        assert case.forecast("2026-10-02T17:48", times_reassigned=2) is None
        case.fired["at-200"] = Fired(0)
        assert case.forecast("2026-10-02T17:48") is None

    def test_all_conditions_must_come_together(self) -> None:
        rule = used(200, REASSIGN)
        rule["when"]["all"].append({"field": "now.hour", "op": "ge", "value": 12})
        rule["when"]["all"].append({"field": "manager.is_working_now", "op": "is", "value": True})
        case = Case(plan(used(900, REASSIGN, id="later"), rule))
        assert case.forecast("2026-10-02T17:48") == Forecast(at("2026-10-05T12:00"), "reassign", "at-200")

    def test_an_answer_ends_it(self) -> None:
        assert Case(plan(used(200, REASSIGN)), first_answer_us=1).forecast("2026-10-02T17:48") is None


class TestWords:
    def test_the_stored_outcome_explains_itself(self) -> None:
        rules = plan(used(100, LATE, REMIND), used(200, REASSIGN))
        stored = json.loads(json.dumps(Case(rules).decide("2026-10-05T09:30").to_json()))
        assert explain_escalation(stored, "ru") == [
            "Правило «На 100 %»: использовано срока ответа: 200\u00a0% (нужно: не менее 100\u00a0%).",
            "Действия: отметить «не в срок»; напомнить менеджеру (не понадобилось, заявка передана).",
            "Правило «На 200 %»: использовано срока ответа: 200\u00a0% (нужно: не менее 200\u00a0%).",
            "Действия: передать другому менеджеру.",
            "Заявку получает: Борис.",
            "Кому: любой менеджер.",
            "Кого выбрать: у кого больше недобор заявок. Подходили: 2 из 3.",
            "Борис: получено за месяц: 0, недобор: 0,5.",
            "Наравне по недобору (разница не более ½ заявки): 2; дольше всех без новой заявки: Борис.",
        ]

    def test_nobody_to_transfer_to(self) -> None:
        case = Case(plan(used(200, REASSIGN)))
        case.roster = Roster({1: ANNA}, just_lost=frozenset({1}))
        stored = case.decide("2026-10-05T09:30").to_json()
        assert explain_escalation(stored, "ru") == [
            "Правило «На 200 %» подошло, но передать заявку некому: любой менеджер: "
            "Анна: эта заявка только что передана от него другому менеджеру."
        ]


def test_facts_from_a_file_show_what_would_act() -> None:
    rules = plan(used(100, REMIND, LATE), used(200, REASSIGN)).ruleset
    facts: Mapping[str, Any] = {"request.answer_used_pct": "250"}
    trial = decide_from_facts(rules, facts)
    assert trial.fired == ("at-100", "at-200")
    assert [effect.action for effect in trial.effects] == ["mark_late", "reassign"]
