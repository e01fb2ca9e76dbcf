"""A rule as a sentence with chips, also while it is unfinished: what cannot be said yet is a chip that says so."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from threading import Lock
from typing import Any, Literal
from zoneinfo import ZoneInfo

from admin.views.rule_editor.wording import _
from rules_engine.language.kinds import HIT_POLICIES, Decision, ReferenceKind, Words
from rules_engine.language.line_names import LineNames
from rules_engine.language.model import OTHERWISE, Condition, Mode, Rule, Ruleset
from rules_engine.language.read_actions import ActionReader
from rules_engine.language.read_conditions import ConditionReader
from rules_engine.language.reading import Report
from rules_engine.language.references import References
from rules_engine.language.sentence import Span, SpanKind, action_spans, condition_spans, rule_spans
from rules_engine.language.vocabulary import FIELDS, actions_of
from rules_engine.services.drafts.body import Node, group_mode

Kind = Literal["word", "text", "chip", "broken", "todo"]
"""`broken`: what stands there is wrong; `todo`: it is not filled in yet."""
_KINDS: dict[SpanKind, Kind] = {SpanKind.KEYWORD: "word", SpanKind.VALUE: "chip"}
_NOTHING = Words("", "")
_SAID_AT_MOST = 4096
_lock = Lock()
_said: "dict[tuple[object, ...], tuple[Part, ...]]" = {}
"""Sentences by who says them (language, names) and the rule's document."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sentence. `at` points at the condition or action that a chip shows, "" elsewhere.

    `param` is the parameter of the action, "" for a condition or a whole action.
    """

    kind: Kind
    text: str
    at: str = ""
    param: str = ""
    is_new: bool = False
    """In a comparison: the other side does not say it."""
    name: str = ""
    """How a chip is called by who hears it without its sentence; on a text: that the chip behind it says it."""


class Speaker:
    """Says rules in one language, with the names that the installation knows."""

    def __init__(
        self, decision: Decision, lang: str, names: References, zone: ZoneInfo, lines: LineNames | None = None
    ) -> None:
        self._decision, self._lang, self._names, self._zone = decision, lang, names, zone
        self._lines = lines or LineNames()
        self._ruleset = Ruleset(decision, _NOTHING, HIT_POLICIES[decision], (), (), ())
        known = {kind: dict(names.known(kind) or {}) for kind in ReferenceKind}
        self._voice = (decision, lang, zone.key, repr(sorted(known.items())), repr(self._lines))

    def naming(self, lines: LineNames) -> "Speaker":
        """Return who says the same with these names for the lines of a bonus statement."""
        return Speaker(self._decision, self._lang, self._names, self._zone, lines)

    def rule(self, rule: Node) -> tuple[Part, ...]:
        """Return the sentence of a rule's document, or of `otherwise`; pointers are relative to the rule.

        It is kept in the process: a page of a hundred rules says each of them again after every edit.
        """
        text = json.dumps([rule.get(key) for key in ("id", "when", "then")], sort_keys=True, ensure_ascii=False)
        key = (self._voice, "when" in rule, text)
        said = _said.get(key)
        if said is None:
            said = self._rule(rule)
            with _lock:
                while len(_said) >= _SAID_AT_MOST:
                    del _said[next(iter(_said))]
                _said[key] = said
        return said

    def _rule(self, rule: Node) -> tuple[Part, ...]:
        report = Report()
        conditions = ConditionReader(report, self._decision, "")
        when = conditions.group(rule["when"], "/when") if "when" in rule else None
        then = ActionReader(report, self._decision, knows_lines=False).actions(rule.get("then"), "/then", conditions)
        if report.problems:
            return tuple(self._unfinished(rule))
        if rule.get("id") == OTHERWISE:
            return _parts(action_spans(self._decision, then, self._lang, names=self._names, lines=self._lines))
        read = Rule("", _NOTHING, _NOTHING, True, when, then, None, "")
        spans = rule_spans(self._ruleset, read, self._lang, names=self._names, zone=self._zone, lines=self._lines)
        return _parts(spans)

    def condition(self, condition: Any, at: str = "") -> tuple[Part, ...]:
        """Return one condition: its label and a chip; unfinished, a chip that says so."""
        report = Report()
        whole = {"all": [condition]}
        group = ConditionReader(report, self._decision, "").group(whole, at, candidates=_of_candidate(condition))
        found = group.items[0] if group else None
        if isinstance(found, Condition) and not report.problems:
            spans = condition_spans(self._decision, found, self._lang, names=self._names)
            return tuple(Part(part.kind, part.text, at and part.at and at) for part in _parts(spans))
        is_missing = all(problem.is_missing for problem in report.problems)
        broken = Part("todo", _("not finished"), at) if is_missing else Part("broken", _("does not fit"), at)
        field = FIELDS.get(str(condition.get("field"))) if isinstance(condition, dict) else None
        label = field.chip.text(self._lang) if field else _("condition")
        return (Part("text", f"{label}: "), broken)

    def action(self, action: Any, at: str = "") -> tuple[Part, ...]:
        """Return one action without its `among`; unfinished, its name and a chip that says so."""
        plain = {key: value for key, value in action.items() if key != "among"} if isinstance(action, dict) else action
        report = Report()
        conditions = ConditionReader(report, self._decision, "")
        found = ActionReader(report, self._decision, knows_lines=False).actions([plain], "", conditions)
        # A rule must have exactly one of some actions; of one action by itself that cannot be asked.
        if found and not [problem for problem in report.problems if problem.code != "exactly_one_of"]:
            parts = _parts(action_spans(self._decision, found, self._lang, names=self._names, lines=self._lines))
            return tuple(replace(part, at=at and part.at and at) for part in parts[:-1])
        spec = actions_of(self._decision).get(str(action.get("action"))) if isinstance(action, dict) else None
        label = spec.lead.text(self._lang) if spec else _("action")
        is_missing = all(problem.is_missing for problem in report.problems)
        return (Part("text", f"{label}: "), Part("todo" if is_missing else "broken", _("not finished"), at))

    def group(self, group: Any) -> tuple[Part, ...]:
        """Return a group of conditions, finished or not."""
        return tuple(self._group(group, "", outermost=True))

    def _unfinished(self, rule: Node) -> Iterator[Part]:
        when = rule.get("when")
        if group_mode(when):
            yield Part("word", _("If"))
            yield Part("text", " ")
            yield from self._group(when, "/when", outermost=True)
            yield Part("text", ", ")
            yield Part("word", _("then"))
            yield Part("text", " ")
        actions = rule.get("then") or []
        for index, action in enumerate(actions):
            if index:
                yield Part("text", "; ")
            at = f"/then/{index}"
            yield from self.action(action, at)
            among = action.get("among") if isinstance(action, dict) else None
            if group_mode(among):
                yield Part("text", ", ")
                yield Part("word", _("if"))
                yield Part("text", " ")
                yield from self._group(among, f"{at}/among", outermost=True)
        if not actions:
            yield Part("todo", _("it is not said what to do"))
        yield Part("text", ".")

    def _group(self, group: Any, at: str, *, outermost: bool = False) -> Iterator[Part]:
        mode = str(group_mode(group))
        items = group[mode]
        if mode == Mode.NONE:
            yield Part("word", _("it is not true that"))
            yield Part("text", " ")
        brackets = len(items) > 1 and (mode == Mode.NONE or not outermost)
        yield Part("text", "(" if brackets else "")
        for index, item in enumerate(items):
            if index:
                yield Part("text", " ")
                yield Part("word", _("and") if mode == Mode.ALL else _("or"))
                yield Part("text", " ")
            place = f"{at}/{mode}/{index}"
            yield from self._group(item, place) if group_mode(item) else self.condition(item, place)
        if not items:
            yield Part("todo", _("no condition yet"))
        yield Part("text", ")" if brackets else "")


def _of_candidate(condition: Any) -> bool:
    return isinstance(condition, dict) and str(condition.get("field")).startswith("candidate.")


def _parts(spans: Iterable[Span]) -> tuple[Part, ...]:
    return tuple(
        Part(kind, span.text, _node(span.path), _param(span.path)) if kind == "chip" else Part(kind, span.text)
        for span in spans
        for kind in (_KINDS.get(span.kind, "text"),)
    )


def _node(path: str) -> str:
    """Return the pointer of the condition or action to which a piece belongs: of a parameter, its action."""
    head, _slash, last = path.rpartition("/")
    return path if last.isdecimal() else head


def _param(path: str) -> str:
    last = path.rpartition("/")[2]
    return "" if last.isdecimal() else last


def spoken(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield a sentence in which each chip that can be opened is named together with what stands before its colon.

    Runs of texts come joined; the piece that a chip takes over has its name.
    """
    before = ""
    for part in parts:
        if part.kind == "text":
            before += part.text
            continue
        label = before.lstrip(",; ") if part.at and before.endswith(": ") else ""
        if lead := before.removesuffix(label):
            yield Part("text", lead)
        if label:
            yield Part("text", label, name=label + part.text)
        before = ""
        yield replace(part, name=label and label + part.text)
    if before:
        yield Part("text", before)


def marked(parts: tuple[Part, ...], other: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return a sentence with the pieces marked that the other sentence does not have in this order."""
    matcher = SequenceMatcher(None, [part.text for part in other], [part.text for part in parts], autojunk=False)
    kept = {place for block in matcher.get_matching_blocks() for place in range(block.b, block.b + block.size)}
    return tuple(replace(part, is_new=place not in kept) for place, part in enumerate(parts))
