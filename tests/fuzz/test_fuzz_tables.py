"""Any bytes, through every reader of tables and of settings: a value, or a clean sentence."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from targets_tables import SEEDS, TARGETS

ALWAYS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=20,
    suppress_health_check=[*HealthCheck],
)
CELLS = some.one_of(
    some.sampled_from(["", "a", "1", "1,5", "1.234", "12 mm", "NA", "2024-01-03", "1/2/24", "Sum"]),
    some.text(max_size=12),
    some.integers().map(str),
    some.floats().map(repr),
)


@some.composite
def mutated(draw: some.DrawFn, seeds: list[bytes]) -> bytes:
    """A valid file in which some bytes are others, more or fewer."""
    data = bytearray(draw(some.sampled_from(seeds)))
    for _ in range(draw(some.integers(1, 6))):
        place = draw(some.integers(0, len(data)))
        gone = draw(some.sampled_from([0, 1, 1, 1, 4, 64]))
        data[place : place + gone] = draw(some.binary(max_size=4))
    return bytes(data)


@some.composite
def texts(draw: some.DrawFn) -> bytes:
    """Lines of cells as people and programs write them."""
    sign = draw(some.sampled_from(",;\t|"))
    end = draw(some.sampled_from(["\n", "\r\n", "\r"]))
    width = draw(some.integers(1, 4))
    lines = draw(some.lists(some.lists(CELLS, min_size=width, max_size=width + 1), max_size=30))
    quote = draw(some.sampled_from(['"{}"', "{}", '"{}']))
    text = end.join(sign.join([quote.format(line[0]), *line[1:]]) for line in lines if line)
    return text.encode(draw(some.sampled_from(["utf-8", "utf-16", "utf-8-sig"])), "replace")


def test_every_target_has_seeds() -> None:
    assert TARGETS.keys() == SEEDS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_valid_is_read_or_refused(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused(name: str) -> None:
    @ALWAYS
    @given(some.one_of(mutated(SEEDS[name]), mutated(SEEDS[name]), some.binary(max_size=200)))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


@pytest.mark.parametrize("name", ["csv", "tsv", "heading"])
def test_any_lines_of_cells_are_read_or_refused(name: str) -> None:
    @ALWAYS
    @given(texts())
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()
