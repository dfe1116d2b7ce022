"""Tables that mean harm: none takes all memory, writes or hangs, and each is told by name."""

import gzip
import io
import json
import lzma
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

from nice_anomaly.data import Column, TableReading, Wishes, batches, learn, recognise
from nice_anomaly.errors import DataError
from nice_anomaly.settings import DataSettings

MIB = 1 << 20
MOST = 650  # MiB of one that reads tables; the rest of a command takes about 300
FEW = DataSettings(early_stopping=5, calibration=5)
READING = TableReading((Column("a", "number", high=9.0), Column("b", "number", high=9.0)))
LINES = [f"{i % 7 / 3:.3f},{i % 5 / 7:.3f}" for i in range(40)]
PLAIN = "\n".join(["a,b", *LINES, ""])
STRINGS = (
    b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/'
    b'vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
)
SPREAD = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def zipped(parts: dict[str, list[bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            with archive.open(name, "w") as part:
                for piece in content:
                    part.write(piece)
    return stream.getvalue()


def workbook(**changed: list[bytes]) -> bytes:
    """A workbook whose part is what was given, by the name of its last folder."""
    stream, book = io.BytesIO(), openpyxl.Workbook()
    for line in PLAIN.split():
        book.active.append(line.split(","))  # type: ignore[union-attr]
    book.save(stream)
    with zipfile.ZipFile(stream) as archive:
        parts = {name: [archive.read(name)] for name in archive.namelist()}
    kinds = parts["[Content_Types].xml"][0]
    parts["[Content_Types].xml"] = [kinds.replace(b"</Types>", STRINGS)]
    parts["xl/sharedStrings.xml"] = texts()
    for name in parts:
        parts[name] = changed.get(Path(name).stem, parts[name])
    return zipped(parts)


def sheet(*rows: bytes) -> list[bytes]:
    begin = b'<worksheet xmlns="' + SPREAD + b'"><sheetData>'
    names = b'<row><c t="str"><v>a</v></c><c t="str"><v>b</v></c></row>'
    return [begin, names, *rows, b"</sheetData></worksheet>"]


def texts(*strings: bytes) -> list[bytes]:
    return [b'<sst xmlns="' + SPREAD + b'">', *strings, b"</sst>"]


def parquet(table: pyarrow.Table, **how: object) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream, compression="zstd", **how)
    return stream.getvalue()


def arrow(table: pyarrow.Table) -> bytes:
    stream = io.BytesIO()
    pyarrow.feather.write_feather(table, stream, compression="zstd", chunksize=1 << 30)
    return stream.getvalue()


def repeated(text: str, times: int) -> pyarrow.Table:
    numbers = np.zeros(times)
    again = pyarrow.array([text]).dictionary_encode()
    return pyarrow.table(
        {"a": numbers, "b": numbers, "s": again.take(pyarrow.array(np.zeros(times, int)))}
    )


# What is refused, with the limits that are lowered to see it with small files.
REFUSED: dict[str, tuple[str, Callable[[], bytes], str, str]] = {
    "a line": ("t.csv", lambda: PLAIN.encode() + b"x" * 3_000, "line=2000", "a row of .* a line"),
    "a quote that never closes": (
        "t.csv", lambda: PLAIN.encode() + b'"' + b"1,2\n" * 99_999, "line=2000",
        "Or is there a quote that is not closed",
    ),
    "a quote in each of many cells": (
        "t.csv", lambda: PLAIN.encode() + b'"1\n",' * 99_999, "line=2000", "characters in a line",
    ),
    "columns": ("t.csv", lambda: b"a," * 999 + b"b\n1\n", "columns=99", "1,000, more than 99"),
    "the name of a column": ("t.csv", lambda: b"a" * 999 + b",b\n1,2\n", "cell=99", "of column 1"),
    "a packed file": (
        "t.csv.gz", lambda: gzip.compress(PLAIN.encode() + b"1,2\n" * 99_999), "unpacked=9999",
        "more than 9,999 bytes when unpacked",
    ),
    "what unpacks with a large dictionary": (
        "t.csv.xz",
        lambda: lzma.compress(
            PLAIN.encode(),
            filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}],
        ),
        "", "Memory usage limit",
    ),
    "an archive": (
        "t.zip", lambda: zipped({"t.csv": [PLAIN.encode(), b"1,2\n" * 99_999]}), "unpacked=9999",
        "bytes when unpacked",
    ),
    "an archive of many": (
        "t.zip", lambda: zipped({f"{i}.csv": [] for i in range(99)}), "members=40", "files in an",
    ),
    "a workbook": (
        "t.xlsx", lambda: workbook(sheet1=sheet(b"<row/>" * 99_999)), "unpacked=9999",
        "bytes when unpacked",
    ),
    "a row of a sheet": (
        "t.xlsx", lambda: workbook(sheet1=sheet(b"<row><c><v>", b"1" * 99_999, b"</v></c></row>")),
        "line=20000", "a row in .* characters in a line",
    ),
    "what is between the rows": (
        "t.xlsx", lambda: workbook(sheet1=sheet(b"<x/>" * 99_999)), "line=99999", "a row in ",
    ),
    "a row far below": (
        "t.xlsx", lambda: workbook(sheet1=sheet(b'<row r="999999999"/>')), "",
        "the row 999999999 follows the row 1",
    ),
    "the texts of a workbook": (
        "t.xlsx", lambda: workbook(sharedStrings=texts(b"<si><t>a</t></si>" * 999)),
        "strings=9999", "bytes of texts in a workbook",
    ),
    "a part of a workbook": (
        "t.xlsx", lambda: workbook(workbook=[b" " * 3 * MIB]), "", "larger than any such part",
    ),
    "entities in entities": (
        "t.xlsx",
        lambda: workbook(
            sheet1=[
                b'<!DOCTYPE x [<!ENTITY a "', b"x" * 99_999, b'">]><worksheet>' + b"&a;" * 9_999
            ]
        ),
        "", "amplification",
    ),
    "a page of Parquet": (
        "t.parquet", lambda: parquet(repeated("x" * 9_999, 9)), "page=999", "in a page of Parquet",
    ),
    "rows of Parquet": (
        "t.parquet", lambda: parquet(repeated("", 999_999)), "unpacked=9999", "when unpacked",
    ),
    "a value of many": (
        "t.parquet",
        lambda: parquet(pyarrow.table({"a": [1.0], "b": [1.0], "l": [[0] * 999_999]})),
        "batch=9999", "in a batch",
    ),
    "a batch of Arrow": (
        "t.arrow", lambda: arrow(repeated("", 99_999)), "batch=9999", "in a batch of Arrow",
    ),
    "rows of nothing": (
        "t.arrow", lambda: arrow(pyarrow.table({"a": pyarrow.nulls(999_999_999)})), "", "unpacked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    name, content, limits, sentence = REFUSED[case]
    (tmp_path / name).write_bytes(content())
    monkeypatch.setenv("NICE_ANOMALY_LIMITS", limits)
    with pytest.raises(DataError, match=sentence) as caught:
        list(batches(recognise(tmp_path / name), READING))
    assert "NICE_ANOMALY_LIMITS" in str(caught.value) or not limits
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("limits", ["cells=79", "texts=50"])
def test_what_is_learned_has_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: str
) -> None:
    (tmp_path / "t.csv").write_text(PLAIN)
    monkeypatch.setenv("NICE_ANOMALY_LIMITS", limits)
    with pytest.raises(DataError, match=limits.partition("=")[0]):
        learn(recognise(tmp_path / "t.csv"), Wishes(), FEW, 0)


LONG = "x" * 120
ROW_FAULTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "text": ("t.csv", lambda: f"{PLAIN}{LONG},1\n1,1\n".encode()),
    "Parquet": ("t.parquet", lambda: parquet(with_long())),
    "Arrow": ("t.arrow", lambda: arrow(with_long())),
    "a workbook": (
        "t.xlsx",
        lambda: workbook(
            sheet1=sheet(
                *[b"<row><c><v>1</v></c><c><v>2</v></c></row>"] * 40,
                b'<row><c t="str"><v>' + LONG.encode() + b"</v></c><c><v>1</v></c></row>",
                b"<row><c><v>1</v></c><c><v>2</v></c></row>",
            )
        ),
    ),
}


