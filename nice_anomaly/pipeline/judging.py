"""Judging: which score a run is looked at with, and the judge that makes it.

A judge is fitted on one half of the held-out normals, chosen at random; the threshold is set on the
other half. Both are disjoint from what was fitted to and from early stopping.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.judge import FEWEST, Judge, fit_judge
from nice_anomaly.pipeline.scoring import Measure, looking, measuring
from nice_anomaly.run import Run
from nice_anomaly.score import Scores
from nice_anomaly.statistics import views

ScoreName = Literal["likelihood", "latents", "input", "auto"]

MOST = 10_000  # normals that a judge is fitted on
LIKELIHOOD = 0  # the column of log p(x) among the statistics


@dataclass(frozen=True)
class Judged:
    """Scores of the samples at ``places`` among those that were measured, and who made them.

    ``judge`` is None for log-likelihoods; ``fallback`` says why, where another was asked for.
    """

    scores: Scores
    places: NDArray[np.int64]
    judge: Judge | None
    fallback: str = ""


def measure_for(run: Run, score: ScoreName, device: str) -> Measure:
    """What has to be measured of every sample for a score.

    Raises:
        ConfigError: the score is for images, and the run has learned a table.
    """
    if score == "likelihood" or (score == "auto" and not _has_statistics(run)):
        return measuring(run, device, None)
    if not _has_statistics(run):
        raise ConfigError(
            f"--score {score} looks at images with independent latents; the run {run.path} has "
            f"learned {run.manifest.data.layout} with a {run.manifest.architecture.prior} prior. "
            f"Take --score likelihood."
        )
    return looking(run, device)


def judged(
    run: Run, score: ScoreName, measured: NDArray[np.float64], hashes: NDArray[np.int64]
) -> Judged:
    """Scores of held-out normals from what was measured of them, ``[n]`` or ``[n, S]``.

    ``hashes`` ``[n]`` tell which of them are copies: those stay together.

    Raises:
        DataError: too few for the fit of a score that was asked for by name.
    """
    every = np.arange(len(measured))
    if measured.ndim == 1:
        return Judged(measured, every, None)
    fit, places = halves(run, hashes)
    if len(fit) < FEWEST:
        why = (
            f"{len(measured):,} different normals are too few to fit a judge on half of them "
            f"({2 * FEWEST} are enough)"
        )
        if score != "auto":
            raise DataError(f"{why}: give more, or take --score likelihood.")
        return Judged(measured[:, LIKELIHOOD], every, None, why)
    columns = views(score, run.manifest.architecture.dimensions)
    judge = fit_judge(score, measured[fit], columns, run.manifest.settings.seed)
    return Judged(judge(measured[places]), places, judge)


def halves(run: Run, hashes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of n held-out normals a judge is fitted on, and which it is used on.

    At random, but copies of one sample, which have equal ``hashes`` ``[n]``, are on one side.
    """
    _, first, kind = np.unique(hashes, return_index=True, return_inverse=True)
    numbers = np.argsort(np.argsort(first))[kind]  # kinds of sample, in order of appearance
    order = np.random.default_rng(run.manifest.settings.seed).permutation(len(first))
    sizes = np.bincount(numbers)[order].cumsum()
    fitted = np.isin(numbers, order[sizes <= min(len(hashes) // 2, MOST)])
    return np.flatnonzero(fitted), np.flatnonzero(~fitted)


def scores_of(measured: NDArray[np.float64], judge: Judge | None) -> Scores:
    """Scores from what was measured, by the same judge or by none."""
    if judge is not None:
        return judge(measured)
    return measured if measured.ndim == 1 else measured[:, LIKELIHOOD]


def _has_statistics(run: Run) -> bool:
    image = run.manifest.data.layout.kind == "image"
    return image and run.manifest.architecture.prior != "mixture"
