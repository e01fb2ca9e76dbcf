"""The live values that the editor offers: people, teams, skills, services, as the installation knows them now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.language.kinds import ReferenceKind
from rules_engine.models import Request
from rules_engine.services.reference import Reference, reference

_MOST = 200


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
            named = select(Request.service).where(Request.service.is_not(None)).distinct().limit(_MOST)
            return {service: service for service in sorted(filter(None, self.session.scalars(named)))}
        return None


def live_lists(session: Session, now: datetime) -> LiveLists:
    return LiveLists(session, reference(session), now)
