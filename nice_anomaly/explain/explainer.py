"""Explainer: raw samples with their verdicts → reasons, for images and for rows of a table."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from nice_anomaly.data import Layout, Reading, TableReading
from nice_anomaly.explain.images import ImageExplainer
from nice_anomaly.explain.tables import RowExplainer
from nice_anomaly.explain.value import Held, Reasons
from nice_anomaly.scores import Scorer


class Explainer(Protocol):
    """What says why samples are odd. What it has to know of normal ones it learns once."""

    def __call__(self, raw: NDArray[Any], held: Sequence[Held]) -> Iterator[Reasons]:
        """Reasons for every one of ``raw`` ``[n, d]``, in order; ``held`` are their verdicts."""


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
