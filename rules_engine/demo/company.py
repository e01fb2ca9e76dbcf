"""The invented company: its people, working hours and clients. Every name, number and sum is made up."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from sqlalchemy.orm import Session

from rules_engine.models import Calendar, Manager, Role, Team, User
from rules_engine.services.company import reference

PASSWORD = "pravila-demo"
"""One password for all invented people; printed with the logins."""

TEAMS = (("east", "Восток"), ("west", "Запад"), ("round-the-clock", "Круглосуточный"))

_WOMEN = (
    "Анна", "Мария", "Елена", "Ольга", "Ирина", "Татьяна", "Наталья", "Юлия", "Вера", "Дарья", "Полина", "Алина",
    "Ксения", "Нина",
)  # fmt: skip
_MEN = (
    "Борис", "Иван", "Дмитрий", "Сергей", "Алексей", "Павел", "Андрей", "Михаил", "Николай", "Егор", "Роман",
    "Степан", "Тимур", "Глеб",
)  # fmt: skip
_SURNAMES = (
    "Белов", "Титов", "Орлов", "Соколов", "Лебедев", "Козлов", "Новиков", "Морозов", "Волков", "Зайцев", "Павлов",
    "Семёнов", "Голубев", "Виноградов", "Богданов", "Воробьёв", "Фёдоров", "Михайлов", "Беляев", "Тарасов",
    "Комаров", "Киселёв", "Макаров", "Андреев", "Ковалёв", "Ильин", "Гусев", "Кузьмин",
)  # fmt: skip
_FIRM_WORDS = (
    "Вектор", "Маяк", "Ромашка", "Горизонт", "Атлант", "Берёзка", "Контур", "Сигма", "Прогресс", "Родник", "Парус",
    "Гранит", "Орбита", "Импульс", "Каскад", "Меридиан", "Феникс", "Альянс", "Квант", "Спектр", "Радуга", "Витязь",
    "Эталон", "Заря", "Тандем", "Форвард", "Компас", "Лагуна", "Монолит", "Стимул",
)  # fmt: skip
_FIRM_ENDS = ("", "", "", "-Сервис", "-Плюс", "-Трейд", "-Строй", "-Мед", "-Авто", "-Юг", "-Центр", "-Групп")
REGIONS = (
    ("Москва", "495", 34), ("Санкт-Петербург", "812", 18), ("Свердловская область", "343", 9),
    ("Новосибирская область", "383", 8), ("Татарстан", "843", 8), ("Самарская область", "846", 6),
    ("Краснодарский край", "861", 8), ("Казахстан", "701", 5), ("Пермский край", "342", 4),
)  # fmt: skip
SERVICES = (("хостинг", 30), ("сайт", 22), ("поддержка", 20), ("реклама", 16), ("дизайн", 8), ("домены", 4))

_LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        ("a", "b", "v", "g", "d", "e", "e", "zh", "z", "i", "y", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f",
         "kh", "ts", "ch", "sh", "sch", "", "y", "", "e", "yu", "ya"),
        strict=True,
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who can log in to the demo: role, login, name."""

    role: str
    login: str
    name: str


def _latin(name: str) -> str:
    return "".join(_LATIN.get(letter, letter) for letter in name.lower())


def firm_name(random: Random, number: int) -> str:
    """Return the name of an invented firm or sole trader."""
    word, end = random.choice(_FIRM_WORDS), random.choice(_FIRM_ENDS)
    if random.random() < 0.2:
        return f"ИП {random.choice(_SURNAMES)} {random.choice('АБВГДЕИКЛМНОПРСТ')}. {random.choice('АВДИМНПС')}."
    return f"{random.choice(('ООО', 'ООО', 'ООО', 'АО'))} «{word}{end}» № {number % 97 + 1}"


def contact_name(random: Random) -> str:
    """Return the name of an invented person at a client's."""
    woman = random.random() < 0.5
    return f"{random.choice(_WOMEN if woman else _MEN)} {random.choice(_SURNAMES)}{'а' if woman else ''}"


def _shift(index: int) -> dict[str, list[list[str]]]:
    """Return the week of the `index`-th manager of the round-the-clock team: five eight-hour shifts.

    The first six cover every hour of the week from Monday to Sunday between them; the others help out by day.
    """
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    hours = (["00:00", "08:00"], ["08:00", "16:00"], ["16:00", "24:00"])[index % 3]
    off = {0: (5, 6), 1: (0, 1), 2: (2, 3), 3: (4, 5)}[index // 3 % 4]
    return {day: [hours] for number, day in enumerate(days) if number not in off}


def found_company(session: Session, *, managers: int, random: Random, password_hash: str, now: datetime) -> list[Login]:
    """Add teams, shifts, a head for each team, an auditor and `managers` sales managers; return who can log in."""
    logins = []

    def user(role: Role, login: str, name: str) -> User:
        row = User(
            role=role, login=login, name=name, password_hash=password_hash, created_at=now,
            email=f"{login}@example.org",
        )  # fmt: skip
        session.add(row)
        logins.append(Login(role.value, login, name))
        return row

    heads = [user(Role.HEAD, "svetlana", "Светлана Крылова"), user(Role.HEAD, "viktor", "Виктор Жуков")]
    user(Role.AUDITOR, "auditor", "Галина Фомина")
    teams = [Team(code=code, name=name, head=heads[index % 2]) for index, (code, name) in enumerate(TEAMS)]
    session.add_all(teams)
    taken = {login.login for login in logins}
    for number in range(managers):
        woman = number % 2 == 0
        first = (_WOMEN if woman else _MEN)[number // 2 % 14]
        surname = _SURNAMES[(number * 5 + 1) % len(_SURNAMES)] + ("а" if woman else "")
        login = _latin(first) if _latin(first) not in taken else f"{_latin(first)}.{_latin(surname)}"
        taken.add(login)
        team_number = number % len(teams)
        calendar = None
        if team_number == 2:
            calendar = Calendar(
                code=f"shift-{number // 3 + 1}", name=f"Смена {number // 3 + 1}", zone="Europe/Moscow",
                weekly=_shift(number // 3),
            )  # fmt: skip
        session.add(
            Manager(
                user=user(Role.MANAGER, login, f"{first} {surname}"), team=teams[team_number], calendar=calendar,
                skills=random.sample([service for service, _ in SERVICES], 3),
                hired_on=date(2024, 1, 1) + timedelta(days=random.randrange(400)), left_on=None, weight_milli=1000,
            )
        )  # fmt: skip
    session.flush()
    reference.reference_changed(session)
    return logins
