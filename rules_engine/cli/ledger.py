"""`pravila ledger`: who received what, against what was due to him, and why it differs."""

import sys
from fractions import Fraction

import click

from rules_engine import clock
from rules_engine.cli.output import json_option, open_session, print_json
from rules_engine.decisions.field_words import decimal_words
from rules_engine.language.kinds import FieldType
from rules_engine.language.shown import show_scaled
from rules_engine.services.requests import ledger as ledgers
from rules_engine.services.requests.ledger import CAUSE_WORDS, ManagerLine
from rules_engine.services.requests.ledger_check import Recomputed, recompute
from rules_engine.settings import Settings

_EMPTY = {"ru": "журнал распределения пуст", "en": "the ledger is empty"}
_HEAD = {
    "ru": ("менеджер", "получено", "норма", "недобор", "сумма", "отклонение по причинам"),
    "en": ("manager", "received", "due", "shortfall", "value", "deviation by cause"),
}


@click.command()
@click.argument("month", required=False)
@click.option("--team", metavar="T", help="Only this team, by its code; shares are those within it.")
@click.option("--entries", is_flag=True, help="Print each row with its candidates instead.")
@click.option("--verify", is_flag=True, help="Compute every choice of the month again from the rows before it.")
@json_option
def ledger(month: str | None, team: str | None, entries: bool, verify: bool, as_json: bool) -> None:
    """Print the ledger of MONTH (2026-10), by default that of the last entry."""
    settings = Settings.from_env()
    now = clock.now()
    with open_session(settings, write=False) as session:
        month = month or ledgers.last_month(session) or ledgers.month_of(now, settings.zone)
        if verify:
            _verify(recompute(session, month), settings.locale, as_json)
            return
        if entries:
            rows = ledgers.entries(session, month, team=team)
            if as_json:
                print_json({"month": month, "entries": rows})
                return
            for row in rows:
                click.echo(
                    f"{row['id']}\t{row['at']}\t{row['request']}\t{row['manager']}\t{row['delta']:+d}\t{row['cause']}"
                    f"\t{row['rule'] or '—'}\t{row['strategy'] or '—'}"
                )
            if not rows:
                click.echo(_EMPTY[settings.locale])
            return
        summary = ledgers.summary(session, month, now=now, team=team)
    if as_json:
        print_json(summary.to_json())
        return
    click.echo(f"{month}\n" + "\t".join(_HEAD[settings.locale]))
    for line in summary.managers:
        click.echo(_line(line, settings.locale))


def _verify(found: Recomputed, lang: str, as_json: bool) -> None:
    """Print what computing the choices again gave; exit with 1 where one came out otherwise."""
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(_VERIFIED[lang].format(choices=found.choices, pruned=found.pruned, n=len(found.differences)))
        for one in found.differences:
            click.echo(f"{one.entry_id}\t{one.request_id}\t{one.what}\t{one.stored}\t{one.computed}")
    if found.differences:
        sys.exit(1)


_VERIFIED = {
    "ru": "выборов пересчитано: {choices}, без подробностей: {pruned}, расхождений: {n}",
    "en": "choices computed again: {choices}, without details: {pruned}, differences: {n}",
}


def _line(line: ManagerLine, lang: str) -> str:
    causes = ", ".join(f"{CAUSE_WORDS[cause][lang]}: {_signed(part, lang)}" for cause, part in line.by_cause.items())
    return "\t".join(
        (
            line.login,
            str(line.count),
            decimal_words(line.due, lang),
            _signed(line.shortfall, lang),
            show_scaled(FieldType.MONEY, line.value_minor, lang),
            causes or "—",
        )
    )


def _signed(value: Fraction, lang: str) -> str:
    text = decimal_words(value, lang)
    return f"+{text}" if value > 0 and text.strip("0,.") else text
