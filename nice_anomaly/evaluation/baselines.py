"""Baselines: what one would try before a flow, learned from the same normal rows.

Each is a function from normal samples to a scorer, higher = more normal; it has one setting.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Layout

Rows = NDArray[np.float64]
Scorer = Callable[[NDArray[Any]], Rows]
Learn = Callable[[NDArray[Any], int], Scorer]

MOST_LEARNED = 10_000
NEIGHBOURS = 5


def mahalanobis(normal: NDArray[Any], seed: int) -> Scorer:
    """Minus the squared distance to the mean in units of a shrunk covariance (Ledoit & Wolf)."""
    from sklearn.covariance import LedoitWolf

    del seed
    scale = _standard(normal)
    fitted = LedoitWolf().fit(scale(normal))
    return lambda rows: -fitted.mahalanobis(scale(rows))


def neighbours(normal: NDArray[Any], seed: int) -> Scorer:
    """Minus the distance to the 5th nearest normal row, of at most 10,000."""
    from sklearn.neighbors import NearestNeighbors

    scale = _standard(normal)
    chosen = np.random.default_rng(seed).permutation(len(normal))[:MOST_LEARNED]
    count = min(NEIGHBOURS, len(chosen))
    fitted = NearestNeighbors(n_neighbors=count).fit(scale(normal[chosen]))
    return lambda rows: -fitted.kneighbors(scale(rows))[0][:, -1]


def forest(normal: NDArray[Any], seed: int) -> Scorer:
    """IsolationForest as scikit-learn sets it."""
    from sklearn.ensemble import IsolationForest

    fitted = IsolationForest(random_state=seed % 2**32).fit(normal)
    return lambda rows: np.asarray(fitted.score_samples(rows), dtype=np.float64)


def outlier_factor(normal: NDArray[Any], seed: int) -> Scorer:
    """LocalOutlierFactor as scikit-learn sets it, on standardised rows."""
    from sklearn.neighbors import LocalOutlierFactor

    del seed
    scale = _standard(normal)
    fitted = LocalOutlierFactor(novelty=True).fit(scale(normal))
    return lambda rows: np.asarray(fitted.score_samples(scale(rows)), dtype=np.float64)


def support_vectors(normal: NDArray[Any], seed: int) -> Scorer:
    """OneClassSVM as scikit-learn sets it, on standardised rows."""
    from sklearn.svm import OneClassSVM

    del seed
    scale = _standard(normal)
    fitted = OneClassSVM().fit(scale(normal))
    return lambda rows: np.asarray(fitted.score_samples(scale(rows)), dtype=np.float64)


def brightness(normal: NDArray[Any], seed: int) -> Scorer:
    """How near the mean of all pixels is to that of a middling normal image."""
    del seed
    return _nearness(normal, lambda rows: rows.mean(axis=1))


def png_size(shape: tuple[int, ...]) -> Learn:
    """How near the size as a PNG file is to that of a middling normal image."""

    def learn(normal: NDArray[Any], seed: int) -> Scorer:
        chosen = np.random.default_rng(seed).permutation(len(normal))[:MOST_LEARNED]
        return _nearness(normal[chosen], lambda rows: np.log([_png(row, shape) for row in rows]))

    return learn


RIVALS: dict[str, Learn] = {
    "Mahalanobis": mahalanobis,
    "5th neighbour": neighbours,
    "isolation forest": forest,
}
SLOW: dict[str, Learn] = {  # beyond a few thousand rows
    "local outlier factor": outlier_factor,
    "one-class SVM": support_vectors,
}


def for_layout(layout: Layout) -> dict[str, Learn]:
    """What one would try first for samples of this kind, by name."""
    if layout.kind != "image":
        return RIVALS
    return {**RIVALS, "mean brightness": brightness, "PNG size": png_size(layout.shape)}


def _png(row: NDArray[Any], shape: tuple[int, ...]) -> int:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(row.reshape(shape).astype(np.uint8)).save(stream, "PNG")
    return stream.tell()


def _nearness(normal: NDArray[Any], measure: Callable[[NDArray[Any]], Any]) -> Scorer:
    middle = float(np.median(measure(normal)))
    return lambda rows: -np.abs(np.asarray(measure(rows), dtype=np.float64) - middle)


def _standard(normal: NDArray[Any]) -> Callable[[NDArray[Any]], Rows]:
    centre, spread = normal.mean(axis=0), normal.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return lambda rows: (rows - centre) / spread
