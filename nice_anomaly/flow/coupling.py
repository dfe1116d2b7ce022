"""Additive couplings: the nonlinear, volume-preserving part of NICE."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nice_anomaly.networks import Perceptron
from nice_anomaly.vocabulary import Activation


class AdditiveCouplings(nn.Module):
    """Couplings y_I = x_I, y_J = x_J + m(x_I), with I and J exchanged after each.

    Dinh et al. (2014), section 3.2. I is the even and J the odd coordinates (section 5.1).
    The Jacobian is triangular with a unit diagonal, so log|det| is exactly 0. All couplings
    live in one layer because the two halves then are taken apart and put together once.

    Shapes: ``[n, d]`` both ways; a single coordinate has nothing to be coupled with. The shift m
    runs in the precision of the surrounding autocast; it is added in the precision of x, so the
    latents are never rounded to bfloat16. The networks see coordinate i times ``emphasis[i]``, a
    fixed weight: whitening makes all coordinates equally loud, though what can be learned is
    mostly in those of large variance.
    """

    emphasis: Tensor

    def __init__(
        self,
        dimensions: int,
        *,
        couplings: int,
        width: int,
        layers: int,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.register_buffer("emphasis", torch.ones(dimensions))
        even, odd = (dimensions + 1) // 2, dimensions // 2
        self.shifts = nn.ModuleList(
            Perceptron(
                *((even, odd) if k % 2 == 0 else (odd, even)),
                width=width,
                layers=layers,
                activation=activation,
            )
            for k in range(couplings if odd else 0)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x → (y, 0)."""
        source, target = x[:, 0::2].contiguous(), x[:, 1::2].contiguous()
        for k, shift in enumerate(self.shifts):
            source, target = target + shift(source * self.emphasis[k % 2 :: 2]), source
        if len(self.shifts) % 2:
            source, target = target, source
        return _interleave(source, target), x.new_zeros(())

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The same shifts subtracted, last coupling first."""
        source, target = y[:, 0::2].contiguous(), y[:, 1::2].contiguous()
        if len(self.shifts) % 2:
            source, target = target, source
        for k, shift in reversed(list(enumerate(self.shifts))):
            source, target = target, source - shift(target * self.emphasis[k % 2 :: 2])
        return _interleave(source, target), y.new_zeros(())

    @torch.no_grad()
    def emphasise(self, variances: Tensor, power: float) -> None:
        """Weights variance^(power / 2), scaled to mean square 1 in either half."""
        weights = variances.double().pow(power / 2)
        for half in (weights[0::2], weights[1::2]):
            half /= half.square().mean().sqrt()
        self.emphasis.copy_(weights)


def _interleave(even: Tensor, odd: Tensor) -> Tensor:
    """Columns even_0, odd_0, even_1, …; there may be one even column more."""
    missing = even.shape[1] - odd.shape[1]
    together = torch.stack((even, functional.pad(odd, (0, missing))), dim=2).flatten(1)
    return together[:, : even.shape[1] + odd.shape[1]]
