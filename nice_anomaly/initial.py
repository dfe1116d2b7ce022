"""Initial: the untrained model of the settings, started from the data that it will learn."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nice_anomaly import flow, vae
from nice_anomaly.density import Density
from nice_anomaly.flow import Bundle, Flow, MixturePrior
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.settings import Settings
from nice_anomaly.vae import GRADIENTS, VAE
from nice_anomaly.vocabulary import ModelName

COMPONENT_SAMPLES = 50  # what a component of a mixture wants to be learned from
INITIAL_SAMPLES = 4096  # enough to measure a spread per coordinate to 1 %


def initial_flow(
    settings: Settings, preprocess: Preprocess, fit: Tensor, rows: int | None = None
) -> Flow:
    """A flow that whitens raw rows ``fit`` ``[n, d]`` and scales them to the prior's spread.

    Its networks have the size for so many ``rows``, by default as many as there are.
    """
    wanted, rows = settings.flow, rows or len(fit)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = Flow(
            flow.Architecture(
                dimensions=fit.shape[1],
                couplings=wanted.couplings,
                layers=wanted.layers,
                width=wanted.width_for(rows),
                prior=wanted.prior,
                activation=wanted.activation,
                components=max(1, min(wanted.components, rows // COMPONENT_SAMPLES)),
            )
        )
    generator = torch.Generator().manual_seed(settings.seed)
    sample = preprocess.dequantise(fit[:INITIAL_SAMPLES], generator)
    model.initialise(
        sample,
        *preprocess.moments(fit),
        floor=wanted.eigenvalue_floor,
        nu=wanted.degrees_of_freedom,
        emphasis=wanted.emphasis,
    )
    if isinstance(model.prior, MixturePrior):
        labels = _clusters(sample, model.architecture.components, settings.seed)
        model.prior.initialise(model(sample)[0].detach(), labels)
    return model


def initial_bundle(settings: Settings, preprocess: Preprocess, parts: Sequence[Tensor]) -> Bundle:
    """A flow of one shape for each of ``parts``, raw rows ``[n, d]``, from a seed of its own."""
    rows = min(map(len, parts))
    flows = [
        initial_flow(
            settings.model_copy(update={"seed": settings.seed + place}), preprocess, part, rows
        )
        for place, part in enumerate(parts)
    ]
    return Bundle(flow.bundle.Architecture(len(flows), flows[0].architecture), flows)


def initial_vae(settings: Settings, preprocess: Preprocess, fit: Tensor) -> VAE:
    """A VAE that is the probabilistic PCA of raw rows ``fit`` ``[n, d]``.

    Raises:
        ConfigError: as many latents as columns, or more.
    """
    wanted, dimensions = settings.vae, fit.shape[1]
    architecture = vae.Architecture(
        dimensions=dimensions,
        latents=wanted.latents_for(dimensions),
        layers=wanted.layers,
        width=wanted.width_for(len(fit)),
        activation=wanted.activation,
        draws=wanted.draws,
        seed=settings.seed,
        sigma=wanted.sigma,
        trainable_prior=wanted.trainable_prior,
    )
    estimate, draws = GRADIENTS[settings.train.gradient], settings.train.gradient_draws
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = VAE(architecture, estimate, draws)
    model.initialise(*preprocess.moments(fit))
    return model


INITIAL: dict[ModelName, Callable[[Settings, Preprocess, Tensor], Density]] = {
    "nice": initial_flow,
    "vae": initial_vae,
}


def _clusters(x: Tensor, count: int, seed: int) -> Tensor:
    """Which of ``count`` clusters each row of ``x`` belongs to, ``[n]``.

    Clusters are looked for before whitening, which would make noise as loud as what differs.
    """
    from sklearn.cluster import KMeans

    labels = KMeans(count, n_init=1, random_state=seed % 2**32).fit_predict(x.numpy())
    return torch.from_numpy(labels)
