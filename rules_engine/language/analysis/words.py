"""Findings in words: facts before verbs, values as the sentences of rules show them, never a code."""

from collections.abc import Sequence
from datetime import date

from rules_engine.language.kinds import Decision, ReferenceKind, Words
from rules_engine.language.model import Condition, Group, Mode
from rules_engine.language.references import References
from rules_engine.language.sentence import condition_spans, plain
from rules_engine.language.shown import name_of, show_date
from rules_engine.language.vocabulary import actions_of

_ITEMS = {
    Decision.ASSIGNMENT: (Words("заявки", "requests"), Words("заявок", "requests")),
    Decision.ESCALATION: (Words("дела", "items"), Words("дел", "items")),
    Decision.CALLBACKS: (Words("случаи", "cases"), Words("случаев", "cases")),
    Decision.BONUS: (
        Words("месяцы менеджеров", "months of managers"),
        Words("месяцев менеджеров", "months of managers"),
    ),
}
_AND = Words("и", "and")
_OR = Words("или", "or")
_NOT = Words("неверно, что", "it is not true that")
_CONTRADICTION = (
    Words(
        "Не сработает никогда: его условия вместе не выполняются.", "Can never act: its conditions never hold together."
    ),
    Words(
        "Не сработает никогда: условие «{0}» не выполняется ни при каких данных.", "Can never act: “{0}” never holds."
    ),
    Words(
        "Не сработает никогда: условия «{0}» и «{1}» вместе не выполняются.",
        "Can never act: “{0}” and “{1}” never hold together.",
    ),
)
_NOBODY_FITS = (
    Words(
        "Не подойдёт никто: условия, кто подходит, вместе не выполняются.",
        "Nobody fits: the conditions on who fits never hold together.",
    ),
    Words("Не подойдёт никто: условие «{0}» не выполняется ни у кого.", "Nobody fits: “{0}” holds for nobody."),
    Words(
        "Не подойдёт никто: условия «{0}» и «{1}» вместе не выполняются.",
        "Nobody fits: “{0}” and “{1}” never hold together.",
    ),
)
_ONE = 0
_MANY = 1
_SENTENCES: dict[str, tuple[Words, Words]] = {
    "hidden": (
        Words(
            "Не используется: все такие {items} раньше забирает правило {others}{while_any}.",
            "Never used: rule {others} takes all these {items} first{while_any}.",
        ),
        Words(
            "Не используется: все такие {items} раньше забирают правила {others}{while_any}.",
            "Never used: rules {others} take all these {items} first{while_any}.",
        ),
    ),
    "reserve": (
        Words(
            "Запасное: все такие {items} сначала идут в правило {others}; сюда — когда там некому взять.",
            "A reserve: all these {items} go to rule {others} first, and here when nobody there can take them.",
        ),
        Words(
            "Запасное: все такие {items} сначала идут в правила {others}; сюда — когда там некому взять.",
            "A reserve: all these {items} go to rules {others} first, and here when nobody there can take them.",
        ),
    ),
    "superseded": (
        Words(
            "Действие «{action}» не выполняется никогда: в таких случаях раньше это делает правило {others}.",
            "The action “{action}” never takes effect: in all these cases rule {others} does so before.",
        ),
        Words(
            "Действие «{action}» не выполняется никогда: в таких случаях раньше это делают правила {others}.",
            "The action “{action}” never takes effect: in all these cases rules {others} do so before.",
        ),
    ),
    "cancelled": (
        Words(
            "Действие «{action}» не выполняется никогда: в таких случаях его отменяет правило {others}.",
            "The action “{action}” never takes effect: in all these cases rule {others} cancels it.",
        ),
        Words(
            "Действие «{action}» не выполняется никогда: в таких случаях его отменяют правила {others}.",
            "The action “{action}” never takes effect: in all these cases rules {others} cancel it.",
        ),
    ),
    "overlap": (
        Words(
            "Часть таких {of_items} подходит и под правило {others}: решает оно, потому что стоит выше.",
            "Some of these {items} fit rule {others} as well, which decides because it stands above.",
        ),
        Words(
            "Часть таких {of_items} подходит и под правила {others}: решают они, потому что стоят выше.",
            "Some of these {items} fit rules {others} as well, which decide because they stand above.",
        ),
    ),
    "mergeable": (
        Words(
            "Делает то же, что правило {others}, и отличается одним условием: их можно объединить.",
            "Does the same as rule {others} and differs in one condition: they could be one rule.",
        ),
    )
    * 2,
    "gap": (
        Words(
            "Есть {items}, под которые не подходит ни одно правило: для них действует «Остальные».",
            "There are {items} that no rule matches: “Otherwise” acts for them.",
        ),
    )
    * 2,
}
_REDUNDANT = Words(
    "Условие «{0}» ничего не меняет: без него правило срабатывает в тех же случаях.",
    "The condition “{0}” changes nothing: without it the rule matches in the same cases.",
)
_REDUNDANT_AMONG = Words(
    "Условие «{0}» ничего не меняет: без него подходят те же люди.",
    "The condition “{0}” changes nothing: without it the same people fit.",
)
_REDUNDANT_AFTER = (
    Words(
        "Условие «{0}» ничего не меняет: {items}, о которых оно, раньше забирает правило {others}{while_any}.",
        "The condition “{0}” changes nothing: rule {others} takes the {items} it is about first{while_any}.",
    ),
    Words(
        "Условие «{0}» ничего не меняет: {items}, о которых оно, раньше забирают правила {others}{while_any}.",
        "The condition “{0}” changes nothing: rules {others} take the {items} it is about first{while_any}.",
    ),
)
_WHILE_ANY = Words(", пока там есть кому взять", ", as long as somebody there can take them")
_WAITING = Words(
    " Если нужный человек отсутствует, заявка его ждёт, а не идёт дальше.",
    " Where that person is absent, the request waits for him and goes no further.",
)
_REVIEW = Words("Пора пересмотреть: срок был {on}.", "Due for review since {on}.")
_NAMED = Words("Правило для одного человека: {person}.", "A rule for one person: {person}.")
_NAMED_AT_MOST = 10
_RULE = Words("Правило {rules}", "Rule {rules}")
_RULES = Words("Правила {rules}", "Rules {rules}")
_RULES_AND_MORE = Words("Правила {rules} и ещё {left}", "Rules {rules} and {left} more")
_OTHERWISE = Words("Остальные", "Otherwise")
_UNCHECKED = {
    "time": Words(
        "{subject}: проверено не до конца, не хватило времени.", "{subject}: not fully checked, time ran out."
    ),
    "too_wide": Words(
        "{subject}: проверено не до конца, у условий слишком много сочетаний.",
        "{subject}: not fully checked, the conditions make too many combinations.",
    ),
    "not_exact": Words(
        "{subject}: проверено не до конца, тексты или списки сравниваются между собой.",
        "{subject}: not fully checked, texts or lists are compared with each other.",
    ),
}


