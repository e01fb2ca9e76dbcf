"""Two people changed one rule: what each of them made of it, and how the second one's version takes its place."""

import copy
from dataclasses import dataclass

from sqlalchemy.orm import Session

from rules_engine.language.model import OTHERWISE
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts.body import Body, Edit, Node, rule_ids, rule_of
from rules_engine.services.drafts.rows import ORDER, body_seen, subjects


@dataclass(frozen=True, slots=True)
class Versions:
    """A rule as both editors saw it, as it is now (None: it was removed), and as the second one wanted it.

    `edit` puts the latter there.
    """

    before: Node
    theirs: Node | None
    mine: Node
    edit: Edit


def ground(session: Session, row: RulesetDraft, subject: str, digest: str) -> Body | None:
    """Return the draft as the editor of a rule saw it; None for what is no single rule, or is no longer kept."""
    if subject in ("", ORDER):
        return None
    return body_seen(session, row, subject, digest)


def versions(row: RulesetDraft, ground: Body, subject: str, edit: Edit) -> Versions | None:
    """Return both versions of a rule; None where the edit does more than change this one rule.

    `ground` is the draft as the second editor saw it, `edit` what he did there.
    """
    wanted = edit(ground)
    if set(subjects(ground, wanted)) - {subject} or (subject != OTHERWISE and subject not in rule_ids(wanted)):
        return None
    is_there = subject == OTHERWISE or subject in rule_ids(row.body)
    mine = rule_of(wanted, subject)
    place = 0 if subject == OTHERWISE else rule_ids(ground).index(subject)
    theirs = rule_of(row.body, subject) if is_there else None
    return Versions(rule_of(ground, subject), theirs, mine, put_rule(mine, place))


def put_rule(rule: Node, place: int) -> Edit:
    """Replace the rule of the same id, or `otherwise`; where it was removed, put it back at its place."""

    def edit(body: Body) -> Body:
        made, new = copy.deepcopy(body), copy.deepcopy(rule)
        if new["id"] == OTHERWISE:
            made["otherwise"] = new["then"]
        elif new["id"] in rule_ids(made):
            made["rules"][rule_ids(made).index(new["id"])] = new
        else:
            made["rules"].insert(min(place, len(made["rules"])), new)
        return made

    return edit
