"""A run folder in which anything has changed is refused in a sentence, or says the very same."""

from pathlib import Path

import pytest
from faults.mutations import KINDS, bases, mutated, one_flip, one_mutation

MUTATIONS, FLIPS = 120, 40


def test_no_mutation_changes_a_verdict_or_ends_in_a_traceback(tmp_path: Path) -> None:
    outcomes = [one_mutation(number, tmp_path / str(number)) for number in range(MUTATIONS)]
    assert outcomes.count("refused") > 0.7 * MUTATIONS


def test_no_flipped_bit_changes_a_verdict(tmp_path: Path) -> None:
    outcomes = [one_flip(number, tmp_path / str(number)) for number in range(FLIPS)]
    assert outcomes.count("refused") > 0.7 * FLIPS


@pytest.mark.parametrize("base", [0, 1], ids=["table", "images"])
def test_the_mutations_are_of_every_kind(tmp_path: Path, base: int) -> None:
    """And deterministic: who reports a number reports the mutation."""
    one = bases()[base]
    said = [mutated(n, one.folder, tmp_path / "run", one.other) for n in range(base, MUTATIONS, 2)]
    assert {text.split(": ")[1] for text in said} >= {*KINDS}
    assert mutated(7, one.folder, tmp_path / "run", one.other) == mutated(
        7, one.folder, tmp_path / "again", one.other
    )
