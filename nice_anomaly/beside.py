"""Beside: the learned rows of a table that a run keeps to hold others beside, for its views."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.data import Material
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores.likelihood import CHUNK
from nice_anomaly.scores.neighbours import Neighbours, chosen
from nice_anomaly.scores.views import FEWEST, VIEWS
from nice_anomaly.settings import Settings

Array = NDArray[np.float64]
Kept = tuple[tuple[Neighbours, ...], Array]


def kept_rows(material: Material, preprocess: Preprocess, settings: Settings) -> Kept | None:
    """Rows to hold others beside, and the distances ``[m, 3]`` of samples that are none of them.

    Those samples are the ones that tell when to stop. In folds there are rows for every flow, those
    that it may see, and every sample has its distances to the rows for the flow of its own fold.
    None of images, where no samples may be kept, and where there are too few.
    """
    parts, table = material.split, material.dataset.layout.kind == "table"
    if not table or settings.private or not settings.neighbours:
        return None
    places = chosen(len(parts.fit), material.dataset.layout.dimensions, settings.seed)
    rows, known = parts.fit[places], material.names
    names = np.array([known[row] if known else str(row) for row in rows], dtype=object)
    on_cpu = preprocess.to(torch.device("cpu"))

    def beside(some: NDArray[np.bool_]) -> Neighbours:
        x = _seen(material, on_cpu, rows[some])
        return Neighbours.of(x, on_cpu.noise_variance, places[some], tuple(names[some]))

    if parts.folds is None:
        if min(len(places), len(parts.early_stopping)) < FEWEST:
            return None
        found = beside(np.ones(len(places), dtype=bool))
        return (found,), found.distances(_seen(material, on_cpu, parts.early_stopping))
    count, own = int(parts.folds.max()) + 1, parts.folds[places]
    if min((own != j).sum() for j in range(count)) < FEWEST:
        return None
    every = tuple(beside(own != j) for j in range(count))
    distances = np.empty((len(parts.folds), len(VIEWS) - 1))
    for j, one in enumerate(every):
        held_out = np.flatnonzero(parts.folds == j)
        distances[held_out] = one.distances(_seen(material, on_cpu, held_out))
    return every, distances


def _seen(material: Material, preprocess: Preprocess, places: NDArray[np.int64]) -> Tensor:
    """Samples as a model sees them, x ``[n, d]``."""
    raw = torch.from_numpy(material.dataset.values[places])
    return torch.cat([preprocess.midpoint(part) for part in raw.split(CHUNK)])
