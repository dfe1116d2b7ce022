"""The stored views: what rows of a table are held beside, for the score that takes the oddest view.

Verdicts of that score depend on it: its hash is in ``run.json`` and in every calibration of it. A
private run keeps none, and its score is the log-likelihood.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.run.manifest import VIEWS, Manifest, part_content
from nice_anomaly.run.seal import sealed_tensors, unsealed_tensors
from nice_anomaly.run.stored import DAMAGE, FORMAT, Files, damaged
from nice_anomaly.scores.neighbours import MOST, NEAREST, Neighbours
from nice_anomaly.scores.views import FEWEST, Reference, Views
from nice_anomaly.scores.views import VIEWS as NAMES

MOST_REFERENCES = 1_000_000  # of a view
LONGEST = 200  # characters of a name
HEADER = 10_000  # bytes
OF_FLOW = ("axes", "shrink", "spacing")
OF_ROWS = ("x", "noise", *OF_FLOW)


def views_bytes(rows: Sequence[Neighbours], references: Sequence[NDArray[Any]]) -> bytes:
    """The content of their file; ``load_views`` is the way back.

    ``rows`` are those of each flow, ``references`` hold for each view what it says of normal rows.
    """
    places = np.unique(np.concatenate([one.places for one in rows]))
    x, names = torch.empty(len(places), rows[0].x.shape[1]), np.empty(len(places), dtype=object)
    folds = np.zeros(len(places), dtype=np.int64)
    tensors = {"noise": rows[0].noise, "places": torch.from_numpy(places)}
    for j, one in enumerate(rows):
        here = np.searchsorted(places, one.places)
        x[torch.from_numpy(here)], names[here] = one.x, [name[:LONGEST] for name in one.names]
        folds[~np.isin(places, one.places)] = j
        tensors |= {f"{name}.{j}": getattr(one, name) for name in OF_FLOW}
    text = json.dumps(names.tolist()).encode()
    tensors |= {"x": x, "names": torch.frombuffer(bytearray(text), dtype=torch.uint8)}
    tensors["folds"] = torch.from_numpy(folds)
    for view, values in zip(NAMES, references, strict=True):
        tensors[_key(view)] = torch.from_numpy(np.sort(values))
    return sealed_tensors(tensors, {"format": str(FORMAT)})


def views_content(manifest: Manifest, files: Files) -> bytes:
    """The content of the views' file of a run.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    d, count = manifest.data.layout.dimensions, max(1, manifest.folds)
    numbers = 4 * (MOST * d + count * ((d + 1) * min(d, MOST) + MOST) + d + 4 * MOST)
    names = (6 * LONGEST + 4) * MOST  # a sign is escaped as six
    most = numbers + names + 8 * len(NAMES) * MOST_REFERENCES + HEADER
    return part_content(manifest, files, VIEWS, most)


def load_views(manifest: Manifest, files: Files) -> Views:
    """The views of a run that keeps rows for them.

    Raises:
        ArtifactError: their file is missing or damaged.
    """
    file = manifest.part_file(VIEWS)
    try:
        tensors, _ = unsealed_tensors(views_content(manifest, files))
        references = tuple(Reference(_ordered(tensors.pop(_key(view)))) for view in NAMES)
        rows = _rows(tensors, max(1, manifest.folds))
        for one in rows:
            _refuse_impossible(one, manifest)
    except DAMAGE as error:
        raise damaged(files.where, f"{file} holds no rows to compare with") from error
    return Views(references, rows, manifest.parts[VIEWS])


def _rows(tensors: dict[str, Tensor], count: int) -> tuple[Neighbours, ...]:
    """The rows of every flow: of several those of other folds."""
    names = np.array(json.loads(tensors.pop("names").numpy().tobytes()), dtype=object)
    x, noise, places, folds = (tensors.pop(name) for name in ("x", "noise", "places", "folds"))
    if not len(x) == len(names) == len(places) == len(folds) or folds.dtype != torch.int64:
        raise ValueError("rows")
    found = []
    for j in range(count):
        some = folds != j if count > 1 else torch.ones(len(x), dtype=torch.bool)
        axes, shrink, spacing = (tensors.pop(f"{name}.{j}") for name in OF_FLOW)
        own = tuple(names[some.numpy()])
        found.append(Neighbours(x[some], noise, axes, shrink, spacing, places[some].numpy(), own))
    if tensors:
        raise ValueError("tensors")
    return tuple(found)


def _key(view: str) -> str:
    return f"references.{view}"


def _ordered(tensor: Tensor) -> NDArray[Any]:
    """References, in the order in which they have to be."""
    values = tensor.numpy()
    if values.dtype != np.float64 or values.ndim != 1 or len(values) < FEWEST:
        raise ValueError("references")
    if not (values[:-1] <= values[1:]).all() or not values[-1] < np.inf:
        raise ValueError("references")
    return values


def _refuse_impossible(rows: Neighbours, manifest: Manifest) -> None:
    """Raises ValueError for numbers that no run keeps."""
    m, d, r = len(rows.x), manifest.data.layout.dimensions, len(rows.shrink)
    shapes = [tuple(getattr(rows, name).shape) for name in OF_ROWS]
    if (
        shapes != [(m, d), (d,), (d, r), (r,), (m,)]
        or rows.places.shape != (m,)
        or len(rows.names) != m
    ):
        raise ValueError("shapes")
    if not NEAREST < m <= min(MOST, manifest.data.fit) or not all(
        isinstance(name, str) for name in rows.names
    ):
        raise ValueError("rows")
    numbers = [getattr(rows, name) for name in OF_ROWS]
    if not all(one.dtype == torch.float32 and bool(one.isfinite().all()) for one in numbers):
        raise ValueError("numbers")
    places = rows.places
    if places.dtype != np.int64 or places[0] < 0 or places[-1] >= manifest.data.fit:
        raise ValueError("places")
    if (np.diff(places) <= 0).any() or not bool((rows.noise > 0).all()):
        raise ValueError("places")
