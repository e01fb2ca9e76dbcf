"""What administrators are told at once, at any hour: once a day for each kind; the rest stands on the jobs page."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from rules_engine.models import Role
from rules_engine.services.company.reference import reference
from rules_engine.services.messages import outbox


def tell_administrators(
    session: Session, kind: str, words: Mapping[str, str], now: datetime, *, channels: Collection[str] | None = None
) -> None:
    """Write a message about the first incident of its kind on a day; `words` is {"ru", "en"}."""
    picture = reference(session)
    outbox.notify(
        session,
        user_ids=[user.id for user in picture.users.values() if user.role is Role.ADMINISTRATOR],
        subject={"ru": "Требуется администратор", "en": "An administrator is needed"},
        body={
            "ru": f"{words['ru']}\nСколько ещё такого сегодня, видно на странице фоновой работы.",
            "en": f"{words['en']}\nHow many more of the kind there are today stands on the page of jobs.",
        },
        link="/jobs/",
        key=f"incident:{kind}:{picture.day_of(now).isoformat()}",
        now=now,
        channels=channels,
        is_urgent=True,
    )
