"""Neighbours: how far a row is from the rows that were learned, and which of them is nearest.

Distances are measured twice: in x, the standardised columns, and in z, where the rows' own
covariance with the noise of training is the identity. The first sees a value far from all others,
the second a combination of values that the learned rows do not have. How much farther apart a row
lies in x than its neighbours do tells what is odd where normal rows lie densely and thinly (as the
local outlier factor does; Breunig et al. 2000).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.limits import limit
from nice_anomaly.runtime import threads_for

MOST = 10_000  # rows
NEAREST = 5  # of which the mean distance counts: a copy or one bad row among them says little
LEAST_NOISE = 1e-2  # standard deviations: no direction counts for more than a hundred of them
TOGETHER = 256  # rows asked at a time: their products stay in the cache
ALIGNMENT = 64  # matrix kernels round otherwise for few rows: short pieces are filled up to this
BLOCK = 64  # learned rows of which the nearest is looked for first
CANDIDATES = 8  # learned rows whose distance is computed exactly

Places = NDArray[np.int64]
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Learned rows ``x`` ``[m, d]`` float32, and the map that whitens them.

    z = y - V ((1 - s) ⊙ Vᵀ y) with y = x / ``noise``, where V ``[d, r]`` are the ``axes`` of the
    covariance of y and s = (1 + variance)^(-1/2) ``[r]`` the ``shrink`` along them: the covariance
    of z, with that of the noise, is the identity. ``spacing`` ``[m]`` is ln r of every row beside
    the others, with r² the square of the mean distance to the five nearest in x and of what the
    noise adds to it, |``noise``|²: copies are not infinitely close. ``places`` ``[m]``, in
    increasing order, are theirs among all rows that were learned, ``names`` what they are called.
    """

    x: Tensor
    noise: Tensor
    axes: Tensor
    shrink: Tensor
    spacing: Tensor
    places: Places
    names: tuple[str, ...]

    @classmethod
    def of(
        cls, x: Tensor, noise_variance: Tensor, places: Places, names: tuple[str, ...]
    ) -> "Neighbours":
        """From learned rows and the variance that training adds to each coordinate, ``[d]``."""
        noise = noise_variance.double().sqrt().clamp_min(LEAST_NOISE)
        axes, variances = _principal(x.double() / noise)
        maps = noise.float(), axes.float(), (1 + variances).rsqrt().float()
        found = cls(x, *maps, torch.zeros(len(x)), places, names)
        return replace(found, spacing=found._among_themselves())

    def distances(self, x: Tensor, own: Places | None = None) -> Array:
        """The mean to the five nearest learned rows in x and in z, of ``x`` ``[n, d]``.

        The third of the ``[n, 3]`` is ln r less the mean ln r of the five nearest in x. ``own``
        ``[n]`` are the places of those that were learned: a row is no neighbour of itself.
        """
        found = [np.empty((0, 3))]
        for near in self._asked(x, own):
            among = self.spacing[near.places[:, 0]].double().mean(dim=1)
            local = self._log_spacing(near.mean[:, 0]) - among
            found.append(torch.cat([near.mean, local[:, None]], dim=1).numpy())
        return np.concatenate(found)

    def nearest(self, x: Tensor) -> Places:
        """Which of the kept rows is the nearest in x and in z, ``[n, 2]``."""
        found = [near.places[:, :, 0].numpy() for near in self._asked(x, None)]
        return np.concatenate([np.empty((0, 2), dtype=np.int64), *found])

    def whitened(self, x: Tensor) -> Tensor:
        """z of rows ``x`` ``[n, d]``."""
        y, axes = (x / self.noise).double(), self.axes.double()  # a place in a piece rounds float32
        return (y - (y @ axes * (1 - self.shrink.double())) @ axes.T).float()

    def _among_themselves(self) -> Tensor:
        far = [near.mean[:, 0] for near in self._asked(self.x, self.places)]
        return self._log_spacing(torch.cat(far)).float()

    def _log_spacing(self, mean: Tensor) -> Tensor:
        return (mean.square() + self.noise.double().square().sum()).log() / 2

    @cached_property
    def _indices(self) -> "tuple[_Index, _Index]":
        z = torch.cat(
            [self.whitened(_filled(part))[: len(part)] for part in self.x.split(TOGETHER)]
        )
        return _Index.of(self.x), _Index.of(z)

    def _asked(self, x: Tensor, own: Places | None) -> "Iterator[_Near]":
        """A piece after the other."""
        hidden = None if own is None else torch.from_numpy(self._kept(own))
        with torch.inference_mode(), threads_for(2.0 * TOGETHER * self.x.numel()):
            for start in range(0, len(x), TOGETHER):
                part = x[start : start + TOGETHER].cpu()
                some = None if hidden is None else hidden[start : start + TOGETHER]
                filled = _filled(part)
                both = filled, self.whitened(filled)
                pairs = zip(self._indices, both, strict=True)
                yield _Near.of([index.asked(one, len(part), some) for index, one in pairs])

    def _kept(self, places: Places) -> Places:
        """Which kept row a learned one is, -1 for those that were not kept."""
        found = np.searchsorted(self.places, places).clip(max=len(self.places) - 1)
        return np.where(self.places[found] == places, found, -1)


