"""Oddities: files as people have them. Each is read right or refused by name, none is misread."""

import bz2
import gzip
import io
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import polars
import pyarrow
import pyarrow.parquet
import pytest

from nice_anomaly.data import Dialect, recognise
from nice_anomaly.data.tables import Chunk, learn_columns, open_tables
from nice_anomaly.data.tables.cells import numbers, words
from nice_anomaly.data.tables.moments import moments
from nice_anomaly.errors import ConfigError, DataError

ROWS = 40


@dataclass(frozen=True)
class Odd:
    """What a file holds, its name, and what is made of it.

    ``columns`` are the expected first two values of some columns: numbers, words or moments.
    ``reads`` is how columns are described; ``fault`` what the last row suffers from, ``refused``
    the sentence of a refusal and ``said`` one that is said.
    """

    content: Any
    name: str = "t.csv"
    columns: dict[str, tuple[Any, Any]] | None = None
    reads: dict[str, str] | None = None
    fault: str = ""
    refused: str = ""
    said: str = ""
    dialect: Dialect = Dialect()  # noqa: RUF009
    encoding: str = "utf-8"


def lines(heading: str, *rows: str, times: int = 0) -> str:
    """A file of a heading and rows, repeated until there are enough of them."""
    repeated = rows * (times or -(-ROWS // len(rows)))
    return "\n".join([heading, *repeated]) + "\n"


CSV = {
    # decimal commas and thousands
    "three decimals after a comma": Odd(
        lines("a;b", "0,529;7", "1,250;8"), columns={"a": (0.529, 1.25)}, said="decimal comma"
    ),
    "a comma in one column decides for another": Odd(
        lines("a;b", "1,234;0,5", "2,345;0,75"), columns={"a": (1.234, 2.345)}
    ),
    "a comma with nothing else, parted by ;": Odd(
        lines("a;b", "1,234;x", "2,345;y"), columns={"a": (1.234, 2.345)}, said="';' parts"
    ),
    "a comma with nothing else, quoted": Odd(
        lines("a,b", '"1,234",x', '"2,345",y'), refused="'1,234' in the column 'a' may be 1234 or"
    ),
    "thousands with a point that another column shows": Odd(
        lines("a,b", '"1,234",0.5', '"12,500",0.75'), columns={"a": (1234.0, 12500.0)}
    ),
    "thousands twice": Odd(
        lines("a;b", "1.234.567;x", "2.345;y"), columns={"a": (1234567.0, 2345.0)}
    ),
    "part numbers tell nothing of other columns": Odd(
        lines("a;b", "1.234.567;1.234", "2.345.678;2.345"),
        refused="'1.234' in the column 'b' may be 1.234 or 1234",
    ),
    "German money": Odd(
        lines("a;b", "1.234,50;x", "12,00;y"), columns={"a": (1234.5, 12.0)}
    ),
    "a point that may be either, parted by ;": Odd(
        lines("a;b", "1.234;x", "2.345;y"), refused="may be 1.234 or 1234"
    ),
    "the same, stated": Odd(
        lines("a;b", "1.234;x", "2.345;y"),
        columns={"a": (1234.0, 2345.0)}, dialect=Dialect(decimal=","),
    ),
    "a point parted by commas": Odd(
        lines("a,b", "1.234,x", "2.345,y"), columns={"a": (1.234, 2.345)}
    ),
    "both signs in one column": Odd(
        lines("a;b", "1,5;x", "2.5;y"), columns={"a": (1.5, 2.5)}, said="both decimal signs"
    ),
    "both signs in one column, and one that may be either": Odd(
        lines("a;b", "1,5;x", "2.5;y", "1,234;z"), refused="the rest of the file says both"
    ),
    "French spaces": Odd(
        lines("a;b", "1\u202f234,5;x", "12\u00a0345,25;y"), columns={"a": (1234.5, 12345.25)}
    ),
    "Swiss apostrophes": Odd(
        lines("a;b", "1'234.50;x", "12’345.25;y"), columns={"a": (1234.5, 12345.25)}
    ),
    "a minus of typesetters, and one behind": Odd(
        lines("a;b", "−1,5;x", "2,5-;y"), columns={"a": (-1.5, -2.5)}
    ),
    "accountants' brackets": Odd(
        lines("a,b", "(12.50),x", "3.25,y"), columns={"a": (-12.5, 3.25)}
    ),
    "powers of ten": Odd(lines("a;b", "1,5E3;x", "2e-2;y"), columns={"a": (1500.0, 0.02)}),
    "a separator that was stated": Odd(
        lines("a#b", "1#2", "3#4"), columns={"b": (2.0, 4.0)}, dialect=Dialect(separator="#")
    ),
    # units and signs beside numbers
    "a unit": Odd(
        lines("a,b", "12 mm,x", "13.5 mm,y"),
        reads={"a": "number in mm, 12 to 13.5 in steps of 1.5"},
    ),
    "percent": Odd(
        lines("a;b", "12,5 %;x", "3 %;y"), reads={"a": "number in %, 3 to 12.5 in steps of 9.5"}
    ),
    "a currency before": Odd(
        lines("a,b", '"$1,200.50",x', "$12.25,y"),
        reads={"a": "number in $, 12.25 to 1200.5 in steps of 1188.25"},
    ),
    "two units": Odd(
        lines("a,b", *(f"{i} {'mm' if i % 2 else 'cm'},x" for i in range(40))),
        reads={"a": "left out: numbers with different units (cm, mm): write them in one"},
    ),
    "two units in many numbers that repeat": Odd(
        lines("a,b", *(f"{i % 40} {'mm' if i % 2 else 'cm'},x" for i in range(120)), times=1),
        reads={"a": "left out: numbers with different units (cm, mm): write them in one"},
    ),
    # dates
    "German dates": Odd(
        lines("a;b", "03.04.2025 06:30;1", "14.4.2025;2"),
        columns={"a": (datetime(2025, 4, 3, 6, 30), datetime(2025, 4, 14))},
    ),
    "American dates": Odd(
        lines("a,b", "04/03/2025 1:05 PM,1", "04/14/2025 2:00 AM,2"),
        columns={"a": (datetime(2025, 4, 3, 13, 5), datetime(2025, 4, 14, 2))},
    ),
    "dates that may be either": Odd(
        lines("a,b", "04/03/2025,1", "05/06/2025,2"),
        reads={"a": "left out: 04/03/2025 may be day or month first: say which with "
               "`dates='dmy'` or `dates='mdy'`"},
    ),
    "the same with days first, stated": Odd(
        lines("a,b", "04/03/2025,1", "05/06/2025,2"), dialect=Dialect(dates="dmy"),
        columns={"a": (datetime(2025, 3, 4), datetime(2025, 6, 5))},
    ),
    "dates in two orders": Odd(
        lines("a,b", "13/02/2025,1", "02/14/2025,2"),
        reads={"a": "left out: dates in two orders: 13/02/2025 has the day first, 02/14/2025 the "
               "month"},
    ),
    "months by name": Odd(
        lines("a;b", "3. März 2025;1", "14 Oct 2025 10:00;2"),
        columns={"a": (datetime(2025, 3, 3), datetime(2025, 10, 14, 10))},
    ),
    "days of the week before": Odd(
        lines("a;b", "Mo 03.03.2025;1", "Di 04.03.2025 10:00;2"),
        columns={"a": (datetime(2025, 3, 3), datetime(2025, 3, 4, 10))},
    ),
    "days of the week alone": Odd(
        lines("a,b", "Mon,1", "Tue,2"), reads={"a": "category of 2: Mon, Tue"}
    ),
    "times alone": Odd(lines("a,b", "08:30,1", "9:15:30,2"), reads={"a": "time of day"}),
    "seconds since 1970": Odd(
        lines("time,b", "1700000000,1", "1700000060,2"),
        columns={"time": (datetime(2023, 11, 14, 22, 13, 20), datetime(2023, 11, 14, 22, 14, 20))},
    ),
    "order numbers like seconds": Odd(
        lines("order,b", "1700000000,1", "1700000060,2"),
        columns={"order": (1700000000.0, 1700000060.0)},
    ),
    "dates in eight digits": Odd(
        lines("a,b", "20250301,1", "20250228,2"),
        columns={"a": (datetime(2025, 3, 1), datetime(2025, 2, 28))},
    ),
    # words and codes
    "yes and no in German": Odd(
        lines("a;b", "Ja;1", "Nein;2"), reads={"a": "category of 2: Ja, Nein"}
    ),
    "leading zeros": Odd(
        lines("a,b", "01067,1", "99084,2"),
        reads={"a": "category of 2: 01067, 99084; codes with leading zeros"},
    ),
    "underscores are no thousands": Odd(
        lines("a,b", "2024_01,1", "2024_02,2"), reads={"a": "category of 2: 2024_01, 2024_02"}
    ),
    "addresses of machines": Odd(
        lines("a;b", "192.168.100.101;1", "192.168.100.102;2"),
        reads={"a": "category of 2: 192.168.100.101, 192.168.100.102"},
    ),
    "below the limit of detection": Odd(
        lines("a,b", *(f"{'<0.1' if i % 5 == 0 else i / 7},{i}" for i in range(80)), times=1),
        reads={"a": "left out: 64 of 80 cells are numbers, but not '<0.1' (16 times): leave such "
               "cells empty to have numbers"},
    ),
    "errors of spreadsheets": Odd(
        lines("a;b", "1,5;1", "#DIV/0!;2", "#NV;3", "2,5;4"),
        reads={"a": "number, 1.5 to 2.5 in steps of 1, may be missing"},
    ),
    # shape
    "a title above": Odd(
        "Report of line 3;;\n\n" + lines("a;b;c", "1;2;3", "4;5;6"),
        columns={"c": (3.0, 6.0)},
        said="1 line above the column names left out: 'Report of line 3'",
    ),
    "units below the names": Odd(
        lines("a;b\nmm;bar", "1,5;2", "2,5;3"), columns={"a": (1.5, 2.5)}, said="taken for units"
    ),
    "totals at the end": Odd(
        lines("a;b", "x;2", "y;3") + "Summe;100\n", fault="looks like a line of totals ('Summe')"
    ),
    "a separator at the end of every line": Odd(
        lines("a;b;", "1;2;", "3;4;"), columns={"b": (2.0, 4.0)}
    ),
    "empty lines at the end": Odd(
        lines("a;b", "1;2", "3;4") + ";\n;\n\n", columns={"b": (2.0, 4.0)},
        said="2 empty lines at its end left out",
    ),
    "an empty line between": Odd(
        lines("a;b", "1;2", "3;4") + ";\n5;6\n7;8\n", columns={"b": (2.0, 4.0)}
    ),
    "a line of its own at the end": Odd(
        lines("a;b;c", "1;2;3", "4;5;6") + "made by logger 1.2\n",
        fault="has 1 cell, the heading has 3",
    ),
    "merged headings": Odd(
        "temp;;pressure;\nin;out;in;out\n" + lines("1;2;3;4", "5;6;7;8"),
        refused="column 2 has no name.*merged cells",
    ),
    "names in two lines that repeat": Odd(lines("a;a", "1;2"), refused="'a' is there twice"),
    "no names": Odd(lines("1.5,2", "3,4"), refused="first line holds only numbers"),
    "names over two lines of text": Odd(
        lines('"a\nb";c', "1;2", "3;4"), columns={"a b": (1.0, 3.0)}
    ),
    # dress
    "a byte order mark": Odd(
        lines("ä;b", "1;2", "3;4"), encoding="utf-8-sig", columns={"ä": (1.0, 3.0)}
    ),
    "an old code page": Odd(
        lines("Größe;b", "1;2", "3;4"), encoding="cp1252", columns={"Größe": (1.0, 3.0)}
    ),
    "Unicode of Excel": Odd(
        lines("a\tb", "1,5\t2", "3,5\t4"), encoding="utf-16", columns={"a": (1.5, 3.5)}
    ),
    "what Excel says of separators": Odd(
        "sep=;\n" + lines("a;b", "1;2"), columns={"b": (2.0, 2.0)}
    ),
    # what looks like a number
    "a month of a year": Odd(
        lines("a;b;c", "01.2025;1,234;1,5", "12.2025;2,345;0,5"), columns={"b": (1.234, 2.345)},
        reads={"a": "category of 2: 01.2025, 12.2025; codes with leading zeros"},
    ),
    "a code with a letter": Odd(
        lines("a,b", "12-A,1", "13-A,2"), reads={"a": "category of 2: 12-A, 13-A"}
    ),
    "hexadecimal": Odd(lines("a,b", "0x1F,1", "0x2F,2"), reads={"a": "category of 2: 0x1F, 0x2F"}),
    "open numbers among words, in a file with commas": Odd(
        lines("a;b", "1.234;0,5", "broken;1,5", "2.345;2,5"),
        columns={"b": (0.5, 1.5)},
        reads={"a": "category of 3: 1234, 2345, broken; 28 of 42 cells are numbers, but not "
               "'broken' (14 times): leave such cells empty to have numbers"},
    ),
    "more digits than a float has": Odd(
        lines("a;b", "0,12345678901234567;1", "0,5;2"), columns={"a": (0.12345678901234567, 0.5)}
    ),
    "brackets around a minus behind": Odd(
        lines("a,b", "(12-),x", "3.25,y"), reads={"a": "category of 2: (12-), 3.25; 20 of 40 cells "
               "are numbers, but not '(12-)' (20 times): leave such cells empty to have numbers"},
    ),
    "a point parted by tabs": Odd(
        lines("a\tb", "1.234\tx", "2.345\ty"), refused="may be 1.234 or 1234"
    ),
    # more dates
    "months in capitals": Odd(
        lines("a,b", "03-OCT-2025,1", "14-AUG-2025,2"),
        columns={"a": (datetime(2025, 10, 3), datetime(2025, 8, 14))},
    ),
    "months in capitals, short years": Odd(
        lines("a,b", "03-OCT-25,1", "14-AUG-25,2"),
        columns={"a": (datetime(2025, 10, 3), datetime(2025, 8, 14))},
    ),
    "short years in front": Odd(
        lines("a,b", "25/03/01,1", "25/03/02,2"),
        columns={"a": (datetime(2025, 3, 1), datetime(2025, 3, 2))},
    ),
    "short years in front, though days were stated": Odd(
        lines("a,b", "25/03/01,1", "25/03/02,2"), dialect=Dialect(dates="dmy"),
        columns={"a": (datetime(2001, 3, 25), datetime(2002, 3, 25))},
    ),
    "the end of a day": Odd(
        lines("a,b", "2025-02-28 24:00,1", "2025-03-01 00:24:00,2"),
        columns={"a": (datetime(2025, 3, 1), datetime(2025, 3, 1, 0, 24))},
    ),
    # more shapes
    "one column of decimal commas": Odd(lines("a", "1,5", "2,5"), columns={"a": (1.5, 2.5)}),
    "one column of decimal points": Odd(lines("a", "1.5", "2.5"), columns={"a": (1.5, 2.5)}),
    "comments above, with commas": Odd(
        "# by me, today\n# and, you\n" + lines("a,b", "1,2", "3,4"), columns={"b": (2.0, 4.0)},
        said="2 lines above the column names left out",
    ),
    "names in a comment": Odd(lines("# a,b", "1.5,2", "3.5,4"), columns={"# a": (1.5, 3.5)}),
    "a name with a # over words": Odd(
        lines("#a,b", "x,y", "z,w"), reads={"#a": "category of 2: x, z"}
    ),
    "a separator that is another": Odd(
        lines("a;b", "10,5;2", "11,5;3"), dialect=Dialect(separator=","),
        refused=r"its first line, 'a;b', is one cell.*Say it with `separator=';'`",
    ),
    "a first line of 80,000 signs": Odd(
        lines(",".join(f"c{i}" for i in range(12_000)), ",".join(["1", "2"] * 6_000), times=9),
        columns={"c11999": (2.0, 2.0)},
    ),
    "lines as they were on old computers": Odd(
        lines("a,b", "1.5,2", "3.5,4", times=5_000).replace("\n", "\r"), columns={"a": (1.5, 3.5)}
    ),
    "an old code page is a guess": Odd(
        lines("Größe;b", "1;2", "3;4"), encoding="cp1252",
        said="is not UTF-8: read as Windows-1252, as in 'Größe'",
    ),
    "an old code page that comes late": Odd(
        lines("a;b", "1;x", times=30_000) + "2;é\n", encoding="cp1252",
        refused=r"not text in utf-8 \(byte 0xe9 after line [0-9]+\): save it as UTF-8",
    ),
}  # fmt: skip


def _zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, lines("a;b", "1,5;2", "2,5;3"))
    return stream.getvalue()


def _book(*sheets: tuple[str, list[list[Any]]], hidden: str = "") -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        sheet.sheet_state = "hidden" if title == hidden else "visible"
        for row in rows:
            sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


FORTY = range(10, 410, 10)
TABLE: list[list[Any]] = [["when", "a", "b"]] + [
    [datetime(2025, 3, 1 + i % 20, 6), i / 4, "x" if i % 2 else "y"] for i in range(ROWS)
]
PLAIN = lines("a;b", "1,5;2", "2,5;3").encode()
FILES = {
    "packed with gzip": Odd(gzip.compress(PLAIN), "t.csv.gz", {"a": (1.5, 2.5)}),
    "packed with bzip2": Odd(bz2.compress(PLAIN), "t.csv.bz2", {"a": (1.5, 2.5)}),
    "packed with xz": Odd(lzma.compress(PLAIN), "t.csv.xz", {"a": (1.5, 2.5)}),
    "a zip of one": Odd(_zipped("t.csv", "__MACOSX/._t.csv"), "t.zip", {"a": (1.5, 2.5)}),
    "a zip of two": Odd(_zipped("a.csv", "b.csv"), "t.zip", refused=r"2 tables \(a.csv, b.csv\)"),
    "a zip of none": Odd(_zipped("a.doc"), "t.zip", refused="no CSV file"),
    "cut short": Odd(gzip.compress(PLAIN)[:30], "t.csv.gz", refused=r"t\.csv\.gz cannot be read"),
    "not packed": Odd(PLAIN, "t.csv.gz", refused=r"t\.csv\.gz cannot be read"),
    "text of another name": Odd(PLAIN, "t.txt", {"a": (1.5, 2.5)}),
    "a workbook": Odd(
        _book(("Tabelle1", TABLE)), "t.xlsx",
        {"when": (datetime(2025, 3, 1, 6), datetime(2025, 3, 2, 6)), "a": (0.0, 0.25)},
    ),
    "an empty second sheet": Odd(
        _book(("Tabelle1", TABLE), ("Tabelle2", [])), "t.xlsx", {"a": (0.0, 0.25)}
    ),
    "a hidden second sheet": Odd(
        _book(("May", TABLE), ("lists", [["x"], [1]]), hidden="lists"), "t.xlsx", {"a": (0.0, 0.25)}
    ),
    "two sheets": Odd(
        _book(("May", TABLE), ("June", TABLE)), "t.xlsx", refused=r"2 sheets \(May, June\): say"
    ),
    "two sheets, one stated": Odd(
        _book(("May", TABLE), ("June", TABLE)), "t.xlsx", {"a": (0.0, 0.25)},
        dialect=Dialect(sheet="June"),
    ),
    "a sheet that is not there": Odd(
        _book(("May", TABLE)), "t.xlsx", refused="has no sheet 'July'. It has: May",
        dialect=Dialect(sheet="July"),
    ),
    "merged headings in a workbook": Odd(
        _book(("May", [["temp", None, "p"], [1, 2, 3]] * 1 + [[4, 5, 6]] * 30)), "t.xlsx",
        refused="column 2 has no name",
    ),
    "a title above in a workbook": Odd(
        _book(("May", [["Report"], [], *TABLE])), "t.xlsx", {"a": (0.0, 0.25)},
        said="above the column names left out",
    ),
    "totals in a workbook": Odd(
        _book(("May", [["part", "a"], *(["bolt", i] for i in range(40)), ["Total", 780]])),
        "t.xlsx", fault="looks like a line of totals ('Total')",
    ),
    "errors in a workbook": Odd(
        _book(("May", [["a", "b"], *([i / 3 if i % 4 else "#N/A", i] for i in range(40))])),
        "t.xlsx", reads={"a": "number, 0.333333 to 13, may be missing"},
    ),
    "text numbers in a workbook": Odd(
        _book(("May", [["a", "b"], *([f"{i},5", i] for i in range(40))])), "t.xlsx",
        {"a": (0.5, 1.5)},
    ),
    "three decimals beside words in a workbook": Odd(
        _book(
            ("May", [["a", "b"], ["n.a.", "0,5"]] + [[(1001 + i) / 1000, "0,5"] for i in FORTY])
        ),
        "t.xlsx", {"b": (0.5, 0.5)}, reads={"a": "number, 1.011 to 1.401, may be missing"},
    ),
    "texts in a workbook that may be either": Odd(
        _book(("May", [["a", "b"], *([f"1.{i}", i] for i in range(100, 140))])), "t.xlsx",
        refused="'1.100' in the column 'a' may be 1.1 or 1100",
    ),
    "formulas that nobody worked out": Odd(
        _book(("May", [["a", "sum"], *([i, f"=A{i}+1"] for i in range(40))])), "t.xlsx",
        said="the formulas in 'sum' have no values: open it in a spreadsheet and save it",
    ),
    "a password": Odd(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
        "t.xlsx", refused="protected by a password",
    ),
    "an older workbook": Odd(b"\xd0\xcf\x11\xe0", "t.xls", refused="Save it as .xlsx or .csv"),
    "no workbook": Odd(b"a,b\n1,2\n", "t.xlsx", refused="cannot be read as a workbook"),
}  # fmt: skip
ODDITIES = CSV | FILES


def written(folder: Path, odd: Odd) -> Path:
    path = folder / odd.name
    content = odd.content
    path.write_bytes(content.encode(odd.encoding) if isinstance(content, str) else content)
    return path


def read(path: Path, dialect: Dialect) -> Chunk:
    (chunk,) = open_tables(recognise(path).parts, 50_000, dialect)
    return chunk


@pytest.mark.parametrize("case", ODDITIES)
def test_an_oddity_is_read_right_or_refused_by_name(
    tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    odd = ODDITIES[case]
    path = written(tmp_path, odd)
    caplog.set_level("INFO", "nice_anomaly")
    if odd.refused:
        with pytest.raises(DataError, match=odd.refused) as caught:
            read(path, odd.dialect)
        assert odd.name in str(caught.value)
        return
    chunk = read(path, odd.dialect)
    learned = {c.name: c for c in learn_columns(chunk.columns, odd.dialect.dates)}
    for name, (first, second) in (odd.columns or {}).items():
        cells, column = chunk.columns[name], learned[name]
        if isinstance(first, datetime):
            assert moments(cells, column.form)[0][:2].tolist() == [first, second]
        else:
            assert numbers(cells, column.unit)[0][:2].tolist() == [first, second]
            assert column.kind == "number"
    for name, described in (odd.reads or {}).items():
        assert str(learned[name]) == described
    assert odd.said in caplog.text
    if odd.fault:
        assert chunk.faults == {chunk.rows - 1: odd.fault}


def test_there_are_eighty_and_more() -> None:
    assert len(ODDITIES) >= 80


LATE = {  # rows that come first, four at a time, and the ones that come later; a number, or no way
    "thousands, then a comma": ("1.234\t7", "0,5\t7", "may be 1.234 or 1234"),
    "a comma that may be either, then one that is": ("1,234\t7", "0,5\t7", "may be 1234 or"),
    "a point between commas, then a comma": ("1.234,7", '"0,5",7', "says both"),
    "a comma after ';', then a point": ("1,234;7", "0.5;7", "says both"),
    "another column has the other sign": ("1.234,7", '8,"0,5"', "says both"),
    "as another column shows, then a point": ("1,234;7,5", "0.5;7,5", "says both"),
    "whole numbers, then a comma": ("12;7", "0,5;7", 12.0),
    "commas, then one that may be either": ("0,5;7", "1,234;7", 0.5),
}


@pytest.mark.parametrize("case", LATE)
def test_what_comes_late_is_not_passed_over(tmp_path: Path, case: str) -> None:
    """Rows are read a few at a time: what was read before was read right, or it is refused."""
    early, late, found = LATE[case]
    sign = next(sign for sign in "\t;," if sign in early)
    path = tmp_path / "t.csv"
    path.write_text("\n".join([sign.join("ab"), *[early] * 8, *[late] * 8]))
    if isinstance(found, str):
        with pytest.raises(DataError, match=found):
            list(open_tables([path], 4))
    else:
        first, *_ = open_tables([path], 4)
        assert numbers(first.columns["a"])[0].tolist() == [found] * 4


def test_the_usual_sign_gives_way_to_what_parts_the_cells(tmp_path: Path) -> None:
    """A run of German files reads 1.234 as 1234, but not between commas."""
    for sign, found in ((";", 1234.0), ("\t", 1234.0), (",", None)):
        path = tmp_path / "t.csv"
        path.write_text(f"a{sign}b\n" + f"1.234{sign}7\n" * 3)
        if found is None:
            with pytest.raises(DataError, match=r"may be 1\.234 or 1234"):
                read(path, Dialect(usual=","))
        else:
            assert numbers(read(path, Dialect(usual=",")).columns["a"])[0].tolist() == [found] * 3


def test_a_first_row_that_is_broken_is_no_line_of_units(tmp_path: Path) -> None:
    for first, rows in (("P1,broken", 5), (",mm", 4), (",[anything]", 4)):
        path = tmp_path / "t.csv"
        path.write_text(f"part,a\n{first}\n" + "P2,1.5\nP3,2.5\n" * 2)
        assert read(path, Dialect()).rows == rows


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_the_end_is_the_end_wherever_the_rows_are_parted(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\nx;1\n;\n\ny;2\nSum;3\n\n;\n")
    chunks = list(open_tables([path], rows))
    faults = {chunk.start + row: why for chunk in chunks for row, why in chunk.faults.items()}
    assert sum(chunk.rows for chunk in chunks) == 4
    total = (
        {} if rows in (1, 3) else {3: "looks like a line of totals ('Sum')"}
    )  # one alone is a row
    assert faults == {1: "is empty", **total}


def test_moments_too_far_for_microseconds_are_left_out(tmp_path: Path) -> None:
    far = pyarrow.array([10**14, 2 * 10**14], pyarrow.timestamp("s"))
    table = pyarrow.table({"a": [1.0, 2.0], "when": far})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    chunk = read(tmp_path / "t.parquet", Dialect())
    assert list(chunk.columns) == ["a"]
    assert "timestamp" in chunk.unusable["when"]


BINARY: dict[str, tuple[str, Callable[[polars.DataFrame, Path], None]]] = {
    "feather": ("t.feather", lambda frame, path: frame.write_ipc(path)),
    "arrow": ("t.arrow", lambda frame, path: frame.write_ipc(path)),
    "a stream of Arrow": ("t.arrow", lambda frame, path: frame.write_ipc_stream(path)),
    "parquet": ("t.parquet", lambda frame, path: frame.write_parquet(path)),
}


@pytest.mark.parametrize("case", BINARY)
def test_the_formats_of_arrow_give_the_same(tmp_path: Path, case: str) -> None:
    name, write = BINARY[case]
    frame = polars.DataFrame({"a": [1.5, None, 3.0], "b": ["x", "1,5", None]})
    write(frame, tmp_path / name)
    chunk = read(tmp_path / name, Dialect())
    assert words(chunk.columns["a"]).tolist() == ["1.5", None, "3"]
    assert words(chunk.columns["b"]).tolist() == ["x", "1,5", None]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "parts.db"
    connection = sqlite3.connect(path)
    connection.execute('create table "all parts" (a real, b text, c blob)')
    rows = [(1.5, "x", b"1"), (None, "y", b"2"), (3, None, b"3")]
    connection.executemany('insert into "all parts" values (?, ?, ?)', rows)
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize("query", ["all parts", "SELECT * FROM 'all parts'", "all%20parts"])
def test_a_database_is_asked(database: Path, query: str) -> None:
    (part,) = recognise(f"sqlite:///{database}?{query}").parts
    (chunk,) = open_tables([part], 100)
    assert words(chunk.columns["a"]).tolist() == ["1.5", None, "3"]
    assert words(chunk.columns["b"]).tolist() == ["x", "y", None]
    assert list(chunk.unusable) == ["c"]


ASKED = {
    "no such table": ("nuts", "no such table: nuts.*It has the tables all parts"),
    "no query": ("", "It has the tables all parts"),
    "a change": ("delete from 'all parts'", "a query may only read"),
    "nothing found": ("select * from 'all parts' where a > 9", "gives no rows"),
    "no SQL": ("select from where", "syntax error"),
    "the same name twice": ("select a, a from 'all parts'", "'a' is there twice"),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_a_database_cannot_answer_is_said(database: Path, case: str) -> None:
    query, sentence = ASKED[case]
    with pytest.raises(DataError, match=sentence):
        list(open_tables(recognise(f"sqlite:///{database}?{query}").parts, 100))


def test_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"not a database at all, but long enough" * 100)
    for name, sentence in (("no.db", "not a database"), ("gone.db", "no such file")):
        with pytest.raises(DataError, match=sentence):
            list(open_tables(recognise(f"sqlite:///{tmp_path / name}?t").parts, 100))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"decimal": ";"}, "`decimal` takes"),
        ({"separator": ";;"}, "`separator` takes"),
        ({"separator": "a"}, "`separator` takes"),
        ({"separator": "5"}, "`separator` takes"),
        ({"dates": "ymd"}, "`dates` takes"),
    ],
)
def test_what_no_table_is_written_in_is_refused(said: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Dialect(**said)
