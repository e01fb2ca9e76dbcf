"""What a trial shows: the answer of both bodies, every rule with why or why not, lines of money, candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from admin.language import moment
from admin.views.rule_editor.cards import title_of
from admin.views.rule_editor.room import Room, person
from admin.views.rule_editor.wording import _, capital
from rules_engine.decisions.assignment import AssignmentOutcome, OutcomeKind
from rules_engine.decisions.assignment_words import candidate_words, choice_words, explain_assignment
from rules_engine.decisions.bonus_lines import Statement
from rules_engine.decisions.bonus_words import line_sentence
from rules_engine.decisions.callback_outcome import CallbackOutcome
from rules_engine.decisions.callback_words import rule_words
from rules_engine.decisions.escalation_outcome import EscalationOutcome, State
from rules_engine.decisions.escalation_words import action_words
from rules_engine.decisions.field_words import condition_words
from rules_engine.language.engines.base import FailedCondition
from rules_engine.language.line_names import line_names
from rules_engine.language.model import OTHERWISE
from rules_engine.language.spelling import spelt
from rules_engine.language.values import dump
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.bonus.texts import money_words
from rules_engine.services.drafts.body import Body, rule_ids, rule_of
from rules_engine.services.drafts.trying import RuleVerdict, Trial
from rules_engine.services.rules import rulebook
from rules_engine.services.rules.occasions import catalogue
from rules_engine.services.trials.escalation import EscalationGround
from rules_engine.services.trials.trials import Ground


@dataclass(frozen=True, slots=True)
class Side:
    """What one body does: the answer in large, more of it in lines, the rules that act beneath."""

    answer: str
    lines: tuple[str, ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule: `acts`, `matched` or not, and why not; `notes` are what it does, or what becomes of that.

    `number` is None for `otherwise`. `live` says what it does in force, where that differs.
    """

    number: int | None
    rule: str
    title: str
    acts: bool
    matched: bool
    why: str
    notes: tuple[str, ...] = ()
    live: str = ""


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """A line of the statement under both bodies; "" where there is no such line."""

    title: str
    now: str
    draft: str
    is_other: bool


@dataclass(frozen=True, slots=True)
class Result:
    """The whole trial. `verdicts` and `candidates` are of the draft where there is one.

    `gone` are the rules in force that act and that the draft does not have.
    """

    now: Side
    draft: Side | None
    same: bool
    verdicts: tuple[Verdict, ...]
    reasons: tuple[str, ...]
    candidates: tuple[str, ...]
    money: tuple[MoneyRow, ...]
    gone: tuple[str, ...]


def result(here: Room, on: Ground, in_force: Body, draft: Body | None) -> Result:
    """Return what both bodies do on one ground, in words."""
    say = _Words(here)
    present = on.run(in_force)
    shown, body = (present, in_force) if draft is None else (on.run(draft), draft)
    now, then = say.side(present, in_force), say.side(shown, body)
    return Result(
        now=now,
        draft=then if draft is not None else None,
        same=now == then,
        verdicts=say.verdicts(on, shown, body, present if draft is not None else None, in_force),
        reasons=tuple(say.reasons(shown)),
        candidates=tuple(say.candidates(shown)),
        money=tuple(say.money(present, shown, in_force, body)) if isinstance(shown.outcome, Statement) else (),
        gone=tuple(
            say.title(in_force, rule)
            for rule in present.fired
            if draft is not None and rule != OTHERWISE and rule not in rule_ids(draft)
        ),
    )


def rule_title(body: Body, rule_id: str, lang: str) -> str:
    """Return what people call a rule, `otherwise` included; the id of one that is not there."""
    if rule_id == OTHERWISE:
        return _("Otherwise")
    return title_of(rule_of(body, rule_id), lang) if rule_id in rule_ids(body) else rule_id


