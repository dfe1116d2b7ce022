"""Twins: samples that a run has learned from, met again where new ones are wanted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.data import InMemory, row_hashes
from nice_anomaly.errors import DataError
from nice_anomaly.metrics import Rate
from nice_anomaly.run import DataRecord, Trained
from nice_anomaly.words import count_of


def learned(run: Trained, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of ``values`` ``[n, d]`` are among the samples that the run has learned from."""
    return among(row_hashes(values), run.seen)


def refuse_learned(run: Trained, values: NDArray[Any], source: str) -> None:
    """Refuse ``values`` ``[n, d]`` that the run has learned from, as ``fresh`` does.

    Raises:
        DataError: more of them than chance explains.
    """
    twins = np.flatnonzero(learned(run, values))
    if len(twins):
        rate = Rate(len(twins), len(values))
        refuse_twins(run.manifest.data, source, rate, f"number {twins[0]}")


def learned_again(data: DataRecord, found: Rate) -> Iterator[str]:
    """A remark on samples of which ``found`` are among the learned ones, unless that is usual."""
    if found.count and (_beyond_usual(data, found) or not data.repeated):
        was = "is" if found.count == 1 else "are"
        yield (
            f"note: {found.count:,} of these {count_of(found.n, 'sample')} {was} among those the "
            f"run has learned from: their scores are too good, and fewer are flagged than "
            f"among new ones"
        )


def among(hashes: NDArray[np.int64], seen: Tensor) -> NDArray[np.bool_]:
    """Which hashes are in ``seen``, which is sorted."""
    every = seen.numpy()
    places = np.searchsorted(every, hashes)
    found: NDArray[np.bool_] = every[np.minimum(places, len(every) - 1)] == hashes
    return found


def refuse_twins(own: DataRecord, source: str, repeated: Rate, first: str) -> None:
    """Refuse samples that were learned from, unless twins are as usual as in the run's own data."""
    if repeated.count and _beyond_usual(own, repeated):
        held_out = (
            "."
            if isinstance(own.source, InMemory)
            else ", or leave `inputs` away: then the part held out of the training data is used."
        )
        are = "is" if repeated.count == 1 else "are"
        raise DataError(
            f"{repeated.count:,} of {count_of(repeated.n, 'normal')} in {source} {are} among those "
            f"that the run has learned from, the first is {first}: such scores are too good for "
            f"new ones. Leave them out{held_out}"
        )


def _beyond_usual(own: DataRecord, repeated: Rate) -> bool:
    """Whether more samples have a twin among the learned ones than the held-out ones do.

    In a table of few levels new rows do equal old ones; then held-out rows did too.
    """
    usual = Rate(own.repeated, own.calibration).interval[1] if own.calibration else 0.0
    return repeated.interval[0] > usual
