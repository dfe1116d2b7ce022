"""The second hour: what people stumble over once the first table is learned."""

import csv
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from conftest import Command, write_csv

import nice_anomaly as na
from nice_anomaly.data.tables import learn_column

QUICK = ("--set", "train.epochs=2")
NAMES = ["when", "force", "stroke", "remark"]


def rows(n: int, start: int = 0) -> list[list[object]]:
    """Shifts of an hour on weekdays, with a remark on some rows that is never the same."""
    monday, found = datetime(2025, 3, 3), []
    day = 0
    while len(found) < start + n:
        date = monday + timedelta(days=day)
        if date.weekday() < 5:
            for hour in range(8, 16):
                i = len(found)
                remark = f"tool {i % 37} changed at line {i % 11}" if i % 3 == 0 else ""
                moment = f"{date + timedelta(hours=hour):%d.%m.%Y %H:%M}"
                found.append([moment, f"{i % 29 / 7:.3f}", f"{i * i % 31 / 3:.2f}", remark])
        day += 1
    return found[start : start + n]


@pytest.fixture
def learned(command: Command, elsewhere: Path) -> Path:
    write_csv(elsewhere / "log.csv", NAMES, rows(400))
    done = command("train", "log.csv", *QUICK)
    assert done.code == 0, done.err
    assert command("calibrate", "--alarms", "1/day").code == 0
    return elsewhere


def test_remarks_are_no_categories() -> None:
    texts = np.array([row[3] or None for row in rows(400)], dtype=object)
    column = learn_column("remark", texts)
    assert (column.kind, column.reason) == ("left out", "134 different texts in 134 rows")
    machines = np.array([f"M{i % 50}" for i in range(400)], dtype=object)
    assert learn_column("machine", machines).role == "category of 32"


def test_days_without_rows_do_not_count(command: Command, learned: Path) -> None:
    """Eight rows a working day, none at the weekend: one alarm a day is one in eight."""
    budget = command.json("info")["calibration"]["budget"]
    assert budget["samples"] == pytest.approx(8, rel=0.15)
    write_csv(learned / "new.csv", NAMES, rows(80, start=400))
    found = command.json("detect", "new.csv")
    assert found["days"] == 10
    assert found["alarms_a_day"] == found["flagged"] / 10


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("broken_name", ["0.csv", "b.csv", "z.csv"])
def test_a_broken_file_does_not_stop_the_others(
    command: Command, learned: Path, accept: bool, broken_name: str
) -> None:
    (learned / "in").mkdir()
    for name in ("a", "c"):
        write_csv(learned / "in" / f"{name}.csv", NAMES, rows(10, start=400))
    (learned / "in" / broken_name).write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    skip = ("--skip-unreadable",) if accept else ()
    done = command("detect", "in/", "-o", "out.csv", "--keep-columns", *skip)
    assert done.code == (0 if accept else 3)
    with Path("out.csv").open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert len(found) == 21
    (broken,) = (row for row in found if not row["score"])
    assert broken["id"] == f"in/{broken_name}"
    assert "binary data" in broken["note"]
    assert all(row["when"] for row in found if row["score"])
    again = command("train", "in/", "log.csv", *QUICK, *skip, "--run", "runs/all")
    assert again.code == (0 if accept else 3)
    if accept:
        assert f"left out: in/{broken_name} holds binary data" in again.err
        assert "binary data" not in command("calibrate", "--run", "runs/all").err  # it was said


def test_a_workbook_has_numbers_and_dates(command: Command, learned: Path) -> None:
    write_csv(learned / "new.csv", NAMES, [*rows(3, start=400), ["", "n/a", "=1+1", "=SUM(A1)"]])
    assert command("detect", "new.csv", "-o", "out.xlsx", "--keep-columns").code == 3
    sheet = openpyxl.load_workbook("out.xlsx").active
    assert sheet is not None
    heading, first, *_, last = sheet.iter_rows(values_only=True)
    places = [heading.index(name) for name in NAMES]
    moment, force, stroke, _ = (first[place] for place in places)
    assert isinstance(moment, datetime)
    assert all(isinstance(value, int | float) for value in (force, stroke))
    assert [last[place] for place in places] == [None, "n/a", "=1+1", "=SUM(A1)"]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("B2", "A1:M5")


@pytest.mark.parametrize(
    ("encoding", "marked"), [("utf-8", False), ("utf-8-sig", True), ("cp1252", True)]
)
def test_what_opens_the_input_opens_the_output(
    command: Command, learned: Path, encoding: str, marked: bool
) -> None:
    text = "\n".join(
        [",".join([*NAMES, "Prüfer"]), *(f"{','.join(map(str, r))},ü" for r in rows(9))]
    )
    (learned / "new.csv").write_text(text, encoding=encoding)
    assert command("detect", "new.csv", "-o", "out.csv", "--keep-columns").code == 0
    found = (learned / "out.csv").read_bytes()
    assert found.startswith(b"\xef\xbb\xbf") == marked
    assert ",Prüfer" in found.decode("utf-8-sig").splitlines()[0]


@pytest.mark.usefixtures("learned")
def test_a_calibration_that_replaces_another_says_so(command: Command) -> None:
    assert "note: this replaces cross-conformal" in command("calibrate").err
    assert "replaces" not in command("calibrate").err  # the same again
    assert "replaces" not in command("calibrate", "--alpha", "0.1", "--name", "other").err


def test_odd_values_that_pass_are_counted(command: Command, learned: Path) -> None:
    new = rows(5, start=400)
    new[2][1] = "4.2"  # of at most 4: hardly improbable
    assert command("calibrate", "--k", "4").code == 0
    write_csv(learned / "new.csv", NAMES, new)
    found = command.json("detect", "new.csv", "--calibration", "default")
    assert found["noted_but_passed"] == 1 - found["flagged"]


@pytest.mark.parametrize(
    ("verb", "typed", "meant"),
    [
        ("calibrate", {"alfa": 0.1}, "alpha"),
        ("calibrate", {"alpha": 0.1, "confidnce": 0.9}, "confidence"),
        ("detect", {"skip_unredable": True}, "skip_unreadable"),
        ("detect", {"decimals": ","}, "decimal"),
        ("opponents", {"labels_column": "a"}, "label_column"),
        ("normals", {"scor": "auto"}, "score"),
    ],
)
def test_a_mistyped_argument_is_no_argument(
    learned: Path, verb: str, typed: dict[str, object], meant: str
) -> None:
    run = na.load_run("runs/log")
    inputs = (learned / "log.csv",) if verb in ("detect", "opponents") else ()
    with pytest.raises(TypeError, match=f"{verb}.. has no argument .* Did you mean '{meant}'"):
        getattr(run, verb)(*inputs, **typed)
    with pytest.raises(TypeError, match=r"learn\(\) has no argument 'sead'. Did you mean 'seed'"):
        na.learn("log.csv", sead=1)  # type: ignore[call-arg]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_a_sentence(learned: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nice_anomaly", "info", "--run", learned / "runs" / "log"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr == "error: the output cannot be written: No space left on device.\n"


@pytest.mark.usefixtures("learned")
def test_with_a_bound_on_discoveries_only_what_is_written_stays_in_memory() -> None:
    run = na.load_run("runs/log")
    for kept in (False, True):
        stream = run.stream("log.csv", fdr=0.2, say=lambda _: None, keep_columns=kept)
        for part in stream.verdicts:
            possible = int((part.found.p_value <= 0.2).sum())  # their views will be asked for
            assert len(part.batch.values) == possible < len(part.batch.ids) / 3
            assert bool(part.batch.originals) == bool(part.batch.cells) == kept
