"""Tables as files: the sheet of a workbook is called as the table is, as far as spreadsheets allow it."""

import io

import pytest
from openpyxl import load_workbook

from admin.sheets import Sheet, as_file


@pytest.mark.parametrize(
    ("title", "called"),
    [
        ("Заявки", "Заявки"),
        ("Премия: 2,5 % и 15 000 за план", "Премия 2,5 % и 15 000 за план"),
        ("a/b\\c [d] *?", "a b c d"),
        ("'Лён'", "Лён"),
        ("я" * 40, "я" * 31),
        ("я" * 30 + "' и", "я" * 30),
        ("::", "Pravila"),
    ],
)
def test_any_title_makes_a_sheet(title: str, called: str) -> None:
    made = as_file(Sheet("rules", title, [("Имя",), ("Анна",)]), "xlsx")
    assert load_workbook(io.BytesIO(made.get_data())).sheetnames == [called]
