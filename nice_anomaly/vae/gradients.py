"""Gradients: two ways to that of VLB(x) = E_q[log p(x|Z) r(Z) / q(Z|x)], by draws of Z.

Each takes q(·|x) for n samples, the function z ``[K, n, l]`` → log p(x|z) r(z) ``[K, n]``, and
standard normal draws y ``[K, n, l]``. It returns K-draw estimates of VLB(x), ``[n]``, whose
autograd gradient is the estimate of the gradient; the draws of one sample are averaged.
"""

from collections.abc import Callable

from torch import Tensor

from nice_anomaly.vae.gaussian import Gaussian
from nice_anomaly.vocabulary import Gradient

Joint = Callable[[Tensor], Tensor]
Estimate = Callable[[Gaussian, Joint, Tensor], Tensor]


def reparametrised(q: Gaussian, joint: Joint, y: Tensor) -> Tensor:
    """Z = μ_φ + Σ_φ^½ Y: the gradient goes through Z (Kingma & Welling 2014)."""
    z = q.at(y)
    return (joint(z) - q.log_prob(z)).mean(dim=0)


def plain_log_derivative(q: Gaussian, joint: Joint, y: Tensor) -> Tensor:
    """E[(∇_φ log q_φ(Z|x)) · log(p r / q)] for φ, and directly for θ and λ.

    The term E[∇_φ log q_φ] of the derivative of the logarithm is zero and left away. Nothing has
    to be differentiable in z; the price is variance.
    """
    return _log_derivative(q, joint, y, lambda ratios: ratios)


def log_derivative(q: Gaussian, joint: Joint, y: Tensor) -> Tensor:
    """The same, each draw's log-ratio held against the mean of the K - 1 others.

    What the other draws give is independent of this one and shifts nothing (Mnih & Rezende 2016).
    """
    rest = len(y) - 1
    if not rest:
        raise ValueError("one draw has no others: a leave-one-out baseline takes two")
    return _log_derivative(q, joint, y, lambda w: w - (w.sum(dim=0) - w) / rest)


def _log_derivative(
    q: Gaussian, joint: Joint, y: Tensor, advantage: Callable[[Tensor], Tensor]
) -> Tensor:
    z = q.at(y).detach()
    log_q = q.log_prob(z)
    ratios = joint(z) - log_q.detach()
    by_q = log_q * advantage(ratios.detach())
    return (ratios + by_q - by_q.detach()).mean(dim=0)  # the value stays that of the bound


GRADIENTS: dict[Gradient, Estimate] = {
    "reparametrised": reparametrised,
    "log-derivative": log_derivative,
    "plain-log-derivative": plain_log_derivative,
}
