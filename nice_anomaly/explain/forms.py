"""Quadratic forms of blocks: how much a block alone could say, and the step that says it."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nice_anomaly.explain.blocks import Blocks

WRITTEN_OUT = 2_048  # rows: 34 MB
AT_ONCE = 8_000_000  # numbers of float64 to hold while matrices are made


@dataclass(frozen=True)
class Matrix:
    """A symmetric positive matrix A = a I + U diag(b) Uᵀ, written out only if it is small; float64.

    ``base`` is a, as a number or a diagonal ``[d]``; ``factor`` is U ``[d, r]``, ``weights`` b
    ``[r]``.
    """

    base: Tensor
    factor: Tensor
    weights: Tensor

    def __matmul__(self, rows: Tensor) -> Tensor:
        """A v of every row v of ``[n, d]``."""
        return rows * self.base + ((rows @ self.factor) * self.weights) @ self.factor.T

    def within(self, places: Tensor) -> Tensor:
        """A_SS for every row S of ``places`` ``[m, s]``, ``[m, s, s]``."""
        base = self.base.expand(len(self.factor))
        if len(base) <= WRITTEN_OUT:
            return self._whole[places[:, :, None], places[:, None, :]]
        part = self.factor[places]
        found = (part * self.weights) @ part.mT
        found.diagonal(dim1=1, dim2=2).add_(base[places])
        return found

    @cached_property
    def _whole(self) -> Tensor:
        base = self.base.expand(len(self.factor))
        return (self.factor * self.weights) @ self.factor.T + base.diag()


@dataclass(frozen=True)
class Form:
    """½ v_Sᵀ (A_SS)⁻¹ v_S for all blocks S of one size; ``inverse`` ``[m, s, s]`` is L⁻¹ of
    A_SS = L Lᵀ, in float32.
    """

    blocks: Blocks
    places: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, matrix: Matrix, blocks: Blocks) -> "Form":
        """From A, some blocks at a time."""
        places = torch.from_numpy(blocks.values)
        each = places.shape[1] * max(places.shape[1], len(matrix.weights))
        parts = [_inverses(matrix.within(some)) for some in places.split(max(1, AT_ONCE // each))]
        return cls(blocks, places, torch.cat(parts))

    def __call__(self, v: Tensor) -> Tensor:
        """The value of every block, ``[n, m]`` from ``[n, d]`` float32."""
        within = v.T.contiguous()[self.places]
        values = (self.inverse @ within).square_().sum(dim=1)
        return values.mul_(0.5).T

    def steps(self, v: Tensor, chosen: Tensor) -> Tensor:
        """(A_SS)⁻¹ v_S of the ``chosen`` blocks ``[c]``, one for every row of ``v`` ``[c, d]``."""
        inverse = self.inverse[chosen]
        within = v.gather(1, self.places[chosen])[:, :, None]
        return (inverse.mT @ (inverse @ within))[:, :, 0]


def _inverses(matrices: Tensor) -> Tensor:
    lower = torch.linalg.cholesky(matrices)
    one = torch.eye(matrices.shape[-1], dtype=matrices.dtype)
    found: Tensor = torch.linalg.solve_triangular(lower, one, upper=False)
    return found.float()
