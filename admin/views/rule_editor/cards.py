"""What the pages show of a ruleset: a card for each rule, and the open card with its conditions and actions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from admin.views.rule_editor.actions import ActionForm, Actions
from admin.views.rule_editor.conditions import ConditionForm, Conditions, Option, Typed
from admin.views.rule_editor.leftovers import Leftover, leftovers
from admin.views.rule_editor.places import Complaint
from admin.views.rule_editor.sentences import Part, Speaker
from admin.views.rule_editor.wording import _
from rules_engine.errors import NotFound
from rules_engine.language.kinds import HIT_POLICIES, Decision, HitPolicy
from rules_engine.language.model import OTHERWISE, Mode
from rules_engine.language.notes import note_text, other_text, words_of
from rules_engine.services.drafts.body import (
    Body,
    Node,
    Pointer,
    group_mode,
    node_at,
    pointer,
    pointer_text,
    rule_ids,
    rule_of,
)
from rules_engine.services.drafts.editing import fingerprint
from rules_engine.services.drafts.nodes import holds_when_empty

GROUP_LEVELS = 2
"""The page offers groups inside the first one and no deeper; what was imported deeper is shown and can be edited."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is open in a draft: a rule, and in it the form of a condition or action, `title` or `remove`.

    `whole`: all its conditions and actions stand below one another; without a place inside they always do. `on` is
    the parameter of the action on which somebody has clicked. `checked`: somebody said that he is done with it: what
    is still missing there is wrong from then on.
    """

    rule: str = ""
    at: str = ""
    whole: bool = False
    on: str = ""
    checked: bool = False

    @property
    def shows_all(self) -> bool:
        return self.whole or not self.at


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody typed that could not be taken, or is not finished: it stays in the open form."""

    condition: Typed | None = None
    action: Mapping[str, Sequence[str]] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    was: str = ""
    """The condition or action as it stood when the form was opened, as JSON; "" when it is opened now."""


