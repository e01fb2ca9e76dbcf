"""The regulation of calls on one page: made of the rules in force, to be printed and signed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue

from admin.base import db_session, request_now, shell
from admin.language import full_moment, language
from admin.security import viewer
from admin.views.rule_editor.cards import title_of
from admin.views.rule_editor.pages import blueprint
from admin.views.rule_editor.room import person, title_text
from admin.views.rule_editor.sentences import Part, Speaker
from admin.views.rule_editor.typed import Reader
from admin.views.rule_editor.wording import _, capital
from rules_engine.decisions.client_time import CLOSES, OPENS
from rules_engine.decisions.modes import Mode
from rules_engine.errors import NotFound
from rules_engine.language.kinds import Decision, Words
from rules_engine.language.line_names import line_names
from rules_engine.language.vocabulary.fields_client import OUTCOMES
from rules_engine.models import Role
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import Node
from rules_engine.services.explain import regulation
from rules_engine.services.explain.regulation import Call, Decided
from rules_engine.services.rules import rulebook

_ANSWERED = "answered"
"""An outcome of a call that came in; a planned call has the others."""


@dataclass(frozen=True, slots=True)
class CallLine:
    """One row of the table of occasions, in words."""

    occasion: str
    when: tuple[Part, ...]
    timing: str
    caller: str
    is_offer: bool
    is_urgent: bool


@dataclass(frozen=True, slots=True)
class RuleLine:
    title: str
    said: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Who decided one of the rulesets, and which it is."""

    title: str
    number: int
    since: datetime | None
    people: tuple[str, ...]
    digest: str
    is_live: bool


@blueprint.get("/regulation", endpoint="regulation")
def regulation_page() -> ResponseReturnValue:
    """Show it as it holds now, or `at` an instant; the signatures are those of one team, of a manager's own."""
    session, now, lang, zone = db_session(), request_now(), language(), shell().settings.zone
    at = _asked_instant(Reader(lang, zone), now)
    team_id = _team()
    try:
        found = regulation.regulation(session, at)
    except NotFound:
        abort(404)
    names = rulebook.references(session)
    bonus = next(one.version.body for one in found.decided if one.version.decision == Decision.BONUS)
    speakers = {one: Speaker(one, lang, names, zone, line_names(bonus)) for one in regulation.DECISIONS}
    picture = reference(session)
    return render_template(
        "rules/regulation.html",
        found=found,
        at=at,
        is_future=at > now,
        calls=[_call(one, speakers[Decision.CALLBACKS], lang) for one in found.calls],
        skips=_lines(found.skips, speakers[Decision.CALLBACKS], lang),
        segments=_segments(found.segments, speakers[Decision.CALLBACKS]),
        overdue=_lines([_about_the_call(rule) for rule in found.overdue], speakers[Decision.ESCALATION], lang),
        bonus=_lines(found.bonus, speakers[Decision.BONUS], lang),
        sources=[_source(one, lang) for one in found.decided],
        concerned=regulation.concerned(session, at, team_id),
        teams=sorted(picture.teams.values(), key=lambda team: team.name),
        team=picture.teams.get(team_id) if team_id is not None else None,
        may_choose=viewer().role is not Role.MANAGER,
        outcomes=[one.label.text(lang) for one in OUTCOMES if one.value != _ANSWERED],
        hours=(f"{OPENS:%H:%M}", f"{CLOSES:%H:%M}"),
        coming=_coming(now),
        full=full_moment,
    )


def _call(call: Call, speaker: Speaker, lang: str) -> CallLine:
    later, within = call.action.get("in_working_days"), call.action.get("within_days")
    timing = [
        _("in %(num)s working days", num=later) if later else "",
        _("within %(num)s working days", num=within) if within else "",
    ]
    pools = [part.text for part in speaker.action(call.action, "/then/0") if part.param == "to"]
    occasion = Words(call.title.get("ru", ""), call.title.get("en", "")).text(lang)
    when = call.rule.get("when")
    return CallLine(
        occasion=occasion or str(call.action.get("occasion")),
        when=speaker.group(when) if when else (Part("text", _("always")),),
        timing=", ".join(text for text in timing if text),
        caller=capital("".join(pools)) or _("The owner of the client"),
        is_offer=call.is_offer,
        is_urgent=call.action.get("priority") == "high",
    )


def _lines(rules: Iterable[Node], speaker: Speaker, lang: str) -> list[RuleLine]:
    return [RuleLine(title_of(rule, lang), speaker.rule(rule)) for rule in rules]


def _segments(rules: Iterable[Node], speaker: Speaker) -> list[RuleLine]:
    """Return each segment by its name with the conditions under which a client is in it."""
    lines = []
    for rule in rules:
        action = next(one for one in rule["then"] if one.get("action") == "set_segment")
        name = "".join(part.text for part in speaker.action(action, "/then/0") if part.param == "segment")
        when = rule.get("when")
        lines.append(RuleLine(name, speaker.group(when) if when else (Part("text", _("always")),)))
    return lines


def _about_the_call(rule: Node) -> Node:
    """Return a rule without the condition that a planned call is at hand: its section is about nothing else."""
    when = rule.get("when") or {}
    kind = {"field": "item.kind", "op": "is", "value": "callback"}
    rest = [one for one in when.get("all", []) if one != kind]
    return {**rule, "when": {"all": rest}} if rest else rule


def _source(one: Decided, lang: str) -> Source:
    version = one.version
    shipped = version.number == 1 and version.holds_from.year < 1900
    deciders = dict.fromkeys(login for login in (version.authored_by, version.published_by) if login)
    return Source(
        title=title_text(version.body, lang),
        number=version.number,
        since=None if shipped else version.holds_from,
        people=tuple(person(db_session(), login) for login in deciders),
        digest=version.content_hash[:12],
        is_live=one.mode is Mode.LIVE,
    )


def _coming(now: datetime) -> list[datetime]:
    """Return the instants at which another version of these rules comes into force."""
    found = {
        version.holds_from
        for one in regulation.DECISIONS
        for version in editing.coming_versions(db_session(), one, now)
    }
    return sorted(found)


def _team() -> int | None:
    """Return the team whose signatures are asked for; of a manager his own; None: all."""
    picture = reference(db_session())
    if viewer().role is Role.MANAGER:
        mine = next((one for one in picture.users.values() if one.login == viewer().login), None)
        return mine.team_id if mine else None
    code = request.args.get("team", "")
    return next((team.id for team in picture.teams.values() if team.code == code), None)


def _asked_instant(reader: Reader, now: datetime) -> datetime:
    text = request.args.get("at", "")
    if not text:
        return now
    try:
        return reader.instant(text)
    except (ValueError, OverflowError):
        abort(404)
