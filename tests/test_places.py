"""Where files are written: links stay, devices stay, and what is no place is said at once."""

import csv
import os
import socket
import stat
from pathlib import Path

import openpyxl
import pytest
from conftest import Command, copied, write_csv

from nice_anomaly import load_run
from nice_anomaly.errors import ArtifactError, ConfigError
from nice_anomaly.files import refuse_no_name, refuse_unfit
from nice_anomaly.output import Arrangement, open_rows
from nice_anomaly.sheets import as_text, is_formula

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, pipes and modes of POSIX")
NOBODY = 65534


@pytest.fixture
def folder(shared_sums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(copied(shared_sums, tmp_path))
    Path("a folder.csv").mkdir()
    os.mkfifo("pipe.csv")
    Path("null.csv").symlink_to("/dev/null")
    Path("round.csv").symlink_to("round.csv")
    Path("far.csv").symlink_to("absent/x.csv")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.csv")
    return tmp_path


PLACES = {  # a name to write to: what is said
    "a folder.csv": "--output: a folder.csv is a folder: name a file in it.",
    "pipe.csv": "--output: pipe.csv is no plain file, and is not replaced: name another.",
    "s.csv": "--output: s.csv is no plain file",
    "null.csv": "--output: null.csv is no plain file",
    "round.csv": "--output: round.csv is no plain file",
    "/dev/null": "--output: /dev/null is no plain file",
    "/dev/stdout": "/dev/stdout",  # a file, where it was redirected
    "far.csv": "absent/ does not exist: create it first.",
    "x.": "--output takes a name ending in .csv, .jsonl, .parquet, .xlsx, got 'x.'.",
    "": "--output: . is a folder: name a file in it.",
    300 * "x" + ".csv": "x.csv: the name is too long.",
    3_000 * "y/" + ".csv": "y/.csv: the name is too long.",
    "new.csv/x.csv": "--output new.csv/x.csv: new.csv is no folder.",
}


def test_what_is_no_place_is_said_and_left_as_it_is(command: Command, folder: Path) -> None:
    before = {path.name: path.lstat().st_mode for path in folder.iterdir()}
    for name, said in PLACES.items():
        done = command("detect", "new.csv", "-o", name)
        assert (done.code, done.out) == (2, ""), name
        assert said in done.err
    for line in ("sample -o {}", "info --plot {}"):
        done = command(*line.format("pipe.csv").split())
        assert done.code == 2
        assert "pipe.csv is no plain file" in done.err
    assert {path.name: path.lstat().st_mode for path in folder.iterdir()} == before
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116


def test_names_of_the_library_are_looked_at_too() -> None:
    with pytest.raises(ConfigError, match=r"`run` takes a path, got 'a\\x00b'"):
        load_run("a\0b")
    with pytest.raises(ConfigError, match=r"`output` takes a path"):
        refuse_unfit(Path("a\0.csv"))
    with pytest.raises(ConfigError, match="the name is too long"):
        refuse_no_name(Path(5_000 * "x"), "run")


def test_a_link_stays_and_a_file_keeps_its_permissions(command: Command, folder: Path) -> None:
    Path("here.csv").symlink_to("there.csv")
    before = os.umask(0o027)
    try:
        assert command("detect", "new.csv", "-o", "here.csv").code == 0  # makes what it names
        assert Path("there.csv").stat().st_mode & 0o777 == 0o640
        Path("there.csv").chmod(0o604)
        Path("there.csv").write_text("old")
        assert command("detect", "new.csv", "-o", "here.csv").code == 0
    finally:
        os.umask(before)
    assert Path("here.csv").readlink() == Path("there.csv")
    assert Path("there.csv").read_text().startswith("id,score,")
    assert Path("there.csv").stat().st_mode & 0o777 == 0o604
    assert not [*folder.glob(".*")]


def test_a_folder_that_may_not_be_written_to_is_called_that(tmp_path: Path) -> None:
    if os.getuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(ArtifactError, match="permission denied: nothing can be written in"):
            refuse_unfit(tmp_path / "x.csv")
        return
    child = os.fork()
    if not child:  # as somebody else, for whom modes mean something
        os.setuid(NOBODY)
        try:
            refuse_unfit(Path("/etc/x.csv"))
        except ArtifactError as error:
            os._exit(0 if "permission denied" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


FORMULAS = ["=1+1", "+a", "-2+3|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", " =1"]
NONE = ["-3.5", "+1,5", "-1.234,5e+3", "-", "--", "+49 170 12", "-3 °C", "-5 %", "a=1", ""]


def test_what_a_spreadsheet_would_run() -> None:
    assert [text for text in FORMULAS if not is_formula(text)] == []
    assert [text for text in NONE if is_formula(text)] == []
    assert [as_text(text) for text in ("=1", "-1")] == ["'=1", "-1"]
    assert is_formula("-" + 100_000 * "1" + "!") is True  # in no time


@pytest.mark.parametrize("formulas", [True, False])
def test_formulas_of_a_csv_stay_as_they_came_or_become_texts(
    tmp_path: Path, *, formulas: bool
) -> None:
    rows = {"id": FORMULAS, "=x": [-1.5] * len(FORMULAS), "n": ["-3"] * len(FORMULAS)}
    with open_rows(tmp_path / "out.csv", Arrangement(formulas=formulas)) as file:
        file.add(rows)
    with (tmp_path / "out.csv").open(newline="") as stream:
        names, *found = csv.reader(stream)
    sign = "" if formulas else "'"
    assert names == ["id", f"{sign}=x", "n"]
    assert found == [[sign + text, "-1.5", "-3"] for text in FORMULAS]
    assert file.formulas == (len(FORMULAS) + 1 if formulas else 0)


def test_the_command_says_so_and_has_a_switch(command: Command, folder: Path) -> None:
    rows = [[f"={i}*a" if i < 2 else i, i / 9, 1, 2] for i in range(40)]
    write_csv(folder / "odd.csv", ["part", "a", "b", "c"], rows)
    line = "detect", "odd.csv", "--id-column", "part", "-o"
    said = "note: out.csv has 2 cells that begin like a formula, which a spreadsheet may run"
    assert said in command(*line, "out.csv").err
    assert Path("out.csv").read_text().splitlines()[1].startswith("=0*a,")
    assert "formula" not in command(*line, "out.csv", "--no-formulas").err
    assert Path("out.csv").read_text().splitlines()[1].startswith("'=0*a,")
    assert "formula" not in command(*line, "out.xlsx").err
    sheet = openpyxl.load_workbook("out.xlsx").active
    assert sheet is not None
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "b"}


def test_samples_have_the_switch_too(command: Command, elsewhere: Path) -> None:
    rows = [[i * 37 % 101, "=x" if i % 2 else "y"] for i in range(200)]
    write_csv(elsewhere / "t.csv", ["=a", "b"], rows)
    assert command("train", "t.csv", "--set", "train.epochs=1").code == 0
    plain = command("sample", "-n", "20", "-o", "-")
    assert plain.out.splitlines()[0] == "=a,b"
    assert "cells that begin like a formula" in plain.err
    texts = command("sample", "-n", "20", "-o", "-", "--no-formulas")
    assert texts.out == plain.out.replace("=", "'=")
    assert "formula" not in texts.err
