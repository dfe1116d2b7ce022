"""A run folder belongs to one training at a time, and what is not of its run is never removed."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from kills import NEW, QUICK, RUN, STORIES, calibrated, hashed, said, shared

import nice_anomaly as na
from nice_anomaly.errors import ArtifactError, ConfigError, DataError
from nice_anomaly.files import sweep, write
from nice_anomaly.run import (
    MANIFEST,
    ClaimedError,
    checkpoint_file,
    load_checkpoint,
    load_run,
    new_run,
    save_checkpoint,
    unfinished_run,
)
from nice_anomaly.run.claim import claimed

FOREIGN = (
    "weights-0123456789ab.safetensors",
    "weights-mine.safetensors",
    "checkpoint.safetensors",
    ".training.txt",
    "notes",
)


def content(folder: Path) -> dict[str, str]:
    """All files, but what was said."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "said.txt")
    return {str(path.relative_to(folder)): hashed(path) for path in files}


@pytest.mark.parametrize("state", ["", "old", "stopped", "old, stopped"])
def test_files_of_others_survive_a_training(tmp_path: Path, state: str) -> None:
    here = shared().copy(state, tmp_path / "here")
    (here / RUN / ".training").mkdir(parents=True, exist_ok=True)
    places = [RUN / name for name in FOREIGN] + [RUN / ".training" / "notes"]
    for place in places:
        (here / place).write_bytes(b"of another")
    assert shared().nursery.run(f"{NEW} --run {RUN} --overwrite", here) == 0, said(here)
    assert all((here / place).read_bytes() == b"of another" for place in places)
    assert load_run(here / RUN).manifest.fingerprint == shared().new
    weights = {path.name for path in (here / RUN).glob("weights-*")}
    assert weights == {*FOREIGN[:2], load_run(here / RUN).manifest.weights_file}


def test_where_the_manifest_cannot_be_read_nothing_is_removed(tmp_path: Path) -> None:
    here = shared().copy("old", tmp_path / "here")
    (here / RUN / MANIFEST).write_text("{")
    before = content(here / RUN)
    assert shared().nursery.run(STORIES["overwrite"][1], here) == 0, said(here)
    after = content(here / RUN)
    assert {name for name in before if after.get(name) != before[name]} == {MANIFEST}
    assert load_run(here / RUN).manifest.fingerprint == shared().new


def test_what_a_killed_save_was_about_stays_while_the_manifest_cannot_be_read(
    tmp_path: Path,
) -> None:
    here = shared().copy("old", tmp_path / "here")
    weights = load_run(here / RUN).manifest.weights_file
    (here / RUN / ".training").mkdir()
    (here / RUN / ".training" / "unsettled.json").write_text(json.dumps([weights]))
    whole = (here / RUN / MANIFEST).read_bytes()
    (here / RUN / MANIFEST).write_text("{")
    assert shared().nursery.run(f"info --run {RUN}", here) == 4
    (here / RUN / MANIFEST).write_bytes(whole)
    assert shared().nursery.run(f"info --run {RUN}", here) == 0, said(here)
    assert not (here / RUN / ".training").exists()


def short(here: Path) -> None:
    (here / "rows.csv").write_text("a,b\n1,2\n")


def longer(here: Path) -> None:
    with (here / "rows.csv").open("a") as stream:
        stream.write("0.5,0.5\n")


BEGINNINGS: dict[str, tuple[str, Callable[[Path], None] | None, str, int]] = {
    "too few rows": ("", short, NEW, 3),
    "too few rows for a folder far down": ("", short, f"{NEW} --run far/down", 3),
    "too few rows over a run": ("old", short, STORIES["overwrite"][1], 3),
    "other rows to go on with": ("old, stopped", longer, f"train --resume --run {RUN}", 3),
    "nothing to go on with": ("", None, "train --resume --run far/down", 4),
    "a device that is not there": ("", None, f"{NEW} --device nowhere", 2),
    "a run is there": ("old", None, f"{NEW} --run {RUN}", 2),
    "a training stopped there": ("stopped", None, f"{NEW} --run {RUN}", 2),
}


