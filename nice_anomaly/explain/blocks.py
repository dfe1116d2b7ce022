"""Blocks: the places of an image that are asked about, squares of one side on a grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nice_anomaly.explain.value import Box

SMALL = 20  # pixels: on a narrower image blocks are smaller in proportion
LEAST = 2  # pixels of a side


@dataclass(frozen=True)
class Blocks:
    """Blocks of one ``height`` and ``width`` on images of a ``shape``; all channels go together.

    ``tops`` and ``lefts`` ``[m]`` are their upper left pixels.
    """

    shape: tuple[int, ...]
    height: int
    width: int
    tops: NDArray[np.int64]
    lefts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tops)

    def box(self, block: int) -> Box:
        """One of them."""
        return Box(int(self.tops[block]), int(self.lefts[block]), self.height, self.width)

    @cached_property
    def values(self) -> NDArray[np.int64]:
        """Which values of a sample are in each block, ``[m, s]``."""
        places = np.arange(int(np.prod(self.shape))).reshape(*self.shape[:2], -1)
        rows = (self.tops[:, None] + np.arange(self.height))[:, :, None]
        columns = (self.lefts[:, None] + np.arange(self.width))[:, None, :]
        found: NDArray[np.int64] = places[rows, columns].reshape(len(self), -1)
        return found

    def spread(self, values: Tensor) -> Tensor:
        """What ``[n, m]`` says of blocks, said of pixels: the maximum over the blocks of a pixel.

        ``[n, h, w]``, -∞ where no block is.
        """
        height, width = self.shape[:2]
        corners = values.new_full((len(values), height, width), -torch.inf)
        corners[:, torch.from_numpy(self.tops), torch.from_numpy(self.lefts)] = values
        margins = (self.width - 1, 0, self.height - 1, 0)
        padded = functional.pad(corners, margins, value=-torch.inf)[:, None]
        across = functional.max_pool2d(padded, (1, self.width), 1)
        return functional.max_pool2d(across, (self.height, 1), 1)[:, 0]


def blocks(shape: Sequence[int], side: int, stride: int = 1) -> Blocks:
    """Blocks of a side, cut to what the image has, ``stride`` apart and up to its last pixel."""
    height, width = min(side, shape[0]), min(side, shape[1])
    tops, lefts = np.meshgrid(
        _starts(shape[0] - height, stride), _starts(shape[1] - width, stride), indexing="ij"
    )
    return Blocks(tuple(shape), height, width, tops.ravel(), lefts.ravel())


def fitting(shape: Sequence[int], sides: Sequence[int]) -> list[int]:
    """The sides of blocks for images of a shape: as they are, smaller on small images.

    >>> fitting((28, 28), (3, 5, 7, 10)), fitting((8, 8), (3, 5, 7, 10))
    ([3, 5, 7, 10], [2, 3, 4])
    """
    scale = min(1.0, min(shape[:2]) / SMALL)
    return sorted({max(LEAST, round(side * scale)) for side in sides})


def _starts(last: int, stride: int) -> NDArray[np.int64]:
    return np.unique(np.append(np.arange(0, last, stride), last))
