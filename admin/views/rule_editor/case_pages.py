"""The test cases of one decision: the failing first, what each expects and what happens, which rules none reaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from admin.access import may
from admin.security import viewer
from admin.views.rule_editor import trying_typed
from admin.views.rule_editor.case_words import case_title, expectation_words, fact_words, money_text
from admin.views.rule_editor.pages import blueprint, head
from admin.views.rule_editor.places import complaints
from admin.views.rule_editor.room import Room, room
from admin.views.rule_editor.trying_results import rule_title
from admin.views.rule_editor.trying_typed import InputGroup
from admin.views.rule_editor.wording import _
from rules_engine.language.line_names import line_names
from rules_engine.language.read_bonus import WITHOUT_PLAN
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts import editing
from rules_engine.services.drafts.body import Body
from rules_engine.services.rules import rulebook
from rules_engine.services.trials import cases as editing_cases
from rules_engine.services.trials.cases import Coverage, Judged


@dataclass(frozen=True, slots=True)
class Amount:
    """One line of a bonus case, as expected and as it is paid now; "" where the case does not say."""

    title: str
    expected: str
    now: str
    is_other: bool


@dataclass(frozen=True, slots=True)
class CaseCard:
    """One case as the page shows it. `rules` are those to look at when it does not hold, with their titles."""

    number: int
    title: str
    passed: bool
    problem: str
    expects: str
    now: str
    amounts: tuple[Amount, ...]
    facts: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]
    form: tuple[InputGroup, ...] = ()
    title_problem: str = ""

    @property
    def is_open(self) -> bool:
        return bool(self.form or self.title_problem)


@blueprint.get("/<decision>/cases")
def cases(decision: str) -> ResponseReturnValue:
    """Show the cases on the draft where there is one, else on what is in force."""
    here = room(decision)
    return cases_page(here, editing.draft(here.session, decision))


def cases_page(
    here: Room,
    draft: RulesetDraft | None,
    *,
    errors: Mapping[str, str] | None = None,
    sent: MultiDict[str, str] | None = None,
    refused: str = "",
) -> str:
    """Return the page; `errors` and `sent` are of a form that could not be taken, `refused` says why in a sentence."""
    body = draft.body if draft else rulebook.in_force_at(here.session, here.decision, here.now).body
    judged = editing_cases.judge(body)
    opened = sent.get("case", "") if sent is not None else request.args.get("edit", "")
    may_change = draft is not None and may("rules.change", viewer().role)
    found = []
    if draft:
        told = complaints(editing.problems(here.session, body), body, here.decision, here.lang)
        found = [one for one in told if one.input != "cases"]
    shown = [
        _card(here, body, one, sent, errors or {}, is_open=may_change and opened == str(one.number)) for one in judged
    ]
    covered = editing_cases.coverage(body, judged)
    return render_template(
        "rules/cases.html",
        **head(here, "cases"),
        cards=sorted(shown, key=lambda one: one.passed),
        failing=sum(not one.passed for one in shown),
        covered=covered,
        missed=_missed(here, body, covered),
        unfinished=bool(found),
        may_change=may_change,
        refused=refused,
    )


def _missed(here: Room, body: Body, covered: Coverage) -> list[tuple[str, str]]:
    return [(rule, rule_title(body, rule, here.lang)) for rule in covered.missed]


def _card(
    here: Room,
    body: Body,
    one: Judged,
    sent: MultiDict[str, str] | None,
    errors: Mapping[str, str],
    *,
    is_open: bool,
) -> CaseCard:
    expect = one.case.get("expect") or {}
    acting = [*(expect.get("fired") or ()), *(one.now["fired"] if one.now else ())]
    facts = one.case.get("facts") or {}
    form: tuple[InputGroup, ...] = ()
    if is_open:
        fields = editing_cases.fields_of_case(body, one.case)
        known = {key: value for key, value in facts.items() if key != WITHOUT_PLAN}
        place = f"{one.number}:"
        problems = {key.removeprefix(place): text for key, text in errors.items() if key.startswith(place)}
        resent = sent if sent is not None and sent.get("do") == "case-facts" else None
        form = trying_typed.inputs(here, fields, known, {}, problems, resent)
    return CaseCard(
        number=one.number,
        title=case_title(one.case, here.lang, one.number + 1),
        passed=one.passed,
        problem=_problem(here, one),
        expects=expectation_words(here, body, expect),
        now=expectation_words(here, body, one.now) if one.now else "",
        amounts=tuple(_amounts(here, body, expect, one.now)) if one.now and "total" in one.now else (),
        facts=() if one.problem else tuple(fact_words(here, facts)),
        rules=tuple(
            (rule, rule_title(body, rule, here.lang)) for rule in dict.fromkeys(acting) if rule not in one.gone
        ),
        form=form,
        title_problem=errors.get(f"title-{one.number}", ""),
    )


def _problem(here: Room, one: Judged) -> str:
    if one.problem is not None:
        return _("Its facts cannot be read: %(why)s.", why=one.problem.message(here.lang))
    if one.gone:
        return _("It expects a rule that is gone: %(rules)s.", rules=", ".join(one.gone))
    return ""


def _amounts(here: Room, body: Body, expect: Mapping[str, Any], now: Mapping[str, Any]) -> list[Amount]:
    """Return the lines of a bonus case, the total last."""
    titles = line_titles(body, here.lang)
    wanted, paid = expect.get("lines") or {}, now.get("lines") or {}
    rows = [
        _amount(here, titles.get(name, name), wanted.get(name), paid.get(name))
        for name in dict.fromkeys((*paid, *wanted))
    ]
    return [*rows, _amount(here, _("Total"), expect.get("total"), now["total"])]


def _amount(here: Room, title: str, expected: str | None, now: str | None) -> Amount:
    differs = expected is not None and editing_cases.minor(expected) != editing_cases.minor(now or "0")
    return Amount(
        title,
        "" if expected is None else money_text(expected, here.lang),
        "—" if now is None else money_text(now, here.lang),
        differs,
    )


def line_titles(body: Body, lang: str) -> dict[str, str]:
    """Return what people call the lines of a bonus statement: the rule that makes each."""
    return {line: words.text(lang) for line, words in line_names(body).names.items()}
