"""Texts, command lines and cells of any bytes: some mutations of each, always the same."""

import random

import pytest
from fuzz.mutate import mutated
from fuzz.targets_terminal import SEEDS, TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = {"text": 60, "line": 15, "rows": 60}


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_pass(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_pass(name: str) -> None:
    @settings(
        max_examples=EXAMPLES[name],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.binary(max_size=80)
        | st.integers(0, 2**32).map(lambda seed: mutated(random.Random(seed), SEEDS[name]))
    )
    def tried(data: bytes) -> None:
        TARGETS[name](data)

    tried()
