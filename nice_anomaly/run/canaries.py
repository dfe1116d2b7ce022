"""Canaries: some samples with the scores that they had where the run was made.

Who scores them again learns whether this machine makes the same scores. Nothing that a run says of
other samples depends on them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.data import Layout
from nice_anomaly.density import Density
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run.manifest import CANARIES, Manifest, part_content
from nice_anomaly.run.plausible import PRECISIONS
from nice_anomaly.run.seal import sealed_tensors, unsealed_tensors
from nice_anomaly.run.stored import DAMAGE, FORMAT, Files, damaged
from nice_anomaly.scores import Scorer

MOST = 32  # samples
HEADER = 10_000  # bytes
WORDS = ("device", "precision", "torch")


@dataclass(frozen=True)
class Canaries:
    """Raw samples ``rows`` ``[m, d]``, m ≤ 32, and their log-likelihoods ``scores`` ``[m]``.

    ``device``, ``precision`` and the version of ``torch`` are those that made the scores.
    ``drawn`` ones come from the model, others from the samples that told training when to stop.
    """

    rows: NDArray[np.uint8] | NDArray[np.float64]
    scores: NDArray[np.float64]
    device: str
    precision: str
    torch: str
    drawn: bool

    @property
    def circumstances(self) -> str:
        """What the scores were made with, for people."""
        return f"torch {self.torch}, {self.device}, {self.precision}"


def canaries(scorer: Scorer, rows: NDArray[Any], *, drawn: bool) -> Canaries:
    """The first of ``rows`` ``[n, d]`` with their scores here.

    Raises:
        NumericsError: a score is not a number.
    """
    chosen = np.ascontiguousarray(rows[:MOST])
    return Canaries(
        rows=chosen,
        scores=scorer(chosen).values,
        device=str(scorer.model.device),
        precision=str(scorer.precision).removeprefix("torch."),
        torch=str(torch.__version__),
        drawn=drawn,
    )


def drawn_rows(
    model: Density, preprocess: Preprocess, layout: Layout, seed: int, n: int = MOST
) -> NDArray[Any]:
    """``n`` samples that the model draws: levels for images, finite rows else."""
    device = model.device
    rows = preprocess.to(device).to_raw(model.sample(n, seed=seed)).cpu().numpy()
    if layout.levels:
        return np.asarray(np.nan_to_num(rows).round().clip(0, layout.levels - 1), dtype=np.uint8)
    return np.asarray(rows[np.isfinite(rows).all(axis=1)])


def canaries_bytes(found: Canaries) -> bytes:
    """The content of their file; ``load_canaries`` is the way back."""
    tensors = {"rows": torch.from_numpy(found.rows), "scores": torch.from_numpy(found.scores)}
    words = {name: getattr(found, name) for name in WORDS}
    return sealed_tensors(
        tensors, {"format": str(FORMAT), "drawn": str(found.drawn).lower(), **words}
    )


def canaries_content(manifest: Manifest, files: Files) -> bytes:
    """The content of the canaries' file of a run.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    most = MOST * 8 * (manifest.data.layout.dimensions + 1) + HEADER
    return part_content(manifest, files, CANARIES, most)


def load_canaries(manifest: Manifest, files: Files) -> Canaries:
    """The canaries of a run.

    Raises:
        ArtifactError: their file is missing or damaged.
    """
    layout, file = manifest.data.layout, manifest.part_file(CANARIES)
    try:
        tensors, metadata = unsealed_tensors(canaries_content(manifest, files))
        rows, scores = tensors["rows"].numpy(), tensors["scores"].numpy()
        kind = "uint8" if layout.levels else "float64"
        if (rows.dtype.name, scores.dtype.name) != (kind, "float64") or np.isnan(scores).any():
            raise ValueError("numbers")
        if len(rows) > MOST or rows.shape != (len(scores), layout.dimensions):
            raise ValueError("shapes")
        words = {name: metadata[name] for name in WORDS}
        if words["precision"] not in PRECISIONS:
            raise ValueError("precision")
        return Canaries(rows, scores, **words, drawn=metadata["drawn"] == "true")
    except DAMAGE as error:
        raise damaged(files.where, f"{file} holds no canaries") from error
