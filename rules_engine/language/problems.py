"""What can be wrong with a ruleset or a value: one code each, and its sentence in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules_engine.language.kinds import Words

_SENTENCES: dict[str, Words] = {
    # shape of the document
    "not_a_document": Words("это не набор правил: нужен объект JSON", "this is not a ruleset: a JSON object is needed"),
    "not_json": Words("это не JSON: {detail}", "this is not JSON: {detail}"),
    "not_an_object": Words("нужен объект", "an object is needed"),
    "not_a_list": Words("нужен список", "a list is needed"),
    "not_text": Words("нужна строка", "a text is needed"),
    "empty_text": Words("строка пуста", "the text is empty"),
    "too_long": Words("длиннее {limit} знаков", "longer than {limit} characters"),
    "bad_text": Words("в строке есть недопустимый знак", "the text holds a character that is not allowed"),
    "unknown_key": Words("неизвестный ключ «{key}»", "unknown key “{key}”"),
    "missing_key": Words("не хватает «{key}»", "“{key}” is missing"),
    "unknown_decision": Words("неизвестное решение «{value}»", "unknown decision “{value}”"),
    "wrong_hit_policy": Words(
        "для этого решения порядок срабатывания только «{expected}»", "the hit policy of this decision is “{expected}”"
    ),
    "wrong_words": Words("нужна строка или объект с «ru» и «en»", "a text is needed, or an object with “ru” and “en”"),
    "too_many_rules": Words("правил больше {limit}", "more than {limit} rules"),
    "too_many_cases": Words("контрольных примеров больше {limit}", "more than {limit} test cases"),
    "too_many_actions": Words("действий больше {limit}", "more than {limit} actions"),
    "too_deep": Words("вложенность условий больше {limit}", "conditions are nested deeper than {limit} levels"),
    "too_many_conditions": Words("условий в правиле больше {limit}", "more than {limit} conditions in one rule"),
    "bad_id": Words(
        "код правила — латинские буквы, цифры, «-», «_», до {limit} знаков",
        "a rule id has Latin letters, digits, “-”, “_”, at most {limit} characters",
    ),
    "duplicate_id": Words("код «{value}» уже есть у другого правила", "another rule already has the id “{value}”"),
    "reserved_id": Words("код «{value}» занят", "the id “{value}” is reserved"),
    "missing_otherwise": Words(
        "не сказано, что делать с остальными («otherwise»)", "it is not said what happens otherwise (“otherwise”)"
    ),
    # conditions
    "not_a_group": Words(
        "нужна группа условий: один из ключей all, any, none", "a group is needed: one of the keys all, any, none"
    ),
    "not_a_condition": Words("нужно условие или группа условий", "a condition or a group is needed"),
    "empty_group": Words("группа условий пуста", "the group of conditions is empty"),
    "unfinished_condition": Words(
        "условие не закончено: не хватает «{key}»", "unfinished condition: “{key}” is missing"
    ),
    "unknown_field": Words("неизвестное поле «{value}»", "unknown field “{value}”"),
    "field_not_here": Words("поля «{value}» в этом решении нет", "this decision has no field “{value}”"),
    "only_in_among": Words(
        "поле кандидата «{value}» пишется только в «among»", "a candidate's field “{value}” stands only in “among”"
    ),
    "only_candidates": Words(
        "в «among» пишутся только поля кандидата, а не «{value}»",
        "“among” takes only fields of a candidate, not “{value}”",
    ),
    "unknown_operator": Words("неизвестное сравнение «{value}»", "unknown operator “{value}”"),
    "operator_not_for_type": Words(
        "сравнение «{value}» не подходит к полю «{field}»", "the operator “{value}” does not fit the field “{field}”"
    ),
    "unexpected_value": Words("у этого сравнения нет значения", "this operator takes no value"),
    "other_field_type": Words(
        "поля «{field}» и «{value}» разного типа", "the fields “{field}” and “{value}” are of different types"
    ),
    "no_other_field": Words("здесь нужно значение, а не другое поле", "a value is needed here, not another field"),
    "empty_list": Words("список значений пуст", "the list of values is empty"),
    "list_too_long": Words("значений больше {limit}", "more than {limit} values"),
    "not_a_pair": Words("нужны два значения: от и до", "two values are needed: from and up to"),
    "pair_order": Words("«от» должно быть меньше «до»", "“from” must be less than “up to”"),
    # values
    "wrong_type": Words("нужно: {expected_ru}", "expected: {expected_en}"),
    "no_value": Words("значение не заполнено", "the value is not filled in"),
    "too_exact": Words("знаков после запятой больше {limit}", "more than {limit} decimals"),
    "too_large": Words("слишком большое число", "the number is too large"),
    "bad_date": Words("такой даты нет", "there is no such date"),
    "no_offset": Words("у момента времени не указан часовой пояс", "the instant has no offset"),
    "not_allowed": Words("значение «{value}» недопустимо", "the value “{value}” is not allowed"),
    "out_of_range": Words("значение вне пределов: {low} … {high}", "the value is out of range: {low} … {high}"),
    "unknown_reference": Words("{kind_ru} «{value_ru}» не найден(а)", "{kind_en} “{value_en}” does not exist"),
    # actions
    "no_actions": Words("не сказано, что сделать", "it is not said what to do"),
    "unknown_action": Words("неизвестное действие «{value}»", "unknown action “{value}”"),
    "action_not_here": Words("действия «{value}» в этом решении нет", "this decision has no action “{value}”"),
    "missing_parameter": Words("не хватает параметра «{key}»", "the parameter “{key}” is missing"),
    "unknown_parameter": Words("неизвестный параметр «{key}»", "unknown parameter “{key}”"),
    "exactly_one_of": Words("нужно ровно одно из действий: {names}", "exactly one of these actions is needed: {names}"),
    "wrong_measure": Words("показатель «{value}» здесь не подходит", "the measure “{value}” does not fit here"),
    "unknown_line": Words("строки «{value}» выше нет", "there is no line “{value}” above"),
    "same_line": Words("строка «{value}» указана дважды", "the line “{value}” is named twice"),
    "duplicate_line": Words(
        "строка «{value}» уже есть выше: у каждой строки своё имя",
        "the line “{value}” is already made above: each line has a name of its own",
    ),
    "reserved_line": Words(
        "имя строки «{value}» занято: её делает сам расчёт", "the line “{value}” is reserved: the statement makes it"
    ),
    "same_measure": Words("показатель «{value}» указан дважды", "the measure “{value}” is named twice"),
    "gate_order": Words("«full_at» не может быть меньше «from»", "“full_at” cannot be less than “from”"),
    "few_tiers": Words(
        "ступеней нужно не меньше двух; одна ставка для всего — это «процент» (pay_percent)",
        "at least two tiers are needed; one rate for everything is a percentage (pay_percent)",
    ),
    "not_sorted": Words("значения должны возрастать", "the values must rise"),
    "too_few": Words("нужно не меньше {limit}", "at least {limit} are needed"),
    "wrong_shape": Words("нужна таблица {rows} × {cols}", "a table of {rows} × {cols} is needed"),
    "first_tier": Words("первая ступень начинается с 0", "the first tier begins at 0"),
    # test cases and facts
    "unknown_rule": Words("правила «{value}» нет", "there is no rule “{value}”"),
}

_EXPECTED: dict[str, Words] = {
    "text": Words("строка", "a text"),
    "choice": Words("строка из списка", "a text from the list"),
    "reference": Words("строка (код)", "a text (a code)"),
    "boolean": Words("true или false", "true or false"),
    "integer": Words("целое число", "an integer"),
    "duration": Words("целое число минут", "an integer, in minutes"),
    "number": Words('число строкой, например "1.5"', 'a number as a text, for example "1.5"'),
    "money": Words('сумма строкой, например "50000.00"', 'an amount as a text, for example "50000.00"'),
    "percent": Words('проценты строкой, например "12.5"', 'a percentage as a text, for example "12.5"'),
    "date": Words('дата строкой, например "2026-10-05"', 'a date as a text, for example "2026-10-05"'),
    "datetime": Words(
        'момент времени строкой, например "2026-10-05T11:20:00+03:00"',
        'an instant as a text, for example "2026-10-05T11:20:00+03:00"',
    ),
    "list": Words("список строк", "a list of texts"),
    "list_of_values": Words("список значений", "a list of values"),
}
_NOTHING = Words("", "")
_CUT = 80

_MISSING = frozenset({"unfinished_condition", "empty_group", "no_actions", "missing_parameter", "missing_key"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One error with its place. `path` is a JSON pointer into the document; `data` fills the sentence.

    `suggestion` is the text that would mend it in place (the key of a field, say), None where there is none.
    """

    code: str
    path: str
    data: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_missing(self) -> bool:
        """Whether something is not filled in yet, as against filled in wrongly."""
        return self.code in _MISSING or (self.code == "exactly_one_of" and self.data.get("given") == 0)

    @property
    def suggestion(self) -> str | None:
        found = self.data.get("suggestion")
        return found if isinstance(found, str) else None

    def message(self, lang: str) -> str:
        """Return the sentence, with "did you mean" where there is a suggestion."""
        expected = _EXPECTED.get(str(self.data.get("expected")), _NOTHING)
        shown = {key: _cut(value) for key, value in self.data.items()}
        shown["expected_ru"], shown["expected_en"] = expected.ru, expected.en
        sentence = _SENTENCES[self.code].text(lang).format(**shown)
        if self.suggestion is None:
            return sentence
        hint = "возможно, имелось в виду" if lang == "ru" else "did you mean"
        return f"{sentence}; {hint}: {_cut(self.suggestion)}"


def _cut(value: object) -> str:
    """Return a value fit for a sentence: bounded, on one line, printable."""
    text = str(value)
    if len(text) > _CUT:
        text = text[:_CUT] + "…"
    return "".join(sign if sign.isprintable() else "?" for sign in text)
