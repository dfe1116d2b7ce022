"""Tables and settings as targets: bytes in, nothing out, an exception for a defect.

A target gives the bytes to what reads them in earnest: as a file that is learned from and as one
that a run looks at. What is refused has to be refused by a clean sentence.
"""

import bz2
import gzip
import io
import logging
import lzma
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow
import pyarrow.feather
import pyarrow.parquet

from nice_anomaly import config
from nice_anomaly.data import Column, TableReading, Wishes, batches, learn, recognise
from nice_anomaly.data.tables.cells import numbers, typed, words
from nice_anomaly.data.tables.moments import form_of, moments
from nice_anomaly.data.tables.numerals import both, certain, undressed
from nice_anomaly.errors import NiceAnomalyError
from nice_anomaly.settings import DataSettings

FEW = DataSettings(early_stopping=2, calibration=2)
WISHES = Wishes(skip_unreadable=True, fewest=6)
READING = TableReading(
    (
        Column("a", "number", low=0.0, high=9.0),
        Column("b", "category", categories=("x", "y")),
        Column("c", "date", low=0.0, high=1e9),
    )
)
DATES = ("", "%d.%m.%Y", "%m/%d/%y", "%H:%M", "%Y%m%d", "epoch s", "%d %b %Y")
HEADING = "a,b,c\n"
ROWS = [f"{i / 7:.3f},{'xy'[i % 2]},2024-01-{i + 1:02}\n" for i in range(16)]
PLAIN = (HEADING + "".join(ROWS)).encode()


def clean(sentence: str, most: int = 2_000) -> None:
    """Raises AssertionError for what is not fit to be told."""
    assert sentence.strip(), "nothing is said"
    assert len(sentence) < most, f"{len(sentence):,} characters: {sentence[:200]}"
    assert all(line.isprintable() for line in sentence.split("\n")), repr(sentence)


def refused(act: Callable[[], object]) -> None:
    """Do it; only a clean sentence may keep it from being done."""
    logging.getLogger("nice_anomaly").setLevel(logging.WARNING)
    try:
        act()
    except NiceAnomalyError as error:
        clean(str(error))


def look(given: object) -> None:
    """Everything that a run sees in an input."""
    for batch in batches(recognise(given), READING):
        assert len(batch.ids) == len(batch.values)
        assert np.isfinite(batch.values[batch.good]).all()
        for said in (*batch.faults.values(), *batch.notes.values()):
            clean(said, 100_000)


def file(suffix: str, data: bytes) -> None:
    """A file of that suffix."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"t{suffix}")
        path.write_bytes(data)
        refused(lambda: learn(recognise(path), WISHES, FEW, 0))
        refused(lambda: look(path))


def database(data: bytes) -> None:
    """A database with the table t."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.db")
        path.write_bytes(data)
        refused(lambda: look(f"sqlite:///{path}?t"))
        assert path.read_bytes() == data


def query(data: bytes) -> None:
    """A query of a database that is in order; nothing may be changed by it."""
    text = data.decode("utf-8", "replace")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.db")
        path.write_bytes(SEEDS["sqlite"][0])
        if "recursive" not in text.casefold():  # that may take for ever, and be stopped
            refused(lambda: look(f"sqlite:///{path}?{text}"))
        assert [*Path(folder).iterdir()] == [path]
        assert path.read_bytes() == SEEDS["sqlite"][0]


