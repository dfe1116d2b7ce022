"""Tries: copies of images with one place replaced, and the scores that these have."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.data import Layout
from nice_anomaly.explain.screening import Screened, Screening
from nice_anomaly.explain.value import Box
from nice_anomaly.preprocess import Preprocess

Images = NDArray[np.uint8]
Values = NDArray[np.float64]
Place = tuple[slice, slice]
Score = Callable[[Images], Values]  # [m, d] → [m]

LIKE_GROUND = 1 / 16  # of the levels: what is as near to the ground as that may as well be ground


@dataclass(frozen=True)
class Tries:
    """``t`` tries of each of n images.

    ``boxes`` ``[n, t, 4]`` are tops, lefts, heights and widths; ``images`` ``[n, t, d]``.
    """

    boxes: NDArray[np.int64]
    images: Images

    def scored(self, score: Score) -> Values:
        """Their scores ``[n, t]``, by one call."""
        n, t, d = self.images.shape
        return score(self.images.reshape(-1, d)).reshape(n, t)

    def box(self, image: int, one: int) -> Box:
        """Where a try replaced something."""
        return Box(*map(int, self.boxes[image, one]))

    @classmethod
    def joined(cls, parts: list["Tries"]) -> "Tries":
        """All tries of the same images."""
        boxes, images = ([getattr(part, key) for part in parts] for key in ("boxes", "images"))
        return cls(np.concatenate(boxes, axis=1), np.concatenate(images, axis=1))


@dataclass(frozen=True)
class Trying:
    """What makes tries of raw images: blocks by ``screening``, levels by ``preprocess``."""

    screening: Screening
    preprocess: Preprocess
    layout: Layout

    def model_sees(self, raw: Images) -> Tensor:
        """x of raw images ``[n, d]``."""
        return self.preprocess.midpoint(torch.from_numpy(raw))

    def best(self, raw: Images, screened: Screened, sides: list[int], count: int) -> Tries:
        """Each of the best blocks by G + H as its rest has it, ``count`` of every side."""
        parts = (self._tries(raw, screened, side, 0, None, count) for side in sides)
        return Tries.joined([*parts])

    def each(self, raw: Images, screened: Screened, sides: list[int], count: int) -> Tries:
        """The best blocks by every test alone, replaced by its own step, as they are and snapped
        to the ground.
        """
        tests = range(len(screened.pulls))
        parts = [self._tries(raw, screened, k, t, t, count) for k in sides for t in tests]
        found = Tries.joined(parts)
        snapped = [self._snapped(one, tries) for one, tries in zip(raw, found.images, strict=True)]
        return Tries.joined([found, Tries(found.boxes, np.stack(snapped))])

    def _tries(
        self, raw: Images, screened: Screened, side: int, step: int, by: int | None, count: int
    ) -> Tries:
        family, values = self.screening.family(side), screened.values[side]
        order = values.sum(dim=0) if by is None else values[by]
        chosen = order.topk(min(count, order.shape[1]), dim=1).indices
        form, places = family.tests[step].form, family.blocks
        images = np.repeat(raw[:, None], chosen.shape[1], axis=1)
        for image, blocks, pull in zip(images, chosen, screened.pulls[step], strict=True):
            steps = form.steps(pull.expand(len(blocks), -1), blocks).numpy()
            where = places.values[blocks.numpy()]
            levels = np.take_along_axis(image, where, axis=1) + steps * self._scale[where]
            top = self.layout.levels - 1
            np.put_along_axis(image, where, levels.round().clip(0, top).astype(np.uint8), axis=1)
        corners = np.stack([places.tops, places.lefts], axis=1)[chosen.numpy()]
        sizes = np.broadcast_to((places.height, places.width), corners.shape)
        return Tries(np.concatenate([corners, sizes], axis=2), images)

    @property
    def _scale(self) -> Values:
        found: Values = self.preprocess.scale.numpy()
        return found

    def _snapped(self, image: Images, tries: Images) -> Images:
        ground = np.broadcast_to(ground_of(image.reshape(self.layout.shape)), self.layout.shape)
        ground = ground.reshape(-1)
        far = np.abs(tries.astype(np.int16) - ground) > LIKE_GROUND * self.layout.levels
        return np.where(far | (tries == image), tries, ground)


def ground_of(image: Images) -> Images:
    """The median of the four corners of ``[h, w(, 3)]``, the lower of the middle two."""
    corners = np.sort(image[[0, 0, -1, -1], [0, -1, 0, -1]], axis=0)
    ground: Images = corners[1]
    return ground


def tiles(shape: tuple[int, ...], across: int) -> Iterator[Place]:
    """An image cut into squares, about so many ``across``."""
    side = max(1, round(float(np.sqrt(shape[0] * shape[1])) / across))
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            yield slice(top, top + side), slice(left, left + side)
