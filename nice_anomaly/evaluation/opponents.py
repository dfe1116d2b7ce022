"""Opponents: the normal samples and the anomalies that methods are compared on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import BuiltIn, batches, recognise
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.evaluation.samples import Columns, reading_for, unseen_part
from nice_anomaly.normals import refuse_learned
from nice_anomaly.run import Trained

FEWEST = 10  # of either kind


@dataclass(frozen=True, eq=False, repr=False)
class Opponents:
    """Raw samples ``[n, d]`` of either kind, and how many could not be read."""

    normal: NDArray[Any]
    anomalous: NDArray[Any]
    unreadable: int = 0


def opponents(
    run: Trained,
    inputs: Any,
    held_out: NDArray[Any],
    root: Path,
    columns: Columns,
    *,
    skip_unreadable: bool = False,
) -> Opponents:
    """Anomalies from a built-in set, or the labelled or all samples of a user's input.

    They are held against the labelled normals, else the test part of the built-in set that was
    learned, else against ``held_out`` normals.

    Raises:
        ConfigError: the set of anomalies is what was learned.
        DataError: too few of a kind, learned or unreadable samples, or of another kind.
    """
    if isinstance(inputs, BuiltIn):
        found = _of_set(run, inputs, held_out, root)
    else:
        found = _of_user(run, inputs, held_out, columns, skip_unreadable)
    for kind, part in (("normal samples", found.normal), ("anomalies", found.anomalous)):
        if len(part) < FEWEST:
            raise DataError(f"there are {len(part)} {kind} to compare on; {FEWEST} are the fewest.")
    refuse_learned(run, found.normal, "the input")
    return found


def _of_set(run: Trained, source: BuiltIn, held_out: NDArray[Any], root: Path) -> Opponents:
    learned = run.manifest.data.source
    if source == learned:
        raise ConfigError(f"'{source.name}' is what the run has learned: name a set of anomalies.")
    anomalous = unseen_part(run, source, root).values
    if not isinstance(learned, BuiltIn):
        return Opponents(held_out, anomalous)
    return Opponents(unseen_part(run, learned, root).values, anomalous)


def _of_user(
    run: Trained,
    inputs: Any,
    held_out: NDArray[Any],
    columns: Columns,
    skip_unreadable: bool,
) -> Opponents:
    normal, anomalous, unreadable = [], [], 0
    found = recognise(inputs)
    for batch in batches(found, reading_for(run, columns)):
        if not skip_unreadable:
            batch.refuse_faults(found.name)
        unreadable += len(batch.faults)
        good = batch.good
        if batch.truth is not None:
            normal.append(batch.values[good & batch.truth.normal])
            anomalous.append(batch.values[good & batch.truth.anomalous])
        elif columns.label_column is not None:
            name = columns.label_column
            raise DataError(f"the input has no column '{name}' for `label_column`.")
        else:
            anomalous.append(batch.values[good])
    usual = np.concatenate(normal) if normal else held_out
    return Opponents(usual, np.concatenate(anomalous), unreadable)