@dataclass(frozen=True, slots=True)
class Row:
    """A condition in the open card. `form` is there for the one that is being edited."""

    at: str
    parts: tuple[Part, ...]
    complaints: tuple[Complaint, ...]
    form: ConditionForm | None
    may_wrap: bool = False

    @property
    def is_group(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class GroupView:
    at: str
    mode: str
    modes: tuple[Option, ...]
    items: "tuple[Row | GroupView, ...]"
    complaints: tuple[Complaint, ...]
    may_nest: bool
    is_outer: bool

    @property
    def is_group(self) -> bool:
        return True

    def rows(self) -> Iterator[Row]:
        """Yield the conditions in reading order, those of inner groups too."""
        for item in self.items:
            if isinstance(item, GroupView):
                yield from item.rows()
            else:
                yield item


@dataclass(frozen=True, slots=True)
class ActionView:
    at: str
    parts: tuple[Part, ...]
    complaints: tuple[Complaint, ...]
    form: ActionForm | None
    among: GroupView | None
    may_have_among: bool


@dataclass(frozen=True, slots=True)
class OpenCard:
    """The inside of the card that is being edited; `when` is None for a rule that matches everything.

    `condition` or `action` is the one whose form is open; `place` says where. `was`: as in Kept.
    """

    place: Place
    was: str
    when: GroupView | None
    actions: tuple[ActionView, ...]
    may_add_action: bool

    @property
    def at(self) -> str:
        return self.place.at

    @property
    def condition(self) -> Row | None:
        groups = [self.when, *(action.among for action in self.actions)]
        return next((row for group in groups if group for row in group.rows() if row.form), None)

    @property
    def action(self) -> ActionView | None:
        return next((action for action in self.actions if action.form), None)


@dataclass(frozen=True, slots=True)
class Card:
    """One rule. `number` is None for `otherwise`; `review_on` is an ISO date or "".

    `note` is in the reader's language, else in the other; `other_note` is what stands there beside it, "" for nothing.
    `hits`: how much of the last month it would take, None where that cannot be said; `live_hits` the same of what is in
    force, None where the rule is not in it.
    """

    id: str
    number: int | None
    title: str
    note: str
    other_note: str
    enabled: bool
    parts: tuple[Part, ...]
    complaints: tuple[Complaint, ...]
    seen: str
    hits: int | None = None
    live_hits: int | None = None
    review_on: str = ""
    is_last: bool = False
    inside: OpenCard | None = None
    leftovers: tuple[Leftover, ...] = ()

    @property
    def is_otherwise(self) -> bool:
        return self.number is None

    @property
    def review_day(self) -> date | None:
        try:
            return date.fromisoformat(self.review_on)
        except ValueError:
            return None


class Cards:
    """Makes the cards of one body for one person; of a draft, `live` is what is in force."""

    def __init__(
        self,
        body: Body,
        speaker: Speaker,
        *,
        lang: str,
        hits: Mapping[str, int] | None = None,
        live_hits: Mapping[str, int] | None = None,
        complaints: Sequence[Complaint] = (),
        live: Body | None = None,
    ) -> None:
        self._body, self._speaker, self._lang, self._live = body, speaker, lang, live
        self._hits, self._live_hits, self._complaints = hits, live_hits, complaints

    def all(self, inside: "Inside | None" = None) -> list[Card]:
        """Return the cards in order; `otherwise` last where there is one, or must be one."""
        ids = rule_ids(self._body)
        cards = [self._card(rule_id, number, number == len(ids), inside) for number, rule_id in enumerate(ids, 1)]
        if self._body.get("otherwise") or HIT_POLICIES[Decision(self._body["decision"])] is HitPolicy.FIRST:
            cards.append(self._card(OTHERWISE, None, True, inside))
        return cards

    def one(self, rule_id: str, inside: "Inside | None" = None) -> Card:
        """Return the card of one rule, or of `otherwise`. Raises NotFound."""
        ids = rule_ids(self._body)
        if rule_id == OTHERWISE:
            return self._card(OTHERWISE, None, True, inside)
        rule_of(self._body, rule_id)
        return self._card(rule_id, ids.index(rule_id) + 1, rule_id == ids[-1], inside)

    def _card(self, rule_id: str, number: int | None, is_last: bool, inside: "Inside | None") -> Card:
        rule = rule_of(self._body, rule_id)
        enabled = rule.get("enabled", True) is True
        opened = inside is not None and inside.place.rule == rule_id
        return Card(
            id=rule_id,
            number=number,
            title=_("Otherwise") if number is None else title_of(rule, self._lang),
            note=note_text(rule.get("note"), self._lang),
            other_note=other_text(rule.get("note"), self._lang),
            enabled=enabled,
            parts=self._speaker.rule(rule),
            complaints=tuple(one for one in self._complaints if one.rule == rule_id),
            seen=fingerprint(self._body, rule_id),
            hits=None if self._hits is None else self._hits.get(rule_id),
            live_hits=None if self._live_hits is None else self._live_hits.get(rule_id),
            review_on=str(rule.get("review_on") or ""),
            is_last=is_last,
            inside=inside.of(rule, self._complaints) if inside and opened else None,
            leftovers=self._leftovers(rule),
        )

    def _leftovers(self, rule: Node) -> tuple[Leftover, ...]:
        if self._live is None or (rule["id"] != OTHERWISE and rule["id"] not in rule_ids(self._live)):
            return ()
        live = rule_of(self._live, rule["id"])
        if all(live.get(key) == rule.get(key) for key in ("when", "then")):
            return ()
        return tuple(leftovers(rule, live, Decision(self._body["decision"]), self._speaker, self._lang))


class Inside:
    """Makes the inside of the open card."""

    def __init__(self, place: Place, kept: Kept, speaker: Speaker, conditions: Conditions, actions: Actions) -> None:
        self.place, self._kept = place, kept
        self._speaker, self._conditions, self._actions = speaker, conditions, actions

    def of(self, rule: Node, complaints: Sequence[Complaint]) -> OpenCard:
        mine = [one for one in complaints if one.rule == rule["id"]]
        when = rule.get("when")
        return OpenCard(
            place=self.place,
            was=self._kept.was or _written(rule, self.place.at),
            when=self._group(rule, when, ("when",), mine) if isinstance(when, dict) and group_mode(when) else None,
            actions=tuple(
                self._action(rule, action, index, mine)
                for index, action in enumerate(rule.get("then", []))
                if isinstance(action, dict)
            ),
            may_add_action=bool(self._actions.offered()),
        )

    def _group(
        self, rule: Node, group: Node, at: Pointer, complaints: Sequence[Complaint], depth: int = 1
    ) -> GroupView:
        mode = str(group_mode(group))
        text = pointer_text(at)
        items: list[Row | GroupView] = []
        for index, item in enumerate(group[mode]):
            inner = (*at, mode, index)
            if group_mode(item):
                items.append(self._group(rule, item, inner, complaints, depth + 1))
            else:
                items.append(self._row(rule, item, inner, complaints, depth))
        return GroupView(
            at=text,
            mode=mode,
            modes=mode_options(mode),
            items=tuple(items),
            complaints=_at(complaints, text),
            may_nest=depth < GROUP_LEVELS,
            is_outer=depth == 1,
        )

    def _row(self, rule: Node, condition: Node, at: Pointer, complaints: Sequence[Complaint], depth: int) -> Row:
        text = pointer_text(at)
        mine = _at(complaints, text)
        form = None
        if self.place.at == text:
            or_empty = holds_when_empty(rule, at)
            typed = self._kept.condition or self._conditions.typed(condition, or_empty=or_empty)
            errors, todo = told_in_form(mine, self._kept.errors, is_typed=self._kept.condition is not None)
            form = self._conditions.form(typed, candidates="among" in at, errors=errors, todo=todo)
        return Row(text, self._speaker.condition(condition, text), mine, form, depth < GROUP_LEVELS)

    def _action(self, rule: Node, action: Node, index: int, complaints: Sequence[Complaint]) -> ActionView:
        at = ("then", index)
        text = pointer_text(at)
        mine = _at(complaints, text)
        form = None
        if self.place.at == text:
            typed = self._kept.action or self._actions.typed(action)
            errors, todo = told_in_form(mine, self._kept.errors, is_typed=self._kept.action is not None)
            form = self._actions.form(typed, errors, todo)
        among = action.get("among")
        return ActionView(
            at=text,
            parts=self._speaker.action(action, text),
            complaints=mine,
            form=form,
            among=self._group(rule, among, (*at, "among"), complaints) if isinstance(among, dict) else None,
            may_have_among=self._actions.has_among(str(action.get("action"))),
        )


def told_in_form(
    stored: Sequence[Complaint], typed: Mapping[str, str], *, is_typed: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a form says beside its inputs, by input: what is wrong, and what is to be filled in.

    What is stored complains of itself, not of what is being typed in its place (`is_typed`).
    """
    if is_typed:
        return dict(typed), {}
    errors = {one.input: one.text for one in reversed(stored) if not one.is_missing}
    return errors | dict(typed), {one.input: one.text for one in reversed(stored) if one.is_missing}


def mode_words(mode: str) -> str:
    """Return how a group is called: when it holds."""
    return {
        Mode.ALL.value: _("all of these hold"),
        Mode.ANY.value: _("at least one of these holds"),
        Mode.NONE.value: _("none of these holds"),
    }[mode]


def mode_options(chosen: str) -> tuple[Option, ...]:
    return tuple(Option(mode.value, mode_words(mode.value), mode.value == chosen) for mode in Mode)


def title_of(rule: Node, lang: str) -> str:
    """Return a rule's title in one language; where that is empty in the other, else its id."""
    return words_of(rule.get("title")).text(lang) or str(rule["id"])


def _written(rule: Node, at: str) -> str:
    """Return what stands at a place of a rule as JSON, "" where nothing does."""
    try:
        return json.dumps(node_at(rule, pointer(at)), ensure_ascii=False)
    except NotFound:
        return ""


def _at(complaints: Sequence[Complaint], at: str) -> tuple[Complaint, ...]:
    return tuple(one for one in complaints if one.at == at)
