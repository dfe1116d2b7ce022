"""What several test files share: the real data, the command run in this process, trained runs.

A run that many tests use is trained once a session; every test works in a copy of its own.
"""

import csv
import importlib
import io
import json
import logging
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from nice_anomaly.cli import main
from nice_anomaly.run.seal import sealed_json, unsealed_json

# A console keeps the width that it finds here when it is made; a worker of pytest sets one.
os.environ.pop("COLUMNS", None)
importlib.import_module("nice_anomaly.cli.render")

# Before anything loads it: two threads that wait for each other on a busy machine cost minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts what it runs in the background deaf to Ctrl-C, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FAST = ("--config", "digits", "--set", "train.epochs=3")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


class Command:
    """``command("train", "--json")`` is ``nice-anomaly train --json``, with its exit code."""

    def __call__(self, *arguments: object, columns: int = 80) -> Outcome:
        """Run it in this process, in so many columns; nothing of it outlives the call."""
        out, err = io.StringIO(), io.StringIO()
        talk = logging.getLogger("nice_anomaly")
        signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        level, handlers = talk.level, talk.handlers[:]
        argv = ["nice-anomaly", *map(str, arguments)]
        try:
            with (
                patch.object(sys, "argv", argv),
                patch.dict(os.environ, COLUMNS=str(columns)),
                redirect_stdout(out),
                redirect_stderr(err),
                pytest.raises(SystemExit) as stop,
            ):
                main()
        finally:
            for number, before in signals.items():
                signal.signal(number, before)
            talk.setLevel(level)
            talk.handlers[:] = handlers
        code = stop.value.code
        return Outcome(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    def json(self, *arguments: object) -> dict[str, Any]:
        """What it prints with ``--json``, if it ends well."""
        done = self(*arguments, "--json")
        assert done.code == 0, done.err
        return dict(json.loads(done.out))


@pytest.fixture(scope="session")
def command() -> Command:
    return Command()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with MNIST, KMNIST and FashionMNIST; in CI it has to be there."""
    root = Path(os.environ.get("NICE_ANOMALY_DATA", "data"))
    if not (root / "MNIST" / "raw").is_dir():
        reason = f"no MNIST in {root.resolve()}: set NICE_ANOMALY_DATA to a torchvision folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return root.resolve()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copied(folder: Path, target: Path) -> Path:
    """A copy of a folder with data and runs; the runs there know the data beside them."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    for manifest in target.glob("runs/*/run.json"):
        moved(manifest, str(folder), str(target))
    return target


def moved(manifest: Path, here: str, there: str) -> None:
    """A run that knows its data in another place, as if it had been trained on them there."""
    text = json.dumps(unsealed_json(manifest.read_bytes())).replace(here, there)
    manifest.write_bytes(sealed_json(json.loads(text)))


def write_csv(path: str | Path, names: list[str], rows: Iterable[Iterable[Any]]) -> Path:
    with Path(path).open("w", newline="") as stream:
        csv.writer(stream).writerows([names, *rows])
    return Path(path)


def rows_of(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(newline="") as stream:
        return list(csv.DictReader(stream))


def lines_of(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.fixture(scope="session")
def shared_digits(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """``runs/digits``: the built-in digits, learned for three epochs."""
    folder = tmp_path_factory.mktemp("digits")
    with chdir(folder):
        assert command("train", *FAST).code == 0
    return folder


@pytest.fixture(scope="session")
def shared_cells(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """``runs/train`` of cell nuclei with a name, a label, a category and gaps; calibrated."""
    from sklearn.datasets import load_breast_cancer

    folder, table = tmp_path_factory.mktemp("cells"), load_breast_cancer()
    names = ["patient", *map(str, table.feature_names[:10]), "ward", "diagnosis"]
    rows = [
        [
            f"P{i:03}",
            *(f"{value:.5g}" for value in row[:10]),
            "north" if i % 3 else "",
            "benign" if label else "malignant",
        ]
        for i, (row, label) in enumerate(zip(table.data, table.target, strict=True))
    ]
    write_csv(folder / "train.csv", names, rows[::2])
    write_csv(folder / "new.csv", names, rows[1::2])
    with chdir(folder):
        done = command(
            "train", "--input", "train.csv", "--id-column", "patient",
            "--label-column", "diagnosis", "--anomaly-value", "malignant",
            "--folds", "0", "--set", "train.epochs=3",
        )  # fmt: skip
        assert done.code == 0, done.err
        assert "anomalous by label" in done.err
        assert re.search(r"patient +left out +it names the rows", done.err)
        assert command("calibrate").code == 0
    return folder


CAMERAS = ["a", "b", "camera"]


def camera_table(
    path: Path | str, n: int, seed: int, shift: float = 0.0, camera: str | None = None
) -> None:
    """Two correlated columns; the camera ``wide`` sees four times the spread."""
    import numpy as np

    rng = np.random.default_rng(seed)
    cameras = rng.choice(["narrow", "wide"], n) if camera is None else np.full(n, camera)
    a = rng.normal(size=n) * np.where(cameras == "wide", 4, 1)
    b = a + rng.normal(size=n) + shift
    write_csv(path, CAMERAS, zip(a.round(6), b.round(6), cameras, strict=True))


@pytest.fixture(scope="session")
def shared_cameras(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """A run on 1,200 rows that ignores the camera: 300 of them are kept for calibration."""
    folder = tmp_path_factory.mktemp("cameras")
    camera_table(folder / "train.csv", 1_200, seed=0)
    camera_table(folder / "new.csv", 2_000, seed=1)
    with chdir(folder):
        done = command(
            "train",
            "-i",
            "train.csv",
            "--ignore",
            "camera",
            "--folds",
            "0",
            "--set",
            "train.epochs=2",
        )
        assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def shared_sums(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """Three columns, the third the sum of the others; half of new.csv breaks that. Calibrated."""
    import numpy as np

    folder, rng = tmp_path_factory.mktemp("sums"), np.random.default_rng(0)
    for path, n in (("train.csv", 800), ("new.csv", 400)):
        x = rng.normal(size=(n, 2))
        third = x.sum(axis=1) + rng.normal(0, 0.05, n)
        odd = np.arange(n) % 2 == 1 if path == "new.csv" else np.zeros(n, dtype=bool)
        third[odd] = rng.permutation(third[odd])
        state = np.where(odd, "bad", "good")
        rows = zip(*x.T.round(5), third.round(5), state, strict=True)
        write_csv(folder / path, ["a", "b", "c", "state"], rows)
    label = ("--label-column", "state", "--anomaly-value", "bad")
    with chdir(folder):
        assert (
            command(
                "train", "-i", "train.csv", *label, "--folds", "0", "--set", "train.epochs=5"
            ).code
            == 0
        )
        assert command("calibrate", "--alpha", "0.05").code == 0
    return folder
