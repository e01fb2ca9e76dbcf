"""Settings that people change in the web page. Every change is in the audit log.

The few rows are read once a transaction and kept in the session; `all_rows` also tells `reference` in the same
query whether its snapshot is still good.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, SessionTransaction

from rules_engine.db import is_sqlite
from rules_engine.errors import InputError
from rules_engine.language.kinds import Words
from rules_engine.models import AppSetting
from rules_engine.services.records import audit

Value = int | str
_CACHE = "pravila_app_settings"
_ROWS = select(AppSetting.key, AppSetting.value)


def _put_by(insert: Any) -> Any:
    statement = insert(AppSetting)
    return statement.on_conflict_do_update(index_elements=[AppSetting.key], set_={"value": statement.excluded.value})


_PUT_IN_SQLITE = _put_by(sqlite.insert)
_PUT_IN_POSTGRESQL = _put_by(postgresql.insert)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: a whole number within bounds, or one of `choices`."""

    key: str
    default: Value
    label: Words
    minimum: int = 0
    maximum: int = 1_000_000
    choices: tuple[tuple[str, Words], ...] = ()
    for_administrators: bool = False
    """Heads of sales see it and do not change it."""


ANSWER_WITHIN = "answer_within"
KEEP_DETAILS_DAYS = "keep_details_days"
AMOUNT_SHOWN = "amount_shown"
MAX_TRANSFERS = "max_transfers"
OVERLOAD_PCT = "overload_pct"
OVERLOAD_FROM = "overload_from"
TRANSFER_WARNING = "transfer_warning"
LINE_MINUTES = "line_minutes"
RETRY_MINUTES = "retry_minutes"
NEW_CLIENT_DAYS = "new_client_days"
NEW_AGAIN_AFTER_DAYS = "new_again_after_days"
PAYMENTS_VAT = "payments_vat"
PAID_REQUEST_PCT = "paid_request_pct"
BONUS_FOUR_EYES = "bonus_four_eyes"
RULES_FOUR_EYES = "rules_four_eyes"
BONUS_OBJECTIONS_DAY = "bonus_objections_day"
BONUS_APPROVAL_DAY = "bonus_approval_day"
NOTIFY_PRIVATE_ADDRESSES = "notify_private_addresses"

CALL_FREQUENCY_DAYS = "call_frequency_days"
CALL_CYCLE_DAYS = "call_cycle_days"
CALL_ATTEMPTS = "call_attempts"
CALLS_PER_DAY = "calls_per_day"
VALID_CALL_SECONDS = "valid_call_seconds"
MAX_HOLDS = "max_holds"
HOLD_EXTRA_PER_DAY = "hold_extra_per_day"

