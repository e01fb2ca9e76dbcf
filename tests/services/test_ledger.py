"""The ledger: who received what, why it differs from what was due, and that each choice can be computed again."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.cli import main
from rules_engine.decisions.fair_share import FairShare, Standing, ValueStep
from rules_engine.decisions.instants import to_us
from rules_engine.errors import InputError, NotFound
from rules_engine.models import Assignment, LedgerBalance, LedgerEntry, Request
from rules_engine.services.company.reference import reference
from rules_engine.services.requests import ledger
from rules_engine.services.requests.assignment import assign_by_hand, assign_external, decide_and_assign
from rules_engine.services.requests.ledger import Cause, correct, entries, month_of, summary
from rules_engine.services.requests.ledger_check import recompute
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    at,
    condition,
    make_absence,
    make_cast,
    make_client,
    make_manager,
    make_request,
    make_requests,
    make_version,
    rule,
)

OWN = rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})
NOVEMBER = at("2026-11-15 12:00")


def busy_month(session: Session) -> Cast:
    """October with everything that disturbs equal shares: owners, leave, weights, a joiner, hands, another system."""
    cast = make_cast(session)
    cast.boris.weight_milli = 500
    make_absence(session, cast.vera, at("2026-10-06 00:00"), at("2026-10-13 00:00"))
    make_version(session, "assignment", assignment_rules(OWN))
    client = make_client(session, owner=cast.anna)
    for n in range(60):
        when = at("2026-10-05 09:00") + timedelta(hours=9 * n)
        request = make_request(
            session,
            received_at=when,
            client=client if n % 6 == 0 else None,
            amount_minor=None if n % 5 == 0 else 1_000 * (n % 13 + 1),
        )
        if n == 20:
            make_manager(session, "gleb", "Глеб", team=cast.sales, hired_on=when.date())
        if n % 11 == 7:
            assign_external(session, request, cast.vera, assigned_at=when, actor="api:crm", now=when)
        else:
            decide_and_assign(session, request, when)
        session.flush()
        if n % 13 == 4:
            other = cast.boris if request.manager_id != cast.boris.id else cast.anna
            later = when + timedelta(minutes=20)
            assign_by_hand(session, request, other, reason="так", actor="galina", now=later, keep_debit=n > 30)
        if n == 33:
            correct(session, request, Cause.SPAM, when + timedelta(minutes=30))
    session.flush()
    return cast


class TestMonth:
    def test_a_row_belongs_to_the_business_month_of_its_own_instant(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules())
        for when in (at("2026-10-31 23:59"), at("2026-11-01 00:00")):
            decide_and_assign(session, make_request(session, received_at=when), when)

        assert session.scalars(select(LedgerEntry.month)).all() == ["2026-10", "2026-11"]
        assert sorted(session.scalars(select(LedgerBalance.count)).all()) == [1, 1]

    def test_nothing_is_carried_into_the_next_month(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules())
        end, start = at("2026-10-31 23:00"), at("2026-11-02 09:00")
        for request in make_requests(session, 2, first_at=end):
            decide_and_assign(session, request, end)
            session.flush()
        november = make_requests(session, 3, first_at=start)
        for request in november:
            decide_and_assign(session, request, start)
            session.flush()

        assert len({request.manager_id for request in november}) == 3

    @pytest.mark.parametrize(
        ("zone", "month"), [("Europe/Moscow", "2026-11"), ("Europe/London", "2026-10"), ("Asia/Tokyo", "2026-11")]
    )
    def test_the_month_is_that_of_the_zone(self, zone: str, month: str) -> None:
        assert month_of(datetime(2026, 10, 31, 21, tzinfo=UTC), ZoneInfo(zone)) == month


class TestSummary:
    def test_balances_are_the_sums_of_the_entries(self, any_session: Session) -> None:
        busy_month(any_session)
        sums: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        for row in any_session.scalars(select(LedgerEntry)):
            sums[row.month, row.manager_id][0] += row.delta
            sums[row.month, row.manager_id][1] += row.value_minor

        balances = any_session.scalars(select(LedgerBalance)).all()

        assert {(one.month, one.manager_id): [one.count, one.value_minor] for one in balances} == sums

    def test_what_is_due_adds_up_to_what_was_received(self, any_session: Session) -> None:
        busy_month(any_session)

        lines = summary(any_session, "2026-10", now=NOVEMBER).managers

        assert sum(line.due for line in lines) == sum(line.count for line in lines)
        assert [line.login for line in lines] == ["anna", "boris", "gleb", "vera"]

    def test_the_causes_add_up_to_the_deviation_and_each_to_nothing_over_all(self, session: Session) -> None:
        busy_month(session)

        lines = summary(session, "2026-10", now=NOVEMBER).managers

        over_all: dict[str, Fraction] = defaultdict(Fraction)
        for line in lines:
            assert sum(line.by_cause.values()) == line.count - line.due == -line.shortfall
            for cause, part in line.by_cause.items():
                over_all[cause] += part
        assert set(over_all) == {"external", "fair_share", "hand", "other_rule", "spam"}
        assert set(over_all.values()) == {Fraction(0)}

    def test_an_owners_own_requests_show_as_another_rule_that_fair_share_made_up_for(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules(OWN))
        client = make_client(session, owner=cast.anna)
        for request in make_requests(session, 30, first_at=at("2026-10-05 09:00")):
            request.client_id = client.id if request.id % 5 == 1 else None
            decide_and_assign(session, request, request.received_at)
            session.flush()

        anna = summary(session, "2026-10", now=MONDAY).managers[0]

        assert (anna.count, anna.due) == (10, Fraction(10))
        assert anna.by_cause == {"fair_share": Fraction(-4), "other_rule": Fraction(4)}

    def test_a_month_to_date_counts_working_time_to_the_end_of_the_day(self, session: Session) -> None:
        make_cast(session)

        anna = summary(session, "2026-10", now=at("2026-10-05 11:00")).managers[0]

        # 1 and 2 October, and the whole of Monday the 5th.
        assert anna.entitlement == 3 * 480

    def test_a_month_that_is_over_counts_all_of_it(self, session: Session) -> None:
        make_cast(session)

        assert summary(session, "2026-10", now=NOVEMBER).managers[0].entitlement == 22 * 480

    def test_a_team_is_compared_within_itself(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules())
        for request in make_requests(session, 6):
            decide_and_assign(session, request, MONDAY)
            session.flush()

        lines = summary(session, "2026-10", now=MONDAY, team="sales").managers

        assert [(line.login, line.count, line.due) for line in lines] == [("anna", 2, 2), ("boris", 2, 2)]

    def test_a_month_or_team_that_there_is_not_is_refused(self, session: Session) -> None:
        make_cast(session)
        for month in ("2026-13", "october", "2026-1", ""):
            with pytest.raises(InputError):
                summary(session, month, now=MONDAY)
        with pytest.raises(NotFound):
            entries(session, "2026-10", team="nobody")


class TestEntries:
    def test_each_row_tells_its_candidates_as_they_stood(self, session: Session) -> None:
        cast = make_cast(session)
        cast.vera.open_cap = 0
        make_version(session, "assignment", assignment_rules())
        for request in make_requests(session, 2):
            decide_and_assign(session, request, MONDAY)
            session.flush()

        first, second = entries(session, "2026-10")

        assert (first["manager"], first["delta"], first["cause"], first["strategy"]) == (
            "anna",
            1,
            "rule",
            "fair_share",
        )
        assert second["manager"] == "boris"
        assert [one["login"] for one in second["candidates"]] == ["anna", "boris", "vera"]
        anna, boris, vera = second["candidates"]
        assert (anna["count"], anna["value"], anna["shortfall"]) == (1, "14500.00", "0/1")
        assert (boris["count"], boris["eligible"], boris["shortfall"]) == (0, True, "1/1")
        assert (vera["eligible"], vera["reason"], vera["shortfall"]) == (False, "open_cap", None)
        assert anna["entitlement"] == "1440/1"

    def test_rows_without_a_choice_have_no_candidates(self, session: Session) -> None:
        cast = make_cast(session)
        request = make_request(session)
        assign_external(session, request, cast.vera, assigned_at=MONDAY, actor="api:crm", now=MONDAY)
        assign_by_hand(session, request, cast.anna, reason="так", actor="galina", now=MONDAY)

        assert [(row["cause"], row["delta"], len(row["candidates"])) for row in entries(session, "2026-10")] == [
            ("external", 1, 0),
            ("hand", 0, 0),
            ("hand", 1, 3),
        ]

    def test_replaying_the_entries_in_their_order_reproduces_every_choice(self, any_session: Session) -> None:
        busy_month(any_session)
        picture = reference(any_session)
        ids = {one.login: one.id for one in picture.managers.values()}
        received_at = last_received(any_session)
        counts: Counter[str] = Counter()
        values: Counter[str] = Counter()
        chosen = 0
        for row in entries(any_session, "2026-10"):
            if row["strategy"] == "fair_share":
                candidates = {one["login"]: one for one in row["candidates"]}
                for login, one in candidates.items():
                    assert (one["count"], one["value"]) == (counts[login], amount(values[login]))
                eligible = [one for one in row["candidates"] if one["eligible"]]
                share = FairShare(
                    [
                        Standing(
                            id=ids[one["login"]],
                            entitlement=Fraction(one["entitlement"]),
                            count=counts[one["login"]],
                            value_minor=values[one["login"]],
                            last_received_us=received_at(one["login"], row["id"]),
                        )
                        for one in eligible
                    ],
                    ValueStep(row["value_step"]) if row["value_step"] else None,
                )
                assert share.order[0] == ids[row["manager"]]
                largest = max(share.shortfalls.values())
                assert largest - share.shortfalls[ids[row["manager"]]] <= Fraction(1, 2)
                assert {one["login"]: Fraction(one["shortfall"]) for one in eligible} == {
                    one["login"]: share.shortfalls[ids[one["login"]]] for one in eligible
                }
                chosen += 1
            counts[row["manager"]] += row["delta"]
            values[row["manager"]] += minor(row["value"])
        assert chosen > 35
        found = recompute(any_session, "2026-10")
        assert (found.choices, found.pruned, found.differences) == (chosen, 0, ())

    def test_what_came_late_for_the_month_before_counts_as_received_all_the_same(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules())
        decide_and_assign(session, make_request(session), MONDAY)
        september = at("2026-09-30 12:00")
        late = make_request(session, received_at=september)
        assign_external(session, late, cast.boris, assigned_at=september, actor="import", now=MONDAY)
        second = make_request(session)
        decide_and_assign(session, second, MONDAY)
        # Вера never had one.
        assert second.manager_id == cast.vera.id

        assert recompute(session, "2026-10").differences == ()

    def test_a_row_that_does_not_follow_from_those_before_it_is_found(self, session: Session) -> None:
        busy_month(session)
        row = session.scalars(select(LedgerEntry).where(LedgerEntry.strategy == "fair_share").limit(1)).one()
        row.delta = 3

        found = recompute(session, "2026-10")

        assert {"count", "choice"} <= {one.what for one in found.differences}


def last_received(session: Session) -> Callable[[str, int], int | None]:
    """Return when a manager had last received a request before a row of the ledger, from the assignments."""
    picture = reference(session)
    before_row: dict[int, list[tuple[int, int]]] = defaultdict(list)
    first_row = {
        assignment_id: row_id
        for row_id, assignment_id in session.execute(
            select(LedgerEntry.id, LedgerEntry.assignment_id).order_by(LedgerEntry.id.desc())
        )
    }
    for assignment in session.scalars(select(Assignment)):
        before_row[assignment.manager_id].append((first_row[assignment.id], to_us(assignment.assigned_at)))

    def at_row(login: str, row_id: int) -> int | None:
        manager = picture.by_login(login)
        assert manager is not None
        return max((when for row, when in before_row[manager.id] if row < row_id), default=None)

    return at_row


def amount(minor_units: int) -> str:
    return f"{minor_units // 100}.{minor_units % 100:02d}"


def minor(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    whole, _, rest = text.lstrip("-").partition(".")
    return sign * (int(whole) * 100 + int(rest))


class TestManyAtOnce:
    """Many workers that decide at once leave the counts that one leaves who decides one by one: his due to each."""

    NUMBER = 200

    def prepared(self, sessions: sessionmaker[Session]) -> list[int]:
        with db.transaction(sessions) as session:
            cast = make_cast(session)
            cast.boris.weight_milli = 2000
            make_version(session, "assignment", assignment_rules())
            return [request.id for request in make_requests(session, self.NUMBER, every_minutes=0)]

    def assign(self, sessions: sessionmaker[Session], request_id: int) -> None:
        with db.transaction(sessions) as session:
            request = session.get_one(Request, request_id, with_for_update=True)
            decide_and_assign(session, request, MONDAY)

    def counts(self, sessions: sessionmaker[Session]) -> dict[str, int]:
        with sessions() as session:
            picture = reference(session)
            rows = session.execute(select(LedgerBalance.manager_id, LedgerBalance.count))
            return {picture.manager(manager_id).login: number for manager_id, number in rows}

    def test_the_counts_are_those_of_one_by_one(self, any_engine: Engine, settings: Settings) -> None:
        sessions = db.make_sessions(any_engine, settings)
        ids = self.prepared(sessions)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda request_id: self.assign(sessions, request_id), ids))

        assert self.counts(sessions) == {"anna": 50, "boris": 100, "vera": 50}
        with sessions() as session:
            assert len(session.scalars(select(Assignment)).all()) == self.NUMBER
            rows = entries(session, "2026-10")
        seen: Counter[str] = Counter()
        for row in rows:
            # Each chose on the ledger as the one before him had left it.
            assert {one["login"]: one["count"] for one in row["candidates"]} == {
                one["login"]: seen[one["login"]] for one in row["candidates"]
            }
            seen[row["manager"]] += 1

    def test_twice_the_same_request_at_once_is_assigned_once(self, any_engine: Engine, settings: Settings) -> None:
        sessions = db.make_sessions(any_engine, settings)
        ids = self.prepared(sessions)[:5] * 4

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda request_id: self.assign(sessions, request_id), ids))

        with sessions() as session:
            assert len(session.scalars(select(Assignment)).all()) == 5
        assert sum(self.counts(sessions).values()) == 5


class TestCommand:
    @pytest.fixture
    def filled(self, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PRAVILA_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("PRAVILA_DATABASE_URL", sqlite_url)
        engine = db.make_engine(sqlite_url, relaxed=True)
        with db.transaction(db.make_sessions(engine, Settings.from_env())) as session:
            busy_month(session)
        engine.dispose()

    def run(self, *words: str) -> Any:
        return CliRunner().invoke(main, ["ledger", *words])

    def test_the_month_of_the_last_entry_is_the_default(self, filled: None) -> None:
        printed = json.loads(self.run("--json").stdout)

        assert printed["month"] == "2026-10"
        line = printed["managers"][0]
        assert set(line) >= {"login", "count", "value", "entitlement", "shortfall", "by_cause"}
        assert sum(Fraction(part) for part in line["by_cause"].values()) == -Fraction(line["shortfall"])

    def test_entries_carry_their_candidates(self, filled: None) -> None:
        printed = json.loads(self.run("2026-10", "--entries", "--json").stdout)

        row = printed["entries"][0]
        assert set(row) >= {"id", "at", "request", "manager", "delta", "cause", "rule", "strategy", "candidates"}
        assert set(row["candidates"][0]) >= {
            "login",
            "eligible",
            "reason",
            "count",
            "value",
            "entitlement",
            "shortfall",
        }

    def test_verified_it_tells_how_many_choices_came_out_the_same(self, filled: None) -> None:
        found = json.loads(self.run("2026-10", "--verify", "--json").stdout)
        assert (found["month"], found["differences"]) == ("2026-10", [])
        assert found["choices"] > 0
        assert "расхождений: 0" in self.run("2026-10", "--verify").stdout

    def test_for_a_person_it_prints_a_table(self, filled: None) -> None:
        answer = self.run("2026-10", "--team", "sales")

        assert answer.exit_code == 0
        assert "равными долями" in answer.stdout
        assert "vera" not in answer.stdout
        assert self.run("--entries").exit_code == 0

    @pytest.mark.parametrize("words", [["2026-99"], ["2026-10", "--team", "nobody"], ["x", "--entries"]])
    def test_what_there_is_not_is_refused_with_one_line(self, filled: None, words: list[str]) -> None:
        answer = self.run(*words)

        assert answer.exit_code == 1
        assert len(answer.stderr.splitlines()) == 1

    def test_an_empty_ledger_is_printed_too(
        self, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PRAVILA_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("PRAVILA_DATABASE_URL", sqlite_url)

        assert json.loads(self.run("--json").stdout)["managers"] == []
        assert "пуст" in self.run("--entries").stdout


def test_every_cause_has_its_words() -> None:
    for cause in (*Cause, ledger.FAIR_SHARE, ledger.OTHER_RULE):
        if cause != Cause.RULE:
            assert set(ledger.CAUSE_WORDS[cause]) == {"ru", "en"}
