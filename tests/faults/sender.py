"""A sender that believes nobody: it counts the answers that it got itself, and asks again when it got none."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from tests.faults.poison import Poison
from tests.faults.verdict import SOURCE

TWICE_SHARE = 0.05
PATIENCE_SECONDS = 60


@dataclass
class Sender:
    """Posts requests to the API, some of them twice, at an even pace; every so many one is poison."""

    port: int
    token: str
    number: int
    per_second: float
    random: Random
    first: int = 0
    """The number of the first request; their keys are made of them."""
    poison: Poison | None = None
    poison_share: float = 0.0
    accepted: set[str] = field(default_factory=set)
    """External ids for which an answer said 201 or 200."""
    sent_twice: int = 0
    asked_again: int = 0
    ids: dict[str, set[int]] = field(default_factory=dict)
    """By external id, the ids that answers gave: one each, if nothing is stored twice."""
    problems: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, should_stop: Callable[[], bool]) -> None:
        started = time.monotonic()
        for number in range(self.number):
            if should_stop() or self.problems:
                return
            time.sleep(max(0.0, started + number / self.per_second - time.monotonic()))
            external_id = f"F-{self.first + number:05d}"
            body = {
                "source": SOURCE,
                "external_id": external_id,
                "received_at": datetime.now(UTC).isoformat(),
                "client": {"name": f"Клиент {number}"},
                "service": "hosting",
                "amount": f"{self.random.randrange(1, 100_000)}.00",
            }
            if self.poison is not None and (number + 1) % round(1 / self.poison_share) == 0:
                self.poison.store(external_id)
                self.accepted.add(external_id)
            elif self.random.random() < TWICE_SHARE:
                self.sent_twice += 1
                both = [threading.Thread(target=self._deliver, args=(external_id, body)) for _ in range(2)]
                for thread in both:
                    thread.start()
                for thread in both:
                    thread.join()
            else:
                self._deliver(external_id, body)

    def _deliver(self, external_id: str, body: dict[str, object]) -> None:
        """Post until it is accepted, as a sender does whose connection broke before the answer came."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            status, answer = self._post(body)
            if status in (200, 201):
                with self._lock:
                    self.accepted.add(external_id)
                    self.ids.setdefault(external_id, set()).add(answer["id"])
                return
            if status and status < 500 and status != 429:
                self.problems.append(f"{external_id}: {status} {answer}")
                return
            self.asked_again += 1
            time.sleep(0.1)
        self.problems.append(f"{external_id}: nobody accepted it")

    def _post(self, body: dict[str, object]) -> tuple[int, dict[str, int]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(
                "POST",
                "/api/v1/requests",
                json.dumps(body).encode(),
                {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            )
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()
