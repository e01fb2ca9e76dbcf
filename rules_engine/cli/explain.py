"""`pravila explain`: the stored explanation of a request, a task, a client or a statement, in words."""

from collections.abc import Iterator
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.cli.output import json_option, open_session, print_json
from rules_engine.errors import NotFound
from rules_engine.models import Request
from rules_engine.services.bonus.show import explain_statement
from rules_engine.services.explain import explain as explanations
from rules_engine.settings import Settings

_KINDS = ("request", "task", "client", "statement")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("id_", metavar="ID")
@click.option("--lang", type=click.Choice(["ru", "en"]), help="By default the installation's language.")
@json_option
def explain(kind: str, id_: str, lang: str | None, as_json: bool) -> None:
    """Print why a request, a task, a client or a statement is as it is; ID of a request may be its external id."""
    settings = Settings.from_env()
    lang = lang or settings.locale
    with open_session(settings, write=False) as session:
        document = _explained(session, kind, id_, lang)
    if as_json:
        print_json(document)
        return
    for line in _lines(document):
        click.echo(line)


def _explained(session: Session, kind: str, id_: str, lang: str) -> dict[str, Any]:
    if kind == "request":
        return explanations.explain_request(session, _request_id(session, id_), lang)
    if not id_.isdecimal():
        raise NotFound(what=f"{kind} {id_}")
    if kind == "task":
        return explanations.explain_task(session, int(id_), lang)
    if kind == "client":
        return explanations.explain_client(session, int(id_), lang)
    return explain_statement(session, int(id_), lang)


def _request_id(session: Session, id_: str) -> int:
    """Return the id of a request by its own number, else by the number that its source gave it."""
    if id_.isdecimal() and session.get(Request, int(id_)) is not None:
        return int(id_)
    found = session.scalars(select(Request.id).where(Request.external_id == id_).limit(2)).all()
    if len(found) != 1:
        raise NotFound(what=f"request {id_}")
    return found[0]


def _lines(document: dict[str, Any], indent: str = "") -> Iterator[str]:
    yield from (indent + sentence for sentence in document["sentences"])
    for rule in document.get("fired") or ():
        yield f"{indent}{rule['title']}: {rule['sentence']}"
    for rule in document.get("rules") or ():
        if rule["why_not"]:
            yield f"{indent}– {rule['title']}: {rule['why_not']}"
    for candidate in document.get("candidates") or ():
        yield f"{indent}· {candidate['words']}"
    related = document.get("requests") or ([document["request"]] if "task" in document and document["request"] else [])
    for one in related:
        yield f"{indent}{one['request']['external_id']}:"
        yield from _lines(one, indent + "  ")
