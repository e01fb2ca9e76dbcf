"""`pravila run`, `web`, `worker`, `clock`, `demo`: the parts of an installation, each a process of its own.

The shells live in other packages that the engine must not import, so each is started by its module name.
"""

import importlib
import os
import sys
from typing import Any, NoReturn

import click
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from rules_engine import db, migrations
from rules_engine.cli.output import json_option, print_json
from rules_engine.language.kinds import Words
from rules_engine.models import User
from rules_engine.settings import Settings


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="How many workers.")
@json_option
def run(workers: int, as_json: bool) -> None:
    """Start everything under one supervisor: Redis (unless PRAVILA_REDIS_URL is set), clock, workers, pages."""
    settings = Settings.from_env()
    if as_json:
        print_json({"address": settings.public_url})
    else:
        address = settings.public_url
        click.echo(
            _words(settings, f"Pravila: {address}. Ctrl-C — остановить.", f"Pravila: {address}. Ctrl-C stops it.")
        )
    _become("workers.supervisor", "--workers", str(workers), "run")


@click.command()
@json_option
def web(as_json: bool) -> None:
    """Serve the pages and the API alone."""
    settings = Settings.from_env()
    if as_json:
        print_json({"address": settings.public_url})
    _become("wsgi")


@click.command()
@json_option
def worker(as_json: bool) -> None:
    """Run one worker alone; any number may run, on any machine that reaches the database and Redis."""
    if as_json:
        print_json({"part": "worker"})
    _become("workers.worker")


@click.command()
@json_option
def clock(as_json: bool) -> None:
    """Run the clock process alone: it wakes the workers; any number may run."""
    if as_json:
        print_json({"part": "clock"})
    _become("workers.schedule")


@click.command()
@click.option("--managers", type=click.IntRange(3, 500), default=24, show_default=True)
@click.option("--months", type=click.IntRange(1, 36), default=12, show_default=True, help="Of history, before today.")
@click.option("--requests-per-month", type=click.IntRange(1, 20_000), default=600, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed invents the same company.")
@click.option("--no-serve", is_flag=True, help="Fill it and end; start nothing.")
@click.option("--quiet", is_flag=True, hidden=True, help="Say nothing: the filling behind `demo --json`.")
@json_option
def demo(
    managers: int, months: int, requests_per_month: int, seed: int, no_serve: bool, quiet: bool, as_json: bool
) -> None:
    """Fill an invented company by running the real services under a moving clock, then serve it."""
    settings = Settings.from_env()
    _migrate(settings)
    if no_serve:
        _fill(settings, managers, months, requests_per_month, seed, quiet=quiet or as_json)
        if as_json:
            print_json(_who_can_log_in(settings))
        return
    if as_json:
        print_json({"address": settings.public_url, "password": _password(), "data": "invented"})
    else:
        click.echo(
            _words(
                settings,
                f"Pravila: {settings.public_url} — все данные выдуманы. Ctrl-C — остановить.",
                f"Pravila: {settings.public_url} — all data is invented. Ctrl-C stops it.",
            )
        )
    sizes = {"managers": managers, "months": months, "requests-per-month": requests_per_month, "seed": seed}
    words = [f"--{name}={value}" for name, value in sizes.items()]
    _become("workers.supervisor", "demo", *words, *(["--quiet"] if as_json else []))


def _migrate(settings: Settings) -> None:
    engine = db.make_engine(settings.database_url)
    try:
        if migrations.current_revision(engine) != migrations.head_revision():
            migrations.upgrade(engine)
    finally:
        engine.dispose()


def _fill(settings: Settings, managers: int, months: int, requests_per_month: int, seed: int, *, quiet: bool) -> None:
    """Fill the company in this process; say who can log in as soon as they can, then how far the history is."""
    company = importlib.import_module("rules_engine.demo")
    # Relaxed: what is lost with a power cut is made again from the seed.
    engine = db.make_engine(settings.database_url, relaxed=True)
    said: list[str] = []

    def say_once(key: str, *lines: str) -> None:
        if key not in said and not quiet:
            said.append(key)
            click.echo("\n".join(lines))
            sys.stdout.flush()

    def progress(what: Words) -> None:
        say_once("logins", *_login_lines(engine, settings))
        said_as = what.text(settings.locale)
        say_once(said_as, _words(settings, f"наполняется: {said_as}", f"filling: {said_as}"))

    try:
        company.fill(
            db.make_sessions(engine, settings),
            settings,
            managers=managers,
            months=months,
            requests_per_month=requests_per_month,
            seed=seed,
            progress=progress,
        )
        say_once("logins", *_login_lines(engine, settings))
        say_once("end", _words(settings, "история полна", "the history is complete"))
    finally:
        engine.dispose()


def _who_can_log_in(settings: Settings) -> dict[str, Any]:
    engine = db.make_engine(settings.database_url)
    try:
        return {"address": settings.public_url, "password": _password(), "logins": _logins(engine)}
    finally:
        engine.dispose()


def _password() -> str:
    password: str = importlib.import_module("rules_engine.demo.company").PASSWORD
    return password


def _logins(engine: Engine) -> list[dict[str, Any]]:
    with Session(engine.execution_options(pravila_read_only=True)) as session:
        users = session.scalars(select(User).where(User.password_hash.is_not(None)).order_by(User.id))
        return [{"role": user.role.value, "login": user.login, "name": user.name} for user in users]


def _login_lines(engine: Engine, settings: Settings) -> list[str]:
    words = {
        "administrator": ("администратор", "administrator"),
        "head": ("руководитель", "head"),
        "manager": ("менеджеры", "managers"),
        "auditor": ("аудитор", "auditor"),
    }
    found = _logins(engine)
    lines = []
    for role, (ru, en) in words.items():
        names = [user["login"] for user in found if user["role"] == role]
        shown = ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
        if names:
            lines.append(f"  {_words(settings, ru, en):14} {shown}")
    return [*lines, f"  {_words(settings, 'пароль у всех', 'password of all')}: {_password()}"]


def _words(settings: Settings, ru: str, en: str) -> str:
    return ru if settings.locale == "ru" else en


def _become(module: str, *words: str) -> NoReturn:
    """Turn this process into another part, so that its signals and its exit code are those of the part."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *words])
