"""Requests that nobody can take wait in lines: what decided about the first of a line decides about the others.

Whether somebody can take a request depends on the rules that matched it and on whom their pools hold. Requests for
which both are the same fail for the same reasons, so when something changes it is enough to try the first of each line:
if he finds nobody, no other of his line does; if he finds somebody, the next one is tried.
"""

import hashlib
import json

from rules_engine.decisions.assignment import AssignmentOutcome, OutcomeKind
from rules_engine.decisions.roster import ONE_PERSON, Refused, Roster
from rules_engine.language.model import Pool, Ruleset

#: Reasons and facts that a new day or month puts right without anybody doing anything.
_OF_THE_DAY = frozenset({"candidate.received_today", "candidate.received_this_month", "candidate.shortfall"})


def line_of(outcome: AssignmentOutcome, ruleset: Ruleset, roster: Roster, version_id: int | None) -> str | None:
    """Return the key of the line in which a request waits; None for one that does not wait for somebody.

    It names all that decided and differs from request to request: the version, the rules that were tried in their
    order, the person behind each pool of one person, the team behind each pool of a team, and whom a rule leaves out.
    """
    if outcome.kind not in (OutcomeKind.NOBODY, OutcomeKind.WAITING):
        return None
    tried = []
    for attempt in outcome.attempts:
        if attempt.pool in ONE_PERSON:
            whom = ",".join(str(verdict.id) for verdict in attempt.verdicts)
        else:
            whom = roster.pool_key(Pool(attempt.pool, attempt.argument, ""))
        excepted = sorted(
            roster.named(who) or 0
            for action in ruleset.actions_of(attempt.rule)
            if action.name == "assign"
            for who in action.texts("except")
        )
        tried.append([attempt.rule, attempt.pool, whom, excepted])
    parts = [version_id, str(outcome.kind), [item.rule for item in outcome.passed_over], tried]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:32]


def a_new_day_may_help(outcome: AssignmentOutcome) -> bool:
    """Return whether somebody was kept out by what he received today or this month."""
    refusals = [verdict.refusal for attempt in outcome.attempts for verdict in attempt.verdicts if verdict.refusal]
    return any(one.code is Refused.DAILY_CAP or one.field in _OF_THE_DAY for one in refusals)
