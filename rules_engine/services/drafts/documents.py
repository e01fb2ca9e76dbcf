"""The rules of a decision as a JSON document that a person has in his hands: read carefully, and put into the draft."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from rules_engine.errors import PolicyViolation
from rules_engine.language.check import check
from rules_engine.language.problems import Problem
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts import editing, rows
from rules_engine.services.drafts.body import Body
from rules_engine.services.records import audit
from rules_engine.services.rules import rulebook

LIMIT_BYTES = 900_000
LIMIT_DEPTH = 40
"""Levels of lists and objects. Rules need no more than half of it; deeper ones would exhaust whoever walks them."""

UNFINISHED = frozenset(
    {"unfinished_condition", "empty_group", "no_actions", "missing_otherwise", "unknown_reference", "unknown_rule"}
)
"""What a draft may hold until somebody mends it: it blocks approval, and the editor says so in place."""


class DocumentRefused(PolicyViolation):
    """The text is no document of rules that can be put into the draft; `problems` where single places are wrong."""

    def __init__(self, *, ru: str, en: str, problems: tuple[Problem, ...] = (), document: Body | None = None) -> None:
        self.problems, self.document = problems, document or {}
        super().__init__(ru=ru, en=en)


@dataclass(frozen=True, slots=True)
class Brought:
    """A document that may become the draft; `unfinished` is what will block its approval."""

    body: Body
    unfinished: tuple[Problem, ...]


def text_of(body: Body) -> str:
    """Return the document as people read and edit it."""
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def read(session: Session, decision: str, raw: bytes) -> Brought:
    """Return the document of a decision. Raises DocumentRefused, which says where it is wrong and what to do."""
    document = _parsed(_decoded(raw))
    if not isinstance(document, dict):
        raise DocumentRefused(ru="в файле нет правил: нужен объект JSON", en="no rules here: a JSON object is needed")
    if _is_too_deep(document):
        raise DocumentRefused(
            ru=f"вложенность больше {LIMIT_DEPTH} уровней: таких правил не бывает",
            en=f"nested deeper than {LIMIT_DEPTH} levels: no rules are",
        )
    found = check(document, rulebook.references(session))
    named = document.get("decision")
    if named != decision and not any(one.path == "/decision" for one in found):
        raise DocumentRefused(
            ru=f"это правила другого решения («{named}»): откройте их страницу и принесите туда",
            en=f"these are the rules of another decision (“{named}”): bring them to its page",
        )
    wrong = tuple(one for one in found if one.code not in UNFINISHED)
    if wrong:
        raise DocumentRefused(
            ru="правила прочитать нельзя; в черновике ничего не изменено",
            en="these rules cannot be read; the draft is as it was",
            problems=wrong,
            document=document,
        )
    return Brought(document, found)


def put(
    session: Session, decision: str, body: Body, *, expected_revision: int, actor: str, now: datetime
) -> RulesetDraft:
    """Return the draft with a document in it, as one step that can be undone; it is begun where there is none.

    `expected_revision` 0: the sender has seen that there was no draft. Raises DraftChanged.
    """
    present = rows.draft(session, decision)
    if present is None and expected_revision == 0:
        expected_revision = editing.start_draft(session, decision, actor=actor, now=now).revision
    row = editing.change(
        session, decision, lambda _present: body, expected_revision=expected_revision, actor=actor, now=now
    )
    audit.record(
        session,
        actor=actor,
        action="import_draft",
        subject_kind="ruleset",
        subject_id=decision,
        after={"revision": row.revision, "rules": len(body.get("rules", []))},
    )
    return row


def _decoded(raw: bytes) -> str:
    if len(raw) > LIMIT_BYTES:
        raise DocumentRefused(
            ru=f"файл больше {LIMIT_BYTES // 1000} КБ: столько правил не бывает",
            en=f"the file is larger than {LIMIT_BYTES // 1000} kB: no rules are",
        )
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise DocumentRefused(
            ru="файл не в кодировке UTF-8: сохраните его как UTF-8 и принесите снова",
            en="the file is not UTF-8: save it as UTF-8 and bring it again",
        ) from None
    if not text.strip():
        raise DocumentRefused(ru="файл пуст", en="the file is empty")
    return text


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    except RecursionError:
        raise DocumentRefused(
            ru="вложенность бесконечна: скобки открываются и не закрываются",
            en="nested without end: brackets open and do not close",
        ) from None
    except json.JSONDecodeError as wrong:
        raise DocumentRefused(
            ru=f"это не JSON: строка {wrong.lineno}, знак {wrong.colno}",
            en=f"this is not JSON: line {wrong.lineno}, character {wrong.colno}",
        ) from None
    except ValueError:
        raise DocumentRefused(ru="в файле есть слишком длинное число", en="the file holds too long a number") from None


def _no_doubles(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DocumentRefused(
                ru=f"ключ «{key[:60]}» стоит дважды в одном объекте: который из них верен?",
                en=f"the key “{key[:60]}” stands twice in one object: which of them is right?",
            )
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise DocumentRefused(ru=f"{name} — не число", en=f"{name} is no number")


def _is_too_deep(document: Any) -> bool:
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > LIMIT_DEPTH:
            return True
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    return False
