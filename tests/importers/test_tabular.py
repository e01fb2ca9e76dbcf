"""Files as people export them, and files that are something else."""

# ruff: noqa: DTZ001 - what stands in a workbook has no zone

import gzip
import io
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from rules_engine.importers import tabular
from rules_engine.importers.tabular import FileRefused, Row, read_rows


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def book(folder: Path, *rows: list[object], merge: str | None = None) -> Path:
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    for row in rows:
        sheet.append(row)
    if merge:
        sheet.merge_cells(merge)
    path = folder / "book.xlsx"
    workbook.save(path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(FileRefused) as refused:
        read_rows(path)
    assert refused.value.message("ru") != refused.value.message("en")
    return refused.value.message("en")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1251"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_in_any_usual_encoding_and_delimiter(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = f"логин{delimiter}имя\r\nanna{delimiter}Анна\r\n\r\n\r\nboris{delimiter}\r\n"
    for name, data in (("a.csv", text.encode(encoding)), ("a.csv.gz", gzip.compress(text.encode(encoding)))):
        rows = read_rows(write(tmp_path, name, data))
        assert [Row(1, ("логин", "имя")), Row(2, ("anna", "Анна")), Row(5, ("boris", None))] in rows


def test_a_cell_of_several_lines_counts_them(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", b'id,text\n1,"a\nb\nc"\n2,d\n')
    assert read_rows(path)[0] == [Row(1, ("id", "text")), Row(2, ("1", "a\nb\nc")), Row(5, ("2", "d"))]


def test_a_workbook_keeps_dates_and_gives_numbers_in_full(tmp_path: Path) -> None:
    path = book(
        tmp_path, ["Отчёт"], [], ["дата", "инн", "сумма", "да"],
        [datetime(2026, 10, 1, 9, 5), 105012340, 1234.56, True],
    )  # fmt: skip
    (rows,) = read_rows(path)
    assert rows[-1] == Row(4, (datetime(2026, 10, 1, 9, 5), "105012340", "1234.56", "true"))


def test_a_cell_merged_over_several_rows_stands_in_each(tmp_path: Path) -> None:
    path = book(tmp_path, ["менеджер", "id"], ["Анна", "1"], [None, "2"], [None, "3"], [None, "4"], merge="A2:A4")
    (rows,) = read_rows(path)
    assert [row.cells[0] for row in rows] == ["менеджер", "Анна", "Анна", "Анна", None]


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\x00"


@pytest.mark.parametrize("data", [PNG, PDF, b"\x7fELF" + b"\x00" * 90, b"id,name\n\x00,1", b"PK\x03\x04garbage"])
def test_a_file_of_another_kind_is_no_table(tmp_path: Path, data: bytes) -> None:
    assert "is not a table" in refusal(write(tmp_path, "requests.csv", data))


def test_what_is_missing_empty_or_damaged_is_said_in_a_sentence(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "nothing.csv")
    assert "cannot be read" in refusal(tmp_path)
    assert "empty" in refusal(write(tmp_path, "a.csv", b" \n"))
    assert "damaged" in refusal(write(tmp_path, "a.gz", gzip.compress(b"id\n" * 900)[:-9]))
    assert "no rows" in refusal(write(tmp_path, "a.csv", b"\n,,\n"))
    assert "no rows" in refusal(book(tmp_path))


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    assert "too large" in refusal(write(tmp_path, "a.csv.gz", gzip.compress(b"0" * (40 * 2**20))))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"0" * (40 * 2**20))
    assert "too large" in refusal(write(tmp_path, "a.xlsx", packed.getvalue()))
    assert "64 MB" in refusal(write(tmp_path, "a.csv", b"a,b\n" * (17 * 2**20)))


def replaced(path: Path, part: str, change: bytes, by: bytes) -> Path:
    """Return a copy of a workbook with one part changed."""
    copy = path.with_name("changed.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename == part:
                assert change in data
                data = data.replace(change, by)
            new.writestr(info, data)
    return copy


def test_entities_in_a_workbook_are_not_expanded(tmp_path: Path) -> None:
    plain = book(tmp_path, ["id"], ["1"])
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><worksheet '
    refused = replaced(plain, "xl/worksheets/sheet1.xml", b"<worksheet ", laughs)
    assert "is not a table" in refusal(refused)


def test_a_sheet_that_lies_about_its_size_costs_nothing(tmp_path: Path) -> None:
    path = book(tmp_path, ["id", "name"], ["1", "2"])
    lying = replaced(path, "xl/worksheets/sheet1.xml", b'<dimension ref="A1:B2"', b'<dimension ref="A1:XFD1048576"')
    assert len(read_rows(lying)[0]) == 2
    far = replaced(path, "xl/worksheets/sheet1.xml", b'<row r="2"', b'<row r="999999999999"')
    assert "more than 1000000 rows" in refusal(far)


def test_rows_columns_and_cells_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "columns" in refusal(write(tmp_path, "a.csv", b",".join([b"a"] * 301)))
    assert "too long" in refusal(write(tmp_path, "a.csv", b"id,text\n1," + b"a" * 40_000))
    assert "damaged" in refusal(write(tmp_path, "a.csv", b'id,text\n1,"' + b"a" * 200_000))
    monkeypatch.setattr(tabular, "MAX_ROWS", 3)
    assert "rows" in refusal(write(tmp_path, "a.csv", b"a,b\n" * 4))
