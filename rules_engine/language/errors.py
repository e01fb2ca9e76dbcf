"""Errors of the language; each carries its problems, the shell shows them in the reader's language."""

from typing import ClassVar

from rules_engine.errors import PravilaError
from rules_engine.language.problems import Problem


class LanguageError(PravilaError):
    """The root of what can go wrong inside the rule language."""


class BadValue(LanguageError):
    """One value is not of the type that its field asks for. `code` and `data` are those of a Problem."""

    def __init__(self, code: str, **data: object) -> None:
        self.code = code
        super().__init__(**data)

    def message(self, lang: str) -> str:
        return Problem(self.code, "", self.data).message(lang)


class RulesetInvalid(LanguageError):
    """A document is not a usable ruleset. `problems` holds every error, in the order of the document."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(count=len(problems))

    def message(self, lang: str) -> str:
        shown = "; ".join(f"{one.path or '/'}: {one.message(lang)}" for one in self.problems[:5])
        rest = len(self.problems) - 5
        if rest <= 0:
            return shown
        return f"{shown}; и ещё {rest}" if lang == "ru" else f"{shown}; and {rest} more"


class FactsInvalid(RulesetInvalid):
    """Facts given as JSON do not fit the vocabulary."""


class EngineFailure(LanguageError):
    """An engine cannot answer: the extension is missing, was refused a ruleset, or failed in the middle."""

    template: ClassVar[dict[str, str]] = {
        "ru": "движок правил не ответил: {detail}",
        "en": "the rule engine did not answer: {detail}",
    }
