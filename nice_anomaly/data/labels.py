"""Labels: what a column of a table says of its rows, normal or anomaly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables import Chunk
from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.errors import DataError


@dataclass(frozen=True)
class Truth:
    """What labels say of consecutive samples, ``[m]`` each; without a label neither is true."""

    normal: NDArray[np.bool_]
    anomalous: NDArray[np.bool_]


def truth_of(labels: Sequence[str | None] | NDArray[np.object_], values: Sequence[str]) -> Truth:
    """The truth of samples by their labels, where ``values`` are those that mean anomaly.

    Labels are compared as numbers where they are some, else without regard to capitals.

    >>> truth_of(["1.0", "good", None], ["1"])
    Truth(normal=array([False,  True, False]), anomalous=array([ True, False, False]))
    """
    wanted = {_canonical(value) for value in values}
    known = np.array([label is not None for label in labels], dtype=bool)
    hit = [label is not None and _canonical(label) in wanted for label in labels]
    anomalous = np.array(hit, dtype=bool)
    return Truth(known & ~anomalous, anomalous)


def column_for(purpose: str, name: str, chunk: Chunk) -> Cells:
    """The column of a table that is needed for a purpose.

    Raises:
        DataError: it is not there.
    """
    if name not in chunk.columns:
        raise DataError(
            f"{chunk.name} has no column '{name}' for {purpose}. It has: "
            f"{', '.join(list(chunk.columns)[:12])}."
        )
    return chunk.columns[name]


def _canonical(label: str) -> str | float:
    try:
        return float(label)
    except ValueError:
        return label.strip().casefold()
