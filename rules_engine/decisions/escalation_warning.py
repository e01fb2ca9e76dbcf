"""A warning before a transfer: the holder is told some working minutes ahead that the request will go to another.

It is written like the firing of a rule, under an id that no rule can have: once an ownership, and once more where he
asked for more time in between.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rules_engine.decisions.escalation_plan import MAX_TRANSFERS, EscalationPlan, FiredRules, transfer_forecast
from rules_engine.decisions.instants import MINUTE_US, from_us, to_us
from rules_engine.decisions.request_clocks import RequestClocks
from rules_engine.language.engines.base import Facts
from rules_engine.language.kinds import Words
from rules_engine.language.model import Action

WARNING: Final = "~transfer-warning"
"""Stands for a rule; no id of a rule begins so."""
WARNING_TITLE: Final = Words("Скоро перейдёт к другому менеджеру", "About to go to another manager")
WARNING_ACTION: Final = Action("remind", {}, "", '{"action": "remind"}')


@dataclass(frozen=True, slots=True)
class TransferWarning:
    """From `at_us` on the holder is to be told that the request goes to another at `transfer_us`.

    `occurrence` is 0, after he asked for more time 1.
    """

    at_us: int
    transfer_us: int
    occurrence: int


def transfer_warning(
    plan: EscalationPlan,
    fired: FiredRules,
    clocks: RequestClocks,
    facts: Facts,
    now: datetime,
    *,
    minutes: int,
    times_reassigned: int = 0,
    max_transfers: int = MAX_TRANSFERS,
) -> TransferWarning | None:
    """Return the warning that is due now or later, supposing that nothing else happens.

    None where no transfer lies ahead, where the holder was warned, and for `minutes` 0. `minutes` are working minutes
    of the holder: it is due at the first instant from which at most so many are left until the transfer.
    """
    holder = clocks.times.holder
    if minutes <= 0 or holder is None or not any(rule.transfers for rule in plan.rules):
        return None
    occurrence = int(clocks.times.line_until_us is not None)
    told = fired.get(WARNING)
    if told is not None and told.last_occurrence >= occurrence:
        return None
    forecast = transfer_forecast(plan, fired, clocks, facts, now, times_reassigned, max_transfers)
    now_us = to_us(now)
    # One that could go now and does not is held back by others: nobody knows when it will.
    if forecast is None or to_us(forecast.at) <= now_us:
        return None
    transfer_us = to_us(forecast.at)
    spare = holder.elapsed_us(now_us, transfer_us) - minutes * MINUTE_US
    at_us = now_us if spare <= 0 else holder.add_us(now_us, spare)
    return TransferWarning(transfer_us if at_us is None else min(at_us, transfer_us), transfer_us, occurrence)


def wake_for(warning: TransferWarning | None, now: datetime) -> datetime | None:
    """Return when, strictly after `now`, a warning falls due; None where there is none to come."""
    return from_us(warning.at_us) if warning is not None and warning.at_us > to_us(now) else None