SETTINGS: Mapping[str, Setting] = {
    setting.key: setting
    for setting in (
        Setting(
            ANSWER_WITHIN,
            30,
            Words("срок ответа, если правило его не называет, рабочих минут", "answer within, where no rule says, min"),
            minimum=1,
            maximum=10_000,
        ),
        Setting(
            RETRY_MINUTES,
            15,
            Words("заявку, которую некому взять, смотреть снова каждые, минут", "retry an untaken request every, min"),
            minimum=1,
            maximum=1_440,
        ),
        Setting(
            MAX_TRANSFERS,
            2,
            Words("автоматических передач одной заявки, не более", "automatic transfers of one request, at most"),
            maximum=20,
        ),
        Setting(
            OVERLOAD_PCT,
            20,
            Words(
                "заявок отдела не в срок одновременно, %: выше — перегрузка, передач нет",
                "requests of a team late at once, %: above it is an overload, without transfers",
            ),
            minimum=1,
            maximum=100,
        ),
        Setting(
            OVERLOAD_FROM,
            10,
            Words(
                "заявок отдела не в срок одновременно: меньше этого числа — не перегрузка",
                "requests of a team late at once: fewer than this is no overload",
            ),
            minimum=1,
            maximum=10_000,
        ),
        Setting(
            TRANSFER_WARNING,
            10,
            Words(
                "предупредить менеджера до передачи заявки, рабочих минут (0: не предупреждать)",
                "warn the manager before a transfer, working minutes (0: never)",
            ),
            maximum=480,
        ),
        Setting(
            LINE_MINUTES,
            15,
            Words("«клиент на линии» продлевает на, рабочих минут", "“client on the line” puts off by, working min"),
            minimum=1,
            maximum=120,
        ),
        Setting(
            AMOUNT_SHOWN,
            "after_answer",
            Words("сумма заявки видна менеджеру", "the manager sees the amount of a request"),
            choices=(
                ("after_answer", Words("после первого ответа", "after the first answer")),
                ("always", Words("всегда", "always")),
                ("never", Words("никогда", "never")),
            ),
        ),
        Setting(
            NEW_CLIENT_DAYS,
            60,
            Words(
                "оплаты нового клиента: столько дней с его первой оплаты",
                "new money: so many days from the first payment",
            ),
            minimum=0,
            maximum=3_650,
        ),
        Setting(
            NEW_AGAIN_AFTER_DAYS,
            0,
            Words(
                "клиент снова новый после стольких дней без оплат (0: никогда)",
                "a client is new again after so many days without payments (0: never)",
            ),
            minimum=0,
            maximum=3_650,
        ),
        Setting(
            PAYMENTS_VAT,
            "with",
            Words("оплаты считаются", "payments are counted"),
            choices=(("with", Words("с НДС", "with VAT")), ("without", Words("без НДС", "without VAT"))),
        ),
        Setting(
            CALL_FREQUENCY_DAYS,
            21,
            Words("на один номер звонить не чаще раза в, дней", "call one number not more often than once in, days"),
            minimum=1,
            maximum=365,
        ),
        Setting(
            CALL_CYCLE_DAYS,
            182,
            Words("по тому же поводу звонить снова через, дней", "call again for the same cause after, days"),
            minimum=1,
            maximum=3_650,
        ),
        Setting(
            CALL_ATTEMPTS,
            3,
            Words("попыток дозвониться, не более", "attempts to reach a client, at most"),
            minimum=1,
            maximum=20,
        ),
        Setting(
            CALLS_PER_DAY,
            6,
            Words("порция плановых звонков в день на полную ставку", "portion of callbacks a day for a full position"),
            minimum=1,
            maximum=500,
        ),
        Setting(
            VALID_CALL_SECONDS,
            30,
            Words("засчитанный звонок длится не менее, секунд", "a valid contact lasts at least, seconds"),
            minimum=1,
            maximum=3_600,
        ),
        Setting(
            MAX_HOLDS,
            3,
            Words(
                "приостановок новых заявок одному менеджеру в месяц, не более",
                "holds on new requests of one manager a month, at most",
            ),
            minimum=1,
            maximum=31,
        ),
        Setting(
            HOLD_EXTRA_PER_DAY,
            3,
            Words(
                "после приостановки навёрстывается сверх нормы, заявок в день, не более",
                "after a hold made up for beyond the due of a day, requests, at most",
            ),
            maximum=100,
        ),
        Setting(
            PAID_REQUEST_PCT,
            100,
            Words("заявка оплачена, когда оплачено от её суммы не менее, %", "a request is paid from so many % of it"),
            minimum=1,
            maximum=100,
        ),
        Setting(
            BONUS_OBJECTIONS_DAY,
            5,
            Words("возражения по премии за месяц — до числа следующего", "objections to a bonus until the day"),
            minimum=1,
            maximum=28,
        ),
        Setting(
            BONUS_APPROVAL_DAY,
            8,
            Words("утверждение премии — до числа следующего месяца", "a bonus is approved by the day"),
            minimum=1,
            maximum=28,
        ),
        Setting(
            BONUS_FOUR_EYES,
            "on",
            Words("премию утверждает не автор её правил", "the bonus is approved by another than the rules' author"),
            choices=(("on", Words("да", "yes")), ("off", Words("нет, работает один человек", "no, one person alone"))),
        ),
        Setting(
            RULES_FOUR_EYES,
            "on",
            Words("правила утверждает не их автор", "rules are approved by another than their author"),
            choices=(("on", Words("да", "yes")), ("off", Words("нет, работает один человек", "no, one person alone"))),
        ),
        Setting(
            KEEP_DETAILS_DAYS,
            400,
            Words("хранить подробности решений, дней", "keep the details of decisions, days"),
            minimum=30,
            maximum=10_000,
        ),
        Setting(
            NOTIFY_PRIVATE_ADDRESSES,
            "off",
            Words(
                "сообщения людям можно слать и во внутреннюю сеть",
                "messages to people may also go into the internal network",
            ),
            choices=(("off", Words("нет", "no")), ("on", Words("да", "yes"))),
            for_administrators=True,
        ),
    )
}

