"""The findings of the incentive audit in words: two values and the two amounts that they pay."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Protocol

from rules_engine.language.analysis.finding import FindingKind
from rules_engine.language.engines.base import Facts
from rules_engine.language.kinds import FieldType, Words
from rules_engine.language.model import Action, Ruleset
from rules_engine.language.shown import show_fraction, show_measured, show_percent, show_scaled
from rules_engine.language.vocabulary import FIELDS

Matching = Callable[[Facts], tuple[str, ...]]
_MOST_PLACES = 4
_WHOLE_FROM = 100_00

_MORE = {
    FieldType.MONEY: Words("Один рубль сверх платит", "One rouble more pays"),
    FieldType.PERCENT: Words("Сотая доля процента сверх платит", "A hundredth of a percent more pays"),
    FieldType.INTEGER: Words("Ещё одна единица платит", "One more pays"),
}
_LITTLE = Words("Чуть больше — и платится", "A little more pays")
_SUDDEN = {
    FindingKind.CLIFF: Words(
        "{step} на {more} больше при {at} ({measure}): {before} → {after}.",
        "{step} {more} more at {at} ({measure}): {before} → {after}.",
    ),
    FindingKind.FALLING_PAY: Words(
        "{step} на {more} меньше при {at} ({measure}): {before} → {after}.",
        "{step} {more} less at {at} ({measure}): {before} → {after}.",
    ),
}
_SLOW = {
    FindingKind.CLIFF: Words(
        "Между {low} и {at} ({measure}) премия растёт на {more}: {before} → {after}. Это круче среднего в десять "
        "раз и больше.",
        "Between {low} and {at} ({measure}) the bonus grows by {more}: {before} → {after}. That is at least ten times "
        "steeper than on average.",
    ),
    FindingKind.FALLING_PAY: Words(
        "От {low} до {at} ({measure}) премия становится меньше: {before} → {after}.",
        "From {low} to {at} ({measure}) the bonus gets less: {before} → {after}.",
    ),
    FindingKind.FLAT_END: Words(
        "Выше {low} ({measure}) премия больше не растёт: {before}.",
        "Above {low} ({measure}) the bonus grows no more: {before}.",
    ),
}
_ALSO = Words(" То же при {places}.", " The same at {places}.")
_UNPAID = {
    "processed_requests": Words(
        "Ещё одна обработанная заявка сама по себе не меняет премию: выгодно браться только за крупные.",
        "One more processed request by itself does not change the bonus: it pays to take large ones only.",
    ),
    "callbacks_done": Words(
        "Ещё один плановый звонок сам по себе не меняет премию: звонить старым клиентам не выгодно.",
        "One more callback by itself does not change the bonus: calling old clients does not pay.",
    ),
}
_RATE = Words(
    "Ставка {rate} больше ста процентов: начислено больше, чем оплачено.",
    "A rate of {rate} is above a hundred percent: more is paid than was received.",
)
_DOUBLE = Words(
    "Показатель «{measure}» оплачивается дважды: здесь и в правиле «{other}».",
    "“{measure}” is paid for twice: here and in the rule “{other}”.",
)
_SUBSTITUTION = Words(
    "Около {row} и {column} одна сторона обесценивает другую: рост обеих вместе стоит меньше, чем каждой отдельно.",
    "Near {row} and {column} one side makes the other worth less: both growing together pay less than each alone.",
)


class LeapLike(Protocol):
    """What is said of a leap."""

    @property
    def measure(self) -> str: ...
    @property
    def low(self) -> Fraction: ...
    @property
    def high(self) -> Fraction: ...
    @property
    def before(self) -> int: ...
    @property
    def after(self) -> int: ...
    @property
    def is_sudden(self) -> bool: ...


def leap_words(kind: FindingKind, leap: LeapLike, others: Sequence[Fraction]) -> Words:
    """Return what happens between two values; `others` are further values where the same place leaps."""
    measure = FIELDS[leap.measure]
    template = _SUDDEN[kind] if leap.is_sudden and kind in _SUDDEN else _SLOW[kind]

    def text(lang: str) -> str:
        said = template.text(lang).format(
            step=_MORE.get(measure.type, _LITTLE).text(lang),
            more=_money(_about(abs(leap.after - leap.before)), lang),
            low=show_measured(measure.type, leap.low, lang),
            at=show_measured(measure.type, leap.high, lang),
            measure=measure.chip.text(lang),
            before=_money(leap.before, lang),
            after=_money(leap.after, lang),
        )
        if others and kind is not FindingKind.FLAT_END:
            places = ", ".join(show_measured(measure.type, one, lang) for one in others[:_MOST_PLACES])
            said += _ALSO.text(lang).format(places=places + (" …" if len(others) > _MOST_PLACES else ""))
        return said

    return Words(text("ru"), text("en"))


def unpaid_words(work: str) -> Words:
    """Return that one more of some work (`processed_requests`, `callbacks_done`) pays nothing."""
    return _UNPAID[work]


def rate_words(rate: Fraction) -> Words:
    shown = {lang: show_percent(_plain(rate), lang) for lang in ("ru", "en")}
    return Words(*(_RATE.text(lang).format(rate=shown[lang]) for lang in ("ru", "en")))


def double_words(measure: str, ruleset: Ruleset, other: str) -> Words:
    rule = ruleset.rule(other)
    title = rule.title if rule else Words(other, other)
    return Words(
        *(
            _DOUBLE.text(lang).format(measure=FIELDS[measure].chip.text(lang), other=title.text(lang))
            for lang in ("ru", "en")
        )
    )


def substitution_words(action: Action, cell: tuple[Fraction, Fraction]) -> Words:
    sides = [FIELDS[action.text(side) or ""].type for side in ("rows_by", "cols_by")]
    return Words(
        *(
            _SUBSTITUTION.text(lang).format(
                row=show_measured(sides[0], cell[0], lang), column=show_measured(sides[1], cell[1], lang)
            )
            for lang in ("ru", "en")
        )
    )


def _money(minor: int, lang: str) -> str:
    return show_scaled(FieldType.MONEY, minor, lang)


def _about(minor: int) -> int:
    """Return an amount in whole roubles; a small one as it is."""
    return minor if minor < _WHOLE_FROM else (minor + 50) // 100 * 100


def _plain(value: Fraction) -> str:
    return show_fraction(value, "en").replace(",", "")
