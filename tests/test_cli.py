"""The command from end to end on shipped data: results, JSON contracts, exit codes, sentences."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from PIL import Image

FAST = ("--config", "digits", "--set", "train.epochs=3")


@pytest.fixture
def trained(command: Command, elsewhere: Path) -> Path:
    assert command("train", *FAST).code == 0
    return elsewhere / "runs" / "digits"


@pytest.fixture
def calibrated(command: Command, trained: Path) -> Path:
    assert command("calibrate").code == 0
    return trained


def test_help_is_quick_because_it_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from nice_anomaly.cli import main\n"
        "sys.argv = ['nice-anomaly', sys.argv[1], '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'sklearn', 'scipy', 'numpy', 'pyarrow'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    for verb in (
        "--help",
        "train",
        "calibrate",
        "detect",
        "stress",
        "compare",
        "plan",
        "info",
        "sample",
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, verb], capture_output=True, text=True, check=True
        )
        assert "LOADED []" in done.stdout
        assert "Usage" in done.stdout


def test_importing_the_package_loads_no_torch() -> None:
    script = "import sys, nice_anomaly; assert 'torch' not in sys.modules; nice_anomaly.Flow"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_version(command: Command) -> None:
    from nice_anomaly import __version__

    assert command("--version").out.strip() == __version__


@pytest.mark.usefixtures("elsewhere")
def test_the_three_commands_in_a_row(command: Command) -> None:
    trained = command("train", *FAST, "--json")
    assert trained.code == 0
    record = json.loads(trained.out)
    assert record["run"] == "runs/digits"
    assert (record["epochs"], record["seed"]) == (3, 0)
    assert "epoch   3/3" in trained.err

    calibrated = json.loads(command("calibrate", "--json").out)
    contract = {"rule", "threshold", "n", "mean", "std", "claimed_rate", "confidence", "k"}
    assert contract <= calibrated.keys()
    assert (calibrated["rule"], calibrated["n"], calibrated["k"]) == ("sigma", 350, 3)
    assert calibrated["claimed_rate"] is calibrated["confidence"] is None
    expected = calibrated["mean"] - 3 * calibrated["std"]
    assert calibrated["threshold"] == pytest.approx(expected)

    normal = json.loads(command("detect", "--dataset", "digits", "--json").out)
    photos = json.loads(command("detect", "--dataset", "photos", "--json").out)
    contract = {"source", "n", "flagged", "flagged_rate", "threshold", "rule", "error_kind"}
    assert contract | {"errors", "error_rate", "interval"} <= normal.keys()
    assert (normal["error_kind"], photos["error_kind"]) == ("type I", "type II")
    assert normal["errors"] == normal["flagged"] <= 25
    assert photos["errors"] == photos["n"] - photos["flagged"]
    assert photos["flagged_rate"] > 0.8
    assert normal["interval"][0] <= normal["error_rate"] <= normal["interval"][1]


def test_what_people_see_fits_eighty_columns(command: Command, calibrated: Path) -> None:
    del calibrated
    for arguments in (["calibrate"], ["detect", "--dataset", "photos"], ["info"], ["sample"]):
        done = command(*arguments)
        assert done.code == 0
        assert max(map(len, done.out.splitlines())) <= 80
        assert "\x1b" not in done.out


def test_output_has_one_row_a_sample_in_order(command: Command, calibrated: Path) -> None:
    del calibrated
    command("detect", "--dataset", "photos", "-o", "found.csv")
    command("detect", "--dataset", "photos", "-o", "found.jsonl")
    with Path("found.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = [json.loads(line) for line in Path("found.jsonl").read_text().splitlines()]
    summary = json.loads(command("detect", "--dataset", "photos", "--json").out)
    assert list(rows[0]) == ["id", "score", "margin", "p_value", "flagged"] == list(lines[0])
    assert [int(row["id"]) for row in rows] == list(range(summary["n"]))
    assert sum(row["flagged"] == "true" for row in rows) == summary["flagged"]
    for row, line in zip(rows, lines, strict=True):
        assert float(row["score"]) == line["score"]
        assert line["margin"] == pytest.approx(line["score"] - summary["threshold"])
        assert line["flagged"] == (line["margin"] < 0)
        assert 0 < line["p_value"] <= 1


def test_fail_on_anomaly(command: Command, calibrated: Path) -> None:
    del calibrated
    assert command("detect", "--dataset", "photos", "--fail-on-anomaly").code == 10
    assert command("detect", "--dataset", "photos").code == 0


def test_k_moves_the_threshold(command: Command, calibrated: Path) -> None:
    del calibrated
    two = json.loads(command("calibrate", "--k", "2", "--json").out)
    assert two["threshold"] == pytest.approx(two["mean"] - 2 * two["std"])
    found = json.loads(command("detect", "--dataset", "digits", "--json").out)
    assert found["threshold"] == two["threshold"]


def test_info_knows_everything(command: Command, calibrated: Path) -> None:
    record = json.loads(command("info", "--json").out)
    assert record["data"]["fingerprint"]
    assert record["architecture"]["couplings"] == record["settings"]["flow"]["couplings"]
    assert record["calibration"]["fingerprint"] == record["fingerprint"]
    assert record["finished"] is True
    assert {"python", "torch", "numpy", "nice-anomaly"} <= record["versions"].keys()
    assert str(record["parameters"]) in command("info").out.replace(",", "")
    assert (calibrated / "run.json").exists()


def test_info_of_an_uncalibrated_run_says_so(command: Command, trained: Path) -> None:
    del trained
    assert "no threshold yet" in " ".join(command("info").out.split())
    assert json.loads(command("info", "--json").out)["calibration"] is None


def test_samples_look_like_the_normal_data(command: Command, trained: Path) -> None:
    """The mean of many samples correlates with the mean digit; their seed repeats them."""
    command("sample", "-n", "400", "--seed", "3", "-o", "one.png")
    command("sample", "-n", "400", "--seed", "3", "-o", "two.png")
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()
    sheet = np.asarray(Image.open("one.png"), dtype=float)
    assert sheet.shape == (20 * 58, 20 * 58)
    tiles = sheet.reshape(20, 58, 20, 58)[:, :56, :, :56].mean(axis=(0, 2))
    small = tiles.reshape(8, 7, 8, 7).mean(axis=(1, 3))
    from nice_anomaly.data import training_part

    normal = training_part("digits", trained).values.mean(axis=0).reshape(8, 8)
    assert np.corrcoef(small.ravel(), normal.ravel())[0, 1] > 0.95


def test_a_table_is_trained_scored_and_sampled(command: Command, elsewhere: Path) -> None:
    assert command("train", "--config", "breast-cancer").code == 0
    assert command("calibrate").code == 0
    malignant = command("detect", "--dataset", "breast-cancer-malignant", "--json")
    assert json.loads(malignant.out)["flagged_rate"] > 0.3
    assert command("sample", "-n", "50").code == 0
    rows = np.loadtxt(elsewhere / "runs/breast-cancer/sample.csv", delimiter=",", skiprows=1)
    assert rows.shape == (50, 30)


def test_a_taken_name_gets_a_number_and_the_last_run_is_found(
    command: Command, trained: Path
) -> None:
    command("train", *FAST, "--seed", "5")
    assert json.loads(command("info", "--json").out)["run"] == "runs/digits-2"
    assert json.loads(command("info", "--run", trained, "--json").out)["settings"]["seed"] == 0


def test_an_interrupted_training_is_kept_and_resumed_to_the_same_weights(
    command: Command, elsewhere: Path
) -> None:
    arguments = ["--config", "digits", "--set", "train.epochs=400", "--set", "train.patience=400"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "nice_anomaly", "train", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("epoch   3/"):
            break
    running.send_signal(signal.SIGINT)
    rest = running.stderr.read()
    running.stderr.close()
    assert running.wait() == 130
    assert "interrupted: runs/digits holds the weights of epoch" in rest
    assert "--resume" in rest
    assert command("calibrate").code == 0  # the best so far can be used
    state = json.loads(command("info", "--json").out)
    assert state["finished"] is False
    done = len(state["history"])
    assert 3 <= done < 400
    assert "interrupted" in command("info").out

    resumed = command("train", "--resume")
    assert resumed.code == 0
    whole = command("train", *arguments, "--run", "whole")
    assert whole.code == 0
    one, other = (
        json.loads(command("info", "--run", run, "--json").out) for run in ("runs/digits", "whole")
    )
    assert one["fingerprint"] == other["fingerprint"]
    assert one["finished"] is True
    assert not list(elsewhere.rglob("checkpoint*"))
    assert command("train", "--resume").code == 4


def test_an_overwritten_run_needs_a_new_threshold(command: Command, calibrated: Path) -> None:
    del calibrated
    assert command("train", *FAST, "--seed", "1", "--run", "runs/digits", "--overwrite").code == 0
    refused = command("detect", "--dataset", "digits")
    assert refused.code == 5
    assert "other weights" in refused.err


def test_a_diverging_training_keeps_the_last_good_weights(
    command: Command, elsewhere: Path
) -> None:
    diverged = command(
        "train", "--config", "digits", "--set", "train.learning_rate=1e30",
        "--set", "train.head_learning_rate=1e30",
    )  # fmt: skip
    assert diverged.code == 6
    assert "smaller learning rate" in diverged.err
    assert not list(elsewhere.glob("runs/**/.*tmp"))


MISTAKES: dict[str, tuple[list[str], int, str]] = {
    "unknown-config": (["train", "--config", "imagenet"], 2, "no configuration 'imagenet'"),
    "unknown-key": (["train", "--set", "train.epoch=1"], 2, "train.epoch: unknown key"),
    "wrong-type": (["train", "--set", "train.epochs=x"], 2, "valid integer, got 'x'"),
    "resume-and-set": (["train", "--resume", "--seed", "1"], 2, "cannot be combined"),
    "resume-nothing": (["train", "--resume"], 4, "no run was trained in this folder"),
    "no-run-calibrate": (["calibrate"], 4, "nice-anomaly train"),
    "no-run-detect": (["detect", "--dataset", "mnist"], 4, "nice-anomaly train"),
    "no-run-info": (["info", "--run", "nowhere"], 4, "there is no run in nowhere"),
    "unknown-set": (["detect", "--dataset", "cifar"], 2, "no data set 'cifar'"),
    "set-that-is-anomalous": (
        ["train", "--set", "data.normal=breast-cancer-malignant"], 2, "only anomalies",
    ),
    "too-much-held-out": (
        ["train", *FAST, "--set", "data.calibration=900"], 2, "more than half",
    ),
    "k": (["calibrate", "--k", "-1"], 2, "positive number"),
    "k-nan": (["calibrate", "--k", "nan"], 2, "positive number"),
    "temperature": (["sample", "--temperature", "0"], 2, "positive number"),
    "output": (["detect", "--dataset", "mnist", "-o", "x.xls"], 2, ".csv, .jsonl, .parquet"),
    "device": (["train", *FAST, "--device", "abacus"], 2, "no device 'abacus'"),
    "run-is-a-file": (["train", *FAST, "--run", "file"], 4, "file is a file"),
    "no-data": (["train", "--data-root", "empty"], 3, "could not be downloaded"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence_and_an_exit_code(
    command: Command, elsewhere: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NICE_ANOMALY_MIRROR", "http://127.0.0.1:9")
    (elsewhere / "file").write_bytes(b"")
    arguments, code, sentence = MISTAKES[case]
    done = command(*arguments)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err
    assert "error:" in done.err
    assert "Traceback" not in done.err
    assert not list(elsewhere.rglob("run.json"))


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["detect", "--dataset", "photos"], 5, "no threshold yet"),
        (["train", *FAST, "--run", "runs/digits"], 2, "already holds a run"),
        (["sample", "-o", "x.csv"], 2, "ending in .png"),
        (["sample", "-o", "runs/.last/x.png"], 4, "cannot write"),
        (["train", "--resume"], 4, "nothing to resume"),
    ],
)
def test_a_mistake_with_a_run_there(
    command: Command, trained: Path, arguments: list[str], code: int, sentence: str
) -> None:
    before = {path: path.read_bytes() for path in trained.iterdir()}
    done = command(*arguments)
    assert done.code == code
    assert sentence in done.err
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_a_set_of_another_shape_is_refused(
    command: Command, calibrated: Path, real_data: Path
) -> None:
    del calibrated
    done = command("detect", "--dataset", "mnist", "--data-root", real_data)
    assert done.code == 3
    assert "28 × 28" in done.err
    assert "8 × 8" in done.err


def test_progress_is_live_on_a_terminal(tmp_path: Path) -> None:
    """In a pseudo-terminal the bar shows rate, log-likelihood and time left."""
    import pty

    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-m", "nice_anomaly", "train", "--config", "digits",
         "--set", "train.epochs=200", "--set", "train.patience=200"],
        stderr=follower, stdout=subprocess.DEVNULL, env=environment, cwd=tmp_path,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    deadline = time.monotonic() + 60
    while b"bits/dim" not in seen or b"samples/s" not in seen or b"left" not in seen:
        assert time.monotonic() < deadline
        seen += os.read(leader, 65536)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            if not os.read(leader, 65536):
                break
        except OSError:
            break
    assert process.wait() == 130
    os.close(leader)
