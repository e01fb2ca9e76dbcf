"""The lines of a bonus statement in a document: which there are, which stand above, and codes for new ones."""

from collections.abc import Collection, Iterable, Iterator

from rules_engine.language.model import OTHERWISE
from rules_engine.language.read_bonus import RESERVED_LINES
from rules_engine.services.drafts.body import Body, Edit, Node, rule_ids, rule_of

_LONGEST = 50


def lines_of(body: Body) -> list[str]:
    """Return the codes of all lines that a document makes, in order."""
    return [line for _, _, line in _made(body)]


def lines_above(body: Body, rule_id: str, index: int) -> list[str]:
    """Return the lines made before the action number `index` of a rule: those that it can change."""
    ids = [*rule_ids(body), OTHERWISE]
    here = (ids.index(rule_id), index)
    return list(dict.fromkeys(line for rule, place, line in _made(body) if (ids.index(rule), place) < here))


def free_line(stem: str, taken: Collection[str]) -> str:
    """Return a code that no line has.

    >>> free_line("plan", {"plan"})
    'plan-2'
    """
    base = stem[:_LONGEST] or "line"
    used = {*taken, *RESERVED_LINES}
    if base not in used:
        return base
    return next(name for name in (f"{base}-{number}" for number in range(2, len(used) + 3)) if name not in used)


def with_own_lines(edit: Edit, twin_id: str) -> Edit:
    """Return an edit that adds a copy of a rule and then gives the copy lines of its own.

    Two rules cannot make the same line of a statement. What changes lines in the copy follows.
    """

    def whole(body: Body) -> Body:
        made = edit(body)
        _own_lines(rule_of(made, twin_id), lines_of(body))
        return made

    return whole


def _own_lines(twin: Node, taken: Iterable[str]) -> None:
    used = set(taken)
    renamed: dict[str, str] = {}
    for action in _actions(twin.get("then")):
        for holder in (action, action.get("above")):
            line = holder.get("line") if isinstance(holder, dict) else None
            if isinstance(holder, dict) and isinstance(line, str) and line:
                holder["line"] = renamed[line] = free_line(line, used)
                used.add(renamed[line])
        lines = action.get("lines")
        if isinstance(lines, list):
            action["lines"] = [renamed.get(line, line) if isinstance(line, str) else line for line in lines]


def _made(body: Body) -> Iterator[tuple[str, int, str]]:
    for rule_id in [*rule_ids(body), OTHERWISE]:
        for place, action in enumerate(_actions(rule_of(body, rule_id).get("then"))):
            above = action.get("above")
            for holder in (action, above if isinstance(above, dict) else {}):
                if isinstance(holder.get("line"), str) and holder["line"]:
                    yield rule_id, place, holder["line"]


def _actions(then: object) -> Iterator[Node]:
    return (action for action in then if isinstance(action, dict)) if isinstance(then, list) else iter(())
