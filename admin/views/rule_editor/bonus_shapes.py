"""The small buttons of a bonus form: split a tier, drop a row, add a mark. What is typed changes, nothing is saved."""

from collections.abc import Sequence
from fractions import Fraction

from admin.views.rule_editor.bonus_forms import (
    STORED,
    TABLES,
    BonusTexts,
    Texts,
    axis_kind,
    decimal,
    first,
    table_of,
    text_at,
)
from admin.views.rule_editor.typed import Reader
from rules_engine.language.kinds import FieldType as T

MOST_ROWS = 30
_AS_FAR = Fraction(3, 2)
_FIRST = Fraction(100)


def reshaped(reader: Reader, typed: Texts, step: str) -> dict[str, list[str]]:
    """Return the texts of a form after one of its small buttons: `split:2`, `drop:1`, `add`, `fixed`.

    A new row stands in the middle and changes nothing yet: it says what the table says there already.
    """
    found = {name: list(texts) for name, texts in typed.items()}
    found.pop(STORED, None)
    verb, _colon, number = step.partition(":")
    place = int(number) if number.isdecimal() and len(number) < 4 else 0
    table = table_of(first(typed, "action"))
    texts = BonusTexts(reader)
    if table == "matrix":
        return _reshaped_matrix(texts, found, verb, place)
    if table not in TABLES:
        return found
    columns = TABLES[table]
    count = max(len(found.get(name) or ()) for name in columns)
    for name in columns:
        found[name] = [*(found.get(name) or ()), *[""] * (count - len(found.get(name) or ()))]
    if verb == "fixed":
        found["with_fixed"] = ["yes"]
    elif verb == "drop" and count > 1 and place < count:
        for name in columns:
            del found[name][place]
        if table == "tiers":
            found["tier_from"][0] = "0"
    elif verb in ("add", "split") and count < MOST_ROWS:
        where = count - 1 if verb == "add" else min(place, count - 1)
        new = dict.fromkeys(columns, "")
        if verb == "split":
            new |= _between(texts, found, table, where)
        for name in columns:
            found[name].insert(where + 1, new[name])
    return found


def _between(texts: BonusTexts, typed: Texts, table: str, place: int) -> dict[str, str]:
    """Return the row between a row and the next; behind the last one half as far again."""
    if table == "gates":
        return {}
    at, worth = TABLES[table][:2]
    kind = axis_kind(typed)
    here, following = (texts.number(kind, text_at(typed, at, one)) for one in (place, place + 1))
    if here is None:
        return {}
    middle = (here + following) / 2 if following is not None else here * _AS_FAR or _FIRST
    new = {at: texts.shown(kind, decimal(middle)), worth: text_at(typed, worth, place)}
    if table == "nodes":
        low, high = (texts.number(T.NUMBER, text_at(typed, worth, one)) for one in (place, place + 1))
        if low is not None and high is not None:
            new[worth] = texts.shown(T.NUMBER, decimal((low + high) / 2))
    return new


def _reshaped_matrix(texts: BonusTexts, typed: dict[str, list[str]], verb: str, place: int) -> dict[str, list[str]]:
    marks, cells = typed.get("mark") or [], typed.get("cell") or []
    size = len(marks)
    grid = [[_item(cells, row * size + column) for column in range(size)] for row in range(size)]
    if verb == "drop" and size > 2 and place < size:
        del marks[place]
        grid = [[cell for column, cell in enumerate(row) if column != place] for row in grid]
        del grid[place]
    elif verb in ("split", "add") and size < MOST_ROWS:
        where = size - 1 if verb == "add" else min(place, size - 1)
        kind = axis_kind(typed)
        ends = [texts.number(kind, _item(marks, one)) for one in (where, where + 1)]
        middle = None if ends[0] is None else ends[0] * _AS_FAR or _FIRST
        if ends[0] is not None and ends[1] is not None:
            middle = (ends[0] + ends[1]) / 2
        marks.insert(where + 1, "" if middle is None else texts.shown(kind, decimal(middle)))
        grid = [[*row[: where + 1], _mean(texts, row, where), *row[where + 1 :]] for row in grid]
        columns = [[row[column] for row in grid] for column in range(size + 1)]
        grid.insert(where + 1, [_mean(texts, column, where) for column in columns])
    typed["mark"], typed["cell"] = marks, [cell for row in grid for cell in row]
    return typed


def _mean(texts: BonusTexts, cells: Sequence[str], place: int) -> str:
    low, high = (texts.number(T.NUMBER, _item(cells, one)) for one in (place, place + 1))
    if low is None:
        return ""
    return texts.shown(T.NUMBER, decimal(low if high is None else (low + high) / 2))


def _item(texts: Sequence[str], place: int) -> str:
    return texts[place] if place < len(texts) else ""
