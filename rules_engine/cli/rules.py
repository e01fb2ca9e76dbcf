"""`pravila rules`: rulesets as files, versions, drafts, test cases."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from rules_engine import clock
from rules_engine.cli.instants import instant
from rules_engine.cli.output import json_option, open_session, print_json
from rules_engine.decisions.bonus_cases import run_cases
from rules_engine.decisions.money import format_amount
from rules_engine.errors import InputError, NotFound
from rules_engine.language.analysis import Finding, analyse, unchecked_lines
from rules_engine.language.cases import CaseResult
from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.kinds import Decision
from rules_engine.language.problems import Problem
from rules_engine.language.ruleset import Ruleset, parse
from rules_engine.language.sentence import otherwise_spans, plain, rule_text
from rules_engine.language.values import dump_facts
from rules_engine.models import BEGINNING_OF_TIME, RulesetDraft, RulesetVersion
from rules_engine.services.approvals import publishing
from rules_engine.services.approvals.checks import NotReady
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.diff import compare
from rules_engine.services.rules import modes, rulebook
from rules_engine.settings import Settings

ACTOR = "system"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_KEY = click.Choice([one.value for one in Decision])
key_argument = click.argument("key", metavar="KEY", type=_KEY)
version_option = click.option("--version", "number", type=click.IntRange(1), metavar="N", help="That version.")
draft_option = click.option("--draft", "of_draft", is_flag=True, help="The draft.")


@click.group()
def rules() -> None:
    """Rulesets: KEY is the decision, for example assignment."""


@rules.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Print each decision: the version in force, its draft, its mode."""
    settings, now = Settings.from_env(), clock.now()
    with open_session(settings, write=False) as session:
        lines = {line.decision: line.mode.value for line in modes.show(session, now)}
        found = [_overview(session, decision.value, lines[decision], now) for decision in rulebook.DECISIONS]
    if as_json:
        print_json(found)
        return
    for one in found:
        draft = f" · {_say('draft of', 'черновик')} {one['draft']['updated_at']}" if one["draft"] else ""
        since = one["holds_from"] or _say("from the beginning", "с самого начала")
        click.echo(f"{one['decision']}: {_version_name(one['version'])} · {since} · {one['mode']}{draft}")


@rules.command()
@key_argument
@version_option
@draft_option
@json_option
def show(key: str, number: int | None, of_draft: bool, as_json: bool) -> None:
    """Print the rules as sentences: of the version in force, or of another, or of the draft."""
    settings = Settings.from_env()
    with open_session(settings, write=False) as session:
        body, version = _body(session, key, number, of_draft)
        names = rulebook.references(session)
    ruleset, lang = parse(body), settings.locale
    found: list[dict[str, Any]] = [
        {
            "id": rule.id,
            "title": rule.title.text(lang),
            "enabled": rule.enabled,
            "sentence": rule_text(ruleset, rule, lang, names=names),
            "note": rule.note.text(lang),
        }
        for rule in ruleset.rules
    ]
    otherwise = plain(otherwise_spans(ruleset, lang, names=names)) or None
    if as_json:
        title = ruleset.title.text(lang)
        print_json({"decision": key, "version": version, "title": title, "rules": found, "otherwise": otherwise})
        return
    click.echo(f"{ruleset.title.text(lang)} · {_version_name(version)}")
    for place, rule in enumerate(found, 1):
        off = "" if rule["enabled"] else f" ({_say('off', 'выключено')})"
        click.echo(f"{place}. {rule['title']} [{rule['id']}]{off}\n   {rule['sentence']}")
    if otherwise:
        click.echo(f"{_say('Otherwise', 'Остальные')}: {otherwise}")


@rules.command()
@key_argument
@version_option
@draft_option
@json_option
def export(key: str, number: int | None, of_draft: bool, as_json: bool) -> None:
    """Print a ruleset as JSON, as `import` takes it."""
    with open_session(Settings.from_env(), write=False) as session:
        print_json(_body(session, key, number, of_draft)[0])


@rules.command("check")
@click.argument("path", metavar="FILE", type=_FILE)
@json_option
def check_(path: Path, as_json: bool) -> None:
    """Print every error of a ruleset in a file, else what is odd in it; `import` alone looks up people and teams."""
    try:
        ruleset = parse(_document(path))
    except RulesetInvalid as invalid:
        if as_json:
            print_json({"errors": _errors(invalid.problems), "findings": []})
        else:
            _print_problems(invalid.problems)
        sys.exit(1)
    found = analyse(ruleset, today=clock.now().astimezone(Settings.from_env().zone).date())
    titles = {rule.id: f"{place} [{rule.id}]" for place, rule in enumerate(ruleset.rules, 1)}
    unchecked = list(unchecked_lines(found.unchecked, Settings.from_env().locale, titles))
    if as_json:
        findings = [_finding(one, titles) for one in found.findings]
        print_json({"errors": [], "findings": findings, "unchecked": unchecked})
        return
    click.echo(_say("no errors", "ошибок нет"))
    for one in found.findings:
        click.echo(f"{titles.get(one.rule, one.rule)}: {one.message(Settings.from_env().locale, titles)}")
    for line in unchecked:
        click.echo(line)


