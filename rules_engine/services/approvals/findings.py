"""Findings of a body of rules as the editor shows them: those that are open, and those said to be intended."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.decisions.bonus_audit import audit
from rules_engine.errors import NotFound
from rules_engine.language.analysis import Analysis, Finding, Fix, Severity, Unchecked, WhyUnchecked, analyse, fixed
from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.kinds import Decision, ReferenceKind
from rules_engine.language.ruleset import content_hash
from rules_engine.services.drafts.body import Body, Edit
from rules_engine.services.drafts.bonus_pay import people_months
from rules_engine.services.drafts.trying import usable
from rules_engine.services.rules import rulebook

_KEPT: Final = 32
_TRY_AGAIN: Final = timedelta(minutes=1)
"""An analysis that ran out of time, on a machine that had much to do, is not kept for the day."""
_analysed: OrderedDict[tuple[str, date, int], tuple[Analysis, datetime]] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that somebody has said is intended: why, who (a login) and when (ISO 8601)."""

    finding: Finding
    reason: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Found:
    """Findings in the order of the rules; `unchecked` names what could not be checked to the end."""

    open: tuple[Finding, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The open findings that must be mended or accepted before publishing."""
        return tuple(finding for finding in self.open if finding.severity is Severity.WARNING)

    def of(self, rule: str) -> tuple[Finding, ...]:
        """Return the open findings under one rule, or under `otherwise`."""
        return tuple(finding for finding in self.open if finding.rule == rule)

    def by_key(self, key: str) -> Finding:
        """Return a finding, open or accepted, by its key. Raises NotFound where the rules have changed since."""
        for finding in (*self.open, *(one.finding for one in self.accepted)):
            if finding.key == key:
                return finding
        raise NotFound(what=f"finding {key[:60]}")


def findings(session: Session, body: Body, accepted: Mapping[str, Any], now: datetime) -> Found:
    """Return the findings of a body: of an unfinished draft, those of its finished rules.

    `accepted` holds by key what was said to be intended: {"reason", "by", "at"}. Days are those of the business zone.
    The analysis of a body is kept in the process for the day.
    """
    known = _analysis(session, body, now)
    intended = tuple(
        Accepted(one, str(said.get("reason", "")), str(said.get("by", "")), str(said.get("at", "")))
        for one in known.findings
        if (said := accepted.get(one.key)) is not None
    )
    left = tuple(one for one in known.findings if one.key not in accepted)
    return Found(left, intended, known.unchecked)


def mend(fix: Fix) -> Edit:
    """Return the edit that a fix stands for, for `editing.change`. It raises NotFound where its place is gone."""
    return lambda body: fixed(body, fix)


def _analysis(session: Session, body: Body, now: datetime) -> Analysis:
    today = now.astimezone(settings_of(session).zone).date()
    names = rulebook.references(session)
    known = (names.known(kind) or {} for kind in (ReferenceKind.MANAGER, ReferenceKind.TEAM))
    key = (content_hash({**body, "cases": []}), today, hash(tuple(frozenset(values) for values in known)))
    with _lock:
        kept = _analysed.get(key)
        if kept is not None and (_is_settled(kept[0]) or now - kept[1] < _TRY_AGAIN):
            _analysed.move_to_end(key)
            return kept[0]
    try:
        ruleset, _ = usable(body)
        # Without rules there is nothing to be odd, and that a draft cannot be read its errors say.
        made = analyse(ruleset, today=today, names=names) if ruleset.rules else Analysis(())
        if ruleset.decision is Decision.BONUS:
            about_pay = audit(ruleset, people_months(session, f"{today:%Y-%m}"))
            made = replace(made, findings=(*made.findings, *about_pay))
    except RulesetInvalid:
        # Not even a part of it can be read: its errors say so, and there is nothing to be found.
        made = Analysis(())
    with _lock:
        _analysed[key] = made, now
        while len(_analysed) > _KEPT:
            _analysed.popitem(last=False)
    return made


def _is_settled(analysis: Analysis) -> bool:
    return all(one.why is not WhyUnchecked.TIME for one in analysis.unchecked)
