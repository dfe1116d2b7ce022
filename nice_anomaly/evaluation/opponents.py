"""Opponents: the normal samples and the anomalies that methods are compared on."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import BuiltIn, absent_values, batches, recognise
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.evaluation.samples import Columns, reading_for, unseen_part
from nice_anomaly.run import Trained
from nice_anomaly.scores import InFolds
from nice_anomaly.twins import refuse_learned
from nice_anomaly.words import count_of

FEWEST = 10  # of either kind


@dataclass(frozen=True, eq=False, repr=False)
class Opponents:
    """Raw samples ``[n, d]`` of either kind, and how many could not be read.

    ``source`` is what the anomalies came from; ``remarks`` are on labels that were asked for.
    ``in_folds`` says where those of the run are, if the normal samples are its own.
    """

    normal: NDArray[Any]
    anomalous: NDArray[Any]
    unreadable: int = 0
    remarks: tuple[str, ...] = ()
    source: str = ""
    in_folds: InFolds | None = None


def opponents(
    run: Trained,
    inputs: Any,
    held_out: NDArray[Any],
    root: Path,
    columns: Columns,
    *,
    in_folds: InFolds | None = None,
    skip_unreadable: bool = False,
) -> Opponents:
    """Anomalies from a built-in set, or the labelled or all samples of a user's input.

    They are held against the labelled normals, else the test part of the built-in set that was
    learned, else against ``held_out`` normals, which may be ``in_folds``.

    Raises:
        ConfigError: the set of anomalies is what was learned.
        DataError: too few of a kind, learned or unreadable samples, or of another kind.
    """
    if isinstance(inputs, BuiltIn):
        found = _of_set(run, inputs, held_out, root)
    else:
        found = _of_user(run, inputs, held_out, columns, skip_unreadable)
    for part, *kind in ((found.normal, "normal sample"), (found.anomalous, "anomaly", "anomalies")):
        if len(part) < FEWEST:
            why = "".join(f": {remark}" for remark in found.remarks)
            raise DataError(
                f"{count_of(len(part), *kind)} to compare on; {FEWEST} are the fewest{why}."
            )
    if found.normal is held_out and in_folds is not None:
        return replace(found, in_folds=in_folds)
    refuse_learned(run, found.normal, "the input")
    return found


def _of_set(run: Trained, source: BuiltIn, held_out: NDArray[Any], root: Path) -> Opponents:
    learned = run.manifest.data.source
    if source == learned:
        raise ConfigError(f"'{source.name}' is what the run has learned: name a set of anomalies.")
    anomalous = unseen_part(run, source, root).values
    if not isinstance(learned, BuiltIn):
        return Opponents(held_out, anomalous, source=source.name)
    usual = unseen_part(run, learned, root).values
    return Opponents(usual, anomalous, source=source.name)


def _of_user(
    run: Trained,
    inputs: Any,
    held_out: NDArray[Any],
    columns: Columns,
    skip_unreadable: bool,
) -> Opponents:
    normal, anomalous, unreadable = [], [], 0
    found, labels = recognise(inputs), Counter[str]()
    for batch in batches(found, reading_for(run, columns)):
        if not skip_unreadable:
            batch.refuse_faults(found.name)
        unreadable += len(batch.faults)
        good = batch.good
        if batch.truth is not None:
            normal.append(batch.values[good & batch.truth.normal])
            anomalous.append(batch.values[good & batch.truth.anomalous])
            labels.update(batch.truth.counts)
        elif columns.label_column is not None:
            name = columns.label_column
            raise DataError(f"the input has no column '{name}' for `label_column`.")
        else:
            anomalous.append(batch.values[good])
    usual = np.concatenate(normal) if normal else held_out
    remarks = absent_values(columns.label_column, labels, "every labelled row counts as normal")
    odd = np.concatenate(anomalous)
    return Opponents(usual, odd, unreadable, tuple(remarks), found.name)
