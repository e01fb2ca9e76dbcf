"""Instants as they are written on the command line."""

from datetime import date, datetime, time

import click

from rules_engine.settings import Settings


def instant(text: str) -> datetime:
    """Return an ISO instant; without an offset, and for a bare date, of the business zone."""
    try:
        moment = datetime.combine(date.fromisoformat(text), time())
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise click.BadParameter(
                f"{text!r} is neither an instant such as 2026-10-05T11:20:00+03:00 nor a date"
            ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=Settings.from_env().zone)
