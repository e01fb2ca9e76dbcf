"""What is done about a request whose time runs: the matching rules of a `collect` ruleset become effects.

In order. Of `reassign` and `set_priority` the first wins. Messages to one person become one that names all
reasons. With a transfer, reminders to the old holder are dropped. A rule that would reassign and finds nobody is
passed over with all its other actions and tried again, as in assignment. Before a transfer its holder is warned.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from rules_engine.decisions.effects import Effect
from rules_engine.decisions.escalation_outcome import (
    EscalationOutcome,
    Firing,
    FiringAction,
    Message,
    PassedOverRule,
    SeenCondition,
    State,
    Transfer,
    Why,
)
from rules_engine.decisions.escalation_plan import MAX_TRANSFERS, EscalationPlan, Fired, FiredRules
from rules_engine.decisions.escalation_warning import WARNING, WARNING_ACTION, WARNING_TITLE, TransferWarning
from rules_engine.decisions.instants import MINUTE_US
from rules_engine.decisions.modes import Mode
from rules_engine.decisions.picking import Pick, pick
from rules_engine.decisions.request_clocks import RequestClocks
from rules_engine.decisions.roster import Roster
from rules_engine.language.engines.base import Facts
from rules_engine.language.engines.native import compile_group
from rules_engine.language.kinds import Words
from rules_engine.language.model import OTHERWISE, Action, Group, Ruleset
from rules_engine.language.model import Mode as GroupMode
from rules_engine.language.values import dump
from rules_engine.language.vocabulary import FIELDS

#: Of these the first of an evaluation wins.
FIRST_WINS: Final = frozenset({"reassign", "set_priority", "release_client", "set_segment"})
_MESSAGES: Final = frozenset({"remind", "notify"})


class TransferBlock(StrEnum):
    """Why nothing may be transferred now though rules want it."""

    OVERLOAD = "overload"
    """Too large a part of the team is late at once: an alert is of more use than passing requests round."""
    LINE_BUSY = "line_busy"
    """The holder has the client on the line and asked for more time."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What an evaluation needs beside the matching rules.

    `facts` are canonical, clocks included, at `now_us`. `fired` is what has fired for this ownership.
    `roster` and `is_overloaded` are asked only where a rule would reassign. `people` says who `manager` (the holder)
    and `head` are, by login, as far as that is known. `warning`: what the holder is to be told ahead of, if at all.
    """

    now_us: int
    facts: Facts
    fired: FiredRules
    clocks: RequestClocks
    roster: Callable[[], Roster]
    times_reassigned: int = 0
    max_transfers: int = MAX_TRANSFERS
    mode: Mode = Mode.LIVE
    is_overloaded: Callable[[], bool] = bool
    people: Mapping[str, str] = field(default_factory=dict)
    warning: TransferWarning | None = None


@dataclass(slots=True)
class _Due:
    """A rule on its way to fire: its actions that are due now, as they stand."""

    rule: str
    occurrence: int
    actions: list[tuple[Action, State, Why | None]]


def decide_escalation(plan: EscalationPlan, matching: Sequence[str], now: Situation) -> EscalationOutcome:
    """Return what fires now of the rules that match (ids in order, from an engine), and what comes of it.

    In mode `watch` everything is decided as if live and marked withheld; in `hints` what moves work is.
    """
    ruleset = plan.ruleset
    due = list(_due(ruleset, matching, now))
    passed_over: list[PassedOverRule] = []
    transfer = _decide_transfers(due, passed_over, now)
    warning = now.warning if now.mode is Mode.LIVE and transfer is None else None
    # To a team that is overloaded nothing will be taken from anybody: no storm of warnings either.
    if warning is not None and (warning.at_us > now.now_us or now.is_overloaded()):
        warning = None
    if warning is not None:
        due.append(_Due(WARNING, warning.occurrence, [(WARNING_ACTION, State.APPLIED, None)]))
    _settle(due, now, has_transfer=transfer is not None and now.mode is not Mode.HINTS)
    is_watch = now.mode is Mode.WATCH
    firings = tuple(_firing(ruleset, item, now.facts, withhold=is_watch) for item in due)
    rules = [item.rule for item in due] + [item.rule for item in passed_over]
    return EscalationOutcome(
        firings=firings,
        messages=tuple(_messages(due, ruleset, now)),
        transfer=transfer,
        passed_over=tuple(passed_over),
        titles=tuple((rule, title_of(ruleset, rule)) for rule in dict.fromkeys(rules)),
        is_withheld=is_watch,
        warned_of=None if warning is None else warning.transfer_us,
    )


def title_of(ruleset: Ruleset, rule: str) -> Words:
    """Return the title of a rule, `otherwise` and the warning before a transfer included."""
    if rule == WARNING:
        return WARNING_TITLE
    found = ruleset.rule(rule)
    return found.title if found else Words("Остальные", "Otherwise")


def lasting(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """Return the effects of a `collect` ruleset that are neither superseded nor made pointless by a transfer.

    For facts from a file, where a transfer always finds somebody.
    """
    seen: set[str] = set()
    kept = []
    transfers = any(effect.action == "reassign" for effect in effects)
    for effect in effects:
        is_reminder = effect.action == "remind" or (
            effect.action == "notify" and effect.params.get("whom") == "manager"
        )
        if (effect.action in FIRST_WINS and effect.action in seen) or (transfers and is_reminder):
            continue
        seen.add(effect.action)
        kept.append(effect)
    return tuple(kept)


def _due(ruleset: Ruleset, matching: Sequence[str], now: Situation) -> Iterator[_Due]:
    """Yield the matching rules that have something to do now, with the actions that are due."""
    if now.mode is Mode.OFF:
        return
    ids = matching or ((OTHERWISE,) if ruleset.otherwise else ())
    for rule in ids:
        actions = ruleset.actions_of(rule)
        state = now.fired.get(rule)
        if state is None:
            yield _Due(rule, 0, [(action, State.APPLIED, None) for action in actions])
            continue
        occurrence, repeated = _repeated(actions, state, now)
        if repeated:
            yield _Due(rule, occurrence, [(action, State.APPLIED, None) for action in repeated])


def _repeated(actions: Sequence[Action], state: Fired, now: Situation) -> tuple[int, list[Action]]:
    """Return the newest occurrence and the actions whose own period has passed since the last one.

    An occurrence is a whole number of the rule's shortest period in working minutes since it first fired; after
    an outage only the newest is written.
    """
    periods = {action.path: action.number("repeat_every") or 0 for action in actions}
    shortest = min((period for period in periods.values() if period), default=0)
    if not shortest:
        return 0, []
    minutes = now.clocks.repeats_in.elapsed_us(state.first_us, now.now_us) // MINUTE_US
    occurrence = minutes // shortest
    last = state.last_occurrence
    if occurrence <= last:
        return last, []
    repeated = [
        action
        for action in actions
        if (period := periods[action.path]) and occurrence * shortest // period > last * shortest // period
    ]
    return occurrence, repeated


def _decide_transfers(due: list[_Due], passed_over: list[PassedOverRule], now: Situation) -> Transfer | None:
    """Return the transfer of the first rule that can carry it out.

    Takes the rules that cannot out of `due` and into `passed_over`; marks later transfers superseded, and those
    beyond the limit dropped.
    """
    transfer: Transfer | None = None
    roster: Roster | None = None
    block: TransferBlock | None = None
    is_known = False
    for item in list(due):
        places = [n for n, (action, _, _) in enumerate(item.actions) if action.name == "reassign"]
        if not places:
            continue
        if transfer is None and now.times_reassigned < now.max_transfers:
            if not is_known:
                block, is_known = _block(now), True
            action = item.actions[places[0]][0]
            found = None
            if block is None:
                roster = roster or now.roster()
                found = pick(action, item.rule, roster)
            if found is None or found.chosen is None:
                due.remove(item)
                reason = str(block) if found is None else "no_candidate"
                passed_over.append(PassedOverRule(item.rule, reason, found.attempts if found else ()))
                continue
            transfer = _transfer(action, item.rule, found)
            places = places[1:]
        why = (State.SUPERSEDED, Why.EARLIER_RULE) if transfer else (State.DROPPED, Why.MAX_TRANSFERS)
        for n in places:
            item.actions[n] = (item.actions[n][0], *why)
    return transfer


def _block(now: Situation) -> TransferBlock | None:
    line = now.clocks.times.line_until_us
    if line is not None and now.now_us < line:
        return TransferBlock.LINE_BUSY
    # The mode moves nothing: it only says who would get it.
    return TransferBlock.OVERLOAD if now.mode is Mode.LIVE and now.is_overloaded() else None


def _transfer(action: Action, rule: str, found: Pick) -> Transfer:
    deciding = found.attempts[-1]
    chosen = deciding.chosen
    return Transfer(
        rule=rule,
        manager_id=chosen.id if chosen else 0,
        manager=chosen.login if chosen else "",
        strategy=deciding.strategy,
        answer_within=action.number("answer_within"),
        pointer=found.pointer,
        attempts=found.attempts,
    )


def _settle(due: list[_Due], now: Situation, *, has_transfer: bool) -> None:
    """Mark what the mode withholds, what an earlier rule has done already, and what the transfer makes pointless."""
    done: set[str] = set()
    for item in due:
        for n, (action, state, _) in enumerate(item.actions):
            if state is not State.APPLIED:
                continue
            if now.mode is Mode.HINTS and not now.mode.permits(action.name):
                item.actions[n] = (action, State.WITHHELD, Why.MODE)
            elif action.name in FIRST_WINS and action.name in done:
                item.actions[n] = (action, State.SUPERSEDED, Why.EARLIER_RULE)
            elif has_transfer and _is_for_the_old_holder(action, now):
                item.actions[n] = (action, State.DROPPED, Why.TRANSFERRED)
            else:
                done.add(action.name)


def _is_for_the_old_holder(action: Action, now: Situation) -> bool:
    return action.name in _MESSAGES and _addressee(action, now) == now.people.get("manager", "manager")


def _addressee(action: Action, now: Situation) -> str:
    """Return the login that a message goes to, or `manager` or `head` where that is not known."""
    whom = "manager" if action.name == "remind" else action.text("whom") or "manager"
    return now.people.get(whom, whom)


def _messages(due: list[_Due], ruleset: Ruleset, now: Situation) -> Iterator[Message]:
    """Yield one message a person. Immediate if any of its reasons is, else by the shortest digest."""
    found: dict[str, Message] = {}
    for item in due:
        for action, state, _ in item.actions:
            if action.name not in _MESSAGES or state is not State.APPLIED:
                continue
            to = _addressee(action, now)
            reason = (item.rule, action.text("text"))
            digest = action.number("digest_minutes") or 0
            known = found.get(to)
            if known is None:
                role = "manager" if action.name == "remind" else action.text("whom") or "manager"
                found[to] = Message(to, role, (reason,), digest)
            else:
                found[to] = replace(
                    known,
                    reasons=(*known.reasons, reason),
                    digest_minutes=min(known.digest_minutes, digest),
                )
    yield from found.values()


def _firing(ruleset: Ruleset, item: _Due, facts: Facts, *, withhold: bool) -> Firing:
    rule = ruleset.rule(item.rule)
    return Firing(
        rule=item.rule,
        occurrence=item.occurrence,
        actions=tuple(
            FiringAction(Effect.of(action, item.rule), State.WITHHELD, Why.MODE)
            if withhold and state is State.APPLIED
            else FiringAction(Effect.of(action, item.rule), state, why)
            for action, state, why in item.actions
        ),
        seen=tuple(_seen(rule.when, facts)) if rule and rule.when else (),
    )


def _seen(when: Group, facts: Facts) -> Iterator[SeenCondition]:
    """Yield the conditions that hold, with what they saw; those under `none` do not hold and are left out."""
    for condition in when.conditions():
        if compile_group(Group(GroupMode.ALL, (condition,), condition.path))(facts):
            value = facts.get(condition.field)
            shown = None if value is None else dump(FIELDS[condition.field], value)
            yield SeenCondition(condition.field, condition.op, condition.written, shown)
