"""The answer of an impact in the words of the pages: people and rules by their names, instants and sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import url_for
from sqlalchemy import select

from admin.language import moment, money
from admin.sheets import Cell, Sheet
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.wording import _
from rules_engine.decisions.instants import from_us
from rules_engine.language.kinds import Decision
from rules_engine.language.model import OTHERWISE
from rules_engine.models import Callback, Client, Impact, Request
from rules_engine.services.bonus.texts import month_words
from rules_engine.services.callbacks.sheets import occasions, title_of
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.impact.escalation import KINDS


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing by the rules in force and by the draft. `live_minor`, `draft_minor`: its value, where it has one."""

    name: str
    live: int
    draft: int
    live_minor: int = 0
    draft_minor: int = 0
    more: str = ""

    @property
    def difference(self) -> int:
        return self.draft - self.live


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that differs: when, a link to it, and what both rulesets do; `more` says it in details."""

    at: datetime | None
    name: str
    url: str
    live: str
    draft: str
    who: str = ""
    more: tuple[str, ...] = ()
    difference_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Week:
    """Calls of one week by both, and how many can be made, for a picture 1000 wide."""

    monday: str
    live: int
    draft: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Shown:
    """All that the page shows of one answer. Tables are by heading; those that are empty are not there."""

    kind: str
    result: Mapping[str, Any]
    lines: tuple[Line, ...]
    total: int
    pages: int
    people: tuple[Pair, ...] = ()
    teams: tuple[Pair, ...] = ()
    rules: tuple[Pair, ...] = ()
    moves: tuple[tuple[str, str, int], ...] = ()
    rule_moves: tuple[tuple[str, str, int], ...] = ()
    counts: tuple[tuple[str, tuple[Pair, ...]], ...] = ()
    months: tuple[tuple[str, tuple[Pair, ...]], ...] = ()
    weeks: tuple[Week, ...] = ()
    left_out: tuple[str, ...] = ()
    losers: tuple[Pair, ...] = field(default=())

    @property
    def most(self) -> int:
        """The largest difference of a person, for bars."""
        return max((abs(one.difference) for one in self.people), default=0)

    @property
    def fullest(self) -> int:
        """The largest number of a week, for the picture."""
        return max((max(one.live, one.draft, one.capacity) for one in self.weeks), default=1) or 1


def shown(here: Room, row: Impact, found: Sequence[Mapping[str, Any]], total: int, page: int) -> Shown:
    """Return the answer of a finished impact, with one page of what differs."""
    words = _Words(here, row)
    common: dict[str, Any] = {
        "kind": row.decision,
        "result": row.result,
        "lines": tuple(words.lines(found)),
        "total": total,
        "pages": -(-total // page),
        "rules": words.rules(),
        "left_out": words.left_out(),
    }
    match row.decision:
        case Decision.ASSIGNMENT:
            return Shown(**common, **words.assignment())
        case Decision.ESCALATION:
            return Shown(**common, **words.escalation())
        case Decision.CALLBACKS:
            return Shown(**common, **words.callbacks())
        case _:
            return Shown(**common, **words.bonus())


def sheet_of(here: Room, row: Impact, found: Sequence[Mapping[str, Any]]) -> Sheet:
    """Return what differs as a table for a spreadsheet."""
    words = _Words(here, row)
    heading: list[Cell] = [_("When"), _("What"), _("Manager"), _("In force"), _("Draft")]
    is_bonus = row.decision == Decision.BONUS
    if is_bonus:
        heading = [_("Month"), _("Manager"), _("In force"), _("Draft"), _("Difference"), _("Why")]
    rows: list[list[Cell]] = [heading]
    for one in words.lines(found):
        if is_bonus:
            rows.append([one.name, one.who, one.live, one.draft, money(one.difference_minor or 0), "; ".join(one.more)])
        else:
            live, draft = one.live, one.draft
            if one.more:
                live, draft = "", "; ".join(one.more)
            rows.append([one.at, one.name, one.who, live, draft])
    return Sheet(f"{row.decision}-impact-{row.days}", _("What changes"), rows)


class _Words:
    def __init__(self, here: Room, row: Impact) -> None:
        self._here = here
        self._row = row
        self._result: Mapping[str, Any] = row.result
        self._picture: Reference = reference(here.session)

    def assignment(self) -> dict[str, Any]:
        people = [
            Pair(self._person(one["manager"]), one["live"], one["draft"], one["live_value"], one["draft_value"])
            for one in self._result["people"]
        ]
        teams: dict[int | None, list[int]] = {}
        for one in self._result["people"]:
            sums = teams.setdefault(one["team"], [0, 0, 0, 0])
            for place, name in enumerate(("live", "draft", "live_value", "draft_value")):
                sums[place] += one[name]
        return {
            "people": _by_difference(people),
            "teams": _by_difference(
                [Pair(self._team(team), sums[0], sums[1], sums[2], sums[3]) for team, sums in teams.items()]
            ),
            "moves": tuple((self._nobody(one), self._nobody(to), n) for one, to, n in self._result["moves"][:20]),
            "rule_moves": tuple(
                (self._rule(one), self._rule(to), number) for one, to, number in self._result["rule_moves"][:20]
            ),
        }

    def escalation(self) -> dict[str, Any]:
        names = _kind_names()
        months = [
            (month_words(month, self._here.lang), _counted(names, numbers))
            for month, numbers in self._result["months"].items()
        ]
        return {
            "months": tuple(months),
            "counts": tuple(
                (self._person(one["manager"]), _counted(names, one["counts"], whole=True))
                for one in self._result["people"]
            ),
        }

    def callbacks(self) -> dict[str, Any]:
        weeks: dict[str, list[int]] = {week: [0, 0, 0] for week in self._result["weeks"]}
        people = []
        for one in self._result["people"]:
            sums = [0, 0]
            over = []
            for week, (live, draft) in one["weeks"].items():
                sums[0] += live
                sums[1] += draft
                column = weeks.setdefault(week, [0, 0, 0])
                column[0] += live
                column[1] += draft
                if one["capacity"] and draft > one["capacity"].get(week, 0):
                    over.append(_("week of %(day)s: %(n)s of %(most)s", day=self._day(week), n=draft,
                                  most=one["capacity"].get(week, 0)))  # fmt: skip
            for week, capacity in one["capacity"].items():
                if week in weeks:
                    weeks[week][2] += capacity
            people.append(Pair(self._caller(one["manager"]), sums[0], sums[1], more="; ".join(over[:4])))
        known = occasions(self._here.session)
        titles = {code: str(title_of(known, code).get(self._here.lang) or code) for code in self._result["occasions"]}
        occasion_pairs = [Pair(titles[code], live, draft) for code, (live, draft) in self._result["occasions"].items()]
        return {
            "people": _by_difference(people),
            "counts": ((_("Occasions"), _by_difference(occasion_pairs)),) if occasion_pairs else (),
            "weeks": tuple(Week(self._day(week), *numbers) for week, numbers in sorted(weeks.items())),
        }

    def bonus(self) -> dict[str, Any]:
        people = [Pair(self._person(one["manager"]), one["live"], one["draft"]) for one in self._result["people"]]
        losers = [
            Pair(
                self._person(one["manager"]),
                one["live"],
                one["draft"],
                more=", ".join(month_words(month, self._here.lang) for month in one["losing_months"]),
            )
            for one in self._result["people"]
            if one["losing_months"]
        ]
        months = []
        for month, one in self._result["months"].items():
            words = _("%(people)s people, %(gain)s gain, %(lose)s lose", **one) if one["people"] else _("no figures")
            months.append(Pair(month_words(month, self._here.lang), one["live"], one["draft"], more=words))
        return {
            "people": _by_difference(people),
            "losers": tuple(sorted(losers, key=lambda one: one.difference)),
            "months": ((_("Month"), tuple(months)),),
        }

    def rules(self) -> tuple[Pair, ...]:
        """Return how often each rule would have acted; of rules that nobody gave a request to leave them out."""
        found = [
            Pair(self._rule(rule), live, draft)
            for rule, (live, draft) in self._result.get("rules", {}).items()
            if rule or live or draft
        ]
        return _by_difference(found)

    def left_out(self) -> tuple[str, ...]:
        """Return the rules of which it cannot be said when they would have acted."""
        found = self._result.get("left_out", {})
        return tuple(self._rule(rule) for rule in dict.fromkeys((*found.get("live", ()), *found.get("draft", ()))))

    def lines(self, found: Sequence[Mapping[str, Any]]) -> list[Line]:
        match self._row.decision:
            case Decision.ASSIGNMENT:
                numbers = self._numbers({one["request"] for one in found})
                return [self._decided(one, numbers) for one in found]
            case Decision.ESCALATION:
                numbers = self._numbers({one["item"] for one in found if one["kind"] == "request"})
                clients = self._clients_of_calls({one["item"] for one in found if one["kind"] != "request"})
                return [self._acted(one, numbers, clients) for one in found]
            case Decision.CALLBACKS:
                names = self._clients({one["client"] for one in found})
                known = occasions(self._here.session)
                return [self._called(one, names, known) for one in found]
            case _:
                return [self._paid(one) for one in found]

    def _decided(self, one: Mapping[str, Any], numbers: Mapping[int, str]) -> Line:
        return Line(
            at=from_us(one["at"]),
            name=numbers.get(one["request"], str(one["request"])),
            url=url_for("requests.why", request_id=one["request"], _anchor=f"decision-{one['decision']}"),
            live=f"{self._nobody(one['live'])} · {self._rule(one['live_rule'])}",
            draft=f"{self._nobody(one['draft'])} · {self._rule(one['draft_rule'])}",
        )

    def _acted(
        self, one: Mapping[str, Any], numbers: Mapping[int, str], clients: Mapping[int, tuple[int, str]]
    ) -> Line:
        if one["kind"] == "request":
            name = numbers.get(one["item"], str(one["item"]))
            url = url_for("requests.page", request_id=one["item"])
        else:
            client_id, client = clients.get(one["item"], (0, ""))
            name, url = client, url_for("clients.client", client_id=client_id) if client_id else ""
        more = []
        for rule, live, draft, live_times, draft_times in one["rules"]:
            if live is None:
                text = _("%(rule)s: would act %(at)s", rule=self._rule(rule), at=self._instant(draft))
            elif draft is None:
                text = _("%(rule)s: would not act (in force: %(at)s)", rule=self._rule(rule), at=self._instant(live))
            elif live == draft:
                text = _("%(rule)s: %(n)s times instead of %(m)s", rule=self._rule(rule), n=draft_times, m=live_times)
            else:
                text = _("%(rule)s: %(then)s instead of %(now)s", rule=self._rule(rule), then=self._instant(draft),
                         now=self._instant(live))  # fmt: skip
            more.append(text)
        return Line(from_us(one["at"]), name, url, "", "", self._caller(one["manager"]), tuple(more))

    def _called(self, one: Mapping[str, Any], names: Mapping[int, str], known: Any) -> Line:
        occasion = str(title_of(known, one["occasion"]).get(self._here.lang) or one["occasion"])
        return Line(
            at=from_us(one["draft"] or one["live"]),
            name=names.get(one["client"], str(one["client"])),
            url=url_for("clients.client", client_id=one["client"]),
            live=self._call(one["live"], one["live_rule"]),
            draft=self._call(one["draft"], one["draft_rule"]),
            who=self._caller(one["manager"]),
            more=(occasion,),
        )

    def _paid(self, one: Mapping[str, Any]) -> Line:
        manager = self._picture.managers.get(one["manager"])
        login = manager.login if manager else ""
        return Line(
            at=None,
            name=month_words(one["month"], self._here.lang),
            url=url_for("bonus.statement", period=one["month"], login=login) if login else "",
            live=money(one["live"]),
            draft=money(one["draft"]),
            who=self._person(one["manager"]),
            more=tuple(
                _("%(rule)s: %(then)s instead of %(now)s", rule=self._rule(rule), then=money(draft), now=money(live))
                for rule, _line, live, draft in one["lines"]
            ),
            difference_minor=one["draft"] - one["live"],
        )

    def _call(self, us: int | None, rule: str | None) -> str:
        return _("no call") if us is None else f"{self._instant(us)} · {self._rule(rule)}"

    def _instant(self, us: int) -> str:
        return str(moment(from_us(us)))

    def _day(self, week: str) -> str:
        return f"{week[8:]}.{week[5:7]}"

    def _person(self, manager_id: int | None) -> str:
        found = self._picture.managers.get(manager_id or 0)
        return found.name if found else _("nobody")

    def _nobody(self, manager_id: int | None) -> str:
        return _("nobody yet") if manager_id is None else self._person(manager_id)

    def _caller(self, manager_id: int | None) -> str:
        return _("without a manager") if manager_id is None else self._person(manager_id)

    def _team(self, team_id: int | None) -> str:
        found = self._picture.teams.get(team_id or 0)
        return found.name if found else _("without a team")

    def _rule(self, rule: str | None) -> str:
        if not rule:
            return _("no rule")
        if rule == OTHERWISE:
            return _("Otherwise")
        title = self._result["titles"].get(rule) or {}
        return str(title.get(self._here.lang) or title.get("ru") or rule)

    def _numbers(self, ids: set[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for part in _parts(ids):
            rows = self._here.session.execute(select(Request.id, Request.external_id).where(Request.id.in_(part)))
            found |= {row.id: _("Request %(n)s", n=row.external_id) for row in rows}
        return found

    def _clients(self, ids: set[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for part in _parts(ids):
            rows = self._here.session.execute(select(Client.id, Client.name).where(Client.id.in_(part)))
            found |= {row.id: row.name for row in rows}
        return found

    def _clients_of_calls(self, ids: set[int]) -> dict[int, tuple[int, str]]:
        found: dict[int, tuple[int, str]] = {}
        for part in _parts(ids):
            statement = select(Callback.id, Client.id.label("client"), Client.name).join(Client)
            rows = self._here.session.execute(statement.where(Callback.id.in_(part)))
            found |= {row.id: (row.client, row.name) for row in rows}
        return found


def _kind_names() -> dict[str, str]:
    return {
        "remind": _("Reminders to the manager"),
        "head": _("Messages to the head"),
        "late": _("Marked late"),
        "reassign": _("Transfers"),
        "other": _("Other actions"),
    }


def _counted(names: Mapping[str, str], numbers: Sequence[int], *, whole: bool = False) -> tuple[Pair, ...]:
    """Return what is counted by its kind; `whole`: also where it is nothing."""
    pairs = (Pair(names[kind], numbers[2 * place], numbers[2 * place + 1]) for place, kind in enumerate(KINDS))
    return tuple(pair for pair in pairs if whole or pair.live or pair.draft)


def _by_difference(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda one: (-abs(one.difference), -one.live, one.name)))


def _parts(ids: set[int]) -> list[list[int]]:
    ordered = sorted(ids)
    return [ordered[start : start + 1000] for start in range(0, len(ordered), 1000)]
