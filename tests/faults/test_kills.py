"""Whatever stops a command: the run before is whole, and training goes on to the bit."""

from pathlib import Path

import pytest
from kills import STORIES, at_operation, one_kill


@pytest.mark.parametrize("seed", range(10))
def test_a_command_that_is_killed_damages_nothing_and_goes_on(tmp_path: Path, seed: int) -> None:
    one_kill(seed, tmp_path / "here")


# An overwriting training has some 180 operations on files, a calibration some 20: these are the
# first checkpoint, a later one, the parts of the run, its manifest, and what comes after it.


@pytest.mark.parametrize("at", [9, 60, 118, 128, 140, 150, 160, 166])
def test_a_training_that_dies_at_an_operation_on_files_goes_on(tmp_path: Path, at: int) -> None:
    at_operation("overwrite", "die", at, tmp_path / "here")


@pytest.mark.parametrize(
    ("name", "what", "at"),
    [
        ("train", "ENOSPC", 12),
        ("overwrite", "EIO", 120),
        ("overwrite", "ENOSPC", 152),
        ("overwrite", "EACCES", 158),
        ("calibrate", "ENOSPC", 9),
        ("detect", "EIO", 8),
        ("explain", "ENOSPC", 12),
    ],
)
def test_an_operation_that_fails_is_a_sentence(
    tmp_path: Path, name: str, what: str, at: int
) -> None:
    assert name in STORIES
    at_operation(name, what, at, tmp_path / "here")
