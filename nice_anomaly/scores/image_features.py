"""Image features: what can be said of an image besides its log-likelihood.

Where log p(x) is a sum over latents in the order of falling variance, the terms in bands of that
order say *where* an image is unusual, not only how much in all. Beside them: the energy of the
whitened input in the same bands, how simple the pixels are, as the length of their code (Serrà et
al. 2020) and as the errors of a predictor, and where in the frame what is not ground lies.
"""

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.density import Split
from nice_anomaly.vocabulary import ScoreName

BANDS = 10  # at most, of logarithmic width
FASTEST = 1  # zlib's level: the code needs to be comparable, not short
WORKERS = 2
SMALLEST_ENERGY = 1e-3
EMPTY = 1e-3  # mass added to every image, so that a blank one has a centre: the middle


@dataclass(frozen=True)
class Image:
    """What features are made of, for n images: the model's ``split`` and the raw ``pixels``.

    ``pixels`` are ``[n, d]`` uint8; ``shape`` is (height, width) or (height, width, 3).
    """

    split: Split
    pixels: NDArray[np.uint8]
    shape: tuple[int, ...]

    @property
    def images(self) -> NDArray[np.uint8]:
        """``[n, height, width(, 3)]``."""
        return self.pixels.reshape(-1, *self.shape)


@dataclass(frozen=True)
class Feature:
    """One kind of feature: ``of`` gives ``[n, columns]``, as many columns as there are ``bands``
    or a fixed number.
    """

    name: str
    of: Callable[[Image], NDArray[np.float64]]
    columns: int | None = None  # None: one a band

    def width(self, dimensions: int) -> int:
        """Columns for images of so many values."""
        return len(band_edges(dimensions)) - 1 if self.columns is None else self.columns


def band_edges(dimensions: int) -> list[int]:
    """Where bands begin and end, on a logarithmic scale.

    >>> band_edges(784)
    [0, 1, 2, 5, 12, 28, 64, 148, 341, 784]
    """
    edges = np.rint(np.geomspace(1, dimensions, BANDS - 1)).astype(int)
    return [0, *np.unique(edges).tolist()]


def views(score: ScoreName, dimensions: int) -> list[list[int]]:
    """The columns of ``image_features`` that each density of a score is fitted on."""
    ends = list(accumulate((f.width(dimensions) for f in FEATURES), initial=1))
    columns = {f.name: range(*span) for f, span in zip(FEATURES, pairwise(ends), strict=True)}
    return [[column for name in names for column in columns[name]] for names in VIEWS[score]]


def image_features(split: Split, raw: Tensor, shape: Sequence[int]) -> NDArray[np.float64]:
    """Features of images ``raw`` ``[n, d]`` uint8 as ``[n, 1 + S]``; the first is log p(x).

    The others stand in the order of ``FEATURES``.
    """
    image = Image(split, raw.cpu().numpy(), tuple(shape))
    log_likelihood = split.log_likelihood.cpu().numpy()
    return np.column_stack([log_likelihood, *(feature.of(image) for feature in FEATURES)])


def latent_bands(image: Image) -> NDArray[np.float64]:
    """The mean term of log p(x) in each band, ``[n, bands]``."""
    return _array(_banded(image.split.terms))


def input_bands(image: Image) -> NDArray[np.float64]:
    """The log of the mean energy of the whitened input in each band, ``[n, bands]``."""
    return _array((_banded(image.split.whitened.square()) + SMALLEST_ENERGY).log())


