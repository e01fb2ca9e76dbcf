"""`pravila decide`: which rules fire on facts from a file, what they would do, and why the others do not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from rules_engine import clock
from rules_engine.cli.output import json_option, open_session, print_json
from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_measures import read_measures
from rules_engine.decisions.bonus_words import statement_json
from rules_engine.decisions.field_words import condition_words
from rules_engine.decisions.picking import Verdict
from rules_engine.decisions.trial import Trial, decide_from_facts
from rules_engine.errors import InputError
from rules_engine.language.engines.base import FailedCondition, RuleTrace
from rules_engine.language.engines.durable import DurableEngine, available
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.errors import FactsInvalid
from rules_engine.language.kinds import Decision, Words
from rules_engine.language.model import OTHERWISE, Ruleset
from rules_engine.language.problems import Problem
from rules_engine.language.read_bonus import WITHOUT_PLAN
from rules_engine.language.ruleset import parse, parse_text
from rules_engine.language.sentence import action_spans, plain
from rules_engine.language.spelling import Spellings, of_values, spelt
from rules_engine.language.values import Facts, dump, parse_facts
from rules_engine.language.vocabulary import FIELDS
from rules_engine.settings import Settings

_CANDIDATES = "candidates"
_WORDS = {
    OTHERWISE: Words("Остальные", "Otherwise"),
    "version": Words("версия", "version"),
    "nothing": Words("ничего не происходит", "nothing happens"),
    "total": Words("итого", "total"),
    "no_candidate": Words("никто не может взять", "nobody can take it"),
}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Asked:
    """A ruleset with the engines that are asked. `version` is None for a ruleset from a file."""

    ruleset: Ruleset
    version: int | None
    engine: str
    native: NativeEngine
    durable: DurableEngine | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is printed for one object of facts, the traces behind its `rules`, and how the facts were written."""

    document: dict[str, Any]
    traces: tuple[RuleTrace, ...]
    spellings: Spellings


@click.command()
@click.argument("decision", type=click.Choice([one.value for one in Decision]))
@click.option("--facts", "facts_path", required=True, type=_FILE, help="A JSON object of facts, or a list of them.")
@click.option("--ruleset", "ruleset_path", type=_FILE, help="A ruleset as JSON; without it the one in force now.")
@click.option(
    "--engine",
    type=click.Choice(["native", "durable", "both"]),
    help="Which engine answers; both by default where durable_rules can be imported.",
)
@json_option
def decide(decision: str, facts_path: Path, ruleset_path: Path | None, engine: str | None, as_json: bool) -> None:
    """Show which rules fire on facts, their effects, and for each rule the first condition that failed.

    The file holds one flat object such as {"client.is_old": true, "request.amount": "14500.00"}, or a list of
    them; a field left out is empty. With "candidates" the pools are these people, else every pool has somebody.
    For a bonus, "without_plan" lists the attainments that have no plan by intention; the lines and the total follow.
    """
    lang = Settings.from_env().locale
    documents = _read_json(facts_path)
    asked = _asked(decision, ruleset_path, engine or ("both" if available() else "native"))
    try:
        if isinstance(documents, list):
            answers = [answer(asked, one, f"/{index}", lang=lang) for index, one in enumerate(documents)]
        else:
            answers = [answer(asked, documents, lang=lang)]
    finally:
        if asked.durable is not None:
            asked.durable.close()
    if as_json:
        printed = [one.document for one in answers]
        print_json(printed if isinstance(documents, list) else printed[0])
        return
    for one in answers:
        _print(asked.ruleset, one, lang)


def answer(asked: Asked, document: Any, path: str = "", *, lang: str = "ru") -> Answer:
    """Return the answer for one object of facts; sentences are in `lang`. Raises FactsInvalid, InputError."""
    if not isinstance(document, Mapping):
        raise FactsInvalid((Problem("not_an_object", path),))
    given = document
    if asked.ruleset.decision is Decision.BONUS:
        document = {key: value for key, value in given.items() if key != WITHOUT_PLAN}
    facts = parse_facts({key: value for key, value in document.items() if key != _CANDIDATES}, path)
    matching, agree = _matching(asked, facts)
    trial = decide_from_facts(asked.ruleset, document, matching)
    traces = asked.native.explain(facts)
    printed = {
        "decision": asked.ruleset.decision.value,
        "version": asked.version,
        "engine": asked.engine,
        "agree": agree,
        "fired": list(trial.fired),
        "otherwise": trial.is_otherwise,
        "candidates": _candidates(trial),
        "effects": [effect.to_json() for effect in trial.effects],
        "rules": [
            {
                "id": trace.rule_id,
                "matched": trace.matched,
                "passed_over": "no_candidate" if trace.rule_id in trial.passed_over else None,
                "first_failed": _failed(trace.first_failed),
            }
            for trace in traces
        ],
    }
    if asked.ruleset.decision is Decision.BONUS:
        printed |= _paid(asked.ruleset, trial, given, path, lang)
    return Answer(printed, traces, of_values(given))


