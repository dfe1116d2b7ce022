"""A user's own data from end to end: real rows and images, from nothing to flagged ones."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Command, copied, lines_of, rows_of, write_csv
from PIL import Image
from sklearn.datasets import load_digits

QUICK = ("--set", "train.epochs=3")


@pytest.fixture
def learned(shared_cells: Path, elsewhere: Path) -> Path:
    """Cell nuclei with names, labels, a category and gaps, learned and calibrated."""
    return copied(shared_cells, elsewhere)


@pytest.mark.usefixtures("learned")
def test_a_labelled_table_gets_both_errors_and_a_ranking(command: Command) -> None:
    result = command.json("detect", "--input", "new.csv", "--output", "out.csv")
    rows, new = rows_of("out.csv"), rows_of("new.csv")
    assert [row["id"] for row in rows] == [row["patient"] for row in new]
    named = ["id", "score", "margin", "p_value", "flagged", "row", "note", "view", "nearest"]
    assert list(rows[0]) == named
    malignant = np.array([row["diagnosis"] == "malignant" for row in new])
    flagged = np.array([row["flagged"] == "true" for row in rows])
    assert result["n"] == len(rows) == 284
    assert result["flagged"] == flagged.sum()
    assert (result["normal"], result["anomalous"]) == ((~malignant).sum(), malignant.sum())
    assert result["type_i"] == pytest.approx(flagged[~malignant].mean())
    assert result["type_ii"] == pytest.approx((~flagged[malignant]).mean())
    scores = np.array([float(row["score"]) for row in rows])
    better = scores[~malignant][:, None] > scores[malignant]
    assert result["auroc"] == pytest.approx(better.mean(), abs=1e-9)
    assert result["auroc"] > 0.85


@pytest.mark.usefixtures("learned")
def test_the_screen_shows_the_least_probable_and_why(command: Command) -> None:
    done = command("detect", "--input", "new.csv", "--top", "3")
    assert "the 3 least probable" in done.out
    assert "outside" in done.out
    shown = command("info").out
    assert "mean radius" in shown
    assert re.search(r"category of 1 +north", shown)


@pytest.mark.usefixtures("learned")
def test_the_three_output_formats_say_the_same(command: Command) -> None:
    for suffix in (".csv", ".jsonl", ".parquet"):
        assert command("detect", "--input", "new.csv", "--output", f"out{suffix}").code == 0
    parquet, lines = pq.read_table("out.parquet").to_pylist(), lines_of("out.jsonl")
    assert parquet == lines
    text = rows_of("out.csv")
    assert [float(row["score"]) for row in text] == [row["score"] for row in lines]
    assert [row["flagged"] == "true" for row in text] == [row["flagged"] for row in lines]
    assert [row["note"] or None for row in text] == [row["note"] for row in lines]


@pytest.mark.usefixtures("learned")
def test_a_table_comes_on_the_standard_input_in_any_column_order(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = command.json("detect", "--input", "new.csv", "-o", "a.csv")
    new = rows_of("new.csv")
    names = [*reversed(new[0])]
    file = write_csv(
        "turned.csv", ["extra", *names], [[1, *(row[n] for n in names)] for row in new]
    )
    stream = io.TextIOWrapper(io.BytesIO(file.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    piped = command.json("detect", "--input", "-", "-o", "b.csv")
    assert Path("a.csv").read_text() == Path("b.csv").read_text()
    assert {**straight, "source": "-"} == piped


@pytest.mark.usefixtures("learned")
def test_a_row_that_cannot_be_read_is_in_the_output_with_its_reason(command: Command) -> None:
    lines = Path("new.csv").read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[1], "broken", 1)
    lines[5] += ",one cell too many"
    Path("bad.csv").write_text("\n".join(lines))
    done = command("detect", "--input", "bad.csv", "--json", "-o", "out.csv")
    assert done.code == 3
    assert "2 samples could not be read" in done.err
    result, rows = json.loads(done.out), rows_of("out.csv")
    assert (result["n"], result["unreadable"], len(rows)) == (282, 2, 284)
    assert rows[2]["note"] == "unreadable: mean radius is broken, not a finite number"
    assert rows[2]["score"] == rows[2]["flagged"] == ""
    assert "has 14 cells, the heading has 13" in rows[4]["note"]
    assert command("detect", "--input", "bad.csv", "--skip-unreadable").code == 0


@pytest.mark.usefixtures("learned")
def test_fresh_normals_give_a_new_threshold_without_training(command: Command) -> None:
    before = command.json("info")
    done = command("calibrate", "--input", "new.csv", "--json")
    assert "left out: 110 anomalous by label" in done.err
    assert json.loads(done.out)["n"] == sum(
        row["diagnosis"] == "benign" for row in rows_of("new.csv")
    )
    after = command.json("info")
    assert after["fingerprint"] == before["fingerprint"]
    assert after["calibration"]["threshold"] != before["calibration"]["threshold"]


@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize("argument", ["./train.csv", "copy.csv"])
def test_a_threshold_is_not_set_from_what_was_learned(command: Command, argument: str) -> None:
    """Whatever the file is called, whatever its order: the samples are recognised."""
    rows = rows_of("train.csv")
    names = [*reversed(rows[0])]
    write_csv("copy.csv", names, [[row[name] for name in names] for row in rows[::-1]])
    done = command("calibrate", "--input", argument)
    assert done.code == 3
    assert "137 of 183 normals in" in done.err
    assert "leave --input away" in done.err


@pytest.mark.usefixtures("learned")
def test_other_training_data_are_not_taken_for_the_same(command: Command) -> None:
    lines = Path("train.csv").read_text().splitlines()
    Path("train.csv").write_text("\n".join(lines[:-9]))
    done = command("calibrate")
    assert done.code == 3
    assert "are not the data" in done.err


@pytest.mark.usefixtures("learned")
def test_the_output_never_replaces_the_input(command: Command) -> None:
    before = Path("new.csv").read_bytes()
    done = command("detect", "--input", "new.csv", "--output", "./new.csv")
    assert (done.code, Path("new.csv").read_bytes()) == (2, before)
    Path("tables").mkdir()
    Path("new.csv").rename("tables/new.csv")
    done = command("detect", "--input", "tables", "--output", "tables/out.csv")
    assert done.code == 2
    assert "read as input the next time" in done.err


@pytest.mark.usefixtures("learned")
def test_files_with_and_without_labels_together(command: Command) -> None:
    rows = rows_of("new.csv")
    names = [name for name in rows[0] if name != "diagnosis"]
    write_csv("bare.csv", names, [[row[name] for name in names] for row in rows])
    alone = command.json("detect", "--input", "new.csv")
    both = command.json("detect", "-i", "new.csv", "-i", "bare.csv")
    assert (both["n"], both["normal"]) == (2 * alone["n"], alone["normal"])
    assert (both["auroc"], both["type_ii"]) == (alone["auroc"], alone["type_ii"])


@pytest.mark.usefixtures("learned")
def test_parquet_output_with_nothing_readable_at_first(command: Command) -> None:
    names = list(rows_of("new.csv")[0])
    write_csv("bad.csv", names, [["x"] * len(names)] * 3)
    assert command("detect", "-i", "bad.csv", "-i", "new.csv", "-o", "out.parquet").code == 3
    table = pq.read_table("out.parquet")
    assert table.num_rows == 287
    assert table.column("score").null_count == 3


def test_labels_are_compared_by_meaning_and_a_wrong_one_is_said(
    command: Command, elsewhere: Path
) -> None:
    rows = [[i * 0.37 % 1, i * 0.11 % 1, "1.0" if i % 10 == 0 else "0.0"] for i in range(100)]
    write_csv(elsewhere / "t.csv", ["a", "b", "bad"], rows)
    label = ("--label-column", "bad", "--anomaly-value")
    done = command("train", "-i", "t.csv", *label, "1", *QUICK)
    assert "90 normal samples" in done.err
    done = command("train", "-i", "t.csv", *label, "yes", *QUICK)
    assert "no row has yes in the column bad" in done.err
    assert "0.0, 1.0" in done.err
    assert command("calibrate").code == 0
    done = command("detect", "-i", "t.csv", "--label-column", "absent", "--anomaly-value", "1")
    assert done.code == 3
    assert "no column 'absent'" in done.err


def test_a_row_without_a_label_is_neither_normal_nor_an_anomaly(
    command: Command, elsewhere: Path
) -> None:
    label = ["", "bad", *["good"] * 8]
    rows = [[i * 0.37 % 1, i * 0.11 % 1, label[i % 10]] for i in range(100)]
    write_csv(elsewhere / "t.csv", ["a", "b", "state"], rows)
    said = ("--label-column", "state", "--anomaly-value", "bad")
    done = command("train", "-i", "t.csv", *said, *QUICK)
    assert "80 normal samples" in done.err
    assert "left out: 10 anomalous by label, 10 without a label" in done.err
    fresh = command("calibrate", "-i", "t.csv")
    assert fresh.code == 3  # what was learned
    assert command("calibrate").code == 0
    result = command.json("detect", "-i", "t.csv")
    assert (result["n"], result["normal"], result["anomalous"]) == (100, 80, 10)


def test_a_column_that_cannot_be_used_is_said(command: Command, elsewhere: Path) -> None:
    first = {"a": [i * 0.37 % 1 for i in range(60)], "list": [[1]] * 60, "only here": [1.0] * 60}
    pq.write_table(pa.table(first), elsewhere / "1.parquet")
    pq.write_table(pa.table({"a": [i * 0.11 % 1 for i in range(60)]}), elsewhere / "2.parquet")
    done = command("train", "-i", "*.parquet", *QUICK)
    assert done.code == 0, done.err
    table = " ".join(done.err.split())
    assert "list left out a cell is of the type list" in table
    assert "only here left out only some of the files have it" in table


def test_a_first_line_that_looks_like_a_row_is_said(command: Command, elsewhere: Path) -> None:
    rows = [[f"{i * 0.37 % 1:.3f}", "x"] for i in range(60)]
    write_csv(elsewhere / "t.csv", ["5.1", "setosa"], rows)
    done = command("train", "-i", "t.csv", *QUICK)
    assert done.code == 0
    assert "its first line is taken as column names: 5.1, setosa" in done.err


def test_a_number_too_large_to_learn_from_is_named(command: Command, elsewhere: Path) -> None:
    rows: list[list[Any]] = [[i * 0.37 % 1, i * 0.11 % 1] for i in range(60)]
    rows[41][1] = 1e160
    write_csv(elsewhere / "t.csv", ["a", "b"], rows)
    done = command("train", "-i", "t.csv", *QUICK)
    assert done.code == 3
    assert "row 41 (the first is 0): b is 1e+160, too large" in done.err
    done = command("train", "-i", "t.csv", "--skip-unreadable", "--json", *QUICK)
    assert done.code == 0
    assert np.isfinite(json.loads(done.out)["log_likelihood"])


def test_a_table_of_one_column(command: Command, elsewhere: Path) -> None:
    write_csv(elsewhere / "t.csv", ["a"], [[i * 0.37 % 1] for i in range(60)])
    for verb in (("train", "-i", "t.csv", *QUICK), ("calibrate",), ("detect", "-i", "t.csv")):
        done = command(*verb)
        assert done.code == 0
        assert "Warning" not in done.err


@pytest.fixture
def digits(elsewhere: Path) -> Path:
    """300 digits as image files in folders, some of them in colour mode."""
    images = (load_digits().images * 15.9).astype(np.uint8)
    for i, image in enumerate(images[:400]):
        folder = elsewhere / ("good" if i < 300 else "new") / str(i % 3)
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image)
        (picture if i % 2 else picture.convert("RGB")).save(folder / f"{i:03}.png")
    noise = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    for i, image in enumerate(noise):
        Image.fromarray(image).resize((16, 16)).save(elsewhere / "new" / f"noise{i:02}.png")
    return elsewhere


@pytest.mark.usefixtures("digits")
def test_a_folder_of_images_from_nothing_to_flagged_files(command: Command) -> None:
    (Path("good") / "readme.txt").write_text("not a sample")
    trained = command("train", "--input", "good/", *QUICK)
    assert trained.code == 0, trained.err
    assert "300 normal samples: grey images of 8 × 8 pixels" in trained.err
    assert "1 other file left out" in trained.err
    assert command("calibrate").code == 0
    (Path("new") / "broken.png").write_bytes(b"no image")
    done = command("detect", "--input", "new", "--json", "-o", "out.jsonl")
    assert done.code == 3
    rows = lines_of("out.jsonl")
    names = [row["id"] for row in rows]
    assert names == sorted(str(p.relative_to("new")) for p in Path("new").rglob("*.png"))
    by_name = {row["id"]: row for row in rows}
    assert by_name["broken.png"]["flagged"] is None
    assert "not a readable image" in by_name["broken.png"]["note"]
    assert all(row["flagged"] for name, row in by_name.items() if name.startswith("noise"))
    digits_flagged = [row["flagged"] for name, row in by_name.items() if "/" in name]
    assert np.mean(digits_flagged) < 0.1
    assert command("sample", "-o", "s.png").code == 0


@pytest.mark.usefixtures("digits")
def test_colour_images_and_arrays_of_them(command: Command) -> None:
    grey = (load_digits().images[:300] * 15.9).astype(np.uint8)
    images = np.stack([grey // 2, grey, grey], axis=-1)
    np.save("x.npy", images)
    done = command("train", "--input", "x.npy", *QUICK)
    assert done.code == 0, done.err
    assert "colour images of 8 × 8" in done.err
    assert command("calibrate").code == 0
    result = command.json("detect", "--input", "x.npy")
    assert result["n"] == 300
    assert command("sample", "-o", "s.png").code == 0
    with Image.open("s.png") as sheet:
        assert sheet.mode == "RGB"


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_a_folder_called_like_a_built_in_set_is_not_that_set(
    command: Command, elsewhere: Path, name: str
) -> None:
    """What a user's samples are is never guessed from what their folder is called."""
    images = (load_digits().images[:90] * 15.9).astype(np.uint8)
    (elsewhere / name).mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(elsewhere / name / f"{i}.png")
    quick = ("--set", "train.epochs=1", "--set", "train.least_steps=1")
    assert command("train", "-i", name, *quick).code == 0
    assert command.json("info")["data"]["name"] == name
    assert command("calibrate").code == 0  # from the folder: of the built-in set nothing is read
    found = command.json("detect", "-i", name)
    assert found["n"] == 90
    assert not {"error_kind", "errors", "type_i", "type_ii", "normal"} & found.keys()
    assert "type I" not in command("detect", "-i", name).out
    grouped = command("calibrate", "--group-column", "class")
    assert grouped.code == 2
    assert "images have no column 'class'" in grouped.err


