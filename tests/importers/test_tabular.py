"""Tables are read as people export them, and other files are refused in a sentence."""

import gzip
import io
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from rules_engine.importers import tabular
from rules_engine.importers.tabular import UnreadableFile, read_table

WANTED = {"external_id", "received_at", "amount", "text"}


def _write(tmp_path: Path, content: bytes, name: str = "export.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def _cells(path: Path) -> list[tuple[int, dict[str, str]]]:
    return [(row.number, row.cells) for row in read_table(path, WANTED).rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
def test_delimiter_and_encoding_are_found_out(tmp_path: Path, delimiter: str, encoding: str) -> None:
    lines = [["external_id", "text"], ["А-1", "нужен хостинг"]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    path = _write(tmp_path, text.encode(encoding))
    assert _cells(path) == [(2, {"external_id": "А-1", "text": "нужен хостинг"})]


def test_title_above_and_totals_below_are_no_rows(tmp_path: Path) -> None:
    text = "Заявки за октябрь\n\nexternal_id;amount\nA-1;10\n\nA-2;20\nИтого;30\n"
    assert _cells(_write(tmp_path, text.encode())) == [
        (4, {"external_id": "A-1", "amount": "10"}),
        (6, {"external_id": "A-2", "amount": "20"}),
    ]


def test_a_gzipped_table_with_line_ends_in_a_cell_keeps_the_numbers_of_its_lines(tmp_path: Path) -> None:
    text = 'external_id,text\nA-1,"two\nlines"\nA-2,one\n'
    path = _write(tmp_path, gzip.compress(text.encode()), "export.csv.gz")
    assert _cells(path) == [
        (2, {"external_id": "A-1", "text": "two\nlines"}),
        (4, {"external_id": "A-2", "text": "one"}),
    ]


def test_a_workbook_with_dates_numbers_and_merged_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Выгрузка из 1С"])
    sheet.merge_cells("A1:D1")
    sheet.append(["external_id", "received_at", "amount", "text"])
    sheet.append(["A-1", datetime.fromisoformat("2026-10-01T09:05"), 1234.56, "одна"])
    sheet.append(["A-2", date(2026, 10, 2), 7701234567.0, None])
    sheet.merge_cells("D3:D4")
    path = tmp_path / "export.xlsx"
    book.save(path)
    assert _cells(path) == [
        (3, {"external_id": "A-1", "received_at": "2026-10-01 09:05:00", "amount": "1234.56", "text": "одна"}),
        (4, {"external_id": "A-2", "received_at": "2026-10-02", "amount": "7701234567", "text": "одна"}),
    ]


def _zip(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "PNG"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\xd0\xcf\x11\xe0" + bytes(64), "Excel"),
        (bytes(64), "neither"),
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"name,age\nA,1\n", "header"),
        (b"external_id,amount,amount\nA,1,2\n", "twice"),
        (b"\x1f\x8b" + bytes(10), "gzip"),
        (_zip("readme.txt", b"hello"), "ZIP"),
        (_zip("xl/workbook.xml", b"<not a workbook"), "damaged"),
        (_zip("xl/workbook.xml", bytes(50_000_000)), "unpacked"),
        (gzip.compress(bytes(50_000_000)), "unpacked"),
        (b'external_id,text\nA,"' + b"x" * (tabular.MAX_CELL + 1) + b'"\n', "longer"),
    ],
)
def test_another_file_is_refused_in_a_sentence(tmp_path: Path, content: bytes, word: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        _cells(_write(tmp_path, content))
    assert word in refused.value.message("en")
    assert refused.value.message("ru").startswith("файл не прочитан: ")


def test_hostile_xml_in_a_workbook_is_read_by_a_parser_that_expands_nothing() -> None:
    assert openpyxl.DEFUSEDXML


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"nothing\.csv"):
        read_table(tmp_path / "nothing.csv", WANTED)
