"""Images, arrays and IDX files of any bytes: some mutations of each format, always the same."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from fuzz.targets_images import FORM, READERS, SEEDS, TARGETS, array
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nice_anomaly.data.images import decode
from nice_anomaly.errors import DataError

EXTREMES = (
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0" * 4,
)
EDIT = st.tuples(
    st.integers(0, 400), st.integers(0, 8), st.binary(max_size=4) | st.sampled_from(EXTREMES)
)


def edited(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """The bytes with some taken out and others put in their place."""
    for place, removed, put in edits:
        at = place % (len(seed) + 1)
        seed = seed[:at] + put + seed[at + removed :]
    return seed


def mutants(name: str) -> st.SearchStrategy[bytes]:
    """Valid files of a format after some edits, and noise."""
    whole = st.builds(edited, st.sampled_from(SEEDS[name]), st.lists(EDIT, max_size=6))
    return whole | st.binary(max_size=100)


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_are_read(name: str, tmp_path: Path) -> None:
    for place, data in enumerate(SEEDS[name]):
        file = tmp_path / f"{place}.{name}"
        file.write_bytes(data)
        TARGETS[name](data)
        if name not in READERS:
            assert decode([file], FORM)[1] == {}
        elif name in ("npy", "npz"):
            refused = name == "npy" and place > 5  # what holds no samples
            with pytest.raises(DataError) if refused else nullcontext():
                array(file)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused_in_a_sentence(name: str) -> None:
    @settings(
        max_examples=100,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutants(name))
    def tried(data: bytes) -> None:
        TARGETS[name](data)

    tried()
