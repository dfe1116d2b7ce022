"""Learning from images: which of them, in which form, and which part is for what."""

from collections.abc import Callable
from dataclasses import replace
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import images
from nice_anomaly.data.arrays import Arrays
from nice_anomaly.data.batches import batches, refuse_unreadable
from nice_anomaly.data.dataset import Dataset
from nice_anomaly.data.find import Inputs
from nice_anomaly.data.images import ImageForm
from nice_anomaly.data.material import (
    Groups,
    Material,
    Watch,
    Wishes,
    refuse_few,
    refuse_identical,
    split_of,
    unwatched,
)
from nice_anomaly.data.reading import ImageReading, grouped_for
from nice_anomaly.data.sources import Source
from nice_anomaly.settings import DataSettings


def form_for(inputs: Inputs, wishes: Wishes) -> ImageForm:
    """The form of a run: arrays stay as they are and files get their usual form, unless asked.

    Raises:
        ConfigError: too many values an image.
    """
    first = inputs.parts[0]
    if not isinstance(first, Arrays):
        return images.learn_form(inputs.paths, wishes.size, wishes.colour)
    shape = first.shape[1:]
    height, width = wishes.size or shape[:2]
    grey = len(shape) == 2 or shape[2] == 1
    coloured = not grey if wishes.colour == "auto" else wishes.colour == "rgb"
    return images.checked(ImageForm(height, width, 3 if coloured else 1))


def read_images(
    inputs: Inputs,
    wishes: Wishes,
    reading: ImageReading,
    settings: DataSettings,
    seed: int,
    source: Callable[[ImageReading], Source],
    watch: Watch = unwatched,
) -> Material:
    """All images of the input as ``reading`` says, at most ``settings.rows`` of them at random.

    The choice is made before they are decoded.

    Raises:
        DataError: too few, all the same, or one that cannot be read.
        ConfigError: the held-out parts do not fit.
    """
    of_files = isinstance(inputs.parts[0], Path)
    total = sum(part.shape[0] if isinstance(part, Arrays) else 1 for part in inputs.parts)
    places, chosen = _choose(total, settings.rows, seed), inputs
    if of_files:
        chosen = replace(inputs, parts=tuple(inputs.parts[place] for place in places))
    kept = np.arange(len(places)) if of_files else places
    grouped = grouped_for(reading, settings)
    rows, groups, good = _decoded(chosen, wishes, grouped, watch, kept)
    files = tuple(compress(chosen.paths, good)) if of_files else ()
    refuse_few(len(rows), wishes.fewest, inputs.name)
    parts = split_of(len(rows), settings, seed)
    dataset = Dataset(inputs.name, reading.layout, rows)
    refuse_identical(dataset)
    return Material(
        dataset,
        parts,
        source(reading),
        total,
        unreadable=int((~good).sum()),
        groups=None if grouped.group_column is None else groups,
        files=files,
    )


def _decoded(
    inputs: Inputs, wishes: Wishes, reading: ImageReading, watch: Watch, kept: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], Groups, NDArray[np.bool_]]:
    """Of the images at the places ``kept``, which are in order, the readable ones ``[n, d]``.

    With them their groups ``[n]``, and which of those kept are readable.
    """
    values, groups, good, done = [], [], [], 0
    total = len(inputs.parts) if len(inputs.parts) > 1 else None
    for batch in batches(inputs, reading):
        if not wishes.skip_unreadable:
            refuse_unreadable(batch.faults, batch.ids.__getitem__)
        first, end = np.searchsorted(kept, (done, done + len(batch.ids)))
        here = kept[first:end] - done
        readable = batch.good[here]
        good.append(readable)
        named = np.array(batch.groups or [None] * len(batch.ids), dtype=object)
        groups.append(named[here][readable])
        values.append(batch.values[here][readable])
        done += len(batch.ids)
        watch(done, total)
    rows: NDArray[np.uint8] = np.concatenate(values)
    return rows, np.concatenate(groups), np.concatenate(good)


def _choose(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """All of ``range(n)``, or ``most`` of them at random; in order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