def settings(data: bytes) -> None:
    """A configuration file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.yaml")
        path.write_bytes(data)
        refused(lambda: config.load(str(path)))


def override(data: bytes) -> None:
    """A setting on the command line, alone and as the value of one."""
    text = data.decode("utf-8", "surrogateescape")
    for given in (text, f"train.epochs={text}", f"{text}=1"):
        refused(partial(config.load, "mnist", [given]))


def cell(data: bytes) -> None:
    """A cell, as a number and as words."""
    text = data.decode("utf-8", "replace")
    cells = np.array([text, None, "1.5"], dtype=object)
    number, unit = undressed(text)
    for known in ("", unit):
        values, wrong = numbers(cells, known)
        assert not np.isinf(values).any()
        assert not (wrong & np.isfinite(values)).any()
    assert certain(number) in (None, *both(number))
    assert len(words(typed([text, None, 1.5]))) == 3


def moment(data: bytes) -> None:
    """A cell, as a moment of every form."""
    text = data.decode("utf-8", "replace")
    for form in DATES:
        values, wrong = moments(np.array([text, None], dtype=object), form)
        assert np.isnat(values)[1]
        assert not wrong[1]
    form_of(np.array([text, text], dtype=object), "when")


def _packed(pack: Callable[[bytes], bytes]) -> list[bytes]:
    return [pack(PLAIN), pack(b""), pack(PLAIN[:90])]


def _zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", content)
    return stream.getvalue()


def _workbook() -> bytes:
    stream = io.BytesIO()
    book = openpyxl.Workbook()
    sheet = book.active
    for line in (HEADING, *ROWS):
        sheet.append(line.strip().split(","))
    book.save(stream)
    return stream.getvalue()


def _columns() -> pyarrow.Table:
    a, b, c = zip(*(line.strip().split(",") for line in ROWS), strict=True)
    return pyarrow.table({"a": [*map(float, a)], "b": pyarrow.array(b).dictionary_encode(), "c": c})


def _written(write: Callable[..., None], **how: object) -> bytes:
    stream = io.BytesIO()
    write(_columns(), stream, **how)
    return stream.getvalue()


def _database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.db")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("create table t (a real, b text, c text)")
            rows = [line.strip().split(",") for line in ROWS]
            connection.executemany("insert into t values (?, ?, ?)", rows)
            connection.commit()
        return path.read_bytes()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "csv": partial(file, ".csv"),
    "tsv": partial(file, ".tsv"),
    "heading": partial(file, ".txt"),
    "gz": partial(file, ".csv.gz"),
    "bz2": partial(file, ".csv.bz2"),
    "xz": partial(file, ".csv.xz"),
    "zip": partial(file, ".zip"),
    "xlsx": partial(file, ".xlsx"),
    "parquet": partial(file, ".parquet"),
    "arrow": partial(file, ".arrow"),
    "sqlite": database,
    "query": query,
    "settings": settings,
    "override": override,
    "cell": cell,
    "moment": moment,
}
SEEDS: dict[str, list[bytes]] = {
    "csv": [
        PLAIN,
        PLAIN.replace(b",", b";"),
        PLAIN.decode().encode("utf-16"),
        b'a,b,c\n"1,5",x,\n',
    ],
    "tsv": [PLAIN.replace(b",", b"\t")],
    "heading": [
        b"Report of May\n\n" + PLAIN,
        b"# by me\n" + PLAIN.replace(b"\n", b"\n[mm],,\n", 1),
        b"sep=;\r\n" + PLAIN.replace(b",", b";"),
        PLAIN + b"\nSum,12,\n,,\n",
    ],
    "gz": _packed(partial(gzip.compress, mtime=0)),
    "bz2": _packed(bz2.compress),
    "xz": _packed(lzma.compress),
    "zip": [*_packed(_zipped), _zipped(_zipped(PLAIN))],
    "xlsx": [_workbook()],
    "parquet": [
        _written(pyarrow.parquet.write_table),
        _written(pyarrow.parquet.write_table, compression="zstd", data_page_version="2.0"),
    ],
    "arrow": [
        _written(pyarrow.feather.write_feather),
        _written(pyarrow.feather.write_feather, compression="uncompressed"),
    ],
    "sqlite": [_database()],
    "query": [
        b"t",
        b"SELECT * FROM t WHERE a > 1;",
        b"ATTACH 'other.db' AS o",
        b"PRAGMA journal_mode=WAL",
        b"DELETE FROM t RETURNING a, b, c",
    ],
    "settings": [
        b"seed: 1\ntrain:\n  epochs: 3\n  learning_rate: 1e-3\n",
        b"a: &a [1, 2]\nb: *a\n",
        b"2024-01-01: !!set {a, b}\n",
        b"seed: " + 5_001 * b"1",
        9_999 * b"[",
    ],
    "override": [b"train.epochs=3", b"2024-01-01", b"{a: {b: [1, 2]}}", 5_001 * b"9", 999 * b"["],
    "cell": [b"1.234,50", "−1 234,5 €".encode(), b"(12.5)", b"1e308", b"0x1F", b"1\x1f2"],
    "moment": [b"2024-01-31T24:00:00Z", b"3. M\xc3\xa4rz 2024 8:05 Uhr", b"1/2/24", b"1700000000"],
}