def _asked(decision: str, path: Path | None, engine: str) -> Asked:
    version = None
    if path is not None:
        ruleset = parse_text(path.read_bytes())
    else:
        # The database is only looked at when it is asked for, so that a file can be tried anywhere.
        from rules_engine.services.rules.rulebook import published_document

        with open_session(Settings.from_env(), write=False) as session:
            document, version = published_document(session, decision, clock.now())
        ruleset = parse(document)
    if ruleset.decision != decision:
        raise InputError(
            path="/decision",
            ru=f"это правила решения «{ruleset.decision}», а не «{decision}»",
            en=f"these are the rules of “{ruleset.decision}”, not of “{decision}”",
        )
    durable = DurableEngine(ruleset) if engine != "native" else None
    return Asked(ruleset, version, engine, NativeEngine(ruleset), durable)


def _matching(asked: Asked, facts: Facts) -> tuple[tuple[str, ...], bool | None]:
    """Return the ids that match and whether both engines said so, None where one alone was asked."""
    if asked.durable is None:
        return asked.native.matching(facts), None
    found = asked.durable.matching(facts)
    if asked.engine == "durable":
        return found, None
    native = asked.native.matching(facts)
    return native, found == native


def _paid(ruleset: Ruleset, trial: Trial, document: Mapping[str, Any], path: str, lang: str) -> dict[str, Any]:
    """Return the lines and the total of a bonus, of the measures as exact as they are written."""
    given = read_measures({key: value for key, value in document.items() if key != _CANDIDATES}, path)
    return statement_json(compute(ruleset, trial.fired, given.measures, without_plan=given.without_plan), lang)


def _candidates(trial: Trial) -> list[dict[str, Any]] | None:
    """Return everybody weighed by the last pool that was tried; None where the facts named nobody."""
    if trial.outcome is None:
        return None
    if not trial.outcome.attempts:
        return []
    return [_weighed(verdict) for verdict in trial.outcome.attempts[-1].verdicts]


def _weighed(verdict: Verdict) -> dict[str, Any]:
    kept = ("login", "eligible", "reason", "count", "value", "entitlement", "shortfall", "place")
    document = verdict.to_json()
    return {key: document[key] for key in kept}


def _failed(failed: FailedCondition | None) -> dict[str, Any] | None:
    if failed is None:
        return None
    seen = None if failed.seen is None else dump(FIELDS[failed.field], failed.seen)
    return {"field": failed.field, "op": failed.op, "value": failed.value, "seen": seen}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as problem:
        raise FactsInvalid((Problem("not_json", "", {"detail": str(problem)}),)) from problem


def _print(ruleset: Ruleset, found: Answer, lang: str) -> None:
    """Print one answer as lines for a person: what acts, then every rule with its reason."""
    document = found.document
    engine = document["engine"]
    if document["agree"] is False:
        engine += " (расходятся)" if lang == "ru" else " (they differ)"
    version = document["version"] or "—"
    click.echo(f"{ruleset.title.text(lang)} · {_WORDS['version'].text(lang)}: {version} · {engine}")
    for rule_id in document["fired"]:
        actions = plain(action_spans(ruleset.decision, ruleset.actions_of(rule_id), lang))
        click.echo(f"→ {_title(ruleset, rule_id, lang)}: {actions}")
    if not document["fired"]:
        click.echo(f"→ {_WORDS['nothing'].text(lang)}")
    for line in document.get("lines", ()):
        click.echo(f"    {line['line']}: {line['amount']} · {line['sentence']}")
    if "total" in document:
        click.echo(f"  = {_WORDS['total'].text(lang)}: {document['total']}")
    for candidate in document["candidates"] or ():
        mark = "✓" if candidate["eligible"] else "✗"
        click.echo(f"    {mark} {candidate['login']}")
    for trace, row in zip(found.traces, document["rules"], strict=True):
        why = _why(trace, row, found.spellings, lang)
        click.echo(f"  {'✓' if trace.matched else '✗'} {_title(ruleset, trace.rule_id, lang)}{why}")
    click.echo("")


def _why(trace: RuleTrace, row: Mapping[str, Any], spellings: Spellings, lang: str) -> str:
    failed = trace.first_failed
    if failed is not None:
        seen = spelt(failed.field, row["first_failed"]["seen"], spellings)
        words = condition_words(failed.field, failed.op, failed.value, seen, lang, unwanted=failed.unwanted)
        return f": {words}"
    return f": {_WORDS['no_candidate'].text(lang)}" if row["passed_over"] else ""


def _title(ruleset: Ruleset, rule_id: str, lang: str) -> str:
    rule = ruleset.rule(rule_id)
    if rule is None:
        return _WORDS[OTHERWISE].text(lang)
    return f"{rule.title.text(lang)} [{rule.id}]"
