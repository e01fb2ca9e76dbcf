"""Changes of test cases: kept from a trial, renamed, their facts changed, a new answer accepted, removed."""

import json
from collections.abc import Mapping
from typing import Any

from admin.views.rule_editor import trying_typed
from admin.views.rule_editor.cards import Kept, Place
from admin.views.rule_editor.operating import Form, Maker, Operation
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.wording import _
from rules_engine.errors import NotFound
from rules_engine.language.read_bonus import WITHOUT_PLAN
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts.body import Node
from rules_engine.services.trials import cases as editing_cases
from rules_engine.services.trials import trials

_LONGEST = 200_000


def _add(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    """Keep what was tried as a test case: the facts that were shown, and what the draft answers now."""
    facts = _facts(here, form.get("facts", ""))
    title = form.get("title", "").strip()[:200] or _("Case %(n)s", n=len(draft.body.get("cases", [])) + 1)
    edit = editing_cases.add_case(title, here.lang, facts, trials.expectation(draft.body, facts))
    return Operation(Place(), edit, _("The test case is kept."))


def _rename(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    index, _case = _of(draft, form)
    title = form.get("title", "").strip()[:200]
    if not title:
        return Operation(Place(), kept=Kept(errors={f"title-{index}": _("A test case needs a name.")}))
    return Operation(Place(), editing_cases.rename_case(index, here.lang, title), _("The name is saved."))


def _change_facts(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    """Take the typed values of a case; what it expects stays, so that one sees whether it still holds."""
    index, case = _of(draft, form)
    before: Node = dict(case.get("facts") or {})
    fields = editing_cases.fields_of_case(draft.body, case)
    typed, problems = trying_typed.read(here, fields, before, form)
    if problems:
        return Operation(Place(), kept=Kept(errors={f"{index}:{key}": text for key, text in problems.items()}))
    facts = {key: value for key, value in before.items() if key not in typed}
    facts |= {key: value for key, value in typed.items() if value is not None}
    if WITHOUT_PLAN in facts:
        facts[WITHOUT_PLAN] = [key for key in facts[WITHOUT_PLAN] if key not in facts]
    return Operation(Place(), editing_cases.set_facts(index, facts), _("The facts of the test case are saved."))


def _accept(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    index, case = _of(draft, form)
    expect = trials.expectation(draft.body, case.get("facts") or {})
    edit = editing_cases.expect(index, expect)
    return Operation(Place(), edit, _("The test case now expects this answer."))


def _accept_all(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    return Operation(Place(), editing_cases.expect_now, _("The test cases now expect these answers."))


def _remove(here: Room, draft: RulesetDraft, form: Form) -> Operation:
    index, _case = _of(draft, form)
    return Operation(Place(), editing_cases.remove_case(index), _("The test case is removed."))


CASE_OPERATIONS: Mapping[str, Maker] = {
    "add-case": _add,
    "rename-case": _rename,
    "case-facts": _change_facts,
    "accept-case": _accept,
    "accept-cases": _accept_all,
    "remove-case": _remove,
}


def _of(draft: RulesetDraft, form: Form) -> tuple[int, Node]:
    text, cases = form.get("case", ""), draft.body.get("cases", [])
    if not text.isdecimal() or len(text) > 6 or int(text) >= len(cases):
        raise NotFound(what=f"case {text[:20]}")
    return int(text), cases[int(text)]


def _facts(here: Room, text: str) -> dict[str, Any]:
    """Return facts that a page of ours wrote. Raises NotFound for anything else."""
    try:
        facts = json.loads(text[:_LONGEST])
    except (ValueError, RecursionError):
        raise NotFound(what="facts") from None
    if not isinstance(facts, dict) or trials.check_facts(here.decision, facts) is not None:
        raise NotFound(what="facts")
    return facts
