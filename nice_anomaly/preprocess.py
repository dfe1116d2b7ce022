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

CHUNK = 4096
TAIL_GAIN = 2.0  # nats: a Cauchy column has 2.7, a log-normal one of σ = 1.5 has 1.4
FARTHEST = 1e4  # standard deviations; a column's 1e300 must not become infinite in float32


@dataclass(frozen=True)
class Preprocess:
    """x = (v - shift) / scale with v = raw + u · step, coordinate by coordinate.

    All fields are ``[d]`` float64. Integer samples are mapped in float32, which holds them
    exactly; others in float64, where a large offset does not cancel; x comes out as float32.

    Integer values are dequantised (Uria et al. 2013; Theis et al. 2016): ``step`` is the width
    of one level, u ~ U[0, 1) in training and u = ½, the middle of the level, when scoring.
    Columns get Gaussian ``noise`` (in units of x) in training only. A coordinate with a heavy
    tail has ``tail`` > 0 and goes through a fixed monotone map, x = asinh(tail · (v - shift)) /
    scale, which is linear near ``shift`` and logarithmic far from it (Johnson 1949).

    Log-likelihoods are densities in ``unit``: per full range for images (the convention of
    the NICE paper, data on [0, 1]), per unit of the column for tables. ``log_jacobian`` is what
    has to be added to the flow's log p(x) for that.
    """

    step: Tensor
    shift: Tensor
    scale: Tensor
    unit: Tensor
    noise: Tensor
    tail: Tensor

    @classmethod
    def for_levels(cls, dimensions: int, levels: int) -> "Preprocess":
        """Integer values 0 … levels - 1 to [0, 1].

        >>> Preprocess.for_levels(1, 256).midpoint(torch.tensor([[255]])).item()
        0.998046875
        """
        one = torch.ones(dimensions, dtype=torch.float64)
        return cls(one, 0 * one, levels * one, levels * one, 0 * one, 0 * one)

    @classmethod
    def for_columns(
        cls,
        rows: NDArray[np.float64],
        noise: float,
        steps: NDArray[np.float64] | None = None,
    ) -> "Preprocess":
        """Columns to mean 0 and standard deviation 1, measured on ``rows`` ``[n, d]``.

        A column that never changes is scaled by a tenth of its value (by 1 if that is 0): what
        was always the same is then improbable when it is not. Where ``steps`` says that values
        lie on a grid, they are dequantised by it; elsewhere a column whose spread is that of a
        few far values gets a ``tail``.
        """
        steps = np.zeros(rows.shape[1]) if steps is None else steps
        mean, std = rows.mean(axis=0) + steps / 2, np.sqrt(rows.var(axis=0) + steps**2 / 12)
        still = std <= 1e-12 * np.maximum(1.0, np.abs(mean))
        std = np.where(still, np.where(mean == 0, 1.0, np.abs(mean) / 10), std)
        step, shift, scale = (torch.from_numpy(array) for array in (steps, mean, std))
        one = torch.ones_like(shift)
        tail = 0 * one
        for i in np.flatnonzero((steps == 0) & ~still):
            shift[i], scale[i], tail[i] = _tamed(rows[:, i], mean[i], std[i])
        return cls(step, shift, scale, one, noise * one, tail)

    def log_jacobian(self, raw: Tensor) -> Tensor:
        """Nats to add to log p(x) for the density in ``unit``, ``[n]``; 0 for images on [0, 1].

        Σ ln(unit_i · dx_i/dv_i), where dx/dv is 1 / scale, and in a heavy tail
        tail / (scale · √(1 + (tail · (v - shift))²)).
        """
        constant = (self.unit.log() - self.scale.log()).sum()
        far = self.tail > 0
        if not far.any():
            return constant.expand(len(raw))
        tail, shift = self.tail[far], self.shift[far]
        t = tail * (raw[:, far] - shift)
        return constant + (tail.log() - 0.5 * torch.log1p(t.square())).sum(dim=1)

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
        return self._mapped(_floating(raw), 0.5 * self.step)

    def dequantise(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        """Raw ``[n, d]`` to the flow's x with fresh noise: what training uses."""
        inside = _floating(raw)
        if self.step.any():
            u = _uniform(inside.shape, generator)
            inside = torch.addcmul(inside, u.to(inside.dtype), self.step.to(inside.dtype))
        x = self._mapped(inside, 0 * self.step)
        if self.noise.any():
            x += self.noise.float() * torch.randn(x.shape, generator=generator, device=x.device)
        return x

    def _mapped(self, raw: Tensor, offset: Tensor) -> Tensor:
        factor, constant = 1 / self.scale, (offset - self.shift) / self.scale
        x = torch.addcmul(constant.to(raw.dtype), raw, factor.to(raw.dtype))
        if raw.dtype != torch.float64:
            return x
        far = self.tail > 0
        if far.any():
            x[:, far] = torch.asinh(self.tail[far] * self.scale[far] * x[:, far]) * factor[far]
        return x.clamp_(-FARTHEST, FARTHEST).float()

    def to_raw(self, x: Tensor) -> Tensor:
        """The flow's x back to raw values, rounded down to a level where there are levels."""
        v = x.double() * self.scale
        far = self.tail > 0
        v = torch.where(far, v.sinh() / torch.where(far, self.tail, 1.0), v) + self.shift
        level = torch.where(self.step > 0, self.step, 1.0)
        return torch.where(self.step > 0, (v / level).floor() * level, v)

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


def _tamed(values: NDArray[np.float64], mean: float, std: float) -> tuple[float, float, float]:
    """Shift, scale and tail of one column: the heavy-tail map where a Gaussian wants it clearly.

    Fitted to x, a Gaussian gives the values a mean log-density of -ln std(x) + mean ln dx/dv +
    constant; the map is chosen if it gains ``TAIL_GAIN`` nats a value over standardising.
    """
    middle = float(np.median(values))
    spread = float(np.median(np.abs(values - middle)))
    if spread == 0:
        return mean, std, 0.0
    t = (values - middle) / spread
    scale = float(np.arcsinh(t).std())
    gain = np.log(std / spread) - np.log(scale) - 0.5 * float(np.log1p(t**2).mean())
    return (middle, scale, 1 / spread) if gain > TAIL_GAIN else (mean, std, 0.0)
