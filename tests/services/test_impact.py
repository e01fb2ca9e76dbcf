"""The life of an impact: asked for, reckoned slice by slice by the workers, stopped, failed, forgotten."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.errors import Conflict, InputError, NotFound
from rules_engine.models import Client, Impact, ImpactChange, ImpactState, Incident, RulesetDraft, WorkItem, WorkKind
from rules_engine.services.drafts import editing
from rules_engine.services.impact import impact
from rules_engine.services.impact import slices as impact_slices
from rules_engine.services.impact.parts import Budget
from rules_engine.services.queue import work
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    assignment_rules,
    condition,
    make_cast,
    make_client,
    make_request,
    make_version,
    rule,
)

NOW = MONDAY + timedelta(days=1)
SECOND = timedelta(seconds=1)
LIVE = assignment_rules()
DRAFT = assignment_rules(
    rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})
)
FEW = Budget(3600, 4)


@pytest.fixture
def both(any_engine: Engine, settings: Settings) -> Iterator[sessionmaker[Session]]:
    """The company on either database."""
    yield company(db.make_sessions(any_engine, settings))


@pytest.fixture
def here(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    return company(sessions)


def company(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Twelve decided requests and a draft."""
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        make_version(session, "assignment", LIVE)
        client = make_client(session, owner=cast.vera)
        for _ in range(12):
            make_request(session, client=client, received_at=MONDAY)
        session.add(
            RulesetDraft(decision="assignment", body=DRAFT, base_number=1, created_at=MONDAY, updated_at=MONDAY)
        )
    agenda.run_due(sessions, MONDAY + SECOND)
    return sessions


def ask(sessions: sessionmaker[Session], days: int = 30, **more: bool) -> int:
    with db.transaction(sessions) as session:
        return impact.ask(session, "assignment", days, actor="galina", now=NOW, **more).id


def slice_of(sessions: sessionmaker[Session], now_after: int = 1, budget: Budget = FEW) -> bool:
    """Claim the impact and do one slice of it, as a worker does."""
    now = NOW + now_after * SECOND
    with db.transaction(sessions) as session:
        claim = work.claim(session, now, kinds=(WorkKind.IMPACT,))
    assert claim is not None
    return impact_slices.work_at(sessions, claim, now, budget)


def stored(sessions: sessionmaker[Session], impact_id: int) -> tuple[Impact, list[object]]:
    with sessions() as session:
        rows = session.scalars(
            select(ImpactChange.data).where(ImpactChange.impact_id == impact_id).order_by(ImpactChange.number)
        )
        return session.get_one(Impact, impact_id), list(rows)


def test_slices_with_a_kill_between_them_give_what_one_run_gives(both: sessionmaker[Session]) -> None:
    whole = ask(both)
    assert agenda.run_due(both, NOW + SECOND).goes_on == 0
    done, changes = stored(both, whole)
    assert (done.state, done.done, done.total, len(changes)) == (ImpactState.DONE, 12, 12, done.result["changed"])
    assert 0 < done.result["changed"] < 12
    again = ask(both, 90)
    assert slice_of(both)
    half, _ = stored(both, again)
    assert (half.state, half.done, half.total, half.result) == (ImpactState.RUNNING, 4, 12, {})
    # A worker takes it and dies: nothing of its slice was written, and its lease runs out.
    with db.transaction(both) as session:
        assert work.claim(session, NOW + 2 * SECOND, kinds=(WorkKind.IMPACT,)) is not None
    with db.transaction(both) as session:
        session.execute(update(WorkItem).values(lease_until=None))
    seconds = count(3)
    while slice_of(both, next(seconds)):
        pass
    pieces, same = stored(both, again)
    assert (pieces.result, same, pieces.progress) == (done.result, changes, {})
    with both() as session:
        assert session.scalars(select(WorkItem.id).where(WorkItem.kind == WorkKind.IMPACT)).all() == []


