"""The main job on the real data: MNIST is learned, KMNIST is found."""

import json
import subprocess
import sys
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Command, lines_of
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import betabinom

from nice_anomaly import Run, builtin, load_run
from nice_anomaly.data import evaluation_part
from nice_anomaly.scores import Scores
from nice_anomaly.thresholds import Certified, calibrate, detect

HERE = Path(__file__).parent.parent
SMALL = (  # the default configuration, but an epoch of smaller networks
    *("--set", "train.epochs=1", "--set", "flow.couplings=4", "--set", "flow.width=64"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, real_data: Path, command: Command) -> Path:
    """An empty folder in which the default configuration was trained, smaller and shorter.

    The data folder that training sees holds the training file and nothing else: what passes
    here cannot have read a test set.
    """
    folder = tmp_path_factory.mktemp("home")
    raw = folder / "train-only" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    name = "train-images-idx3-ubyte"
    (raw / name).symlink_to(real_data / "MNIST" / "raw" / name)
    with chdir(folder):
        for arguments in (["train", *SMALL], ["calibrate"]):
            done = command(*arguments, "--data-root", "train-only")
            assert done.code == 0, done.err
    return folder


@pytest.fixture
def inside(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def run(inside: Path, real_data: Path) -> Run:
    return load_run(inside / "runs" / "mnist", data_root=real_data)


@pytest.fixture(scope="module")
def digits(real_data: Path) -> NDArray[np.uint8]:
    """The test part of MNIST, ``[10_000, 784]``."""
    return evaluation_part("mnist", real_data).values


@pytest.mark.usefixtures("inside")
def test_digits_pass_and_characters_are_flagged(command: Command, real_data: Path) -> None:
    digits, characters, clothes = (
        command.json("detect", "--dataset", name, "--data-root", real_data)
        for name in ("mnist", "kmnist", "fashion")
    )
    assert digits["error_kind"] == "type I"
    assert characters["error_kind"] == clothes["error_kind"] == "type II"
    assert digits["n"] == characters["n"] == clothes["n"] == 10_000
    assert digits["error_rate"] < 0.02
    assert characters["error_rate"] < 0.01
    assert clothes["error_rate"] < 0.01


def test_a_certified_rate_is_seldom_exceeded_by_real_digits(
    command: Command, run: Run, real_data: Path
) -> None:
    """20 random halves of 20,000 unseen digits: one calibrates, the other is counted.

    A count of 10,000 has noise of its own: it exceeds 1 % in a tenth of the halves (beta-binomial,
    k = 84), so in more than 6 of 20 once in 400 tries.
    """
    assert betabinom.sf(100, 10_000, 84, 9_917) == pytest.approx(0.1, abs=0.01)
    held_out, unseen = run.normals().scores, run.score(builtin("mnist"))
    values = np.concatenate([held_out.values, unseen.values])
    rng, exceeded = np.random.default_rng(0), 0
    for _ in range(20):
        rng.shuffle(values)
        one, other = (Scores(part, held_out.origin) for part in np.split(values, 2))
        calibration = calibrate(one, Certified(0.01))
        assert calibration.k == 84
        exceeded += int(detect(other, calibration).flagged.sum() > 100)
    assert exceeded <= 6
    root = ("--data-root", real_data)
    assert command("calibrate", "--alpha", "0.01", "--name", "one", *root).code == 0
    for name in ("mnist", "kmnist"):
        found = command.json("detect", "--dataset", name, "--calibration", "one", *root)
        assert found["interval"][0] < 0.01


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize(("tail", "flagged"), [("low", 0), ("both", 1)])
def test_a_blank_image_is_too_normal(
    command: Command, real_data: Path, tail: str, flagged: int
) -> None:
    Path("frames").mkdir(exist_ok=True)
    Image.new("L", (28, 28)).save("frames/stuck.png")
    asked = ("--alpha", "0.01", "--tail", tail, "--name", tail)
    done = command("calibrate", *asked, "--data-root", real_data)
    assert done.code == 0, done.err
    found = command.json("detect", "-i", "frames", "--calibration", tail)
    assert (found["flagged"], found["ceiling"] is None) == (flagged, tail == "low")


@pytest.mark.usefixtures("inside")
def test_thresholds_by_digit(command: Command, real_data: Path) -> None:
    root = ("--data-root", real_data)
    done = command("calibrate", "--alpha", "0.02", "--group-column", "class", "--name", "c", *root)
    assert done.code == 0, done.err
    found = command.json("detect", "--dataset", "mnist", "--calibration", "c", *root)
    assert sorted(group["name"] for group in found["groups"]) == [*"0123456789"]
    assert sum(group["n"] for group in found["groups"]) == 10_000
    assert sum(group["flagged"] for group in found["groups"]) == found["flagged"]
    assert all(group["interval"][0] < 0.02 for group in found["groups"])
    other = command.json("detect", "--dataset", "kmnist", "--calibration", "c", *root)
    assert [group["name"] for group in other["groups"]] == ["(all)"]


@pytest.mark.usefixtures("inside")
def test_the_test_part_was_out_of_reach(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NICE_ANOMALY_MIRROR", "http://127.0.0.1:9")
    refused = command("detect", "--dataset", "mnist", "--data-root", "train-only")
    assert refused.code == 3
    assert "t10k-images" in refused.err


@pytest.mark.usefixtures("inside")
def test_other_training_data_cannot_calibrate(
    command: Command, real_data: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    content = bytearray((real_data / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes())
    content[5000] ^= 1
    (raw / "train-images-idx3-ubyte").write_bytes(content)
    refused = command("calibrate", "--data-root", tmp_path)
    assert refused.code == 3
    assert "not the published MNIST file" in refused.err


def test_a_score_is_the_same_alone_and_among_ten_thousand(
    run: Run, digits: NDArray[np.uint8]
) -> None:
    together = run.score(builtin("mnist")).values
    scorer = run.scorer()
    for rows in (slice(0, 1), slice(9_999, 10_000), slice(17, 90)):
        assert np.array_equal(scorer(digits[rows]).values, together[rows])


def test_half_precision_does_not_change_the_score(run: Run, digits: NDArray[np.uint8]) -> None:
    """bfloat16 networks move a score by less than a hundredth of the scores' spread."""
    exact, half = (
        replace(run.scorer(), precision=precision)(digits[:2048]).values
        for precision in (torch.float32, torch.bfloat16)
    )
    assert not np.array_equal(exact, half)
    assert np.abs(exact - half).mean() < 0.01 * exact.std()
    assert abs((exact - half).mean()) < 0.002 * exact.std()


def test_dequantised_likelihood_cannot_exceed_that_of_certain_bytes(run: Run) -> None:
    """Mean LL over random dequantisation ≤ D ln 256 = 4347.42 nats; an epoch reaches 1500."""
    mean = run.score(builtin("mnist"), noise_seed=1).values.mean()
    assert 1_500 < mean < 784 * np.log(256)


def test_a_blank_image_is_thought_normal(run: Run) -> None:
    """A known blindness of likelihoods: simpler than the normal data scores higher."""
    (blank,) = run.scorer()(np.zeros((1, 784), dtype=np.uint8)).values
    assert blank > run.manifest.history[-1].early_stopping


def test_reproduce_writes_what_it_promises(tmp_path: Path, real_data: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(
        "flow: {couplings: 2, layers: 1, width: 32}\ntrain: {epochs: 1}\n"
    )
    done = subprocess.run(
        [sys.executable, HERE / "scripts" / "reproduce.py", "--config", "tiny.yaml",
         "--seeds", "2", "--data-root", real_data.resolve()],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "source" in done.stdout
    assert "median of 2" in done.stdout
    found = json.loads((tmp_path / "results" / "reproduce-tiny.json").read_text())
    assert found.keys() == {
        "type_i", "type_ii", "auroc", "type_i_interval", "type_ii_interval", "threshold",
        "train_seconds", "test_log_likelihood_nats", "bits_per_dim", "seed", "parameters",
        "versions", "seeds", "median", "range", "provenance",
    }  # fmt: skip
    assert found["type_i_interval"][0] <= found["type_i"] <= found["type_i_interval"][1]
    bits = 8 - found["test_log_likelihood_nats"] / (784 * np.log(2))
    assert found["bits_per_dim"] == pytest.approx(bits)
    assert found["auroc"] > 0.99


def test_reproduce_without_data_or_network_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, HERE / "scripts" / "reproduce.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": "", "NICE_ANOMALY_MIRROR": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert done.returncode == 3
    assert "NICE_ANOMALY_DATA" in done.stderr
    assert "make demo" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("inside")
def test_the_same_pictures_as_files_get_the_same_scores(command: Command, real_data: Path) -> None:
    """A run on a built-in set reads a user's images: PNG files of its test set score as it does."""
    values = evaluation_part("kmnist", real_data).values[:200]
    folder = Path("pictures")
    folder.mkdir()
    for row, image in enumerate(values.reshape(-1, 28, 28)):
        Image.fromarray(image).save(folder / f"{row:04}.png")
    np.save("pictures.npy", values.reshape(-1, 28, 28))
    verb = ("detect", "--data-root", real_data, "--output")
    assert command(*verb, "set.jsonl", "--dataset", "kmnist").code == 0
    assert command(*verb, "files.jsonl", "--input", folder).code == 0
    assert command(*verb, "array.jsonl", "--input", "pictures.npy").code == 0
    expected, files, array = (
        [row["score"] for row in lines_of(f"{name}.jsonl")[:200]]
        for name in ("set", "files", "array")
    )
    assert files == array == expected
