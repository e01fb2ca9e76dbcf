"""The audit log is chained by hash, and the chain tells when somebody changed it behind its back."""

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from rules_engine.models import AuditEntry
from rules_engine.services.records import audit
from tests.factories import MONDAY


def noted(session: Session, number: int) -> list[AuditEntry]:
    entries = [
        audit.record(
            session,
            actor="galina",
            action="update",
            subject_kind="request",
            subject_id=n,
            before={"manager": "anna"},
            after={"manager": "boris", "at": MONDAY},
        )
        for n in range(number)
    ]
    session.flush()
    return entries


def test_sealed_rows_make_a_chain_that_verifies(any_session: Session) -> None:
    noted(any_session, 3)
    assert audit.seal(any_session) == 3
    noted(any_session, 2)
    assert audit.seal(any_session) == 2
    any_session.commit()
    any_session.expunge_all()

    report = audit.verify(any_session)

    assert (report.ok, report.sealed, report.unsealed) == (True, 5, 0)


def test_rows_that_wait_for_the_sealer_are_counted(any_session: Session) -> None:
    noted(any_session, 2)
    audit.seal(any_session)
    noted(any_session, 1)

    report = audit.verify(any_session)

    assert (report.ok, report.sealed, report.unsealed) == (True, 2, 1)


def test_sealing_again_changes_nothing(any_session: Session) -> None:
    noted(any_session, 2)
    audit.seal(any_session)

    assert audit.seal(any_session) == 0
    assert audit.verify(any_session).ok


def test_an_empty_log_is_in_order(any_session: Session) -> None:
    assert audit.verify(any_session) == audit.AuditReport(sealed=0, unsealed=0, broken_at=None)


def test_a_changed_row_breaks_the_chain_at_its_place(any_session: Session) -> None:
    second = noted(any_session, 3)[1]
    audit.seal(any_session)
    any_session.execute(update(AuditEntry).where(AuditEntry.id == second.id).values(actor="nobody"))
    any_session.expire_all()

    assert audit.verify(any_session).broken_at == 2


def test_a_removed_row_breaks_the_chain(any_session: Session) -> None:
    second = noted(any_session, 3)[1]
    audit.seal(any_session)
    any_session.execute(delete(AuditEntry).where(AuditEntry.id == second.id))

    assert audit.verify(any_session).broken_at == 2


def test_a_cut_off_end_is_noticed(any_session: Session) -> None:
    third = noted(any_session, 3)[2]
    audit.seal(any_session)
    any_session.execute(delete(AuditEntry).where(AuditEntry.id == third.id))

    assert audit.verify(any_session).broken_at == 3
