"""Initial: the untrained model of the settings, started from the data that it will learn."""

import torch
from torch import Tensor

from nice_anomaly.config import Settings
from nice_anomaly.flow import Architecture, Flow, MixturePrior
from nice_anomaly.preprocess import Preprocess

COMPONENT_SAMPLES = 50  # what a component of a mixture wants to be learned from
INITIAL_SAMPLES = 4096  # enough to measure a spread per coordinate to 1 %


def initial_flow(settings: Settings, preprocess: Preprocess, fit: Tensor) -> Flow:
    """A flow that whitens raw rows ``fit`` ``[n, d]`` and scales them to the prior's spread."""
    wanted = settings.flow
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        flow = Flow(
            Architecture(
                dimensions=fit.shape[1],
                couplings=wanted.couplings,
                layers=wanted.layers,
                width=wanted.width_for(len(fit)),
                prior=wanted.prior,
                activation=wanted.activation,
                components=max(1, min(wanted.components, len(fit) // COMPONENT_SAMPLES)),
            )
        )
    generator = torch.Generator().manual_seed(settings.seed)
    sample = preprocess.dequantise(fit[:INITIAL_SAMPLES], generator)
    flow.initialise(
        sample,
        *preprocess.moments(fit),
        floor=wanted.eigenvalue_floor,
        nu=wanted.degrees_of_freedom,
        emphasis=wanted.emphasis,
    )
    if isinstance(flow.prior, MixturePrior):
        labels = _clusters(sample, flow.architecture.components, settings.seed)
        flow.prior.initialise(flow(sample)[0].detach(), labels)
    return flow


def _clusters(x: Tensor, count: int, seed: int) -> Tensor:
    """Which of ``count`` clusters each row of ``x`` belongs to, ``[n]``.

    Clusters are looked for before whitening, which would make noise as loud as what differs.
    """
    from sklearn.cluster import KMeans

    labels = KMeans(count, n_init=1, random_state=seed).fit_predict(x.numpy())
    return torch.from_numpy(labels)
