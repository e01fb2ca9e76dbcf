"""Payments and plans from files as bookkeepers and heads of sales export them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Arrival, Client, Payment, PaymentCredit, Plan, WorkItem
from rules_engine.services.money import payments
from rules_engine.services.records import settings_store
from rules_engine.settings import Settings
from tests.factories import MONDAY, Cast, make_cast, make_client
from tests.importers.test_run import JOB, Desk

BANK = """Поступления за октябрь;;;;;;;
Номер документа;Контрагент;ИНН;Дата;Сумма;в т.ч. НДС;Вид;Возврат по
1;K-1;7707083893;01.10.2026 9:05;12 000,00;2 000,00;Оплата;
2;K-1;;02.10.2026;1 000,00;;Возврат;1
3;K-2;105012340;02.10.2026;500,00;;;
4;;;02.10.2026;500,00;;;
5;K-2;;03.10.2026;-900,00;;Возврат;
6;K-2;;вчера;1,00;;;
7;K-2;;03.10.2026;0;;;
Итого;;;;13 100,00;;;
"""


@pytest.fixture
def session(engine: Engine, settings: Settings) -> Iterator[Session]:
    with db.make_reading_sessions(engine, settings)() as session:
        yield session


@pytest.fixture
def desk(sessions: sessionmaker[Session], tmp_path: Path, session: Session) -> Desk:
    return Desk(sessions, tmp_path, session)


@pytest.fixture
def cast(sessions: sessionmaker[Session]) -> Cast:
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        make_client(session, source="import", external_id="K-1", owner=cast.anna)
    return cast


class TestPayments:
    def test_an_export_of_the_bank_is_taken_row_by_row(self, desk: Desk, cast: Cast, session: Session) -> None:
        report = desk.take("payments", BANK, mapping={"vat_amount": "в т.ч. НДС"})

        assert (report.read, report.created) == (7, 4)
        assert [(one.row, one.column, one.ru) for one in report.rejected] == [
            (6, "Контрагент", "не заполнено"),
            (7, "Сумма", "возврат 900.00 больше, чем осталось от оплаты: 500.00"),
            (8, "Дата", "«вчера» не дата и не время"),
        ]
        paid = session.scalars(select(Payment).order_by(Payment.external_id)).all()
        assert [one.amount_minor for one in paid] == [1_200_000, -100_000, 50_000, 0]
        assert (paid[1].reverses_id, paid[0].vat_minor, paid[0].client.inn) == (paid[0].id, 200_000, "7707083893")
        assert session.scalars(select(PaymentCredit.amount_minor).order_by(PaymentCredit.id)).all() == [
            1_200_000,
            -100_000,
        ]

    def test_the_same_file_twice_changes_nothing_and_a_trial_stores_nothing(
        self, desk: Desk, cast: Cast, session: Session
    ) -> None:
        tried = desk.counts("payments", BANK, dry_run=True)
        assert session.scalar(select(func.count(Payment.id))) == 0
        session.rollback()

        assert desk.counts("payments", BANK) == tried == (7, 4, 0, 0, 3)
        assert desk.counts("payments", BANK) == (7, 0, 0, 4, 3)
        assert session.scalar(select(func.count(Payment.id))) == 4

    def test_a_row_that_says_something_else_than_before_is_refused(self, desk: Desk, cast: Cast) -> None:
        head = "external_id,client_external_id,paid_at,amount\n"
        desk.take("payments", head + "1,K-1,2026-10-01,5\n")

        (refused,) = desk.take(
            "payments", head + "1,K-1,2026-10-01,6\n2,K-1,2026-10-01,6\n2,K-1,2026-10-01,7\n"
        ).rejected[:1]

        assert (refused.row, refused.ru) == (2, "оплата import/1 уже принята с другим содержанием")

    def test_history_needs_nobody_to_credit_and_makes_the_usual_intervals(
        self, desk: Desk, cast: Cast, session: Session
    ) -> None:
        rows = [f"{c}-{n},C{c},2026-{1 + n * 2:02}-0{c + 1},10.00,vps" for c in range(6) for n in range(3)]
        text = "external_id,client_external_id,paid_at,amount,service\n" + "\n".join(rows)

        desk.take("payments", text, replace(JOB, is_history=True))

        assert payments.unmatched(session) == []
        assert '"vps": 60' in str(settings_store.all_rows(session)["usual_intervals"])
        waking = session.scalars(select(WorkItem)).all()
        assert len(waking) == session.scalar(select(func.count(Client.id))) - 1 == 6
        assert max(item.wake_at.month for item in waking if item.wake_at) == 5

    def test_arrivals_wait_for_their_instant(self, desk: Desk, cast: Cast, session: Session) -> None:
        text = "external_id,client_external_id,paid_at,amount\n1,K-1,2026-10-05T11:20:00+03:00,5\n"

        assert desk.counts("payments", text, replace(JOB, lays_down=True)) == (1, 1, 0, 0, 0)

        (laid,) = session.scalars(select(Arrival)).all()
        assert (laid.kind, laid.at, laid.payload["amount"]) == ("payment", MONDAY, "5.00")
        assert session.scalar(select(func.count(Payment.id))) == 0


PLANS = """Месяц;Менеджер;Новые;Старые;Звонки
октябрь 2026;Анна;560 000;350 000;80
01.10.2026;boris;500 000;;
2026-11;anna;0;100;
2026-11;vera;-5;100;
мая 2027 г.;vera;1;;
весна 2027;vera;1;;
Итого;;1 060 000;350 000;80
"""


class TestPlans:
    def test_a_table_of_plans_is_taken(self, desk: Desk, cast: Cast, session: Session) -> None:
        report = desk.take("plans", PLANS, replace(JOB, now=MONDAY))

        stored = session.execute(select(Plan.month, Plan.new_minor, Plan.old_minor, Plan.callbacks).order_by(Plan.id))
        assert [tuple(row) for row in stored] == [
            ("2026-10", 56_000_000, 35_000_000, 80),
            ("2026-10", 50_000_000, None, None),
            ("2027-05", 100, None, None),
        ]
        assert [(one.row, one.column) for one in report.rejected] == [(4, "Новые"), (5, "Новые"), (7, "Месяц")]
        assert "если плана нет намеренно, оставьте пустым" in report.rejected[0].ru

    def test_the_same_table_twice_changes_nothing(self, desk: Desk, cast: Cast) -> None:
        job = replace(JOB, now=MONDAY)
        desk.take("plans", PLANS, job)

        assert desk.counts("plans", PLANS, job) == (6, 0, 0, 3, 3)

    @pytest.mark.parametrize(
        "written", ["2026-10", "10.2026", "01.10.2026", "Октябрь 2026", "окт. 2026", "October 2026"]
    )
    def test_a_month_is_read_as_people_write_it(self, desk: Desk, cast: Cast, session: Session, written: str) -> None:
        desk.take("plans", f"period;manager;new;old\n{written};anna;1;\n", replace(JOB, now=MONDAY))

        assert session.scalars(select(Plan.month)).one() == "2026-10"
