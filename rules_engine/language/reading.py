"""What the readers of a document share: the list of problems, and small steps that never raise."""

import re
from collections.abc import Iterable, Mapping

from rules_engine.language.errors import BadValue
from rules_engine.language.kinds import REFERENCE_LABELS, ReferenceKind, Words
from rules_engine.language.near import near
from rules_engine.language.problems import Problem
from rules_engine.language.references import References
from rules_engine.language.vocabulary.shipped import shipped_name

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\Z")
CODE_LENGTH = 60
_TITLE_LENGTH = 200


class Report:
    """Collects every problem of one document, in reading order."""

    def __init__(self, references: References | None = None) -> None:
        self.references = references
        self.looks_up = True
        """False while a disabled rule is read: it may name people who left, until somebody enables it."""
        self.problems: list[Problem] = []

    def add(self, code: str, path: str, **data: object) -> None:
        self.problems.append(Problem(code, path, {key: value for key, value in data.items() if value is not None}))

    def bad_value(self, problem: BadValue, path: str) -> None:
        self.problems.append(Problem(problem.code, path, problem.data))

    def mapping(self, value: object, path: str, keys: Iterable[str]) -> Mapping[str, object] | None:
        """Return the value as an object, None where it is none; keys beyond `keys` are problems."""
        if not isinstance(value, dict):
            self.add("not_an_object", path)
            return None
        allowed = tuple(keys)
        for key in value:
            if key not in allowed:
                self.add("unknown_key", pointer(path, key), key=key, suggestion=near(key, allowed))
        return value

    def list(self, value: object, path: str, limit: int, too_many: str = "list_too_long") -> list[object]:
        """Return the value as a list, cut at `limit`; anything else is a problem and an empty list."""
        if not isinstance(value, list):
            self.add("not_a_list", path)
            return []
        if len(value) > limit:
            self.add(too_many, path, limit=limit)
        return value[:limit]

    def text(self, value: object, path: str, limit: int, *, may_be_empty: bool = False) -> str | None:
        """Return a text of at most `limit` characters, None where it is none."""
        if not isinstance(value, str):
            self.add("not_text", path)
        elif not may_be_empty and not value.strip():
            self.add("empty_text", path)
        elif len(value) > limit:
            self.add("too_long", path, limit=limit)
        elif any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in value):
            self.add("bad_text", path)
        else:
            return value
        return None

    def code(self, value: object, path: str) -> str | None:
        """Return an identifier, None where it is none."""
        if isinstance(value, str) and CODE.match(value):
            return value
        self.add("bad_id", path, limit=CODE_LENGTH)
        return None

    def words(self, value: object, path: str, limit: int = _TITLE_LENGTH, *, may_be_empty: bool = False) -> Words:
        """Return a title or a note: one text for both languages, or an object with either of them or both."""
        if isinstance(value, str):
            text = self.text(value, path, limit, may_be_empty=may_be_empty) or ""
            return Words(text, text)
        if not isinstance(value, dict) or not value:
            self.add("wrong_words", path)
            return Words("", "")
        self.mapping(value, path, ("ru", "en"))
        sides = {
            lang: self.text(value[lang], f"{path}/{lang}", limit, may_be_empty=True) or ""
            for lang in ("ru", "en")
            if lang in value
        }
        return Words(sides.get("ru", ""), sides.get("en", ""))

    def reference(self, kind: ReferenceKind, value: str, path: str, also: Iterable[str] = ()) -> None:
        """Add a problem where the installation does not know the value; without references all are known."""
        known = self.references.known(kind) if self.references and self.looks_up else None
        if known is None or value in known or value in also:
            return
        label, shipped = REFERENCE_LABELS[kind], shipped_name(kind, value)
        # The word of another row would say that what is there is missing.
        word = shipped if shipped and not {shipped.ru, shipped.en} & set(known.values()) else Words(value, value)
        self.add(
            "unknown_reference",
            path,
            kind_ru=label.ru,
            kind_en=label.en,
            value=value,
            value_ru=word.ru,
            value_en=word.en,
            suggestion=near(value, (*known, *also)),
        )


def pointer(path: str, key: object) -> str:
    """Return the JSON pointer of a member (RFC 6901).

    >>> pointer("/rules/0", "a/b")
    '/rules/0/a~1b'
    """
    return f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"
