"""What the template of a bonus form shows: cells, rows, lines, the two ways, and their words."""

from collections.abc import Mapping
from dataclasses import dataclass

from admin.views.rule_editor.bonus_live import Live
from admin.views.rule_editor.conditions import Option, OptionGroup
from admin.views.rule_editor.wording import _


@dataclass(frozen=True, slots=True)
class Cell:
    """One input of a table. `label` is for those who do not see its column."""

    name: str
    place: int
    value: str
    label: str
    error: str = ""

    @property
    def id(self) -> str:
        return f"b-{self.name}-{self.place}"


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of tiers (from, rate, fixed), of points (at, worth) or of a gate (from, in full)."""

    place: int
    cells: tuple[Cell, ...]
    measures: tuple[OptionGroup, ...] = ()
    measure: str = ""
    measure_error: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class LineChoice:
    """A line that can be changed; `is_gone`: nothing above makes it any more."""

    code: str
    name: str
    selected: bool
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class BonusForm:
    """What stands under the plain inputs. `table`: tiers, nodes, matrix, gates or "". `suffix`: unit of its axis."""

    table: str
    suffix: str
    rows: tuple[TableRow, ...]
    marks: tuple[Cell, ...]
    grid: tuple[tuple[Cell, ...], ...]
    with_fixed: bool
    modes: tuple[Option, ...]
    soft: tuple[Option, ...]
    above: Cell | None
    lines: tuple[LineChoice, ...] | None
    sides: tuple[str, str]
    errors: Mapping[str, str]
    live: Live


def mode_label(mode: str) -> str:
    """Return the short name of a way to apply the rates of tiers."""
    return _("The rate for the part") if mode == "slab" else _("The rate for all of it")


def soft_options(soft: str) -> tuple[Option, ...]:
    """Return the two ways in which a gate opens."""
    return (
        Option("yes", _("Softly: in proportion between the two values"), soft == "yes"),
        Option("no", _("All or nothing: in full from the second value"), soft != "yes"),
    )


def plain_label(name: str, action: str) -> str:
    """Return how an input of one component is called where its usual label says too little, else ""."""
    words = {
        ("of", "pay_tiers"): _("The rate is taken of"),
        ("of", "pay_percent"): _("The rate is taken of"),
        ("rate", "pay_percent"): _("Rate"),
        ("by", "pay_tiers"): _("The tier depends on"),
        ("by", "pay_curve"): _("The value depends on"),
        ("by", "multiply"): _("The factor depends on"),
        ("amount", "pay_curve"): _("Amount at the value 1"),
        ("amount", "pay_matrix"): _("Amount at the value 1"),
        ("rows_by", "pay_matrix"): _("Rows"),
        ("cols_by", "pay_matrix"): _("Columns"),
        ("count", "pay_per_unit"): _("What is counted"),
        ("amount", "pay_per_unit"): _("For each"),
        ("at_most", "pay_per_unit"): _("At most, a month"),
        ("amount", "cap"): _("Together at most"),
        ("amount", "guarantee"): _("The bonus is at least, for a whole month"),
        ("first_months", "guarantee"): _("First months in the job"),
    }
    return words.get((name, action), "")
