"""Contacts of telephony and mail, also about clients without a request."""

from admin.api import shapes
from admin.api.operations import Call, Operation, operation
from admin.base import commit_and_wake, request_now
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import contacts


@operation(
    Operation(
        "record_contact",
        "POST",
        "/contacts",
        "contacts:write",
        "A contact about a request, a client or a phone; the same key again changes nothing",
        shapes.ContactOut,
        body=ContactIn,
        answers=(201, 200),
    )
)
def record(call: Call) -> tuple[shapes.ContactOut, int]:
    recorded = contacts.record(call.session, call.body, now=request_now(), actor=call.actor)
    commit_and_wake()
    return shapes.contact_out(call.session, recorded.contact), 201 if recorded.created else 200
