"""Who is called, when and why: the matching rules of the `callbacks` ruleset become calls, or reasons for none.

In order. Of `set_segment` and `release_client` the first wins. `skip` cancels every call of the evaluation but the one
for which the client asked. Two occasions close together are one call that names both. What is not scheduled says why.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rules_engine.decisions.callback_outcome import (
    CallbackOutcome,
    Cause,
    CauseKind,
    Joined,
    KnownCall,
    LeftOut,
    Scheduled,
    Why,
)
from rules_engine.decisions.effects import Effect
from rules_engine.decisions.instants import DAY_US, from_us, to_us
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.language.kinds import Words
from rules_engine.language.model import OTHERWISE, Action, Ruleset

_LOOKS_AT: Final[Mapping[str, CauseKind]] = {
    "client.asked_to_call_on": CauseKind.PROMISE,
    "client.refusal_reason": CauseKind.REFUSAL,
    "client.contract_ends_in_days": CauseKind.CONTRACT,
    "client.payments_count": CauseKind.PAYMENT,
    "client.revenue_total": CauseKind.PAYMENT,
    "client.revenue_365d": CauseKind.PAYMENT,
    "client.average_payment": CauseKind.PAYMENT,
    "client.days_since_last_payment": CauseKind.PAYMENT,
    "client.silence_before_payment_days": CauseKind.PAYMENT,
    "client.usual_interval_days": CauseKind.PAYMENT,
    "client.overdue_ratio": CauseKind.PAYMENT,
    "client.expected_need_in_days": CauseKind.PAYMENT,
    "client.last_outcome": CauseKind.CONTACT,
    "client.days_since_last_contact": CauseKind.CONTACT,
}
_EVENTS: Final[Mapping[str, CauseKind]] = {
    "payment": CauseKind.PAYMENT,
    "request_lost": CauseKind.REFUSAL,
    "contact": CauseKind.CONTACT,
}
_FIRST_WINS: Final = frozenset({"set_segment", "release_client"})
_MAY_COME_AGAIN: Final = frozenset({CauseKind.PAYMENT})
"""After a pause these may lead to another round of attempts; a promise and a refusal are answered once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Whole days: between two calls of one number; until the same cause may call for another round."""

    frequency_days: int = 21
    cycle_days: int = 182


@dataclass(frozen=True, slots=True)
class Situation:
    """How a client stands when rules are carried out (instants in UTC microseconds).

    `causes` holds those that there are; a year there always is. `promised_us` is the instant for which he asked to be
    called. `called_us`: when one of his numbers was last reached; `others_us`: when other clients with one of his
    numbers are to be called. `calendar` is that of whoever will call. `occasions` says of each whether it is an offer;
    one that is not in the catalogue counts as an offer.
    """

    now_us: int
    causes: Mapping[CauseKind, Cause]
    calendar: WorkingCalendar
    segment: str | None = None
    do_not_call: bool = False
    has_consent: bool = False
    promised_us: int | None = None
    known: tuple[KnownCall, ...] = ()
    called_us: int | None = None
    others_us: tuple[int, ...] = ()
    occasions: Mapping[str, bool] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


def cause_kind(ruleset: Ruleset, rule_id: str) -> CauseKind:
    """Return what a call of this rule is about, by what its conditions look at."""
    rule = ruleset.rule(rule_id)
    found = set()
    for condition in rule.when.conditions() if rule and rule.when else ():
        if condition.op == "is_empty":
            continue
        if condition.field == "event.name" and isinstance(condition.value, str):
            found.add(_EVENTS.get(condition.value, CauseKind.YEAR))
        found.add(_LOOKS_AT.get(condition.field, CauseKind.YEAR))
    return next((kind for kind in CauseKind if kind in found), CauseKind.YEAR)


def waits_for_event(ruleset: Ruleset, rule_id: str) -> bool:
    """Return whether a rule looks at what has happened, and not only at how things stand."""
    rule = ruleset.rule(rule_id)
    return any(condition.field == "event.name" for condition in (rule.when.conditions() if rule and rule.when else ()))


def decide_callbacks(ruleset: Ruleset, matching: Sequence[str], now: Situation) -> CallbackOutcome:
    """Return what the matching rules (ids in order) amount to for a client. Nothing is written."""
    ids = tuple(matching) or ((OTHERWISE,) if ruleset.otherwise else ())
    return _Evaluation(ruleset, ids, now).outcome()


def deadline(calendar: WorkingCalendar, from_us_: int, within: int, *, whole_days: bool = True) -> int | None:
    """Return the end of the working day by which a call that begins at `from_us_` is to be made.

    The first day counts as one of `within`, unless it may be nearly over (`whole_days` False). None: he never works.
    """
    first = calendar.local_day_us(from_us_) + (0 if whole_days else 1)
    opening = calendar.working_day_opening_us(first, within - 1)
    return None if opening is None else to_us(calendar.end_of_current_or_next_working_day(from_us(opening)))


def lasting_calls(ruleset: Ruleset, effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """Return the effects of a ruleset of callbacks that nothing cancels: for facts from a file, without a client.

    Of `set_segment` and `release_client` the first stays; with a `skip` no call but the one the client asked for.
    """
    is_skipped = any(effect.action == "skip" for effect in effects)
    kept: list[Effect] = []
    for effect in effects:
        if effect.action in _FIRST_WINS and any(other.action == effect.action for other in kept):
            continue
        is_call = effect.action == "schedule_callback"
        if is_call and is_skipped and cause_kind(ruleset, effect.rule) is not CauseKind.PROMISE:
            continue
        kept.append(effect)
    return tuple(kept)


class _Evaluation:
    def __init__(self, ruleset: Ruleset, ids: tuple[str, ...], now: Situation) -> None:
        self._ruleset = ruleset
        self._ids = ids
        self._now = now
        self._calls: list[Scheduled] = []
        self._joined: list[Joined] = []
        self._left_out: list[LeftOut] = []
        self._effects: list[Effect] = []
        self._waiting: list[tuple[LeftOut, Scheduled]] = []

    def outcome(self) -> CallbackOutcome:
        skips = tuple((rule, action.text("reason") or "") for rule, action in self._actions("skip"))
        segment = next(((rule, action) for rule, action in self._actions("set_segment")), None)
        released = next(((rule, action) for rule, action in self._actions("release_client")), None)
        changed = None
        if segment is not None and (name := segment[1].text("segment") or "") != self._now.segment:
            changed = (segment[0], name)
            self._effects.append(Effect.of(segment[1], segment[0]))
        for rule, action in self._actions("schedule_callback"):
            if self._schedule(rule, action, is_skipped=bool(skips)):
                self._effects.append(Effect.of(action, rule))
        self._join_what_was_left_out()
        if released is not None:
            self._effects.append(Effect.of(released[1], released[0]))
        retries = [call.until_us for call in self._left_out if call.until_us is not None]
        return CallbackOutcome(
            segment=changed,
            scheduled=tuple(self._calls),
            joined=tuple(self._joined),
            released=released[0] if released else None,
            left_out=tuple(self._left_out),
            skips=skips,
            effects=tuple(self._effects),
            titles=tuple((rule, self._title(rule)) for rule in self._ids),
            retry_us=self._retry(min(retries)) if retries else None,
        )

    def _title(self, rule_id: str) -> Words:
        rule = self._ruleset.rule(rule_id)
        return rule.title if rule else Words("Остальные", "Otherwise")

    def _actions(self, name: str) -> Iterator[tuple[str, Action]]:
        for rule in self._ids:
            for action in self._ruleset.actions_of(rule):
                if action.name == name:
                    yield rule, action

    def _schedule(self, rule: str, action: Action, *, is_skipped: bool) -> bool:
        """Plan the call of one action, or note why not; return whether anything is to be done."""
        now = self._now
        occasion = action.text("occasion") or ""
        kind = cause_kind(self._ruleset, rule)
        if kind not in now.causes:
            kind = CauseKind.YEAR
        cause = now.causes[kind]
        is_promise = kind is CauseKind.PROMISE
        is_offer = now.occasions.get(occasion, True)
        if now.do_not_call:
            return self._leave_out(rule, occasion, Why.DO_NOT_CALL)
        if is_skipped and not is_promise:
            return self._leave_out(rule, occasion, Why.SKIPPED)
        if is_offer and not now.has_consent:
            return self._leave_out(rule, occasion, Why.NO_CONSENT)
        cycle = self._cycle(rule, occasion, kind, cause)
        if cycle is None:
            return False
        times = self._times(rule, action, cause, is_promise=is_promise)
        if times is None:
            return self._leave_out(rule, occasion, Why.NO_WORKING_TIME)
        call = Scheduled(
            rule,
            occasion,
            cause,
            cycle,
            *times,
            within=action.number("within_days") or 1,
            is_promise=is_promise,
            is_offer=is_offer,
            script=action.text("script"),
            priority=action.text("priority") or "normal",
        )
        return self._promise(call) if is_promise else self._join_or_add(call)

    def _cycle(self, rule: str, occasion: str, kind: CauseKind, cause: Cause) -> int | None:
        """Return the number of this round of attempts, None (and why) where it is not the time for one."""
        same = [call for call in self._now.known if call.serves(occasion, cause)]
        # One open call on an occasion is enough, whatever it is about; but another promise has another day.
        is_planned = kind is not CauseKind.PROMISE and any(
            call.is_open and call.occasion == occasion for call in self._now.known
        )
        if is_planned or any(call.is_open for call in same) or any(call.occasion == occasion for call in self._calls):
            self._leave_out(rule, occasion, Why.ALREADY_PLANNED)
            return None
        if not same:
            return 0
        again_us = max(call.closed_us or 0 for call in same) + self._now.limits.cycle_days * DAY_US
        may_come_again = kind in _MAY_COME_AGAIN
        if not may_come_again or again_us > self._now.now_us:
            self._leave_out(rule, occasion, Why.ALREADY_MADE, again_us if may_come_again else None)
            return None
        return max((call.cycle for call in same if call.occasion == occasion), default=-1) + 1

    def _times(self, rule: str, action: Action, cause: Cause, *, is_promise: bool) -> tuple[int, int] | None:
        """Return from when and by when to call; None where the caller has no working time at all.

        The days of a rule that waits for an event are counted from the event, those of others from now.
        """
        now, calendar = self._now, self._now.calendar
        in_days, within = action.number("in_working_days"), action.number("within_days") or 1
        whole_days = True
        if in_days:
            since_us = cause.at_us if waits_for_event(self._ruleset, rule) else now.now_us
            start = calendar.working_day_opening_us(calendar.local_day_us(since_us) + 1, in_days - 1)
            if start is not None and start < now.now_us:
                start, whole_days = calendar.next_open_us(now.now_us), False
        elif is_promise and now.promised_us is not None:
            start = calendar.next_open_us(max(now.promised_us, now.now_us))
        else:
            start, whole_days = calendar.next_open_us(now.now_us), False
        if start is None:
            return None
        due = deadline(calendar, start, within, whole_days=whole_days)
        return None if due is None else (start, due)

    def _promise(self, call: Scheduled) -> bool:
        """A call for which the client asked is made on its day; planned ones near it become a part of it."""
        near = [known for known in self._now.known if known.is_open and self._is_near(known.call_from_us, call)]
        also = tuple(dict.fromkeys(code for known in near for code in (known.occasion, *known.also)))
        self._calls.append(replace(call, also=also, absorbs=tuple(known.id for known in near)))
        return True

    def _join_or_add(self, call: Scheduled) -> bool:
        absorbed = {id_ for other in self._calls for id_ in other.absorbs}
        for known in self._now.known:
            # A call that waits for its place in a portion serves whatever else comes of the same cause.
            waits = known.is_in_list or known.cause == call.cause.key
            near = waits or self._is_near(known.call_from_us, call)
            if known.is_open and near and known.id not in absorbed:
                self._joined.append(Joined(call.rule, call.occasion, known.id))
                return True
        for place, other in enumerate(self._calls):
            if self._serves(other, call):
                self._calls[place] = replace(other, also=(*other.also, call.occasion))
                return True
        window = self._now.limits.frequency_days * DAY_US
        if self._now.called_us is not None and call.from_us - self._now.called_us < window:
            return self._leave_out(call.rule, call.occasion, Why.FREQUENCY, self._now.called_us + window, call)
        for planned_us in self._now.others_us:
            if self._is_near(planned_us, call):
                return self._leave_out(call.rule, call.occasion, Why.SAME_NUMBER, planned_us + window, call)
        self._calls.append(call)
        return True

    def _serves(self, planned: Scheduled, call: Scheduled) -> bool:
        """Return whether a call of this evaluation makes another needless: near it, or about the same cause.

        As for calls that stand already, or the next look would join what this one had left out.
        """
        is_about_the_same = not planned.is_promise and planned.cause.key == call.cause.key
        return is_about_the_same or self._is_near(planned.from_us, call)

    def _is_near(self, us: int, call: Scheduled) -> bool:
        return abs(us - call.from_us) < self._now.limits.frequency_days * DAY_US

    def _leave_out(
        self, rule: str, occasion: str, why: Why, until_us: int | None = None, call: Scheduled | None = None
    ) -> bool:
        if until_us is not None and call is not None:
            # Not when it may be made, but when it may be planned.
            until_us -= call.from_us - self._now.now_us
        left_out = LeftOut(rule, occasion, why, until_us)
        self._left_out.append(left_out)
        if call is not None:
            self._waiting.append((left_out, call))
        return False

    def _join_what_was_left_out(self) -> None:
        """An occasion that came too early for a call of its own is named by one that a later rule planned."""
        for left_out, call in self._waiting:
            for place, other in enumerate(self._calls):
                if self._serves(other, call):
                    self._calls[place] = replace(other, also=(*other.also, call.occasion))
                    self._left_out.remove(left_out)
                    action = next(
                        action
                        for rule, action in self._actions("schedule_callback")
                        if rule == call.rule and action.text("occasion") == call.occasion
                    )
                    self._effects.append(Effect.of(action, call.rule))
                    break

    def _retry(self, us: int) -> int:
        """Return when to look again: not before tomorrow, because calls are planned by days."""
        calendar = self._now.calendar
        return max(us, calendar.day_start_us(calendar.local_day_us(self._now.now_us) + 1))
