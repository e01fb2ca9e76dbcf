"""A bonus statement in words and as JSON: each line with its figures, ready for a pocket calculator."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from rules_engine.decisions.bonus_calculator import FEWEST_DIGITS, WHOLE, Cut, Shown, readable, shown
from rules_engine.decisions.bonus_lines import (
    FLOOR,
    GUARANTEE,
    Between,
    Figure,
    GateSeen,
    Line,
    Part,
    Seen,
    Statement,
    Step,
    StepKind,
    Term,
    Unit,
)
from rules_engine.decisions.money import format_amount
from rules_engine.language.kinds import Words
from rules_engine.language.shown import NBSP, show_number, show_percent
from rules_engine.language.vocabulary import FIELDS

_WORDS = {
    "unpaid": Words("не начислено", "nothing is paid"),
    "as_planned": Words("плана нет намеренно, взято 100 %", "no plan by intention, taken at 100%"),
    "at_most": Words("не более", "at most"),
    "needed": Words("нужно", "needed"),
    "full_at": Words("полностью с", "in full from"),
    "part_up_to": Words("до", "up to"),
    "part_above": Words("сверх", "above"),
    "of_whole": Words("по таблице", "the table says"),
    "tier_from": Words("от", "from"),
    "tier_up_to": Words("до", "up to"),
    "cap": Words("предел для строки", "the cap on the line"),
    "cap_of_several": Words("предел для строк вместе", "the cap on the lines together"),
    "less": Words("начислено выше", "paid above"),
    "rounding": Words("чтобы строки сложились в предел", "so that the lines add up to the cap"),
    "unchanged": Words("без изменения", "unchanged"),
    "gate": Words("порог", "gate"),
    "soft_gate": Words("плавный порог", "soft gate"),
    "guarantee": Words("минимум за отработанное", "the minimum for the time worked"),
    "floor": Words(
        "строки дали меньше нуля, итог не бывает ниже нуля",
        "the lines give less than nothing, the total is never below zero",
    ),
    "not_needed": Words("доплата не нужна", "no addition is needed"),
}


def line_sentence(line: Line, lang: str, figures: Shown | None = None) -> str:
    """Return what a line is counted from, in one sentence: the numbers in the order of the calculator.

    `figures` are those of `shown`, where the caller has them.
    """
    return _sentences(line, figures or shown(line), lang)[0]


def line_json(line: Line, lang: str) -> dict[str, Any]:
    """Return a line as every interface prints it; money, percent and numbers as decimal text.

    `base` and `rate` with their units: `base × rate`, then the steps, gives `amount` when it is rounded once. `rate`
    in percent is per hundred. Both are null where nothing could be paid (`missing` names the empty measure).
    `terms` are the addends, `rows` what was read between the nodes of a table, `steps` what changed the line later.
    """
    figures = shown(line)
    return _with_sentences(_line_json(line, figures), _sentences(line, figures, lang))


def statement_json(statement: Statement, lang: str) -> dict[str, Any]:
    """Return `lines` and `total`."""
    return {"lines": [line_json(line, lang) for line in statement.lines], "total": format_amount(statement.total)}


def line_document(line: Line) -> dict[str, Any]:
    """Return a line to be kept: as `line_json`, but with every sentence in both languages (`{"ru", "en"}`)."""
    figures = shown(line)
    both = zip(_sentences(line, figures, "ru"), _sentences(line, figures, "en"), strict=True)
    return _with_sentences(_line_json(line, figures), [{"ru": ru, "en": en} for ru, en in both])


def stored_line_json(document: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Return a line that `line_document` kept as `line_json` prints it in this language."""
    key = "ru" if lang == "ru" else "en"
    kept = [document["sentence"], *(step["sentence"] for step in document["steps"])]
    return _with_sentences(document, [sentence[key] for sentence in kept])


def figure_words(figure: Figure, lang: str) -> str:
    """Return a figure as a person reads it: `1 000,00 ₽`, `2,5 %`, `95`, `0,7183`."""
    text = _text(figure.value, places=2 if figure.unit is Unit.MONEY else 0)
    if figure.unit is Unit.MONEY:
        return f"{show_number(text, lang)}{NBSP}₽"
    return show_percent(text, lang) if figure.unit is Unit.PERCENT else show_number(text, lang)


def measure_words(seen: Seen, lang: str, cut: Cut = WHOLE) -> str:
    """Return a measure with its label and value, cut as it says: `доля ответов в срок: 95 %`."""
    field = FIELDS[seen.measure]
    if seen.value is None:
        value = _WORDS["as_planned"].text(lang) if seen.as_planned else field.empty.text(lang)
    else:
        figure = Figure.of(seen.measure, seen.value)
        value = figure_words(cut.figure(figure), lang)
    return f"{field.chip.text(lang)}: {value}"


def _sentences(line: Line, figures: Shown, lang: str) -> list[str]:
    """Return the sentence of a line and of each of its steps."""
    writer = _Writer(lang, figures.measures)
    steps = zip(line.steps, figures.steps, strict=True)
    return [writer.line(line, figures), *(writer.step(step, figure) for step, figure in steps)]


