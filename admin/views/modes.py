"""How much each decision may do, for everybody and for single teams; and the way back to watching."""

from dataclasses import dataclass

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select

from admin.base import commit_and_wake, db_session, request_now
from admin.labels import decision_name, mode_name
from admin.security import actor
from rules_engine.decisions.modes import Mode
from rules_engine.models import ModeChange, Team
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.rules import modes, rulebook

blueprint = Blueprint("modes", __name__, url_prefix="/modes")
RECENT = 20


@dataclass(frozen=True, slots=True)
class Line:
    """The mode of a decision for all teams (`team` "") or for one."""

    decision: str
    team: str
    name: str
    mode: Mode
    since: ModeChange | None
    is_apart: bool


@blueprint.get("/")
def show() -> ResponseReturnValue:
    session, now = db_session(), request_now()
    picture = reference(session)
    changes = list(session.scalars(select(ModeChange).order_by(ModeChange.at.desc(), ModeChange.id.desc())))
    groups = {}
    for line in modes.show(session, now):
        apart = dict(line.by_team)
        lines = [_line(line.decision, "", _("All teams"), line.mode, changes, False)]
        for team in sorted(picture.teams.values(), key=lambda team: team.name):
            mode = modes.mode_in(picture, line.decision, team.id, now)
            lines.append(_line(line.decision, team.code, team.name, mode, changes, team.code in apart))
        groups[line.decision] = lines
    return render_template(
        "rules/modes.html",
        groups=groups,
        modes=tuple(Mode),
        meanings=meanings(),
        changes=changes[:RECENT],
        names={"system": _("the system")} | {user.login: user.name for user in picture.users.values()},
    )


@blueprint.post("/change")
def change() -> ResponseReturnValue:
    """Switch a mode, after the person has seen what that means; the first press shows it, the second does it."""
    session, now = db_session(), request_now()
    decision, wanted, code = (request.form.get(name, "") for name in ("decision", "mode", "team"))
    if decision not in [one.value for one in rulebook.DECISIONS] or wanted not in [mode.value for mode in Mode]:
        abort(404)
    team = session.scalars(select(Team).where(Team.code == code)).one_or_none() if code else None
    if code and team is None:
        abort(404)
    present = modes.mode_of(session, decision, team.id if team else None, now)
    if request.form.get("sure") != "yes":
        return render_template(
            "rules/mode_change.html",
            decision=decision,
            team=team,
            present=present,
            wanted=Mode(wanted),
            meanings=meanings(),
            apart=_apart(reference(session), decision, present, team),
        )
    made = modes.set_mode(session, decision, wanted, team=team, actor=actor(), now=now)
    commit_and_wake()
    who = team.name if team else _("all teams")
    if made is None:
        flash(_("It was this mode already."), "")
    else:
        flash(
            _(
                "%(decision)s, %(who)s: now %(mode)s.",
                decision=decision_name(decision),
                who=who,
                mode=mode_name(wanted),
            ),
            "good",
        )
    return redirect(url_for("modes.show"))


def meanings() -> dict[Mode, str]:
    """Return what each mode does, in a sentence."""
    return {
        Mode.OFF: _("Nothing is decided and nothing is recorded."),
        Mode.WATCH: _("Decides and records what it would have done, and touches nobody."),
        Mode.HINTS: _("Gives tasks, due times and reminders, but transfers and assigns nothing."),
        Mode.LIVE: _("Carries out what the rules say."),
    }


def _apart(picture: Reference, decision: str, present: Mode, team: Team | None) -> list[str]:
    """Return the teams whose own mode a switch for all teams would end."""
    if team is not None:
        return []
    latest: dict[int, str] = {}
    for change in picture.modes:
        if change.decision != decision:
            continue
        if change.team_id is None:
            latest = {}
        else:
            latest[change.team_id] = change.mode
    return [picture.teams[team_id].name for team_id, mode in latest.items() if mode != present]


def _line(decision: str, team: str, name: str, mode: Mode, changes: list[ModeChange], is_apart: bool) -> Line:
    codes = ("",) if not team else ("", team)
    since = next(
        (
            change
            for change in changes
            if change.decision == decision and (change.team.code if change.team else "") in codes
        ),
        None,
    )
    return Line(decision, team, name, mode, since, is_apart)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
