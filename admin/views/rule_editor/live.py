"""What the draft says while somebody works at it: how much of the last month matches, and what the analysis finds."""

import copy
from dataclasses import dataclass

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_decimal, ngettext

from admin.security import actor
from admin.views.rule_editor.cards import title_of
from admin.views.rule_editor.operations import shaped
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.room import Room, person, room
from admin.views.rule_editor.trying_typed import PREFIX
from admin.views.rule_editor.wording import _
from rules_engine.errors import InputError, NotFound
from rules_engine.language.analysis import Finding, Severity, unchecked_lines
from rules_engine.language.engines.base import Facts
from rules_engine.language.kinds import Decision
from rules_engine.language.model import OTHERWISE
from rules_engine.language.spelling import Spellings, of_rules, spelt
from rules_engine.language.values import dump
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.approvals import findings as findings_of
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import Body, Node, node_at, pointer, rule_ids, rule_of
from rules_engine.services.drafts.recent_facts import Ground, Matched, matching
from rules_engine.services.rules import rulebook


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding under its card. `mends` is what its button says, "" where nothing mends it by itself.

    `example` are the facts that prove it, in words; `typed` the same as inputs of the trial.
    """

    key: str
    rule: str
    text: str
    mends: str
    is_warning: bool
    example: tuple[tuple[str, str], ...]
    typed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AcceptedView:
    key: str
    rule: str
    text: str
    reason: str
    by: str


@blueprint.post("/<decision>/draft/count")
def count(decision: str) -> ResponseReturnValue:
    """Say how much of the last month the rule matches as it is saved, and as the open form would make it."""
    here = room(decision)
    row = editing.draft(here.session, decision)
    if row is None:
        abort(404)
    form = request.form
    try:
        rule = rule_of(row.body, form.get("rule", ""))
        at = pointer(form.get("at", ""))
        present = node_at(rule, at)
    except NotFound:
        return ""
    if at[0] != "when" or not isinstance(present, dict):
        return ""
    saved = matching(here.session, here.decision, rule.get("when"), here.now)
    typed = shaped(here, form)
    condition, errors = here.conditions.read(typed)
    value = _value_words(here, condition)
    if errors or value == _value_words(here, present):
        return render_template("rules/_count.html", lines=_lines(here, saved, None, ""))
    other = copy.deepcopy(rule)
    node_at(other, at[:-1])[at[-1]] = condition
    would = matching(here.session, here.decision, other.get("when"), here.now)
    return render_template("rules/_count.html", lines=_lines(here, saved, would, value))


@blueprint.get("/<decision>/draft/findings")
def findings(decision: str) -> ResponseReturnValue:
    """Return what the analysis finds in the draft, each under its card, and the sum of it for the top of the page."""
    here = room(decision)
    row = editing.draft(here.session, decision)
    if row is None:
        abort(404)
    names, spellings = rulebook.references(here.session), of_rules(row.body)
    found = findings_of.findings(here.session, row.body, row.accepted, here.now)
    ids = rule_ids(row.body)
    titles = {rule_id: str(number) for number, rule_id in enumerate(ids, 1)}
    titles[OTHERWISE] = _("“Otherwise”")

    def view(one: Finding) -> FindingView:
        return FindingView(
            key=one.key,
            rule=one.rule,
            text=one.message(here.lang, titles, names),
            mends=one.fix.message(here.lang, titles) if one.fix else "",
            is_warning=one.severity is Severity.WARNING,
            example=one.example_words(here.lang, names, spellings),
            typed=_typed(here, one.example or {}, spellings),
        )

    accepted = [
        AcceptedView(
            one.finding.key,
            one.finding.rule,
            one.finding.message(here.lang, titles, names),
            one.reason,
            person(here.session, one.by),
        )
        for one in found.accepted
    ]
    return render_template(
        "rules/_findings.html",
        **head(here, "draft"),
        views=[view(one) for one in found.open],
        accepted=accepted,
        unchecked=unchecked_lines(found.unchecked, here.lang, titles),
        subjects=[*ids, OTHERWISE],
        names={rule_id: _name(here, row.body, rule_id) for rule_id in (*ids, OTHERWISE)},
        numbers={rule_id: number for number, rule_id in enumerate(ids, 1)},
    )


@blueprint.post("/<decision>/draft/findings/intend")
def intend(decision: str) -> ResponseReturnValue:
    """Keep that a finding is intended, and why."""
    here = room(decision)
    try:
        reason, key = request.form.get("reason", ""), request.form.get("key", "")[:200]
        editing.accept_finding(here.session, decision, key, reason, actor=actor(), now=here.now)
    except InputError as refused:
        here.session.rollback()
        flash(refused.message(here.lang), "warn")
    here.session.commit()
    return _back(decision)


@blueprint.post("/<decision>/draft/findings/unintend")
def unintend(decision: str) -> ResponseReturnValue:
    """Let a finding stand open again."""
    here = room(decision)
    editing.unaccept_finding(here.session, decision, request.form.get("key", "")[:200], actor=actor(), now=here.now)
    here.session.commit()
    return _back(decision)


def _back(decision: str) -> ResponseReturnValue:
    rule = request.form.get("rule", "")[:100]
    return redirect(url_for("rules.draft", decision=decision, _anchor=f"rule-{rule}" if rule else None), 303)


def _name(here: Room, body: Body, rule_id: str) -> str:
    return _("Otherwise") if rule_id == OTHERWISE else title_of(rule_of(body, rule_id), here.lang)


def _typed(here: Room, facts: Facts, spellings: Spellings) -> tuple[tuple[str, str], ...]:
    """Return facts as the inputs in which the trial takes typed values."""
    found: list[tuple[str, str]] = []
    for key, value in facts.items():
        if value is None:
            continue
        written, kind = spelt(key, dump(FIELDS[key], value), spellings), FIELDS[key].type
        texts = written if isinstance(written, list) else [here.reader.shown(kind, written)]
        found += [(f"{PREFIX}{key}", str(text)) for text in texts]
    return tuple(found)


def _lines(here: Room, saved: Matched | None, would: Matched | None, value: str) -> list[str]:
    """Return the figure as a sentence, and under it on what it rests where that must be said."""
    latest = would or saved
    if latest is None:
        return []
    first = _matches(here, saved or latest)
    if saved is not None and would is not None:
        first = _("%(saved)s; with “%(value)s” it is %(n)s", saved=first, value=value, n=_number(would.count))
    return [first, *_grounds(here, latest.ground)]


def _matches(here: Room, one: Matched) -> str:
    n, total = one.count, _number(one.ground.total)
    if here.decision is Decision.BONUS:
        text = ngettext(
            "matches %(num)s manager of %(total)s last month",
            "matches %(num)s managers of %(total)s last month",
            n,
            total=total,
        )
    elif here.decision is Decision.CALLBACKS:
        text = ngettext(
            "matches %(num)s client of %(total)s in the last month",
            "matches %(num)s clients of %(total)s in the last month",
            n,
            total=total,
        )
    elif here.decision is Decision.ESCALATION:
        text = ngettext(
            "matches %(num)s request or call of %(total)s in the last month",
            "matches %(num)s requests and calls of %(total)s in the last month",
            n,
            total=total,
        )
    else:
        text = ngettext(
            "matches %(num)s request of %(total)s in the last month",
            "matches %(num)s requests of %(total)s in the last month",
            n,
            total=total,
        )
    return str(text)


def _grounds(here: Room, ground: Ground) -> list[str]:
    lines = []
    if ground.sampled:
        lines.append(_("Counted over the newest %(n)s decisions.", n=_number(ground.total)))
    if ground.of_now:
        lines.append(_("As it is now, not as it was then: %(fields)s.", fields=_labels(here, ground.of_now)))
    if ground.unknown:
        lines.append(_("Not known for some of them: %(fields)s.", fields=_labels(here, ground.unknown)))
    return lines


def _labels(here: Room, keys: tuple[str, ...]) -> str:
    return ", ".join(FIELDS[key].label.text(here.lang) for key in keys)


def _number(number: int) -> str:
    return str(format_decimal(number))


def _value_words(here: Room, condition: Node) -> str:
    """Return the value of a condition as its chip says it."""
    return " ".join(part.text for part in here.speaker.condition(condition) if part.kind == "chip")
