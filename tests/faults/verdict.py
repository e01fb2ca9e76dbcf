"""What must hold afterwards, asked of the rows with plain queries that share nothing with the code under test."""

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

SOURCE = "faults"


@dataclass(frozen=True)
class Verdict:
    """Lists of what went wrong, by external id or by manager and month; all empty is the promise kept."""

    lost: list[str]
    """Accepted by the sender's own count, and neither assigned nor quarantined."""
    doubled: list[str]
    """More than one row of the request, or more than one assignment, debit, task or decision for it."""
    drift: list[str]
    """Managers of a month whose assignments, ledger entries and balance do not say the same number."""
    quarantined: list[str]
    counts: dict[int, int] = field(default_factory=dict)
    """Assignments by manager."""

    @property
    def kept(self) -> bool:
        return not (self.lost or self.doubled or self.drift)

    @property
    def spread(self) -> int:
        return max(self.counts.values(), default=0) - min(self.counts.values(), default=0)

    def __str__(self) -> str:
        return (
            f"lost {len(self.lost)}, assigned twice {len(self.doubled)}, drift {len(self.drift)}, "
            f"quarantined {len(self.quarantined)}, counts of managers differ by {self.spread}"
        )


def judge(engine: Engine, accepted: Collection[str]) -> Verdict:
    """Compare what a sender was promised (`accepted`: external ids of SOURCE) with what the rows say."""
    assigned = _column(
        engine,
        "SELECT r.external_id FROM requests r JOIN assignments a ON a.request_id = r.id AND a.ended_at IS NULL"
        " WHERE r.manager_id = a.manager_id AND r.status <> 'new'",
    )
    quarantined = _column(
        engine,
        "SELECT r.external_id FROM requests r JOIN work_items w ON w.subject_id = r.id AND w.kind = 'request'"
        " WHERE w.quarantined_at IS NOT NULL",
    )
    doubled: set[str] = set()
    for table, condition in (
        ("assignments", "1 = 1"),
        ("ledger_entries", "x.delta > 0"),
        ("tasks", "x.kind = 'request'"),
        ("request_events", "x.kind = 'assigned'"),
    ):
        doubled |= set(
            _column(
                engine,
                f"SELECT r.external_id FROM requests r JOIN {table} x ON x.request_id = r.id WHERE {condition}"
                " GROUP BY r.external_id HAVING count(*) > 1",
            )
        )
    doubled |= set(
        _column(
            engine,
            "SELECT r.external_id FROM requests r JOIN decisions d ON d.subject_id = r.id"
            " WHERE d.subject_kind = 'request' AND d.decision = 'assignment' AND d.chosen_manager_id IS NOT NULL"
            " GROUP BY r.external_id HAVING count(*) > 1",
        )
    )
    drift = _column(
        engine,
        "SELECT 'manager ' || m.id || ': ' || m.a || ' assignments, ' || m.l || ' in the ledger, ' || m.b || ' balance'"
        " FROM (SELECT id,"
        " (SELECT count(*) FROM assignments WHERE manager_id = managers.id) a,"
        " (SELECT coalesce(sum(delta), 0) FROM ledger_entries WHERE manager_id = managers.id) l,"
        " (SELECT coalesce(sum(count), 0) FROM ledger_balances WHERE manager_id = managers.id) b"
        " FROM managers) m WHERE m.a <> m.l OR m.l <> m.b",
    )
    with engine.connect() as connection:
        counts = {
            row.id: row.number
            for row in connection.execute(
                text(
                    "SELECT m.id, count(a.id) AS number FROM managers m"
                    " LEFT JOIN assignments a ON a.manager_id = m.id GROUP BY m.id"
                )
            )
        }
    return Verdict(
        lost=sorted(set(accepted) - set(assigned) - set(quarantined)),
        doubled=sorted(doubled),
        drift=drift,
        quarantined=sorted(set(quarantined)),
        counts=counts,
    )


def _column(engine: Engine, query: str) -> list[str]:
    with engine.execution_options(pravila_read_only=True).connect() as connection:
        return list(connection.execute(text(query)).scalars())
