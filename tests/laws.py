"""Laws that every bijection obeys, in float64; a new layer is one more case in the tables."""

from typing import Protocol

import torch
from torch import Tensor


class Bijection(Protocol):
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]: ...

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]: ...


def assert_round_trip(layer: Bijection, x: Tensor, tolerance: float = 1e-10) -> None:
    y, forward = layer(x)
    back, backward = layer.inverse(y)
    assert y.shape == x.shape
    assert (back - x).abs().max() <= tolerance
    assert (forward + backward).abs() <= tolerance


def assert_log_det_is_that_of_the_jacobian(layer: Bijection, x: Tensor) -> None:
    for row in x:
        jacobian = torch.autograd.functional.jacobian(lambda v: layer(v[None])[0][0], row)
        sign, expected = torch.linalg.slogdet(jacobian)
        assert sign != 0
        torch.testing.assert_close(layer(row[None])[1].detach(), expected, rtol=0, atol=1e-10)


def assert_finite_far_out(layer: Bijection, dimensions: int) -> None:
    x = torch.tensor([-1e6, -1.0, 0.0, 1.0, 1e6], dtype=torch.float64)
    for part in layer(x[:, None].expand(5, dimensions)):
        assert part.isfinite().all()