MOVES_CLOCKS = (MAX_TRANSFERS, OVERLOAD_PCT, OVERLOAD_FROM, TRANSFER_WARNING, LINE_MINUTES)
"""Whoever changes one of these has the open requests looked at: what is due for them may be due at another instant."""


def number(session: Session, key: str) -> int:
    """Return a setting that is a whole number. Raises KeyError for a key that is none of SETTINGS."""
    return int(all_rows(session).get(key, SETTINGS[key].default))


def choice(session: Session, key: str) -> str:
    """Return a setting that is one of its choices. Raises KeyError for a key that is none of SETTINGS."""
    return str(all_rows(session).get(key, SETTINGS[key].default))


def change(session: Session, key: str, value: object, *, actor: str) -> None:
    """Set a setting and note it in the audit log; the same value again changes nothing.

    Raises InputError for an unknown key and for a value that the setting does not allow.
    """
    setting = SETTINGS.get(key)
    if setting is None:
        raise InputError(path=key, ru="такой настройки нет", en="there is no such setting")
    checked = _checked(setting, value)
    before = all_rows(session).get(key, setting.default)
    if checked == before:
        return
    put(session, key, checked)
    audit.record(
        session,
        actor=actor,
        action="update",
        subject_kind="setting",
        subject_id=key,
        before={"value": before},
        after={"value": checked},
    )


def put(session: Session, key: str, value: Value) -> None:
    """Write a row of the table as it is, without check and without audit."""
    # Made once: every change of a person or a calendar comes here.
    statement = _PUT_IN_SQLITE if is_sqlite(session) else _PUT_IN_POSTGRESQL
    session.connection().execute(statement, {"key": key, "value": {"value": value}})
    session.info.pop(_CACHE, None)


def all_rows(session: Session) -> Mapping[str, Any]:
    """Return every stored value by key, as it was at the first question of this transaction."""
    rows: dict[str, Any] | None = session.info.get(_CACHE)
    if rows is None:
        stored = session.connection().execute(_ROWS).all()
        rows = session.info[_CACHE] = {key: value.get("value") for key, value in stored}
    return rows


def _checked(setting: Setting, value: object) -> Value:
    if setting.choices:
        allowed = [name for name, _ in setting.choices]
        if value in allowed:
            return str(value)
        raise InputError(
            path=setting.key, ru=f"возможно: {', '.join(allowed)}", en=f"must be one of {', '.join(allowed)}"
        )
    try:
        whole = int(str(value).strip())
    except ValueError:
        raise InputError(path=setting.key, ru="нужно целое число", en="a whole number is needed") from None
    if not setting.minimum <= whole <= setting.maximum:
        raise InputError(
            path=setting.key,
            ru=f"от {setting.minimum} до {setting.maximum}",
            en=f"from {setting.minimum} to {setting.maximum}",
        )
    return whole


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    # A flush and a savepoint that was released end nothing.
    if transaction.parent is None:
        session.info.pop(_CACHE, None)


@event.listens_for(Session, "after_soft_rollback")
def _forget_what_was_rolled_back(session: Session, _transaction: SessionTransaction) -> None:
    # A savepoint may have taken a change of a setting with it.
    session.info.pop(_CACHE, None)
