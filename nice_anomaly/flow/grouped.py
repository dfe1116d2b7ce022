"""A prior of groups: latents of like variance are loud and quiet together."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUP = 3  # latents that share a scale
MOST = 300.0  # degrees of freedom: as good as Gaussian, and never more


class GroupedStudentPrior(nn.Module):
    """Student's t over every three latents in a row, with ν_g degrees of freedom learned.

    With m = 3 latents in group g (what is left in the last) and q = Σ h_i² over them,
    log p(h_g) = lnΓ((ν+m)/2) - lnΓ(ν/2) - ½ m ln(νπ) - ½ (ν+m) ln(1 + q/ν)
    (Kotz & Nadarajah 2004, equation 1.1).

    Latents come in the order of their variance, and what moves one moves its neighbours: one
    scale for all is more probable than one for each, and a group that is far out costs its
    logarithm once. With a from ``log_nu``, ν = 1 / (1/300 + exp(-a)) stays below 300. Of 48,000
    images none may touch a corner; a latent that is believed to be Gaussian for that takes tens of
    thousands of nats from the first that does, and a few such images then are the standard
    deviation of all scores.

    ``log_prob`` is ``[n, groups]``; ``terms`` ``[n, d]`` splits it by the chain rule.
    """

    sizes: Tensor

    def __init__(self, dimensions: int, nu: float = 6.0) -> None:
        super().__init__()
        groups = -(-dimensions // GROUP)
        sizes = torch.full((groups,), float(GROUP), device="cpu")  # known even of a hollow model
        sizes[-1] = dimensions - GROUP * (groups - 1)
        self.register_buffer("sizes", sizes, persistent=False)
        self.log_nu = nn.Parameter(torch.empty(groups))
        self.start(nu)

    @property
    def nu(self) -> Tensor:
        """Degrees of freedom a group, ``[groups]``."""
        return 1 / (1 / MOST + (-self.log_nu).exp())

    @property
    def std(self) -> float:
        """√(ν / (ν - 2)), averaged over the groups; ν > 2."""
        nu = self.nu.detach()
        return float((nu / (nu - 2)).sqrt().mean())

    @torch.no_grad()
    def start(self, nu: float) -> None:
        """The same degrees of freedom for every group, or nearly ``MOST``."""
        self.log_nu.fill_(-math.log(max(1 / nu - 1 / MOST, 1e-5)))

    def log_prob(self, h: Tensor) -> Tensor:
        """Nats a group."""
        return _log_prob(self._grouped(h).square().sum(dim=2), self.nu, self.sizes)

    def terms(self, h: Tensor) -> Tensor:
        """Nats a latent given those before it in its group; they sum to ``log_prob``."""
        grouped = self._grouped(h)
        so_far = grouped.square().cumsum(dim=2)
        sizes = torch.arange(1, grouped.shape[2] + 1, device=h.device)
        joint = _log_prob(so_far, self.nu[:, None], sizes)
        terms = joint.diff(dim=2, prepend=torch.zeros_like(joint[:, :, :1]))
        return terms.flatten(1)[:, : h.shape[1]]

    @torch.no_grad()
    def sample(self, n: int, dimensions: int) -> Tensor:
        """Draw normal values, with one χ² for the scale of each group."""
        nu = self.nu.cpu()  # drawn on the processor whatever the device
        scale = torch.distributions.Chi2(nu).sample((n,)).div(nu).rsqrt()
        return torch.randn(n, dimensions) * scale.repeat_interleave(GROUP, dim=1)[:, :dimensions]

    def _grouped(self, h: Tensor) -> Tensor:
        missing = len(self.sizes) * GROUP - h.shape[1]
        return functional.pad(h, (0, missing)).view(len(h), len(self.sizes), GROUP)


def _log_prob(q: Tensor, nu: Tensor, m: Tensor) -> Tensor:
    constant = torch.lgamma((nu + m) / 2) - torch.lgamma(nu / 2) - 0.5 * m * (nu * math.pi).log()
    return constant - 0.5 * (nu + m) * torch.log1p(q / nu)
