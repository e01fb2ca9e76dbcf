"""Why this manager, and why not me: in words, from the stored outcome alone; nothing is decided again."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from rules_engine.decisions.field_words import condition_words, decimal_words, quoted
from rules_engine.language.model import OTHERWISE, Pool
from rules_engine.language.references import References
from rules_engine.language.sentence_params import pool_words

_KINDS: Final = {
    "left_unassigned": (
        "Заявка оставлена без менеджера по правилу {rule}; сообщение получил руководитель. Причина: {reason}",
        "The request was left without a manager by the rule {rule}; the head was told. Reason: {reason}",
    ),
    "waiting": (
        "Заявка ждёт менеджера {manager} по правилу {rule}: он отсутствует.",
        "The request waits for {manager} by the rule {rule}: he is absent.",
    ),
    "nobody": (
        "Заявку пока никто не может взять; руководителю сообщено.",
        "Nobody can take the request yet; the head was told.",
    ),
}
_REASONS: Final = {
    "inactive": ("больше не работает", "no longer works here"),
    "absent": ("отсутствует", "absent"),
    "on_hold": ("новые заявки приостановлены", "new requests are on hold"),
    "daily_cap": (
        "сегодня получено заявок: {seen}, предел: {limit}",
        "requests received today: {seen}, limit: {limit}",
    ),
    "open_cap": ("открытых заявок: {seen}, предел: {limit}", "open requests: {seen}, limit: {limit}"),
    "just_lost": (
        "эта заявка только что передана от него другому менеджеру",
        "this request has just been reassigned from him",
    ),
    "excepted": ("исключён правилом", "excepted by the rule"),
    "among": ("не подходит по условию правила", "does not meet the rule's condition"),
}
_NO_ONE: Final = ("{pool}: никого нет", "{pool}: there is nobody")
_EMPTY: Final = {
    "team": ("{pool}: в отделе нет ни одного менеджера", "{pool}: the team has no managers"),
    "team_of_owner": ("{pool}: в отделе нет ни одного менеджера", "{pool}: the team has no managers"),
    "everyone": ("{pool}: в компании нет ни одного менеджера", "{pool}: the company has no managers"),
    "duty": ("{pool}: сейчас никто не дежурит", "{pool}: nobody is on duty now"),
    "skill": ("{pool}: этого умения нет ни у кого", "{pool}: nobody has this skill"),
}
_CHOSEN_BY: Final = {
    "fair_share": ("у кого больше недобор заявок", "whoever has the largest shortfall"),
    "round_robin": ("по очереди", "round robin"),
    "least_loaded": ("наименее загруженный", "the least loaded"),
}
HIDDEN_STEP: Final = "hidden"
"""Stands for the side of the mean on which a request stands, for who may not know what it is worth."""
_LEVEL: Final = {
    None: (
        "Наравне по недобору (разница не более ½ заявки): {level}; дольше всех без новой заявки: {name}.",
        "Level by shortfall (within ½ a request): {level}; the longest without a request: {name}.",
    ),
    "large": (
        "Наравне по недобору (разница не более ½ заявки): {level}. Сумма заявки не меньше средней за 90 дней, поэтому "
        "её получает тот из них, кто больше отстаёт по сумме: {name}.",
        "Level by shortfall (within ½ a request): {level}. The request is worth at least the mean of the last 90 days, "
        "so it goes to the one of them who is furthest behind in value: {name}.",
    ),
    HIDDEN_STEP: (
        "Наравне по недобору (разница не более ½ заявки): {level}. Среди них решает сумма заявки: {name}.",
        "Level by shortfall (within ½ a request): {level}. Among them the value of the request decides: {name}.",
    ),
    "small": (
        "Наравне по недобору (разница не более ½ заявки): {level}. Сумма заявки меньше средней за 90 дней, поэтому "
        "её получает тот из них, кто больше впереди по сумме: {name}.",
        "Level by shortfall (within ½ a request): {level}. It is worth less than the mean of the last 90 days, "
        "so it goes to the one of them who is furthest ahead in value: {name}.",
    ),
}
_CATCHING_UP: Final = (
    "{figures}; навёрстывает: сегодня сверх нормы {today} из {limit}, на следующие дни отложено: {left}",
    "{figures}; catching up: {today} beyond his due today, at most {limit}; left for later days: {left}",
)


def explain_assignment(
    outcome: Mapping[str, Any], lang: str, for_manager: str | None = None, names: References | None = None
) -> list[str]:
    """Return sentences that explain a stored outcome (AssignmentOutcome.to_json) in `lang`.

    First what was decided and why, then the rules that were passed over. `for_manager`, a login, adds the answer
    to "why not me". Counts and shortfalls are told, money is not. `names` are those of teams and people.
    """
    say = _Say(outcome, lang, names)
    lines = list(say.decision())
    lines += say.passed_over()
    if for_manager is not None:
        lines += say.why_not(for_manager)
    return lines


def reason_words(reason: Mapping[str, Any], lang: str) -> str:
    """Return why a candidate was not eligible, from the `reason` of a stored candidate."""
    if reason["code"] == "among" and reason.get("field"):
        return condition_words(
            reason["field"], reason["op"], reason["limit"], reason["seen"], lang, unwanted=reason["unwanted"]
        )
    return _pick(_REASONS[reason["code"]], lang).format(**reason)


def candidate_words(candidate: Mapping[str, Any], lang: str) -> str:
    """Return one line on a stored candidate: eligible with his place and figures, or why not. No money."""
    if candidate["reason"]:
        return f"{_name(candidate)}: {reason_words(candidate['reason'], lang)}"
    figures = _figures(candidate, lang)
    place = _pick(("место {place}", "place {place}"), lang).format(place=candidate["place"])
    return f"{_name(candidate)}: {place}; {figures}"


def pool_name(attempt: Mapping[str, Any], lang: str, names: References | None = None) -> str:
    """Return the pool of a stored attempt in words."""
    return pool_words(Pool(attempt["pool"], attempt["argument"], ""), lang, names)


def choice_words(attempt: Mapping[str, Any], lang: str) -> list[str]:
    """Return how the strategy of a stored attempt came to its choice; nothing for a pool of one person."""
    if attempt["strategy"] is None:
        return []
    eligible = [item for item in attempt["candidates"] if item["eligible"]]
    chosen = next(item for item in eligible if item["place"] == 1)
    how = ("Кого выбрать: {how}. Подходили: {n} из {all}.", "Whom to choose: {how}. Eligible: {n} of {all}.")
    lines = [
        *([_pick(_HOLDS_IGNORED, lang)] if attempt.get("ignores_holds") else []),
        _pick(how, lang).format(
            how=_pick(_CHOSEN_BY[attempt["strategy"]], lang), n=len(eligible), all=len(attempt["candidates"])
        ),
        f"{_name(chosen)}: {_figures(chosen, lang)}.",
    ]
    if attempt["strategy"] == "fair_share":
        largest = max(Fraction(item["shortfall"]) for item in eligible)
        level = sum(largest - Fraction(item["shortfall"]) <= Fraction(1, 2) for item in eligible)
        if level > 1:
            words = _LEVEL[attempt.get("value_step")]
            lines.append(_pick(words, lang).format(level=level, name=_name(chosen)))
    return lines


_HOLDS_IGNORED: Final = (
    "Новые заявки приостановлены у всех, кто подходит, поэтому приостановка не учтена.",
    "New requests of everybody who is eligible are on hold, so the hold was not counted.",
)


class _Say:
    def __init__(self, outcome: Mapping[str, Any], lang: str, names: References | None) -> None:
        self._names = names
        self._outcome = outcome
        self._lang = lang
        self._attempts: list[Mapping[str, Any]] = outcome["attempts"]

    def _text(self, ru: str, en: str, **data: object) -> str:
        return _pick((ru, en), self._lang).format(**data)

    def _title(self, rule: str | None) -> str:
        title = self._outcome["titles"].get(rule or "", {})
        return quoted(title.get(self._lang) or title.get("ru") or rule or "", self._lang)

    def decision(self) -> Iterator[str]:
        outcome = self._outcome
        if outcome["kind"] != "assigned":
            yield _pick(_KINDS[outcome["kind"]], self._lang).format(
                rule=self._title(outcome["rule"] or self._waiting_rule()),
                reason=outcome["reason"],
                manager=self._waited_for(),
            )
            return
        deciding = self._attempts[-1]
        chosen = next(item for item in deciding["candidates"] if item["place"] == 1)
        if outcome["rule"] == OTHERWISE:
            yield self._text(
                "Заявку получает: {name}. Ни одно правило её не взяло, действует строка {rule}.",
                "The request goes to: {name}. No rule took it, the line {rule} applies.",
                name=_name(chosen),
                rule=self._title(OTHERWISE),
            )
        else:
            yield self._text(
                "Заявку получает: {name}. Правило: {rule}.",
                "The request goes to: {name}. Rule: {rule}.",
                name=_name(chosen),
                rule=self._title(outcome["rule"]),
            )
        yield self._text("Кому: {pool}.", "To: {pool}.", pool=self._pool(deciding))
        if outcome["answer_within"] is not None:
            yield self._text(
                "Срок ответа: {n} рабочих мин.", "Answer within: {n} working min.", n=outcome["answer_within"]
            )
        yield from choice_words(deciding, self._lang)

    def passed_over(self) -> Iterator[str]:
        for item in self._outcome["passed_over"]:
            tried = [attempt for attempt in self._attempts if attempt["rule"] == item["rule"]]
            why = "; ".join(self._nobody(attempt) for attempt in tried)
            if item["reason"] == "no_candidate":
                yield self._text(
                    "Правило {rule} подошло, но взять заявку никто не мог: {why}.",
                    "The rule {rule} matched, but nobody could take the request: {why}.",
                    rule=self._title(item["rule"]),
                    why=why or "—",
                )

    def why_not(self, login: str) -> Iterator[str]:
        mine = [
            (attempt, item) for attempt in self._attempts for item in attempt["candidates"] if item["login"] == login
        ]
        if not mine:
            pools = ", ".join(dict.fromkeys(self._pool(attempt) for attempt in self._attempts))
            yield self._text(
                "Вас не было среди тех, из кого выбирали: {pools}.",
                "You were not among those to choose from: {pools}.",
                pools=pools or "—",
            )
        for attempt, item in mine:
            lead = f"{self._title(attempt['rule'])}, {self._pool(attempt)}"
            if item["place"] == 1:
                yield self._text("{lead}: выбраны вы.", "{lead}: you were chosen.", lead=lead)
            elif item["eligible"]:
                yield self._text(
                    "{lead}: ваше место {place} из {eligible}; {figures}.",
                    "{lead}: your place was {place} of {eligible}; {figures}.",
                    lead=lead,
                    place=item["place"],
                    eligible=sum(other["eligible"] for other in attempt["candidates"]),
                    figures=_figures(item, self._lang),
                )
            else:
                yield f"{lead}: {reason_words(item['reason'], self._lang)}."

    def _nobody(self, attempt: Mapping[str, Any]) -> str:
        pool = self._pool(attempt)
        candidates = attempt["candidates"]
        if not candidates:
            return _pick(_EMPTY.get(attempt["pool"], _NO_ONE), self._lang).format(pool=pool)
        if len(candidates) == 1:
            return f"{pool}: {candidate_words(candidates[0], self._lang)}"
        return self._text(
            "{pool}: не подошёл никто из {n}", "{pool}: none of {n} was eligible", pool=pool, n=len(candidates)
        )

    def _pool(self, attempt: Mapping[str, Any]) -> str:
        return pool_name(attempt, self._lang, self._names)

    def _waiting_rule(self) -> str | None:
        return next((item["rule"] for item in self._outcome["passed_over"] if item["reason"] == "waiting"), None)

    def _waited_for(self) -> str:
        rule = self._waiting_rule()
        for attempt in self._attempts:
            for item in attempt["candidates"]:
                if attempt["rule"] == rule and item["reason"] and item["reason"]["code"] == "absent":
                    return _name(item)
        return "—"


def _figures(candidate: Mapping[str, Any], lang: str) -> str:
    """Return count and shortfall (or surplus), or open requests where no shortfall was computed."""
    if candidate["shortfall"] is None:
        return _pick(("открытых заявок: {n}", "open requests: {n}"), lang).format(n=candidate["open"])
    shortfall = Fraction(candidate["shortfall"])
    words = ("получено за месяц: {n}, {what}: {d}", "received this month: {n}, {what}: {d}")
    what = ("недобор", "shortfall") if shortfall >= 0 else ("перебор", "surplus")
    figures = _pick(words, lang).format(
        n=candidate["count"], what=_pick(what, lang), d=decimal_words(abs(shortfall), lang)
    )
    caught = candidate.get("catch_up")
    if not caught:
        return figures
    return _pick(_CATCHING_UP, lang).format(
        figures=figures,
        today=decimal_words(max(Fraction(caught["today"]), Fraction(0)), lang),
        limit=caught["limit"],
        left=decimal_words(Fraction(caught["put_off"]), lang),
    )


def _name(candidate: Mapping[str, Any]) -> str:
    return str(candidate["name"] or candidate["login"])


def _pick(words: tuple[str, str], lang: str) -> str:
    return words[0] if lang == "ru" else words[1]
