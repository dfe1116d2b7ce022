"""The run folder: whole, verified, and never half-written."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nice_anomaly.config import load
from nice_anomaly.data import Material, Wishes, builtin_material, learn, recognise
from nice_anomaly.errors import ArtifactError, ConfigError, NotCalibratedError
from nice_anomaly.files import write
from nice_anomaly.learning import Job, ready
from nice_anomaly.run import (
    MANIFEST,
    Trained,
    calibrations,
    checkpoint_file,
    load_calibration,
    load_checkpoint,
    load_manifest,
    load_run,
    packed,
    refuse_taken,
    save_calibration,
    save_checkpoint,
    save_run,
    unpacked,
)
from nice_anomaly.run.manifest import as_json, parse_manifest
from nice_anomaly.run.seal import sealed_json, unsealed_json
from nice_anomaly.scores import Origin, Scores, Typicality
from nice_anomaly.scores.typicality import fit_typicality
from nice_anomaly.thresholds import (
    Calibration,
    Certified,
    Conformal,
    Manual,
    Quantile,
    Rule,
    Sigma,
    calibrate,
)
from nice_anomaly.training import Checkpoint

DIGITS = load("digits", ["train.epochs=1"])


def trained(material: Material, seed: int = 0) -> tuple[Job, Checkpoint]:
    job = ready(DIGITS.model_copy(update={"seed": seed}), material, (), "cpu")
    return job, [report for report in job.train() if isinstance(report, Checkpoint)][-1]


@pytest.fixture(scope="module")
def digits() -> Material:
    return builtin_material("digits", DIGITS.data, 0, Path("nowhere"))


@pytest.fixture(scope="module")
def last(digits: Material) -> Checkpoint:
    return trained(digits)[1]


@pytest.fixture(scope="module")
def job(digits: Material) -> Job:
    return trained(digits)[0]


@pytest.fixture(scope="module")
def made(job: Job, last: Checkpoint) -> Trained:
    """The one training that most tests here store."""
    return job.trained(last)


@pytest.fixture(scope="module")
def other(digits: Material) -> Trained:
    """The same data with another seed: other weights."""
    job, last = trained(digits, seed=1)
    return job.trained(last)


@pytest.fixture
def folder(made: Trained, tmp_path: Path) -> Path:
    save_run(tmp_path / "run", made)
    return tmp_path / "run"


def simple(run: Trained) -> Calibration:
    return calibrate(
        Scores(np.array([1.0, 2.0]), Origin(weights=run.manifest.fingerprint)), Sigma()
    )


def test_a_run_comes_back_as_it_was_saved(folder: Path, made: Trained, last: Checkpoint) -> None:
    run = load_run(folder)
    weights = run.model.state_dict()
    assert weights.keys() == last.best.keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in last.best.items())
    assert run.manifest.data.n == 1297
    assert run.manifest.settings.train.epochs == 1
    assert run.manifest.history == last.history
    assert run.manifest == made.manifest == load_manifest(folder)
    assert torch.equal(run.seen, made.seen)
    assert all(
        torch.equal(one, other)
        for (_, one), (_, other) in zip(
            run.preprocess.tensors(), made.preprocess.tensors(), strict=True
        )
    )


def test_a_run_in_memory_scores_as_the_one_in_its_folder(folder: Path, made: Trained) -> None:
    raw = np.random.default_rng(0).integers(0, 17, (70, 64), dtype=np.uint8)
    one, two, three = (
        run.scorer("cpu")(raw) for run in (made, load_run(folder), unpacked(packed(made), "there"))
    )
    assert np.array_equal(one.values, two.values)
    assert np.array_equal(one.values, three.values)
    assert one.origin == two.origin == three.origin


def test_a_run_is_packed_as_the_files_of_its_folder(folder: Path, made: Trained) -> None:
    files = packed(made)
    assert [*files][-1] == MANIFEST  # written last, it is the switch
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert packed(unpacked(files, "there")) == files


def test_loading_a_run_draws_no_random_numbers(folder: Path, made: Trained) -> None:
    before = torch.get_rng_state()
    load_run(folder)
    unpacked(packed(made), "there")
    assert torch.equal(torch.get_rng_state(), before)
    torch.randn(1)
    assert not torch.equal(torch.get_rng_state(), before)


def typicality() -> Typicality:
    features = np.random.default_rng(0).normal(size=(120, 4))
    return fit_typicality("auto", features, [[0, 1], [2, 3]], seed=0)


@pytest.mark.parametrize(
    "rule",
    [Sigma(2), Certified(0.2, 0.9), Conformal(0.2), Quantile(0.2), Manual(-0.5, 1.5)],
    ids=lambda rule: rule.name,
)
@pytest.mark.parametrize("grouped", [False, True], ids=["", "grouped"])
@pytest.mark.parametrize("fit", [None, typicality()], ids=["likelihood", "typicality"])
def test_a_calibration_comes_back_as_it_was_saved(
    tmp_path: Path, rule: Rule, grouped: bool, fit: Typicality | None
) -> None:
    scores = np.random.default_rng(0).normal(size=200)
    scores[0] = 0.0 if isinstance(rule, Sigma) else -np.inf
    origin = Origin("likelihood", "w") if fit is None else Origin(fit.name, "w", fit.fingerprint)
    saved = calibrate(
        Scores(scores, origin),
        rule,
        tail="both",
        groups=["a"] * 90 + ["b"] * 90 + ["c", "d"] * 10 if grouped else None,
        group_column="camera" if grouped else None,
        source="x.csv",
        typicality=fit,
        fresh=grouped,
    )
    save_calibration(tmp_path, saved, "night.2")
    assert calibrations(tmp_path) == ("night.2",)
    back = load_calibration(tmp_path, "w", "night.2")
    for one, other in zip(
        (back.overall, *back.groups), (saved.overall, *saved.groups), strict=True
    ):
        assert (one.name, one.members, one.bounds) == (other.name, other.members, other.bounds)
        assert np.array_equal(one.scores, other.scores)
    ignored = ("overall", "groups", "typicality")
    assert {k: v for k, v in vars(back).items() if k not in ignored} == {
        k: v for k, v in vars(saved).items() if k not in ignored
    }
    assert (back.typicality is None) == (fit is None)
    if fit is not None and back.typicality is not None:
        assert back.typicality.fingerprint == fit.fingerprint
        assert back.origin.typicality == fit.fingerprint


def edit_calibration(file: Path, key: str, value: object) -> None:
    with safe_open(file, framework="pt") as opened:
        metadata = dict(opened.metadata())
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    if key == "format":
        metadata["format"] = str(value)
    else:
        metadata["calibration"] = json.dumps(json.loads(metadata["calibration"]) | {key: value})
    save_file(tensors, file, metadata)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rule", "magic"),
        ("tail", "up"),
        ("parameters", {"k": -1}),
        ("parameters", {"alpha": 0.1}),
        ("groups", []),
        ("judge", "x"),
    ],
)
def test_a_calibration_by_another_hand_is_damaged(
    folder: Path, made: Trained, key: str, value: object
) -> None:
    save_calibration(folder, simple(made))
    edit_calibration(folder / "default.calibration.safetensors", key, value)
    with pytest.raises(ArtifactError, match="is damaged: calibrate again"):
        load_calibration(folder, made.manifest.fingerprint)


def test_a_calibration_of_a_newer_version_says_so(folder: Path, made: Trained) -> None:
    save_calibration(folder, simple(made))
    edit_calibration(folder / "default.calibration.safetensors", "format", 99)
    with pytest.raises(ArtifactError, match="newer version of nice-anomaly: upgrade"):
        load_calibration(folder, made.manifest.fingerprint)


def test_several_calibrations_live_in_one_run(folder: Path, made: Trained) -> None:
    assert calibrations(folder) == ()
    for name in ("night", "default", "day"):
        save_calibration(folder, simple(made), name)
    assert calibrations(folder) == ("default", "day", "night")
    with pytest.raises(NotCalibratedError, match="no calibration named 'x'; it has: default, day"):
        load_calibration(folder, made.manifest.fingerprint, "x")


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a/b", "x" * 65, "a b"])
def test_a_calibration_needs_a_name_for_a_file(folder: Path, made: Trained, name: str) -> None:
    for act in (
        lambda: load_calibration(folder, made.manifest.fingerprint, name),
        lambda: save_calibration(folder, simple(made), name),
    ):
        with pytest.raises(ConfigError, match="is named by at most 64 letters"):
            act()


def test_a_checkpoint_comes_back_as_it_was_saved(
    tmp_path: Path, job: Job, last: Checkpoint
) -> None:
    manifest = job.manifest(last, finished=False)
    save_checkpoint(tmp_path, manifest, last)
    found, back = load_checkpoint(tmp_path)
    assert found == manifest
    assert back is not None
    assert (back.history, back.best_epoch) == (last.history, last.best_epoch)
    for part in ("weights", "best", "optimizer"):
        saved, found = getattr(last, part), getattr(back, part)
        assert saved.keys() == found.keys()
        assert all(torch.equal(saved[name], found[name]) for name in saved)
    assert torch.equal(back.generator, last.generator)


def test_retraining_leaves_one_weights_file(folder: Path, other: Trained) -> None:
    save_run(folder, other)
    assert [p.name for p in folder.glob("weights-*")] == [other.manifest.weights_file]
    assert not list(folder.glob(".*"))
    assert load_run(folder).manifest == other.manifest


def test_a_run_is_read_whole_while_another_takes_its_place(
    folder: Path, made: Trained, other: Trained
) -> None:
    def alternate() -> None:
        for run in [other, made] * 20:
            save_run(folder, run)

    writer, seen = Thread(target=alternate), set()
    writer.start()
    while writer.is_alive():
        seen.add(load_run(folder).manifest.fingerprint)
    writer.join()
    assert seen == {made.manifest.fingerprint, other.manifest.fingerprint}


def test_a_crash_before_the_manifest_leaves_the_previous_run_whole(
    folder: Path, made: Trained, other: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights have a name of their own; ``run.json`` is the switch."""

    def crashing(path: Path, content: bytes) -> None:
        if path.name == MANIFEST:
            raise ArtifactError("no space left")
        write(path, content)

    monkeypatch.setattr("nice_anomaly.run.saving.write", crashing)
    with pytest.raises(ArtifactError, match="no space left"):
        save_run(folder, other)
    assert load_run(folder).manifest == made.manifest