@rules.command()
@key_argument
@version_option
@draft_option
@json_option
def test(key: str, number: int | None, of_draft: bool, as_json: bool) -> None:
    """Run the test cases; exit code 1 when one of them does not hold."""
    settings = Settings.from_env()
    with open_session(settings, write=False) as session:
        body, version = _body(session, key, number, of_draft)
    results = run_cases(parse(body))
    failed = sum(not result.passed for result in results)
    if as_json:
        cases = [_case(result, settings.locale) for result in results]
        print_json(
            {"decision": key, "version": version, "passed": len(results) - failed, "failed": failed, "cases": cases}
        )
    else:
        for result in results:
            line = f"{'✓' if result.passed else '✗'} {result.case.title.text(settings.locale)}"
            if result.fired != result.case.fired:
                line += f": {_say('expected', 'ожидалось')} {_ids(result.case.fired)}, "
                line += f"{_say('fired', 'сработало')} {_ids(result.fired)}"
            for name, expected, seen in _unlike(result):
                line += f"; {name}: {_say('expected', 'ожидалось')} {expected}, {_say('paid', 'начислено')} {seen}"
            click.echo(line)
        click.echo(f"{_say('passed', 'сошлось')}: {len(results) - failed}, {_say('failed', 'не сошлось')}: {failed}")
    if failed:
        sys.exit(1)


@rules.command("import")
@click.argument("path", metavar="FILE", type=_FILE)
@click.option("--replace", is_flag=True, help="Also when a person is editing the draft.")
@json_option
def import_(path: Path, replace: bool, as_json: bool) -> None:
    """Make the draft of its decision from a file. A file with errors is refused whole."""
    with _all_problems(as_json), open_session(Settings.from_env()) as session:
        draft = editing.import_document(session, _document(path), actor=ACTOR, now=clock.now(), replace=replace)
        document = {"decision": draft.decision, "draft": _draft(draft), "rules": len(draft.body.get("rules", []))}
    _answer(document, f"{_say('draft', 'черновик')}: {document['decision']}", as_json)


@rules.command()
@key_argument
@click.option("--at", type=instant, metavar="TS", help="From when it holds; without it from now.")
@click.option("--note", default="", help="Why, for those who come later.")
@json_option
def publish(key: str, at: datetime | None, note: str, as_json: bool) -> None:
    """Publish the draft as the next version."""
    with _all_problems(as_json), open_session(Settings.from_env()) as session:
        if editing.draft(session, key) is None:
            raise InputError(path=key, ru="черновика нет, публиковать нечего", en="there is no draft to publish")
        version = publishing.publish_draft(session, key, at=at, actor=ACTOR, now=clock.now(), note=note)
        document = _published(version)
    _answer(document, f"{key}: {_version_name(document['version'])} · {document['holds_from']}", as_json)


@rules.command()
@key_argument
@click.argument("number", metavar="N", type=click.IntRange(1))
@click.option("--at", type=instant, metavar="TS", help="From when it holds; without it from now.")
@click.option("--note", default="", help="Why, for those who come later.")
@json_option
def rollback(key: str, number: int, at: datetime | None, note: str, as_json: bool) -> None:
    """Publish the rules of version N again, as the next version."""
    with _all_problems(as_json), open_session(Settings.from_env()) as session:
        version = publishing.roll_back(session, key, number, at=at, actor=ACTOR, now=clock.now(), note=note)
        document = _published(version)
    _answer(document, f"{key}: {_version_name(document['version'])} · {document['holds_from']}", as_json)


@rules.command()
@key_argument
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@json_option
def diff(key: str, first: str, second: str, as_json: bool) -> None:
    """Print what differs between A and B: numbers of versions, or `draft`."""
    settings = Settings.from_env()
    with open_session(settings, write=False) as session:
        old, new = _named(session, key, first), _named(session, key, second)
        names = rulebook.references(session)
    lang = settings.locale
    found = [
        {
            "kind": change.kind.value,
            "rule": change.rule or None,
            "line": change.headline(lang),
            "before": _sentence(old, change.rule, lang, names) if change.old else None,
            "after": _sentence(new, change.rule, lang, names) if change.new else None,
            "from": change.old_place,
            "to": change.new_place,
        }
        for change in compare(old, new)
    ]
    if as_json:
        print_json({"decision": key, "from": first, "to": second, "changes": found})
        return
    for one in found:
        click.echo(one["line"])
        for sign, text in (("-", one["before"]), ("+", one["after"])):
            if text:
                click.echo(f"  {sign} {text}")
    if not found:
        click.echo(_say("no differences", "различий нет"))


