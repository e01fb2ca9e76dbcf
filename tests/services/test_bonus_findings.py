"""The findings of bonus rules: the audit joins the analysis, on what people's statements keep."""

from sqlalchemy.orm import Session

from rules_engine.language.analysis.finding import FindingKind
from rules_engine.services.approvals.findings import findings
from rules_engine.services.bonus import periods
from tests.bonus_rows import NEW, credit
from tests.factories import make_cast, make_version
from tests.services.test_bonus import AFTER, OCTOBER, TODAY, bonus_rules

TIERS = {
    "id": "tiers",
    "enabled": True,
    "then": [
        {
            "action": "pay_tiers",
            "line": "tiers",
            "of": "measure.revenue",
            "by": "measure.revenue",
            "mode": "whole",
            "tiers": [{"from": "0", "rate": "1"}, {"from": "900000", "rate": "5"}],
        }
    ],
}


def test_a_cliff_stands_under_its_rule_and_can_be_said_to_be_intended(session: Session) -> None:
    cast = make_cast(session)
    make_version(session, "bonus", TODAY)
    credit(session, cast.anna, "2026-10-05", 200_000_00, NEW)
    periods.compute(session, OCTOBER, actor="galina", now=AFTER)
    body = bonus_rules(TIERS)
    found = findings(session, body, {}, AFTER)
    (cliff,) = [one for one in found.of("tiers") if one.kind is FindingKind.CLIFF]
    assert cliff in found.warnings
    assert (
        cliff.message("ru", {})
        .replace("\u00a0", " ")
        .startswith("Один рубль сверх платит на 36 000 ₽ больше при 900 000 ₽ (оплаты)")
    )
    intended = findings(session, body, {cliff.key: {"reason": "так задумано", "by": "galina", "at": ""}}, AFTER)
    assert [one.finding.key for one in intended.accepted] == [cliff.key]


def test_an_unfinished_draft_says_what_its_finished_rules_do(session: Session) -> None:
    make_cast(session)
    make_version(session, "bonus", TODAY)
    broken = {"id": "new", "enabled": True, "then": [{"action": "pay_percent", "line": "new"}]}
    cap = {"id": "cap", "enabled": True, "then": [{"action": "cap", "lines": ["new"], "amount": "1"}]}
    found = findings(session, bonus_rules(TIERS, broken, cap), {}, AFTER)
    assert FindingKind.CLIFF in {one.kind for one in found.open}
