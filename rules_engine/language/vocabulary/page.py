"""The reference of the rule language, in both languages, made from the vocabulary.

`python -m rules_engine.language.vocabulary.page > docs/rules.md`
"""

import sys
from collections.abc import Iterable, Iterator

from rules_engine.language.kinds import (
    DECISION_LABELS,
    HIT_POLICIES,
    LIMIT_ACTIONS,
    LIMIT_CONDITIONS,
    LIMIT_DEPTH,
    LIMIT_LIST,
    LIMIT_RULES,
    REFERENCE_LABELS,
    Decision,
    FieldGroup,
    FieldType,
    HitPolicy,
    MovedBy,
    Words,
)
from rules_engine.language.vocabulary import EXCLUSIVE, FIELDS, OPERATORS, ActionSpec, Choice, Field, Param, actions_of
from rules_engine.language.vocabulary.actions import POOL_ARGUMENT, POOLS
from rules_engine.language.vocabulary.shipped import SHIPPED_NAMES
from rules_engine.language.vocabulary.terms import ParamType

_MOVED = {
    MovedBy.WITH_ITEM: Words("сама заявка, клиент или звонок", "the item itself"),
    MovedBy.WITH_TIME: Words("время", "time"),
    MovedBy.WITH_OTHERS: Words("другие записи", "other rows"),
}
_GROUPS = {
    FieldGroup.REQUEST: Words("Заявка", "Request"),
    FieldGroup.CLIENT: Words("Клиент", "Client"),
    FieldGroup.OWNER: Words("Закреплённый менеджер", "Owner"),
    FieldGroup.MANAGER: Words("Менеджер, у которого заявка или звонок", "Manager who holds the item"),
    FieldGroup.CANDIDATE: Words("Кандидат: «кто подходит» в действии", "Candidate: “who of them” of an action"),
    FieldGroup.ITEM: Words("Что рассматривается", "Item"),
    FieldGroup.NOW: Words("Сейчас", "The present moment"),
    FieldGroup.EVENT: Words("Событие", "Event"),
    FieldGroup.MEASURE: Words("Показатель месяца", "Measure of a month"),
}
_TYPES: dict[FieldType, tuple[Words, str]] = {
    FieldType.TEXT: (
        Words(
            "текст; большие и малые буквы и пробелы по краям не различаются", "text; case and outer spaces do not count"
        ),
        '`"Казахстан"`',
    ),
    FieldType.CHOICE: (Words("одно значение из списка", "one value of a list"), '`"phone"`'),
    FieldType.BOOLEAN: (Words("да или нет", "yes or no"), "`true`"),
    FieldType.INTEGER: (Words("целое число", "whole number"), "`12`"),
    FieldType.NUMBER: (Words("число, до четырёх знаков после запятой", "number, up to four decimals"), '`"1.5"`'),
    FieldType.MONEY: (Words("деньги, точно до копейки", "money, exact to the kopeck"), '`"150000.50"`'),
    FieldType.PERCENT: (
        Words("процент, до сотой доли, лишнее отбрасывается", "percentage, to a hundredth, rounded down"),
        '`"97.5"`',
    ),
    FieldType.DURATION: (
        Words("длительность в целых минутах, лишнее отбрасывается", "duration in whole minutes, rounded down"),
        "`30`",
    ),
    FieldType.DATE: (Words("дата", "date"), '`"2026-11-09"`'),
    FieldType.DATETIME: (Words("дата и время с поясом", "instant with its offset"), '`"2026-11-09T09:00:00+03:00"`'),
    FieldType.REFERENCE: (
        Words("человек, отдел, услуга: значение из справочника", "a person, team or service of the installation"),
        '`"ivanova"`',
    ),
    FieldType.LIST: (Words("несколько текстов", "several texts"), '`["vip", "опт"]`'),
}
_YES = "да · yes"


