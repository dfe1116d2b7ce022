"""Learning from a user's normals: which samples, how they are read, which part is for what.

What a column is, its median and its categories are decided on the samples to fit alone, so that
the held-out ones stay as new to the run as any later input.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.config import DataSettings
from nice_anomaly.data import arrays, images
from nice_anomaly.data.dataset import Dataset
from nice_anomaly.data.images import ImageForm
from nice_anomaly.data.inputs import (
    ROWS,
    Inputs,
    Reading,
    Truth,
    batches,
    column_for,
    refuse_unreadable,
    table_batch,
    truth,
)
from nice_anomaly.data.sampling import Sample, row_of
from nice_anomaly.data.splits import Split, split
from nice_anomaly.data.tables import Chunk, Column, learn_columns, open_tables
from nice_anomaly.data.tables.cells import Cells, words
from nice_anomaly.errors import DataError

Groups = NDArray[np.object_]
Watch = Callable[[int, int | None], None]  # samples read, of how many if that is known

LARGEST = 1e30
FEWEST = 30  # normal samples: below that nothing is left to hold out


@dataclass(frozen=True)
class Wishes:
    """What the user said of the input beforehand."""

    size: tuple[int, int] | None = None
    colour: str = "auto"
    id_column: str | None = None
    label_column: str | None = None
    anomaly_values: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    skip_unreadable: bool = False


@dataclass(frozen=True)
class Material:
    """Normal samples ready to be learned, their split, and how they were read.

    ``total`` counts all samples of the input, ``anomalies`` those that a label kept out,
    ``unlabelled`` those without one and ``unreadable`` those that could not be read; ``labels``
    are the values of the label column. A built-in set needs no ``reading``. ``groups`` ``[n]``
    are there where the reading asks for them.
    """

    dataset: Dataset
    split: Split
    reading: Reading | None
    total: int
    anomalies: int = 0
    unlabelled: int = 0
    unreadable: int = 0
    labels: tuple[str, ...] = ()
    groups: Groups | None = None


def unwatched(done: int, total: int | None) -> None:
    """What hears of the progress where nobody looks."""


def learn(
    inputs: Inputs,
    wishes: Wishes,
    settings: DataSettings,
    seed: int,
    watch: Watch = unwatched,
) -> Material:
    """Read normal samples and decide how this run reads its input from now on.

    More than ``settings.rows`` samples are reduced to a random choice of that many.

    Raises:
        DataError: too few, unreadable ones, or nothing that can be learned from.
        ConfigError: the held-out parts do not fit.
    """
    if inputs.kind == "table":
        return _table(inputs, wishes, None, settings, seed, watch)
    form = _array_form(inputs, wishes) or images.learn_form(
        inputs.files, wishes.size, wishes.colour
    )
    return _images(inputs, Reading(form=form), settings, seed, wishes, watch)


def recall(inputs: Inputs, reading: Reading, settings: DataSettings, seed: int) -> Material:
    """The same samples and the same split again, read as a run has learned to.

    Raises:
        DataError: the input can no longer be read in this way.
    """
    if inputs.kind == "table":
        wishes = Wishes(
            id_column=reading.id_column,
            label_column=reading.label_column,
            anomaly_values=reading.anomaly_values,
            skip_unreadable=True,
        )
        return _table(inputs, wishes, reading, settings, seed)
    return _images(inputs, reading, settings, seed, Wishes(skip_unreadable=True))


def _images(
    inputs: Inputs,
    reading: Reading,
    settings: DataSettings,
    seed: int,
    wishes: Wishes,
    watch: Watch = unwatched,
) -> Material:
    total, chosen = len(inputs.files), inputs
    if images.is_image_file(inputs.files[0]):
        places = _choose(total, settings.rows, seed)
        chosen = replace(inputs, files=tuple(inputs.files[place] for place in places))
    values, groups, faults = [], [], 0
    for batch in batches(chosen, reading):
        if not wishes.skip_unreadable:
            refuse_unreadable(batch.faults, batch.ids.__getitem__)
        faults += len(batch.faults)
        named = np.array(batch.groups or [None] * len(batch.ids), dtype=object)
        groups.append(named[batch.good])
        values.append(batch.values[batch.good])
        watch(sum(map(len, values)) + faults, len(chosen.files) if len(chosen.files) > 1 else None)
    rows: NDArray[np.uint8] = np.concatenate(values)
    belong = np.concatenate(groups)
    if chosen is inputs:
        total = len(rows) + faults
        places = _choose(len(rows), settings.rows, seed)
        rows, belong = rows[places], belong[places]
    parts = _split(len(rows), settings, seed, inputs.name)
    dataset = _varied(Dataset(inputs.name, reading.layout, rows))
    grouped = None if reading.group_column is None else belong
    return Material(dataset, parts, reading, total, unreadable=faults, groups=grouped)


def _array_form(inputs: Inputs, wishes: Wishes) -> ImageForm | None:
    """The form of images that come as one array: as they are, unless the user wants another."""
    if images.is_image_file(inputs.files[0]):
        return None
    shape = arrays.open_array(inputs.files[0])[0].shape[1:]
    height, width = wishes.size or shape[:2]
    grey = len(shape) == 2 or shape[2] == 1
    coloured = not grey if wishes.colour == "auto" else wishes.colour == "rgb"
    return images.checked(ImageForm(height, width, 3 if coloured else 1))


def _table(
    inputs: Inputs,
    wishes: Wishes,
    reading: Reading | None,
    settings: DataSettings,
    seed: int,
    watch: Watch = unwatched,
) -> Material:
    known = reading or Reading(
        id_column=wishes.id_column,
        label_column=wishes.label_column,
        anomaly_values=wishes.anomaly_values,
    )
    sample = Sample(settings.rows, seed)
    total, anomalies, unlabelled, spoiled = 0, 0, 0, 0
    labels: set[str] = set()
    file, start = inputs.files[0], 0
    for chunk in open_tables(inputs.files, ROWS):
        file, start = (file, start) if chunk.file == file else (chunk.file, 0)
        if not wishes.skip_unreadable:
            refuse_unreadable(chunk.faults, partial(_row_after, file, start))
        spoiled += len(chunk.faults)
        said = _labels(chunk, known)
        if known.label_column is not None:
            labels |= {str(label) for label in words(chunk.columns[known.label_column]) if label}
        kept, read = said.normal.copy(), np.ones(chunk.rows, dtype=bool)
        read[list(chunk.faults)] = False
        sample.add(chunk, start, kept & read)
        total, start = total + chunk.rows, start + chunk.rows
        anomalies += int(said.anomalous.sum())
        unlabelled += int((read & ~said.normal & ~said.anomalous).sum())
        watch(total, None)
    table = sample.table()
    n = len(next(iter(table.values())))
    parts = _split(n, settings, seed, inputs.name)
    if reading is None:
        unusable = tuple(Column(name, "left out", why) for name, why in sample.left_out.items())
        known = replace(known, columns=(*_learn(table, parts, wishes), *unusable))
    chunk = Chunk(file, table, n, {})
    batch = table_batch(chunk, replace(known, id_column=None, label_column=None), 0, many=False)
    faults = {**_beyond_reason(batch.values, known), **batch.faults}
    if not wishes.skip_unreadable:
        refuse_unreadable(faults, sample.origin)
    spoiled += len(faults)
    good = np.setdiff1d(np.arange(n), list(faults))
    dataset = _varied(Dataset(inputs.name, known.layout, batch.values[good]))
    parts, names = _without(parts, good), tuple(sorted(labels))
    groups = None if batch.groups is None else np.array(batch.groups, dtype=object)[good]
    return Material(dataset, parts, known, total, anomalies, unlabelled, spoiled, names, groups)


def _varied(dataset: Dataset) -> Dataset:
    """The same, unless all its samples are one."""
    if (dataset.values == dataset.values[0]).all():
        raise DataError(
            f"all {len(dataset):,} normal samples of {dataset.name} are the same: there is "
            f"nothing to learn from. Check that it is the right input."
        )
    return dataset


def _beyond_reason(values: NDArray[Any], reading: Reading) -> dict[int, str]:
    """Rows with a number so large that its square is none: no spread can be learned with it."""
    rows, places = np.nonzero(np.abs(values) > LARGEST)
    return {
        int(row): f"{reading.labels[place]} is {values[row, place]:g}, too large to learn from"
        for row, place in zip(rows, places, strict=True)
    }


def _learn(table: dict[str, Cells], parts: Split, wishes: Wishes) -> tuple[Column, ...]:
    """Columns from the rows to fit; what the user keeps out is kept out."""
    kept_out = dict.fromkeys(wishes.ignored, "asked for with --ignore")
    if wishes.id_column is not None:
        kept_out[wishes.id_column] = "it names the rows"
    if wishes.label_column is not None:
        kept_out[wishes.label_column] = "it is the label"
    for name in kept_out:
        if name not in table:
            raise DataError(f"there is no column '{name}'. The table has: {', '.join(table)}.")
    learned = learn_columns(
        {name: cells[parts.fit] for name, cells in table.items() if name not in kept_out}
    )
    return (*learned, *(Column(name, "left out", reason) for name, reason in kept_out.items()))


def _labels(chunk: Chunk, reading: Reading) -> Truth:
    if reading.label_column is None:
        return Truth(np.ones(chunk.rows, dtype=bool), np.zeros(chunk.rows, dtype=bool))
    column_for("--label-column", reading.label_column, chunk)
    said = truth(chunk, reading)
    assert said is not None
    return said


def _row_after(file: Path, start: int, row: int) -> str:
    return row_of(file, start + row)


def _choose(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """All of ``range(n)``, or ``most`` of them at random; in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _split(n: int, settings: DataSettings, seed: int, name: str) -> Split:
    if n < FEWEST:
        raise DataError(
            f"{name} has {n} normal samples; at least {FEWEST} are needed to learn from some and "
            f"to set a threshold from others."
        )
    stop, calibrate = settings.counts(n)
    return split(n, early_stopping=stop, calibration=calibrate, seed=seed)


def _without(parts: Split, good: NDArray[np.int64]) -> Split:
    """The split after all rows but the ``good`` ones are gone."""

    def kept(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(good, np.intersect1d(rows, good))

    return Split(kept(parts.fit), kept(parts.early_stopping), kept(parts.calibration))
