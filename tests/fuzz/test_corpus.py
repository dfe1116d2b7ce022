"""Inputs that did harm once, each named after its target, do none any more."""

from pathlib import Path

import pytest
from fuzz import targets_images, targets_tables, targets_terminal

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
TARGETS = {**targets_images.TARGETS, **targets_tables.TARGETS, **targets_terminal.TARGETS}


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_no_harm_is_done_again(file: Path) -> None:
    TARGETS[file.name.rpartition("-")[0]](file.read_bytes())
