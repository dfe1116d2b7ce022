"""Where permission is denied, that is what is said, and all stays as it was."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kills import NEW, RUN, STORIES, calibrated, said, shared

from nice_anomaly.run import checkpoint_file, load_run

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that other users reach."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made) / "here"


CASES = {  # what is there, which of it may not be used and its mode, what is typed, what is said
    "a new run": ("", ".", 0o555, NEW, 4, "cannot write runs/rows/.training: permission denied"),
    "a run folder": ("old", RUN, 0o555, STORIES["overwrite"][1], 4, f"cannot write {RUN}/.train"),
    "a calibration": (
        "old", RUN, 0o555, STORIES["calibrate"][1], 4,
        f"cannot write {RUN}/default.calibration.safetensors: permission denied. What was there "
        f"before is unchanged. Ask for the permission, or name",
    ),
    "what was found": (
        "old", ".", 0o555, STORIES["detect"][1], 4, "--output found.csv: permission denied",
    ),
    "a checkpoint": (
        "old, stopped", checkpoint_file(RUN), 0o600, STORIES["resume"][1], 4,
        f"cannot read {checkpoint_file(RUN)}: permission denied.",
    ),
    "the note of the last run": ("old", "runs/.last", 0o600, "info", 4, "cannot read runs/.last"),
    "a run that may be read": ("old", RUN, 0o555, f"info --run {RUN}", 0, "rows.csv"),
    "a run beside a training that stopped": (
        "old, stopped", RUN, 0o555, f"info --run {RUN}", 0, "rows.csv",
    ),
}  # fmt: skip


def whose(folder: Path) -> set[Path]:
    """All files that are not of a command that is at work, or was killed."""
    others = "lock", "said.txt"
    return {path for path in folder.rglob("*") if path.suffix != ".tmp" and path.name not in others}


@pytest.mark.parametrize("case", CASES)
def test_a_permission_is_called_one(folder: Path, case: str) -> None:
    state, place, mode, argv, code, sentence = CASES[case]
    shared().copy(state, folder)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.chown(folder / place, 0, 0)
    (folder / place).chmod(mode)
    before = calibrated(folder)
    names = whose(folder)
    assert shared().nursery.run(argv, folder, user=NOBODY) == code, said(folder)
    assert sentence in said(folder)
    assert "Traceback" not in said(folder)
    assert "damaged" not in said(folder)
    assert whose(folder) == names
    assert calibrated(folder) == before
    if state:
        assert load_run(folder / RUN).manifest.fingerprint == shared().old