@pytest.mark.parametrize("case", BEGINNINGS)
def test_a_training_that_cannot_begin_leaves_all_as_it_was(tmp_path: Path, case: str) -> None:
    state, prepare, line, code = BEGINNINGS[case]
    here = shared().copy(state, tmp_path / "here")
    if prepare is not None:
        prepare(here)
    if "stopped" in state:
        manifest, checkpoint = load_checkpoint(here / RUN)
        data = replace(manifest.data, inputs=(str(here / "rows.csv"),))  # those of this copy
        save_checkpoint(here / RUN, replace(manifest, data=data), checkpoint)
    (here / RUN / ".training" / "lock").unlink(missing_ok=True)
    before = content(here)
    folders = {path for path in here.rglob("*") if path.is_dir()}
    assert shared().nursery.run(line, here) == code, said(here)
    assert content(here).items() >= {
        item for item in before.items() if not item[0].endswith(".tmp")
    }
    assert {path for path in here.rglob("*") if path.is_dir()} == folders


def test_a_folder_that_was_there_empty_stays(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        na.learn([[1.0, 2.0]], run=tmp_path)
    assert tmp_path.is_dir()
    assert not list(tmp_path.iterdir())


def test_an_interruption_while_data_are_read_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_run(tmp_path / "a" / "b", overwrite=False):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", [f"{NEW} --run {RUN} --overwrite", STORIES["resume"][1]])
def test_a_folder_in_which_another_trains_is_refused(tmp_path: Path, line: str) -> None:
    here = shared().copy("old, stopped", tmp_path / "here")
    with unfinished_run(here / RUN):
        assert shared().nursery.run(line, here) == 4
        assert shared().nursery.run(f"info --run {RUN}", here, log="info.txt") == 0
    assert (f"error: {RUN} is being trained by another process (pid {os.getpid()} since ") in said(
        here
    )
    assert shared().nursery.run(line, here) == 0, said(here)


def test_a_folder_in_which_another_trains_is_not_saved_to(tmp_path: Path) -> None:
    run = na.load_run(shared().folder / "old" / RUN)
    with (
        claimed(tmp_path / "run"),
        pytest.raises(ClaimedError, match="is being trained by another process"),
    ):
        run.save(tmp_path / "run", overwrite=True)
    assert not list(tmp_path.iterdir())
    run.save(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        path.name for path in (shared().folder / "old" / RUN).iterdir()
    }


def test_a_child_that_outlives_its_parent_does_not_keep_the_folder(tmp_path: Path) -> None:
    """The parent has the folder when it forks, and then it dies; the child waits for the end."""
    read, write = os.pipe()
    done, end = os.pipe()
    parent = os.fork()
    if parent == 0:
        with claimed(tmp_path / "run"):
            if os.fork() == 0:
                os.close(end)
                os.write(write, b"x")
                os.read(done, 1)
            os._exit(0)
    os.waitpid(parent, 0)
    assert os.read(read, 1) == b"x"
    with claimed(tmp_path / "run", patience=0):
        pass
    for pipe in (read, write, done, end):
        os.close(pipe)
    assert not (tmp_path / "run" / ".training").exists()


LEFT: dict[str, tuple[str, str]] = {  # beside a checkpoint that cannot be used; what is said of it
    "old, stopped": ("finished run", f"The finished run beside it ({RUN / MANIFEST}) can be used"),
    "stopped": ("best so far", "can be used as it is; or begin again with 'nice-anomaly train"),
}


@pytest.mark.parametrize("state", LEFT)
@pytest.mark.parametrize("at", [9, 400, -1, None], ids=["header", "manifest", "weights", "end"])
def test_a_checkpoint_with_a_changed_byte_is_refused_by_name(
    tmp_path: Path, state: str, at: int | None
) -> None:
    here = shared().copy(state, tmp_path / "here")
    file = checkpoint_file(here / RUN)
    changed = bytearray(file.read_bytes())
    if at is None:
        del changed[-1]
    else:
        changed[at] ^= 1
    file.write_bytes(changed)
    assert shared().nursery.run(STORIES["resume"][1], here) == 4
    words = " ".join(said(here).split())
    assert f"{checkpoint_file(RUN)} is damaged (it was changed since it was written)" in words
    assert LEFT[state][1] in words
    assert hashed(file) == hashlib.sha256(changed).hexdigest()
    before = calibrated(here)
    assert shared().nursery.run(f"{NEW} --run {RUN} --overwrite", here) == 0, said(here)
    assert load_run(here / RUN).manifest.fingerprint == shared().new
    assert calibrated(here) == before


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
def test_a_checkpoint_that_is_no_file_is_refused(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    checkpoint_file(tmp_path).parent.mkdir()
    make(checkpoint_file(tmp_path))
    with pytest.raises(ArtifactError, match="is damaged \\(it is no file\\)"):
        na.learn(resume=True, run=tmp_path)


def test_a_checkpoint_of_an_older_version_is_kept_and_the_way_on_is_said(tmp_path: Path) -> None:
    here = shared().copy("stopped", tmp_path / "here")
    (here / RUN / "checkpoint.safetensors").write_bytes(b"of an older version")
    checkpoint_file(here / RUN).unlink()
    assert shared().nursery.run(STORIES["resume"][1], here) == 4
    words = " ".join(said(here).split())
    assert "checkpoint.safetensors was left by an older version of nice-anomaly, and this" in words
    assert "can be used as it is; or begin again with 'nice-anomaly train --run" in words
    assert shared().nursery.run(f"{NEW} --run {RUN} --overwrite", here) == 0
    assert (here / RUN / "checkpoint.safetensors").read_bytes() == b"of an older version"


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        (STORIES["resume"][1], 4, f"nothing to resume in {RUN}: its training is finished or"),
        (f"info --run {RUN}", 5, "finished"),  # the calibrations are of the run before
    ],
    ids=["resume", "info"],
)
def test_what_a_finished_training_left_is_known_and_swept(
    tmp_path: Path, line: str, code: int, sentence: str
) -> None:
    """It was killed after the run had taken its place, before the checkpoint went."""
    here = shared().copy("old, stopped", tmp_path / "here")
    left = checkpoint_file(here / RUN).read_bytes()
    assert shared().nursery.run(STORIES["resume"][1], here) == 0
    checkpoint_file(here / RUN).parent.mkdir()
    checkpoint_file(here / RUN).write_bytes(left)
    assert shared().nursery.run(line, here) == code
    assert sentence in said(here)
    assert not (here / RUN / ".training").exists()
    assert load_run(here / RUN).manifest.fingerprint == shared().new


