"""References: some normal samples that a run keeps, for what has to be held beside normal ones.

Explanations measure on them how large a gain is usual, and find among them the nearest sample that
passes. No verdict depends on them. A private run keeps none: its model draws them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.data import Layout
from nice_anomaly.run.manifest import REFERENCES, Manifest, part_content
from nice_anomaly.run.seal import sealed_tensors, unsealed_tensors
from nice_anomaly.run.stored import DAMAGE, FORMAT, Files, damaged

MOST = 400  # samples
LARGEST = 4_194_304  # bytes of all
HEADER = 10_000  # bytes


@dataclass(frozen=True)
class References:
    """Raw normal samples ``rows`` ``[m, d]``.

    They told training when to stop, or are ``drawn`` from the model.
    """

    rows: NDArray[np.uint8] | NDArray[np.float64]
    drawn: bool


def fitting(layout: Layout) -> int:
    """How many samples are kept at most."""
    bytes_each = layout.dimensions * (1 if layout.levels else 8)
    return max(1, min(MOST, LARGEST // bytes_each))


def references_bytes(rows: NDArray[Any]) -> bytes:
    """The content of their file; ``load_references`` is the way back."""
    chosen = torch.from_numpy(np.ascontiguousarray(rows))
    return sealed_tensors({"rows": chosen}, {"format": str(FORMAT)})


def references_content(manifest: Manifest, files: Files) -> bytes:
    """The content of the references' file of a run.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    layout = manifest.data.layout
    most = 8 * fitting(layout) * layout.dimensions + HEADER
    return part_content(manifest, files, REFERENCES, most)


def load_references(manifest: Manifest, files: Files) -> References:
    """The references of a run that keeps some.

    Raises:
        ArtifactError: their file is missing or damaged.
    """
    layout = manifest.data.layout
    try:
        tensors, _ = unsealed_tensors(references_content(manifest, files))
        rows = tensors["rows"].numpy()
        if rows.dtype.name != ("uint8" if layout.levels else "float64"):
            raise ValueError("numbers")
        if rows.shape[1:] != (layout.dimensions,) or not 0 < len(rows) <= fitting(layout):
            raise ValueError("shapes")
        if not np.isfinite(rows).all():
            raise ValueError("numbers")
        return References(rows, drawn=False)
    except DAMAGE as error:
        file = manifest.part_file(REFERENCES)
        raise damaged(files.where, f"{file} holds no references") from error