def with_long() -> pyarrow.Table:
    a = pyarrow.array([*["1"] * 40, LONG, "1"])
    return pyarrow.table({"a": a, "b": np.ones(42)})


@pytest.mark.parametrize("case", ROW_FAULTS)
def test_a_cell_that_is_too_long_spoils_its_row_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    name, content = ROW_FAULTS[case]
    (tmp_path / name).write_bytes(content())
    monkeypatch.setenv("NICE_ANOMALY_LIMITS", "cell=99")
    (batch,) = batches(recognise(tmp_path / name), READING)
    assert list(batch.faults) == [40]
    assert "120, more than 99 characters in a cell" in batch.faults[40]
    assert len(batch.ids) == 42


def packed(*pieces: bytes) -> bytes:
    stream = io.BytesIO()
    with gzip.open(stream, "wb", 1) as file:
        for piece in pieces:
            file.write(piece)
    return stream.getvalue()


HUGE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a line of 100 MB, packed": ("t.csv.gz", lambda: packed(b"a,b\n", *[b"x" * MIB] * 100)),
    "cells of 9 MB": ("t.csv", lambda: PLAIN.encode() + (b"y" * 9 * MIB + b",1\n") * 4),
    "a million columns": ("t.csv", lambda: b"c" + b",c" * 999_999 + b"\n"),
    "empty lines": ("t.csv", lambda: PLAIN.encode() + b",\n" * 499_999 + b"\n" * 499_999),
    "a long text in each row": ("t.parquet", lambda: parquet(repeated("x" * 300_000, 3_000))),
    "the same in Arrow": ("t.arrow", lambda: arrow(repeated("x" * 300_000, 3_000))),
    "texts that begin as others do": (
        "t.parquet",
        lambda: parquet(
            pyarrow.table({"a": [1.0] * 999, "b": [200_000 * "p" + str(i) for i in range(999)]}),
            use_dictionary=False, column_encoding={"a": "PLAIN", "b": "DELTA_BYTE_ARRAY"},
        ),
    ),
    "a row of many cells": (
        "t.xlsx", lambda: workbook(sheet1=sheet(b"<row>", *[b"<v/>" * (MIB // 4)] * 8, b"</row>")),
    ),
    "a text of many parts": (
        "t.xlsx", lambda: workbook(sharedStrings=texts(b"<si>", b"<r/>" * MIB, b"</si>")),
    ),
}  # fmt: skip
READ = r"""
import json, re, sys
from nice_anomaly.data import Column, TableReading, batches, recognise
from nice_anomaly.errors import DataError
reading = TableReading((Column("a", "number", high=9.0),))
for path in sys.argv[1:]:
    try:
        said = f"{sum(len(batch.ids) for batch in batches(recognise(path), reading))} rows"
    except DataError as error:
        said = str(error)
    peak = re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]
    print(json.dumps([said, int(peak) // 1024]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process")
def test_no_file_takes_all_memory(tmp_path: Path) -> None:
    """One after the other in one process: its peak is that of the worst."""
    paths = []
    for number, (name, content) in enumerate(HUGE.values()):
        (tmp_path / str(number)).mkdir()
        paths.append(tmp_path / str(number) / name)
        paths[-1].write_bytes(content())
    done = subprocess.run(
        [sys.executable, "-c", READ, *paths],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    peaks = {case: peak for case, (_, peak) in zip(HUGE, lines, strict=True)}
    assert max(peaks.values()) < MOST, peaks


@pytest.mark.parametrize("kinds", [(0x0C, 0x04), (0x15, 0x05), (0x16, 0x66)])
def test_a_damaged_parquet_ends_no_process(tmp_path: Path, kinds: tuple[int, int]) -> None:
    """A field of another kind, or a size out of all reason, at every place where one may be."""
    old, new = kinds
    valid = parquet(pyarrow.table({"a": [1.0, 2.0] * 20, "b": ["1.5", "2.5"] * 20}))
    paths = []
    for place in (place for place, byte in enumerate(valid) if byte == old):
        paths.append(tmp_path / f"{place}.parquet")
        paths[-1].write_bytes(valid[:place] + bytes([new]) + valid[place + 1 :])
    done = subprocess.run(
        [sys.executable, "-c", READ, *paths],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert len(done.stdout.splitlines()) == len(paths) > 2


ODD: dict[str, tuple[bytes, int]] = {
    "a sign that parts texts inside": (b'a;b\n"1,5";"1\x1f2"\n"2,5";"2,5"\n"3,5";3,5\n', 3),
    "many empty lines first": (b"\n" * 99_999 + PLAIN.encode(), 40),
    "a quote as the sign between cells": (b'sep="\n' + PLAIN.encode(), 40),
    "a long word before the first sign that is not ASCII": (
        PLAIN.encode() + b"z" * 60_000 + b" \xe4,1\n", 41,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_texts_are_read(tmp_path: Path, case: str) -> None:
    content, rows = ODD[case]
    (tmp_path / "t.csv").write_bytes(content)
    assert sum(len(batch.ids) for batch in batches(recognise(tmp_path / "t.csv"), READING)) == rows


def test_a_text_of_spaces_is_soon_no_number(tmp_path: Path) -> None:
    """Looking for a number in it took a time that grows with its square."""
    row = "1" + " " * 400_000 + "!"
    (tmp_path / "t.csv").write_text(f"{PLAIN}{row},1\n")
    (batch,) = batches(recognise(tmp_path / "t.csv"), READING)
    assert list(batch.faults) == [40]
    assert len(batch.faults[40]) < 100


def test_a_long_text_does_not_widen_its_whole_column(tmp_path: Path) -> None:
    """As an array of texts of one width this column had 12 GB."""
    lines = [f"{i % 7},{'x' * 300_000 if i == 5 else 'kind'}" for i in range(9_999)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *lines]))
    reading = learn(recognise(tmp_path / "t.csv"), Wishes(), FEW, 0).reading
    assert isinstance(reading, TableReading)
    assert (
        reading.columns[1].reason
        == "a text has more than 1,000 characters, too many for a category"
    )


NAMES = ["", "a\0b", "two\nlines", "\x1b[31mred", "x" * 99_999, "id", "score", "\u202e", "' OR 1"]


@pytest.mark.parametrize("name", NAMES)
def test_a_sentence_about_a_column_stays_one(tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    said = []
    for heading in (f"{quoted},{quoted}", f"z,{quoted}"):
        (tmp_path / "t.csv").write_text(f"{heading}\n1,2\n" * 2)
        with pytest.raises(DataError) as caught:
            list(batches(recognise(tmp_path / "t.csv"), READING))
        said.append(str(caught.value))
    assert all(sentence.isprintable() and len(sentence) < 600 for sentence in said), said


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "t.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (a real, b real)")
        connection.executemany("insert into t values (?, ?)", [(1.0, 2.0)] * 40)
        endless = "with recursive n(i) as (select 1 union all select i + 1 from n)"
        connection.execute(f"create view never as {endless} select count(*) a, 1 b from n")
        connection.execute(f"create view always as {endless} select i a, i b from n")
        cells = ", ".join(f"hex(zeroblob(9000000)) c{i}" for i in range(99))
        connection.execute(f"create view wide as select {cells}")
        connection.commit()
    return path


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "DELETE FROM t RETURNING a, b",
        "ATTACH '{folder}/other.db' AS other",
        "PRAGMA journal_mode=DELETE",
        "PRAGMA writable_schema=1",
        "VACUUM INTO '{folder}/other.db'",
        "CREATE TABLE u (a)",
        "SELECT load_extension('{folder}/other')",
        "SELECT a, b FROM t; DELETE FROM t",
        "wide",
    ],
)
def test_a_query_changes_nothing(database: Path, query: str) -> None:
    before = database.read_bytes()
    asked = query.format(folder=database.parent)
    with pytest.raises(DataError, match=r"t\.db: "):
        list(batches(recognise(f"sqlite:///{database}?{asked}"), READING))
    assert database.read_bytes() == before
    assert [*database.parent.iterdir()] == [database]


def test_a_database_that_is_being_written_is_read_as_it_is(database: Path) -> None:
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("pragma journal_mode=wal")
        writer.execute("insert into t values (3, 4)")
        writer.commit()
        (batch,) = batches(recognise(f"sqlite:///{database}?t"), READING)
        assert len(batch.ids) == 41


@pytest.mark.parametrize("view", ["never", "always"])
def test_a_query_without_an_end_can_be_stopped(database: Path, view: str) -> None:
    """A signal comes while SQLite works, where no line of Python is run."""
    read = f"print('ready', flush=True)\n{READ}"
    with subprocess.Popen(
        [sys.executable, "-c", read, f"sqlite:///{database}?{view}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(2)  # until it is within the query: earlier is stopped as well
            child.send_signal(signal.SIGINT)
            _, talk = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == -signal.SIGINT, talk


def test_a_closed_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(DataError, match="the standard input is closed"):
        list(batches(recognise("-"), READING))


def test_an_endless_standard_input_is_read_as_it_comes() -> None:
    """Batches come before the end of the input, and it is held by nobody."""
    script = (
        "from nice_anomaly.data import Column, TableReading, batches, recognise\n"
        "reading = TableReading((Column('a', 'number', high=9.0),))\n"
        "print(len(next(iter(batches(recognise('-'), reading))).ids))\n"
    )
    reader, writer = os.pipe()
    child = subprocess.Popen([sys.executable, "-c", script], stdin=reader, stdout=subprocess.PIPE)
    os.close(reader)
    try:
        os.write(writer, b"a,b\n")
        with suppress(BrokenPipeError):
            while True:
                os.write(writer, b"1,2\n" * 2_000)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        os.close(writer)
    assert int(out) == 8_192
