"""Commands at once: no training takes the folder of another, and readers see a whole run."""

import random
from pathlib import Path

import pytest
from kills import shared
from races import RACES, one_race


@pytest.mark.parametrize(
    "name", ["without a name", "the same name", "readers", "a calibration meanwhile"]
)
def test_commands_at_once(tmp_path: Path, name: str) -> None:
    RACES[name](shared(), random.Random(0), tmp_path / "here")


def test_a_story_by_its_number(tmp_path: Path) -> None:
    assert one_race(0, tmp_path / "here").split(":")[0] in RACES
