"""`pravila doctor` and `pravila audit`: is the installation well, and has nobody changed its history."""

import platform
import shutil
import sys
from importlib import metadata

import click
import redis
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from rules_engine import clock, db, migrations
from rules_engine.cli.output import json_option, open_session, print_json
from rules_engine.language.engines.durable import available
from rules_engine.services.records import audit as audit_log
from rules_engine.services.running import health
from rules_engine.services.running.health import Check
from rules_engine.settings import Settings

SHOWN_PACKAGES = ("pravila", "SQLAlchemy", "Flask", "Flask-Admin", "rq", "redis", "apprise", "durable_rules")
LITTLE_SPACE = 500 * 2**20


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look at versions, database, Redis, workers, outbox, ledger; exit code 1 if something needs a person."""
    settings = Settings.from_env()
    engine = db.make_engine(settings.database_url)
    try:
        found = [_versions(settings), _space(settings), _redis(settings), *_database(settings, engine)]
    finally:
        engine.dispose()
    ok = all(check.ok for check in found)
    if as_json:
        shown = [{"name": c.name, "ok": c.ok, "detail": c.detail(settings.locale)} for c in found]
        print_json({"ok": ok, "checks": shown})
    else:
        for check in found:
            click.echo(f"{'ok  ' if check.ok else 'LOOK'} {check.name:12} {check.detail(settings.locale)}")
    if not ok:
        click.echo(", ".join(check.name for check in found if not check.ok), err=True)
        sys.exit(1)


@click.group()
def audit() -> None:
    """The audit log: who changed what."""


@audit.command()
@json_option
def verify(as_json: bool) -> None:
    """Walk the hash chain from its beginning; exit code 1 if a row was changed, removed or put in."""
    settings = Settings.from_env()
    with open_session(settings, write=False) as session:
        report = audit_log.verify(session)
    if as_json:
        print_json(
            {"ok": report.ok, "sealed": report.sealed, "unsealed": report.unsealed, "broken_at": report.broken_at}
        )
    elif settings.locale == "ru":
        click.echo(f"скреплено записей: {report.sealed}, ещё не скреплено: {report.unsealed}")
    else:
        click.echo(f"sealed: {report.sealed}, not sealed yet: {report.unsealed}")
    if not report.ok:
        ru = f"журнал изменён: цепочка не сходится с записи {report.broken_at}"
        en = f"the log was changed: the chain does not fit from row {report.broken_at} on"
        click.echo(ru if settings.locale == "ru" else en, err=True)
        sys.exit(1)


def _versions(settings: Settings) -> Check:
    parts = [f"Python {platform.python_version()}"]
    for name in SHOWN_PACKAGES:
        try:
            parts.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            parts.append(f"{name} –")
    text = ", ".join(parts)
    decides = settings.engine if settings.engine == "native" or available() else "native"
    return Check("versions", True, f"{text}; вычислитель правил: {decides}", f"{text}; rules engine: {decides}")


def _space(settings: Settings) -> Check:
    free = shutil.disk_usage(settings.home).free
    megabytes = free // 2**20
    return Check("disk", free > LITTLE_SPACE, f"свободно {megabytes} МБ", f"{megabytes} MB free")


def _redis(settings: Settings) -> Check:
    try:
        client = redis.Redis.from_url(
            settings.effective_redis_url, socket_connect_timeout=2, socket_timeout=2, retry=None
        )
        info = client.info()
        client.close()
    except (redis.RedisError, OSError, ValueError) as problem:
        reason = type(problem).__name__
        return Check("redis", False, f"не отвечает ({reason})", f"does not answer ({reason})")
    version, memory, policy = info["redis_version"], info["used_memory_human"], info.get("maxmemory_policy", "")
    # With a limit and another policy a full Redis forgets, and what it forgets may be the half of a job.
    is_safe = not info.get("maxmemory") or policy == "noeviction"
    more = {"ru": "", "en": ""} if is_safe else {"ru": ": нужна noeviction", "en": ": noeviction is needed"}
    return Check(
        "redis",
        is_safe,
        f"{version}, память {memory}, maxmemory-policy {policy}{more['ru']}",
        f"{version}, memory {memory}, maxmemory-policy {policy}{more['en']}",
    )


def _database(settings: Settings, engine: Engine) -> list[Check]:
    """Return what the database says; nothing is asked of one that cannot be reached or is of another version."""
    kind = engine.dialect.name
    try:
        found, head = migrations.current_revision(engine), migrations.head_revision()
        with engine.connect() as connection:
            version = ".".join(str(part) for part in connection.dialect.server_version_info or ())
        reached = [Check("database", True, f"{kind} {version} отвечает", f"{kind} {version} answers")]
        if found != head:
            reached.append(
                Check(
                    "migrations",
                    False,
                    f"версия {found or 'нет'}, нужна {head}: выполните «pravila init»",
                    f"at {found or 'none'}, needs {head}: run “pravila init”",
                )
            )
            return reached
        reached.append(Check("migrations", True, f"версия {head}", f"at {head}"))
        with db.make_reading_sessions(engine, settings)() as session:
            return [*reached, *health.checks(session, clock.now())]
    except SQLAlchemyError as problem:
        reason = type(problem).__name__
        return [Check("database", False, f"{kind} не отвечает ({reason})", f"{kind} does not answer ({reason})")]