def test_a_calibration_of_other_weights_is_refused(
    folder: Path, made: Trained, other: Trained
) -> None:
    save_calibration(folder, simple(made))
    with pytest.raises(
        NotCalibratedError, match=r"other weights.*Run `load_run\(.*\)\.calibrate\("
    ):
        load_calibration(folder, other.manifest.fingerprint)


@pytest.mark.parametrize(
    ("name", "call"), [("default", "calibrate()"), ("night", "calibrate(name='night')")]
)
def test_no_calibration_yet_names_the_call(
    folder: Path, made: Trained, name: str, call: str
) -> None:
    with pytest.raises(NotCalibratedError) as refused:
        load_calibration(folder, made.manifest.fingerprint, name)
    assert str(refused.value) == (
        f"the run {folder} has no threshold yet. Run `load_run('{folder}').{call}`."
    )


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_place_that_is_taken_is_refused_unless_to_overwrite(
    folder: Path, overwrite: bool
) -> None:
    refuse_taken(folder / "new", overwrite=overwrite)
    with pytest.raises(ArtifactError, match="is a file: name a folder with `run`"):
        refuse_taken(folder / MANIFEST, overwrite=overwrite)
    if overwrite:
        refuse_taken(folder, overwrite=True)
        return
    with pytest.raises(ConfigError, match=r"already holds a run. Give `overwrite=True`"):
        refuse_taken(folder, overwrite=False)