def page() -> str:
    """Return the page as Markdown: how rules work, types, comparisons, fields by group, actions by decision."""
    parts = (_introduction(), _types(), _operators(), *(_fields(group) for group in FieldGroup), _pools())
    return "\n".join(line for part in (*parts, *map(_actions, Decision)) for line in part) + "\n"


def _introduction() -> Iterator[str]:
    yield from (
        "# Язык правил · The rule language",
        "",
        "Made from `rules_engine/language/vocabulary` by `python -m rules_engine.language.vocabulary.page`; a test",
        "holds it to the code. Heads of sales meet these words in the rule editor, developers as JSON.",
        "",
        "**Правило** — условия и действия: «Если регион: Казахстан и сумма: не менее 1 000 000 ₽, то заявку",
        "получает: отдел «Ключевые»; срок ответа: 15 мин». Без условий правило верно всегда. Условия собраны в",
        "группы: верны все, верно хотя бы одно, не верно ни одно. · **A rule** is conditions and actions; without",
        "conditions it always matches. They stand in groups (`all`, `any`, `none`), the outermost one in `when`.",
        "",
        "**Пустое поле.** Условие на незаполненном поле неверно, какое бы ни было сравнение, в том числе «не равно»",
        "и «ни одно из»; верно только «не заполнено». Что значит пустота, сказано у каждого поля. · **Empty fields.**",
        "A condition on an empty field is false, whatever its comparison, “is not” and “is none of” included; only",
        "“is empty” is true. What emptiness means stands beside each field.",
        "",
        '**Название и пояснение** (`title`, `note`) — один текст для всех или `{"ru", "en"}`; чего нет на языке',
        "читателя, читается на другом. Правка меняет текст на языке правящего, другой остаётся и виден при правке;",
        "один текст для всех меняется целиком. · **A title and a note** are one text for all readers, or",
        '`{"ru", "en"}`; what is missing in the language of a reader is read in the other. An edit changes the text in',
        "the editor's language; the other stays, and is shown while a note is edited. One text for all is replaced.",
        "",
        "**Что меняет условие.** Заявка, клиент или звонок рассматриваются снова, когда меняется то, на что смотрят",
        "условия: сама запись, время или другие записи (например, загрузка менеджера). · **What moves a condition.**",
        "An item is looked at again when what its conditions look at changes: its own row, time, or other rows.",
        "",
        "| решение · decision | правила действуют · rules act |",
        "| --- | --- |",
    )
    for decision in Decision:
        first = HIT_POLICIES[decision] is HitPolicy.FIRST
        how = (
            "первое выполнимое сверху · the first that can be carried out (`first`)"
            if first
            else "все подходящие, сверху вниз · all that match, in order (`collect`)"
        )
        yield _row(f"`{decision}` {_both(DECISION_LABELS[decision])}", how)
    yield ""
    yield (
        f"Не больше · At most: {LIMIT_RULES} правил · rules; {LIMIT_CONDITIONS} условий в правиле · conditions a rule; "
        f"{LIMIT_DEPTH} уровней групп · levels of groups; {LIMIT_ACTIONS} действий в правиле · actions a rule; "
        f"{LIMIT_LIST} значений в списке · values in a list."
    )


def _types() -> Iterator[str]:
    yield from ("", "## Типы · Types", "", "| type | ru | en | JSON |", "| --- | --- | --- | --- |")
    for kind, (words, example) in _TYPES.items():
        yield _row(f"`{kind}`", words.ru, words.en, example)


def _operators() -> Iterator[str]:
    yield from ("", "## Сравнения · Comparisons", "")
    yield '“Another field”: the right side may be a field of the same type, `{"field": …}`. «От … до» берёт начало и не'
    yield "берёт конец; у дат на страницах видны оба дня. · `between` includes its start and excludes its end."
    yield ""
    yield "| op | ru | en | types | другое поле · another field |"
    yield "| --- | --- | --- | --- | --- |"
    for operator in OPERATORS.values():
        types = "all" if operator.types == frozenset(FieldType) else ", ".join(sorted(operator.types))
        yield _row(f"`{operator.op}`", operator.label.ru, operator.label.en, types, _YES if operator.fieldwise else "")