def test_a_training_that_stopped_at_its_start_is_found_without_a_name(tmp_path: Path) -> None:
    here = shared().copy("", tmp_path / "here")
    at = 20  # the first state is there, and no epoch is complete
    fault = ("die", at, str(here))
    assert shared().nursery.run(NEW, here, fault=fault) == 137
    assert load_checkpoint(here / RUN)[1] is None
    with pytest.raises(ConfigError, match="already holds an interrupted training"):
        na.learn([[1.0]], run=here / RUN)
    again = f"train rows.csv {QUICK}"
    assert shared().nursery.run(again, here) == 0
    assert (here / "runs" / "rows-2" / MANIFEST).exists()
    assert shared().nursery.run("train --resume", here) == 0
    assert "run: runs/rows (begun last; name another with --run)" in said(here)
    assert load_run(here / RUN).manifest.fingerprint == shared().new


def test_a_run_that_is_saved_over_another_replaces_its_training(tmp_path: Path) -> None:
    here = shared().copy("old, stopped", tmp_path / "here")
    run = na.load_run(shutil.copytree(here / RUN, tmp_path / "other"))
    run.save(here / RUN, overwrite=True)
    with pytest.raises(ArtifactError, match="there is nothing to resume"):
        na.learn(resume=True, run=here / RUN)


def test_where_the_system_has_no_locks_a_file_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", missing)
    with claimed(tmp_path / "run"):
        write(tmp_path / "run" / "file", b"content")
        with pytest.raises(ClaimedError), claimed(tmp_path / "run", patience=0):
            pass
    assert {path.name for path in tmp_path.rglob("*")} == {"run", "file"}
    left = tmp_path / ".file.0123456789abcdef.nice-anomaly.tmp"
    left.touch()
    sweep(tmp_path)
    assert left.exists()  # its writer may be alive
