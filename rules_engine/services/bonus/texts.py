"""The sentences of bonus statements that no rule says: what did not count, what was reckoned again, and months."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from rules_engine.decisions.bonus_calculator import readable
from rules_engine.decisions.bonus_figures import Figures
from rules_engine.decisions.bonus_lines import Figure, Unit
from rules_engine.decisions.bonus_words import figure_words

Text = dict[str, str]

BELOW_ZERO: Final[Text] = {
    "ru": "Строки дали меньше нуля, итог не бывает ниже нуля.",
    "en": "The lines give less than nothing; the total is never below zero.",
}

_MONTHS: Final = {
    "ru": (
        "январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь",
        "декабрь",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
}  # fmt: skip


def month_words(month: str, lang: str) -> str:
    """Return a month in words.

    >>> month_words("2026-09", "ru")
    'сентябрь 2026'
    """
    return f"{_MONTHS['ru' if lang == 'ru' else 'en'][int(month[5:]) - 1]} {month[:4]}"


def money_words(minor: int | Fraction, lang: str) -> str:
    return figure_words(Figure.money(minor), lang)


def notes_of(figures: Figures, *, with_vat: bool) -> list[Text]:
    """Return what did not count in a month and why, and how money and plans were counted."""
    return list(_notes(figures, with_vat=with_vat))


def _notes(f: Figures, *, with_vat: bool) -> Iterator[Text]:
    if with_vat:
        yield {"ru": "Оплаты посчитаны с НДС.", "en": "Payments are counted with VAT."}
    else:
        yield {"ru": "Оплаты посчитаны без НДС.", "en": "Payments are counted without VAT."}
    if f.worked is not None and f.worked != 1 and f.is_planned:
        share = Figure(readable(100 * f.worked), Unit.PERCENT)
        yield {
            "ru": f"План пересчитан по отработанному времени: {figure_words(share, 'ru')} нормы.",
            "en": f"The plan is in proportion to the time worked: {figure_words(share, 'en')} of the norm.",
        }
    if not f.is_planned:
        yield {
            "ru": "План на этот месяц не поставлен: то, что зависит от плана, не начислено.",
            "en": "There is no plan for this month: what depends on a plan pays nothing.",
        }
    open_requests = f.cohort - f.processed_of_cohort
    if open_requests:
        yield {
            "ru": f"Полученные в этом месяце заявки, не обработанные полностью: {open_requests} из {f.cohort}.",
            "en": f"Requests received in this month and not processed in full: {open_requests} of {f.cohort}.",
        }
    if f.due > f.in_time:
        yield {
            "ru": f"Ответы, данные не в срок или не данные: {f.due - f.in_time} из {f.due}.",
            "en": f"Answers given late or not given: {f.due - f.in_time} of {f.due}.",
        }
    if f.calls_due > f.calls_done_of_due:
        yield {
            "ru": f"Плановые звонки, срок которых прошёл, без засчитанного звонка: {f.calls_due - f.calls_done_of_due} "
            f"из {f.calls_due}.",
            "en": f"Callbacks whose due day is over, without a valid contact: {f.calls_due - f.calls_done_of_due} "
            f"of {f.calls_due}.",
        }
    if f.calls_not_counted:
        yield {
            "ru": f"Звонки, которые не засчитаны (не дозвонились или короткий разговор): {f.calls_not_counted}.",
            "en": f"Calls that do not count (nobody reached, or too short): {f.calls_not_counted}.",
        }


def correction_sentence(month: str, recomputed: int, closed: int, paid: int, amount: int, title: Text) -> Text:
    """Return how a correction was reckoned: recomputed, less what the closed statement says, less earlier ones."""
    words = {
        "ru": ("Перерасчёт за", "пересчитано", "по закрытому листу", "перерасчёты раньше"),
        "en": ("Correction for", "recomputed", "as closed", "earlier corrections"),
    }
    found = {}
    for lang, (lead, again, before, earlier) in words.items():
        quoted = f"«{title[lang]}»" if lang == "ru" else f"“{title[lang]}”"
        text = f"{lead} {month_words(month, lang)}, {quoted}: {again} {money_words(recomputed, lang)}"
        text += f" − {before} {money_words(closed, lang)}"
        if paid:
            text += f" − {earlier} {money_words(paid, lang)}"
        if recomputed - closed - paid != amount:
            less = {"ru": "покрыто строками выше", "en": "covered by the lines above"}[lang]
            text += f" ({less}: {money_words(amount - (recomputed - closed - paid), lang)})"
        found[lang] = f"{text} = {money_words(amount, lang)}."
    return found


def paid_before_sentence(month: str, amount: int) -> Text:
    """Return the sentence of a line that takes off what corrections of this month have paid in another one."""
    return {
        "ru": f"Начислено раньше перерасчётами в периоде {month_words(month, 'ru')}: {money_words(amount, 'ru')}.",
        "en": f"Paid before by corrections in {month_words(month, 'en')}: {money_words(amount, 'en')}.",
    }


def lower_note(month: str, difference: int) -> Text:
    """Return the note about a closed month that would pay less today: nothing is taken back by itself."""
    return {
        "ru": f"Пересчёт за {month_words(month, 'ru')} дал бы на {money_words(difference, 'ru')} меньше. Закрытый лист "
        "не меняется; только счётная ошибка исправляется, с письменного согласия работника.",
        "en": f"{month_words(month, 'en')} would pay {money_words(difference, 'en')} less today. The closed statement "
        "stays; only a counting error is put right, with the worker's written consent.",
    }


def reversed_note(revision: int, total: int) -> Text:
    """Return the note about the statement in whose place this one stands."""
    return {
        "ru": f"Лист заменяет редакцию {revision}, в которой было начислено {money_words(total, 'ru')}.",
        "en": f"This statement stands in the place of revision {revision}, which paid {money_words(total, 'en')}.",
    }
