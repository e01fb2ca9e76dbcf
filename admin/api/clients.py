"""Clients as the registry of another system has them."""

from admin.api import shapes
from admin.api.operations import Call, Operation, operation
from admin.base import commit_and_wake, request_now
from rules_engine.services.clients import clients
from rules_engine.services.records.incoming import ClientIn
from rules_engine.services.records.outcome import Outcome


@operation(
    Operation(
        "put_client",
        "POST",
        "/clients",
        "clients:write",
        "Make the client with this key, or change the given fields",
        shapes.ClientOut,
        body=ClientIn,
        answers=(201, 200),
    )
)
def put(call: Call) -> tuple[shapes.ClientOut, int]:
    client, outcome = clients.put_client(call.session, call.body, now=request_now(), actor=call.actor)
    commit_and_wake()
    return shapes.client_out(call.session, client), 201 if outcome is Outcome.CREATED else 200
