"""A municipality's real log of 1,434 requests in 17 months, replayed through the command line for 20 managers.

Nobody answers in it. What is counted here is counted again from what the commands print, not by the product's own code.
"""

import csv
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from rules_engine.cli import main
from tests.tied import tied

LOG = Path(__file__).parents[3] / "shared" / "data" / "receipt" / "requests.csv.gz"
pytestmark = pytest.mark.skipif(not LOG.exists(), reason="the receipt log (../shared/data/receipt) is not there")

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MONTHS = [f"{year}-{month:02}" for year in (2010, 2011, 2012) for month in range(1, 13)][9:26]
SINCE_2010 = "2010-01-01T00:00:00Z"
SPAN = ("--from", "2010-10-01T00:00:00Z", "--to", "2012-03-01T00:00:00Z")
HALF_WAY = "2011-05-01T00:00:00Z"
COLUMNS = ("--source", "receipt", "--map", "external_id=case_id", "--map", "received_at=first_event_utc")
LOGINS = [f"m{n:02}" for n in range(1, 21)]
AWAY, AWAY_FROM, AWAY_TO = "m03", date(2011, 3, 7), date(2011, 3, 27)
DOUBLE = "m05"

EVERYBODY = {"action": "assign", "to": {"pool": "everyone"}, "strategy": "fair_share"}
OWNER_FIRST = {
    "id": "owner",
    "title": {"ru": "Закреплённому", "en": "To the owner"},
    "note": "",
    "enabled": True,
    "when": {"all": [{"field": "client.owner", "op": "is_filled"}]},
    "then": [{"action": "assign", "to": {"pool": "owner"}}],
}


@dataclass(frozen=True)
class Installation:
    """A home of its own, reached as a user reaches it: by commands."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PRAVILA_HOME": str(self.home),
            "PRAVILA_TIMEZONE": "Europe/Amsterdam",
            "PRAVILA_LOCALE": "en",
            "PRAVILA_DATABASE_URL": "",
            "PRAVILA_ENGINE": "native",
        }

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, words, env=self.environment)

    def told(self, *words: str) -> Any:
        """Return the JSON document of a command that succeeds."""
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def replayed(self, *span: str, crash_at: str = "") -> subprocess.CompletedProcess[str]:
        """Run the replay in a process of its own, which dies by itself at `crash_at`."""
        return subprocess.run(
            tied([sys.executable, "-m", "rules_engine.cli", "replay", *(span or SPAN), "--json"]),
            env={**os.environ, **self.environment, "PRAVILA_CRASH_AT": crash_at},
            capture_output=True,
            text=True,
            check=False,
        )

    def publish(self, decision: str, rules: list[dict[str, Any]], otherwise: list[dict[str, Any]]) -> None:
        policy = "first" if decision == "assignment" else "collect"
        body = {
            "decision": decision,
            "title": {"ru": decision, "en": decision},
            "hit_policy": policy,
            "rules": rules,
            **({"otherwise": otherwise} if otherwise else {}),
        }
        file = self.home / f"{decision}.json"
        file.write_text(json.dumps(body))
        self.told("rules", "import", str(file))
        self.told("rules", "publish", decision, "--at", SINCE_2010)

    def entries(self) -> list[dict[str, Any]]:
        return [entry for month in MONTHS for entry in self.told("ledger", month, "--entries")["entries"]]


@cache
def rows() -> list[dict[str, str]]:
    with gzip.open(LOG, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def table(path: Path, header: list[str], lines: list[list[str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *lines])
    return str(path)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with its managers and the two rulesets, to be copied."""
    one = Installation(tmp_path_factory.mktemp("fresh"))
    one.told("init", "--live")
    lines = [[login, f"Manager {login}"] for login in LOGINS]
    one.told("import", "managers", table(one.home / "managers.csv", ["login", "name"], lines))
    one.publish("escalation", [], [])
    one.publish("assignment", [], [EVERYBODY])
    return one.home


@dataclass(frozen=True)
class Runs:
    plain: Installation
    plain_totals: dict[str, Any]
    disturbed: Installation
    killed: Installation
    killed_with: int
    """How the first process of the killed run ended."""
    resumed_totals: dict[str, Any]


