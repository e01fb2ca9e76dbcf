"""The words of the lists behind the figures of control, and their rows as files."""

from collections.abc import Mapping, Sequence
from typing import Final

from flask_babel import LazyString, lazy_gettext
from flask_babel import gettext as _

from admin.control_tables import roubles
from admin.labels import status_name
from admin.language import words
from admin.sheets import Cell
from rules_engine.services.control.lists import CALLS, Page
from rules_engine.services.control.shares import LedgerPage
from rules_engine.services.requests.ledger import CAUSE_WORDS

TITLES: Final[Mapping[str, LazyString]] = {
    "received": lazy_gettext("All requests received"),
    "owed": lazy_gettext("All to be processed"),
    "processed": lazy_gettext("Processed requests"),
    "unprocessed": lazy_gettext("Requests not processed"),
    "paid": lazy_gettext("Paid requests"),
    "taken": lazy_gettext("Requests taken away for want of an answer"),
    "marked": lazy_gettext("Marked as spam or as duplicates"),
    "due": lazy_gettext("All answers due"),
    "in_time": lazy_gettext("Answered in time"),
    "late": lazy_gettext("Not answered in time"),
    "answered": lazy_gettext("First answers"),
    "by_hand": lazy_gettext("First answers marked by hand"),
    "line_busy": lazy_gettext("More time was asked for: client on the line"),
    "overdue": lazy_gettext("Answer overdue now"),
    "size": lazy_gettext("All of the group"),
    "size_processed": lazy_gettext("Processed ones of the group"),
    "size_unprocessed": lazy_gettext("Not processed ones of the group"),
    "calls_due": lazy_gettext("All planned calls due"),
    "calls_met": lazy_gettext("Planned calls made on time"),
    "calls_missed": lazy_gettext("Planned calls not made on time"),
}
FAMILIES: Final[Sequence[tuple[str, ...]]] = (
    ("received",),
    ("owed", "processed", "unprocessed", "paid"),
    ("due", "in_time", "late", "answered", "by_hand", "line_busy"),
    ("size", "size_processed", "size_unprocessed"),
    CALLS,
)
"""Lists that are parts of one another: each leads to the others."""
_SIZES: Final = {
    1: lazy_gettext("the smallest fifth"),
    2: lazy_gettext("the second fifth"),
    3: lazy_gettext("the middle fifth"),
    4: lazy_gettext("the fourth fifth"),
    5: lazy_gettext("the largest fifth"),
}
_WITH_MINUTES: Final = frozenset(("due", "in_time", "late", "answered", "by_hand", "line_busy"))
_WITH_SIGN: Final = frozenset(("received",))


def title(figure: str) -> str:
    return str(TITLES[figure])


def relatives(figure: str) -> list[tuple[str, str]]:
    """Return the lists of the same family, each with its title; none where it stands alone."""
    family = next((one for one in FAMILIES if figure in one), ())
    return [(one, title(one)) for one in family] if len(family) > 1 else []


def size_name(size: int | None) -> str:
    return str(_SIZES[size]) if size else ""


def columns(figure: str) -> frozenset[str]:
    """Return which columns a list has beside those that every list has."""
    found = set()
    if figure in CALLS:
        found.add("calls")
    if figure in _WITH_MINUTES:
        found.add("minutes")
    if figure in _WITH_SIGN:
        found.add("sign")
    return frozenset(found)


def sheet_rows(figure: str, page: Page) -> list[list[Cell]]:
    """Return a list as rows of a sheet; where it is longer than may be read at once, the last row says so."""
    is_calls = figure in CALLS
    has_minutes = figure in _WITH_MINUTES
    heading: list[Cell] = [_("When"), _("Client"), _("Manager"), _("Expected value"), _("Note")]
    if not is_calls:
        heading = [_("Number"), *heading, _("Status"), _("Counts")]
    if has_minutes:
        heading.append(_("First answer, working minutes"))
    rows = [heading]
    for one in page.rows:
        value = None if one.value_minor is None else roubles(one.value_minor)
        row: list[Cell] = [one.at, one.client, one.manager, value, words(one.why)]
        if not is_calls:
            row = [one.number, *row, status_name(one.status or ""), one.counts]
        if has_minutes:
            row.append(one.minutes)
        rows.append(row)
    if page.total > len(page.rows):
        rows.append([_("The first %(shown)s of %(total)s.", shown=len(page.rows), total=page.total)])
    return rows


def ledger_rows(page: LedgerPage, language: str) -> list[list[Cell]]:
    """Return a page of the ledger as rows of a sheet."""
    rows: list[list[Cell]] = [
        [
            _("Entry"),
            _("When"),
            _("Request"),
            _("Manager"),
            _("Counts"),
            _("Worth"),
            _("Cause"),
            _("Rule"),
            _("Decision"),
        ]
    ]
    for one in page.entries:
        rows.append(
            [
                one.id, one.at, one.number, one.name, one.delta, roubles(one.value_minor),
                CAUSE_WORDS[one.cause][language] if one.cause in CAUSE_WORDS else one.cause, one.rule or "",
                one.decision_id,
            ]
        )  # fmt: skip
    if page.total > len(page.entries):
        rows.append([_("The first %(shown)s of %(total)s.", shown=len(page.entries), total=page.total)])
    return rows
