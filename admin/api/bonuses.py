"""Bonus statements of a month, read only: what was computed, and in which state it is."""

from datetime import datetime
from typing import Any

from pydantic import Field

from admin.api.operations import Call, Operation, operation
from admin.api.problems import language
from admin.api.shapes import Document
from admin.base import request_now
from rules_engine.services.bonus import show
from rules_engine.services.records.forms import Code, Form


class BonusesQuery(Form):
    manager: Code | None = None


class BonusLineOut(Document):
    rule: str
    line: str
    component: str
    base: str | None = Field(examples=["35000.00"], description="null: there was nothing to pay by")
    base_unit: str | None
    rate: str | None = Field(description="base × rate, then the steps, rounded once, is the amount")
    rate_unit: str | None
    amount: str = Field(examples=["14656.60"])
    sentence: str
    basis: str
    correction_of: int | None
    missing: str | None
    at_most: int | None
    inputs: list[dict[str, Any]]
    terms: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    part: dict[str, Any] | None
    steps: list[dict[str, Any]]


class BonusStatementOut(Document):
    id: int
    manager: str = Field(description="login")
    total: str = Field(examples=["24676.60"])
    lines: list[BonusLineOut]
    notes: list[str] = Field(description="what did not count, and why")


class BonusPeriodOut(Document):
    period: str = Field(examples=["2026-10"])
    state: str = Field(description="computed, presented, approved, closed")
    revision: int
    version: int | None = Field(description="number of the bonus rules in force when the month began")
    provisional: bool = Field(description="the month is not over")
    computed_at: datetime
    statements: list[BonusStatementOut]


@operation(
    Operation(
        "read_bonuses",
        "GET",
        "/bonuses/{period}",
        "bonuses:read",
        "The bonus of a month: the statements of all managers or of one",
        BonusPeriodOut,
        query=BonusesQuery,
    )
)
def read(call: Call) -> tuple[BonusPeriodOut, int]:
    query: BonusesQuery = call.query
    document = show.period_document(
        call.session, call.period, lang=language(), now=request_now(), manager=query.manager
    )
    return BonusPeriodOut.model_validate(document), 200
