"""A frozen picture of what rarely changes: people, teams, calendars, absences, holds, modes, which rulesets hold when.

Decisions read it instead of asking the database each time. Its rows carry one token, changed in the transaction that
changes any of them; a picture is good as long as the stored token is the one it was taken under. The token is random:
a picture taken in a transaction that was rolled back can never be mistaken for a later one.
"""

from collections import OrderedDict
from threading import Lock
from uuid import uuid4

from sqlalchemy import event
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.models import (
    Absence,
    Calendar,
    CalendarException,
    DutyShift,
    Manager,
    ModeChange,
    RulesetVersion,
    Team,
    User,
)
from rules_engine.services.company.picture import HoldRef, ManagerRef, ModeRef, Reference, TeamRef, UserRef, VersionRef
from rules_engine.services.company.picture_loading import take
from rules_engine.services.records import settings_store

__all__ = [
    "HoldRef",
    "ManagerRef",
    "ModeRef",
    "Reference",
    "TeamRef",
    "UserRef",
    "VersionRef",
    "reference",
    "reference_changed",
]

_TOKEN = "reference_version"
_WATCHED = (User, Manager, Team, Calendar, CalendarException, Absence, DutyShift, ModeChange, RulesetVersion)
_PICTURES_KEPT = 8

_pictures: OrderedDict[tuple[str, str], Reference] = OrderedDict()
_lock = Lock()


def reference(session: Session) -> Reference:
    """Return the picture as of this transaction; it costs one small query a transaction while nothing changes.

    Pending changes of the session are flushed first, so that it shows them.
    """
    _write_news(session)
    token = settings_store.all_rows(session).get(_TOKEN)
    zone = settings_of(session).zone
    if token is None:
        # Nothing would ever tell that the picture has aged.
        return take(session, token, zone)
    key = (token, zone.key)
    kept = _pictures.get(key)
    if kept is None:
        kept = take(session, token, zone)
        with _lock:
            _pictures[key] = kept
            while len(_pictures) > _PICTURES_KEPT:
                _pictures.popitem(last=False)
    return kept


def reference_changed(session: Session) -> None:
    """Make every process take a new picture once this transaction is committed, and this one at once.

    A flush that adds, changes or deletes one of the rows does it by itself; only bulk statements must call it.
    """
    settings_store.put(session, _TOKEN, uuid4().hex)


def _write_news(session: Session) -> None:
    # Only what a picture shows: decisions ask for it often, in the middle of their own changes.
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, _WATCHED):
            session.flush()
            return


@event.listens_for(Session, "before_flush")
def _notice_changes(session: Session, _context: object, _instances: object) -> None:
    for row in (*session.new, *session.deleted):
        if isinstance(row, _WATCHED):
            reference_changed(session)
            return
    for row in session.dirty:
        if isinstance(row, _WATCHED) and session.is_modified(row):
            reference_changed(session)
            return
