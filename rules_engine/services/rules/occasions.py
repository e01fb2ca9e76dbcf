"""The occasions that ship: why a client is called, in words, and with which phrase a call may begin.

An offer needs the client's consent on record (article 18 of the Russian law 38-FZ); a call about what he has already
bought, or one for which he asked himself, does not.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.language.kinds import Words
from rules_engine.language.vocabulary.actions import OCCASIONS
from rules_engine.models import Occasion

PROMISE: Final = "promise"


@dataclass(frozen=True, slots=True)
class _Shipped:
    code: str
    script: Words
    is_offer: bool = False
    ends_with_purchase: bool = False


_SHIPPED: Final = (
    _Shipped(
        PROMISE,
        Words(
            "Вы просили позвонить сегодня. Удобно говорить?",
            "You asked me to call today. Is it a good time?",
        ),
    ),
    _Shipped(
        "need_soon",
        Words(
            "Судя по прошлым заказам, скоро может понадобиться продление. Подготовить счёт?",
            "Going by your earlier orders you may need a renewal soon. Shall I prepare an invoice?",
        ),
        is_offer=True,
        ends_with_purchase=True,
    ),
    _Shipped(
        "contract_end",
        Words(
            "Ваш договор скоро заканчивается. Обсудим продление?",
            "Your contract ends soon. Shall we talk about the renewal?",
        ),
    ),
    _Shipped(
        "first_purchase",
        Words(
            "Вы недавно начали с нами работать. Всё ли получилось, что нужно поправить?",
            "You started with us recently. Did it all work, and what should we mend?",
        ),
    ),
    _Shipped(
        "refused_later",
        Words(
            "Вы откладывали решение. Изменилось ли что-нибудь с тех пор?",
            "You put the decision off. Has anything changed since?",
        ),
        is_offer=True,
        ends_with_purchase=True,
    ),
    _Shipped(
        "refused_rival",
        Words(
            "Вы выбрали другую компанию. Всё ли вас устраивает?",
            "You chose another company. Are you content with it?",
        ),
        is_offer=True,
        ends_with_purchase=True,
    ),
    _Shipped(
        "lapsing",
        Words(
            "Обычно вы обращались чаще. Что-то изменилось, чем можем помочь?",
            "You usually come more often. Has anything changed, and how can we help?",
        ),
        is_offer=True,
        ends_with_purchase=True,
    ),
    _Shipped(
        "lost",
        Words(
            "Мы давно не работали вместе. Есть ли задачи, в которых мы были бы полезны?",
            "We have not worked together for a long time. Is there anything in which we could be useful?",
        ),
        is_offer=True,
        ends_with_purchase=True,
    ),
    _Shipped(
        "returned",
        Words(
            "Рады, что вы снова с нами. Как работает то, что вы взяли?",
            "We are glad to work with you again. How does what you took work?",
        ),
    ),
    _Shipped(
        "valued",
        Words(
            "Звоню узнать, всё ли в порядке с нашими услугами.",
            "I am calling to ask whether all is well with our services.",
        ),
    ),
)
_END_WITH_PURCHASE: Final = frozenset(one.code for one in _SHIPPED if one.ends_with_purchase)
_CODES: Final = frozenset(one.code for one in _SHIPPED)


def install(session: Session) -> tuple[str, ...]:
    """Add the shipped occasions that are missing and return their codes; those that exist are left alone."""
    known = set(session.scalars(select(Occasion.code)))
    added = [one for one in _SHIPPED if one.code not in known]
    for one in added:
        session.add(
            Occasion(
                code=one.code,
                title={lang: _title(one.code, lang) for lang in ("ru", "en")},
                script={"ru": one.script.ru, "en": one.script.en},
                is_offer=one.is_offer,
            )
        )
    session.flush()
    return tuple(one.code for one in added)


def _title(code: str, lang: str) -> str:
    label = next(choice.label for choice in OCCASIONS if choice.value == code).text(lang)
    return label[0].upper() + label[1:]


def catalogue(session: Session) -> dict[str, Occasion]:
    """Return every occasion by its code."""
    return {one.code: one for one in session.scalars(select(Occasion).order_by(Occasion.id))}


def ends_with_purchase(code: str, *, is_offer: bool) -> bool:
    """Return whether a purchase makes a call on this occasion pointless; of one's own occasions the offers."""
    return code in _END_WITH_PURCHASE if code in _CODES else is_offer
