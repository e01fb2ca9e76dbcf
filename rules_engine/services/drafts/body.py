"""Edits of a ruleset as functions from one JSON document to another; nothing here knows a database.

A rule is named by its id, and `otherwise` by its reserved one; what stands inside is named by a JSON pointer
relative to the rule: `/when/all/0`, `/then/0/among/any/1`. A document may be unfinished (a condition without its
value, a group without conditions, a rule without actions): it stays so until somebody mends it.
"""

import copy
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rules_engine.errors import NotFound, PolicyViolation
from rules_engine.language.kinds import LIMIT_RULES
from rules_engine.language.model import OTHERWISE, Mode
from rules_engine.language.notes import edited

Body = dict[str, Any]
Node = dict[str, Any]
Pointer = tuple[str | int, ...]
Edit = Callable[[Body], Body]

MODES = tuple(mode.value for mode in Mode)
_LATIN = str.maketrans(
    dict(zip("абвгдеёзийклмнопрстуфыэ", "abvgdeeziyklmnoprstufye", strict=True))
    | {"ж": "zh", "х": "h", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ю": "yu", "я": "ya", "ъ": "", "ь": ""}
)
_ID_LENGTH = 40
_POINTER = re.compile(r"(/when|/then/[0-9]{1,3}(/among)?)(/(all|any|none)/[0-9]{1,3})*\Z", re.ASCII)


def pointer(text: str) -> Pointer:
    """Return the steps of a pointer to a group, a condition or an action inside a rule. Raises NotFound.

    >>> pointer("/when/all/0")
    ('when', 'all', 0)
    """
    if not _POINTER.match(text):
        raise NotFound(what=text[:60])
    return tuple(int(step) if step.isdecimal() else step for step in text.split("/")[1:])


def pointer_text(steps: Pointer) -> str:
    return "".join(f"/{step}" for step in steps)


def rule_ids(body: Body) -> list[str]:
    """Return the ids of the rules in order, without `otherwise`."""
    return [str(rule.get("id", "")) for rule in body.get("rules", [])]


def rule_of(body: Body, rule_id: str) -> Node:
    """Return a rule as it stands, not a copy; `otherwise` as a rule that has only `then`. Raises NotFound."""
    if rule_id == OTHERWISE:
        return {"id": OTHERWISE, "then": body.get("otherwise", [])}
    for rule in body.get("rules", []):
        if rule.get("id") == rule_id:
            node: Node = rule
            return node
    raise NotFound(what=f"rule {rule_id}")


def node_at(rule: Node, steps: Pointer) -> Any:
    """Return what stands at a pointer inside a rule. Raises NotFound."""
    found: Any = rule
    for step in steps:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            raise NotFound(what=pointer_text(steps)) from None
    return found


def group_mode(node: object) -> str | None:
    """Return `all`, `any` or `none` for a group, None for anything else."""
    return next((mode for mode in MODES if mode in node), None) if isinstance(node, dict) else None


def rename(rule_id: str, lang: str, title: str, note: str, review_on: str | None = None) -> Edit:
    """Set title and note in one language (the other stays), and the day of review (ISO; "" for none).

    A note that is one text for both languages is replaced whole: see `language.notes.edited`. With `review_on` None
    that day stays as it is.
    """

    def edit(rule: Node) -> None:
        present = rule.get("title")
        if isinstance(present, dict):
            rule["title"] = {**present, lang: title}
        elif isinstance(present, str) and present == title:
            pass
        else:
            other = "en" if lang == "ru" else "ru"
            rule["title"] = {lang: title, other: present} if isinstance(present, str) else {lang: title}
        changed = edited(rule.get("note"), lang, note)
        if changed is not None:
            rule["note"] = changed
        if review_on:
            rule["review_on"] = review_on
        elif review_on == "":
            rule.pop("review_on", None)

    return within(rule_id, edit)


def add_rule(rule_id: str, title: str, lang: str, action: Node | None) -> Edit:
    """Add a rule at the end with one unfinished condition; `action` is what it begins with."""

    def edit(body: Body) -> Body:
        rules = body.setdefault("rules", [])
        if len(rules) >= LIMIT_RULES:
            raise PolicyViolation(ru=f"правил больше {LIMIT_RULES}", en=f"more than {LIMIT_RULES} rules")
        rules.append(
            {
                "id": rule_id,
                "title": {lang: title},
                "note": "",
                "enabled": True,
                "when": {"all": [unfinished_condition()]},
                "then": [copy.deepcopy(action)] if action else [],
            }
        )
        return body

    return _on_copy(edit)


def duplicate_rule(rule_id: str, new_id: str, mark: str) -> Edit:
    """Add a copy right behind the rule, switched off; `mark` follows its titles, for example “copy”."""

    def edit(body: Body) -> Body:
        place = _place(body, rule_id)
        twin = copy.deepcopy(body["rules"][place])
        twin["id"], twin["enabled"] = new_id, False
        title = twin.get("title", "")
        if isinstance(title, dict):
            twin["title"] = {lang: f"{text} ({mark})" for lang, text in title.items()}
        else:
            twin["title"] = f"{title} ({mark})"
        body["rules"].insert(place + 1, twin)
        return body

    return _on_copy(edit)


def remove_rule(rule_id: str) -> Edit:
    """Remove a rule. Test cases that name it stay, and block publishing until somebody looks at them."""

    def edit(body: Body) -> Body:
        del body["rules"][_place(body, rule_id)]
        return body

    return _on_copy(edit)


def move_rule(rule_id: str, to: int) -> Edit:
    """Put a rule at the place `to`, counted from 0; beyond the ends it stops at them."""

    def edit(body: Body) -> Body:
        rules = body["rules"]
        rule = rules.pop(_place(body, rule_id))
        rules.insert(max(0, min(to, len(rules))), rule)
        return body

    return _on_copy(edit)


def switch_rule(rule_id: str, enabled: bool) -> Edit:
    def edit(rule: Node) -> None:
        rule["enabled"] = enabled

    return within(rule_id, edit)


def match_everything(rule_id: str) -> Edit:
    """Remove all conditions of a rule, on purpose: from then on it always matches."""

    def edit(rule: Node) -> None:
        rule.pop("when", None)

    return within(rule_id, edit)


def set_condition(rule_id: str, at: Pointer, condition: Node) -> Edit:
    """Replace the condition at a pointer."""

    def edit(rule: Node) -> None:
        present = node_at(rule, at)
        if len(at) < 3 or at[-2] not in MODES or group_mode(present):
            raise NotFound(what=pointer_text(at))
        node_at(rule, at[:-1])[int(at[-1])] = condition

    return within(rule_id, edit)


def add_condition(rule_id: str, group_at: Pointer, mode: str = Mode.ALL) -> Edit:
    """Add an unfinished condition to the group at a pointer; the group is made where there is none."""

    def edit(rule: Node) -> None:
        _group(rule, group_at, mode).append(unfinished_condition())

    return within(rule_id, edit)


def add_group(rule_id: str, group_at: Pointer, mode: str = Mode.ANY) -> Edit:
    """Add a group with one unfinished condition to the group at a pointer."""

    def edit(rule: Node) -> None:
        _group(rule, group_at, Mode.ALL).append({_known_mode(mode): [unfinished_condition()]})

    return within(rule_id, edit)


def set_mode(rule_id: str, group_at: Pointer, mode: str) -> Edit:
    """Make a group `all`, `any` or `none`; its items stay."""

    def edit(rule: Node) -> None:
        group = node_at(rule, group_at)
        present = group_mode(group)
        if present is None:
            raise NotFound(what=pointer_text(group_at))
        items = group.pop(present)
        group[_known_mode(mode)] = items

    return within(rule_id, edit)


def remove_node(rule_id: str, at: Pointer) -> Edit:
    """Remove a condition, a group, `among` or an action.

    A nested group that would be left empty goes too, and so does `among`. The rule's own conditions stay as an
    empty group, which blocks publishing: a rule must not begin to match everything by a deletion.
    """

    if at == ("when",):
        raise NotFound(what=pointer_text(at))
    return within(rule_id, lambda rule: _remove(rule, at))


def set_action(rule_id: str, index: int, action: Node) -> Edit:
    """Replace an action; its `among` stays when the new one is of the same name and brings none."""

    def edit(rule: Node) -> None:
        present = node_at(rule, ("then", index))
        kept = {}
        if present.get("action") == action.get("action") and "among" in present and "among" not in action:
            kept = {"among": present["among"]}
        rule["then"][index] = {**action, **kept}

    return within(rule_id, edit)


def add_action(rule_id: str, action: Node) -> Edit:
    def edit(rule: Node) -> None:
        rule.setdefault("then", []).append(copy.deepcopy(action))

    return within(rule_id, edit)


def add_otherwise() -> Edit:
    """Give a ruleset that has no `otherwise` one with an unfinished action."""

    def edit(body: Body) -> Body:
        if not body.get("otherwise"):
            body["otherwise"] = [{"action": ""}]
        return body

    return _on_copy(edit)


def unfinished_condition() -> Node:
    return {"field": "", "op": "", "value": None}


def new_id(title: str, taken: Iterable[str]) -> str:
    """Return an id for a rule, made of its title, that no rule has or ever had.

    >>> new_id("Крупные — ключевым", {"krupnye-klyuchevym"})
    'krupnye-klyuchevym-2'
    """
    letters = unicodedata.normalize("NFC", title).casefold().translate(_LATIN)
    plain = unicodedata.normalize("NFKD", letters).encode("ascii", "ignore").decode()
    stem = "-".join(re.findall(r"[a-z0-9]+", plain))[:_ID_LENGTH].strip("-") or "rule"
    used = {*taken, OTHERWISE}
    if stem not in used:
        return stem
    return next(name for name in (f"{stem}-{number}" for number in range(2, len(used) + 3)) if name not in used)


def changed_rules(before: Body, after: Body) -> Iterator[tuple[str, Node | None, Node | None]]:
    """Yield id, old and new document of each rule that differs, `otherwise` included."""
    old = {rule["id"]: rule for rule in before.get("rules", [])}
    new = {rule["id"]: rule for rule in after.get("rules", [])}
    for rule_id in dict.fromkeys((*old, *new)):
        if old.get(rule_id) != new.get(rule_id):
            yield rule_id, old.get(rule_id), new.get(rule_id)
    if before.get("otherwise") != after.get("otherwise"):
        yield OTHERWISE, rule_of(before, OTHERWISE), rule_of(after, OTHERWISE)


def _on_copy(edit: Edit) -> Edit:
    return lambda body: edit(copy.deepcopy(body))


def within(rule_id: str, edit: Callable[[Node], None]) -> Edit:
    """Return the edit of a body that changes one rule, or `otherwise`, in a copy."""

    def whole(body: Body) -> Body:
        rule = rule_of(body, rule_id)
        edit(rule)
        if rule_id == OTHERWISE:
            body["otherwise"] = rule["then"]
        return body

    return _on_copy(whole)


def _place(body: Body, rule_id: str) -> int:
    try:
        return rule_ids(body).index(rule_id)
    except ValueError:
        raise NotFound(what=f"rule {rule_id}") from None


def _remove(rule: Node, at: Pointer) -> None:
    node_at(rule, at)
    holder = node_at(rule, at[:-1])
    del holder[at[-1]]
    if holder == [] and at[-2] in MODES and at[:-2] != ("when",):
        _remove(rule, at[:-2])


def _group(rule: Node, group_at: Pointer, mode: str) -> list[Any]:
    """Return the items of a group; make the group where its holder has none yet (`when`, `among`)."""
    holder = node_at(rule, group_at[:-1])
    if group_at[-1] in ("when", "among"):
        holder.setdefault(group_at[-1], {_known_mode(mode): []})
    group = node_at(rule, group_at)
    present = group_mode(group)
    if present is None:
        raise NotFound(what=pointer_text(group_at))
    items: list[Any] = group[present]
    return items


def _known_mode(mode: str) -> str:
    if mode not in MODES:
        raise NotFound(what=f"group {mode}")
    return str(mode)
