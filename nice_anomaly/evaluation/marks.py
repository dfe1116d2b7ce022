"""Marks: what befalls a surface that was photographed. A scratch, a stain, dust.

Each is a function of one image ``[height, width(, 3)]``, its white, a grade in (0, 1] and a random
generator, and gives the marked image as fractions of levels. Lengths are shares of the shorter
side, so that a mark is the same at every resolution.
"""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]
Random = np.random.Generator
Tone = float | NDArray[np.float64]

SCRATCH_WIDTH = 1 / 60  # of the side at grade 1: 1/240 at the lowest
STAIN_RADIUS = 1 / 8
STAIN_OPACITY = 0.6
FAR = 50.0  # softnesses beyond the edge, where e to the distance is not yet infinite
SPECK = 1 / 100  # radius
SPECKS = 40
CONTRAST = 0.35  # of white


def scratch(image: Image, white: float, grade: float, rng: Random) -> Image:
    """A thin, slightly curved line, lighter or darker than its surroundings.

    A lower grade is thinner, down to one pixel, and fainter.
    """
    side = min(image.shape[:2])
    width = max(1.0, SCRATCH_WIDTH * grade * side)
    length = side * rng.uniform(0.3, 0.7)
    x, y = _turned(image, rng)
    y = y - rng.uniform(-0.2, 0.2) * x**2 / length
    ends = np.clip((length / 2 - np.abs(x)) / (0.1 * length), 0, 1)  # it begins and ends thin
    cover = np.clip(0.5 + width / 2 - np.abs(y), 0, 1) * ends * np.sqrt(grade)
    return _painted(image, cover, _apart(image, cover, white, rng))


def stain(image: Image, white: float, grade: float, rng: Random) -> Image:
    """A blob with an uneven, soft edge that darkens or tints; on dark ground it lightens."""
    radius = max(1.0, STAIN_RADIUS * min(image.shape[:2]) * rng.uniform(0.7, 1.3))
    x, y = _turned(image, rng)
    angle = np.arctan2(y, x)
    edge = radius * np.ones_like(angle)
    for waves in (2, 3, 5):
        edge += radius * rng.uniform(0, 0.2) * np.sin(waves * angle + rng.uniform(0, 2 * np.pi))
    beyond = np.minimum((np.hypot(x, y) - edge) / (0.1 * radius), FAR)
    cover = STAIN_OPACITY * grade / (1 + np.exp(beyond))
    dark = white * rng.uniform(0, 0.4, image.shape[2:])
    return _painted(image, cover, white - dark if _under(image, cover) < 0.3 * white else dark)


def dust(image: Image, white: float, grade: float, rng: Random) -> Image:
    """Small specks here and there, each lighter or darker than its surroundings."""
    result, side = image.copy(), min(image.shape[:2])
    for _ in range(specks(grade)):
        radius = max(0.5, SPECK * side * rng.uniform(0.4, 1.0))
        middle = [int(rng.integers(n)) for n in image.shape[:2]]
        reach = int(radius) + 1
        rows, columns = (
            np.arange(max(0, m - reach), min(n, m + reach + 1))
            for m, n in zip(middle, image.shape[:2], strict=True)
        )
        distance = np.hypot(rows[:, None] - middle[0], columns - middle[1])
        cover = np.clip(0.5 + radius - distance, 0, 1)
        around = np.ix_(rows, columns)
        part = result[around]
        result[around] = _painted(part, cover, _apart(part, cover, white, rng))
    return result


def specks(grade: float) -> int:
    """How many there are in the dust of a grade."""
    return round(SPECKS * grade)


def _turned(image: Image, rng: Random) -> tuple[Image, Image]:
    """Coordinates of every pixel in a frame of random origin and direction, each ``[h, w]``."""
    height, width = image.shape[:2]
    y = np.arange(height)[:, None] - height * rng.uniform(0.2, 0.8)
    x = np.arange(width) - width * rng.uniform(0.2, 0.8)
    angle = rng.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _under(image: Image, cover: Image) -> float:
    """The mean level of what is covered."""
    grey = image if image.ndim == 2 else image.mean(axis=2)
    return float((grey * cover).sum() / max(cover.sum(), 1e-9))


def _apart(image: Image, cover: Image, white: float, rng: Random) -> Tone:
    """A level apart from what is covered; the more often a lighter one, the darker that is."""
    level = _under(image, cover)
    sign = 1 if rng.uniform(0, white) > level else -1
    return level + sign * CONTRAST * white


def _painted(image: Image, cover: Image, tone: Tone) -> Image:
    """The image under a paint of one tone that covers so much of every pixel."""
    cover = cover if image.ndim == 2 else cover[:, :, None]
    return image + cover * (tone - image)
