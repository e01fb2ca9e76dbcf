"""`pravila run-due` and `pravila replay`: time as an argument."""

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from rules_engine import clock
from rules_engine.cli.instants import instant
from rules_engine.cli.output import json_option, open_sessions, print_json
from rules_engine.services.messages.senders import make_senders
from rules_engine.services.running import agenda
from rules_engine.services.running import replay as replays
from rules_engine.services.running.agenda import Totals
from rules_engine.settings import Settings


@click.command("run-due")
@click.option("--now", type=instant, metavar="TS", help="Business instant; without it the present one.")
@json_option
def run_due(now: datetime | None, as_json: bool) -> None:
    """Do, in this process and without Redis, all that is due at an instant, mails included."""
    settings = Settings.from_env()
    with open_sessions(settings) as sessions:
        totals = agenda.run_due(sessions, now or clock.now(), senders=make_senders(settings))
    _answer(totals, as_json)


@click.command()
@click.option("--from", "from_at", required=True, type=instant, metavar="TS", help="Where the clock starts.")
@click.option("--to", "until_at", required=True, type=instant, metavar="TS", help="Where it stops, not included.")
@json_option
def replay(from_at: datetime, until_at: datetime, as_json: bool) -> None:
    """Move the clock through [FROM, TO), handing arrivals over on the way; a killed one goes on where it was."""
    with open_sessions(Settings.from_env(), relaxed=True) as sessions:
        totals = replays.replay(sessions, from_at, until_at, progress=None if as_json else _progress())
    _answer(totals, as_json)


def _progress() -> Callable[[datetime, Totals], None] | None:
    """Return what shows the clock on a terminal; None where nobody looks."""
    if not sys.stderr.isatty():
        return None

    def show(clock_at: datetime, totals: Totals) -> None:
        click.echo(f"\r{clock_at:%Y-%m-%d %H:%M} UTC, {totals.arrived} → {totals.assigned}", nl=False, err=True)

    return show


def _answer(totals: Totals, as_json: bool) -> None:
    document: dict[str, Any] = totals.to_json()
    if as_json:
        print_json(document)
        return
    click.echo(" · ".join(f"{key}: {document[key]}" for key in document))
