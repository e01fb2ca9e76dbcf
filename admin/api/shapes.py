"""What the interface answers with: the documents, and how rows become them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.money import format_amount
from rules_engine.models import (
    Client,
    Contact,
    MoneyClass,
    Payment,
    PaymentKind,
    Request,
    Task,
    TaskKind,
    TaskState,
    WorkKind,
)
from rules_engine.services.company.reference import reference
from rules_engine.services.queue import work
from rules_engine.services.records.forms import Code, Form, Instant, refused
from rules_engine.services.records.incoming import Status

MOST_ITEMS = 500
_DEFAULT_ITEMS = 100


def _number(value: object) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 18:
        raise refused("нужно целое число", "must be a whole number")
    return int(value)


def _instant_of_query(value: object) -> object:
    # A bare plus sign in an address means a space; the sender meant his offset.
    if isinstance(value, str) and len(value) > 6 and value[-6] == " ":
        return f"{value[:-6]}+{value[-5:]}"
    return value


Cursor = Annotated[int, BeforeValidator(_number)]
Limit = Annotated[int, BeforeValidator(_number), Field(ge=1, le=MOST_ITEMS)]
QueryInstant = Annotated[Instant, BeforeValidator(_instant_of_query)]


class PageQuery(Form):
    cursor: Cursor = 0
    limit: Limit = _DEFAULT_ITEMS


class Document(BaseModel):
    """An answer. A field is never left out: what is empty stands as null."""

    model_config = ConfigDict(frozen=True)


class RequestOut(Document):
    id: int
    source: str
    external_id: str
    status: Status
    received_at: datetime
    assigned_at: datetime | None
    first_answer_at: datetime | None
    manager: str | None = Field(description="login of the holder")
    client_id: int | None
    service: str | None
    channel: str | None
    region: str | None
    amount: str | None = Field(examples=["14500.00"])
    answer_due_at: datetime | None
    due_at: datetime | None = Field(description="answer_due_at until the first answer, then that of the task")
    quarantined: bool = Field(description="set aside after errors: a person looks at it")


class RequestList(Document):
    items: list[RequestOut]
    next_cursor: str | None


class ContactOut(Document):
    id: int
    source: str
    external_id: str
    at: datetime
    kind: str
    direction: str
    outcome: str | None
    note: str
    duration_seconds: int | None
    proof: str
    is_automatic: bool
    manager: str | None
    client_id: int | None
    request_id: int | None


class ClientOut(Document):
    id: int
    source: str
    external_id: str
    name: str
    inn: str | None
    phones: list[str]
    emails: list[str]
    region: str | None
    segment: str | None
    tags: list[str]
    owner: str | None
    cover: str | None
    do_not_call: bool


class CreditOut(Document):
    manager: str = Field(description="login")
    share: str = Field(description="percent of the payment", examples=["100.00"])
    amount: str = Field(examples=["14500.00"])


class PaymentOut(Document):
    id: int
    source: str
    external_id: str
    client_id: int
    request_id: int | None
    manager: str | None = Field(description="login of whoever earned it before any split")
    paid_at: datetime
    month: str = Field(examples=["2026-10"])
    amount: str = Field(description="below zero for a refund", examples=["14500.00"])
    vat_amount: str | None
    kind: PaymentKind
    money_class: MoneyClass = Field(description="new or old money")
    service: str | None
    organization: str | None
    invoice: str | None
    reverses_id: int | None = Field(description="id of the payment that a refund pays back")
    credits: list[CreditOut]
    problems: list[str] = Field(description="why a person must look at it; empty: nothing is unclear")


class Texts(Document):
    ru: str
    en: str


class TaskOut(Document):
    id: int
    kind: TaskKind
    state: TaskState
    manager: str
    request_id: int | None
    client_id: int | None
    title: Texts
    reason: Texts
    rule: str | None
    created_at: datetime
    due_at: datetime | None
    done_at: datetime | None
    outcome: str | None
    note: str
    times_postponed: int


class TaskList(Document):
    items: list[TaskOut]
    next_cursor: str | None


class Completed(TaskOut):
    next_task: TaskOut | None = Field(description="what is to be done next about the request")


class Explanation(Document):
    """The stored explanation; see docs/api.md for its parts."""

    model_config = ConfigDict(extra="allow")


class ExplanationQuery(Form):
    lang: Code | None = None


def requests_out(session: Session, rows: Sequence[Request]) -> list[RequestOut]:
    """Return requests as documents, in three queries however many there are."""
    picture = reference(session)
    ids = [row.id for row in rows]
    aside = work.quarantined_among(session, WorkKind.REQUEST, ids)
    dues: dict[int | None, datetime | None] = {}
    if ids:
        open_ones = select(Task.request_id, Task.due_at).where(
            Task.request_id.in_(ids), Task.state == TaskState.OPEN, Task.kind == TaskKind.REQUEST
        )
        dues = {row.request_id: row.due_at for row in session.execute(open_ones)}
    return [
        RequestOut(
            id=row.id,
            source=row.source,
            external_id=row.external_id,
            status=row.status.value,
            received_at=row.received_at,
            assigned_at=row.assigned_at,
            first_answer_at=row.first_answer_at,
            manager=picture.login_of(row.manager_id),
            client_id=row.client_id,
            service=row.service,
            channel=row.channel,
            region=row.region,
            amount=None if row.amount_minor is None else format_amount(row.amount_minor),
            answer_due_at=row.answer_due_at,
            due_at=row.answer_due_at if row.first_answer_at is None else dues.get(row.id),
            quarantined=row.id in aside,
        )
        for row in rows
    ]


def request_out(session: Session, row: Request) -> RequestOut:
    return requests_out(session, [row])[0]


def payment_out(session: Session, row: Payment) -> PaymentOut:
    picture = reference(session)
    return PaymentOut(
        id=row.id,
        source=row.source,
        external_id=row.external_id,
        client_id=row.client_id,
        request_id=row.request_id,
        manager=picture.login_of(row.manager_id),
        paid_at=row.paid_at,
        month=row.month,
        amount=format_amount(row.amount_minor),
        vat_amount=None if row.vat_minor is None else format_amount(row.vat_minor),
        kind=row.kind,
        money_class=row.money_class,
        service=row.service,
        organization=row.organization,
        invoice=row.invoice,
        reverses_id=row.reverses_id,
        credits=[
            CreditOut(
                manager=picture.login_of(credit.manager_id) or "",
                # A hundredth of a percent is a basis point, as a kopeck is of a ruble.
                share=format_amount(credit.share_bp),
                amount=format_amount(credit.amount_minor),
            )
            for credit in row.credits
        ],
        problems=row.problems,
    )


def contact_out(session: Session, row: Contact) -> ContactOut:
    return ContactOut(
        id=row.id,
        source=row.source,
        external_id=row.external_id,
        at=row.at,
        kind=row.kind,
        direction=row.direction,
        outcome=row.outcome,
        note=row.note,
        duration_seconds=row.duration_seconds,
        proof=row.proof.value,
        is_automatic=row.is_automatic,
        manager=reference(session).login_of(row.manager_id),
        client_id=row.client_id,
        request_id=row.request_id,
    )


def client_out(session: Session, row: Client) -> ClientOut:
    picture = reference(session)
    return ClientOut(
        id=row.id,
        source=row.source,
        external_id=row.external_id,
        name=row.name,
        inn=row.inn,
        phones=[point.value for point in row.points if point.kind == "phone"],
        emails=[point.value for point in row.points if point.kind == "email"],
        region=row.region,
        segment=row.segment,
        tags=list(row.tags),
        owner=picture.login_of(row.owner_id),
        cover=picture.login_of(row.cover_id),
        do_not_call=row.do_not_call,
    )


def task_values(session: Session, row: Task, due_at: datetime | None) -> dict[str, Any]:
    """Return the fields of a task; `due_at` is the due time that people see."""
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "manager": reference(session).login_of(row.manager_id) or "",
        "request_id": row.request_id,
        "client_id": row.client_id,
        "title": Texts.model_validate(row.title),
        "reason": Texts.model_validate(row.reason),
        "rule": row.rule,
        "created_at": row.created_at,
        "due_at": due_at,
        "done_at": row.done_at,
        "outcome": row.outcome,
        "note": row.note,
        "times_postponed": row.times_postponed,
    }
