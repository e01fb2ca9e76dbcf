"""`pravila bonus`: the bonus of a month, step by step. The console acts as `system`."""

from collections.abc import Callable
from typing import Any

import click

from rules_engine import clock
from rules_engine.cli.output import json_option, open_session, print_json
from rules_engine.decisions.money import parse_amount
from rules_engine.services.bonus import periods
from rules_engine.services.bonus import show as bonus_show
from rules_engine.services.bonus.texts import money_words, month_words
from rules_engine.settings import Settings

ACTOR = "system"
_PROVISIONAL = {"ru": "предварительно на сегодня", "en": "so far, provisional"}
_TOTAL = {"ru": "итого", "en": "total"}
_NOBODY = {"ru": "расчётных листов нет", "en": "there are no statements"}
_REASON = {"ru": "из командной строки", "en": "from the command line"}

period_argument = click.argument("period", metavar="PERIOD")
manager_option = click.option("--manager", metavar="LOGIN", help="Print the statement of this manager only.")


@click.group()
def bonus() -> None:
    """The bonus of a month; PERIOD is for example 2026-10."""


@bonus.command()
@period_argument
@manager_option
@json_option
def show(period: str, manager: str | None, as_json: bool) -> None:
    """Print the stored statements."""
    _answer(period, manager, as_json)


@bonus.command()
@period_argument
@manager_option
@json_option
def compute(period: str, manager: str | None, as_json: bool) -> None:
    """Compute the month for everybody, by the rules in force at its first instant; before its end provisional."""
    _step(periods.compute, period, manager, as_json)


@bonus.command()
@period_argument
@manager_option
@json_option
def present(period: str, manager: str | None, as_json: bool) -> None:
    """Show the computed statements to the managers."""
    _step(periods.present, period, manager, as_json)


@bonus.command()
@period_argument
@manager_option
@json_option
def approve(period: str, manager: str | None, as_json: bool) -> None:
    """Approve what the managers were shown."""
    _step(periods.approve, period, manager, as_json)


@bonus.command()
@period_argument
@manager_option
@json_option
def close(period: str, manager: str | None, as_json: bool) -> None:
    """Close an approved period for ever."""
    _step(periods.close, period, manager, as_json)


@bonus.command()
@period_argument
@manager_option
@click.option("--reason", metavar="TEXT", help="Why; it stands in the journal and on the new revision.")
@json_option
def reopen(period: str, manager: str | None, reason: str | None, as_json: bool) -> None:
    """Reverse a closed period: it is computed anew as the next revision."""
    said = reason if reason is not None else _REASON[Settings.from_env().locale]
    _step(periods.reopen, period, manager, as_json, reason=said)


def _step(step: Callable[..., Any], period: str, manager: str | None, as_json: bool, **more: str) -> None:
    settings = Settings.from_env()
    now = clock.now()
    with open_session(settings) as session:
        step(session, period, actor=ACTOR, now=now, **more)
    _answer(period, manager, as_json)


def _answer(period: str, manager: str | None, as_json: bool) -> None:
    settings = Settings.from_env()
    lang = settings.locale
    with open_session(settings, write=False) as session:
        document = bonus_show.period_document(session, period, lang=lang, now=clock.now(), manager=manager)
        state = periods.STATE_WORDS[periods.newest(session, period).state][lang]
    if as_json:
        print_json(document)
        return
    head = f"{month_words(period, lang)} · {state}"
    click.echo(f"{head} · {_PROVISIONAL[lang]}" if document["provisional"] else head)
    for one in document["statements"]:
        click.echo(f"{one['manager']}: {_TOTAL[lang]} {money_words(parse_amount(one['total']), lang)}")
        for line in one["lines"]:
            click.echo(f"  {line['line']}: {line['sentence']}")
        for note in one["notes"]:
            click.echo(f"  · {note}")
    if not document["statements"]:
        click.echo(_NOBODY[lang])