def chosen(n: int, dimensions: int, seed: int) -> Places:
    """Which of ``n`` learned rows are kept, in order; none where too few can be.

    >>> chosen(4, 2, seed=0), len(chosen(20_000, 2, seed=0)), len(chosen(20_000, 16_384, seed=0))
    (array([], dtype=int64), 10000, 1024)
    """
    most = min(MOST, limit("neighbours") // (4 * dimensions))
    if min(n, most) <= NEAREST:
        return np.empty(0, dtype=np.int64)
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


@dataclass(frozen=True, eq=False)
class _Near:
    """The mean distance to the nearest rows ``[n, 2]``, and which they are ``[n, 2, NEAREST]``."""

    mean: Tensor
    places: Tensor

    @classmethod
    def of(cls, each: list[tuple[Tensor, Tensor]]) -> "_Near":
        mean, places = (torch.stack([*some], dim=1) for some in zip(*each, strict=True))
        return cls(mean, places)


@dataclass(frozen=True, eq=False)
class _Index:
    """Rows ``[m, d]``, and from their ``centre`` on -2 y and |y|² as ``[d + 1, m filled up]``.

    A product with it is |x - y|² - |x|² of all, in float32; it tells which come near. Their
    distances are then computed from differences, where nothing cancels.
    """

    rows: Tensor
    centre: Tensor
    product: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> "_Index":
        missing, (m, d) = -len(rows) % BLOCK, rows.shape
        product = torch.zeros(d + 1, m + missing)
        centre = rows.double().mean(dim=0).float()
        y = rows - centre
        product[:-1, :m], product[-1, :m] = -2 * y.T, y.square().sum(dim=1)
        product[-1, m:] = torch.inf
        return cls(rows, centre, product)

    def asked(self, x: Tensor, n: int, hidden: Tensor | None) -> tuple[Tensor, Tensor]:
        """Of the first ``n`` rows of ``x`` the mean distance, and the places of the nearest.

        ``hidden`` ``[n]`` are places that do not count, -1 for none.
        """
        far = torch.mm(_and_one(x - self.centre), self.product)[:n]
        if hidden is not None:
            rows = torch.nonzero(hidden >= 0)[:, 0]
            far[rows, hidden[rows]] = torch.inf
        blocks = far.view(n, -1, BLOCK)
        some = min(CANDIDATES, blocks.shape[1])
        best = blocks.amin(dim=2).topk(some, dim=1, largest=False, sorted=False).indices
        every = blocks.gather(1, best[:, :, None].expand(-1, -1, BLOCK)).flatten(1)
        near = every.topk(CANDIDATES, dim=1, largest=False, sorted=False)
        places = best.gather(1, near.indices // BLOCK) * BLOCK + near.indices % BLOCK
        places = places.clamp(max=len(self.rows) - 1)
        squares = (self.rows[places] - x[:n, None]).square_().sum(dim=2)
        squares.masked_fill_(near.values == torch.inf, torch.inf)
        order = squares.sort(dim=1)
        mean = order.values[:, :NEAREST].double().sqrt().mean(dim=1)
        return mean, places.gather(1, order.indices[:, :NEAREST])


def _principal(y: Tensor) -> tuple[Tensor, Tensor]:
    """The axes ``[d, r]`` of rows ``[m, d]`` and the variances along them, r ≤ min(m, d)."""
    y = y - y.mean(dim=0)
    m, d = y.shape
    if d <= m:
        variances, axes = torch.linalg.eigh(y.T @ y / m)
        return axes, variances.clamp_min(0)
    variances, scores = torch.linalg.eigh(y @ y.T / m)
    there = variances > variances.max() * m * torch.finfo(y.dtype).eps
    variances, scores = variances[there], scores[:, there]
    return y.T @ scores / (m * variances).sqrt(), variances


def _and_one(x: Tensor) -> Tensor:
    return torch.cat([x, x.new_ones(len(x), 1)], dim=1)


def _filled(x: Tensor) -> Tensor:
    return torch.cat([x, x[:1].expand(-len(x) % ALIGNMENT, -1)])