def _overview(session: Session, decision: str, mode: str, now: datetime) -> dict[str, Any]:
    version = rulebook.in_force_at(session, decision, now)
    draft = editing.draft(session, decision)
    return {"decision": decision, **_published(version), "mode": mode, "draft": _draft(draft) if draft else None}


def _published(version: RulesetVersion) -> dict[str, Any]:
    return {
        "version": version.number,
        "holds_from": None if version.holds_from == BEGINNING_OF_TIME else _time(version.holds_from),
        "published_at": _time(version.published_at),
        "published_by": version.published_by,
        "note": version.note,
        "restored_from": version.restored_from,
    }


def _draft(draft: RulesetDraft) -> dict[str, Any]:
    return {
        "revision": draft.revision,
        "base": draft.base_number,
        "updated_at": _time(draft.updated_at),
        "updated_by": draft.updated_by.login if draft.updated_by else ACTOR,
    }


def _body(session: Session, key: str, number: int | None, of_draft: bool) -> tuple[Body, int | None]:
    """Return the asked body and its number, None for the draft; without a wish the version in force."""
    if number is not None and of_draft:
        raise click.UsageError("--version and --draft exclude each other")
    if of_draft:
        return _named(session, key, "draft"), None
    if number is not None:
        return editing.version(session, key, number).body, number
    return rulebook.published_document(session, key, clock.now())


def _named(session: Session, key: str, name: str) -> Body:
    if name == "draft":
        draft = editing.draft(session, key)
        if draft is None:
            raise NotFound(what=f"{key}, draft")
        return draft.body
    if not name.isdecimal():
        raise click.UsageError(f"{name!r} is neither the number of a version nor “draft”")
    return editing.version(session, key, int(name)).body


def _sentence(body: Body, rule_id: str, lang: str, names: rulebook.StoredReferences) -> str | None:
    """Return what a rule says; None while it is unfinished."""
    try:
        ruleset: Ruleset = parse(body)
    except RulesetInvalid:
        return None
    rule = ruleset.rule(rule_id)
    if rule is None:
        return plain(otherwise_spans(ruleset, lang, names=names))
    return rule_text(ruleset, rule, lang, names=names)


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as problem:
        raise RulesetInvalid((Problem("not_json", "", {"detail": str(problem)}),)) from problem


@contextmanager
def _all_problems(as_json: bool) -> Iterator[None]:
    """Print every problem of a refused ruleset, not only the first, and end with exit code 1."""
    try:
        yield
    except RulesetInvalid as invalid:
        _refuse(invalid.problems, as_json)
    except NotReady as refused:
        if not refused.problems:
            raise
        _refuse(refused.problems, as_json)


def _refuse(problems: Iterable[Problem], as_json: bool) -> None:
    if as_json:
        print_json({"errors": _errors(problems), "findings": []})
    _print_problems(problems, err=True)
    sys.exit(1)


def _errors(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    lang = Settings.from_env().locale
    return [{"path": one.path, "message": one.message(lang), "suggestion": one.suggestion} for one in problems]


def _finding(finding: Finding, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": finding.kind.value,
        "severity": finding.severity.value,
        "rule": finding.rule,
        "others": list(finding.others),
        "path": finding.path,
        "message": finding.message(Settings.from_env().locale, titles),
        "example": None if finding.example is None else dump_facts(finding.example),
        "key": finding.key,
    }


def _print_problems(problems: Iterable[Problem], *, err: bool = False) -> None:
    lang = Settings.from_env().locale
    for one in problems:
        click.echo(f"{one.path or '/'}: {one.message(lang)}", err=err)


def _case(result: CaseResult, lang: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "title": result.case.title.text(lang),
        "passed": result.passed,
        "expected": list(result.case.fired),
        "fired": list(result.fired),
    }
    if result.paid is not None:
        document["lines"] = {name: format_amount(amount) for name, amount in result.paid.lines.items()}
        document["total"] = format_amount(result.paid.total)
        document["unlike"] = [
            {"line": name, "expected": expected, "paid": seen} for name, expected, seen in _unlike(result)
        ]
    return document


def _unlike(result: CaseResult) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of a bonus case, and its total, that pay another amount than expected."""
    if result.paid is None:
        return
    for name, amount in result.case.lines.items():
        seen = result.paid.lines.get(name, 0)
        if seen != amount:
            yield name, format_amount(amount), format_amount(seen)
    if result.case.total not in (None, result.paid.total):
        yield "total", format_amount(result.case.total or 0), format_amount(result.paid.total)


def _answer(document: dict[str, Any], line: str, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        click.echo(line)


def _say(en: str, ru: str) -> str:
    return ru if Settings.from_env().locale == "ru" else en


def _version_name(number: int | None) -> str:
    return _say("draft", "черновик") if number is None else f"{_say('version', 'версия')} {number}"


def _ids(fired: Iterable[str]) -> str:
    return ", ".join(fired) or "—"


def _time(at: datetime) -> str:
    return at.astimezone(Settings.from_env().zone).isoformat()