def code_lengths(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Bytes that zlib makes of each row of ``[n, d]``: simple images have short codes.

    >>> bool(np.all(np.diff(code_lengths(np.array([[0] * 99, [0, 7, 1] * 33], np.uint8))) > 0))
    True
    """
    rows = [row.tobytes() for row in np.ascontiguousarray(pixels)]
    parts = [rows[start::WORKERS] for start in range(WORKERS)]
    lengths = np.empty(len(rows))
    with ThreadPoolExecutor(WORKERS) as pool:
        for start, found in enumerate(pool.map(_lengths, parts)):
            lengths[start::WORKERS] = found
    return lengths


def roughness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How badly neighbours predict a pixel, ``[n, 3]`` from ``[n, height, width(, channels)]``.

    The predictor is the median edge detector of JPEG-LS (Weinberger et al. 2000). The columns are
    Σ log2(1 + |error|), about the bits of a code, the number of errors, and the mean step between
    neighbours.

    >>> roughness(np.full((1, 4, 4), 9, np.uint8))[0, 1:].tolist()
    [1.0, 0.0]
    """
    with ThreadPoolExecutor(WORKERS) as pool:  # numpy works outside Python's lock
        parts = [part for part in np.array_split(images, WORKERS) if len(part)]
        return np.concatenate([*pool.map(_roughness, parts)])


def extent(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Where what differs from the ground lies, ``[n, 7]`` from ``[n, height, width(, channels)]``.

    The ground is the median of the four corners. The columns are the centre of mass (y, x) and the
    variance around it (y, x), in pixels; the mean and the standard deviation of the difference,
    and the share of pixels that do not differ.

    >>> one = np.zeros((1, 5, 5), np.uint8); one[0, 1, 3] = 50
    >>> (extent(one) + 0.0).round(1).tolist()
    [[1.0, 3.0, 0.0, 0.0, 2.0, 9.8, 1.0]]
    """
    x = torch.from_numpy(np.ascontiguousarray(images)).float()
    if x.ndim == 4:
        x = x.mean(dim=3)
    n, height, width = x.shape
    corners = x[:, [0, 0, -1, -1], [0, -1, 0, -1]].sort(dim=1).values
    mass = x.view(n, -1).sub_(corners[:, 1:3].mean(dim=1, keepdim=True)).abs_()
    down = torch.arange(height).sub((height - 1) / 2).repeat_interleave(width)
    right = torch.arange(width).sub((width - 1) / 2).repeat(height)
    basis = torch.stack([torch.ones_like(down), down, right, down.square(), right.square()], dim=1)
    sums = (mass @ basis).double()  # coordinates from the middle: small numbers, nothing cancels
    total = sums[:, :1] + EMPTY
    centre, square = sums[:, 1:3] / total, sums[:, 3:] / total
    size = height * width
    mean = sums[:, :1] / size
    power = torch.linalg.vector_norm(mass, dim=1, keepdim=True).double().square() / size
    middle = torch.tensor([(height - 1) / 2, (width - 1) / 2])
    alike = 1 - mass.count_nonzero(dim=1)[:, None] / size
    spread = (power - mean.square()).clamp(min=0).sqrt()
    columns = [centre + middle, square - centre.square(), mean, spread, alike]
    return _array(torch.cat(columns, dim=1))


FEATURES = (
    Feature("latent bands", latent_bands),
    Feature("input bands", input_bands),
    Feature("code length", lambda image: np.log(code_lengths(image.pixels))[:, None], 1),
    Feature("roughness", lambda image: roughness(image.images), 3),
    Feature("extent", lambda image: extent(image.images), 7),
)
LATENT, INPUT, WHERE = (
    ("latent bands", "code length"),
    ("input bands", "code length", "roughness"),
    ("extent",),
)
VIEWS: dict[ScoreName, tuple[tuple[str, ...], ...]] = {  # one density in each bracket
    "latents": (LATENT,),
    "input": (INPUT, WHERE),
    "auto": (LATENT, INPUT, WHERE),
}


def _lengths(rows: list[bytes]) -> list[int]:
    return [len(zlib.compress(row, FASTEST)) for row in rows]


def _roughness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    x = images.astype(np.int16)
    before = ((0, 0), (1, 0), (1, 0)) + ((0, 0),) * (x.ndim - 3)
    padded = np.pad(x, before)
    left, above, corner = padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, :-1, :-1]
    low, high = np.minimum(left, above), np.maximum(left, above)
    predicted = np.clip(left + above - corner, low, high)
    errors = np.abs(x - predicted).reshape(len(x), -1)
    steps = [np.abs(np.diff(x, axis=axis)).reshape(len(x), -1).mean(axis=1) for axis in (1, 2)]
    return np.column_stack([_BITS[errors].sum(axis=1), (errors > 0).sum(axis=1), sum(steps)])


def _banded(values: Tensor) -> Tensor:
    """Means over the bands of ``[n, d]``."""
    edges = band_edges(values.shape[1])
    weights = values.new_zeros(values.shape[1], len(edges) - 1)
    for band, (i, j) in enumerate(pairwise(edges)):
        weights[i:j, band] = 1 / (j - i)
    with torch.autocast(values.device.type, enabled=False):  # sums stay in float32
        return values.float() @ weights.float()


def _array(values: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values.double().cpu().numpy()
    return found


_BITS = np.log2(1 + np.arange(512)).astype(np.float32)