# The manifest: every entry has one type, and nothing is added or lost on the way.


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run of a table in a file, whose manifest has a reading with columns."""
    rows = np.random.default_rng(0).normal(size=(60, 2))
    file = tmp_path_factory.mktemp("table") / "rows.csv"
    file.write_text("a,word\n" + "\n".join(f"{a},{'xy'[int(b > 0)]}" for a, b in rows))
    one = ["data.folds=0", "train.epochs=1", "train.least_steps=1", "flow.width=16"]
    settings = load("table", one)
    inputs = recognise(file)
    job = ready(settings, learn(inputs, Wishes(), settings.data, 0), inputs.arguments, "cpu")
    return job.trained([report for report in job.train() if isinstance(report, Checkpoint)][-1])


@pytest.mark.parametrize("which", ["made", "plain"])
def test_a_manifest_is_stored_again_to_the_byte(which: str, request: pytest.FixtureRequest) -> None:
    run: Trained = request.getfixturevalue(which)
    content = as_json(run.manifest)
    assert parse_manifest(content, "there") == run.manifest
    assert as_json(parse_manifest(content, "there")) == content


def entries(document: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of every value in a document, the first of a list standing for all."""
    if place:
        yield place
    if isinstance(document, dict):
        for name, value in document.items():
            yield from entries(value, (*place, name))
    elif isinstance(document, list) and document:
        yield from entries(document[0], (*place, 0))


