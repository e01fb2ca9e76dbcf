"""`pravila import KIND FILE`: files of people and of other systems, taken in row by row."""

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from rules_engine import clock
from rules_engine.cli.output import json_option, open_sessions, print_json
from rules_engine.importers.columns import Job
from rules_engine.importers.report import Report
from rules_engine.importers.run import KINDS, import_file
from rules_engine.settings import Settings

DEFAULT_SOURCE = "import"
_SHOWN = 50


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise click.BadParameter(f"there is no time zone {text!r}") from None


def _mapping(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for value in values:
        ours, equals, theirs = value.partition("=")
        if not equals or not ours.strip() or not theirs.strip():
            raise click.BadParameter(f"{value!r} is not FIELD=COLUMN")
        if ours.strip() in mapping:
            raise click.BadParameter(f"{ours.strip()} is mapped twice")
        mapping[ours.strip()] = theirs.strip()
    return mapping


@click.command("import")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--map", "mapping", multiple=True, callback=_mapping, metavar="FIELD=COLUMN", help="Our field: their column."
)
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, metavar="NAME", help="Where the rows come from.")
@click.option("--timezone", "zone", type=_zone, metavar="TZ", help="Zone of instants without an offset.")
@click.option("--history", is_flag=True, help="Handled already: nothing is decided about it.")
@click.option("--arrivals", is_flag=True, help="Lay the rows down, to be handed over at their instants by `replay`.")
@click.option("--dry-run", is_flag=True, help="Report what would happen, and change nothing.")
@json_option
def import_(
    kind: str,
    path: Path,
    mapping: dict[str, str],
    source: str,
    zone: ZoneInfo | None,
    history: bool,
    arrivals: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take a CSV, CSV.gz or XLSX file in. A refused row stops nothing; the same file twice changes nothing."""
    settings = Settings.from_env()
    if history and not KINDS[kind].can_be_history:
        names = ", ".join(name for name, one in KINDS.items() if one.can_be_history)
        raise click.UsageError(f"--history is for {names}")
    if arrivals and not KINDS[kind].can_lay_down:
        names = ", ".join(name for name, one in KINDS.items() if one.can_lay_down)
        raise click.UsageError(f"--arrivals is for {names}")
    if arrivals and history:
        raise click.UsageError("--history and --arrivals exclude each other")
    if not source.strip() or len(source) > 200 or not source.isprintable():
        raise click.UsageError("--source must be a name of up to 200 characters")
    job = Job(
        source=source.strip(),
        zone=zone or settings.zone,
        now=clock.now(),
        actor="import",
        is_history=history,
        lays_down=arrivals,
    )
    with open_sessions(settings) as sessions:
        report = import_file(sessions, KINDS[kind], path, job, mapping=mapping, dry_run=dry_run)
    answer_report(report, settings.locale, as_json)


def answer_report(report: Report, lang: str, as_json: bool) -> None:
    """Print the report; what was not read goes to standard error, so that standard output is one document."""
    if report.ignored:
        ignored = ", ".join(report.ignored)
        notice = f"колонки не использованы: {ignored}" if lang == "ru" else f"columns that were not used: {ignored}"
        click.echo(notice, err=True)
    document = report.to_json(lang)
    if as_json:
        print_json(document)
        return
    if report.is_dry_run:
        click.echo("проба, ничего не сохранено" if lang == "ru" else "a trial, nothing was stored")
    words = _WORDS[lang]
    click.echo(", ".join(f"{words[key]}: {document[key]}" for key in ("read", "created", "updated", "unchanged")))
    if report.rejected:
        click.echo(f"{words['rejected']}: {len(report.rejected)}")
    for one in report.rejected[:_SHOWN]:
        where = f"{words['row']} {one.row}" + (f", {one.column}" if one.column else "")
        click.echo(f"  {where}: {one.reason(lang)}")
    if len(report.rejected) > _SHOWN:
        click.echo(f"  … {words['more']}: {len(report.rejected) - _SHOWN}")


_WORDS = {
    "ru": {
        "read": "прочитано", "created": "создано", "updated": "изменено", "unchanged": "без изменений",
        "rejected": "отклонено", "row": "строка", "more": "ещё",
    },
    "en": {
        "read": "read", "created": "created", "updated": "updated", "unchanged": "unchanged",
        "rejected": "rejected", "row": "row", "more": "more",
    },
}  # fmt: skip