def _fields(group: FieldGroup) -> Iterator[str]:
    yield from ("", f"## {_both(_GROUPS[group])}: `{group}.`", "")
    yield "| field | ru | en | type, values | пусто значит · empty means | меняет · moved by | где · where |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for field in FIELDS.values():
        if field.group is group:
            yield _field(field)


def _field(field: Field) -> str:
    notes = [f"`{field.type}`"]
    if field.unit:
        notes.append(_both(field.unit))
    if field.reference:
        notes.append(_both(REFERENCE_LABELS[field.reference]))
    kind = ", ".join(notes) + (f": {_choices(field.choices)}" if field.choices else "")
    kind += f"; читается · reads as: {_choices(field.readings)}" if field.readings else ""
    later = "" if field.implemented else "<br>пока не заполняется · not filled yet"
    return _row(
        f"`{field.key}`",
        field.label.ru + later,
        field.label.en,
        kind,
        _both(field.empty),
        _both(_MOVED[field.moved_by]),
        ", ".join(sorted(field.decisions)),
    )


def _pools() -> Iterator[str]:
    yield from ("", "## Кому: пулы · To whom: pools", "")
    yield '`{"pool": "owner"}`, or a list of them that is tried in order.'
    yield ""
    yield from ("| pool | ru | en | needs |", "| --- | --- | --- | --- |")
    for pool in POOLS:
        needs = f"`{POOL_ARGUMENT[pool.value][0]}`" if pool.value in POOL_ARGUMENT else ""
        yield _row(f"`{pool.value}`", pool.label.ru, pool.label.en, needs)
    names = [
        f"{_both(REFERENCE_LABELS[kind])} `{value}` {_both(words)}"
        for kind, listed in SHIPPED_NAMES.items()
        for value, words in listed.items()
    ]
    yield ""
    yield (
        "Поставляемые правила называют то, чего в компании может ещё не быть; в предложениях это слова, а умение можно "
        "написать у менеджера любым из них. · The shipped rules name what a company may not have yet; sentences say "
        f"words for it, and a skill may be written beside a manager as any of them: {'; '.join(names)}."
    )


def _actions(decision: Decision) -> Iterator[str]:
    yield from ("", f"## Действия · Actions: {_both(DECISION_LABELS[decision])} (`{decision}`)", "")
    if decision in EXCLUSIVE:
        names = " / ".join(f"`{name}`" for name in sorted(EXCLUSIVE[decision]))
        yield from (f"Ровно одно из · Exactly one of: {names}.", "")
    if decision is Decision.BONUS:
        yield from ("How each is reckoned stands in [bonuses.md](bonuses.md).", "")
    yield "| action, parameter | ru | en | type, values | нужно · required |"
    yield "| --- | --- | --- | --- | --- |"
    for spec in actions_of(decision).values():
        yield _row(f"**`{spec.name}`**", f"**{spec.label.ru}**", f"**{spec.label.en}**", _proposal(spec), "")
        for param in spec.params:
            yield _row(
                f"`{param.name}`", param.label.ru, param.label.en, _parameter(param), _YES if param.required else ""
            )


def _proposal(spec: ActionSpec) -> str:
    return "предложение, которое подтверждает человек · a proposal that a person confirms" if spec.proposal else ""


def _parameter(param: Param) -> str:
    kind = "conditions on `candidate.`" if param.type is ParamType.GROUP else f"`{param.type}`"
    return kind + (f": {_choices(param.choices)}" if param.choices else "")


def _choices(choices: Iterable[Choice]) -> str:
    return "; ".join(f"`{choice.value}` {_both(choice.label)}" for choice in choices)


def _both(words: Words) -> str:
    return f"{words.ru} · {words.en}" if words.ru != words.en else words.ru


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
