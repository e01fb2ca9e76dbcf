"""The live values that the editor offers: people, teams, skills, services, as the installation knows them now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from rules_engine.language.kinds import ReferenceKind
from rules_engine.language.values import canonical_text
from rules_engine.models import Client, Request
from rules_engine.services.company.reference import Reference, reference

_MOST = 200
_LOOKED_AT = 5_000
_WRITTEN: Final[Mapping[str, InstrumentedAttribute[Any]]] = {
    "request.source": Request.source,
    "request.region": Request.region,
    "request.city": Request.city,
    "request.language": Request.language,
    "request.tags": Request.tags,
    "client.region": Client.region,
    "client.tags": Client.tags,
}


@dataclass(frozen=True, slots=True)
class LiveLists:
    """Values by kind, with the names that people know them by; asked of the database when first needed."""

    session: Session
    picture: Reference
    now: datetime

    def known(self, kind: ReferenceKind) -> Mapping[str, str] | None:
        """Return what a form offers for a kind; None where the installation keeps no such list."""
        if kind is ReferenceKind.MANAGER:
            employed = [one for one in self.picture.managers.values() if one.is_employed(self.now)]
            return {one.login: one.name for one in sorted(employed, key=lambda one: one.name)}
        if kind is ReferenceKind.TEAM:
            return {team.code: team.name for team in sorted(self.picture.teams.values(), key=lambda team: team.name)}
        if kind is ReferenceKind.SKILL:
            skills = {skill for manager in self.picture.managers.values() for skill in manager.skills}
            return {skill: skill for skill in sorted(skills)}
        if kind is ReferenceKind.SERVICE:
            newest = select(Request.service).order_by(Request.id.desc()).limit(_LOOKED_AT)
            return {service: service for service in sorted(set(filter(None, self.session.scalars(newest))))[:_MOST]}
        return None

    def written(self, key: str) -> tuple[str, ...]:
        """Return what requests or clients have lately had in a field that anybody may fill in, sorted."""
        column = _WRITTEN.get(key)
        if column is None:
            return ()
        newest = select(column).order_by(column.class_.id.desc()).limit(_LOOKED_AT)
        found: set[str] = set()
        spelled: set[str] = set()
        for value in self.session.scalars(newest):
            for text in value if isinstance(value, list) else [value or ""]:
                plain = canonical_text(str(text))
                if plain and plain not in found:
                    found.add(plain)
                    spelled.add(str(text).strip())
        return tuple(sorted(spelled)[:_MOST])


def live_lists(session: Session, now: datetime) -> LiveLists:
    return LiveLists(session, reference(session), now)