def _with_sentences(document: Mapping[str, Any], sentences: Sequence[object]) -> dict[str, Any]:
    first, *others = sentences
    steps = [{**step, "sentence": other} for step, other in zip(document["steps"], others, strict=True)]
    return {**document, "sentence": first, "steps": steps}


class _Writer:
    def __init__(self, lang: str, cut: Cut) -> None:
        self._lang = lang
        self._cut = cut

    def line(self, line: Line, figures: Shown) -> str:
        if line.missing is not None:
            seen = next(seen for seen in line.inputs if seen.measure == line.missing)
            text = f"{measure_words(Seen(seen.measure, None), self._lang)}; {self._say('unpaid')}"
        elif line.component == FLOOR:
            text = f"{self._say('floor')}: {self._money(line.amount)}"
        else:
            text = f"{self._lead(line, figures)}{self._sum(line, figures)}"
            for step, figure in zip(line.steps, figures.steps, strict=True):
                # A cap takes the place of what stands before it; every other step goes on from there.
                text += f"{'; ' if step.kind is StepKind.CAP and step.factor is None else ' '}{self.step(step, figure)}"
            text += f" = {self._money(line.amount)}"
            if line.component == GUARANTEE and not line.amount:
                text += f": {self._say('not_needed')}"
        return f"{text[0].upper()}{text[1:]}."

    def step(self, step: Step, figure: Figure) -> str:
        if step.kind is StepKind.MULTIPLY:
            return f"× {figure_words(figure, self._lang)} ({self._reason(step)})"
        if step.kind is StepKind.GATE:
            name = self._say("soft_gate" if step.soft else "gate")
            gates = "; ".join(self._gate(gate, soft=step.soft) for gate in step.gates)
            return f"× {figure_words(figure, self._lang)} ({name}: {gates})"
        if step.kind is StepKind.CAP and step.factor is not None:
            limit = figure_words(Figure.money(step.amount or 0), self._lang)
            return f"× {figure_words(figure, self._lang)} ({self._say('cap_of_several')}: {limit})"
        if step.kind is StepKind.CAP:
            return f"{self._say('cap')}: {figure_words(figure, self._lang)}"
        if step.kind is StepKind.LESS:
            return f"− {figure_words(figure, self._lang)} ({self._say('less')})"
        sign = "+" if figure.value > 0 else "−"
        return f"{sign} {figure_words(Figure(abs(figure.value), figure.unit), self._lang)} ({self._say('rounding')})"

    def _lead(self, line: Line, figures: Shown) -> str:
        """Return what stands before the numbers: the measures that were looked at, the part of `above`."""
        words = [measure_words(seen, self._lang, self._cut) for seen in line.inputs if not self._is_base(line, seen)]
        if line.component == GUARANTEE:
            words = [self._say("guarantee")]
        if line.at_most is not None and line.inputs[0].value != line.terms[0].base.value:
            words = [
                f"{measure_words(line.inputs[0], self._lang)}, {self._say('at_most')} {self._number(line.at_most)}"
            ]
        if line.part is not None:
            side = self._say("part_above" if line.part.is_above else "part_up_to")
            whole = f"{self._say('of_whole')} {self._number(_whole(line.part, figures))}"
            words.append(f"{whole}, {side} {self._number(line.part.start)}")
        lead = "; ".join(words)
        base = self._base_label(line)
        return f"{lead}; {base}" if lead and base else f"{lead}: " if lead else base

    def _base_label(self, line: Line) -> str:
        if line.component not in ("pay_percent", "pay_tiers", "pay_per_unit"):
            return ""
        if line.at_most is not None and line.inputs[0].value != line.terms[0].base.value:
            return ""
        return f"{FIELDS[line.inputs[0].measure].chip.text(self._lang)}: "

    def _is_base(self, line: Line, seen: Seen) -> bool:
        """A measure that is the base of the line needs no words of its own."""
        return line.component in ("pay_percent", "pay_tiers", "pay_per_unit") and seen == line.inputs[0]

    def _sum(self, line: Line, figures: Shown) -> str:
        terms = list(self._terms(line, figures))
        added = " + ".join(terms) or "0"
        return f"({added})" if len(terms) > 1 and line.steps else added

    def _terms(self, line: Line, figures: Shown) -> Iterator[str]:
        for term, (base, factor) in zip(line.terms, figures.terms, strict=True):
            words = figure_words(base, self._lang)
            if factor is not None:
                words += f" × {figure_words(factor, self._lang)}"
            if term.tier is not None:
                words += f" ({self._tier(*term.tier)})"
            yield words

    def _tier(self, start: Fraction, end: Fraction | None) -> str:
        words = f"{self._say('tier_from')} {self._number(start)}"
        return words if end is None else f"{words} {self._say('tier_up_to')} {self._number(end)}"

    def _reason(self, step: Step) -> str:
        if step.seen is None:
            return ""
        words = measure_words(step.seen, self._lang, self._cut)
        return words if step.rows or step.factor != 1 else f"{words}, {self._say('unchanged')}"

    def _gate(self, gate: GateSeen, *, soft: bool) -> str:
        unit = Figure.of(gate.seen.measure, Fraction(0)).unit
        full_at = figure_words(Figure(gate.full_at, unit), self._lang)
        words = measure_words(gate.seen, self._lang, self._cut)
        if gate.seen.value is None and not gate.seen.as_planned and gate.share == 1:
            return f"{words}, {self._say('unchanged')}"
        if not soft or gate.start == gate.full_at:
            return f"{words}, {self._say('needed')} {full_at}"
        start = figure_words(Figure(gate.start, unit), self._lang)
        return f"{words}, {self._say('tier_from')} {start}, {self._say('full_at')} {full_at}"

    def _money(self, minor: int) -> str:
        return figure_words(Figure.money(minor), self._lang)

    def _number(self, value: Fraction | int) -> str:
        return show_number(_text(Fraction(value)), self._lang)

    def _say(self, key: str) -> str:
        return _WORDS[key].text(self._lang)


