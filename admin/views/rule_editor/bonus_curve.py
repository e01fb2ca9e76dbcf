"""The pay curve of one component as a picture: points, ticks and words; the template only writes them down."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from admin.views.rule_editor.wording import _, capital
from rules_engine.decisions.bonus_lines import Figure, Unit, rounded
from rules_engine.decisions.bonus_measures import Measures
from rules_engine.decisions.bonus_probe import Drawn, Probe, along
from rules_engine.decisions.bonus_words import figure_words
from rules_engine.language.kinds import FieldType
from rules_engine.language.shown import show_measured, show_percent, show_scaled
from rules_engine.language.vocabulary import FIELDS

WIDTH, HEIGHT = 540, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 14, 18, 34
_AT_MOST = {"processed_pct", "in_time_pct", "callbacks_done_pct", "worked_norm_pct"}
_STEPS = (Fraction(1), Fraction(2), Fraction(5, 2), Fraction(5), Fraction(10))
_MOST_DOTS = 400


@dataclass(frozen=True, slots=True)
class Person:
    """A manager with his last month. Measures are exact."""

    name: str
    measures: Measures
    without_plan: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Tick:
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    x: str
    y: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Leap:
    x: str
    top: str
    bottom: str
    text: str
    label_x: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture. `draft` and `live` are the points of polylines; `stops` and `people` are the table behind it."""

    axis: str
    label: str
    draft: tuple[str, ...]
    live: tuple[str, ...]
    leaps: tuple[Leap, ...]
    dots: tuple[Dot, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    stops: tuple[tuple[str, str, str], ...]
    worth_label: str
    without: int

    @property
    def says(self) -> str:
        """What the picture shows, for those who do not see it."""
        return _("%(worth)s over: %(axis)s", worth=self.worth_label, axis=self.label)


class _Plane:
    """Between values and the points of the picture."""

    def __init__(self, low: Fraction, high: Fraction, top: Fraction) -> None:
        self.low, self.high, self.top = low, high, top

    def x(self, value: Fraction) -> str:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _number(_LEFT + share * (WIDTH - _LEFT - _RIGHT))

    def y(self, worth: Fraction) -> str:
        share = min(max(worth / self.top, Fraction(0)), Fraction(1))
        return _number(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM))

    def runs(self, drawn: Drawn) -> tuple[str, ...]:
        return tuple(" ".join(f"{self.x(at)},{self.y(worth)}" for at, worth in run) for run in drawn.runs if run)


def picture(
    probe: Probe, axis: str, people: Sequence[Person], others: Measures, lang: str, live: Probe | None = None
) -> Picture:
    """Return a component over one of its measures, with people at what it would pay them, and the one in force.

    `others` are the values at which the other measures stand. A live component that reads other measures is left out.
    """
    if live is not None and axis not in live.axes:
        live = None
    breaks = [*probe.breaks(axis), *(live.breaks(axis) if live else ())]
    placed = _placed(axis, people)
    high = _end(axis, breaks, [at for _one, at in placed])
    drawn = probe.drawn(axis, others, Fraction(0), high)
    before = live.drawn(axis, others, Fraction(0), high) if live else None
    worths = [(one, at, probe.worth(one.measures, one.without_plan)) for one, at in placed]
    stops = _stops(probe, live, axis, others, drawn, lang)
    return _painted(axis, lang, drawn, before, worths, stops, len(people) - len(placed), is_factor=probe.is_factor)


def whole_picture(
    axis: str,
    people: Sequence[Person],
    totals: Sequence[int],
    lang: str,
    curve: Callable[[Fraction], Drawn],
    live_curve: Callable[[Fraction], Drawn] | None,
    breaks: Sequence[Fraction],
) -> Picture:
    """Return the whole bonus over one measure; `totals` are what the draft pays these people, in kopecks.

    The curves are asked for up to where the picture ends.
    """
    paid = dict(zip((id(person) for person in people), totals, strict=True))
    placed = _placed(axis, people)
    high = _end(axis, breaks, [at for _one, at in placed])
    drawn, before = curve(high), live_curve(high) if live_curve else None
    worths = [(one, at, Fraction(paid[id(one)])) for one, at in placed]
    known = dict(point for run in before.runs for point in run) if before else {}
    kind = FIELDS[axis].type
    corners = {Fraction(0), high, *(stop for stop in breaks if stop <= high)}
    stops = (
        (
            show_measured(kind, at, lang),
            worth_words(worth, lang, is_factor=False),
            worth_words(known[at], lang, is_factor=False) if at in known else "",
        )
        for at, worth in dict(point for run in drawn.runs for point in run).items()
        if at in corners
    )
    return _painted(axis, lang, drawn, before, worths, stops, len(people) - len(placed), is_factor=False)


def _placed(axis: str, people: Sequence[Person]) -> list[tuple[Person, Fraction]]:
    shown = [person for person in people if person.measures.get(axis) is not None]
    return [(person, _as_written(FIELDS[axis].type, person.measures.get(axis))) for person in shown[:_MOST_DOTS]]


