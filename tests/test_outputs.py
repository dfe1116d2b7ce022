"""What detect writes: every sample beside the cells it came with, in four formats."""

import csv
import json
from collections.abc import Sequence
from contextlib import chdir
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from conftest import Command, copied

from nice_anomaly import sheets
from nice_anomaly.errors import ConfigError
from nice_anomaly.output import AS_THEY_COME, Arrangement, open_rows

OURS = ["id", "score", "margin", "p_value", "flagged", "row", "note", "view", "nearest"]
NAMES = ["when", "größe", "id", "word"]
ODD = [  # the last rows of new.csv: far out, a formula and a control character, gaps
    ["01.04.2025 10:00", "1.099,50", "1,50", "=1+1"],
    ["", "5,5", "7", "\x07bell"],
    ["02.04.2025 11:00", "", "1.234,5", 'a;"b"'],
]


def german(n: int, seed: int) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [
        [
            f"{1 + i // 40:02}.03.2025 {i % 24:02}:00",
            f"{rng.normal(10, 3):.2f}".replace(".", ","),
            f"{rng.normal(5, 1):.2f}".replace(".", ","),
            "xy"[i % 2],
        ]
        for i in range(n)
    ]


def write_german(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """As a German Excel does: semicolons, decimal commas and a byte order mark."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream, delimiter=";").writerows([NAMES, *rows])


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("german")
    write_german(folder / "train.csv", german(400, seed=0))
    write_german(folder / "new.csv", [*german(60, seed=1), *ODD])
    command = Command()
    with chdir(folder):
        done = command("train", "train.csv", "--set", "train.epochs=2")
        assert done.code == 0, done.err
        assert command("calibrate", "--alpha", "0.05").code == 0
    return folder


@pytest.fixture
def folder(learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(copied(learned, tmp_path))
    return tmp_path


def table(path: Path) -> tuple[list[str], list[list[Any]]]:
    """The names and rows of a file that was written; nothing is None."""
    match path.suffix:
        case ".csv":
            with path.open(encoding="utf-8-sig", newline="") as stream:
                names, *rows = csv.reader(stream, delimiter=";")
            return names, [[cell or None for cell in row] for row in rows]
        case ".jsonl":
            records = [json.loads(line) for line in path.read_text().splitlines()]
            return list(records[0]), [list(record.values()) for record in records]
        case ".parquet":
            found = pyarrow.parquet.read_table(path)
            return found.column_names, [list(row.values()) for row in found.to_pylist()]
        case _:
            sheet = openpyxl.load_workbook(path).active
            assert sheet is not None
            header, *lines = sheet.iter_rows(values_only=True)
            return list(map(str, header)), [list(line) for line in lines]


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.strptime(text, "%d.%m.%Y %H:%M")


def number(text: str | None) -> float | None:
    return None if text is None else float(text.replace(".", "").replace(",", "."))


SUFFIXES = [".csv", ".jsonl", ".parquet", ".xlsx"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_kept_columns_are_the_cells_of_the_input(
    command: Command, folder: Path, suffix: str
) -> None:
    done = command("detect", "new.csv", "-o", f"out{suffix}", "--keep-columns")
    assert done.code == 0, done.err
    assert f"wrote 63 rows to out{suffix}" in done.err
    names, rows = table(folder / f"out{suffix}")
    assert names == [*OURS, "when", "größe", "input id", "word"]
    kept = [[cell or None for cell in row] for row in [*german(60, seed=1), *ODD]]
    if suffix == ".xlsx":  # numbers and dates, and no control character
        kept = [[moment(when), number(size), number(own), word] for when, size, own, word in kept]
        kept[61][3] = "bell"
    assert [row[len(OURS) :] for row in rows] == kept
    assert [int(row[OURS.index("row")]) for row in rows] == list(range(63))
    assert [row[OURS.index("note")] is not None for row in rows[-3:]] == [True] * 3


def test_a_csv_is_written_as_the_input_is(command: Command, folder: Path) -> None:
    command("detect", "new.csv", "-o", "out.csv", "--keep-columns")
    content = (folder / "out.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfid;score;")
    names, rows = table(folder / "out.csv")
    plain = {suffix: folder / f"plain{suffix}" for suffix in (".csv", ".jsonl")}
    command("detect", "new.csv", "-o", plain[".jsonl"])
    _, records = table(plain[".jsonl"])
    for name in ("score", "margin", "p_value"):
        place = names.index(name)
        assert all("." not in row[place] for row in rows)
        read = [float(row[place].replace(",", ".")) for row in rows]
        assert read == [record[OURS.index(name)] for record in records]
    again = command.json("detect", "out.csv", "--run", "runs/train", "--id-column", "row")
    assert again["n"] == 63  # and it is read again


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_only_what_is_flagged_the_least_probable_first(
    command: Command, folder: Path, suffix: str
) -> None:
    found = command.json("detect", "new.csv")
    arranged = "--keep-columns", "--flagged-only", "--sort", "score"
    done = command("detect", "new.csv", "-o", f"out{suffix}", *arranged)
    assert f"wrote {found['flagged']:,} rows to" in done.err
    _, rows = table(folder / f"out{suffix}")
    scores = [float(str(row[1]).replace(",", ".")) for row in rows]
    assert scores == sorted(scores)
    assert {row[0] for row in rows} == set(found["flagged_ids"])
    first = rows[scores.index(min(scores))]
    assert first[-1] == ODD[int(first[OURS.index("row")]) - 60][-1].replace("\x07", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("sort", [(), ("--sort", "score")])
def test_nothing_flagged_is_a_file_of_no_rows(
    command: Command, folder: Path, suffix: str, sort: tuple[str, ...]
) -> None:
    assert command("calibrate", "--threshold", "-1e9").code == 0
    done = command("detect", "new.csv", "-o", f"out{suffix}", "--flagged-only", *sort)
    assert done.code == 0, done.err
    assert "wrote 0 rows to" in done.err
    if suffix == ".jsonl":
        assert (folder / "out.jsonl").read_bytes() == b""
    else:
        assert table(folder / f"out{suffix}") == (OURS, [])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_flagged_may_come_late(command: Command, folder: Path, suffix: str) -> None:
    """The first 8,192 rows pass and write nothing, not even what kinds of columns there are."""
    usual = german(24, seed=0) * 342
    write_german(folder / "long.csv", [*usual, ODD[0]])
    assert command("calibrate", "--threshold", "-1000").code == 0
    done = command("detect", "long.csv", "-o", f"out{suffix}", "--flagged-only", "--keep-columns")
    assert done.code == 0, done.err
    _, rows = table(folder / f"out{suffix}")
    assert [int(row[OURS.index("row")]) for row in rows] == [8_208]


def test_texts_of_a_sheet_are_no_formulas(command: Command, folder: Path) -> None:
    command("detect", "new.csv", "-o", "out.xlsx", "--keep-columns")
    sheet = openpyxl.load_workbook(folder / "out.xlsx").active
    assert sheet is not None
    (cell,) = (cell for row in sheet.iter_rows() for cell in row if cell.value == "=1+1")
    assert cell.data_type == "s"


def test_a_name_that_is_taken_twice_is_given_once(command: Command, folder: Path) -> None:
    """The input has columns of our names, and one that is called as we would call that."""
    lines = [
        ["id", "input id", "view", "a"],
        *([f"n{i}", f"m{i}", i % 7, i * 0.37 % 1] for i in range(60)),
    ]
    with Path("clash.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(lines)
    run = "--run", "runs/clash"
    assert command("train", "clash.csv", *run, "--set", "train.epochs=1").code == 0
    assert command("calibrate", *run).code == 0
    assert command("detect", "clash.csv", *run, "-o", "out.jsonl", "--keep-columns").code == 0
    first = json.loads((folder / "out.jsonl").read_text().splitlines()[0])
    assert (first["id"], first["input input id"], first["input id"]) == ("0", "n0", "m0")
    assert first["input view"] == "0"
    assert first["view"] is None  # ours, which says it of what is flagged


def test_files_with_other_columns_are_not_mixed_up(command: Command, folder: Path) -> None:
    """Columns in another order are found by name; one that some lack is refused."""
    other = "word;id;größe;when\nx;1,5;2,5;03.03.2025 10:00\n"
    Path("other.csv").write_text(other, encoding="utf-8-sig")
    line = "detect", "new.csv", "other.csv", "-o", "out.csv", "--keep-columns"
    assert command(*line).code == 0
    names, rows = table(folder / "out.csv")
    last = dict(zip(names, rows[-1], strict=True))
    assert (last["word"], last["input id"], last["größe"]) == ("x", "1,5", "2,5")

    Path("other.csv").write_text(other.replace("\n", ";more\n"), encoding="utf-8-sig")
    before = (folder / "out.csv").read_bytes()
    done = command(*line)
    assert done.code == 2
    assert "the files have different columns: 'more' is not in the first" in done.err
    assert "leave --keep-columns away" in done.err
    assert (folder / "out.csv").read_bytes() == before


ROW: dict[str, Any] = {
    "id": ["0"], "score": [-1.5], "margin": [0.5], "p_value": [0.25], "flagged": [False],
}  # fmt: skip


def write(path: Path, *parts: dict[str, Any], how: Arrangement = AS_THEY_COME) -> None:
    with open_rows(path, how) as file:
        for part in parts:
            file.add(part)


def test_a_sheet_that_is_full_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_LINES", 3)  # names and two rows
    path = tmp_path / "out.xlsx"
    write(path, ROW, ROW)
    assert len(table(path)[1]) == 2
    with pytest.raises(ConfigError, match=r"at most 2 rows: choose \.csv"):
        write(path, ROW, ROW, ROW)
    assert len(table(path)[1]) == 2  # what was there before


def test_a_text_that_no_cell_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most 32,767 signs, and there is one of 32,768"):
        write(tmp_path / "out.xlsx", ROW | {"long": ["x" * 32_768]})
    assert not list(tmp_path.iterdir())


def test_what_formats_do_not_know_is_text_or_nothing(tmp_path: Path) -> None:
    zoned = datetime(2025, 3, 1, 6, tzinfo=UTC)
    cells = {
        "list": pyarrow.array([[1, 2]]),
        "bytes": pyarrow.array([b"x"]),
        "zone": pyarrow.array([zoned]),
        "old": pyarrow.array([date(1850, 1, 2)]),
        "nan": pyarrow.array([float("nan")]),
        "far": pyarrow.array([10**14], pyarrow.timestamp("s")),
    }
    for suffix in (".xlsx", ".jsonl", ".parquet", ".csv"):
        write(tmp_path / f"out{suffix}", ROW | cells)
    _, (row,) = table(tmp_path / "out.xlsx")
    assert row[5:10] == ["[1, 2]", "b'x'", str(zoned), "1850-01-02", "nan"]
    record = json.loads((tmp_path / "out.jsonl").read_text(), parse_constant=pytest.fail)
    assert (record["list"], record["nan"]) == ([1, 2], None)


@pytest.mark.parametrize("by_score", [False, True])
def test_what_parquet_cannot_hold_is_said(tmp_path: Path, *, by_score: bool) -> None:
    """A column of numbers in one file and of words in the next."""
    numbers, words = {"a": np.array([1.5])}, {"a": np.array(["x"], dtype=object)}
    how = Arrangement(by_score=by_score)
    with pytest.raises(ConfigError, match=r"of different kinds.*Choose \.csv or \.jsonl"):
        write(tmp_path / "out.parquet", ROW | numbers, ROW | words, how=how)
    assert not list(tmp_path.iterdir())
