"""Corruptions: normal samples made odd in known ways, to test a detector without anomalies.

Each is a function of samples, a grade in (0, 1] and a random generator; the lowest grade is hardly
visible, the highest plain. Images are ``[n, height, width(, 3)]`` uint8, rows ``[n, d]``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.evaluation import marks

Images = NDArray[np.uint8]
Rows = NDArray[np.float64]
Random = np.random.Generator
Apply = Callable[[Images, float, Random], Images]

GRADES = (0.25, 0.5, 1.0)
ONCE = (1.0,)
SMALLEST_SIDE = 4  # of images: below it patches and shifts mean nothing
THOUSAND = 1000.0
LEAST_BLUR = 0.4  # pixels: less changes nothing
BOXES_FROM = 8  # pixels of blur, which no image of a run's own size has


T = TypeVar("T", Images, Rows)


@dataclass(frozen=True)
class Corruption(Generic[T]):
    """One way to be odd. ``grades`` are those it makes sense in; ``words`` say what one means.

    ``of_another`` says that a sample takes something from the one before it.
    """

    apply: Callable[[T, float, Random], T]
    words: Callable[[float], str]
    grades: tuple[float, ...] = GRADES
    of_another: bool = False


def _blank(x: Images, grade: float, rng: Random) -> Images:
    del grade, rng
    return np.zeros_like(x)


def _constant(x: Images, grade: float, rng: Random) -> Images:
    del grade
    shade = rng.integers(1, _top(x) + 1, (len(x), *(1,) * (x.ndim - 1)), dtype=np.uint8)
    return np.broadcast_to(shade, x.shape).copy()


def _inverted(x: Images, grade: float, rng: Random) -> Images:
    del grade, rng
    return (_top(x) - x).astype(np.uint8)


def _noise(x: Images, grade: float, rng: Random) -> Images:
    return _bytes(x + rng.normal(0, 0.2 * grade * _top(x), x.shape), x)


def _blur(x: Images, grade: float, rng: Random) -> Images:
    from scipy.ndimage import gaussian_filter, uniform_filter1d

    del rng
    radius = max(LEAST_BLUR, 2 * grade * _side(x) / 28)
    values = x.astype(np.float32)
    if radius > BOXES_FROM:  # three boxes are nearly a Gaussian, at the same cost for every radius
        box = round(np.sqrt(4 * radius**2 + 1))
        for axis in (1, 2) * 3:
            values = uniform_filter1d(values, box, axis)
        return _bytes(values, x)
    sigma = (0, radius, radius) + (0,) * (x.ndim - 3)
    return _bytes(gaussian_filter(values, sigma), x)


def _contrast(x: Images, grade: float, rng: Random) -> Images:
    del rng
    axes = tuple(range(1, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    return _bytes(mean + (1 - 0.8 * grade) * (x - mean), x)


def _half_size(x: Images, grade: float, rng: Random) -> Images:
    from scipy.ndimage import zoom

    del rng
    factor = 1 - 0.5 * grade
    scale = (1, factor, factor) + (1,) * (x.ndim - 3)
    small = zoom(x.astype(np.float32), scale, order=1, mode="nearest", grid_mode=True)
    ground = np.median(_border(x), axis=1).reshape(-1, *(1,) * (x.ndim - 1))
    result = np.broadcast_to(ground, x.shape).astype(np.float32)
    top, left = ((x.shape[axis] - small.shape[axis]) // 2 for axis in (1, 2))
    result[:, top : top + small.shape[1], left : left + small.shape[2]] = small
    return _bytes(result, x)


def _patch_missing(x: Images, grade: float, rng: Random) -> Images:
    result = x.copy()
    for image, (rows, columns) in zip(result, _places(x, grade, rng), strict=True):
        image[rows, columns] = 0
    return result


def _patch_pasted(x: Images, grade: float, rng: Random) -> Images:
    result, other = x.copy(), np.roll(x, 1, axis=0)
    for image, source, (rows, columns) in zip(result, other, _places(x, grade, rng), strict=True):
        image[rows, columns] = source[rows, columns]
    return result


def _patches_swapped(x: Images, grade: float, rng: Random) -> Images:
    del rng
    size = max(1, round(0.5 * grade * _side(x)))
    top, middle = (x.shape[1] - size) // 2, x.shape[2] // 2
    rows, left = slice(top, top + size), slice(middle - size, middle)
    right = slice(middle, middle + size)
    result = x.copy()
    result[:, rows, left], result[:, rows, right] = x[:, rows, right], x[:, rows, left]
    return result


def _stripes(x: Images, grade: float, rng: Random) -> Images:
    result, start = x.copy(), rng.integers(0, 4)
    light = np.uint8(round(grade * _top(x)))
    result[:, start::4] = np.maximum(result[:, start::4], light)
    return result


def _rotation(x: Images, grade: float, rng: Random) -> Images:
    from scipy.ndimage import rotate

    del rng
    return _bytes(rotate(x.astype(np.float32), 90 * grade, axes=(1, 2), reshape=False, order=1), x)


def _shift(x: Images, grade: float, rng: Random) -> Images:
    del rng
    return np.roll(x, max(1, round(0.25 * grade * x.shape[2])), axis=2)


def _marked(mark: Callable[[marks.Image, float, float, Random], marks.Image]) -> Apply:
    """A mark on every image."""

    def apply(x: Images, grade: float, rng: Random) -> Images:
        found = [mark(image.astype(np.float64), _top(x), grade, rng) for image in x]
        return _bytes(np.stack(found), x)

    return apply


IMAGES: Mapping[str, Corruption[Images]] = {
    "blank": Corruption(_blank, lambda _: "all black", ONCE),
    "constant": Corruption(_constant, lambda _: "one random shade", ONCE),
    "inverted": Corruption(_inverted, lambda _: "light and dark exchanged", ONCE),
    "noise": Corruption(_noise, lambda g: f"σ = {20 * g:g} % of white"),
    "blur": Corruption(_blur, lambda g: f"{2 * g:g} px of 28"),
    "contrast": Corruption(_contrast, lambda g: f"{100 - 80 * g:g} % of it"),
    "smaller": Corruption(_half_size, lambda g: f"{100 - 50 * g:g} % of its size"),
    "patch missing": Corruption(_patch_missing, lambda g: f"{50 * g:g} % of a side"),
    "patch pasted": Corruption(
        _patch_pasted, lambda g: f"{50 * g:g} % of a side, of another", of_another=True
    ),
    "patches swapped": Corruption(_patches_swapped, lambda g: f"{50 * g:g} %, left and right"),
    "stripes": Corruption(_stripes, lambda g: f"{100 * g:g} % light, each fourth line"),
    "rotation": Corruption(_rotation, lambda g: f"{90 * g:g}°"),
    "shift": Corruption(_shift, lambda g: f"{25 * g:g} % of the width"),
    "scratch": Corruption(_marked(marks.scratch), lambda g: f"1/{60 / g:g} of a side or 1 px wide"),
    "stain": Corruption(_marked(marks.stain), lambda g: f"1/4 of a side, {60 * g:g} % opaque"),
    "dust": Corruption(_marked(marks.dust), lambda g: f"{marks.specks(g)} specks, 1/50 of a side"),
}


def _some(x: Rows, grade: float, rng: Random) -> NDArray[np.bool_]:
    """Which cells are hit: one column a row at the lowest grade, a half of them at the highest."""
    d = x.shape[1]
    count = max(1, round((grade - GRADES[0]) / (1 - GRADES[0]) * d / 2))
    hit: NDArray[np.bool_] = np.argsort(rng.random(x.shape), axis=1) < count
    return hit


def _stuck(x: Rows, grade: float, rng: Random) -> Rows:
    return np.where(_some(x, grade, rng), x[0], x)


def _unit_error(x: Rows, grade: float, rng: Random) -> Rows:
    return np.where(_some(x, grade, rng), THOUSAND * x, x)


def _swapped(x: Rows, grade: float, rng: Random) -> Rows:
    order = np.argsort(rng.random(x.shape), axis=1)
    pairs = min(x.shape[1] // 2, int(_some(x[:1], grade, rng).sum()))
    first, second, result = order[:, :pairs], order[:, pairs : 2 * pairs], x.copy()
    np.put_along_axis(result, first, np.take_along_axis(x, second, axis=1), axis=1)
    np.put_along_axis(result, second, np.take_along_axis(x, first, axis=1), axis=1)
    return result


def _permuted(x: Rows, grade: float, rng: Random) -> Rows:
    return np.where(_some(x, grade, rng), rng.permuted(x, axis=0), x)


def _zero(x: Rows, grade: float, rng: Random) -> Rows:
    return np.where(_some(x, grade, rng), 0.0, x)


def _jitter(x: Rows, grade: float, rng: Random) -> Rows:
    spread = x.std(axis=0)
    return np.where(_some(x, grade, rng), x + rng.normal(size=x.shape) * 3 * grade * spread, x)


def _columns(grade: float) -> str:
    return {0.25: "one column", 0.5: "a sixth of all, or one"}.get(grade, "half of all columns")


TABLES: Mapping[str, Corruption[Rows]] = {
    "column stuck": Corruption(_stuck, lambda g: f"at one row's value: {_columns(g)}"),
    "unit error": Corruption(_unit_error, lambda g: f"× 1000: {_columns(g)}"),
    "columns swapped": Corruption(_swapped, lambda g: f"in pairs: {_columns(g)}"),
    "column permuted": Corruption(_permuted, lambda g: f"against the rest: {_columns(g)}"),
    "missing as 0": Corruption(_zero, _columns),
    "noise": Corruption(_jitter, lambda g: f"σ × {3 * g:g}: {_columns(g)}"),
}


def _top(x: Images) -> int:
    """The largest level there is: white."""
    return max(1, int(x.max()))


def _side(x: Images) -> int:
    return int(min(x.shape[1:3]))


def _bytes(values: NDArray[np.floating], like: Images) -> Images:
    result: Images = np.clip(np.rint(values), 0, _top(like)).astype(np.uint8)
    return result


def _border(x: Images) -> Images:
    """The outermost pixels, ``[n, …]``: what the ground of an image looks like."""
    edges = [x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]]
    return np.concatenate([edge.reshape(len(x), -1) for edge in edges], axis=1)


def _places(x: Images, grade: float, rng: Random) -> list[tuple[slice, slice]]:
    """A square somewhere in each image."""
    size = max(1, round(0.5 * grade * _side(x)))
    tops = rng.integers(0, x.shape[1] - size + 1, len(x))
    lefts = rng.integers(0, x.shape[2] - size + 1, len(x))
    return [(slice(t, t + size), slice(s, s + size)) for t, s in zip(tops, lefts, strict=True)]
