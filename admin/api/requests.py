"""Requests: taken in, changed, read, explained, and what happened to them."""

import time
from typing import Final

from sqlalchemy import select

from admin.api import shapes
from admin.api.operations import Call, Operation, operation
from admin.api.problems import language
from admin.api.shapes import QueryInstant, RequestList, RequestOut
from admin.base import commit_and_wake, request_now, shell
from rules_engine import clock
from rules_engine.errors import InputError, NotFound
from rules_engine.models import Request, RequestStatus
from rules_engine.services.company.people import find_manager
from rules_engine.services.explain import explain
from rules_engine.services.queue.crash_points import reach
from rules_engine.services.records.forms import Code, Form
from rules_engine.services.records.incoming import (
    ContactIn,
    Key,
    RequestChanges,
    RequestContactIn,
    RequestIn,
    Status,
    StatusIn,
)
from rules_engine.services.requests import contacts, intake, status

MAX_WAIT_SECONDS: Final = 10
_POLL_SECONDS: Final = 0.05


class WaitQuery(Form):
    wait: shapes.Cursor = 0


class RequestsQuery(shapes.PageQuery):
    status: Status | None = None
    manager: Code | None = None
    since: QueryInstant | None = None


@operation(
    Operation(
        "receive_request",
        "POST",
        "/requests",
        "requests:write",
        "Hand a request in: 201 new, 200 the same body under the same key again, 409 another body. "
        "With `wait` up to so many seconds for the manager",
        RequestOut,
        body=RequestIn,
        query=WaitQuery,
        answers=(201, 200),
    )
)
def receive(call: Call) -> tuple[RequestOut, int]:
    received = intake.receive(call.session, call.body, now=request_now(), actor=call.actor)
    call.session.flush()
    reach(call.session, "intake.before_commit")
    commit_and_wake()
    reach(call.session, "intake.after_commit")
    if call.query.wait:
        _wait_for_manager(received.request.id, min(call.query.wait, MAX_WAIT_SECONDS))
    return _read(received.request.id), 201 if received.created else 200


@operation(
    Operation(
        "change_request",
        "PATCH",
        "/requests/{id}",
        "requests:write",
        "Change the given fields of a request",
        RequestOut,
        body=RequestChanges,
    )
)
def change(call: Call) -> tuple[RequestOut, int]:
    return _change(call, _get(call))


@operation(
    Operation(
        "change_request_by_key",
        "PATCH",
        "/requests",
        "requests:write",
        "Change the given fields of the request with this key",
        RequestOut,
        body=RequestChanges,
        query=Key,
    )
)
def change_by_key(call: Call) -> tuple[RequestOut, int]:
    found = intake.by_key(call.session, call.query.source, call.query.external_id)
    if found is None:
        raise NotFound(what=f"request {call.query.source}/{call.query.external_id}")
    return _change(call, found)


@operation(
    Operation(
        "list_requests",
        "GET",
        "/requests",
        "requests:read",
        "Requests in the order in which they were stored, a page at a time",
        RequestList,
        query=RequestsQuery,
    )
)
def list_requests(call: Call) -> tuple[RequestList, int]:
    query: RequestsQuery = call.query
    rows = select(Request).where(Request.id > query.cursor)
    if query.status is not None:
        rows = rows.where(Request.status == RequestStatus(query.status))
    if query.manager is not None:
        rows = rows.where(Request.manager_id == find_manager(call.session, query.manager).id)
    if query.since is not None:
        rows = rows.where(Request.received_at >= query.since)
    found = call.session.scalars(rows.order_by(Request.id).limit(query.limit + 1)).all()
    page = found[: query.limit]
    items = shapes.requests_out(call.session, page)
    return RequestList(items=items, next_cursor=str(page[-1].id) if len(found) > len(page) else None), 200


@operation(Operation("read_request", "GET", "/requests/{id}", "requests:read", "One request", RequestOut))
def read_request(call: Call) -> tuple[RequestOut, int]:
    return shapes.request_out(call.session, _get(call)), 200


@operation(
    Operation(
        "explain_request",
        "GET",
        "/requests/{id}/explanation",
        "requests:read",
        "Why it went to whom: fired rules with sentences, every candidate with the reason, facts, version",
        shapes.Explanation,
        query=shapes.ExplanationQuery,
    )
)
def explain_request(call: Call) -> tuple[shapes.Explanation, int]:
    lang = call.query.lang or language()
    if lang not in ("ru", "en"):
        raise InputError(path="lang", ru="допустимо: ru, en", en="must be one of: ru, en")
    _get(call)
    return shapes.Explanation.model_validate(explain.explain_request(call.session, call.id, lang, None)), 200


@operation(
    Operation(
        "record_request_contact",
        "POST",
        "/requests/{id}/contacts",
        "contacts:write",
        "A contact about this request; without `manager` it is that of the holder at that instant",
        shapes.ContactOut,
        body=RequestContactIn,
        answers=(201, 200),
    )
)
def record_contact(call: Call) -> tuple[shapes.ContactOut, int]:
    request = _get(call)
    told = call.body.model_dump(exclude={"source"}, exclude_unset=True)
    data = ContactIn(
        **told,
        source=call.body.source or call.actor,
        request=Key(source=request.source, external_id=request.external_id),
    )
    recorded = contacts.record(call.session, data, now=request_now(), actor=call.actor)
    commit_and_wake()
    return shapes.contact_out(call.session, recorded.contact), 201 if recorded.created else 200


@operation(
    Operation(
        "change_status",
        "POST",
        "/requests/{id}/status",
        "requests:write",
        "Lead a request to another status; an older `at` than that of the present one changes nothing",
        RequestOut,
        body=StatusIn,
    )
)
def change_status(call: Call) -> tuple[RequestOut, int]:
    body: StatusIn = call.body
    now = request_now()
    status.change_status(
        call.session,
        _get(call),
        RequestStatus(body.status),
        reason=body.reason,
        at=body.at or now,
        actor=call.actor,
        now=now,
    )
    commit_and_wake()
    return _read(call.id), 200


def _change(call: Call, request: Request) -> tuple[RequestOut, int]:
    intake.change(call.session, request, call.body, now=request_now(), actor=call.actor)
    commit_and_wake()
    return _read(request.id), 200


def _get(call: Call) -> Request:
    found = call.session.get(Request, call.id)
    if found is None:
        raise NotFound(what=f"request {call.id}")
    return found


def _read(request_id: int) -> RequestOut:
    """Return a request as it is stored now, after the commit: a worker may have been there already."""
    with shell().reading_sessions() as session:
        return shapes.request_out(session, session.get_one(Request, request_id))


def _wait_for_manager(request_id: int, seconds: int) -> None:
    """Wait until somebody has the request or nobody could take it, at most `seconds`."""
    until = clock.monotonic() + seconds
    decided = select(Request.id).where(
        Request.id == request_id, Request.manager_id.is_not(None) | Request.unassigned_reason.is_not(None)
    )
    while True:
        with shell().reading_sessions() as session:
            if session.scalar(decided) is not None:
                return
        if clock.monotonic() >= until:
            return
        time.sleep(_POLL_SECONDS)
