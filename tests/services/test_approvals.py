"""A draft on its way into force: sent, approved by another, rejected, withdrawn, void, outdated, too late."""

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.errors import Conflict, InputError, NotFound, PolicyViolation
from rules_engine.language.ruleset import content_hash
from rules_engine.models import (
    ApprovalState,
    AuditEntry,
    Impact,
    ImpactState,
    OutboxMessage,
    Role,
    RulesetApproval,
    RulesetDraft,
    RulesetVersion,
    User,
)
from rules_engine.services.approvals import approvals, findings, publishing
from rules_engine.services.approvals.checks import DraftOutdated, NotReady
from rules_engine.services.drafts import body as edits
from rules_engine.services.drafts import editing, steps
from rules_engine.services.records import settings_store
from rules_engine.services.rules import rulebook
from rules_engine.services.running.setup import shipped_ruleset
from rules_engine.services.trials import cases
from rules_engine.settings import Settings
from tests.factories import MONDAY, Cast, assignment_rules, at, condition, make_cast, make_user, make_version, rule

ASSIGN = {"action": "assign", "to": {"pool": "owner"}, "answer_within": 30}
HOUR = timedelta(hours=1)


def two_rules() -> dict[str, Any]:
    own, large = condition("client.owner", "is_filled"), condition("request.amount", "ge", "50000")
    return assignment_rules(rule("own", own, ASSIGN), rule("large", large, ASSIGN))


def laid(session: Session) -> Cast:
    cast = make_cast(session)
    make_user(session, "svetlana", "Светлана", role=Role.HEAD)
    make_version(session, "assignment", two_rules())
    return cast


@pytest.fixture
def cast(session: Session) -> Cast:
    return laid(session)


def drafted(session: Session, minutes: int = 15, actor: str = "galina") -> RulesetDraft:
    editing.start_draft(session, "assignment", actor=actor, now=MONDAY)
    return changed(session, edits.set_action("own", 0, {**ASSIGN, "answer_within": minutes}), actor)


def changed(session: Session, edit: edits.Edit, actor: str = "galina") -> RulesetDraft:
    revision = editing.open_draft(session, "assignment").revision
    return editing.change(session, "assignment", edit, expected_revision=revision, actor=actor, now=MONDAY)


def sent(session: Session, **more: Any) -> RulesetApproval:
    revision = editing.open_draft(session, "assignment").revision
    values = {"expected_revision": revision, "note": "быстрее", "at": None, "actor": "galina", "now": MONDAY, **more}
    return approvals.send(session, "assignment", **values)


def approved(session: Session, approval: RulesetApproval, **more: Any) -> RulesetVersion:
    values = {"at": None, "actor": "denis", "now": MONDAY + HOUR, **more}
    return approvals.approve(session, "assignment", approval.id, **values)


def told(session: Session, login: str) -> list[str]:
    session.flush()
    messages = select(OutboxMessage.subject).join(User, User.id == OutboxMessage.user_id)
    messages = messages.where(OutboxMessage.channel == "page", User.login == login)
    return list(session.scalars(messages.order_by(OutboxMessage.id)))


def log_of(session: Session, *named: str) -> list[tuple[str, str]]:
    session.flush()
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(entry.action, entry.actor) for entry in entries if entry.action in named]


