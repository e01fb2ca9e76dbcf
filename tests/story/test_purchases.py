"""A real shop's 69,659 purchases of 23,570 clients (CDNOW, 1997–1998), imported through the command line as history.

The whole takes half a minute; the suite takes every sixteenth client, and counts again what it expects from the file.
`PRAVILA_WHOLE_FILE=1` takes all of them.
"""

import csv
import gzip
import io
import json
import os
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.cli import main
from rules_engine.decisions.instants import to_us
from rules_engine.models import Client, Payment, WorkItem
from rules_engine.services.company.reference import reference
from rules_engine.services.facts.money import client_money
from rules_engine.settings import Settings
from tests.factories import at

FILE = Path(__file__).parents[3] / "shared" / "data" / "cdnow" / "transactions.csv.gz"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the purchases of CDNOW (../shared/data/cdnow) are not there")

WHOLE = os.environ.get("PRAVILA_WHOLE_FILE") == "1"
EVERY = 1 if WHOLE else 16
END = at("1998-06-30 12:00")

Purchases = list[dict[str, str]]


@pytest.fixture(scope="module")
def purchases() -> Purchases:
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        rows = [{"number": str(n), **row} for n, row in enumerate(csv.DictReader(lines), 1)]
    return [row for row in rows if int(row["customer_id"]) % EVERY == 0]


class Shop:
    """An installation with the purchases in a file."""

    def __init__(self, folder: Path, purchases: Purchases) -> None:
        self.env = {"PRAVILA_HOME": str(folder / "home"), "PRAVILA_LOCALE": "en"}
        self.path = folder / "purchases.csv.gz"
        text = io.StringIO()
        writer = csv.DictWriter(text, list(purchases[0]))
        writer.writeheader()
        writer.writerows(purchases)
        self.path.write_bytes(gzip.compress(text.getvalue().encode()))
        assert self.call("init").exit_code == 0

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--json"], env=self.env)

    def take(self) -> dict[str, object]:
        columns = {"external_id": "number", "client_external_id": "customer_id", "paid_at": "date", "amount": "amount"}
        maps = [word for ours, theirs in columns.items() for word in ("--map", f"{ours}={theirs}")]
        answer = self.call("import", "payments", str(self.path), "--source", "cdnow", "--history", *maps)
        assert answer.exit_code == 0, answer.output
        return dict(json.loads(answer.stdout))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, purchases: Purchases) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop"), purchases)
    report = shop.take()
    assert (report["read"], report["created"], report["rejected"]) == (len(purchases), len(purchases), [])
    return shop


@pytest.fixture
def session(shop: Shop) -> Iterator[Session]:
    settings = Settings.from_env(shop.env)
    engine = db.make_engine(settings.database_url)
    with db.make_reading_sessions(engine, settings)() as session:
        yield session
    engine.dispose()


def test_every_cent_of_every_client_is_there(session: Session, purchases: Purchases) -> None:
    total = session.scalar(select(func.sum(Payment.amount_minor)))

    assert total == sum(Decimal(row["amount"]) for row in purchases) * 100
    assert session.scalar(select(func.count(Client.id))) == len({row["customer_id"] for row in purchases})
    if WHOLE:
        assert (total, len(purchases)) == (250_031_563, 69_659)


def test_idle_clients_are_counted_by_purchase_days(session: Session, purchases: Purchases) -> None:
    """Orders of zero are purchase days too: only so do the published counts come out."""
    last: dict[str, date] = {}
    for row in purchases:
        day = date.fromisoformat(row["date"])
        last[row["customer_id"]] = max(day, last.get(row["customer_id"], day))

    seen = client_money(session, session.scalars(select(Client.id)).all(), END)
    calendar = reference(session).company_calendar
    idle = [money.clock("days_since_last_payment", calendar).value_at(to_us(END)) for money in seen.values()]

    counts = [sum(isinstance(days, int) and days >= least for days in idle) for least in (90, 180, 365)]
    assert counts == [sum((END.date() - day).days >= least for day in last.values()) for least in (90, 180, 365)]
    if WHOLE:
        assert counts == [20_269, 18_210, 15_238]


def test_each_client_waits_to_be_looked_at_once(session: Session) -> None:
    waking = {row.subject_id: row.wake_at for row in session.execute(select(WorkItem.subject_id, WorkItem.wake_at))}
    last = {
        row.client_id: row.last
        for row in session.execute(
            select(Payment.client_id, func.max(Payment.paid_at).label("last")).group_by(Payment.client_id)
        )
    }

    assert set(waking) == set(last)
    assert all(waking[client] <= last[client] < END for client in last)


def test_the_same_file_again_changes_nothing(shop: Shop, purchases: Purchases, session: Session) -> None:
    report = shop.take()

    assert (report["created"], report["unchanged"]) == (0, len(purchases))
    assert session.scalar(select(func.count(Payment.id))) == len(purchases)
