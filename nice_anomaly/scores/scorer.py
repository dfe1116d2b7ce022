"""Scorer: the one object that scores. It binds a model, where it computes, and which score."""

from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.density import Density
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores.image_features import image_features, views
from nice_anomaly.scores.likelihood import Measured, in_chunks, log_likelihoods
from nice_anomaly.scores.typicality import FEWEST, Typicality, fit_typicality
from nice_anomaly.scores.value import Origin, Scores
from nice_anomaly.vocabulary import ScoreName
from nice_anomaly.words import count_of

MOST = 10_000  # normals that typicality is fitted on
WITHOUT = "what 'auto' looks at takes a model with a term for each latent, which this run has not"
LIKELIHOOD = 0  # the column of log p(x) in what is measured


@dataclass(frozen=True)
class Scorer:
    """Raw samples ``[n, d]`` → ``Scores`` ``[n]``.

    The scores are log-likelihoods, or with a ``typicality`` how usual the image features are.
    ``weights`` is the fingerprint of the model's weights; ``shape`` is that of the images whose
    features can be told, None for tables. ``features`` says to measure them even where no
    typicality was fitted yet. With ``noise_seed`` log-likelihoods are those at a random place in
    each level instead of its middle.
    """

    model: Density
    preprocess: Preprocess
    precision: torch.dtype
    weights: str
    shape: tuple[int, ...] | None = None
    features: bool = False
    typicality: Typicality | None = None
    noise_seed: int | None = None

    @property
    def origin(self) -> Origin:
        """What the scores say of themselves."""
        if self.typicality is None:
            return Origin("likelihood", self.weights, noise_seed=self.noise_seed)
        return Origin(self.typicality.name, self.weights, self.typicality.fingerprint)

    def __call__(self, raw: NDArray[Any]) -> Scores:
        """Score samples, in order.

        Raises:
            NumericsError: a score is not a number.
        """
        return self.scored(self.measure(raw))

    def measure(self, raw: NDArray[Any]) -> Measured:
        """What scores are made of: ``[n, 1]`` log p(x), or ``[n, S]`` with the image features."""
        rows = torch.from_numpy(np.require(raw, requirements=["C", "W"]))
        if not self.features and self.typicality is None:
            found = log_likelihoods(
                self.model,
                self.preprocess,
                rows,
                precision=self.precision,
                noise_seed=self.noise_seed,
            )
            return found[:, None]
        shape = self.shape
        assert shape is not None

        def measure(x: Tensor, raw: Tensor) -> Measured:
            found = image_features(self.model.split(x), raw, shape)
            found[:, LIKELIHOOD] += self.preprocess.log_jacobian(raw).cpu().numpy()
            return found

        pieces = in_chunks(self.model, self.preprocess, rows, measure, self.precision)
        return np.concatenate([*pieces])

    def scored(self, measured: Measured) -> Scores:
        """Scores of what was measured."""
        if self.typicality is None:
            return Scores(measured[:, LIKELIHOOD], self.origin)
        return Scores(self.typicality(measured), self.origin)

    def looking_for(self, score: ScoreName) -> "Scorer":
        """The same, measuring what a score is made of; ``fitted`` then makes it.

        Where there are no image features, ``auto`` is the log-likelihood.

        Raises:
            ConfigError: no such score, or one of image features where there are none.
        """
        if score not in get_args(ScoreName):
            known = ", ".join(get_args(ScoreName))
            raise ConfigError(f"there is no score '{score}'. Choose one of: {known}.")
        can = self.shape is not None and self.model.splits
        if score not in ("likelihood", "auto") and not can:
            raise ConfigError(
                f"the score '{score}' looks at images under a model with a term for each latent; "
                f"this run has none. Take `score='likelihood'`."
            )
        return replace(self, features=can and score != "likelihood", typicality=None)

    def knows(self, typicality: Typicality) -> bool:
        """Whether it measures the features that a typicality was fitted on."""
        if self.shape is None or not self.model.splits:
            return False
        columns = [density.columns.tolist() for density in typicality.densities]
        return columns == views(typicality.name, self.model.architecture.dimensions)

    def with_typicality(self, typicality: Typicality | None) -> "Scorer":
        """The same, making the scores that were calibrated."""
        return replace(self, features=typicality is not None, typicality=typicality)


@dataclass(frozen=True)
class Fitted:
    """A scorer that is ready, with the scores of those normals that it was not fitted on.

    ``places`` ``[m]`` are theirs among all, ``scores`` ``[m]``. ``fallback`` says why the scorer
    makes log-likelihoods where another score was asked for.
    """

    scorer: Scorer
    places: NDArray[np.int64]
    scores: Scores
    fallback: str = ""


def fitted(
    scorer: Scorer, score: ScoreName, measured: Measured, hashes: NDArray[np.int64], seed: int
) -> Fitted:
    """Learn what a score needs from one half of held-out normals; the other half is for thresholds.

    ``measured`` is what ``scorer.looking_for(score)`` made of them. Equal ``hashes`` ``[n]`` mark
    copies of one sample, which stay in one half. Log-likelihoods need no half.

    Raises:
        DataError: too few normals for a score that was asked for by name.
    """
    every = np.arange(len(measured))
    if not scorer.features:
        given_up = score == "auto" and scorer.shape is not None
        return Fitted(scorer, every, scorer.scored(measured), WITHOUT if given_up else "")
    fit, places = halves(hashes, seed)
    if len(fit) < FEWEST:
        why = (
            f"{count_of(len(measured), 'different normal')} are too few to learn what is typical "
            f"from half of them ({2 * FEWEST} are enough)"
        )
        if score != "auto":
            raise DataError(f"{why}: give more, or take `score='likelihood'`.")
        plain = replace(scorer, features=False)
        return Fitted(plain, every, plain.scored(measured), why)
    columns = views(score, scorer.model.architecture.dimensions)
    typicality = fit_typicality(score, measured[fit], columns, seed)
    ready = scorer.with_typicality(typicality)
    return Fitted(ready, places, ready.scored(measured[places]))


def halves(hashes: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of n held-out normals typicality is fitted on, and which are left for thresholds.

    At random, but copies of one sample, which have equal ``hashes`` ``[n]``, are on one side.
    """
    _, first, kind = np.unique(hashes, return_index=True, return_inverse=True)
    numbers = np.argsort(np.argsort(first))[kind]  # kinds of sample, in order of appearance
    order = np.random.default_rng(seed).permutation(len(first))
    sizes = np.bincount(numbers)[order].cumsum()
    chosen = np.isin(numbers, order[sizes <= min(len(hashes) // 2, MOST)])
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)
