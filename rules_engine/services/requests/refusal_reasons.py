"""Why clients refuse: a list that ships with five reasons and that a head extends."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.services.records import audit, settings_store

SHIPPED: Final[Mapping[str, Mapping[str, str]]] = {
    "expensive": {"ru": "дорого", "en": "too expensive"},
    "postponed": {"ru": "отложили", "en": "postponed"},
    "rival": {"ru": "ушли к другому", "en": "went to a rival"},
    "no_need": {"ru": "нет потребности", "en": "no need"},
    "other": {"ru": "другое", "en": "other"},
}
_KEY: Final = "refusal_reasons"
_MOST: Final = 50
_LONGEST: Final = 60


def refusal_reasons(session: Session) -> dict[str, dict[str, str]]:
    """Return each reason with its words in both languages; an added one reads as it was written."""
    added = str(settings_store.all_rows(session).get(_KEY, ""))
    reasons = {code: dict(words) for code, words in SHIPPED.items()}
    return reasons | {text: {"ru": text, "en": text} for text in added.split("\n") if text}


def check(session: Session, reason: str | None, *, path: str = "reason") -> str:
    """Return the reason if it is one of the list. Raises InputError."""
    known = refusal_reasons(session)
    if reason is None:
        names = ", ".join(known)
        raise InputError(path=path, ru=f"нужна причина отказа: {names}", en=f"needs a refusal reason: {names}")
    if reason not in known:
        names = ", ".join(known)
        raise InputError(path=path, ru=f"нет такой причины; есть {names}", en=f"is none of the reasons {names}")
    return reason


def add(session: Session, text: str, *, actor: str) -> None:
    """Put a reason on the list; one that stands there already changes nothing. Raises InputError."""
    clean = " ".join(text.split())
    if not clean or len(clean) > _LONGEST or not clean.isprintable():
        raise InputError(path="reason", ru="от 1 до 60 знаков", en="must have 1 to 60 characters")
    known = list(refusal_reasons(session))
    if clean in known:
        return
    if len(known) >= _MOST:
        raise InputError(path="reason", ru="в списке уже 50 причин", en="the list holds 50 reasons already")
    added = [reason for reason in known if reason not in SHIPPED]
    settings_store.put(session, _KEY, "\n".join([*added, clean]))
    audit.record(
        session,
        actor=actor,
        action="update",
        subject_kind="setting",
        subject_id=_KEY,
        before={"value": added},
        after={"value": [*added, clean]},
    )