@pytest.fixture(scope="module")
def runs(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The three replays, at the same time: they share nothing. The one that is killed goes to the middle only."""
    folder = tmp_path_factory.mktemp("runs")

    def copied(name: str) -> Installation:
        return Installation(Path(shutil.copytree(fresh, folder / name)))

    plain, disturbed = copied("plain"), copied("disturbed")
    assert plain.told("import", "requests", str(LOG), "--arrivals", *COLUMNS)["created"] == 1434
    killed = Installation(Path(shutil.copytree(plain.home, folder / "killed")))
    _disturb(disturbed)
    half = (*SPAN[:3], HALF_WAY)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(plain.replayed)
        second = pool.submit(disturbed.replayed)
        third = pool.submit(killed.replayed, *half, crash_at="replay.before_commit:2")
        ended = [one.result() for one in (first, second, third)]
    assert ended[0].returncode == 0, ended[0].stderr
    assert ended[1].returncode == 0, ended[1].stderr
    rest = killed.replayed(*half)
    assert rest.returncode == 0, rest.stderr
    yield Runs(plain, json.loads(ended[0].stdout), disturbed, killed, ended[2].returncode, json.loads(rest.stdout))
    shutil.rmtree(folder)


def _disturb(one: Installation) -> None:
    """An absence of three weeks, one double weight, six clients with an owner, and a rule for them."""
    away = [[AWAY, AWAY_FROM.isoformat(), AWAY_TO.isoformat(), "holiday"]]
    one.told("import", "absences", table(one.home / "absences.csv", ["manager", "from", "to", "reason"], away))
    weight = [[DOUBLE, f"Manager {DOUBLE}", "2"]]
    one.told("import", "managers", table(one.home / "weight.csv", ["login", "name", "weight"], weight))
    owned = [[client, client, login] for client, login in owners().items()]
    clients = table(one.home / "clients.csv", ["external_id", "name", "owner"], owned)
    one.told("import", "clients", clients, "--source", "receipt")
    one.publish("assignment", [OWNER_FIRST], [EVERYBODY])
    columns = (*COLUMNS, "--map", "client_external_id=responsible")
    assert one.told("import", "requests", str(LOG), "--arrivals", *columns)["created"] == 1434


@cache
def owners() -> dict[str, str]:
    """Return six of the log's responsible workers, taken as clients, with a manager each."""
    often = Counter(row["responsible"] for row in rows() if row["responsible"])
    return {client: LOGINS[n] for n, (client, _) in enumerate(often.most_common(12)[6:])}


def test_every_request_is_assigned_exactly_once(runs: Runs) -> None:
    assert (runs.plain_totals["arrived"], runs.plain_totals["assigned"]) == (1434, 1434)
    assert (runs.plain_totals["escalated"], runs.plain_totals["quarantined"]) == (0, 0)
    entries = runs.plain.entries()
    assert len(entries) == len({entry["request"] for entry in entries}) == 1434
    assert {entry["delta"] for entry in entries} == {1}
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)


def test_in_each_month_counts_differ_by_at_most_one(runs: Runs) -> None:
    for month in MONTHS:
        counts = [line["count"] for line in runs.plain.told("ledger", month)["managers"]]
        assert len(counts) == 20
        assert max(counts) - min(counts) <= 1, month


def test_the_same_words_and_the_same_file_again_change_nothing(runs: Runs) -> None:
    before = runs.plain.entries()

    again = runs.plain.told("replay", *SPAN)
    file = runs.plain.told("import", "requests", str(LOG), "--arrivals", *COLUMNS)
    refused = runs.plain.run("replay", "--from", "2011-01-01T00:00:00Z", "--to", "2012-03-01T00:00:00Z")

    assert {again[key] for key in ("arrived", "assigned", "escalated", "callbacks", "quarantined")} == {0}
    assert (file["read"], file["unchanged"], file["rejected"]) == (1434, 1434, [])
    assert refused.exit_code == 1
    assert "cannot be before it" in refused.stderr
    assert runs.plain.entries() == before


def test_a_replay_killed_on_its_way_and_started_again_ends_in_the_same_ledger(runs: Runs) -> None:
    until = datetime.fromisoformat(HALF_WAY)
    undisturbed = [entry for entry in runs.plain.entries() if datetime.fromisoformat(entry["at"]) < until]
    assert runs.killed_with == -signal.SIGKILL
    # What the killed process had committed is not done again.
    assert 0 < runs.resumed_totals["arrived"] < len(undisturbed)
    assert runs.killed.entries() == undisturbed


