"""Which run a verb uses where none is named: the last one, unless another one alone fits."""

import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, moved, write_csv
from PIL import Image

from nice_anomaly.data.tables import STDIN

LAST = "run: runs/{} (trained last; name another with --run)"
IMAGES, TABLE = "has learned images", "has learned a table"


def pictures(folder: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for i in range(n):
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(folder / f"{i}.png")


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """Runs of two tables, of images and of two built-in sets; and what to look at with them."""
    folder, rng = tmp_path_factory.mktemp("several"), np.random.default_rng(0)
    for name, columns in (("rows", "ab"), ("wide", "abc"), ("new", "ab"), ("all", "abcd")):
        write_csv(folder / f"{name}.csv", [*columns], rng.normal(size=(60, len(columns))))
    decimals = (folder / "new.csv").read_text().replace(",", ";").replace(".", ",")
    (folder / "german.csv").write_text(decimals)
    write_csv(folder / "other.csv", ["x"], [[0.5], [0.7]])
    pictures(folder / "parts", 60)
    (folder / "broken.csv").write_bytes(b"\0")
    with chdir(folder):
        np.save("thirty.npy", rng.normal(size=(60, 30)))
        for source in ("rows.csv", "wide.csv", "parts", "thirty.npy"):
            assert (
                command("train", source, "--set", "train.epochs=1", "--set", "data.folds=0").code
                == 0
            )
        for name in ("digits", "breast-cancer"):
            assert (
                command(
                    "train", "--config", name, "--set", "train.epochs=1", "--set", "data.folds=0"
                ).code
                == 0
            )
        for run in ("rows", "wide", "parts", "thirty", "digits", "breast-cancer"):
            assert command("calibrate", "--run", f"runs/{run}").code == 0
    return folder


CASES: dict[str, tuple[list[str], str, int, str]] = {  # runs, the last first; typed; code; said
    "the only one": (["rows"], "detect new.csv", 0, LAST.format("rows")),
    "the last one fits": (["rows", "wide", "parts"], "detect new.csv", 0, LAST.format("rows")),
    "another kind": (
        ["parts", "rows"], "detect new.csv", 0,
        f"run: runs/rows, which fits new.csv; runs/parts, trained last, {IMAGES}",
    ),
    "a table for images": (
        ["rows", "wide", "parts"], "detect parts", 0,
        f"run: runs/parts, which fits parts; runs/rows, trained last, {TABLE}",
    ),
    "a column is missing": (
        ["wide", "rows"], "detect new.csv", 0,
        "run: runs/rows, which fits new.csv; runs/wide, trained last, needs the column 'c'",
    ),
    "decimal commas": (
        ["wide", "rows"], "detect german.csv", 0,
        "run: runs/rows, which fits german.csv; runs/wide, trained last, needs the column 'c'",
    ),
    "fresh normals": (
        ["parts", "rows"], "calibrate new.csv", 0,
        f"run: runs/rows, which fits new.csv; runs/parts, trained last, {IMAGES}",
    ),
    "what to compare on": (
        ["parts", "rows"], "compare new.csv", 0,
        f"run: runs/rows, which fits new.csv; runs/parts, trained last, {IMAGES}",
    ),
    "a built-in set": (
        ["parts", "digits", "breast-cancer"], "detect --dataset digits", 0,
        "run: runs/digits, which fits digits; runs/parts, trained last, has learned parts, grey "
        "images of 8 × 8 pixels with 256 levels",
    ),
    "another set of the same layout": (
        ["digits", "breast-cancer"], "detect --dataset breast-cancer-malignant", 0,
        "run: runs/breast-cancer, which fits breast-cancer-malignant; runs/digits, trained last, "
        "has learned digits, grey images of 8 × 8 pixels with 17 levels",
    ),
    "a set rather than what only looks like it": (
        ["thirty", "breast-cancer"], "detect --dataset breast-cancer", 0,
        "run: runs/breast-cancer, which fits breast-cancer; runs/thirty, trained last, has learned "
        "thirty.npy, rows of 30 columns",
    ),
    "files for a set that no files are like": (
        ["digits", "parts"], "detect parts", 0,
        "run: runs/parts, which fits parts; runs/digits, trained last, has learned the built-in "
        "set digits",
    ),
    "several others": (
        ["parts", "rows", "wide"], "detect all.csv", 4,
        f"error: runs/rows and runs/wide fit all.csv; runs/parts, trained last, {IMAGES}. Name "
        "one with --run.",
    ),
    "none": (["rows", "wide", "parts"], "detect other.csv", 3, LAST.format("rows")),
    "what cannot be read": (["parts", "rows"], "detect broken.csv", 3, LAST.format("parts")),
    "no input": (["parts", "rows"], "calibrate", 0, LAST.format("parts")),
    "what is known of it": (["parts", "rows"], "info", 0, LAST.format("parts")),
    "a drawing": (["parts", "rows"], "sample", 0, LAST.format("parts")),
    "blind spots": (["rows", "parts"], "stress", 0, LAST.format("rows")),
}  # fmt: skip


def only(several: Path, here: Path, runs: list[str]) -> None:
    """What to look at and these runs, of which the first was trained last."""
    shutil.copytree(several, here, ignore=lambda _, names: {"runs"} & {*names}, dirs_exist_ok=True)
    for run in runs:
        shutil.copytree(several / "runs" / run, here / "runs" / run)
        moved(here / "runs" / run / "run.json", str(several), str(here))
    (here / "runs" / ".last").write_text(f"runs/{runs[0]}\n")


@pytest.mark.parametrize("case", CASES)
def test_the_run_that_fits_is_used_and_named_first(
    command: Command, several: Path, elsewhere: Path, case: str
) -> None:
    runs, typed, code, said = CASES[case]
    only(several, elsewhere, runs)
    done = command(*typed.split())
    assert (done.code, done.err.splitlines()[0]) == (code, said)


def test_a_run_that_is_named_is_not_said(command: Command, several: Path, elsewhere: Path) -> None:
    only(several, elsewhere, ["parts", "rows"])
    assert "run: " not in command("detect", "new.csv", "--run", "runs/rows").err
    assert f"{IMAGES}." in command("detect", "new.csv", "--run", "runs/parts").err


def test_what_a_file_shows_is_said_once_though_its_heading_was_read_before(
    command: Command, several: Path, elsewhere: Path
) -> None:
    only(several, elsewhere, ["wide", "rows"])
    assert command("detect", "german.csv").err.count("decimal comma") == 1


def test_the_standard_input_is_left_to_who_reads_it(
    command: Command, several: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be read once: of a table on it nothing is known beforehand but that it is one."""
    only(several, elsewhere, ["parts", "rows"])
    with Path("new.csv").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        done = command("detect", STDIN)
    assert done.err.splitlines()[0].startswith("run: runs/rows, which fits -; runs/parts, trained")
    assert (done.code, "60" in done.out) == (0, True)


def test_a_damaged_run_is_left_aside_unless_it_is_the_last(
    command: Command, several: Path, elsewhere: Path
) -> None:
    only(several, elsewhere, ["parts", "rows", "wide"])
    Path("runs/wide/run.json").write_text("{")
    assert command("detect", "all.csv").err.startswith("run: runs/rows, which fits all.csv")
    Path("runs/parts/run.json").write_text("{")
    damaged = command("detect", "all.csv")
    assert (damaged.code, damaged.err.count("the run runs/parts is damaged")) == (4, 1)
