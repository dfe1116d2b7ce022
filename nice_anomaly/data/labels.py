"""Labels: what a column of a table says of its rows, normal or anomaly."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables import Chunk
from nice_anomaly.data.tables.cells import Cells
from nice_anomaly.errors import DataError
from nice_anomaly.words import brief, listed


@dataclass(frozen=True)
class Truth:
    """What labels say of consecutive samples, ``[m]`` each; without a label neither is true.

    ``counts`` says of each value that means anomaly how many labels are it.
    """

    normal: NDArray[np.bool_]
    anomalous: NDArray[np.bool_]
    counts: Mapping[str, int] = field(default_factory=dict)


def truth_of(labels: Sequence[str | None] | NDArray[np.object_], values: Sequence[str]) -> Truth:
    """The truth of samples by their labels, where ``values`` are those that mean anomaly.

    Labels are compared as numbers where they are some, else without regard to capitals.

    >>> truth_of(["1.0", "good", None], ["1"])
    Truth(normal=array([False,  True, False]), anomalous=array([ True, False, False]),
          counts={'1': 1})
    """
    wanted = {value: _canonical(value) for value in values}
    known = np.array([label is not None for label in labels], dtype=bool)
    found = [None if label is None else _canonical(label) for label in labels]
    occurs = Counter(found)
    anomalous = np.array([label in wanted.values() for label in found], dtype=bool)
    counts = {value: occurs[label] for value, label in wanted.items()}
    return Truth(known & ~anomalous, anomalous, counts)


def absent_values(column: str | None, counts: Mapping[str, int], otherwise: str) -> Iterator[str]:
    """A remark where values that mean anomaly are no row's label; ``otherwise`` where none is one.

    >>> list(absent_values("state", {"bad": 3, "odd": 0}, "nothing is known"))
    ['no row has odd in the column state']
    """
    absent = [value for value, count in counts.items() if not count]
    if column is not None and absent:
        more = "" if len(absent) < len(counts) else f": {otherwise}"
        yield f"no row has {listed(absent)} in the column {brief(column)}{more}"


def column_for(purpose: str, name: str, chunk: Chunk) -> Cells:
    """The column of a table that is needed for a purpose.

    Raises:
        DataError: it is not there.
    """
    if name not in chunk.columns:
        raise DataError(
            f"{chunk.name} has no column '{brief(name)}' for {purpose}. It has: "
            f"{listed(chunk.columns)}."
        )
    return chunk.columns[name]


def _canonical(label: str) -> str | float:
    try:
        return float(label)
    except ValueError:
        return label.strip().casefold()
