"""Small valid documents that tests spoil in one place each."""

from copy import deepcopy
from typing import Any

from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.ruleset import parse

Json = dict[str, Any]

_ASSIGNMENT: Json = {
    "decision": "assignment",
    "title": {"ru": "Распределение заявок", "en": "Assignment of requests"},
    "hit_policy": "first",
    "rules": [
        {
            "id": "own-client",
            "title": {"ru": "Старый клиент — своему менеджеру", "en": "Old client to his own manager"},
            "note": "Отношения стоят денег.",
            "enabled": True,
            "when": {
                "all": [
                    {"field": "client.is_old", "op": "is", "value": True},
                    {"field": "client.owner", "op": "is_filled"},
                    {
                        "any": [
                            {"field": "request.amount", "op": "ge", "value": "50000"},
                            {"field": "request.channel", "op": "in", "value": ["phone", "chat"]},
                        ]
                    },
                ]
            },
            "then": [
                {
                    "action": "assign",
                    "to": {"pool": "owner"},
                    "if_absent": "cover",
                    "answer_within": 30,
                    "among": {"all": [{"field": "candidate.unanswered_requests", "op": "lt", "value": 10}]},
                }
            ],
            "review_on": "2027-06-30",
        }
    ],
    "otherwise": [{"action": "assign", "to": {"pool": "everyone"}, "strategy": "fair_share", "answer_within": 30}],
    "cases": [
        {
            "title": "phone",
            "facts": {"client.is_old": True, "client.owner": "ivanova", "request.channel": "phone"},
            "expect": {"fired": ["own-client"]},
        }
    ],
}


def assignment() -> Json:
    """The example of the page that describes the language."""
    return deepcopy(_ASSIGNMENT)


def with_condition(field: str, op: str, *value: Any) -> Json:
    """An assignment of one rule with one condition; without `value` the key is absent."""
    condition: Json = {"field": field, "op": op}
    if value:
        condition["value"] = value[0]
    document = assignment()
    document["rules"] = [{"id": "r", "when": {"all": [condition]}, "then": document["otherwise"]}]
    document["cases"] = []
    return document


def escalation(*then: Json) -> Json:
    """An escalation of one rule without conditions."""
    return {"decision": "escalation", "hit_policy": "collect", "rules": [{"id": "r", "then": list(then)}]}


def bonus(*then: Json) -> Json:
    return {"decision": "bonus", "hit_policy": "collect", "rules": [{"id": "r", "then": list(then)}]}


def problems(document: Any, references: Any = None) -> list[tuple[str, str]]:
    """Return path and code of every problem; empty for a valid document."""
    try:
        parse(document, references)
    except RulesetInvalid as invalid:
        return [(problem.path, problem.code) for problem in invalid.problems]
    return []
