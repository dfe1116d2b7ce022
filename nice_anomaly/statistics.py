"""Statistics: what can be said of an image besides its log-likelihood, for a judge.

NICE's log-determinant is the same for every x, so log p(x) splits exactly into one term a latent.
In bands of the order of falling variance these terms say *where* an image is unusual, not only
how much in all. Beside them: the energy of the whitened input in the same bands, how simple the
pixels are, as the length of their code (Serrà et al. 2020) and as the errors of a predictor, and
where in the frame what is not ground lies.
"""

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.flow import Flow

BANDS = 10  # at most, of logarithmic width
FASTEST = 1  # zlib's level: the code needs to be comparable, not short
WORKERS = 2
SMALLEST_ENERGY = 1e-3
EMPTY = 1e-3  # mass of an image that is all ground: it lies in the middle

LATENTS, INPUT, CODE = "latent bands", "input bands", "code length"
ROUGHNESS, EXTENT = "roughness", "extent"
PARTS = {  # what each score looks at, one density in each bracket
    "latents": ((LATENTS, CODE),),
    "input": ((INPUT, CODE, ROUGHNESS), (EXTENT,)),
    "auto": ((LATENTS, CODE), (INPUT, CODE, ROUGHNESS), (EXTENT,)),
}


def band_edges(dimensions: int) -> list[int]:
    """Where bands begin and end, on a logarithmic scale.

    >>> band_edges(784)
    [0, 1, 2, 5, 12, 28, 64, 148, 341, 784]
    """
    edges = np.rint(np.geomspace(1, dimensions, BANDS - 1)).astype(int)
    return [0, *np.unique(edges).tolist()]


def views(score: str, dimensions: int) -> list[list[int]]:
    """The columns of ``statistics`` that each density of a score looks at."""
    bands = len(band_edges(dimensions)) - 1
    widths = {LATENTS: bands, INPUT: bands, CODE: 1, ROUGHNESS: 3, EXTENT: 7}
    starts = dict(zip(widths, np.cumsum([1, *widths.values()]).tolist(), strict=False))
    return [
        [column for part in parts for column in range(starts[part], starts[part] + widths[part])]
        for parts in PARTS[score]
    ]


def statistics(flow: Flow, x: Tensor, raw: Tensor, shape: Sequence[int]) -> NDArray[np.float64]:
    """Of images ``x`` and their bytes ``raw``, both ``[n, d]``; ``[n, S]``, see ``views``.

    ``shape`` is (height, width) or (height, width, 3). The prior has to be one of independent
    latents. The first column is log p(x).
    """
    z, first = flow.whitening(x)
    y, second = flow.couplings(z)
    h, third = flow.scaling(y)
    each = flow.prior.log_prob(h)
    log_likelihood = each.sum(dim=1, dtype=torch.float64) + (first + second + third)
    terms = _banded(each)
    energies = (_banded(z.square()) + SMALLEST_ENERGY).log()
    pixels = raw.cpu().numpy()
    images = pixels.reshape(-1, *shape)
    return np.column_stack(
        [
            log_likelihood.cpu().numpy(),
            terms.double().cpu().numpy(),
            energies.double().cpu().numpy(),
            np.log(code_lengths(pixels)),
            roughness(images),
            extent(images),
        ]
    )


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
    found: NDArray[np.float64] = torch.cat(columns, dim=1).double().numpy()
    return found


def _lengths(rows: list[bytes]) -> list[int]:
    return [len(zlib.compress(row, FASTEST)) for row in rows]


def _banded(values: Tensor) -> Tensor:
    """Means over the bands of ``[n, d]``."""
    edges = band_edges(values.shape[1])
    weights = values.new_zeros(values.shape[1], len(edges) - 1)
    for band, (i, j) in enumerate(pairwise(edges)):
        weights[i:j, band] = 1 / (j - i)
    with torch.autocast(values.device.type, enabled=False):  # sums stay in float32
        return values.float() @ weights.float()


_BITS = np.log2(1 + np.arange(512)).astype(np.float32)
