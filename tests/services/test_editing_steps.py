"""Undo and redo of a draft: kept with it, cut by a new edit, bounded, in the log, and never past what one has seen."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.errors import PolicyViolation
from rules_engine.models import AuditEntry, DraftStep, RulesetDraft
from rules_engine.services.drafts import body as edits
from rules_engine.services.drafts import editing, rows, steps
from rules_engine.services.drafts.editing import Seen, fingerprint
from tests.factories import MONDAY, Cast, assignment_rules, condition, make_cast, make_version, rule

ASSIGN = {"action": "assign", "to": {"pool": "owner"}, "answer_within": 30}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def cast(session: Session) -> Cast:
    cast = make_cast(session)
    own, large = condition("client.owner", "is_filled"), condition("request.amount", "ge", "50000")
    make_version(session, "assignment", assignment_rules(rule("own", own, ASSIGN), rule("large", large, ASSIGN)))
    editing.start_draft(session, "assignment", actor="galina", now=MONDAY)
    return cast


def answer_within(minutes: int, rule_id: str = "own") -> edits.Edit:
    return edits.set_action(rule_id, 0, {**ASSIGN, "answer_within": minutes})


def changed(session: Session, edit: edits.Edit, actor: str = "galina", **more: Any) -> RulesetDraft:
    draft = editing.open_draft(session, "assignment")
    values = {"expected_revision": draft.revision, "actor": actor, "now": MONDAY, **more}
    return editing.change(session, "assignment", edit, **values)


def undone(session: Session, **more: Any) -> steps.Stepped:
    values = {"expected_revision": editing.open_draft(session, "assignment").revision, "actor": "galina", "now": MONDAY}
    return steps.undo(session, "assignment", **{**values, **more})


def redone(session: Session, **more: Any) -> steps.Stepped:
    values = {"expected_revision": editing.open_draft(session, "assignment").revision, "actor": "galina", "now": MONDAY}
    return steps.redo(session, "assignment", **{**values, **more})


def minutes_of(draft: RulesetDraft, place: int = 0) -> int:
    found: int = draft.body["rules"][place]["then"][0]["answer_within"]
    return found


def test_edits_are_taken_back_and_made_again_one_by_one(session: Session, cast: Cast) -> None:
    changed(session, answer_within(15))
    changed(session, answer_within(20))
    back = undone(session)
    assert (minutes_of(back.draft), back.subjects, back.by) == (15, ("own",), "Галина")
    assert minutes_of(undone(session).draft) == 30
    assert steps.available(session, back.draft) == (False, True)
    assert minutes_of(redone(session).draft) == 15
    assert minutes_of(redone(session).draft) == 20
    assert steps.available(session, back.draft) == (True, False)


def test_each_of_them_is_a_revision_and_one_entry_of_the_log(session: Session, cast: Cast) -> None:
    seen = changed(session, answer_within(15)).revision
    assert undone(session).draft.revision == seen + 1
    assert redone(session, actor="denis").draft.revision == seen + 2
    entries = session.scalars(select(AuditEntry).where(AuditEntry.action.in_(("undo_draft", "redo_draft")))).all()
    told = [(entry.action, entry.actor, (entry.after or {})["own"]["then"][0]["answer_within"]) for entry in entries]
    assert told == [("undo_draft", "galina", 30), ("redo_draft", "denis", 15)]


def test_a_new_edit_after_an_undo_leaves_nothing_to_redo(session: Session, cast: Cast) -> None:
    changed(session, answer_within(15))
    changed(session, answer_within(20))
    undone(session)
    changed(session, answer_within(25))
    with pytest.raises(PolicyViolation, match="nothing more to redo"):
        redone(session)
    assert minutes_of(undone(session).draft) == 15


def test_at_the_beginning_there_is_nothing_to_undo(session: Session, cast: Cast) -> None:
    with pytest.raises(PolicyViolation) as refused:
        undone(session)
    assert refused.value.message("ru") == "отменять больше нечего"


def test_an_undo_on_top_of_an_unseen_change_is_refused(session: Session, cast: Cast) -> None:
    seen = changed(session, answer_within(15)).revision
    changed(session, answer_within(5, "large"), actor="denis")
    with pytest.raises(editing.DraftChanged) as refused:
        undone(session, expected_revision=seen)
    assert refused.value.by == "Денис"
    assert minutes_of(editing.open_draft(session, "assignment"), 1) == 5


def test_only_the_last_two_hundred_edits_are_kept(session: Session, cast: Cast) -> None:
    draft = editing.open_draft(session, "assignment")
    draft.step = rows.KEPT_STEPS + 5
    one = {"draft_id": draft.id, "body": draft.body, "subjects": [], "at": MONDAY, "actor": "galina"}
    session.add_all(DraftStep(number=number, **one) for number in range(1, draft.step + 1))
    changed(session, answer_within(15))
    numbers = session.scalars(select(DraftStep.number).order_by(DraftStep.number)).all()
    assert numbers == list(range(draft.step - rows.KEPT_STEPS, draft.step + 1))
    assert steps.available(session, draft) == (True, False)


def test_the_steps_go_with_their_draft(session: Session, cast: Cast) -> None:
    draft = changed(session, answer_within(15))
    editing.discard(session, "assignment", expected_revision=draft.revision, actor="galina", now=MONDAY)
    assert session.scalar(select(func.count()).select_from(DraftStep)) == 0


def test_the_imported_document_of_a_program_can_be_undone(session: Session, cast: Cast) -> None:
    changed(session, answer_within(15))
    editing.import_document(session, assignment_rules(), actor="system", now=MONDAY, replace=True)
    assert minutes_of(undone(session).draft) == 15


class TestWhoChangedThisRule:
    def test_the_error_names_who_changed_the_rule_and_not_who_was_last_in_the_draft(
        self, session: Session, cast: Cast
    ) -> None:
        draft = editing.open_draft(session, "assignment")
        seen, first = Seen("own", fingerprint(draft.body, "own")), draft.revision
        changed(session, answer_within(15), actor="denis", now=MONDAY + MINUTE)
        changed(session, answer_within(5, "large"), actor="galina", now=MONDAY + 2 * MINUTE)
        with pytest.raises(editing.DraftChanged) as refused:
            changed(session, answer_within(20), expected_revision=first, seen=seen)
        assert (refused.value.subject, refused.value.by, refused.value.at) == ("own", "Денис", MONDAY + MINUTE)

    def test_who_undid_a_change_of_the_rule_has_changed_it(self, session: Session, cast: Cast) -> None:
        draft = changed(session, answer_within(15))
        seen, first = Seen("own", fingerprint(draft.body, "own")), draft.revision
        undone(session, actor="denis", now=MONDAY + MINUTE)
        with pytest.raises(editing.DraftChanged) as refused:
            changed(session, answer_within(20), expected_revision=first, seen=seen)
        assert (refused.value.by, refused.value.at) == ("Денис", MONDAY + MINUTE)

    def test_a_rule_is_found_as_its_reader_saw_it_also_when_it_is_gone(self, session: Session, cast: Cast) -> None:
        draft = changed(session, answer_within(15))
        digest = fingerprint(draft.body, "own")
        after = changed(session, edits.remove_rule("own"), actor="denis")
        found = rows.body_seen(session, after, "own", digest)
        assert found is not None and found["rules"][0]["then"][0]["answer_within"] == 15
        assert rows.body_seen(session, after, "own", "unknown") is None


def test_both_databases_undo(any_session: Session) -> None:
    make_cast(any_session)
    make_version(any_session, "assignment", assignment_rules(rule("own", None, ASSIGN)))
    editing.start_draft(any_session, "assignment", actor="galina", now=MONDAY)
    changed(any_session, answer_within(15))
    any_session.expire_all()
    assert minutes_of(undone(any_session).draft) == 30
