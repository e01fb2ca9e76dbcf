"""What differs between two bodies of one ruleset, as a person would tell it: added, changed, moved, switched off."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rules_engine.language.kinds import Words
from rules_engine.language.model import OTHERWISE
from rules_engine.language.notes import note_text, words_of
from rules_engine.services.drafts.body import Body, Node, rule_ids, rule_of

_NOTHING = Words("", "")


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"
    SWITCHED_ON = "switched_on"
    SWITCHED_OFF = "switched_off"
    RENAMED = "renamed"
    NOTE = "note"
    REVIEW = "review"
    TITLE = "title"
    CASES = "cases"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. Places count from 1; `old` and `new` are the rule's documents where they say something else."""

    kind: ChangeKind
    rule: str = ""
    title: Words = _NOTHING
    old_title: Words = _NOTHING
    old_place: int | None = None
    new_place: int | None = None
    old: Node | None = None
    new: Node | None = None

    def headline(self, lang: str) -> str:
        """Return the difference in one line, without the sentences of the rule."""
        ru, en = _HEADLINES[self.kind]
        return (ru if lang == "ru" else en).format(
            title=self.title.text(lang), before=self.old_title.text(lang), old=self.old_place, new=self.new_place
        )


_HEADLINES: dict[ChangeKind, tuple[str, str]] = {
    ChangeKind.ADDED: ("новое правило «{title}», на месте {new}", "new rule “{title}”, at place {new}"),
    ChangeKind.REMOVED: ("убрано правило «{title}», было на месте {old}", "rule “{title}” removed, was at place {old}"),
    ChangeKind.CHANGED: ("изменено «{title}»", "“{title}” changed"),
    ChangeKind.MOVED: ("«{title}» перенесено с места {old} на {new}", "“{title}” moved from place {old} to {new}"),
    ChangeKind.SWITCHED_ON: ("«{title}» включено", "“{title}” switched on"),
    ChangeKind.SWITCHED_OFF: ("«{title}» выключено", "“{title}” switched off"),
    ChangeKind.RENAMED: ("«{before}» теперь называется «{title}»", "“{before}” is now called “{title}”"),
    ChangeKind.NOTE: ("другое пояснение у «{title}»", "another note at “{title}”"),
    ChangeKind.REVIEW: ("другой срок пересмотра у «{title}»", "another review date at “{title}”"),
    ChangeKind.TITLE: ("другое название правил: «{title}»", "the rules have another title: “{title}”"),
    ChangeKind.CASES: (
        "изменены контрольные примеры: было {old}, стало {new}",
        "test cases changed: {old} before, {new} now",
    ),
}


def compare(old: Body, new: Body) -> list[Change]:
    """Return what leads from one body to the other, in the order of the new rules; empty when nothing differs.

    As few rules as possible are called moved: those that have to be taken out for the others to be in order.
    """
    before, after = rule_ids(old), rule_ids(new)
    places = {rule_id: place for place, rule_id in enumerate(before, 1)}
    moved = _moved([places[rule_id] for rule_id in after if rule_id in places])
    changes = [
        Change(ChangeKind.REMOVED, rule_id, _title(rule_of(old, rule_id)), old_place=place, old=rule_of(old, rule_id))
        for rule_id, place in places.items()
        if rule_id not in after
    ]
    for place, rule_id in enumerate(after, 1):
        rule = rule_of(new, rule_id)
        if rule_id not in places:
            changes.append(Change(ChangeKind.ADDED, rule_id, _title(rule), new_place=place, new=rule))
            continue
        changes += _within(rule_of(old, rule_id), rule)
        if places[rule_id] in moved:
            was = places[rule_id]
            changes.append(Change(ChangeKind.MOVED, rule_id, _title(rule), old_place=was, new_place=place))
    changes += _whole(old, new)
    return changes


def _within(old: Node, new: Node) -> list[Change]:
    """Return the differences of one rule, without its place."""
    rule_id, title, old_title = str(new["id"]), _title(new), _title(old)
    found = []
    if title != old_title:
        found.append(Change(ChangeKind.RENAMED, rule_id, title, old_title))
    was, is_ = old.get("enabled", True), new.get("enabled", True)
    if was != is_:
        found.append(Change(ChangeKind.SWITCHED_ON if is_ else ChangeKind.SWITCHED_OFF, rule_id, title))
    if any(old.get(key) != new.get(key) for key in ("when", "then")):
        found.append(Change(ChangeKind.CHANGED, rule_id, title, old=old, new=new))
    if _read(old) != _read(new):
        found.append(Change(ChangeKind.NOTE, rule_id, title))
    if old.get("review_on") != new.get("review_on"):
        found.append(Change(ChangeKind.REVIEW, rule_id, title))
    return found


def _read(rule: Node) -> tuple[str, str]:
    """Return what readers of either language see as the note."""
    return note_text(rule.get("note"), "ru"), note_text(rule.get("note"), "en")


def _whole(old: Body, new: Body) -> list[Change]:
    found = []
    if old.get("otherwise", []) != new.get("otherwise", []):
        title = Words("Остальные", "Otherwise")
        was, is_ = rule_of(old, OTHERWISE), rule_of(new, OTHERWISE)
        found.append(Change(ChangeKind.CHANGED, OTHERWISE, title, old=was, new=is_))
    if old.get("title") != new.get("title"):
        found.append(Change(ChangeKind.TITLE, title=_words(new.get("title"), "")))
    if old.get("cases", []) != new.get("cases", []):
        counts = len(old.get("cases", [])), len(new.get("cases", []))
        found.append(Change(ChangeKind.CASES, old_place=counts[0], new_place=counts[1]))
    return found


def _title(rule: Node) -> Words:
    return _words(rule.get("title"), str(rule["id"]))


def _words(title: Any, fallback: str) -> Words:
    words = words_of(title)
    return words if words.ru or words.en else Words(fallback, fallback)


def _moved(places: Sequence[int]) -> set[int]:
    """Return the members outside a longest rising subsequence.

    >>> _moved([5, 1, 2, 3, 4])
    {5}
    """
    ends: list[int] = []
    chains: list[list[int]] = []
    for place in places:
        length = bisect_left(ends, place)
        chain = [*(chains[length - 1] if length else ()), place]
        ends[length : length + 1] = [place]
        chains[length : length + 1] = [chain]
    return set(places) - set(chains[-1] if chains else ())
