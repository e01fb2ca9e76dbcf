"""Effects of the bonus ruleset: components that make one line of the statement or change earlier ones."""

from rules_engine.language.kinds import Decision, Words
from rules_engine.language.kinds import FieldType as T
from rules_engine.language.vocabulary.declare import choices
from rules_engine.language.vocabulary.terms import ActionSpec, Param, ParamType

_BONUS = frozenset({Decision.BONUS})
_PLAIN = Words("", "")
_MONEY = frozenset({T.MONEY})
_COUNTS = frozenset({T.INTEGER})
_ANY = frozenset({T.MONEY, T.PERCENT, T.INTEGER, T.NUMBER})

MODES = choices(
    ("slab", "ставка — к части внутри ступени", "the rate applies to the part within the tier"),
    ("whole", "ставка — ко всей сумме", "the rate applies to the whole amount"),
)

_LINE = Param("line", ParamType.LINE, Words("строка", "line"), Words("строка", "line"), required=True)
_OF = Param("of", ParamType.MEASURE, Words("от", "of"), Words("от показателя", "of"), required=True, measures=_MONEY)
_BY = Param(
    "by",
    ParamType.MEASURE,
    Words("по показателю", "by"),
    Words("по показателю", "by"),
    required=True,
    measures=_ANY,
)
_AMOUNT = Param("amount", ParamType.MONEY, Words("сумма", "amount"), Words("сумма", "amount"), required=True, minimum=0)
_LINES = Param("lines", ParamType.LINES, Words("строки", "lines"), _PLAIN, required=True)
_NODES = Param("nodes", ParamType.NODES, Words("точки", "points"), Words("точки", "points"), required=True)
_ABOVE = Param("above", ParamType.ABOVE, Words("часть сверх", "the part above"), Words("часть сверх", "the part above"))

BONUS_ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec(
        "pay_percent",
        Words("процент", "percent"),
        Words("начисляется процент", "pays a percentage"),
        _BONUS,
        (
            Param("rate", ParamType.EXACT, Words("ставка, %", "rate, %"), _PLAIN, required=True, minimum=0),
            _OF,
            _LINE,
        ),
    ),
    ActionSpec(
        "pay_tiers",
        Words("ступени", "tiers"),
        Words("начисляется по ступеням", "pays by tiers"),
        _BONUS,
        (
            Param("tiers", ParamType.TIERS, Words("ступени", "tiers"), _PLAIN, required=True),
            Param(
                "mode",
                ParamType.CHOICE,
                Words("как", "mode"),
                Words("как", "mode"),
                required=True,
                choices=MODES,
            ),
            _OF,
            _BY,
            _LINE,
        ),
    ),
    ActionSpec(
        "pay_curve",
        Words("кривая", "curve"),
        Words("начисляется по кривой", "pays by a curve"),
        _BONUS,
        (_AMOUNT, _BY, _NODES, _ABOVE, _LINE),
    ),
    ActionSpec(
        "pay_matrix",
        Words("матрица", "matrix"),
        Words("начисляется по матрице", "pays by a matrix"),
        _BONUS,
        (
            _AMOUNT,
            Param(
                "rows_by",
                ParamType.MEASURE,
                Words("строки матрицы", "rows by"),
                Words("строки", "rows by"),
                required=True,
                measures=_ANY,
            ),
            Param(
                "cols_by",
                ParamType.MEASURE,
                Words("столбцы матрицы", "columns by"),
                Words("столбцы", "columns by"),
                required=True,
                measures=_ANY,
            ),
            Param("nodes", ParamType.AXIS, Words("отметки", "marks"), Words("отметки", "marks"), required=True),
            Param(
                "values",
                ParamType.MATRIX,
                Words("значения", "values"),
                Words("значения", "values"),
                required=True,
            ),
            _ABOVE,
            _LINE,
        ),
    ),
    ActionSpec(
        "pay_per_unit",
        Words("за каждую единицу", "per unit"),
        Words("начисляется за каждую единицу", "pays per unit"),
        _BONUS,
        (
            _AMOUNT,
            Param(
                "count",
                ParamType.MEASURE,
                Words("что считается", "what is counted"),
                Words("считается", "counted"),
                required=True,
                measures=_COUNTS,
            ),
            Param(
                "at_most",
                ParamType.COUNT,
                Words("не более", "at most"),
                Words("не более", "at most"),
                minimum=0,
            ),
            _LINE,
        ),
    ),
    ActionSpec(
        "pay_fixed",
        Words("сумма", "fixed amount"),
        Words("начисляется", "pays"),
        _BONUS,
        (Param("amount", ParamType.MONEY, Words("сумма", "amount"), _PLAIN, required=True, minimum=0), _LINE),
    ),
    ActionSpec(
        "multiply",
        Words("коэффициент", "multiplier"),
        Words("умножаются строки", "multiplies the lines"),
        _BONUS,
        (_LINES, _BY, _NODES),
    ),
    ActionSpec(
        "gate",
        Words("порог", "gate"),
        Words("порог для строк", "gate for the lines"),
        _BONUS,
        (
            _LINES,
            Param(
                "all",
                ParamType.GATES,
                Words("показатели", "measures"),
                Words("показатели", "measures"),
                required=True,
            ),
            Param("soft", ParamType.BOOLEAN, Words("плавный", "soft"), Words("плавный", "soft")),
        ),
    ),
    ActionSpec(
        "cap",
        Words("предел", "cap"),
        Words("предел для строк", "cap on the lines"),
        _BONUS,
        (_LINES, _AMOUNT),
    ),
    ActionSpec(
        "guarantee",
        Words("гарантированный минимум новичка", "newcomer guarantee"),
        Words("не меньше", "at least"),
        _BONUS,
        (
            Param("amount", ParamType.MONEY, Words("сумма", "amount"), _PLAIN, required=True, minimum=0),
            Param(
                "first_months",
                ParamType.COUNT,
                Words("первые месяцы", "first months"),
                Words("первые месяцы", "first months"),
                required=True,
                minimum=1,
            ),
        ),
    ),
)
"""In order within a rule each component sees what earlier ones have written."""
