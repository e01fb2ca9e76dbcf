"""One root, few branches. An error carries data; `message` makes the sentence in the reader's language."""

from typing import ClassVar


class PravilaError(Exception):
    """The root of all errors that a user can cause or mend.

    `template` holds one sentence a language; its placeholders are filled from the keyword arguments.
    """

    template: ClassVar[dict[str, str]] = {"ru": "ошибка: {detail}", "en": "error: {detail}"}

    def __init__(self, **data: object) -> None:
        self.data = data
        super().__init__(self.message("en"))

    def message(self, lang: str) -> str:
        """Return the sentence for a person, in `lang` (`ru` or `en`; anything else reads English)."""
        template = self.template.get(lang) or self.template["en"]
        try:
            return template.format(**self.data)
        except (KeyError, IndexError):
            return f"{template} {self.data}"


class SettingsError(PravilaError):
    """A setting in the environment cannot be used; the process must not start."""

    template: ClassVar[dict[str, str]] = {
        "ru": "настройка {name}: {problem}",
        "en": "setting {name}: {problem}",
    }


class NotFound(PravilaError):
    """What was asked for does not exist, or the person asking may not know that it does."""

    template: ClassVar[dict[str, str]] = {"ru": "не найдено: {what}", "en": "not found: {what}"}


class PolicyViolation(PravilaError):
    """The request is understood and refused; the sentence is shown to the user as it stands."""

    template: ClassVar[dict[str, str]] = {"ru": "{ru}", "en": "{en}"}


class Conflict(PolicyViolation):
    """Another change came first, or the same key came with another body."""


class InputError(PravilaError):
    """A value given by a person or a program is not usable. `path` says which one."""

    template: ClassVar[dict[str, str]] = {"ru": "{path}: {ru}", "en": "{path}: {en}"}

    def __init__(self, *, path: str, ru: str, en: str, **data: object) -> None:
        super().__init__(path=path, ru=ru, en=en, **data)

    @property
    def path(self) -> str:
        return str(self.data["path"])


class DeliveryError(PravilaError):
    """A message could not be delivered; `permanent` says whether trying again can help."""

    template: ClassVar[dict[str, str]] = {"ru": "не доставлено: {reason}", "en": "not delivered: {reason}"}

    def __init__(self, *, reason: str, permanent: bool) -> None:
        self.permanent = permanent
        super().__init__(reason=reason, permanent=permanent)


class AddressFailed(DeliveryError):
    """A service that a person named did not take a message; the sentence repeats nothing of its address."""

    template: ClassVar[dict[str, str]] = {"ru": "не доставлено: {ru}", "en": "not delivered: {en}"}

    def __init__(self, *, ru: str, en: str, permanent: bool) -> None:
        super().__init__(reason=en, permanent=permanent)
        self.data |= {"ru": ru, "en": en}
