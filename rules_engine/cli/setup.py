"""`pravila init`, `pravila mode` and `pravila token`: what makes an installation and switches it on."""

import sys

import click
from sqlalchemy import make_url, select

from rules_engine import clock, db, migrations
from rules_engine.cli.output import json_option, open_session, print_json
from rules_engine.decisions.modes import WORDS, Mode
from rules_engine.errors import NotFound
from rules_engine.language.kinds import DECISION_LABELS, Decision
from rules_engine.models import Team
from rules_engine.services.company import passwords, tokens
from rules_engine.services.rules import modes, rulebook
from rules_engine.services.rules.modes import ModeLine
from rules_engine.services.running import setup
from rules_engine.settings import Settings

ACTOR = "system"
_DONE = {
    "ru": ("база данных: {url}", "добавлено: {added}", "всё уже на месте", "схема обновлена: {before} → {after}"),
    "en": (
        "database: {url}", "added: {added}", "everything is in place already", "schema upgraded: {before} → {after}",
    ),
}  # fmt: skip


@click.command()
@click.option("--admin", metavar="LOGIN", help="Make this administrator, if there is no such user yet.")
@click.option("--password-stdin", is_flag=True, help="Read his password from the first line of standard input.")
@click.option("--live", is_flag=True, help="Decisions start in mode live instead of watch.")
@json_option
def init(admin: str | None, password_stdin: bool, live: bool, as_json: bool) -> None:
    """Make or migrate the database; load the shipped rulesets; make the first administrator."""
    if bool(admin) != password_stdin:
        raise click.UsageError("--admin and --password-stdin belong together")
    settings = Settings.from_env()
    password_hash = _password_hash(admin) if admin else None
    engine = db.make_engine(settings.database_url)
    try:
        before = migrations.current_revision(engine)
        migrations.upgrade(engine)
        with db.transaction(db.make_sessions(engine, settings)) as session:
            installed = setup.initialise(
                session, now=clock.now(), live=live, admin_login=admin, admin_password_hash=password_hash
            )
    finally:
        engine.dispose()
    # Without the password that a URL may carry.
    url = make_url(settings.database_url).render_as_string(hide_password=True)
    document = {
        "database": url,
        "revision": migrations.head_revision(),
        "calendar": installed.calendar,
        "rulesets": list(installed.rulesets),
        "modes": list(installed.modes),
        "administrator": admin if installed.administrator else None,
    }
    if as_json:
        print_json(document)
        return
    place, added, nothing, upgraded = _DONE[settings.locale]
    click.echo(place.format(url=url))
    is_newer = before not in (None, migrations.head_revision())
    if is_newer:
        click.echo(upgraded.format(before=before, after=migrations.head_revision()))
    names = [*(["calendar"] if installed.calendar else []), *installed.rulesets]
    names += [admin] if admin and installed.administrator else []
    if names or not is_newer:
        click.echo(added.format(added=", ".join(names)) if names else nothing)


@click.group()
def mode() -> None:
    """The recorded switch of each decision: off, watch, hints, live."""


@mode.command("show")
@json_option
def show_modes(as_json: bool) -> None:
    """Print the mode of each decision, and the teams that differ."""
    settings = Settings.from_env()
    with open_session(settings, write=False) as session:
        _print_modes(modes.show(session, clock.now()), settings.locale, as_json)


@mode.command("set")
@click.argument("decision", type=click.Choice([*map(str, rulebook.DECISIONS), "all"]))
@click.argument("value", metavar="MODE", type=click.Choice([mode.value for mode in Mode]))
@click.option("--team", metavar="CODE", help="Only for this team.")
@json_option
def set_modes(decision: str, value: str, team: str | None, as_json: bool) -> None:
    """Switch a decision (or all) to MODE from now on."""
    settings = Settings.from_env()
    now = clock.now()
    with open_session(settings) as session:
        row = None
        if team is not None:
            row = session.scalars(select(Team).where(Team.code == team)).one_or_none()
            if row is None:
                raise NotFound(what=team)
        wanted = map(str, rulebook.DECISIONS) if decision == "all" else [decision]
        for name in wanted:
            modes.set_mode(session, name, value, team=row, actor=ACTOR, now=now)
        _print_modes(modes.show(session, now), settings.locale, as_json)


@click.group()
def token() -> None:
    """Bearer tokens of the REST API."""


@token.command("create")
@click.option("--name", required=True, help="Who will use it.")
@click.option("--scope", "scopes", required=True, multiple=True, metavar="S", help="May be given several times.")
@json_option
def create_token(name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Print a new token, this once: only its digest is kept."""
    with open_session(Settings.from_env()) as session:
        row, secret = tokens.create(session, name, list(scopes), now=clock.now())
        document = {"name": row.name, "scopes": list(row.scopes), "token": secret}
    if as_json:
        print_json(document)
    else:
        click.echo(secret)


def _password_hash(login: str | None) -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    problem = passwords.password_problem(password, login or "")
    if problem is not None:
        raise problem
    return passwords.hash_password(password)


def _print_modes(lines: list[ModeLine], lang: str, as_json: bool) -> None:
    if as_json:
        document = [
            {"decision": line.decision, "mode": line.mode.value, "teams": {c: m.value for c, m in line.by_team}}
            for line in lines
        ]
        print_json({"modes": document})
        return
    for line in lines:
        label = DECISION_LABELS[Decision(line.decision)].text(lang)
        teams = "".join(f"; {code}: {WORDS[mode][lang]}" for code, mode in line.by_team)
        click.echo(f"{line.decision} ({label}): {WORDS[line.mode][lang]}{teams}")
