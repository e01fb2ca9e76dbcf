"""What time it is at a client's, and when he may be called: by his region or town, else by the code of his phone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

OPENS, CLOSES = time(9, 30), time(18, 0)
"""Calls are made between these hours of the client, Monday to Friday."""

_SATURDAY: Final = 5

# Stems of regions and towns, without «ё»: «Свердловская область» and «Свердловской обл.» have the same beginning. A
# longer stem stands for its region where a shorter one would also be found in it.
_PLACES: Final[dict[str, str]] = {
    "Europe/Kaliningrad": "калининград",
    "Europe/Moscow": (
        "москв московск санкт-петербург петербург ленинград архангельск белгород брянск владимир вологод вологодск"
        " воронеж дагестан иванов ингуш кабардин калмык калуж калуг карел карачаев коми костром краснодар крым"
        " симферопол севастопол курск липецк марий мордов мурманск ненецк нижегород новгород"
        " орлов орел осети пензен пенза псков ростов рязан смоленск ставропол тамбов татарстан казань"
        " твер тула тульск чечен чуваш чебоксар ярослав сочи адыге вологда"
    ),
    "Europe/Kirov": "кировск киров",
    "Europe/Volgograd": "волгоград",
    "Europe/Saratov": "саратов",
    "Europe/Astrakhan": "астрахан",
    "Europe/Ulyanovsk": "ульяновск",
    "Europe/Samara": "самар тольятти удмурт ижевск",
    "Asia/Yekaterinburg": (
        "свердловск екатеринбург пермск пермь челябинск магнитогорск курган оренбург башк уфа тюмен ханты-мансийск"
        " югра сургут ямало-ненецк салехард"
    ),
    "Asia/Omsk": "омск",
    "Asia/Novosibirsk": "новосибирск",
    "Asia/Tomsk": "томск",
    "Asia/Barnaul": "алтай барнаул",
    "Asia/Novokuznetsk": "кемеров кузбасс новокузнецк",
    "Asia/Krasnoyarsk": "красноярск хакас абакан тыва кызыл норильск",
    "Asia/Irkutsk": "иркутск бурят улан-удэ братск",
    "Asia/Chita": "забайкал чита",
    "Asia/Yakutsk": "якут саха амурск благовещенск",
    "Asia/Vladivostok": "приморск владивосток хабаровск еврейск биробиджан",
    "Asia/Magadan": "магадан",
    "Asia/Sakhalin": "сахалин",
    "Asia/Kamchatka": "камчат",
    "Asia/Anadyr": "чукот анадыр",
    "Asia/Almaty": "казахстан алматы астана",
    "Europe/Minsk": "беларус белорус минск",
    "Asia/Tashkent": "узбекистан ташкент самарканд",
    "Asia/Bishkek": "киргиз кыргыз бишкек",
    "Asia/Yerevan": "армени ереван",
    "Asia/Tbilisi": "грузи тбилиси",
    "Asia/Baku": "азербайджан баку",
}
_ABROAD: Final = {
    "+77": "Asia/Almaty",
    "+375": "Europe/Minsk",
    "+998": "Asia/Tashkent",
    "+996": "Asia/Bishkek",
    "+374": "Asia/Yerevan",
    "+995": "Asia/Tbilisi",
    "+994": "Asia/Baku",
}
# Codes of Russian towns (the three digits after +7); of a mobile number nothing can be said.
_CODES: Final[dict[str, str]] = {
    "Europe/Moscow": "47 48 49 81 82 83 86 87 841 843 847 855",
    "Europe/Kaliningrad": "401",
    "Europe/Samara": "341 846 848",
    "Europe/Saratov": "845",
    "Europe/Ulyanovsk": "842",
    "Europe/Volgograd": "844",
    "Europe/Astrakhan": "851",
    "Asia/Yekaterinburg": "342 343 345 346 347 349 351 352 353",
    "Asia/Omsk": "381",
    "Asia/Tomsk": "382",
    "Asia/Novosibirsk": "383",
    "Asia/Novokuznetsk": "384",
    "Asia/Barnaul": "385 388",
    "Asia/Krasnoyarsk": "390 391 394",
    "Asia/Irkutsk": "301 395",
    "Asia/Chita": "302",
    "Asia/Yakutsk": "411 416",
    "Asia/Vladivostok": "421 423 426",
    "Asia/Magadan": "413",
    "Asia/Sakhalin": "424",
    "Asia/Kamchatka": "415",
    "Asia/Anadyr": "427",
}
# The longest first: «новосибирск» before «сибирск», «кировск» before «киров».
_BY_STEM: Final = sorted(
    ((stem, zone) for zone, stems in _PLACES.items() for stem in stems.split()), key=lambda found: -len(found[0])
)
_BY_CODE: Final = {code: zone for zone, codes in _CODES.items() for code in codes.split()}


@dataclass(frozen=True, slots=True)
class ClientTime:
    """The client's clock at one instant. `opens_at`: when he may be called next; None: now."""

    local: datetime
    opens_at: datetime | None


def client_zone(places: Iterable[str | None], phones: Iterable[str] = ()) -> ZoneInfo | None:
    """Return the zone of the first place that is known, else of the first phone (+7…) whose code names one.

    None: nothing is known, which most mobile numbers leave so.

    >>> client_zone(["Новосибирская область"]).key, client_zone([], ["+73432000000"]).key
    ('Asia/Novosibirsk', 'Asia/Yekaterinburg')
    """
    for place in places:
        if place and (found := _zone_of_place(place)):
            return ZoneInfo(found)
    for phone in phones:
        if found := _zone_of_phone(phone):
            return ZoneInfo(found)
    return None


def time_at(zone: tzinfo, now: datetime) -> ClientTime:
    """Return the client's clock, and when his hours for calls begin if they have not."""
    local = now.astimezone(zone)
    if local.weekday() < _SATURDAY and OPENS <= local.time() < CLOSES:
        return ClientTime(local, None)
    day = local.date() if local.time() < OPENS else local.date() + timedelta(days=1)
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return ClientTime(local, datetime.combine(day, OPENS, zone))


@lru_cache(maxsize=1_000)
def _zone_of_place(place: str) -> str | None:
    words = place.casefold().replace("ё", "е").replace(",", " ").split()
    return next((zone for stem, zone in _BY_STEM if any(word.startswith(stem) for word in words)), None)


def _zone_of_phone(phone: str) -> str | None:
    for prefix, zone in _ABROAD.items():
        if phone.startswith(prefix):
            return zone
    if not phone.startswith("+7"):
        return None
    return _BY_CODE.get(phone[2:5]) or _BY_CODE.get(phone[2:4])