TYPES = {  # of everything in run.json, as a hand-written table: what a value must be
    "format": "whole number",
    "created": "text",
    "versions": "mapping",
    "settings": "mapping",
    "settings.seed": "whole number",
    "settings.data": "mapping",
    "settings.data.normal": "text",
    "settings.data.early_stopping": "number",
    "settings.data.calibration": "number",
    "settings.data.rows": "whole number",
    "settings.flow": "mapping",
    "settings.flow.couplings": "whole number",
    "settings.flow.prior": "text",
    "settings.flow.noise": "number",
    "settings.train": "mapping",
    "settings.train.epochs": "whole number",
    "settings.train.learning_rate": "number",
    "settings.train.precision": "text",
    "settings.calibrate": "mapping",
    "settings.calibrate.rule": "text",
    "data": "mapping",
    "data.name": "text",
    "data.layout": "mapping",
    "data.layout.kind": "text",
    "data.layout.shape": "list",
    "data.layout.shape.0": "whole number",
    "data.layout.levels": "whole number",
    "data.n": "whole number",
    "data.fit": "whole number",
    "data.early_stopping": "whole number",
    "data.calibration": "whole number",
    "data.fingerprint": "text",
    "data.repeated": "whole number",
    "data.inputs": "list",
    "data.inputs.0": "text",
    "data.reading": "mapping or nothing",
    "data.reading.columns": "list",
    "data.reading.columns.0": "mapping",
    "data.reading.columns.0.name": "text",
    "data.reading.columns.0.kind": "text",
    "data.reading.columns.0.low": "number",
    "data.reading.columns.0.gaps": "truth",
    "data.reading.columns.0.categories": "list",
    "data.reading.anomaly_values": "list",
    "architecture": "mapping",
    "architecture.dimensions": "whole number",
    "architecture.couplings": "whole number",
    "architecture.layers": "whole number",
    "architecture.width": "whole number",
    "architecture.prior": "text",
    "architecture.activation": "text",
    "architecture.components": "whole number",
    "finished": "truth",
    "precision": "text",
    "best_epoch": "whole number",
    "history": "list",
    "history.0": "mapping",
    "history.0.epoch": "whole number",
    "history.0.train": "number",
    "history.0.early_stopping": "number",
    "history.0.samples_per_second": "number",
    "history.0.seconds": "number",
    "fingerprint": "text",
    "parts": "mapping",
    "parts.canaries": "text",
    "parts.references": "text",
}
OTHERS: dict[str, list[object]] = {  # what JSON could hold instead, some of it nearly right
    "whole number": ["3", None, [3], 2.5, True],
    "number": ["3", None, [3], {"a": 3}, True],
    "text": [3, None, ["text"], {"a": "text"}],
    "truth": ["true", 1, None, []],
    "mapping": ["text", 3, None, [1]],
    "mapping or nothing": ["text", 3, [1]],
    "list": ["text", 3, None, {"a": 1}],
}


def put(document: Any, place: tuple[str | int, ...], value: object) -> None:
    *above, name = place
    for step in above:
        document = document[step]
    document[name] = value


def place_of(path: str) -> tuple[str | int, ...]:
    return tuple(int(step) if step.isdigit() else step for step in path.split("."))


def test_the_table_of_types_has_every_entry(plain: Trained) -> None:
    """But not each of the settings and of a column, whose types are checked in the same way."""
    known = set(entries(unsealed_json(as_json(plain.manifest))))
    listed = {place_of(path) for path in TYPES}
    assert listed <= known
    sampled = (("settings",), ("data", "reading"), ("versions",))
    assert not {p for p in known - listed if not any(p[: len(s)] == s for s in sampled)}


