"""Bound: VLB^(K), a lower bound on log p(x) that rises to it with the number K of draws."""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

DRAWN = 64  # draws a time: a number of its own, so that no other number changes what is drawn


def log_mean_exp(pieces: Iterable[Tensor]) -> Tensor:
    """log (1/K) Σ_k exp(w_k) over the rows of all pieces ``[k, n]``, ``[n]`` in float64.

    Row after row, so that memory and the last digit depend neither on K nor on the pieces.

    Raises:
        ValueError: there are no rows.

    >>> two = torch.tensor([[0.0], [math.log(3.0)]])
    >>> round(log_mean_exp([two]).exp().item(), 6), round(log_mean_exp(two[:, None]).item(), 6)
    (2.0, 0.693147)
    """
    total: Tensor | None = None
    count = 0
    for piece in pieces:
        for row in piece.double():
            total = row if total is None else torch.logaddexp(total, row)
            count += 1
    if total is None:
        raise ValueError("a mean of no draws")
    return total - math.log(count)


def standard_normals(draws: int, latents: int, seed: int) -> Iterator[Tensor]:
    """The same ``draws`` standard normal rows for the same seed, ``[≤ 64, latents]`` at a time.

    Drawn on the processor whatever the device, and fewer draws are the beginning of more.
    """
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, draws, DRAWN):
        yield torch.randn(DRAWN, latents, generator=generator)[: draws - start]
