"""How every command answers: a person reads lines, a program reads one JSON document."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.errors import PolicyViolation, PravilaError
from rules_engine.settings import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, nothing else.")


def print_json(document: Any) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def fail(problem: PravilaError) -> NoReturn:
    """End the command with exit code 1 and the reason, in the installation's language, on standard error."""
    try:
        language = Settings.from_env().locale
    except PravilaError:
        language = "en"
    click.echo(problem.message(language), err=True)
    sys.exit(1)


@contextmanager
def open_session(settings: Settings, *, write: bool = True) -> Iterator[Session]:
    """Yield a session on the installation's database, committed at the end.

    Raises PolicyViolation when the database was never made or is older than this program.
    """
    with open_sessions(settings, write=write) as sessions, db.transaction(sessions) as session:
        yield session


@contextmanager
def open_sessions(settings: Settings, *, write: bool = True, relaxed: bool = False) -> Iterator[sessionmaker[Session]]:
    """Yield the factory of sessions, for a command that drives transactions itself; raises as `open_session`.

    `relaxed`: see `db.make_engine`.
    """
    engine = db.make_engine(settings.database_url, relaxed=relaxed)
    try:
        if migrations.current_revision(engine) != migrations.head_revision():
            raise PolicyViolation(
                ru="база данных не подготовлена: выполните «pravila init»",
                en="the database is not ready: run “pravila init”",
            )
        make = db.make_sessions if write else db.make_reading_sessions
        yield make(engine, settings)
    finally:
        engine.dispose()
