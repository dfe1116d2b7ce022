"""Networks: the fully connected ones that couplings, encoders and decoders are made of."""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from nice_anomaly.vocabulary import Activation

ACTIVATIONS: dict[Activation, Callable[..., Tensor]] = {
    "relu": functional.relu,
    "silu": functional.silu,
}


class Perceptron(nn.Module):
    """A fully connected network from ``[n, inputs]`` to ``[n, outputs]``.

    ``activation`` is ReLU (Dinh et al. 2014) or SiLU, x · sigmoid(x) (Elfwing et al. 2017).
    Hidden weights start at He et al. (2015), the last layer at zero: a new model is exactly the
    linear one that its other parts make, and can only depart from it where that pays.

    >>> import torch
    >>> Perceptron(3, 2, width=8, layers=1, activation="relu")(torch.ones(5, 3)).abs().sum().item()
    0.0
    """

    def __init__(
        self, inputs: int, outputs: int, *, width: int, layers: int, activation: Activation
    ) -> None:
        super().__init__()
        self.activate = ACTIVATIONS[activation]
        sizes = [inputs] + [width] * layers
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.last = nn.Linear(width, outputs)
        for layer in self.hidden:
            assert isinstance(layer, nn.Linear)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The output for each row of x."""
        for layer in self.hidden:
            x = self.activate(layer(x), inplace=True)
        result: Tensor = self.last(x)
        return result
