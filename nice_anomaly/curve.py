"""Curve: how a training went, epoch by epoch, as a line of blocks."""

import math
from collections.abc import Sequence

import numpy as np

BLOCKS, PLAIN = "▁▂▃▄▅▆▇█", "_.:-=+*#"
LONGEST = 24  # blocks
FAR_BELOW = 10.0  # the median, in distances of the highest value from it


def span(values: Sequence[float]) -> tuple[float, float]:
    """The range that shows a curve: without the few values far below the others, and infinities.

    >>> span([-5000.0, 50.0, 51.0, 52.0, 53.0])
    (50.0, 53.0)
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    middle, high = float(np.median(finite)), max(finite)
    return min(value for value in finite if value >= middle - FAR_BELOW * (high - middle)), high


def sparkline(values: Sequence[float], blocks: str = BLOCKS) -> str:
    """A block for each value, or for the mean of some where there are many; the highest is full.

    >>> sparkline([1.0, 2.0, 4.0, 8.0]), sparkline([-9e9, 1.0, 3.0, 2.0], PLAIN), sparkline([5.0])
    ('▁▂▄█', '__#=', '█')
    """
    parts = np.array_split(np.array(values), min(len(values), LONGEST))
    heights = [float(part.mean()) for part in parts]
    low, high = span(heights)
    if low == high:
        return len(heights) * blocks[-1]
    steps = len(blocks) / (high - low)
    places = [steps * (min(max(height, low), high) - low) for height in heights]
    return "".join(blocks[min(math.floor(place), len(blocks) - 1)] for place in places)
