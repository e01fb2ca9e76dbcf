"""What a client allows and forbids: consent to offers with its date and source, and the wish not to be called."""

from datetime import date, datetime
from uuid import uuid4

from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import Client
from rules_engine.services.clients.clients import wake_requests
from rules_engine.services.clients.wakes import wake_client
from rules_engine.services.company.reference import reference
from rules_engine.services.records import audit
from rules_engine.services.records.incoming import ContactIn, Key
from rules_engine.services.requests import contacts
from rules_engine.services.requests.tasks import SOURCE

_LONGEST = 200


def record_consent(
    session: Session, client: Client, *, given_on: date | None, source: str, actor: str, now: datetime
) -> None:
    """Put a client's consent to offers on record, with its date and how he gave it (article 18 of 38-FZ).

    Raises InputError without a date or a source, and for a date to come.
    """
    clean = " ".join(source.split())
    if given_on is None:
        raise InputError(path="consent_on", ru="укажите, когда дано согласие", en="say when it was given")
    if given_on > reference(session).day_of(now):
        raise InputError(path="consent_on", ru="эта дата ещё не наступила", en="is a date to come")
    if not clean or len(clean) > _LONGEST:
        raise InputError(path="consent_source", ru="от 1 до 200 знаков", en="must have 1 to 200 characters")
    _change(session, client, given_on, clean, actor=actor, now=now)


def withdraw_consent(session: Session, client: Client, *, actor: str, now: datetime) -> None:
    """Take a client's consent to offers off the record; the audit log keeps that it was there."""
    _change(session, client, None, None, actor=actor, now=now)


def ask_not_to_call(session: Session, client: Client, *, manager: str | None, actor: str, now: datetime) -> None:
    """Note that a client asked not to be called: as a contact, which is the evidence; his open calls end.

    A second time changes nothing. `manager` is the login of whom he told it, None: the client's owner.
    """
    if client.do_not_call:
        return
    data = ContactIn(
        source=SOURCE,
        external_id=f"do-not-call:{uuid4().hex}",
        at=now,
        direction="in",
        outcome="do_not_call",
        proof="by_hand",
        manager=manager,
        client=Key(source=client.source, external_id=client.external_id),
    )
    contacts.record(session, data, now=now, actor=actor)


def _change(
    session: Session, client: Client, given_on: date | None, source: str | None, *, actor: str, now: datetime
) -> None:
    before = (client.consent_on, client.consent_source)
    if before == (given_on, source):
        return
    # Offers may be planned from now on, or no longer: before the row is locked, see the order of locks
    # in queue/work.py.
    wake_requests(session, client.id, now)
    wake_client(session, client.id, now, now=now)
    client.consent_on, client.consent_source = given_on, source
    audit.record(
        session,
        actor=actor,
        action="update",
        subject_kind="client",
        subject_id=client.id,
        before={"consent_on": before[0], "consent_source": before[1]},
        after={"consent_on": given_on, "consent_source": source},
    )
    session.flush()
