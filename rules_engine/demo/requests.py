"""When invented requests come, and what they ask for: seasonality, weekdays, hours, a long tail of amounts."""

import math
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from zoneinfo import ZoneInfo

from rules_engine.demo.company import REGIONS, SERVICES, firm_name

MONTHS = (0.82, 0.92, 1.05, 1.04, 0.94, 0.93, 0.86, 0.90, 1.08, 1.15, 1.16, 1.15)
"""Requests of a month against the mean one, January first."""
WEEKDAYS = (1.22, 1.20, 1.16, 1.12, 1.06, 0.66, 0.58)
HOURS = (
    0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.4, 0.8, 1.6, 2.6, 3.0, 3.0, 2.6, 2.3, 2.6, 2.7, 2.5, 2.1, 1.6, 1.2, 1.0, 0.8, 0.6,
    0.4,
)  # fmt: skip
CHANNELS = (("web", 52), ("phone", 22), ("chat", 16), ("email", 10))
TEXTS = {
    "хостинг": "Нужен хостинг для интернет-магазина, переезд с другой площадки.",
    "сайт": "Хотим обновить сайт компании, примерно двадцать страниц.",
    "поддержка": "Нужна поддержка сайта: правки, резервные копии, ответы в течение дня.",
    "реклама": "Посчитайте рекламу в поиске на квартал.",
    "дизайн": "Нужны логотип и оформление презентации.",
    "домены": "Продлить домены и перенести к вам почту.",
}
_MEDIAN_RUBLES = {"хостинг": 9, "сайт": 60, "поддержка": 18, "реклама": 40, "дизайн": 25, "домены": 3}


@dataclass(frozen=True, slots=True)
class InventedRequest:
    """One request before anybody has seen it.

    `client` is the place in the list of clients; None: a new one, who leaves a name and a phone.
    """

    external_id: str
    received_at: datetime
    client: int | None
    name: str
    phone: str
    service: str
    channel: str
    region: str
    amount: Decimal | None
    language: str
    text: str


def median_amount(service: str) -> Decimal:
    """Return what half of the requests for a service are worth at most."""
    return Decimal(_MEDIAN_RUBLES[service] * 1000).quantize(Decimal("0.01"))


def mean_amount_rank(service: str, amount_minor: int | None) -> float:
    """Return where an amount stands among those of its service, 0 (small) to 1 (large); unknown is 0.4."""
    if not amount_minor:
        return 0.4
    ratio = amount_minor / (_MEDIAN_RUBLES[service] * 100_000)
    return 0.5 * (1 + math.erf(math.log(ratio) / (0.9 * math.sqrt(2))))


def invent(
    *, from_: datetime, until: datetime, per_month: int, clients: int, seed: int, zone: ZoneInfo
) -> Iterator[InventedRequest]:
    """Yield the requests of `[from_, until)` in order. The same arguments give the same requests."""
    random = Random(f"{seed}:requests")
    day = from_.astimezone(zone).date()
    number = 0
    while datetime.combine(day, time(), zone) < until:
        for instant in _instants_of_day(day, per_month, random, zone):
            number += 1
            request = invent_one(f"D-{number:06d}", instant, clients, random)
            if from_ <= instant < until:
                yield request
        day += timedelta(days=1)


def _instants_of_day(day: date, per_month: int, random: Random, zone: ZoneInfo) -> list[datetime]:
    expected = per_month / monthrange(day.year, day.month)[1] * MONTHS[day.month - 1] * WEEKDAYS[day.weekday()]
    count = int(expected) + (random.random() < expected % 1)
    hours = random.choices(range(24), HOURS, k=count)
    midnight = datetime.combine(day, time(), zone)
    seconds = sorted(hour * 3600 + random.randrange(3600) for hour in hours)
    return [(midnight + timedelta(seconds=second)).astimezone(UTC) for second in seconds]


def invent_one(external_id: str, instant: datetime, clients: int, random: Random) -> InventedRequest:
    """Return one request that arrives at `instant`; `clients` is how many known clients there are to draw from."""
    service = random.choices([name for name, _ in SERVICES], [share for _, share in SERVICES])[0]
    amount = None
    if random.random() < 0.9:
        rubles = _MEDIAN_RUBLES[service] * 1000 * math.exp(random.gauss(0, 0.9))
        amount = Decimal(rubles).quantize(Decimal(100), ROUND_HALF_UP).quantize(Decimal("0.01"))
    region, code, _ = random.choices(REGIONS, [share for *_, share in REGIONS])[0]
    return InventedRequest(
        external_id=external_id,
        received_at=instant,
        client=random.randrange(clients) if random.random() < 0.45 else None,
        name=firm_name(random, random.randrange(1000)),
        # As for the known clients: the exchange 000 is never given out. Theirs end below 1000, these above.
        phone=f"+7{code}000{random.randrange(1000, 10_000)}",
        service=service,
        channel=random.choices([name for name, _ in CHANNELS], [share for _, share in CHANNELS])[0],
        region=region,
        amount=amount,
        language="ru" if random.random() < 0.97 else "kk",
        text=TEXTS[service],
    )