class TestSending:
    def test_heads_and_administrators_but_the_author_are_told(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        assert approvals.waiting(session, "assignment") is approval
        assert told(session, "denis") == told(session, "svetlana") == ["Ждут утверждения правила «распределение»"]
        assert told(session, "galina") == told(session, "anna") == []
        assert log_of(session, "send_for_approval") == [("send_for_approval", "galina")]

    def test_what_is_sent_already_is_not_sent_twice(self, session: Session, cast: Cast) -> None:
        drafted(session)
        sent(session)
        with pytest.raises(Conflict, match="sent for approval already, by Галина"):
            sent(session, actor="denis")

    def test_a_draft_that_changes_nothing_is_not_sent(self, session: Session, cast: Cast) -> None:
        editing.start_draft(session, "assignment", actor="galina", now=MONDAY)
        with pytest.raises(NotReady, match="changes nothing"):
            sent(session)

    def test_errors_and_failing_cases_hold_it_back(self, session: Session, cast: Cast) -> None:
        drafted(session)
        changed(session, edits.add_condition("own", ("when",)))
        with pytest.raises(NotReady):
            sent(session)
        changed(session, edits.remove_node("own", ("when", "all", 1)))
        changed(session, cases.add_case("крупная", "ru", {"request.amount": "80000"}, {"fired": ["own"]}))
        with pytest.raises(NotReady) as refused:
            sent(session)
        assert refused.value.message("ru") == "контрольные примеры не сходятся: «крупная»"

    def test_a_finding_is_mended_or_said_to_be_intended_for_a_reason(self, session: Session, cast: Cast) -> None:
        drafted(session)
        never = rule("never", condition("request.amount", "ge", "50000"), ASSIGN)
        never["when"]["all"].append(condition("request.amount", "lt", "100"))
        changed(session, lambda body: {**body, "rules": [*body["rules"], never]})
        row = editing.open_draft(session, "assignment")
        (warning,) = findings.findings(session, row.body, row.accepted, MONDAY).warnings
        with pytest.raises(NotReady, match="findings without an answer, 1 in all"):
            sent(session)
        with pytest.raises(InputError):
            editing.accept_finding(session, "assignment", warning.key, " ", actor="galina", now=MONDAY)
        editing.accept_finding(session, "assignment", warning.key, "на время", actor="galina", now=MONDAY)
        approval = sent(session)
        assert approval.accepted[warning.key]["reason"] == "на время"
        editing.unaccept_finding(session, "assignment", warning.key, actor="galina", now=MONDAY)
        assert approval.state is ApprovalState.VOID
        editing.accept_finding(session, "assignment", warning.key, "на время", actor="galina", now=MONDAY)
        version = approved(session, sent(session))
        assert version.accepted[warning.key]["by"] == "galina"
        again = editing.start_draft(session, "assignment", actor="galina", now=MONDAY)
        assert again.accepted == version.accepted
        assert log_of(session, "accept_finding", "unaccept_finding")[:2] == [
            ("accept_finding", "galina"),
            ("unaccept_finding", "galina"),
        ]

    def test_an_instant_that_is_over_is_refused(self, session: Session, cast: Cast) -> None:
        drafted(session)
        with pytest.raises(approvals.InstantOver):
            sent(session, at=MONDAY - HOUR)

    def test_what_was_edited_after_the_sender_looked_is_not_sent(self, session: Session, cast: Cast) -> None:
        seen = drafted(session).revision
        changed(session, edits.switch_rule("large", False), "denis")
        with pytest.raises(editing.DraftChanged):
            sent(session, expected_revision=seen)


class TestApproving:
    def test_another_approves_and_the_author_is_told(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        version = approved(session, approval)
        assert (version.number, version.published_by, version.authored_by) == (2, "denis", "galina")
        assert (version.note, version.holds_from) == ("быстрее", MONDAY + HOUR)
        assert (approval.state, approval.version_id) == (ApprovalState.APPROVED, version.id)
        assert editing.draft(session, "assignment") is None
        assert told(session, "galina") == ["Правила «распределение» утверждены"]
        assert log_of(session, "publish", "approval_approved") == [("publish", "denis"), ("approval_approved", "denis")]

    def test_neither_the_sender_nor_the_last_editor_approves(self, session: Session, cast: Cast) -> None:
        drafted(session)
        changed(session, edits.switch_rule("large", False), "denis")
        approval = sent(session)
        with pytest.raises(approvals.OwnDraft, match="you sent it"):
            approved(session, approval, actor="galina")
        with pytest.raises(approvals.OwnDraft, match="you edited it last"):
            approved(session, approval, actor="denis")
        assert approved(session, approval, actor="svetlana").number == 2

    def test_it_holds_from_the_instant_that_was_asked_for_or_that_the_approver_chose(
        self, session: Session, cast: Cast
    ) -> None:
        drafted(session)
        assert approved(session, sent(session, at=MONDAY + 3 * HOUR)).holds_from == MONDAY + 3 * HOUR
        drafted(session, 20)
        chosen = approved(session, sent(session, at=MONDAY + 3 * HOUR), at=MONDAY + 5 * HOUR)
        assert chosen.holds_from == MONDAY + 5 * HOUR
        assert rulebook.published(session, "assignment", MONDAY + 4 * HOUR).number == 2

    def test_where_the_wanted_instant_has_passed_the_approver_chooses_again(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session, at=MONDAY + HOUR / 2)
        with pytest.raises(approvals.InstantOver) as refused:
            approved(session, approval)
        assert refused.value.message("ru") == (
            "время, с которого это должно действовать (05.10.2026 11:50), уже прошло: выберите другое"
        )
        assert approved(session, approval, at=MONDAY + HOUR).holds_from == MONDAY + HOUR

    def test_an_edit_voids_it_and_both_sides_are_told(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        changed(session, edits.switch_rule("large", False), "svetlana")
        assert (approval.state, approval.decided_by) == (ApprovalState.VOID, "svetlana")
        assert told(session, "galina") == ["Утверждение отменено: правила «распределение»"]
        assert "Утверждение отменено: правила «распределение»" in told(session, "denis")
        assert told(session, "svetlana") == ["Ждут утверждения правила «распределение»"]
        with pytest.raises(approvals.AlreadyDecided, match="changed after it was sent"):
            approved(session, approval)

    def test_undo_voids_it_and_a_redo_does_not_bring_it_back(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        for step in (steps.undo, steps.redo):
            revision = editing.open_draft(session, "assignment").revision
            step(session, "assignment", expected_revision=revision, actor="galina", now=MONDAY)
        assert approval.state is ApprovalState.VOID
        assert approvals.waiting(session, "assignment") is None

    def test_giving_the_draft_up_voids_it(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        revision = editing.open_draft(session, "assignment").revision
        editing.discard(session, "assignment", expected_revision=revision, actor="galina", now=MONDAY)
        with pytest.raises(approvals.AlreadyDecided):
            approved(session, approval)

    def test_a_version_published_meanwhile_is_not_undone_unseen(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        rulebook.publish(session, "assignment", assignment_rules(), holds_from=MONDAY, now=MONDAY, actor="system")
        with pytest.raises(DraftOutdated):
            approved(session, approval)

    def test_somebody_who_left_meanwhile_holds_it_back(self, session: Session, cast: Cast) -> None:
        drafted(session)
        to = {"pool": "team", "team": "others"}
        changed(session, edits.set_action("large", 0, {**ASSIGN, "to": to}))
        approval = sent(session)
        cast.others.code = "renamed"
        session.flush()
        with pytest.raises(NotReady, match="others"):
            approved(session, approval)

    def test_the_version_says_which_one_it_repeats(self, session: Session, cast: Cast) -> None:
        drafted(session)
        first = approved(session, sent(session))
        drafted(session, 20)
        approved(session, sent(session))
        editing.start_draft(session, "assignment", actor="galina", now=MONDAY, number=first.number)
        again = approved(session, sent(session), now=MONDAY + 2 * HOUR)
        assert (again.number, again.restored_from, again.body) == (4, first.number, first.body)


class TestOtherEnds:
    def test_a_rejection_needs_a_reason_and_leaves_the_draft(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        with pytest.raises(InputError):
            approvals.reject(session, "assignment", approval.id, reason=" ", actor="denis", now=MONDAY)
        approvals.reject(session, "assignment", approval.id, reason="рано", actor="denis", now=MONDAY)
        assert (approval.state, approval.reason) == (ApprovalState.REJECTED, "рано")
        assert told(session, "galina") == ["Правила «распределение» не утверждены"]
        assert editing.draft(session, "assignment") is not None
        changed(session, edits.switch_rule("large", False))
        assert approved(session, sent(session)).number == 2

    def test_the_sender_takes_it_back_and_nobody_else(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        with pytest.raises(PolicyViolation):
            approvals.withdraw(session, "assignment", approval.id, actor="denis", now=MONDAY)
        approvals.withdraw(session, "assignment", approval.id, actor="galina", now=MONDAY)
        assert "Правила «распределение» отозваны" in told(session, "denis")
        with pytest.raises(approvals.AlreadyDecided, match="withdrawn"):
            approved(session, approval)

    def test_an_approval_of_another_decision_is_not_found(self, session: Session, cast: Cast) -> None:
        drafted(session)
        with pytest.raises(NotFound):
            approvals.reject(session, "callbacks", sent(session).id, reason="рано", actor="denis", now=MONDAY)

    def test_one_person_alone_approves_his_own_and_the_history_says_so(self, session: Session, cast: Cast) -> None:
        revision = drafted(session).revision
        values: dict[str, Any] = {"expected_revision": revision, "note": "", "at": None, "actor": "galina"}
        with pytest.raises(PolicyViolation):
            approvals.send_and_approve(session, "assignment", **values, now=MONDAY)
        settings_store.change(session, settings_store.RULES_FOUR_EYES, "off", actor="denis")
        version = approvals.send_and_approve(session, "assignment", **values, now=MONDAY)
        (row,) = approvals.history(session, "assignment")
        assert (row.sent_by, row.decided_by, row.version_id) == ("galina", "galina", version.id)
        assert version.authored_by == ""
        assert told(session, "denis") == []
        assert ("update", "denis") in log_of(session, "update")

    def test_the_command_line_publishes_and_voids_what_waits(self, session: Session, cast: Cast) -> None:
        drafted(session)
        approval = sent(session)
        version = publishing.publish_draft(session, "assignment", at=None, actor="system", now=MONDAY)
        assert (version.published_by, approval.state) == ("system", ApprovalState.VOID)


class TestBonus:
    NOVEMBER = at("2026-11-01 00:00")

    @pytest.fixture
    def draft(self, session: Session, cast: Cast) -> RulesetDraft:
        make_version(session, "bonus", shipped_ruleset("bonus"))
        editing.start_draft(session, "bonus", actor="galina", now=MONDAY)
        first = shipped_ruleset("bonus")["rules"][0]["id"]
        return editing.change(
            session, "bonus", edits.rename(first, "ru", "Иначе", ""), expected_revision=1, actor="galina", now=MONDAY
        )

    def send(self, session: Session, at: Any) -> RulesetApproval:
        return approvals.send(session, "bonus", expected_revision=2, note="", at=at, actor="galina", now=MONDAY)

    def reckoned(self, session: Session, draft: RulesetDraft) -> None:
        version = editing.latest_version(session, "bonus")
        session.add(
            Impact(
                decision="bonus",
                state=ImpactState.DONE,
                version_id=version.id,
                body=draft.body,
                content_hash=content_hash(draft.body),
                days=30,
                asked_by="galina",
                asked_at=MONDAY,
            )
        )
        session.flush()

    def test_it_is_sent_only_when_who_loses_was_reckoned(self, session: Session, draft: RulesetDraft) -> None:
        with pytest.raises(NotReady) as refused:
            self.send(session, self.NOVEMBER)
        assert refused.value.message("ru") == "сначала посмотрите, что изменится: у кого премия станет меньше"
        self.reckoned(session, draft)
        assert self.send(session, self.NOVEMBER).state is ApprovalState.WAITING

    def test_who_loses_is_reckoned_anew_once_other_rules_are_in_force(
        self, session: Session, draft: RulesetDraft
    ) -> None:
        self.reckoned(session, draft)
        present = shipped_ruleset("bonus")
        present["rules"][0]["note"] = "С понедельника"
        draft.base_number = make_version(session, "bonus", present, holds_from=MONDAY).number
        session.flush()
        with pytest.raises(NotReady) as refused:
            self.send(session, self.NOVEMBER)
        assert refused.value.readiness.lacks_impact
        self.reckoned(session, draft)
        assert self.send(session, self.NOVEMBER).state is ApprovalState.WAITING

    @pytest.mark.parametrize("wanted", [None, MONDAY + HOUR, at("2026-11-02 00:00")])
    def test_it_holds_from_the_first_of_a_month_to_come(
        self, session: Session, draft: RulesetDraft, wanted: Any
    ) -> None:
        self.reckoned(session, draft)
        with pytest.raises(PolicyViolation):
            self.send(session, wanted)

    def test_the_approver_says_that_he_has_seen_who_loses(self, session: Session, draft: RulesetDraft) -> None:
        self.reckoned(session, draft)
        approval = self.send(session, self.NOVEMBER)
        with pytest.raises(InputError, match="losses_seen"):
            approvals.approve(session, "bonus", approval.id, at=None, actor="denis", now=MONDAY)
        version = approvals.approve(session, "bonus", approval.id, at=None, losses_seen=True, actor="denis", now=MONDAY)
        assert (version.holds_from, approval.losses_seen) == (self.NOVEMBER, True)


class TestTakingBack:
    def coming(self, session: Session) -> RulesetVersion:
        drafted(session)
        return approved(session, sent(session, at=MONDAY + 5 * HOUR))

    def test_what_holds_now_goes_on_from_the_same_instant(self, session: Session, cast: Cast) -> None:
        coming = self.coming(session)
        made = publishing.take_back(session, "assignment", coming.number, reason="рано", actor="svetlana", now=MONDAY)
        assert (made.number, made.restored_from, made.holds_from) == (3, 1, coming.holds_from)
        assert rulebook.in_force_at(session, "assignment", MONDAY + 6 * HOUR).body == two_rules()
        subject = "Правила «распределение»: версия отменена"
        assert told(session, "galina")[-1] == told(session, "denis")[-1] == subject
        assert not publishing.can_take_back(session, coming, MONDAY)

    def test_what_is_in_force_or_taken_back_already_is_refused(self, session: Session, cast: Cast) -> None:
        coming = self.coming(session)
        values: dict[str, Any] = {"reason": "рано", "actor": "galina"}
        with pytest.raises(PolicyViolation):
            publishing.take_back(session, "assignment", 1, **values, now=MONDAY)
        with pytest.raises(PolicyViolation):
            publishing.take_back(session, "assignment", coming.number, **values, now=MONDAY + 6 * HOUR)
        with pytest.raises(InputError):
            publishing.take_back(session, "assignment", coming.number, reason="", actor="galina", now=MONDAY)

    def test_somebody_who_left_since_does_not_hold_it_back(self, session: Session, cast: Cast) -> None:
        gone = {**ASSIGN, "to": {"pool": "team", "team": "closed"}}
        make_version(session, "assignment", assignment_rules(rule("gone", None, gone)), holds_from=MONDAY - HOUR)
        coming = rulebook.publish(
            session, "assignment", two_rules(), holds_from=MONDAY + HOUR, now=MONDAY, actor="galina"
        )
        made = publishing.take_back(session, "assignment", coming.number, reason="рано", actor="galina", now=MONDAY)
        assert made.restored_from == 2


def test_of_two_approvers_at_once_one_wins_and_the_other_is_told_whose_it_is(
    any_engine: Engine, settings: Settings
) -> None:
    sessions = db.make_sessions(any_engine, settings)
    with db.transaction(sessions) as session:
        laid(session)
        drafted(session)
        number = sent(session).id
    barrier, outcomes = Barrier(2), []

    def decide(login: str) -> None:
        with sessions() as session:
            barrier.wait(10)
            try:
                with session.begin():
                    values: dict[str, Any] = {"at": None, "actor": login, "now": MONDAY + HOUR}
                    outcomes.append(approvals.approve(session, "assignment", number, **values).published_by)
            except approvals.AlreadyDecided as refused:
                outcomes.append(f"{refused.state}, {refused.by.ru}")

    threads = [Thread(target=decide, args=(login,)) for login in ("denis", "svetlana")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with sessions() as session:
        version = editing.latest_version(session, "assignment")
        winner = {"denis": "Денис", "svetlana": "Светлана"}[version.published_by]
        assert sorted(outcomes) == sorted([version.published_by, f"approved, {winner}"])
        assert version.number == 2
