"""Preprocessing: one fixed map from raw values to what the flow sees.

The same object serves training, calibration and detection and lives in the run folder. It is
the same affine map for every sample; nothing is rescaled sample by sample, or likelihoods could
not be compared.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.errors import DataError

CHUNK = 4096


@dataclass(frozen=True)
class Preprocess:
    """x = (raw + u · step - shift) / scale, coordinate by coordinate.

    All fields are ``[d]`` float64. Integer samples are mapped in float32, which holds them
    exactly; others in float64, where a large offset does not cancel; x comes out as float32.

    Integer values are dequantised (Uria et al. 2013; Theis et al. 2016): ``step`` is the width
    of one level, u ~ U[0, 1) in training and u = ½, the middle of the level, when scoring.
    Continuous values have step 0 and get Gaussian ``noise`` (in units of x) in training only.

    Log-likelihoods are densities in ``unit``: per full range for images (the convention of
    the NICE paper, data on [0, 1]), per unit of the column for tables. ``log_jacobian`` is what
    has to be added to the flow's log p(x) for that, Σ ln(unit_i / scale_i).
    """

    step: Tensor
    shift: Tensor
    scale: Tensor
    unit: Tensor
    noise: Tensor

    @classmethod
    def for_levels(cls, dimensions: int, levels: int) -> "Preprocess":
        """Integer values 0 … levels - 1 to [0, 1].

        >>> Preprocess.for_levels(1, 256).midpoint(torch.tensor([[255]])).item()
        0.998046875
        """
        one = torch.ones(dimensions, dtype=torch.float64)
        return cls(one, 0 * one, levels * one, levels * one, 0 * one)

    @classmethod
    def for_columns(cls, rows: NDArray[np.float64], noise: float) -> "Preprocess":
        """Continuous columns to mean 0 and standard deviation 1, measured on ``rows`` ``[n, d]``.

        Raises:
            DataError: a column is constant: its density has no finite maximum.
        """
        mean, std = rows.mean(axis=0), rows.std(axis=0)
        constant = np.flatnonzero(std <= 1e-12 * np.maximum(1.0, np.abs(mean)))
        if len(constant):
            raise DataError(
                f"column {constant[0]} (counted from 0) has the same value, {mean[constant[0]]:g}, "
                f"in all {len(rows):,} normal rows: leave it out."
            )
        shift, scale = torch.from_numpy(mean), torch.from_numpy(std)
        one = torch.ones_like(shift)
        return cls(0 * one, shift, scale, one, noise * one)

    @property
    def log_jacobian(self) -> float:
        """Nats to add to log p(x) for the density in ``unit``; 0 for images on [0, 1]."""
        return float((self.unit.log() - self.scale.log()).sum())

    @property
    def noise_variance(self) -> Tensor:
        """Variance per coordinate, in units of x, that training adds: step²/12 + noise²."""
        return (self.step / self.scale).square() / 12 + self.noise.square()

    def bits_per_dim(self, log_likelihood: float) -> float | None:
        """A log-likelihood in nats as bits per coordinate; None for continuous columns.

        (Σ log2(unit_i / step_i) - LL / ln 2) / d, which is 8 - LL / (d ln 2) for bytes on [0, 1].

        >>> Preprocess.for_levels(784, 256).bits_per_dim(0.0)
        8.0
        """
        if not self.step.all():
            return None
        levels = float((self.unit / self.step).log2().sum())
        return (levels - log_likelihood / math.log(2)) / len(self.step)

    def midpoint(self, raw: Tensor) -> Tensor:
        """Raw ``[n, d]`` to the flow's x without randomness: what scoring uses."""
        return self._affine(_floating(raw), 0.5 * self.step)

    def dequantise(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        """Raw ``[n, d]`` to the flow's x with fresh noise: what training uses."""
        inside = _floating(raw)
        if self.step.any():
            u = _uniform(inside.shape, generator)
            inside = torch.addcmul(inside, u.to(inside.dtype), self.step.to(inside.dtype))
        x = self._affine(inside, 0 * self.step)
        if self.noise.any():
            x += self.noise.float() * torch.randn(x.shape, generator=generator, device=x.device)
        return x

    def _affine(self, raw: Tensor, offset: Tensor) -> Tensor:
        factor, constant = 1 / self.scale, (offset - self.shift) / self.scale
        return torch.addcmul(constant.to(raw.dtype), raw, factor.to(raw.dtype)).float()

    def to_raw(self, x: Tensor) -> Tensor:
        """The flow's x back to raw values, rounded down to a level where there are levels."""
        raw = x.double() * self.scale + self.shift
        return torch.where(self.step > 0, raw.floor(), raw)

    def moments(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Mean ``[d]`` and covariance ``[d, d]`` in float64 of x over all of ``raw``.

        The variance of the training noise is added to the diagonal exactly, not sampled.
        """
        total = torch.zeros(raw.shape[1], dtype=torch.float64)
        products = torch.zeros(raw.shape[1], raw.shape[1], dtype=torch.float64)
        reference = self.midpoint(raw[:1]).double()  # keeps the products small: no cancellation
        for chunk in raw.split(CHUNK):
            x = self.midpoint(chunk).double() - reference
            total += x.sum(dim=0)
            products += x.T @ x
        mean = total / len(raw)
        covariance = products / len(raw) - torch.outer(mean, mean)
        return mean + reference[0], covariance + self.noise_variance.diag()

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The fields by name, for storing; ``Preprocess(**stored)`` is the way back."""
        for field in fields(self):
            yield field.name, getattr(self, field.name)

    def to(self, device: torch.device) -> "Preprocess":
        """The same map on another device."""
        return Preprocess(**{name: tensor.to(device) for name, tensor in self.tensors()})


def _floating(raw: Tensor) -> Tensor:
    return raw if raw.is_floating_point() else raw.float()


def _uniform(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """U(0, 1) in steps of 2⁻¹⁶, four values a random word: a third of the time of torch.rand."""
    words = torch.empty(-(-shape.numel() // 4), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)
    values = words.view(torch.int16)[: shape.numel()].view(shape)
    return values.float().add_(2**15 + 0.5).mul_(2**-16)