def _figure_json(figure: Figure | None) -> str | None:
    if figure is None:
        return None
    return _text(figure.value, places=2 if figure.unit is Unit.MONEY else 0)


def _line_json(line: Line, figures: Shown) -> dict[str, Any]:
    """Return the figures of a line; the sentences come later."""
    cut = figures.measures
    return {
        "rule": line.rule,
        "line": line.line,
        "component": line.component,
        "base": _figure_json(figures.base),
        "base_unit": figures.base.unit.value if figures.base else None,
        "rate": _figure_json(figures.rate),
        "rate_unit": figures.rate.unit.value if figures.rate else None,
        "amount": format_amount(line.amount),
        "sentence": "",
        "missing": line.missing,
        "at_most": line.at_most,
        "inputs": [_seen_json(seen, cut) for seen in line.inputs],
        "terms": [
            {
                "base": _figure_json(base),
                "base_unit": base.unit.value,
                "rate": _figure_json(factor),
                "rate_unit": factor.unit.value if factor else None,
                "tier": _tier_json(term),
            }
            for term, (base, factor) in zip(line.terms, figures.terms, strict=True)
        ],
        "rows": [_row_json(row, cut) for row in line.rows],
        "part": _part_json(line.part, figures),
        "steps": [_step_json(step, figure, cut) for step, figure in zip(line.steps, figures.steps, strict=True)],
    }


def _whole(part: Part, figures: Shown) -> Fraction:
    """Return what the table says so that the shown factor of the part above is what is left of it."""
    factor = figures.terms[0][1]
    if part.is_above and factor is not None and part.whole > part.start:
        return factor.value + part.start
    return readable(part.whole, figures.digits)


def _part_json(part: Part | None, figures: Shown) -> dict[str, Any] | None:
    if part is None:
        return None
    return {"whole": _text(_whole(part, figures)), "from": _text(part.start), "above": part.is_above}


def _seen_json(seen: Seen, cut: Cut) -> dict[str, Any]:
    value = None if seen.value is None else Figure.of(seen.measure, seen.value)
    return {
        "measure": seen.measure,
        "value": _figure_json(cut.figure(value)) if value else None,
        "as_planned": seen.as_planned,
    }


def _tier_json(term: Term) -> dict[str, str | None] | None:
    if term.tier is None:
        return None
    start, end = term.tier
    return {"from": _text(start), "up_to": None if end is None else _text(end)}


def _row_json(row: Between, cut: Cut) -> dict[str, Any]:
    return {
        "measure": row.measure,
        "at": _text(cut.number(row.at)),
        "row": None if row.row is None else _text(row.row),
        "low": [_text(readable(number, 2 * FEWEST_DIGITS)) for number in row.low],
        "high": [_text(readable(number, 2 * FEWEST_DIGITS)) for number in row.high],
        "value": _text(readable(row.value, 2 * FEWEST_DIGITS)),
    }


def _step_json(step: Step, figure: Figure, cut: Cut) -> dict[str, Any]:
    return {
        "step": step.kind.value,
        "rule": step.rule,
        "factor": _figure_json(figure) if step.factor is not None else None,
        "amount": None if step.amount is None else _figure_json(Figure(readable(step.amount / 100), Unit.MONEY)),
        "sentence": "",
        "rows": [_row_json(row, cut) for row in step.rows],
        "gates": [
            {
                **_seen_json(gate.seen, cut),
                "from": _text(gate.start),
                "full_at": _text(gate.full_at),
                "share": _text(readable(gate.share, 2 * FEWEST_DIGITS)),
            }
            for gate in step.gates
        ],
        "soft": step.soft,
    }


def _text(value: Fraction, places: int = 0) -> str:
    """Return a number that ends as decimal text, with at least so many decimals.

    >>> _text(Fraction(5, 2)), _text(Fraction(5, 2), 2), _text(Fraction(-95))
    ('2.5', '2.50', '-95')
    """
    while 10**places % value.denominator:
        places += 1
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}d}"
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