def _painted(
    axis: str,
    lang: str,
    drawn: Drawn,
    before: Drawn | None,
    worths: Sequence[tuple[Person, Fraction, Fraction]],
    stops: Iterable[tuple[str, str, str]],
    without: int,
    *,
    is_factor: bool,
) -> Picture:
    kind = FIELDS[axis].type
    low, high = Fraction(0), drawn.runs[-1][-1][0]
    most = max([drawn.highest, before.highest if before else Fraction(0), *(worth for *_one, worth in worths)])
    step = _step(most / 4) if most > 0 else Fraction(1)
    top = step * max(-(-most // step), 1)
    plane = _Plane(low, high, top)
    return Picture(
        axis=axis,
        label=capital(FIELDS[axis].chip.text(lang)),
        draft=plane.runs(drawn),
        live=plane.runs(before) if before and before.runs != drawn.runs else (),
        leaps=tuple(_leaps(plane, drawn, kind, lang, is_factor=is_factor)),
        dots=tuple(_dots(plane, worths, kind, lang, is_factor=is_factor)),
        across=tuple(Tick(plane.x(value), _short(kind, value, lang)) for value in _ticks(low, high, 5)),
        up=tuple(
            Tick(plane.y(value), _worth_tick(value, lang, is_factor=is_factor)) for value in _ticks(Fraction(0), top, 4)
        ),
        stops=tuple(stops),
        worth_label=_("Factor") if is_factor else _("Pay"),
        without=without,
    )


def worth_words(worth: Fraction, lang: str, *, is_factor: bool) -> str:
    """Return kopecks as roubles, or a factor, in words."""
    if is_factor:
        return figure_words(Figure(Fraction(rounded(worth * 10_000), 10_000), Unit.FACTOR), lang)
    return show_scaled(FieldType.MONEY, rounded(worth), lang)


def _leaps(plane: _Plane, drawn: Drawn, kind: FieldType, lang: str, *, is_factor: bool) -> Iterable[Leap]:
    for jump in drawn.jumps:
        ends = sorted((jump.before, jump.after))
        more = worth_words(abs(jump.after - jump.before), lang, is_factor=is_factor)
        sign = "+" if jump.after > jump.before else "−"
        near_left = jump.at < (plane.low * 5 + plane.high) / 6
        x = plane.x(jump.at)
        yield Leap(
            x=x,
            top=plane.y(ends[1]),
            bottom=plane.y(ends[0]),
            text=f"{sign}{more}",
            label_x=_number(Fraction(x) + (6 if near_left else -6)),
            anchor="start" if near_left else "end",
        )


def _dots(
    plane: _Plane, worths: Iterable[tuple[Person, Fraction, Fraction]], kind: FieldType, lang: str, *, is_factor: bool
) -> Iterable[Dot]:
    for person, at, worth in worths:
        place = show_measured(kind, Fraction(rounded(at * 100), 100), lang)
        yield Dot(
            plane.x(at), plane.y(worth), person.name, f"{place} → {worth_words(worth, lang, is_factor=is_factor)}"
        )


def _stops(
    probe: Probe, live: Probe | None, axis: str, others: Measures, drawn: Drawn, lang: str
) -> Iterable[tuple[str, str, str]]:
    """Yield the ends and breaks of the curve in words: the measure, the draft, what is in force."""
    kind = FIELDS[axis].type
    follower = probe.action.text("of") if probe.action.name == "pay_tiers" else None
    for at in dict.fromkeys(at for run in drawn.runs for at, _worth in run):
        said = [
            worth_words(one.worth(along(others, axis, at, follower)), lang, is_factor=one.is_factor) if one else ""
            for one in (probe, live)
        ]
        yield show_measured(kind, at, lang), said[0], said[1]


def _end(axis: str, breaks: Sequence[Fraction], seen: Sequence[Fraction]) -> Fraction:
    """Return how far the picture goes: past the last break and everybody, at most 100 % of what is a share."""
    if axis.removeprefix("measure.") in _AT_MOST:
        return Fraction(100)
    furthest = max([*breaks, *seen, Fraction(0)])
    if not furthest:
        return Fraction(1_000_000 if FIELDS[axis].type is FieldType.MONEY else 100)
    if not breaks or max(seen, default=Fraction(0)) < furthest:
        furthest *= Fraction(6, 5)
    step = _step(furthest / 5)
    return step * -(-furthest // step)


def _step(value: Fraction) -> Fraction:
    """Return a round number at least as large."""
    unit = Fraction(1)
    while unit > value:
        unit /= 10
    while unit * 10 <= value:
        unit *= 10
    return next(unit * step for step in _STEPS if unit * step >= value)


def _ticks(low: Fraction, high: Fraction, number: int) -> list[Fraction]:
    step = _step((high - low) / number)
    return [low + step * count for count in range(int((high - low) // step) + 1)]


def _worth_tick(value: Fraction, lang: str, *, is_factor: bool) -> str:
    if is_factor:
        return worth_words(value, lang, is_factor=True)
    return _short(FieldType.MONEY, value / 100, lang)


def _short(kind: FieldType, value: Fraction, lang: str) -> str:
    """Return a tick: thousands and millions are said, the unit stands in the label of the axis."""
    if kind is FieldType.PERCENT:
        return show_percent(_plain(value), lang)
    if kind is FieldType.MONEY:
        if value >= 1_000_000:
            return _("%(number)sm", number=show_measured(FieldType.NUMBER, value / 1_000_000, lang))
        if value >= 1_000:
            return _("%(number)sk", number=show_measured(FieldType.NUMBER, value / 1_000, lang))
    return show_measured(FieldType.NUMBER, value, lang)


def _plain(value: Fraction) -> str:
    return show_measured(FieldType.NUMBER, value, "en").replace(",", "")


def _as_written(kind: FieldType, value: Fraction | None) -> Fraction:
    exact = value or Fraction(0)
    return exact / 100 if kind is FieldType.MONEY else exact


def _number(value: Fraction | int) -> str:
    return f"{float(value):.1f}"