def test_parts_that_two_workers_do_at_once_give_what_one_gives(
    both: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(12):
        at = MONDAY - timedelta(days=28 - 2 * n)
        with db.transaction(both) as session:
            make_request(session, received_at=at, client=session.scalars(select(Client)).one())
        agenda.run_due(both, at + SECOND)
    whole = ask(both)
    agenda.run_due(both, NOW + SECOND)
    expected, changes = stored(both, whole)
    monkeypatch.setattr(impact_slices, "SPLIT_FROM", 20)
    parted = ask(both, anew=True)
    seconds, slices = count(1), 0
    while stored(both, parted)[0].state in impact.RUNNING:
        now = NOW + next(seconds) * SECOND
        with db.transaction(both) as session:
            # The second is in the middle of its part while the first ends its own.
            claims = [work.claim(session, now, kinds=(WorkKind.IMPACT,)) for _ in range(2)]
        for claim in filter(None, claims):
            slices += 1
            impact_slices.work_at(both, claim, now, FEW)
    done, same = stored(both, parted)
    assert slices > 8
    assert (done.state, done.done, done.total, done.progress) == (ImpactState.DONE, 24, 24, {})
    assert (done.result, same) == (expected.result, changes)
    with both() as session:
        assert session.scalars(select(WorkItem.id).where(WorkItem.kind == WorkKind.IMPACT)).all() == []


def test_cancelled_in_parts_no_part_goes_on(both: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impact_slices, "SPLIT_FROM", 2)
    found = ask(both)
    slice_of(both)
    with db.transaction(both) as session:
        claim = work.claim(session, NOW + 2 * SECOND, kinds=(WorkKind.IMPACT,))
        assert claim is not None
        impact.cancel(session, found, now=NOW)
    assert not impact_slices.work_at(both, claim, NOW + 2 * SECOND, FEW)
    assert agenda.run_due(both, NOW + 9 * SECOND).handled == 0
    row, changes = stored(both, found)
    assert (row.state, changes) == (ImpactState.CANCELLED, [])


def test_it_waits_for_peoples_work_and_goes_on_at_once(
    here: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impact_slices, "Budget", lambda: Budget(3600, 5))
    found = ask(here)
    with db.transaction(here) as session:
        late = make_request(session, received_at=NOW)
        work.ask(session, WorkKind.REQUEST, late.id, NOW)
    first = agenda.run_due(here, NOW + SECOND, limit=1)
    assert (first.assigned, first.goes_on) == (1, 0)
    steps = [agenda.run_due(here, NOW + (n + 2) * SECOND).goes_on for n in range(3)]
    assert steps == [1, 1, 0]
    assert stored(here, found)[0].state is ImpactState.DONE


def test_cancelled_between_slices_it_is_let_go_with_all_that_was_found(here: sessionmaker[Session]) -> None:
    found = ask(here)
    assert slice_of(here)
    with db.transaction(here) as session:
        impact.cancel(session, found, now=NOW)
    row, changes = stored(here, found)
    assert (row.state, row.progress, changes) == (ImpactState.CANCELLED, {}, [])
    assert agenda.run_due(here, NOW + 9 * SECOND).handled == 0
    with db.transaction(here) as session, pytest.raises(Conflict):
        impact.cancel(session, found, now=NOW)


def test_cancelled_while_a_slice_is_in_hand_the_slice_is_thrown_away(both: sessionmaker[Session]) -> None:
    found = ask(both)
    with db.transaction(both) as session:
        claim = work.claim(session, NOW, kinds=(WorkKind.IMPACT,))
        assert claim is not None
        impact.cancel(session, found, now=NOW)
    assert not impact_slices.work_at(both, claim, NOW, FEW)
    row, changes = stored(both, found)
    assert (row.state, row.done, changes) == (ImpactState.CANCELLED, 0, [])


def test_the_same_draft_and_days_are_reckoned_once(here: sessionmaker[Session]) -> None:
    found = ask(here)
    assert ask(here) == found
    agenda.run_due(here, NOW + SECOND)
    assert ask(here) == found
    assert ask(here, 90) != found
    anew = ask(here, anew=True)
    assert anew not in (found, None)
    with db.transaction(here) as session:
        editing.open_draft(session, "assignment").body = LIVE
    other = ask(here)
    assert other != anew
    assert stored(here, anew)[0].state is ImpactState.CANCELLED
    with here() as session:
        digest = session.get_one(Impact, found).content_hash
        assert impact.done_for(session, "assignment", digest, NOW).id == found  # type: ignore[union-attr]
        assert [one.id for one in (impact.newest(session, "assignment"),) if one] == [other]


def test_what_cannot_be_reckoned_fails_in_words_after_its_tries(here: sessionmaker[Session]) -> None:
    found = ask(here)
    with db.transaction(here) as session:
        session.execute(update(Impact).values(days=10**7))
    for n in range(6):
        agenda.run_due(here, NOW + n * SECOND)
        with db.transaction(here) as session:
            session.execute(update(WorkItem).values(lease_until=None))
    row, _ = stored(here, found)
    assert row.state is ImpactState.FAILED
    assert "OverflowError" in row.error
    assert impact.failure_words(row, "ru").startswith("Посчитать не удалось")
    with here() as session:
        assert session.scalars(select(Incident.kind)).all() == ["quarantined"]


def test_only_offered_days_of_a_draft_that_is_there(session: Session) -> None:
    make_cast(session)
    make_version(session, "assignment", LIVE)
    with pytest.raises(InputError):
        impact.ask(session, "assignment", 31, actor="galina", now=NOW)
    with pytest.raises(NotFound):
        impact.ask(session, "assignment", 30, actor="galina", now=NOW)


def test_the_newest_twenty_are_kept_of_each_decision(session: Session) -> None:
    make_cast(session)
    version = make_version(session, "assignment", LIVE)
    for n in range(23):
        row = Impact(
            decision="assignment" if n else "bonus",
            state=ImpactState.DONE,
            version_id=version.id,
            body={},
            content_hash="x",
            days=30,
            asked_by="galina",
            asked_at=NOW,
        )
        session.add(row)
        session.flush()
        session.add(ImpactChange(impact_id=row.id, number=0, data={}))
    session.flush()
    assert impact.prune(session) == 2
    kept = session.scalars(select(ImpactChange.impact_id).order_by(ImpactChange.impact_id)).all()
    assert kept == [1, *range(4, 24)]