class _Words:
    def __init__(self, here: Room) -> None:
        self._here, self._lang = here, here.lang
        self._names = rulebook.references(here.session)
        self._traces: dict[int, Mapping[str, Any]] = {}
        self._occasions: dict[str, str] | None = None

    def title(self, body: Body, rule_id: str) -> str:
        return rule_title(body, rule_id, self._lang)

    def side(self, trial: Trial, body: Body) -> Side:
        titles = [self.title(body, rule_id) for rule_id in trial.fired]
        rule = ", ".join(f"«{title}»" if self._lang == "ru" else f"“{title}”" for title in titles)
        found = trial.outcome
        if isinstance(found, Statement):
            return Side(money_words(found.total, self._lang))
        if isinstance(found, AssignmentOutcome):
            answer = {
                OutcomeKind.LEFT_UNASSIGNED: _("stays without a manager"),
                OutcomeKind.WAITING: _("waits for an absent manager"),
            }.get(found.kind, _("nobody yet"))
            if found.manager:
                answer = person(self._here.session, found.manager)
            minutes = found.answer_within
            lines = (_("answer within %(n)s min", n=minutes),) if minutes is not None else ()
            return Side(capital(answer), lines, rule)
        done = self._done(trial)
        if not done:
            empty = _("nothing is done") if isinstance(found, EscalationOutcome) else _("no call")
            return Side(capital(empty), (), rule)
        return Side(capital(done[0]), tuple(capital(line) for line in done[1:]), rule)

    def _done(self, trial: Trial) -> list[str]:
        """Return what is done, in short."""
        found = trial.outcome
        if isinstance(found, EscalationOutcome):
            done = []
            for firing in found.firings:
                for action in firing.actions:
                    if action.state is not State.APPLIED:
                        continue
                    words = action_words(action.to_json(), self._lang)
                    if action.effect.action == "reassign" and found.transfer:
                        words = f"{words}: {person(self._here.session, found.transfer.manager)}"
                    done.append(words)
            return list(dict.fromkeys(done))
        trace = self._trace(trial)
        kept = {**trace, "left_out": []}
        return [
            sentence.removesuffix(".")
            for rule in dict.fromkeys((*trial.fired, OTHERWISE))
            for sentence in rule_words(kept, rule, self._lang, self._occasion_titles(), self._here.reader.zone)
        ]

    def reasons(self, trial: Trial) -> Sequence[str]:
        """Return how the person was chosen, or why nobody was."""
        if not isinstance(trial.outcome, AssignmentOutcome | EscalationOutcome):
            return ()
        attempt = self._last_attempt(trial)
        if isinstance(trial.outcome, EscalationOutcome):
            return choice_words(attempt, self._lang) if attempt and trial.outcome.transfer else ()
        if attempt and trial.outcome.manager_id is not None:
            return choice_words(attempt, self._lang)
        return explain_assignment(self._trace(trial), self._lang, names=self._names)

    def candidates(self, trial: Trial) -> list[str]:
        attempt = self._last_attempt(trial)
        return [candidate_words(one, self._lang) for one in attempt["candidates"]] if attempt else []

    def verdicts(
        self, on: Ground, trial: Trial, body: Body, present: Trial | None, in_force: Body
    ) -> tuple[Verdict, ...]:
        known = set(rule_ids(in_force))
        found = []
        for number, one in enumerate(trial.verdicts, 1):
            live = ""
            if present is not None and one.rule in known and (one.rule in present.fired) != one.acts:
                live = _("in force now: acts") if one.rule in present.fired else _("in force now: does not act")
            title = self.title(body, one.rule)
            why, notes = self._why(on, one, trial), tuple(self._notes(on, trial, one, body))
            found.append(Verdict(number, one.rule, title, one.acts, one.matched, why, notes, live))
        if body.get("otherwise"):
            acts = OTHERWISE in trial.fired
            notes = tuple(self._notes(on, trial, RuleVerdict(OTHERWISE, True, acts=acts), body)) if acts else ()
            found.append(Verdict(None, OTHERWISE, _("Otherwise"), acts, acts, "", notes))
        return tuple(found)

    def money(self, present: Trial, shown: Trial, in_force: Body, body: Body) -> list[MoneyRow]:
        """Return the lines of both statements side by side, in the order of the draft, those that are gone last."""
        before, after = self._amounts(present, in_force), self._amounts(shown, body)
        rows = []
        for name in dict.fromkeys((*after, *before)):
            (title, then), (old_title, now) = after.get(name, ("", None)), before.get(name, ("", None))
            rows.append(MoneyRow(title or old_title, self._amount(now), self._amount(then), now != then))
        return rows

    def _amounts(self, trial: Trial, body: Body) -> dict[str, tuple[str, int | None]]:
        if not isinstance(trial.outcome, Statement):
            return {}
        names = line_names(body).names
        found: dict[str, tuple[str, int | None]] = {}
        for line in trial.outcome.lines:
            title = names[line.line].text(self._lang) if line.line in names else self.title(body, line.rule)
            found[line.line] = (title, (found.get(line.line, ("", 0))[1] or 0) + line.amount)
        return found

    def _amount(self, minor: int | None) -> str:
        return "—" if minor is None else money_words(minor, self._lang)

    def _why(self, on: Ground, one: RuleVerdict, trial: Trial) -> str:
        """Return why a rule does not act; "" for one that does."""
        if not one.enabled:
            return _("switched off")
        if one.left_out:
            return _("not finished, takes no part")
        if one.failed is not None:
            return self._failed(on, one.failed)
        if one.passed_over:
            return self._passed_over(one, trial)
        if one.matched and not one.acts:
            return _("matches too, but an earlier rule decides")
        return ""

    def _passed_over(self, one: RuleVerdict, trial: Trial) -> str:
        reasons = {}
        if isinstance(trial.outcome, AssignmentOutcome | EscalationOutcome):
            reasons = {item.rule: item.reason for item in trial.outcome.passed_over}
        return {
            "waiting": _("matches, and waits for somebody who is absent"),
            "line_busy": _("matches, but the manager has the client on the line"),
        }.get(reasons.get(one.rule, ""), _("matches, but nobody of its people can take it now"))

    def _failed(self, on: Ground, failed: FailedCondition) -> str:
        seen = None if failed.seen is None else dump(FIELDS[failed.field], failed.seen)
        seen = spelt(failed.field, seen, on.spellings)
        return condition_words(
            failed.field, failed.op, failed.value, seen, self._lang, unwanted=failed.unwanted, names=self._names
        )

    def _notes(self, on: Ground, trial: Trial, one: RuleVerdict, body: Body) -> list[str]:
        found = trial.outcome
        if isinstance(found, Statement):
            return self._lines_of(found, one.rule)
        if isinstance(found, CallbackOutcome):
            trace = self._trace(trial)
            notes = rule_words(trace, one.rule, self._lang, self._occasion_titles(), self._here.reader.zone)
            notes += [
                _("Not to be disturbed: %(why)s.", why=why or "—") for rule, why in found.skips if rule == one.rule
            ]
            return notes + self._segment_notes(found, one, body)
        if isinstance(found, EscalationOutcome):
            notes = [
                f"{capital(action_words(action.to_json(), self._lang))}."
                for firing in found.firings
                if firing.rule == one.rule
                for action in firing.actions
            ]
            acted = on.acted.get(one.rule) if isinstance(on, EscalationGround) else None
            if acted is not None and one.acts:
                notes.append(_("It has acted already, %(when)s, and does not act twice.", when=moment(acted)))
            return notes
        if one.passed_over and isinstance(found, AssignmentOutcome):
            refused = [
                candidate_words(candidate, self._lang)
                for attempt in self._trace(trial)["attempts"]
                if attempt["rule"] == one.rule
                for candidate in attempt["candidates"]
            ]
            return refused[:3]
        return []

    def _segment_notes(self, found: CallbackOutcome, one: RuleVerdict, body: Body) -> list[str]:
        """Return why the segment that a rule sets is not set by it."""
        named = [action for action in self._actions(body, one.rule) if action.get("action") == "set_segment"]
        if not named or not one.acts or (found.segment and found.segment[0] == one.rule):
            return []
        label = FIELDS["client.segment"].choice_label(str(named[0].get("segment")), self._lang)
        first = next(
            (
                rule
                for rule, _title in found.titles
                if any(action.get("action") == "set_segment" for action in self._actions(body, rule))
            ),
            one.rule,
        )
        if first != one.rule:
            return [_("Segment: %(name)s — an earlier rule has set it already.", name=label)]
        return [_("Segment: %(name)s — he is in it already.", name=label)]

    @staticmethod
    def _actions(body: Body, rule_id: str) -> list[Mapping[str, Any]]:
        if rule_id != OTHERWISE and rule_id not in rule_ids(body):
            return []
        return [action for action in rule_of(body, rule_id).get("then") or [] if isinstance(action, dict)]

    def _lines_of(self, found: Statement, rule: str) -> list[str]:
        """Return the lines that a rule makes, and those of other rules that it changes."""
        own = [line for line in found.lines if line.rule == rule]
        changed = [line for line in found.lines if any(step.rule == rule for step in line.steps)]
        return [line_sentence(line, self._lang) for line in own or changed]

    def _trace(self, trial: Trial) -> Mapping[str, Any]:
        if isinstance(trial.outcome, Statement):
            return {}
        return self._traces.setdefault(id(trial), trial.outcome.to_json())

    def _last_attempt(self, trial: Trial) -> Mapping[str, Any] | None:
        """Return the last pool that was tried, the one that decided if any did."""
        trace = self._trace(trial)
        if isinstance(trial.outcome, AssignmentOutcome):
            attempts = trace["attempts"]
        elif isinstance(trial.outcome, EscalationOutcome):
            passed = [attempt for item in trace["passed_over"] for attempt in item["attempts"]]
            attempts = trace["transfer"]["attempts"] if trace["transfer"] else passed
        else:
            attempts = []
        return attempts[-1] if attempts else None

    def _occasion_titles(self) -> dict[str, str]:
        if self._occasions is None:
            rows = catalogue(self._here.session)
            self._occasions = {code: str(one.title.get(self._lang) or code) for code, one in rows.items()}
        return self._occasions
