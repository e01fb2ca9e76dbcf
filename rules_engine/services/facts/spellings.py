"""How the texts of a request and of its client are written in their rows, for whoever shows the facts of them."""

from rules_engine.language.spelling import Spellings
from rules_engine.models import Client, Request


def of_request(request: Request) -> Spellings:
    """Return the texts of a request and of its client as they are written now."""
    return {
        **of_client(request.client),
        "request.source": [request.source],
        "request.region": [request.region or ""],
        "request.city": [request.city or ""],
        "request.language": [request.language or ""],
        "request.text": [request.text],
        "request.tags": request.tags or (),
    }


def of_client(client: Client | None) -> Spellings:
    """Return the texts of a client as they are written now; nothing for None."""
    return {} if client is None else {"client.region": [client.region or ""], "client.tags": client.tags or ()}