def name_of(path: str) -> str:
    """What an error calls an entry: a reading and an architecture are checked as one."""
    whole = ("data.reading", "architecture")
    return next((name for name in whole if path.startswith(name)), path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(path, value, id=f"{path}={json.dumps(value)}")
        for path, kind in TYPES.items()
        for value in OTHERS[kind]
        if path != "format"
    ],
)
def test_an_entry_of_another_type_is_named(plain: Trained, path: str, value: object) -> None:
    document = unsealed_json(as_json(plain.manifest))
    put(document, place_of(path), value)
    with pytest.raises(ArtifactError, match=r"the run there is damaged: run\.json") as refused:
        parse_manifest(sealed_json(document), "there")
    assert name_of(path) in str(refused.value)


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, "one", "2", 2.0, True, 0, -1])
def test_a_format_that_is_no_number_is_damage(plain: Trained, value: object) -> None:
    document = unsealed_json(as_json(plain.manifest)) | {"format": value}
    with pytest.raises(ArtifactError, match=r"run\.json has a format that never was"):
        parse_manifest(sealed_json(document), "there")


@pytest.mark.parametrize("place", ["", "data", "data.layout", "data.reading", "architecture"])
def test_an_entry_that_nobody_knows_is_named(plain: Trained, place: str) -> None:
    document = unsealed_json(as_json(plain.manifest))
    put(document, place_of(f"{place}.more".removeprefix(".")), 1)
    with pytest.raises(ArtifactError, match="lacks or has wrong entries") as refused:
        parse_manifest(sealed_json(document), "there")
    assert name_of(f"{place}.more".removeprefix(".")) in str(refused.value)


@pytest.mark.parametrize("path", [path for path in TYPES if "." not in path and path != "format"])
def test_an_entry_that_is_missing_is_named(plain: Trained, path: str) -> None:
    document = unsealed_json(as_json(plain.manifest))
    del document[path]
    with pytest.raises(ArtifactError, match=f"lacks or has wrong entries: {path}"):
        parse_manifest(sealed_json(document), "there")


def edited(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    document = unsealed_json((path / "run.json").read_bytes())
    change(document)
    (path / "run.json").write_bytes(sealed_json(document))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: (p / "run.json").unlink(), "there is no run in"),
    "no-json": (lambda p: (p / "run.json").write_text("{"), "not readable JSON"),
    "a-list": (lambda p: (p / "run.json").write_text("[1]"), "is not a run of nice-anomaly"),
    "no-format": (lambda p: edited(p, lambda d: d.pop("format")), "is not a run of nice-anomaly"),
    "newer": (lambda p: edited(p, lambda d: d.update(format=99)), "newer version"),
    "lacks": (lambda p: edited(p, lambda d: d.pop("data")), "lacks or has wrong entries"),
    "extra": (lambda p: edited(p, lambda d: d.update(x=1)), "lacks or has wrong entries"),
    "no-weights": (lambda p: next(p.glob("weights-*")).unlink(), r"weights-.* is missing"),
    "cut": (lambda p: next(p.glob("weights-*")).write_bytes(b"x"), "is not the file that"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_run_says_how(folder: Path, case: str) -> None:
    damage, message = DAMAGES[case]
    damage(folder)
    with pytest.raises(ArtifactError, match=message):
        load_run(folder)


def test_one_changed_bit_in_the_weights_is_noticed(folder: Path, made: Trained) -> None:
    file = folder / made.manifest.weights_file
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="is not the file that"):
        load_run(folder)


@pytest.mark.parametrize("content", [b"", b"not tensors", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_calibration_or_checkpoint_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "default.calibration.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match="calibrate again"):
        load_calibration(tmp_path, "weights")
    checkpoint_file(tmp_path).parent.mkdir()
    checkpoint_file(tmp_path).write_bytes(content)
    with pytest.raises(ArtifactError, match=r"checkpoint\.safetensors is damaged.*begin again"):
        load_checkpoint(tmp_path)


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


def test_nothing_in_a_run_is_pickled(folder: Path, made: Trained, last: Checkpoint) -> None:
    save_calibration(folder, simple(made))
    save_checkpoint(folder, made.manifest, last)
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert len(files) == 6
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        else:  # a header in JSON, and numbers
            content = path.read_bytes()
            json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
