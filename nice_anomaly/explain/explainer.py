"""Explainer: raw samples with their verdicts → reasons, for images and for rows of a table."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from nice_anomaly.data import Layout, Reading, TableReading
from nice_anomaly.explain.images import ImageExplainer
from nice_anomaly.explain.tables import RowExplainer
from nice_anomaly.explain.value import Held, Reasons
from nice_anomaly.scores import Scorer

PIECE = 64  # samples whose values are held at a time


class Explainer(Protocol):
    """What says why samples are odd. What it has to know of normal ones it learns once."""

    def __call__(self, raw: NDArray[Any], held: Sequence[Held]) -> Iterator[Reasons]:
        """Reasons for every one of ``raw`` ``[n, d]``, in order; ``held`` are their verdicts."""


def reasons_for(
    explain: Explainer, held: Sequence[Held], raw: Callable[[slice], NDArray[Any]]
) -> Iterator[Reasons]:
    """Reasons for many samples, in order; ``raw`` gives the values ``[m, d]`` of some of them."""
    for first in range(0, len(held), PIECE):
        some = slice(first, first + PIECE)
        yield from explain(raw(some), held[some])


def explainer(
    scorer: Scorer, references: NDArray[Any], layout: Layout, reading: Reading | None
) -> Explainer:
    """The explainer of a run for the score that ``scorer`` makes.

    ``references`` ``[m, d]`` are normal samples, and ``reading`` is how the run reads its input,
    None for a built-in set.
    """
    if layout.kind == "image":
        return ImageExplainer(scorer, references, layout)
    columns = reading.columns if isinstance(reading, TableReading) else None
    return RowExplainer(scorer, references, columns)
