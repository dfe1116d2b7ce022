"""What a run proves of itself: verify, the codes of info, private runs, and the first format."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Command, copied
from safetensors.torch import load, save

from nice_anomaly import learn, load_run
from nice_anomaly.errors import ArtifactError, ConfigError, NiceAnomalyError, NumericsError
from nice_anomaly.library import verify
from nice_anomaly.run import FORMAT, OLD, load_manifest, packed
from nice_anomaly.run import load_run as read
from nice_anomaly.run.canaries import canaries_bytes
from nice_anomaly.run.manifest import as_json
from nice_anomaly.run.seal import SEAL, sealed_json, sealed_tensors, unsealed_json
from nice_anomaly.run.stored import digest, read_tensors
from nice_anomaly.scores import Origin
from nice_anomaly.thresholds import (
    ALL,
    Bounds,
    Budget,
    Calibration,
    Certified,
    Conformal,
    Group,
    Manual,
    Sigma,
)

SUFFIX = ".calibration.safetensors"
RUN = Path("runs/train")


@pytest.fixture
def cells(shared_cells: Path, elsewhere: Path) -> Path:
    """A table with its run, calibrated twice."""
    copied(shared_cells, elsewhere)
    load_run(RUN).calibrate(k=2, name="strict", score="likelihood", say=str)
    return RUN


def old(folder: Path) -> None:
    """A run as the first format had it: no seals, no canaries, no names in calibrations."""
    document = unsealed_json((folder / "run.json").read_bytes())
    for part in folder.glob("canaries-*"):
        part.unlink()
    del document["parts"], document["settings"]["private"]
    (folder / "run.json").write_text(json.dumps({**document, "format": OLD}, indent=2) + "\n")
    for file in folder.glob(f"*{SUFFIX}"):
        tensors, metadata = read_tensors(file.read_bytes())
        record = json.loads(metadata["calibration"])
        del record["name"], record["fit"]
        for group in record["groups"]:
            del group["n"]
        file.write_bytes(save(tensors, {"format": "1", "calibration": json.dumps(record)}))


def rewatched(folder: Path, **changes: Any) -> None:
    """Other canaries in a run that proves them."""
    trained = read(folder)
    content = canaries_bytes(replace(trained.canaries, **changes))
    manifest = replace(trained.manifest, parts={"canaries": digest(content)})
    (folder / manifest.part_file("canaries")).write_bytes(content)
    (folder / "run.json").write_bytes(as_json(manifest))


def test_a_run_that_is_whole_scores_as_it_did(cells: Path, command: Command) -> None:
    found = command.json("verify", "--run", cells, "--data")
    assert (found["sound"], found["exit_code"], found["error"]) == (True, 0, None)
    assert {file["state"] for file in found["files"]} == {"ok"}
    assert len(found["files"]) == 7
    canaries = found["canaries"]
    assert (canaries["n"], canaries["largest"], canaries["drawn"]) == (18, 0.0, False)
    assert canaries["changed"] == {"default": 0, "strict": 0}
    assert canaries["then"] == canaries["now"]
    assert found["data"].startswith("those of the training")
    shown = command("verify", "--run", cells)
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "the same to the last bit" in shown.out


def test_canaries_are_the_first_that_training_stopped_by(cells: Path) -> None:
    run = load_run(cells)
    material = run.own_data().material
    first = material.dataset.values[material.split.early_stopping[:32]]
    assert np.array_equal(run.trained.canaries.rows, first)
    assert np.array_equal(run.trained.canaries.scores, run.scorer()(first).values)


CHANGES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "nothing": (lambda _: None, 0, ""),
    "a picture": (lambda run: (run / "sample.csv").write_text("a"), 0, ""),
    "a byte more": (lambda run: longer(next(run.glob("weights-*"))), 4, "is not the file that"),
    "no canaries": (lambda run: next(run.glob("canaries-*")).unlink(), 4, "is missing"),
    "other canaries": (lambda run: longer(next(run.glob("canaries-*"))), 4, "was changed since"),
    "no references": (lambda run: next(run.glob("references-*")).unlink(), 4, "is missing"),
    "other references": (lambda run: longer(next(run.glob("references-*"))), 4, "was changed"),
    "a calibration": (lambda run: longer(run / f"strict{SUFFIX}"), 4, "calibrate again"),
    "another name": (
        lambda run: shutil.copy(run / f"strict{SUFFIX}", run / f"default{SUFFIX}"),
        4,
        "is the calibration 'strict' under another name: rename it back to strict.calibration",
    ),
    "a space": (lambda run: longer(run / "run.json"), 4, "was changed since it was written"),
    "no run": (lambda run: (run / "run.json").unlink(), 4, "there is no run in"),
    "scores": (
        lambda run: rewatched(run, scores=load_run(run).trained.canaries.scores + 1),
        4,
        "scores otherwise here than where it was made: canary",
    ),
    "rounding": (
        lambda run: rewatched(run, scores=load_run(run).trained.canaries.scores + 1e-5), 0, "",
    ),
    "odd rows": (
        lambda run: rewatched(run, rows=1e9 + load_run(run).trained.canaries.rows), 4, "by",
    ),
}  # fmt: skip


def longer(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b" ")


@pytest.mark.parametrize("case", CHANGES)
def test_what_has_changed_is_found_and_said(cells: Path, command: Command, case: str) -> None:
    change, code, said = CHANGES[case]
    change(cells)
    done = command("verify", "--run", cells, "--json")
    assert done.code == code, done.err
    found = json.loads(done.out)
    assert (found["sound"], found["exit_code"]) == (code == 0, code)
    assert said in (found["error"] or "")
    assert said in done.err
    if code:
        assert command("verify", "--run", cells).code == code


def test_files_that_are_none_of_the_run_are_not_judged(cells: Path) -> None:
    (cells / "weights-000000000000.safetensors").write_bytes(b"?")
    (cells / "a name.calibration.safetensors").write_bytes(b"?")
    (cells / "sample.png").write_bytes(b"?")
    states = {seen.name: seen.state for seen in load_run(cells).verify().files}
    assert states["weights-000000000000.safetensors"] == "left over"
    assert states["a name.calibration.safetensors"] == "left over"
    assert states["sample.png"] == "not of a run"


def test_scores_that_are_no_numbers_are_numerics(cells: Path) -> None:
    run = load_run(cells)
    with torch.no_grad():
        next(iter(run.trained.model.parameters())).fill_(float("nan"))
    found = run.verify()
    assert isinstance(found.problem, NumericsError)
    files = packed(run.trained)  # and such weights are never loaded
    name = run.manifest.weights_file
    broken = replace(run.manifest, fingerprint=digest(files[name]))
    (cells / broken.weights_file).write_bytes(files[name])
    (cells / "run.json").write_bytes(as_json(broken))
    with pytest.raises(NumericsError, match="are not finite numbers"):
        load_run(cells)


def test_a_run_in_memory_is_verified_too() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 2))
    run = learn(rows, overrides=["train.epochs=1"])
    found = run.verify(data=True)
    assert found.problem is None
    assert found.files == ()
    assert found.canaries is not None
    assert found.canaries.largest == 0
    assert found.data == "those of the training: 200 samples"


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("kind", ["rows", "images", "vae"])
def test_a_private_run_holds_no_sample(tmp_path: Path, kind: str, private: bool) -> None:
    rng = np.random.default_rng(0)
    rows: Any = rng.normal(size=(120, 4)).round(6)
    overrides = ["train.epochs=1", "data.folds=0", *(["model=vae"] if kind == "vae" else [])]
    if kind == "images":
        rows = rng.integers(0, 256, (120, 5, 5), dtype=np.uint8)
    run = learn(rows, run=tmp_path / "run", overrides=overrides, private=private)
    content = b"".join(file.read_bytes() for file in (tmp_path / "run").iterdir())
    kept = [row for row in rows if np.ascontiguousarray(row).tobytes() in content]
    assert len(kept) == (0 if private else 12)
    canaries = load_run(tmp_path / "run").trained.canaries
    assert canaries.drawn == private == run.manifest.settings.private
    assert len(canaries.rows) == (32 if private else 12)
    assert load_run(tmp_path / "run").verify().problem is None


def test_a_private_run_is_gone_on_with_as_it_is(cells: Path, command: Command) -> None:
    done = command("train", "--resume", "--private", "--run", cells)
    assert done.code == 2
    assert "cannot be combined" in done.err


# What info ends with is what detect would.


def foreign(run: Path, command: Command) -> None:
    again = command("train", "--config", "digits", "--set", "train.epochs=1", "--run", "runs/other")
    assert again.code == 0
    assert command("calibrate", "--run", "runs/other").code == 0
    shutil.copy(f"runs/other/default{SUFFIX}", run)


INFO: dict[str, tuple[Callable[[Path, Command], object], int, str]] = {
    "whole": (lambda *_: None, 0, "weights fingerprint"),
    "not calibrated": (
        lambda run, _: [file.unlink() for file in run.glob(f"*{SUFFIX}")], 0, "no threshold yet",
    ),
    "a calibration is damaged": (lambda run, _: longer(run / f"strict{SUFFIX}"), 4, "parameters"),
    "of other weights": (foreign, 5, "other weights"),
    "weights are damaged": (lambda run, _: longer(next(run.glob("weights-*"))), 4, "data finger"),
    "no run": (lambda run, _: longer(run / "run.json"), 4, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", INFO)
def test_info_says_what_it_can_and_ends_as_detect(cells: Path, command: Command, case: str) -> None:
    change, code, said = INFO[case]
    change(cells, command)
    done, plain = command("info", "--run", cells), command("info", "--run", cells, "--json")
    assert (done.code, plain.code) == (code, code), done.err
    assert said in done.out
    assert json.loads(plain.out).get("exit_code", 0) == code
    named = "strict" if case == "a calibration is damaged" else "default"
    detected = command("detect", "new.csv", "--run", cells, "--calibration", named)
    assert detected.code == (5 if case == "not calibrated" else code), detected.err


# The first format.


def test_a_run_of_the_first_format_says_the_same_and_is_written_anew(
    cells: Path, command: Command
) -> None:
    asked = ("detect", "new.csv", "--run", cells, "--calibration", "strict", "--json")
    load_run(cells).calibrate(score="likelihood", say=str)  # then there was no other of rows
    before, fingerprint = command(*asked).out, load_manifest(cells).fingerprint
    old(cells)
    assert load_manifest(cells).format == OLD
    done = command(*asked)
    assert (done.code, done.out) == (0, before)
    assert "which proves only its weights: 'nice-anomaly verify --run" in done.err
    shown = command("verify", "--run", cells)
    assert shown.code == 0
    assert "of an older version" in shown.out
    assert command("verify", "--run", cells, "--upgrade").code == 0
    manifest = load_manifest(cells)
    assert (manifest.format, manifest.fingerprint) == (FORMAT, fingerprint)
    assert read(cells).canaries.drawn
    assert command(*asked).out == before
    files = {file.name: file.read_bytes() for file in cells.iterdir()}
    assert command("verify", "--run", cells, "--upgrade").code == 0  # and nothing more to do
    assert {file.name: file.read_bytes() for file in cells.iterdir()} == files


def test_an_old_run_that_is_saved_is_a_new_one(cells: Path) -> None:
    old(cells)
    run = load_run(cells)
    run.save("elsewhere")
    assert load_manifest(Path("elsewhere")).format == FORMAT
    assert load_run("elsewhere").calibrations == ("default", "strict")


def test_an_old_calibration_beside_a_new_run_is_refused_until_it_is_trusted(cells: Path) -> None:
    shutil.copytree(cells, "old")
    old(Path("old"))
    shutil.copy(f"old/strict{SUFFIX}", cells)
    with pytest.raises(ArtifactError, match=r"older version .*verify\(upgrade=True\)"):
        load_run(cells).calibration("strict")
    assert load_run(cells).verify().problem is not None
    assert load_run(cells).verify(upgrade=True).problem is None
    assert load_run(cells).calibration("strict").rule.name == "sigma"


YOUNGER: dict[str, Callable[[dict[str, Any]], object]] = {
    "its seal": lambda d: d,
    "parts": lambda d: d.pop(SEAL),
    "a setting": lambda d: (d.pop(SEAL), d.pop("parts")),
    "no data": lambda d: (d.pop(SEAL), d.pop("parts"), d["settings"].pop("private"), d.pop("data")),
}


@pytest.mark.parametrize("left", YOUNGER)
def test_a_new_run_gains_nothing_by_the_old_number(cells: Path, left: str) -> None:
    document = json.loads((cells / "run.json").read_bytes())
    YOUNGER[left](document)
    (cells / "run.json").write_text(json.dumps({**document, "format": OLD}, indent=2) + "\n")
    with pytest.raises(ArtifactError, match=r"the run runs/train is damaged: run\.json"):
        load_run(cells)


# Even where the seal is right.


def put(document: Any, path: str, value: object) -> None:
    *above, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in above:
        document = document[step]
    document[last] = value


CANNOT_BE: list[tuple[str, object, str]] = [
    ("created", "yesterday", "created"),
    ("created", "2026-01-01T00:00:00", "created"),
    ("versions", {}, "versions"),
    ("fingerprint", "0" * 63, "fingerprint"),
    ("parts", {}, "parts"),
    ("parts.canaries", "../" + "0" * 61, "parts"),
    ("precision", "float8", "precision"),
    ("settings.train.precision", "bfloat16", "settings.train.precision"),
    ("settings.train.epochs", 0, "settings.train.epochs"),
    ("settings.model", "vae", "settings.model"),
    ("best_epoch", 3, "best_epoch"),
    ("best_epoch", -1, "best_epoch"),
    ("history", [], "history"),
    ("history.0.epoch", 7, "history"),
    ("history.0.train", float("nan"), "history.0"),
    ("history.1.seconds", -1.0, "history.1"),
    ("history.2.samples_per_second", float("inf"), "history.2"),
    ("data.n", -1, "data.n"),
    ("data.fit", 10**40, "data.n"),
    ("data.repeated", 10_000, "data.repeated"),
    ("data.fingerprint", "x", "data.fingerprint"),
    ("data.layout.shape", [], "data.layout"),
    ("data.layout.shape", [10**9], "data.layout"),
    ("data.layout.levels", 256, "data.layout"),
    ("data.layout.kind", "sound", "data.layout"),
    ("data.reading.columns.1.low", float("nan"), "data.reading.columns.1"),
    ("data.reading.columns.1.step", -1.0, "data.reading.columns.1"),
    ("data.reading.columns.1.missing", 1.5, "data.reading.columns.1"),
    ("data.reading.columns.1.name", "ward", "data.reading.columns"),
    ("data.reading.columns.1.kind", "left out", "data.reading"),
    ("data.reading.columns.1.kind", "colour", "data.reading"),
    ("architecture.layers", 10**6, "architecture"),
    ("architecture.width", 10**6, "architecture"),
    ("architecture.width", 0, "architecture"),
    ("architecture.couplings", 7, "architecture.couplings"),
    ("architecture.dimensions", 7, "architecture.dimensions"),
    ("architecture.activation", "relu", "architecture.activation"),
    ("architecture.kind", "oracle", "architecture"),
]


@pytest.mark.parametrize(
    ("path", "value", "named"), CANNOT_BE, ids=[f"{p}={v!r:.20}" for p, v, _ in CANNOT_BE]
)
@pytest.mark.parametrize("number", [FORMAT, OLD])
def test_what_cannot_be_is_refused_by_its_name(
    shared_cells: Path, tmp_path: Path, path: str, value: object, named: str, number: int
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(shared_cells / RUN, folder)
    if number == OLD:
        old(folder)
    content = (folder / "run.json").read_bytes()
    document = unsealed_json(content) if number == FORMAT else json.loads(content)
    if number == OLD and path.startswith("parts"):
        pytest.skip("the first format has no parts")
    put(document, path, value)
    plain = (json.dumps(document, indent=2) + "\n").encode()
    (folder / "run.json").write_bytes(sealed_json(document) if number == FORMAT else plain)
    with pytest.raises(ArtifactError, match=r"lacks or has wrong entries") as refused:
        load_run(folder)
    assert named in str(refused.value)


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "nested": (b'{"format": 2, "a": ' + b"[" * 100_000, "not readable JSON"),
    "a long number": (b'{"format": ' + b"9" * 5_001 + b"}", "not readable JSON"),
    "no text": (b"\xff\xfe\0\0", "not readable JSON"),
    "empty": (b"", "not readable JSON"),
    "of another program": (b'{"name": "x", "version": "1.0"}', "is not a run of nice-anomaly"),
    "a list": (b"[]", "is not a run of nice-anomaly"),
    "huge": (b" " * 2_001, "more than 2,000 bytes in a run.json. If that is meant, raise"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_manifest_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    content, said = UNREADABLE[case]
    (tmp_path / "run.json").write_bytes(content)
    if case == "huge":
        monkeypatch.setenv("NICE_ANOMALY_LIMITS", "manifest=2000")
    with pytest.raises(ArtifactError, match=said):
        load_run(tmp_path)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "it is a pipe and no file"),
    "a folder": (Path.mkdir, "it is a folder and no file"),
    "a device": (lambda file: file.symlink_to("/dev/zero"), "it is a device and no file"),
    "a link to nothing": (lambda file: file.symlink_to("away"), ""),
    "a loop": (lambda file: file.symlink_to(file.name), "symbolic links"),
}


@pytest.mark.parametrize("case", NO_FILES)
@pytest.mark.parametrize("which", ["run.json", "weights-*", f"default{SUFFIX}", "canaries-*"])
def test_what_is_no_file_is_refused_at_once(cells: Path, case: str, which: str) -> None:
    make, said = NO_FILES[case]
    file = next(cells.glob(which))
    file.unlink()
    make(file)
    problem = verify(cells).problem
    assert problem is not None
    assert said in str(problem)
    assert file.name in str(problem)
    assert problem.exit_code == 4


AS_ANOTHER = """
import os, sys
from nice_anomaly import load_run
from nice_anomaly.errors import NiceAnomalyError
os.setgroups([])
os.setuid(65534)
for run in sys.argv[1:]:
    try:
        load_run(run).calibration()
        print(load_run(run).calibrations)
    except NiceAnomalyError as error:
        print(error.exit_code, error)
