"""Images: where an image is odd, and what was expected there."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Layout
from nice_anomaly.explain.value import Box, Held, ImageReasons
from nice_anomaly.scores import Scorer


class ImageExplainer:
    """An ``Explainer`` of images."""

    def __init__(self, scorer: Scorer, references: NDArray[Any], layout: Layout) -> None:
        self._scorer, self._references, self._layout = scorer, references, layout

    def __call__(self, raw: NDArray[Any], held: Sequence[Held]) -> Iterator[ImageReasons]:
        """See ``Explainer``."""
        shape = self._layout.shape
        middle = np.median(self._references, axis=0).astype(np.uint8)
        for row, one in zip(raw, held, strict=True):
            image, score = row.reshape(shape), float(self._scorer(middle[None])[0])
            heat = np.abs(row.astype(np.float64) - middle).reshape(*shape[:2], -1).mean(axis=2)
            other = middle.reshape(shape)
            box = Box(0, 0, *shape[:2])
            gain = score - one.score
            yield ImageReasons(
                one, image, heat, box, gain, other, score, other, score, True, score >= one.low
            )
