"""The impact of a draft of the bonus: the statements of the last whole months, as both rulesets pay them.

On the measures that the statements keep, so only the rules differ. What people would have done for another bonus
nobody knows.
"""

import json
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.services.drafts import bonus_pay
from rules_engine.services.drafts.bonus_pay import StatementUnder
from rules_engine.services.impact.parts import Budget, Json, Question, Slice, titles_of
from rules_engine.services.measures.month import earlier

MONTHS: Final = {30: 1, 90: 3, 365: 12}
"""How many whole months are compared where so many days are asked for."""


class BonusImpact:
    """Compares what the rules in force and the draft pay; one subject is one month."""

    def total(self, session: Session, question: Question) -> int:
        return len(_months(session, question))

    def beginnings(self, session: Session, question: Question, parts: int) -> list[Json]:
        return [{"cursor": 0, "sample": 0, "months": {}, "people": {}}]

    def step(self, session: Session, question: Question, state: Json, budget: Budget) -> Slice:
        state = json.loads(json.dumps(state))
        months = _months(session, question)
        done = 0
        changes: list[Json] = []
        while state["cursor"] < len(months) and budget.allows(done):
            changes += _compare(session, question, months[state["cursor"]], state)
            state["cursor"] += 1
            done += 1
        return Slice(state, done, state["cursor"] >= len(months), changes)

    def result(self, session: Session, question: Question, state: Json) -> Json:
        return {
            "sample": state["sample"],
            "changed": sum(1 for one in state["people"].values() if one["live"] != one["draft"] or one["months"]),
            "months": state["months"],
            "people": [
                {
                    "manager": int(id_),
                    "live": one["live"],
                    "draft": one["draft"],
                    "losing_months": one["losing"],
                }
                for id_, one in sorted(state["people"].items(), key=lambda item: int(item[0]))
            ],
            "titles": titles_of(question.live, question.draft),
        }


def _months(session: Session, question: Question) -> list[str]:
    """Return the last whole months, the oldest first."""
    last = bonus_pay.last_month(session, question.until)
    return [earlier(last, back) if back else last for back in reversed(range(MONTHS[question.days]))]


def _compare(session: Session, question: Question, month: str, state: Json) -> list[Json]:
    ground = bonus_pay.ground_of(session, month, question.until)
    live = bonus_pay.pay_under(ground, question.live)
    draft = bonus_pay.pay_under(ground, question.draft)
    sums = {"live": 0, "draft": 0, "people": len(live), "is_stored": ground.is_stored, "gain": 0, "lose": 0}
    changes: list[Json] = []
    for manager_id, before in live.items():
        then = draft[manager_id]
        state["sample"] += 1
        sums["live"] += before.total_minor
        sums["draft"] += then.total_minor
        beginning: Json = {"live": 0, "draft": 0, "losing": [], "months": []}
        one = state["people"].setdefault(str(manager_id), beginning)
        one["live"] += before.total_minor
        one["draft"] += then.total_minor
        lines = _lines(before, then)
        if then.total_minor < before.total_minor:
            one["losing"].append(month)
            sums["lose"] += 1
        elif then.total_minor > before.total_minor:
            sums["gain"] += 1
        if not lines:
            continue
        one["months"].append(month)
        changes.append(
            {
                "manager": manager_id,
                "month": month,
                "live": before.total_minor,
                "draft": then.total_minor,
                "lines": lines,
            }
        )
    state["months"][month] = sums
    return changes


def _lines(before: StatementUnder, then: StatementUnder) -> list[list[str | int]]:
    """Return the lines that differ: the rule that makes it, its name, what it pays by both, in kopecks."""
    amounts: dict[tuple[str, str], list[int]] = {}
    for place, statement in enumerate((before, then)):
        for line in statement.lines:
            amounts.setdefault((line.rule, line.line), [0, 0])[place] += line.amount_minor
    return [[rule, line, *pair] for (rule, line), pair in amounts.items() if pair[0] != pair[1]]