assert "sympy" not in sys.modules  # which takes a second to load
"""


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become another user"
)
def test_a_missing_right_is_called_that(cells: Path) -> None:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o711)
    closed = ("run.json", "weights-*", f"default{SUFFIX}", ".")
    for number, which in enumerate(closed):
        copy = Path(f"run-{number}")
        shutil.copytree(cells, copy)
        for file in copy.iterdir():
            file.chmod(0o644)
        copy.chmod(0o755)
        (copy if which == "." else next(copy.glob(which))).chmod(0o711 if which == "." else 0o600)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, *(f"run-{n}" for n in range(len(closed)))],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(closed)
    for number, line in enumerate(lines):
        assert line.startswith(f"4 run-{number}"), line
        assert "may not be read (permission denied). Ask its owner" in line
        assert not re.search("damaged|overwrite", line)


# Calibrations prove themselves, and their thresholds follow from their scores.


def resealed(file: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    tensors, metadata = read_tensors(file.read_bytes())
    record = json.loads(metadata["calibration"])
    change(record, tensors)
    del metadata[SEAL]
    file.write_bytes(sealed_tensors(tensors, {**metadata, "calibration": json.dumps(record)}))


def spoilt(name: str, place: int, value: float) -> Callable[[Any, dict[str, Any]], object]:
    return lambda _, tensors: tensors[name].__setitem__(place, value)


RESEALED: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "alpha": lambda r, _: r["parameters"].update(alpha=0.1),
    "alpha is no number": lambda r, _: r["parameters"].update(alpha=float("nan")),
    "confidence": lambda r, _: r["parameters"].update(confidence=0.5),
    "another rule": lambda r, _: r.update(rule="conformal", parameters={"alpha": 0.05}),
    "a parameter more": lambda r, _: r["parameters"].update(k=3.0),
    "the tail": lambda r, _: r.update(tail="both"),
    "the threshold": lambda r, _: r["groups"][0].update(low=-1.0),
    "no threshold": lambda r, _: r["groups"][0].update(low=float("nan")),
    "the ceiling": lambda r, _: r["groups"][0].update(high=1.0),
    "the rank": lambda r, _: r["groups"][0].update(rank=r["groups"][0]["rank"] + 1),
    "the count": lambda r, _: r["groups"][0].update(n=1),
    "fewer groups": lambda r, _: r["groups"].pop(),
    "a group twice": lambda r, _: r["groups"][2].update(r["groups"][1]),
    "no members": lambda r, _: r["groups"][1].update(members=[]),
    "a member is no text": lambda r, _: r["groups"][1].update(members=[1]),
    "no column": lambda r, _: r.update(group_column=3),
    "the source": lambda r, _: r.update(source=None),
    "a budget": lambda r, _: r.update(budget={"alarms": 1.0, "samples": 2.0}),
    "an endless budget": lambda r, _: r.update(budget={"alarms": 1.0, "samples": float("inf")}),
    "fresh": lambda r, _: r.update(fresh=1),
    "a judge": lambda r, _: r.update(judge="auto"),
    "an entry more": lambda r, _: r.update(more=1),
    "an entry less": lambda r, _: r.pop("alone"),
    "a score": spoilt("scores.0", 0, 5.0),
    "a score is no number": spoilt("scores.1", 0, float("nan")),
    "an endless score": spoilt("scores.0", -1, float("inf")),
    "scores of another type": lambda _, t: t.update({"scores.0": t["scores.0"].float()}),
    "a score less": lambda _, t: t.update({"scores.0": t["scores.0"][1:]}),
    "a group of others": lambda _, t: t.update({"scores.1": t["scores.1"] - 1}),
    "scores more": lambda _, t: t.update({"scores.9": t["scores.0"].clone()}),
}


@pytest.fixture(scope="session")
def grouped(shared_cameras: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(shared_cameras, tmp_path_factory.mktemp("grouped") / "data") / RUN
    load_run(folder).calibrate(alpha=0.05, group_column="camera", say=str)
    return folder


@pytest.mark.parametrize("case", RESEALED)
def test_a_calibration_that_cannot_be_is_refused_though_its_seal_is_right(
    grouped: Path, tmp_path: Path, case: str
) -> None:
    shutil.copytree(grouped, tmp_path / "run")
    resealed(tmp_path / f"run/default{SUFFIX}", lambda *_: None)
    assert len(load_run(tmp_path / "run").calibration().groups) == 2
    resealed(tmp_path / f"run/default{SUFFIX}", RESEALED[case])
    with pytest.raises(ArtifactError, match="is damaged: calibrate again"):
        load_run(tmp_path / "run").calibration()


def test_a_score_of_features_that_the_run_has_not_is_refused(cells: Path) -> None:
    run = load_run(cells)
    images = learn(
        np.random.default_rng(0).integers(0, 256, (900, 4, 4), dtype=np.uint8),
        overrides=["train.epochs=1", "flow.width=16", "data.folds=0"],
    )
    judged = images.calibrate(score="auto", say=str)
    forged = replace(judged, origin=replace(judged.origin, weights=run.manifest.fingerprint))
    with pytest.raises(ArtifactError, match="features that this run does not have"):
        run.detect("new.csv", calibration=forged)


def test_weights_that_do_not_fit_take_no_memory(cells: Path) -> None:
    """A width that settings allow, and that would take 100 GB: refused by its shapes."""
    document = unsealed_json((cells / "run.json").read_bytes())
    for part in ("architecture", "settings.flow"):
        put(document, f"{part}.width", 65_536)
    (cells / "run.json").write_bytes(sealed_json(document))
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))\n"
        "from nice_anomaly import load_run\n"
        "try:\n    load_run('runs/train')\nexcept Exception as e:\n    print(type(e).__name__, e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.startswith("ArtifactError the run runs/train is damaged: weights-"), done


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("preprocess.scale", lambda t: t.zero_(), "preprocess.scale has numbers that cannot be"),
        ("preprocess.shift", lambda t: t.fill_(float("nan")), "preprocess.shift has numbers"),
        ("seen", lambda t: t.copy_(t.flip(0)), "seen is not in order"),
    ],
)
def test_numbers_that_cannot_be_are_named(
    cells: Path, name: str, change: Callable[[torch.Tensor], object], said: str
) -> None:
    manifest = load_manifest(cells)
    tensors = load((cells / manifest.weights_file).read_bytes())
    change(tensors[name])
    content = save(tensors)
    changed = replace(manifest, fingerprint=digest(content))
    (cells / changed.weights_file).write_bytes(content)
    (cells / "run.json").write_bytes(as_json(changed))
    with pytest.raises(NiceAnomalyError, match=said):
        load_run(cells)


NAN, INF = float("nan"), float("inf")
ROW = np.array([1.0, 2.0])
NUMBERLESS: dict[str, Callable[[], object]] = {
    "k": lambda: Sigma(NAN),
    "k is a text": lambda: Sigma("3"),  # type: ignore[arg-type]
    "alpha": lambda: Conformal(NAN),
    "confidence": lambda: Certified(0.1, NAN),
    "threshold": lambda: Manual(NAN),
    "an endless threshold": lambda: Manual(-INF),
    "ceiling": lambda: Manual(1.0, NAN),
    "alarms": lambda: Budget(NAN, 3.0),
    "samples": lambda: Budget(1.0, INF),
    "a threshold": lambda: of(Group(ALL, (), Bounds(NAN), ROW)),
    "crossed": lambda: of(Group(ALL, (), Bounds(2.0, 1.0), ROW)),
    "scores": lambda: of(Group(ALL, (), Bounds(0.0), np.array([1.0, NAN]))),
    "endless scores": lambda: of(Group(ALL, (), Bounds(0.0), np.array([1.0, INF]))),
    "disorder": lambda: of(Group(ALL, (), Bounds(0.0), ROW[::-1])),
    "no scores": lambda: of(Group(ALL, (), Bounds(0.0), ROW[:0])),
}


def of(group: Group) -> Calibration:
    return Calibration(Sigma(), "low", Origin(), group)


@pytest.mark.parametrize("case", NUMBERLESS)
def test_what_is_no_number_makes_no_calibration(case: str) -> None:
    assert of(Group(ALL, (), Bounds(0.0), ROW)).n == 2
    with pytest.raises(ConfigError):
        NUMBERLESS[case]()
