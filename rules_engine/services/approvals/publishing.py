"""Publishing without an approval: what the command line of an administrator does, and taking back what is to come."""

from datetime import datetime

from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.errors import InputError, PolicyViolation
from rules_engine.language.kinds import Words
from rules_engine.models import RulesetVersion
from rules_engine.services.approvals.checks import DraftOutdated, NotReady, Readiness
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts import editing, letters, rows
from rules_engine.services.messages import outbox
from rules_engine.services.rules import rulebook


def publish_draft(
    session: Session,
    decision: str,
    *,
    expected_revision: int | None = None,
    at: datetime | None,
    actor: str,
    now: datetime,
    note: str = "",
) -> RulesetVersion:
    """Return the new version made of the draft, which is gone then; it holds from `at`, or from now.

    For the command line: whoever can use it answers for the whole installation, and the history names it. Errors and
    test cases hold it back all the same; an approval that waits becomes void. Raises NotFound, DraftOutdated,
    NotReady, and what `rulebook.publish` refuses.
    """
    row = rows.open_draft(session, decision)
    if expected_revision is not None and row.revision != expected_revision:
        raise rows.changed_by(session, row)
    latest = editing.latest_version(session, decision)
    if latest.number != row.base_number:
        raise DraftOutdated(base=row.base_number, latest=latest.number, by=latest.published_by)
    found = editing.problems(session, row.body)
    failing = tuple(result for result in editing.case_results(row.body) if not result.passed)
    if found or failing:
        raise NotReady(Readiness(found, failing))
    published = rulebook.publish(
        session, decision, row.body, holds_from=at or now, now=now, actor=actor, note=note, accepted=row.accepted
    )
    letters.void(session, decision, actor=actor, now=now)
    session.delete(row)
    session.flush()
    return published


def roll_back(
    session: Session,
    decision: str,
    number: int,
    *,
    at: datetime | None = None,
    actor: str,
    now: datetime,
    note: str = "",
) -> RulesetVersion:
    """Return a new version that repeats the body of version `number`. An open draft stays, begun from the old one.

    For the command line; on the page an old version becomes a draft. Raises NotFound; PolicyViolation when that body
    is in force at that instant already.
    """
    old = editing.version(session, decision, number)
    present = rulebook.in_force_at(session, decision, at or now)
    if present.content_hash == old.content_hash:
        raise PolicyViolation(
            ru=f"эти правила и так действуют (версия {present.number})",
            en=f"these rules are in force already (version {present.number})",
        )
    return rulebook.publish(
        session,
        decision,
        old.body,
        holds_from=at or now,
        now=now,
        actor=actor,
        note=note,
        restored_from=number,
        accepted=old.accepted,
    )


def can_take_back(session: Session, version: RulesetVersion, now: datetime) -> bool:
    """Return whether a version is still to come and would really come into force then."""
    if version.holds_from <= now:
        return False
    return rulebook.in_force_at(session, version.decision, version.holds_from).id == version.id


def take_back(
    session: Session, decision: str, number: int, *, reason: str, actor: str, now: datetime
) -> RulesetVersion:
    """Return the version that stands in for one that is to come: from the same instant what held before goes on.

    Versions are never changed: of two that hold from one instant the later number wins. Needs no approval, for nothing
    in force changes; who sent and who approved it are told. Raises NotFound, InputError without a reason,
    PolicyViolation where it is in force already or was taken back.
    """
    coming = editing.version(session, decision, number)
    reason = reason.strip()[:1_000]
    if not reason:
        raise InputError(path="reason", ru="скажите, почему", en="say why")
    if not can_take_back(session, coming, now):
        raise PolicyViolation(
            ru=f"версия {number} уже действует или отменена раньше: отменять нечего",
            en=f"version {number} is in force already or was taken back before: there is nothing to take back",
        )
    before = rulebook.in_force_before(session, decision, coming.holds_from)
    made = rulebook.publish(
        session,
        decision,
        before.body,
        holds_from=coming.holds_from,
        now=now,
        actor=actor,
        note=reason,
        restored_from=before.number,
        accepted=before.accepted,
        checks_names=False,
    )
    title, who = letters.NAMES[decision], letters.name(session, actor)
    wanted = {coming.published_by, coming.authored_by} - {actor}
    told = [user.id for user in reference(session).users.values() if user.login in wanted]
    local = coming.holds_from.astimezone(settings_of(session).zone)
    body = Words(
        f"Версия {number} не вступит в силу {local:%d.%m.%Y в %H:%M}: с этого времени действует прежнее. "
        f"{who.ru}: {reason}",
        f"Version {number} does not come into force on {local:%d %b %Y at %H:%M}: what holds now goes on. "
        f"{who.en}: {reason}",
    )
    outbox.notify(
        session,
        user_ids=told,
        subject={"ru": f"Правила «{title.ru}»: версия отменена", "en": f"Rules of {title.en}: a version taken back"},
        body={"ru": body.ru, "en": body.en},
        link=f"/rules/{decision}/history",
        key=f"taken_back:{made.id}",
        now=now,
    )
    return made
