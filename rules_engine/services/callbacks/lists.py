"""A planned call whose time has come: it is put into a list, watched there, and goes to the cover of who is away."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from rules_engine.decisions.callbacks import deadline
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.decisions.modes import Mode
from rules_engine.language.sentence import rule_text
from rules_engine.models import Callback, CallbackState, Client, Decision, Task, TaskKind
from rules_engine.services.callbacks import escalation
from rules_engine.services.callbacks.escalation import Look
from rules_engine.services.callbacks.outcomes import ASKED_NOT_TO, cancel
from rules_engine.services.callbacks.people import Callers
from rules_engine.services.clients.wakes import CALLBACKS
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.facts.callbacks import last_call_at
from rules_engine.services.records import settings_store
from rules_engine.services.requests import overdue_actions
from rules_engine.services.rules import occasions, rulebook
from rules_engine.services.rules.modes import mode_in

_LANGUAGES = ("ru", "en")


def look_at_callback(session: Session, callback_id: int, now: datetime, *, attempt: int = 1) -> Look:
    """Put a call into its manager's list when its time has come, then let the rules of escalation act on it.

    The item of the call is locked by this transaction. A call that nobody can make yet is looked at again on the next
    working day.
    """
    callback = session.get(Callback, callback_id, with_for_update=True, populate_existing=True)
    if callback is None or callback.state not in (CallbackState.PLANNED, CallbackState.OPEN):
        return Look(None)
    if callback.state is CallbackState.PLANNED and callback.call_from > now:
        return Look(callback.call_from)
    client = session.get_one(Client, callback.client_id)
    if client.do_not_call:
        cancel(session, callback, ASKED_NOT_TO, now)
        return Look(None)
    picture = reference(session)
    if callback.state is CallbackState.PLANNED:
        if not _mode(picture, client, now).permits("schedule_callback"):
            # Switched off meanwhile: switching on wakes every call.
            return Look(None)
        if _put_off_after_a_talk(session, picture, callback, now):
            return Look(callback.call_from)
    caller = _caller(session, picture, callback, client, now)
    if caller is None:
        calendar = picture.company_calendar
        return Look(calendar.next_open(calendar.end_of_current_or_next_working_day(now)))
    if callback.state is CallbackState.PLANNED:
        is_away = caller.absence_at(now) is not None
        if is_away and _put_off(session, picture, callback, caller, now, now):
            return Look(callback.call_from)
        _put_into_list(session, picture, callback, client, caller, now)
    elif caller.id != callback.manager_id:
        overdue_actions.move_call(session, callback, caller, now)
    return escalation.look(session, callback, client, now, attempt=attempt)


def _mode(picture: Reference, client: Client, now: datetime) -> Mode:
    owner = picture.managers.get(client.owner_id) if client.owner_id is not None else None
    return mode_in(picture, CALLBACKS, owner.team_id if owner else None, now)


def _put_off_after_a_talk(session: Session, picture: Reference, callback: Callback, now: datetime) -> bool:
    """Plan a call anew where the client was spoken with after it was planned: not before the pause that a number has.

    A call for which he asked is made all the same. Returns whether it was put off.
    """
    if callback.cause.startswith("contact:"):
        return False
    pause = timedelta(days=settings_store.number(session, settings_store.CALL_FREQUENCY_DAYS))
    since = max(callback.created_at, now - pause)
    spoken_at = last_call_at(session, callback.client_id, since, now)
    if spoken_at is None:
        return False
    manager = picture.managers.get(callback.manager_id) if callback.manager_id is not None else None
    return _put_off(session, picture, callback, manager, spoken_at + pause, now)


def _put_off(
    session: Session,
    picture: Reference,
    callback: Callback,
    manager: ManagerRef | None,
    at: datetime,
    now: datetime,
) -> bool:
    """Plan a call for the first working time from `at` on, with as many days for it as before; False if that is now."""
    calendar = manager.presence if manager is not None else picture.company_calendar
    first, last = (picture.company_calendar.local_date(one) for one in (callback.call_from, callback.due_at))
    start = calendar.next_open_us(to_us(at))
    if start is None or start <= to_us(now):
        return False
    due = deadline(calendar, start, picture.company_calendar.days_between(first, last) + 1)
    if due is None:
        return False
    callback.call_from, callback.due_at = from_us(start), from_us(due)
    session.flush()
    return True


def _caller(
    session: Session, picture: Reference, callback: Callback, client: Client, now: datetime
) -> ManagerRef | None:
    """Return who is to make a call now: its manager; his client's cover while he is away; else whoever is due one.

    Who is away without a cover keeps it: it waits for him, and his days of absence are not counted.
    """
    callers = Callers(session, picture, now)
    manager = picture.managers.get(callback.manager_id) if callback.manager_id is not None else None
    if manager is not None and manager.is_employed(now):
        away = manager.absence_at(now) is not None
        return (callers.present_cover(client.cover_id) if away else None) or manager
    return callers.own(client.owner_id, client.cover_id) or callers.next_by_share(client.owner_id)


def _put_into_list(
    session: Session, picture: Reference, callback: Callback, client: Client, caller: ManagerRef, now: datetime
) -> None:
    late = now > callback.due_at or caller.id != callback.manager_id
    callback.manager_id = caller.id
    callback.state = CallbackState.OPEN
    callback.opened_at = now
    if late:
        # It could not be made in its time: whoever gets it now has a whole day for it.
        callback.due_at = caller.calendar.end_of_current_or_next_working_day(caller.calendar.add_days(now, 1))
    catalogue = occasions.catalogue(session)
    named = [catalogue.get(code) for code in (callback.occasion, *callback.also)]
    titles = {
        lang: "; ".join(str(one.title.get(lang) or one.code) for one in named if one is not None) or callback.occasion
        for lang in _LANGUAGES
    }
    session.add(
        Task(
            kind=TaskKind.CALLBACK,
            manager_id=caller.id,
            client_id=client.id,
            callback_id=callback.id,
            decision_id=callback.decision_id,
            title={"ru": f"Позвонить: {titles['ru']}", "en": f"Call: {titles['en']}"},
            reason=_reason(session, callback),
            rule=callback.rule,
            created_at=now,
            due_at=callback.due_at,
        )
    )
    session.flush()


def _reason(session: Session, callback: Callback) -> dict[str, str]:
    """Return the sentence of the rule by which a call was planned, as it stood then."""
    decision = session.get(Decision, callback.decision_id) if callback.decision_id is not None else None
    if decision is None or decision.version_id is None:
        return {"ru": "плановый звонок", "en": "a planned call"}
    ruleset = rulebook.ruleset_of(session, decision.version_id)
    rule = ruleset.rule(callback.rule)
    if rule is None:
        return {"ru": "плановый звонок", "en": "a planned call"}
    names = rulebook.references(session)
    return {lang: rule_text(ruleset, rule, lang, names=names) for lang in _LANGUAGES}
