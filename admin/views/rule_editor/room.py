"""What every page of the editor works with: one decision, one reader, the names and values of the installation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import abort
from sqlalchemy.orm import Session

from admin.base import db_session, request_now, shell
from admin.language import language
from admin.row_words import actor_name
from admin.views.rule_editor.actions import Actions
from admin.views.rule_editor.bonus_actions import BonusActions
from admin.views.rule_editor.conditions import Conditions
from admin.views.rule_editor.sentences import Part, Speaker, marked
from admin.views.rule_editor.typed import Reader
from admin.views.rule_editor.wording import capital
from rules_engine.language.kinds import Decision, Words
from rules_engine.language.line_names import LineNames, line_names
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.diff import Change, ChangeKind, compare
from rules_engine.services.drafts.lists import live_lists
from rules_engine.services.rules import rulebook


@dataclass(frozen=True, slots=True)
class Room:
    """One decision as one person sees it now."""

    decision: Decision
    session: Session
    now: datetime
    lang: str
    reader: Reader
    speaker: Speaker
    conditions: Conditions
    actions: Actions


@dataclass(frozen=True, slots=True)
class Told:
    """A difference as the pages show it: a line, and the sentences before and after where the rule says another."""

    kind: ChangeKind
    line: str
    before: tuple[Part, ...]
    after: tuple[Part, ...]


def room(decision: str) -> Room:
    """Return the room of a decision; 404 for one that this release does not have."""
    if decision not in [one.value for one in rulebook.DECISIONS]:
        abort(404)
    known = Decision(decision)
    session, now, lang, zone = db_session(), request_now(), language(), shell().settings.zone
    reader, lists = Reader(lang, zone), live_lists(session, now)
    return Room(
        decision=known,
        session=session,
        now=now,
        lang=lang,
        reader=reader,
        speaker=Speaker(known, lang, rulebook.references(session), zone, _lines(session, known, now)),
        conditions=Conditions(known, lang, reader, lists),
        actions=BonusActions(lang, reader, lists, session, now)
        if known is Decision.BONUS
        else Actions(known, lang, reader, lists),
    )


def _lines(session: Session, decision: Decision, now: datetime) -> LineNames:
    """Return how the lines of the bonus statement are called: as in the draft, else as in force."""
    if decision is not Decision.BONUS:
        return LineNames()
    row = editing.draft(session, decision)
    live = line_names(rulebook.in_force_at(session, decision, now).body)
    if row is None:
        return live
    drafted = line_names(row.body)
    return LineNames({**live.names, **drafted.names}, drafted.lone | (live.lone - set(drafted.names)))


def told(here: Room, old: Body, new: Body) -> list[Told]:
    """Return what leads from one body to the other, in sentences."""
    return [_told(here, change) for change in compare(old, new)]


def _told(here: Room, change: Change) -> Told:
    line = change.headline(here.lang)
    before = here.speaker.rule(change.old) if change.old else ()
    after = here.speaker.rule(change.new) if change.new else ()
    if before and after:
        before, after = marked(before, after), marked(after, before)
    return Told(change.kind, capital(line), before, after)


def title_text(body: Body, lang: str) -> str:
    """Return the title of a ruleset in one language."""
    title = body.get("title", "")
    return Words(title.get("ru", ""), title.get("en", "")).text(lang) if isinstance(title, Mapping) else str(title)


def person(session: Session, actor: str) -> str:
    """Return the name behind a recorded actor: a person's, or the login as it stands."""
    return actor_name(actor, reference(session))