def sentence(
    kind: str,
    lang: str,
    *,
    decision: Decision,
    others: Sequence[str],
    conditions: Sequence[Condition | Group],
    names: References | None,
    action: str,
    person: str,
    on: date | None,
    waiting: Sequence[str],
    in_among: bool,
    is_certain: bool,
) -> str:
    """Return the sentence of a finding of this kind; `others` and `waiting` are rules as the page calls them."""
    said = [_told(item, decision, lang, names) for item in conditions]
    if kind == "contradiction":
        return (
            (_NOBODY_FITS if in_among else _CONTRADICTION)[len(said) if len(said) < 3 else 0].text(lang).format(*said)
        )
    if kind == "review":
        return _REVIEW.text(lang).format(on=show_date(on, lang) if on else "")
    if kind == "named_person":
        return _NAMED.text(lang).format(person=name_of(ReferenceKind.MANAGER, person, names, lang))
    if kind == "superseded" and action == "schedule_callback":
        kind = "cancelled"
    number = _ONE if len(others) < 2 else _MANY
    if kind == "redundant":
        template = _REDUNDANT_AFTER[number] if others else _REDUNDANT_AMONG if in_among else _REDUNDANT
    else:
        template = _SENTENCES[kind][number]
    items, of_items = (word.text(lang) for word in _ITEMS[decision])
    spec = actions_of(decision).get(action)
    text = template.text(lang).format(
        *said,
        items=items,
        of_items=of_items,
        others=listed(others, lang),
        while_any="" if is_certain else _WHILE_ANY.text(lang),
        action=spec.label.text(lang) if spec else action,
    )
    return text + (_WAITING.text(lang) if waiting else "")


def _told(item: Condition | Group, decision: Decision, lang: str, names: References | None) -> str:
    if isinstance(item, Condition):
        return plain(condition_spans(decision, item, lang, names=names))
    joint = (_AND if item.mode is Mode.ALL else _OR).text(lang)
    members = [
        _told(member, decision, lang, names)
        if isinstance(member, Condition)
        else f"({_told(member, decision, lang, names)})"
        for member in item.items
    ]
    joined = f" {joint} ".join(members)
    return f"{_NOT.text(lang)} ({joined})" if item.mode is Mode.NONE else joined


def unchecked(why: str, lang: str, rules: Sequence[str]) -> str:
    """Return the sentence that says which rules are not fully checked; without any it is what happens otherwise."""
    named, left = rules[:_NAMED_AT_MOST], len(rules) - _NAMED_AT_MOST
    if not rules:
        subject = _OTHERWISE.text(lang)
    elif left > 0:
        subject = _RULES_AND_MORE.text(lang).format(rules=", ".join(named), left=left)
    else:
        subject = (_RULE if len(rules) == 1 else _RULES).text(lang).format(rules=listed(named, lang))
    return _UNCHECKED[why].text(lang).format(subject=subject)


def listed(items: Sequence[str], lang: str) -> str:
    """Return a list in words: `1, 2 и 5`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {_AND.text(lang)} {items[-1]}"
