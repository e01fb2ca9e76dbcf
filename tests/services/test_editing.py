"""The draft of a ruleset: one a decision, no lost change, published whole and green, and the way back."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, NotFound, PolicyViolation
from rules_engine.language.errors import RulesetInvalid
from rules_engine.models import AuditEntry, RulesetDraft, RulesetVersion
from rules_engine.services.approvals import publishing
from rules_engine.services.approvals.checks import DraftOutdated, NotReady
from rules_engine.services.drafts import body as edits
from rules_engine.services.drafts import editing
from rules_engine.services.rules import rulebook
from rules_engine.services.trials import cases
from tests.factories import MONDAY, Cast, assignment_rules, condition, make_cast, make_version, rule

ASSIGN = {"action": "assign", "to": {"pool": "owner"}, "answer_within": 30}
LATER = MONDAY + timedelta(minutes=2)


def two_rules() -> dict[str, Any]:
    return assignment_rules(
        rule("own", condition("client.owner", "is_filled"), ASSIGN),
        rule("large", condition("request.amount", "ge", "50000"), {**ASSIGN, "to": {"pool": "team", "team": "sales"}}),
    )


@pytest.fixture
def cast(session: Session) -> Cast:
    cast = make_cast(session)
    make_version(session, "assignment", two_rules())
    return cast


def answer_within(minutes: int) -> edits.Edit:
    return edits.set_action("own", 0, {**ASSIGN, "answer_within": minutes})


def started(session: Session, actor: str = "galina") -> RulesetDraft:
    return editing.start_draft(session, "assignment", actor=actor, now=MONDAY)


def changed(session: Session, edit: edits.Edit, **more: Any) -> RulesetDraft:
    draft = editing.open_draft(session, "assignment")
    values = {"expected_revision": draft.revision, "actor": "galina", "now": MONDAY, **more}
    return editing.change(session, "assignment", edit, **values)


def published(session: Session, **more: Any) -> RulesetVersion:
    draft = editing.open_draft(session, "assignment")
    values = {"expected_revision": draft.revision, "at": None, "actor": "galina", "now": MONDAY, **more}
    return publishing.publish_draft(session, "assignment", **values)


def actions(session: Session) -> list[str]:
    session.flush()
    return [entry.action for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


class TestOpening:
    def test_a_draft_repeats_the_last_version_and_serves_everybody(self, session: Session, cast: Cast) -> None:
        draft = started(session)
        assert (draft.body, draft.base_number, draft.revision) == (two_rules(), 1, 1)
        assert started(session, "denis").id == draft.id
        assert draft.updated_by is not None and draft.updated_by.login == "galina"
        assert actions(session) == ["open_draft"]

    def test_an_old_version_opens_as_a_draft_only_where_none_would_be_lost(self, session: Session, cast: Cast) -> None:
        make_version(session, "assignment", assignment_rules(), holds_from=MONDAY)
        draft = editing.start_draft(session, "assignment", actor="galina", now=MONDAY, number=1)
        assert (draft.body, draft.base_number) == (two_rules(), 2)
        with pytest.raises(Conflict):
            editing.start_draft(session, "assignment", actor="denis", now=MONDAY, number=2)

    def test_what_was_never_published_has_no_draft(self, session: Session, cast: Cast) -> None:
        with pytest.raises(NotFound):
            editing.start_draft(session, "callbacks", actor="galina", now=MONDAY)


class TestNoLostChange:
    def test_a_change_on_top_of_an_unseen_one_is_refused_and_says_whose_it_was(
        self, session: Session, cast: Cast
    ) -> None:
        seen = started(session).revision
        changed(session, answer_within(15), actor="denis", now=LATER)
        with pytest.raises(editing.DraftChanged) as refused:
            changed(session, answer_within(20), expected_revision=seen)
        assert refused.value.message("ru") == ("Денис: черновик изменён 05.10 в 11:22, ваше изменение не сохранено")
        assert "Денис changed the draft on 05 Oct at 11:22" in refused.value.message("en")
        assert editing.open_draft(session, "assignment").body["rules"][0]["then"][0]["answer_within"] == 15

    def test_changes_of_two_people_in_two_rules_both_stand(self, session: Session, cast: Cast) -> None:
        draft = started(session)
        seen = editing.Seen("own", editing.fingerprint(draft.body, "own"))
        first = draft.revision
        changed(session, edits.switch_rule("large", False), actor="denis")
        after = changed(session, answer_within(20), expected_revision=first, seen=seen)
        assert after.body["rules"][0]["then"][0]["answer_within"] == 20
        assert after.body["rules"][1]["enabled"] is False

    def test_the_same_rule_changed_twice_is_refused_also_with_a_fingerprint(self, session: Session, cast: Cast) -> None:
        draft = started(session)
        seen, first = editing.Seen("own", editing.fingerprint(draft.body, "own")), draft.revision
        changed(session, answer_within(15), actor="denis")
        with pytest.raises(editing.DraftChanged):
            changed(session, answer_within(20), expected_revision=first, seen=seen)

    def test_an_edit_that_changes_nothing_counts_no_revision(self, session: Session, cast: Cast) -> None:
        assert started(session).revision == changed(session, answer_within(30)).revision == 1

    def test_the_audit_log_keeps_the_rule_before_and_after(self, session: Session, cast: Cast) -> None:
        started(session)
        changed(session, answer_within(15))
        session.flush()
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "edit_draft")).one()
        assert entry.before is not None and entry.after is not None
        assert entry.before["own"]["then"][0]["answer_within"] == 30
        assert entry.after["own"]["then"][0]["answer_within"] == 15
        assert "large" not in entry.after


class TestPublishing:
    def test_the_draft_becomes_the_next_version_and_is_gone(self, session: Session, cast: Cast) -> None:
        started(session)
        changed(session, answer_within(15))
        version = published(session, note="быстрее")
        assert (version.number, version.published_by, version.note) == (2, "galina", "быстрее")
        assert editing.draft(session, "assignment") is None
        assert rulebook.published(session, "assignment", MONDAY).ruleset.rules[0].then[0].number("answer_within") == 15
        assert rulebook.published(session, "assignment", MONDAY - timedelta(seconds=1)).number == 1

    def test_it_may_hold_from_a_later_instant(self, session: Session, cast: Cast) -> None:
        started(session)
        changed(session, answer_within(15))
        published(session, at=LATER)
        assert rulebook.published(session, "assignment", MONDAY).number == 1
        assert rulebook.published(session, "assignment", LATER).number == 2
        assert [version.number for version in editing.coming_versions(session, "assignment", MONDAY)] == [2]

    def test_an_unfinished_condition_blocks_it(self, session: Session, cast: Cast) -> None:
        started(session)
        changed(session, edits.add_condition("own", ("when",)))
        with pytest.raises(NotReady) as refused:
            published(session)
        assert {problem.path for problem in refused.value.problems} == {"/rules/0/when/all/1"}
        assert editing.open_draft(session, "assignment").revision == 2

    def test_a_team_that_does_not_exist_blocks_it(self, session: Session, cast: Cast) -> None:
        started(session)
        to = {"pool": "team", "team": "sells"}
        changed(session, edits.set_action("large", 0, {**ASSIGN, "to": to}))
        with pytest.raises(NotReady, match="sells"):
            published(session)

    def test_a_test_case_that_does_not_hold_blocks_it_until_it_is_accepted(self, session: Session, cast: Cast) -> None:
        started(session)
        facts = {"request.amount": "80000"}
        changed(session, cases.add_case("крупная", "ru", facts, {"fired": ["large"]}))
        changed(session, edits.set_condition("large", ("when", "all", 0), condition("request.amount", "ge", "99000")))
        with pytest.raises(NotReady) as refused:
            published(session)
        assert refused.value.message("ru") == "контрольные примеры не сходятся: «крупная»"
        (result,) = editing.case_results(editing.open_draft(session, "assignment").body)
        changed(session, cases.expect(0, {"fired": list(result.fired)}))
        assert published(session).number == 2

    def test_a_version_published_meanwhile_is_not_undone_unseen(self, session: Session, cast: Cast) -> None:
        started(session)
        changed(session, answer_within(15))
        rulebook.publish(session, "assignment", assignment_rules(), holds_from=MONDAY, now=MONDAY, actor="denis")
        with pytest.raises(DraftOutdated) as refused:
            published(session)
        assert refused.value.message("ru") == ("черновик начат с версии 1, а с тех пор опубликована версия 2 (denis)")
        draft = editing.open_draft(session, "assignment")
        editing.rebase(session, "assignment", expected_revision=draft.revision, actor="galina", now=MONDAY)
        assert published(session).number == 3

    def test_what_was_changed_after_the_publisher_looked_is_not_published(self, session: Session, cast: Cast) -> None:
        seen = started(session).revision
        changed(session, answer_within(15), actor="denis")
        with pytest.raises(editing.DraftChanged):
            published(session, expected_revision=seen)


class TestGivingUpAndBack:
    def test_a_discarded_draft_stays_in_the_audit_log(self, session: Session, cast: Cast) -> None:
        started(session)
        draft = changed(session, answer_within(15))
        editing.discard(session, "assignment", expected_revision=draft.revision, actor="galina", now=MONDAY)
        assert editing.draft(session, "assignment") is None
        session.flush()
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "discard_draft")).one()
        assert entry.before is not None
        assert entry.before["body"]["rules"][0]["then"][0]["answer_within"] == 15

    def test_a_roll_back_publishes_the_old_body_as_a_new_version(self, session: Session, cast: Cast) -> None:
        started(session)
        changed(session, answer_within(15))
        published(session)
        back = publishing.roll_back(session, "assignment", 1, actor="galina", now=LATER, note="было лучше")
        assert (back.number, back.restored_from, back.body) == (3, 1, two_rules())
        assert rulebook.published(session, "assignment", LATER).number == 3

    def test_a_roll_back_to_what_is_in_force_is_refused(self, session: Session, cast: Cast) -> None:
        version = rulebook.publish(session, "assignment", two_rules(), holds_from=MONDAY, now=MONDAY, actor="denis")
        with pytest.raises(PolicyViolation, match="in force already"):
            publishing.roll_back(session, "assignment", version.number, actor="galina", now=LATER)

    def test_a_roll_back_to_rules_that_name_somebody_who_is_gone_says_so(self, session: Session, cast: Cast) -> None:
        gone = {**ASSIGN, "to": {"pool": "team", "team": "closed"}}
        make_version(session, "assignment", assignment_rules(rule("gone", None, gone)), holds_from=MONDAY)
        make_version(session, "assignment", two_rules(), holds_from=MONDAY)
        with pytest.raises(RulesetInvalid, match="closed"):
            publishing.roll_back(session, "assignment", 2, actor="galina", now=LATER)


class TestImport:
    def test_a_document_becomes_the_draft_of_its_decision(self, session: Session, cast: Cast) -> None:
        draft = editing.import_document(session, assignment_rules(), actor="system", now=MONDAY)
        assert (draft.decision, draft.body, draft.updated_by_id) == ("assignment", assignment_rules(), None)
        again = editing.import_document(session, two_rules(), actor="system", now=MONDAY)
        assert again.body == two_rules()

    def test_a_draft_that_a_person_edits_is_not_replaced_without_a_word(self, session: Session, cast: Cast) -> None:
        started(session)
        with pytest.raises(Conflict, match="Галина"):
            editing.import_document(session, assignment_rules(), actor="system", now=MONDAY)
        assert editing.open_draft(session, "assignment").body == two_rules()
        replaced = editing.import_document(session, assignment_rules(), actor="system", now=MONDAY, replace=True)
        assert replaced.body == assignment_rules()

    def test_an_invalid_document_is_refused_with_every_error(self, session: Session, cast: Cast) -> None:
        bad = assignment_rules(rule("one", condition("request.amuont", "ge", "5"), {"action": "asign"}))
        with pytest.raises(RulesetInvalid) as refused:
            editing.import_document(session, bad, actor="system", now=MONDAY)
        assert [problem.path for problem in refused.value.problems] == [
            "/rules/0/when/all/0/field",
            "/rules/0/then/0/action",
            "/rules/0/then",
        ]
        assert editing.draft(session, "assignment") is None


def test_the_id_of_a_removed_rule_is_taken_for_ever(session: Session, cast: Cast) -> None:
    make_version(session, "assignment", assignment_rules(), holds_from=MONDAY)
    assert editing.taken_ids(session, "assignment", assignment_rules()) == {"own", "large"}


def test_both_databases_keep_one_draft_and_publish_it(any_session: Session) -> None:
    make_cast(any_session)
    make_version(any_session, "assignment", two_rules())
    assert started(any_session).id == started(any_session, "denis").id
    seen = changed(any_session, answer_within(15)).revision
    any_session.flush()
    with pytest.raises(editing.DraftChanged):
        changed(any_session, answer_within(20), expected_revision=seen - 1)
    assert published(any_session).number == 2
    assert editing.draft(any_session, "assignment") is None
