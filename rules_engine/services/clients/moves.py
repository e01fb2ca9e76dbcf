"""A planned move of a client comes to its day: the client and the calls planned with him go to the new manager."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import Callback, Client, ClientMove, MoveState, WorkKind
from rules_engine.services.callbacks.outcomes import OPEN
from rules_engine.services.callbacks.people import Callers
from rules_engine.services.clients.clients import firms_of
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.messages import outbox
from rules_engine.services.queue import work
from rules_engine.services.requests.overdue_actions import give_client, move_call


def look(session: Session, move_id: int, now: datetime) -> datetime | None:
    """Carry out a move whose day has come; return when to look again, None where nothing is left to do.

    The other firms of his group go along, so what is planned for them finds them there. A client whom somebody else has
    given away in the meantime stays where he is. Where the new manager has left too, fair share in the old one's team
    chooses; where nobody is here, the heads are told and it is tried again on the next working day.
    """
    move = session.get(ClientMove, move_id, with_for_update=True, populate_existing=True)
    if move is None or move.state is not MoveState.PLANNED:
        return None
    if move.at > now:
        return move.at
    calls = select(Callback.id).where(
        Callback.client_id.in_(firms_of(session, move.client_id)),
        Callback.manager_id == move.from_manager_id,
        Callback.state.in_(OPEN),
    )
    call_ids = session.scalars(calls.order_by(Callback.id)).all()
    # Before the client is locked: see the order of locks in queue/work.py.
    work.lock_items(session, WorkKind.CALLBACK, call_ids)
    client = session.get_one(Client, move.client_id, with_for_update=True, populate_existing=True)
    if client.owner_id != move.from_manager_id:
        has_come = client.owner_id == move.to_manager_id
        move.state, move.done_at = MoveState.DONE if has_come else MoveState.CANCELLED, now
        session.flush()
        return None
    picture = reference(session)
    to = picture.manager(move.to_manager_id)
    if not to.is_employed(now):
        found = Callers(session, picture, now).next_by_share(move.from_manager_id, besides=move.from_manager_id)
        if found is None:
            return _wait(session, picture, move, client, now)
        to = found
        move.to_manager_id = to.id
    _give(session, picture, move, client, to, now)
    for call_id in call_ids:
        move_call(session, session.get_one(Callback, call_id, populate_existing=True), to, now)
    return None


def _give(
    session: Session, picture: Reference, move: ClientMove, client: Client, to: ManagerRef, now: datetime
) -> None:
    former = picture.manager(move.from_manager_id)
    why = {"ru": f"уход: {former.name}", "en": f"{former.name} leaves"}
    give_client(session, client, to, actor=move.made_by, now=now, why=why)
    move.state, move.done_at = MoveState.DONE, now
    session.flush()
    # One message for all that come to him on a day.
    outbox.notify(
        session,
        user_ids=[to.user_id],
        subject={"ru": f"Сегодня к вам перешли клиенты, {former.name}", "en": f"Clients of {former.name} came to you"},
        body={"ru": "Они среди ваших клиентов.", "en": "They stand among your clients."},
        link="/clients/",
        key=f"clients-of:{former.id}:{to.id}:{picture.day_of(now)}",
        now=now,
    )


def _wait(session: Session, picture: Reference, move: ClientMove, client: Client, now: datetime) -> datetime | None:
    former = picture.manager(move.from_manager_id)
    outbox.notify(
        session,
        user_ids=[head.id for head in picture.heads_for(former.team_id)],
        subject={
            "ru": f"Клиентов передать некому: {former.name}",
            "en": f"Nobody to take the clients of {former.name}",
        },
        body={"ru": f"Первый из них: {client.name}.", "en": f"The first of them: {client.name}."},
        link=f"/leaving/{former.login}",
        key=f"client-moves-wait:{former.id}:{picture.day_of(now)}",
        now=now,
    )
    calendar = picture.company_calendar
    return calendar.next_open(calendar.end_of_current_or_next_working_day(now))