def test_the_built_in_set_is_not_an_own_set_of_its_name(
    command: Command, elsewhere: Path, real_data: Path
) -> None:
    """Of other origin, and the same kind: its samples pass or not, but are no type I errors."""
    from nice_anomaly.data import evaluation_part

    values = evaluation_part("mnist", real_data).values[:60].reshape(-1, 28, 28)
    (elsewhere / "mnist").mkdir()
    for i, image in enumerate(values):
        Image.fromarray(image).save(elsewhere / "mnist" / f"{i}.png")
    quick = ("--set", "train.epochs=1", "--set", "train.least_steps=1")
    small = ("--set", "flow.couplings=2", "--set", "flow.layers=1")
    assert command("train", "-i", "mnist", *quick, *small).code == 0
    assert command("calibrate", "--score", "likelihood").code == 0
    found = command.json("detect", "--dataset", "mnist", "--data-root", real_data)
    assert found["n"] == 10_000
    assert found.get("error_kind") != "type I"


@pytest.mark.usefixtures("elsewhere")
def test_samples_of_a_table_are_rows_of_it(command: Command) -> None:
    """Under the names that were learned, in cells as they were: the run reads them like any row."""
    rng = np.random.default_rng(0)
    words = rng.choice(["red", "blue, dark"], 200)
    hours = rng.integers(9, 17, 200)
    write_csv("t.csv", ["empty", "number", "half", "word", "when", "gap"], [
        ["", f"{x:.3f}", h / 2, w, f"2026-03-{2 + d:02} {t:02}:30", "" if m else f"{x * 2:.2f}"]
        for x, h, w, d, t, m in zip(
            rng.normal(10, 1, 200), rng.integers(1, 6, 200), words, rng.integers(0, 5, 200), hours,
            rng.random(200) < 0.4, strict=True,
        )
    ])  # fmt: skip
    assert command("train", "-i", "t.csv", *QUICK).code == 0
    assert command("calibrate").code == 0
    done = command("sample", "-n", "80", "--temperature", "1")
    assert "2024-01-01: only time of day and weekday" in " ".join(done.out.split())
    rows = rows_of("runs/t/sample.csv")
    assert len(rows) == 80
    assert list(rows[0]) == ["number", "half", "word", "when", "gap"]
    assert {row["word"] for row in rows} == {"red", "blue, dark"}
    assert all(float(row["half"]) * 2 % 1 == 0 for row in rows)
    assert 10 < sum(row["gap"] == "" for row in rows) < 70
    assert {row["when"][:8] for row in rows} == {"2024-01-"}
    assert command.json("detect", "-i", "runs/t/sample.csv")["unreadable"] == 0
    piped = command("sample", "-n", "80", "--temperature", "1", "-o", "-")
    assert piped.out == Path("runs/t/sample.csv").read_text()
    assert "only time of day" in piped.err
