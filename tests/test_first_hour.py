"""The first hour with a table as it comes: from a German log to its odd parts."""

import csv
import importlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import openpyxl
import polars
import pytest
from conftest import Command

HERE = Path(__file__).parent.parent
COLUMNS = [
    *("Zeit", "Teil", "Maschine", "Schicht", "Druck", "Kraft", "Drehzahl", "Temperatur", "Strom"),
    *("Weg", "Gewicht", "Durchfluss", "Prüfer"),
]


@pytest.fixture(scope="module")
def machine_log() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE / "scripts"))
        yield importlib.import_module("machine_log")


@pytest.fixture(scope="module")
def log(
    machine_log: ModuleType, command: Command, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[int, str]]:
    """A calibrated run of a week, six hundred new ones, and which of them are odd."""
    folder = tmp_path_factory.mktemp("log")
    wrong = machine_log.weeks(folder, normal=3_400, new=600)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = command("train", "press.csv")
        assert done.code == 0, done.err
        (folder / "train.txt").write_text(done.err)
        assert command("calibrate", "--alarms", "10/day").code == 0
    return folder, wrong


@pytest.fixture
def hour(log: tuple[Path, dict[int, str]], monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    monkeypatch.chdir(log[0])
    return log[1]


@pytest.mark.usefixtures("hour")
def test_train_says_what_it_made_of_thirteen_columns() -> None:
    said = Path("train.txt").read_text()
    assert "note: press.csv: decimal comma, as '" in said
    assert "3,400 normal samples: rows of 13 columns" in said
    for line in ("Druck +number +", "Zeit +date dd.mm.yyyy", "Prüfer +category of 2 +ja, nein"):
        assert re.search(f"^ {line}", said, re.MULTILINE)


def test_the_odd_parts_are_the_least_probable(command: Command, hour: dict[int, str]) -> None:
    assert command("detect", "press-new.csv", "-o", "found.csv", "--sort", "score").code == 0
    with Path("found.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=";"))
    assert {int(row["row"]) for row in rows[:5]} == set(hour)
    assert all(row["flagged"] == "true" for row in rows[:5])
    notes = {int(row["row"]): row["note"] for row in rows[:5]}
    by_kind = {hour[row]: note for row, note in notes.items()}
    assert "Druck" in by_kind["pressure in another unit"]
    assert by_kind["a machine never seen"] == "Maschine 'M4' was never seen"


@pytest.mark.usefixtures("hour")
def test_an_output_is_written_as_the_input_was(command: Command) -> None:
    assert command("detect", "press-new.csv", "-o", "found.csv", "--keep-columns").code == 0
    given = Path("press-new.csv").read_bytes()
    found = Path("found.csv").read_bytes()
    mark = b"\xef\xbb\xbf"
    assert given.startswith(mark)
    assert found.startswith(mark + b"id;score;margin;p_value;flagged;row;note;view;nearest;Zeit;")
    before, after = (
        list(csv.reader(content.decode("utf-8-sig").splitlines(), delimiter=";"))
        for content in (given, found)
    )
    assert [line[9:] for line in after] == before
    scores = [line[1] for line in after[1:]]
    assert all("," in score and "." not in score for score in scores)


@pytest.mark.usefixtures("hour")
def test_alarms_a_day_are_a_rate_and_are_counted(command: Command) -> None:
    budget = command.json("info")["calibration"]["budget"]
    assert budget["alarms"] == 10
    assert budget["samples"] == pytest.approx(480, rel=0.01)  # one in three minutes
    found = command.json("detect", "press-new.csv")
    assert found["days"] == 2
    assert found["alarms_a_day"] == found["flagged"] / 2
    assert found["busiest_day"]["n"] <= 480


SAME = {
    "a workbook": "week.xlsx",
    "Parquet": "week.parquet",
    "Feather": "week.feather",
    "a database": "sqlite:///week.db?week",
    "packed": "week.csv.gz",
    "with points and commas": "english.csv",
}


@pytest.mark.parametrize("kind", SAME)
@pytest.mark.usefixtures("hour")
def test_the_same_rows_from_elsewhere_have_the_same_scores(command: Command, kind: str) -> None:
    expected = command.json("detect", "press-new.csv")
    _write_everywhere()
    found = command.json("detect", SAME[kind])
    assert found["unreadable"] == 0
    assert found["flagged_ids"] == expected["flagged_ids"]
    assert found["median"] == pytest.approx(expected["median"], abs=1e-6)


def _write_everywhere() -> None:
    import gzip

    text = Path("press-new.csv").read_text(encoding="utf-8-sig")
    heading, *lines = list(csv.reader(text.splitlines(), delimiter=";"))
    assert heading == COLUMNS
    numbers = COLUMNS[4:12]
    rows = [
        [
            float(c.replace(",", ".")) if name in numbers else c
            for name, c in zip(heading, line, strict=True)
        ]
        for line in lines
    ]
    book = openpyxl.Workbook()
    for row in [heading, *rows]:
        book.active.append(row)
    book.save("week.xlsx")
    frame = polars.DataFrame(rows, schema=heading, orient="row")
    frame.write_parquet("week.parquet")
    frame.write_ipc("week.feather")
    Path("week.db").unlink(missing_ok=True)
    base = sqlite3.connect("week.db")
    base.execute(f"create table week ({', '.join(heading)})")
    base.executemany(f"insert into week values ({', '.join('?' * len(heading))})", rows)
    base.commit()
    base.close()
    Path("week.csv.gz").write_bytes(gzip.compress(text.encode()))
    with Path("english.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [heading, *([f"{c:,}" if isinstance(c, float) else c for c in r] for r in rows)]
        )


@pytest.mark.usefixtures("hour")
def test_what_is_drawn_is_read_again(command: Command) -> None:
    drawn = command("sample", "-n", "50", "-o", "drawn.csv")
    assert drawn.code == 0, drawn.err
    heading, first = Path("drawn.csv").read_text().splitlines()[:2]
    assert heading.split(";") == [name for name in COLUMNS if name != "Teil"]
    assert first.count(",") >= 4  # decimal commas
    assert command.json("detect", "drawn.csv")["unreadable"] == 0


@pytest.mark.usefixtures("hour")
def test_a_quiet_command_says_nothing_but_its_result(command: Command) -> None:
    done = command("detect", "press-new.csv", "-o", "found.csv", "--quiet", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["n"] == 600
    failed = command("detect", "gone.csv", "-q")
    assert failed.err.startswith("error: gone.csv: there is no such file")


@pytest.mark.usefixtures("elsewhere")
def test_train_takes_a_built_in_set_by_name(command: Command) -> None:
    quick = ("--set", "train.epochs=1")
    done = command("train", "--dataset", "digits", *quick)
    assert done.code == 0, done.err
    assert Path("runs/digits/run.json").exists()
    assert command("train", "--dataset", "digit").code == 2
