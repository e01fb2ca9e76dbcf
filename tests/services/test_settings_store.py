"""Settings that people change: checked, audited, and seen at once."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import AuditEntry
from rules_engine.services.records import settings_store as store


def test_a_setting_has_its_default_until_somebody_changes_it(any_session: Session) -> None:
    assert store.number(any_session, store.ANSWER_WITHIN) == 30

    store.change(any_session, store.ANSWER_WITHIN, "45", actor="denis")

    assert store.number(any_session, store.ANSWER_WITHIN) == 45


def test_a_change_is_in_the_audit_log_with_before_and_after(session: Session) -> None:
    store.change(session, store.AMOUNT_SHOWN, "never", actor="denis")
    store.change(session, store.AMOUNT_SHOWN, "never", actor="denis")
    session.flush()

    (entry,) = session.scalars(select(AuditEntry)).all()
    assert (entry.actor, entry.before, entry.after) == ("denis", {"value": "after_answer"}, {"value": "never"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (store.ANSWER_WITHIN, "soon"),
        (store.ANSWER_WITHIN, 0),
        (store.ANSWER_WITHIN, 10_001),
        (store.AMOUNT_SHOWN, "sometimes"),
        ("no_such_setting", 1),
    ],
)
def test_a_value_that_the_setting_does_not_allow_is_refused(session: Session, key: str, value: object) -> None:
    with pytest.raises(InputError) as refused:
        store.change(session, key, value, actor="denis")

    assert refused.value.path == key


def test_a_change_that_is_rolled_back_is_forgotten(any_session: Session) -> None:
    store.change(any_session, store.ANSWER_WITHIN, 45, actor="denis")
    any_session.rollback()
    assert store.number(any_session, store.ANSWER_WITHIN) == 30

    with any_session.begin_nested() as savepoint:
        store.change(any_session, store.ANSWER_WITHIN, 45, actor="denis")
        savepoint.rollback()

    assert store.number(any_session, store.ANSWER_WITHIN) == 30
