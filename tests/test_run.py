"""The run folder: whole, verified, and never half-written."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nice_anomaly import pipeline
from nice_anomaly.calibrate import (
    Calibration,
    Certified,
    Conformal,
    Manual,
    Quantile,
    Rule,
    Sigma,
    calibrate,
)
from nice_anomaly.config import load
from nice_anomaly.errors import ArtifactError, ConfigError, NotCalibratedError
from nice_anomaly.files import write
from nice_anomaly.run import (
    Run,
    calibrations,
    load_calibration,
    load_checkpoint,
    load_run,
    save_calibration,
    save_checkpoint,
)
from nice_anomaly.train import Checkpoint


def trained(path: Path, seed: int = 0) -> tuple[Run, Checkpoint]:
    settings = load("digits", ["train.epochs=1", f"seed={seed}"])
    job = pipeline.prepare(settings, path, device="cpu")
    last = [report for report in job.train() if isinstance(report, Checkpoint)][-1]
    job.save(path, last, finished=True)
    return load_run(path), last


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return trained(tmp_path / "run")[0]


def test_a_run_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    run, last = trained(tmp_path)
    weights = run.flow.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in last.best.items())
    assert run.manifest.data.n == 1297
    assert run.manifest.settings.train.epochs == 1
    assert run.manifest.history == last.history


def simple(run: Run) -> Calibration:
    return calibrate(np.array([1.0, 2.0]), Sigma(), fingerprint=run.manifest.fingerprint)


@pytest.mark.parametrize(
    "rule", [Sigma(2), Certified(0.2, 0.9), Conformal(0.2), Quantile(0.2), Manual(-0.5, 1.5)]
)
@pytest.mark.parametrize("grouped", [False, True])
def test_a_calibration_comes_back_as_it_was_saved(run: Run, rule: Rule, grouped: bool) -> None:
    scores = np.random.default_rng(0).normal(size=200)
    scores[0] = 0.0 if isinstance(rule, Sigma) else -np.inf
    saved = calibrate(
        scores,
        rule,
        tail="both",
        fingerprint=run.manifest.fingerprint,
        groups=["a"] * 90 + ["b"] * 90 + ["c", "d"] * 10 if grouped else None,
        group_column="camera" if grouped else None,
        source="x.csv",
    )
    save_calibration(run, saved, "night.2")
    assert calibrations(run) == ("night.2",)
    back = load_calibration(run, "night.2")
    for one, other in zip(
        (back.everyone, *back.groups), (saved.everyone, *saved.groups), strict=True
    ):
        assert (one.name, one.members, one.bounds) == (other.name, other.members, other.bounds)
        assert np.array_equal(one.scores, other.scores)
    ignored = ("everyone", "groups")
    assert {k: v for k, v in vars(back).items() if k not in ignored} == {
        k: v for k, v in vars(saved).items() if k not in ignored
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [("rule", "magic"), ("tail", "up"), ("parameters", {"k": -1}), ("groups", []), ("judge", "x")],
)
def test_a_calibration_by_another_hand_is_damaged(run: Run, key: str, value: object) -> None:
    save_calibration(run, simple(run))
    file = run.path / "default.calibration.safetensors"
    with safe_open(file, framework="pt") as opened:
        metadata = dict(opened.metadata())
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    record = json.loads(metadata["calibration"]) | {key: value}
    metadata["calibration"] = json.dumps(record)
    save_file(tensors, file, metadata)
    with pytest.raises(ArtifactError, match="is damaged: calibrate again"):
        load_calibration(run)


def test_several_calibrations_live_in_one_run(run: Run) -> None:
    assert calibrations(run) == ()
    for name in ("night", "default", "day"):
        save_calibration(run, simple(run), name)
    assert calibrations(run) == ("default", "day", "night")
    with pytest.raises(NotCalibratedError, match="no calibration named 'x'; it has: default, day"):
        load_calibration(run, "x")
    for wrong in ("", "../up", ".hidden", "a/b"):
        with pytest.raises(ConfigError, match="is named by at most 64 letters"):
            load_calibration(run, wrong)


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    _, last = trained(tmp_path)
    save_checkpoint(tmp_path, last)
    back = load_checkpoint(tmp_path)
    assert back.history == last.history
    for part in ("weights", "best", "optimizer"):
        saved, found = getattr(last, part), getattr(back, part)
        assert saved.keys() == found.keys()
        assert all(torch.equal(saved[name], found[name]) for name in saved)
    assert torch.equal(back.generator, last.generator)


def test_retraining_leaves_one_weights_file(tmp_path: Path) -> None:
    trained(tmp_path, seed=0)
    run, _ = trained(tmp_path, seed=1)
    assert [p.name for p in tmp_path.glob("weights-*")] == [run.manifest.weights_file]
    assert not list(tmp_path.glob(".*"))


def test_a_calibration_of_other_weights_is_refused(tmp_path: Path) -> None:
    run, _ = trained(tmp_path, seed=0)
    save_calibration(run, simple(run))
    other, _ = trained(tmp_path, seed=1)
    with pytest.raises(NotCalibratedError, match=r"other weights.*nice-anomaly calibrate"):
        load_calibration(other)


def test_no_calibration_yet_names_the_command(run: Run) -> None:
    with pytest.raises(NotCalibratedError, match="Run 'nice-anomaly calibrate --run"):
        load_calibration(run)


def edited(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    document = json.loads((path / "run.json").read_text())
    change(document)
    (path / "run.json").write_text(json.dumps(document))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: (p / "run.json").unlink(), "there is no run in"),
    "no-json": (lambda p: (p / "run.json").write_text("{"), "not readable JSON"),
    "a-list": (lambda p: (p / "run.json").write_text("[1]"), "not readable JSON"),
    "no-format": (lambda p: edited(p, lambda d: d.pop("format")), "not readable JSON"),
    "newer": (lambda p: edited(p, lambda d: d.update(format=99)), "newer version"),
    "lacks": (lambda p: edited(p, lambda d: d.pop("data")), "lacks or has unknown entries"),
    "extra": (lambda p: edited(p, lambda d: d.update(x=1)), "lacks or has unknown entries"),
    "no-weights": (lambda p: next(p.glob("weights-*")).unlink(), "cannot be read"),
    "cut": (lambda p: next(p.glob("weights-*")).write_bytes(b"x"), "is not the file that"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_run_says_how(run: Run, case: str) -> None:
    damage, message = DAMAGES[case]
    damage(run.path)
    with pytest.raises(ArtifactError, match=message):
        load_run(run.path)


def test_one_changed_bit_in_the_weights_is_noticed(run: Run) -> None:
    file = run.path / run.manifest.weights_file
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="is not the file that"):
        load_run(run.path)


@pytest.mark.parametrize("content", [b"", b"not tensors", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_calibration_or_checkpoint_is_an_error(run: Run, content: bytes) -> None:
    (run.path / "default.calibration.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match="calibrate again"):
        load_calibration(run)
    (run.path / "checkpoint.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match="checkpoint"):
        load_checkpoint(run.path)


def test_a_full_disk_leaves_the_previous_file(tmp_path: Path) -> None:
    """A limit on the size of files, as a full disk, in a process of its own."""
    target = tmp_path / "file"
    target.write_bytes(b"before")
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from nice_anomaly.errors import ArtifactError\n"
        "from nice_anomaly.files import write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        "try:\n"
        "    write(Path(sys.argv[1]), bytes(5000))\n"
        "except ArtifactError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(target)], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "unchanged" in done.stdout
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArtifactError, match="cannot write"):
        write(tmp_path / "file" / "run.json", b"x")


def test_nothing_in_a_run_is_pickled(run: Run) -> None:
    save_calibration(run, simple(run))
    suffixes = {path.suffix for path in run.path.iterdir()}
    assert suffixes == {".json", ".safetensors"}