def test_with_disturbances_nobody_with_a_larger_shortfall_was_passed_by(runs: Runs) -> None:
    received: dict[tuple[str, str], int] = defaultdict(int)
    fair, strategies = 0, Counter[str | None]()
    for entry in runs.disturbed.entries():
        at = datetime.fromisoformat(entry["at"]).astimezone(AMSTERDAM)
        month = f"{at:%Y-%m}"
        strategies[entry["strategy"]] += 1
        if entry["strategy"] == "fair_share":
            fair += 1
            eligible = [one for one in entry["candidates"] if one["eligible"]]
            everybody = set(LOGINS) - ({AWAY} if AWAY_FROM <= at.date() <= AWAY_TO else set())
            assert {one["login"] for one in eligible} == everybody
            for one in eligible:
                assert one["count"] == received[month, one["login"]]
                assert Fraction(one["entitlement"]) == entitlement(one["login"], at.date(), at.hour >= 18)
            shortfalls = _shortfalls(eligible)
            assert {one["login"]: Fraction(one["shortfall"]) for one in eligible} == shortfalls
            assert shortfalls[entry["manager"]] >= max(shortfalls.values()) - Fraction(1, 2)
        received[month, entry["manager"]] += entry["delta"]
    # Those of an owner are his, save while he is away.
    assert sum(strategies.values()) - fair == sum(_is_owners(row) for row in rows()) > 300


def _is_owners(row: dict[str, str]) -> bool:
    owner = owners().get(row["responsible"])
    day = datetime.fromisoformat(row["first_event_utc"]).astimezone(AMSTERDAM).date()
    return owner is not None and not (owner == AWAY and AWAY_FROM <= day <= AWAY_TO)


def _shortfalls(candidates: list[dict[str, Any]]) -> dict[str, Fraction]:
    """(N + 1)·Eᵢ/ΣE − cᵢ, from the figures that the ledger shows of each."""
    number = sum(one["count"] for one in candidates)
    whole = sum(Fraction(one["entitlement"]) for one in candidates)
    return {one["login"]: (number + 1) * Fraction(one["entitlement"]) / whole - one["count"] for one in candidates}


@cache
def entitlement(login: str, last: date, is_evening: bool) -> Fraction:
    """Weight × minutes from the month's start to the end of the current or next working day, counted day by day."""

    def works(day: date) -> bool:
        return day.weekday() < 5 and not (login == AWAY and AWAY_FROM <= day <= AWAY_TO)

    day, days = last.replace(day=1), 0
    if not works(last) or is_evening:
        last += timedelta(days=1)
        while not works(last):
            last += timedelta(days=1)
    while day <= last:
        days += works(day)
        day += timedelta(days=1)
    return Fraction(days * 480 * (2 if login == DOUBLE else 1))


def test_the_ledger_says_by_which_cause_shares_differ(runs: Runs) -> None:
    causes = set()
    for month in MONTHS:
        lines = runs.disturbed.told("ledger", month)["managers"]
        for line in lines:
            parts = [Fraction(part) for part in line["by_cause"].values()]
            assert sum(parts, Fraction(0)) == -Fraction(line["shortfall"])
            causes |= set(line["by_cause"])
    assert causes == {"fair_share", "other_rule"}


def test_twenty_spoiled_rows_are_named_and_the_rest_is_laid_down(fresh: Path, tmp_path: Path) -> None:
    one = Installation(Path(shutil.copytree(fresh, tmp_path / "home")))
    spoilt = [("", "2011-02-03T10:00:00Z"), ("n", ""), ("n", "32.13.2011"), ("n" * 1000, "2011-02-03T10:00:00Z")]
    lines = [[row["case_id"], row["first_event_utc"]] for row in rows()]
    named = []
    for n in range(20):
        external_id, received_at = spoilt[n % 4]
        place = n * 70 + 5
        lines.insert(place, [f"{external_id}{n}" if external_id else "", received_at])
        # The header is row 1.
        named.append(place + 2)

    report = one.told(
        "import",
        "requests",
        table(tmp_path / "spoilt.csv", ["case_id", "first_event_utc"], lines),
        "--arrivals",
        *COLUMNS,
    )

    assert (report["read"], report["created"]) == (1454, 1434)
    assert [row["row"] for row in report["rejected"]] == named
    assert all(row["column"] and row["reason"] for row in report["rejected"])
