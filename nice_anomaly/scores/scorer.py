"""Scorer: the one object that scores. It binds a model, where it computes, and which score."""

from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly.density import Density
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.flow import Bundle
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores.alignment import Alignment
from nice_anomaly.scores.image_features import image_features, views
from nice_anomaly.scores.likelihood import CHUNK, Measured, in_chunks, log_likelihoods
from nice_anomaly.scores.neighbours import Places
from nice_anomaly.scores.typicality import FEWEST, Typicality, fit_typicality
from nice_anomaly.scores.value import InFolds, Origin, Scores
from nice_anomaly.scores.views import VIEWS, Sight, Views
from nice_anomaly.vocabulary import ScoreName
from nice_anomaly.words import count_of

MOST = 10_000  # normals that typicality is fitted on
WITHOUT = "what 'auto' looks at takes a model with a term for each latent, which this run has not"
LIKELIHOOD = 0  # the column of log p(x) in what is measured


@dataclass(frozen=True)
class Scorer:
    """Raw samples ``[n, d]`` → ``Scores`` ``[n]``.

    The scores are log-likelihoods, or with a ``typicality`` how usual the image features are, or of
    a table by its ``views`` how odd a row is by all of them. ``weights`` is the fingerprint
    of the model's weights; ``shape`` is that of the images whose features can be told, None for
    tables. ``features`` says to measure them even where no typicality was fitted yet, and of a
    table to take the views. With ``noise_seed`` log-likelihoods are those at a random place in each
    level instead of its middle. Scores by several flows are averaged, or with an ``alignment`` have
    the ranks that all of them give.
    """

    model: Density
    preprocess: Preprocess
    precision: torch.dtype
    weights: str
    shape: tuple[int, ...] | None = None
    features: bool = False
    typicality: Typicality | None = None
    views: Views | None = None
    noise_seed: int | None = None
    alignment: Alignment | None = None

    @property
    def origin(self) -> Origin:
        """What the scores say of themselves."""
        aligned = "" if self.alignment is None else self.alignment.fingerprint
        judge = self.judge
        if judge is not None:
            return Origin("auto", self.weights, views=judge.fingerprint, aligned=aligned)
        if self.typicality is None:
            return Origin("likelihood", self.weights, noise_seed=self.noise_seed, aligned=aligned)
        fit = self.typicality.fingerprint
        return Origin(self.typicality.name, self.weights, fit, aligned=aligned)

    @property
    def judge(self) -> Views | None:
        """The views that make the scores of a table, None for another score."""
        return self.views if self.features and self.shape is None else None

    def __call__(self, raw: NDArray[Any]) -> Scores:
        """Score samples, in order.

        Raises:
            NumericsError: a score is not a number.
        """
        return self.scored(self.measure(raw))

    def measure(self, raw: NDArray[Any], learned: Places | None = None) -> Measured:
        """What scores are made of: ``[n, 1]`` log p(x), or ``[n, S]`` with features or distances.

        Of a bundle it is that by each of its K flows, ``[n, K, S]``. ``learned`` ``[n]`` are the
        places of samples among those that were learned from, whose neighbours are others.
        """
        if isinstance(self.model, Bundle):
            return np.stack([own.measure(raw) for own in self.members], axis=1)
        found = self._by_model(raw)
        if self.judge is None:
            return found
        rows = self.judge.neighbours[0]
        return np.column_stack([found, -rows.distances(self.seen(raw), learned)])

    def sights(self, raw: NDArray[Any]) -> list[Sight]:
        """Which of the views finds a sample oddest, and its nearest learned row there."""
        judge = self.judge
        assert judge is not None
        log_p = judge.log_p(self.measure(raw)).reshape(len(raw), -1, len(VIEWS))
        oddest = log_p.mean(axis=1).argmin(axis=1)
        nearest = judge.nearest(self.seen(raw))
        whitened = VIEWS.index("whitened neighbours")
        return [
            Sight(VIEWS[view], names[view == whitened])
            for view, names in zip(oddest.tolist(), nearest, strict=True)
        ]

    def seen(self, raw: NDArray[Any]) -> Tensor:
        """Samples as the model sees them, x ``[n, d]``."""
        device = self.model.device
        rows = torch.from_numpy(np.require(raw, requirements=["C", "W"]))
        parts = [self.preprocess.midpoint(part.to(device)).cpu() for part in rows.split(CHUNK)]
        return torch.cat(parts)

    def _by_model(self, raw: NDArray[Any]) -> Measured:
        rows = torch.from_numpy(np.require(raw, requirements=["C", "W"]))
        shape = self.shape
        if shape is None or (not self.features and self.typicality is None):
            found = log_likelihoods(
                self.model,
                self.preprocess,
                rows,
                precision=self.precision,
                noise_seed=self.noise_seed,
            )
            return found[:, None]

        def measure(x: Tensor, raw: Tensor) -> Measured:
            found = image_features(self.model.split(x), raw, shape)
            found[:, LIKELIHOOD] += self.preprocess.log_jacobian(raw).cpu().numpy()
            return found

        pieces = in_chunks(self.model, self.preprocess, rows, measure, self.precision)
        return np.concatenate([*pieces])

    @property
    def members(self) -> "list[Scorer]":
        """Those by the flows of a bundle, one for each fold."""
        assert isinstance(self.model, Bundle)
        views = self.views
        return [
            replace(self, model=flow, views=None if views is None else views.of_fold(j))
            for j, flow in enumerate(self.model.members)
        ]

    def out_of_fold(self, raw: NDArray[Any], own: InFolds) -> Measured:
        """What is measured ``[n, S]`` of ``own`` samples ``[n, d]`` by what has not seen them.

        That is of each the flow that its fold was kept from, and rows of other folds.
        """
        rows = [np.flatnonzero(own.folds == j) for j in range(len(self.members))]
        pairs = zip(self.members, rows, strict=True)
        parts = [member.measure(raw[some]) for member, some in pairs]
        found = np.empty((len(raw), max(part.shape[1] for part in parts)))
        for some, part in zip(rows, parts, strict=True):
            found[some] = part
        return found

    def held_out(self, raw: NDArray[Any], own: InFolds | None) -> Measured:
        """What is measured of samples that were held out, of ``own`` ones out of their folds."""
        return self.measure(raw) if own is None else self.out_of_fold(raw, own)

    def on(self, raw: NDArray[Any], own: InFolds | None) -> Scores:
        """Scores of samples that were held out."""
        return self(raw) if own is None else self.scored(self.out_of_fold(raw, own))

    def scored(self, measured: Measured) -> Scores:
        """Scores of what was measured; those by several flows become one.

        Of one flow, which has not seen the samples, they already have their ranks.
        """
        if measured.ndim == 3:
            n, count, width = measured.shape
            each = self.scored(measured.reshape(n * count, width)).values.reshape(n, count)
            one = each.mean(axis=1) if self.alignment is None else self.alignment(each)
            return Scores(one, self.origin)
        if self.judge is not None:
            return Scores(self.judge(measured), self.origin)
        if self.typicality is None:
            return Scores(measured[:, LIKELIHOOD], self.origin)
        return Scores(self.typicality(measured), self.origin)

    def looking_for(self, score: ScoreName) -> "Scorer":
        """The same, measuring what a score is made of; ``fitted`` then makes it.

        Where there are neither image features nor views, ``auto`` is the log-likelihood.

        Raises:
            ConfigError: no such score, or one of image features where there are none.
        """
        if score not in get_args(ScoreName):
            known = ", ".join(get_args(ScoreName))
            raise ConfigError(f"there is no score '{score}'. Choose one of: {known}.")
        can = self.shape is not None and self._splits
        if score not in ("likelihood", "auto") and not can:
            raise ConfigError(
                f"the score '{score}' looks at images under a model with a term for each latent; "
                f"this run has none. Take `score='likelihood'`."
            )
        more = can or (self.shape is None and self.views is not None)
        return replace(self, features=more and score != "likelihood", typicality=None)

    @property
    def _splits(self) -> bool:
        model = self.model
        return (model.members[0] if isinstance(model, Bundle) else model).splits

    def knows(self, typicality: Typicality) -> bool:
        """Whether it measures the features that a typicality was fitted on."""
        if self.shape is None or not self._splits:
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
    if not scorer.features or scorer.judge is not None:
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
    learned = measured[fit].reshape(-1, measured.shape[-1])  # of several flows all that they say
    typicality = fit_typicality(score, learned, columns, seed)
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
