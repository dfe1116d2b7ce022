"""Ranking: how well scores tell anomalies from normals, at every threshold, with intervals."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.metrics import Rate, auprc, auroc
from nice_anomaly.plots.style import (
    FLAGGED,
    INK,
    PASSED,
    Size,
    key,
    new_figure,
    styled,
    whole_percent,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = NDArray[np.float64]
Interval = tuple[float, float]

SQUARE = (3.9, 3.4)
STEPS, PLACES, RESAMPLES = 512, 201, 500
TAILS = [0.025, 0.975]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Both curves at ``places`` of their horizontal axis, each with a pointwise 95 % band.

    ``found`` is the share of anomalies that is found at a false-alarm rate, ``precise`` the share
    of anomalies among what is flagged where such a share of them is found; bands are ``[2, p]``.
    They and the intervals are of a bootstrap of both kinds, at up to 512 thresholds.
    """

    places: Numbers
    found: Numbers
    found_band: Numbers
    precise: Numbers
    precise_band: Numbers
    auroc: float
    auroc_interval: Interval
    auprc: float
    auprc_interval: Interval
    prevalence: float
    normal: int
    anomalous: int

    @classmethod
    def of(cls, normal: Numbers, anomalous: Numbers, seed: int = 0) -> "Ranking":
        """Of scores ``[n]`` and ``[m]``, lower = odder, at least one of either."""
        rng = np.random.default_rng(seed)
        normal, anomalous = _ranks(normal, anomalous)
        cuts = _cuts(np.concatenate([normal, anomalous]))
        counts = [_counts(part, cuts) for part in (normal, anomalous)]
        places = np.linspace(0, 1, PLACES)
        curves = _curves(counts[0], counts[1], places)
        again = [
            _curves(_drawn(rng, counts[0]), _drawn(rng, counts[1]), places)
            for _ in range(RESAMPLES)
        ]
        bands = [np.quantile([one[i] for one in again], TAILS, axis=0) for i in range(4)]
        return cls(
            places,
            curves[0],
            bands[0],
            curves[1],
            bands[1],
            auroc(normal, anomalous),
            (float(bands[2][0]), float(bands[2][1])),
            auprc(normal, anomalous),
            (float(bands[3][0]), float(bands[3][1])),
            len(anomalous) / (len(normal) + len(anomalous)),
            len(normal),
            len(anomalous),
        )


@styled
def roc(
    ranking: Ranking,
    false_alarms: Rate | None = None,
    hits: Rate | None = None,
    *,
    size: Size = SQUARE,
) -> "Figure":
    """The share of anomalies found over the rate of false alarms; the threshold with its errors."""
    figure = new_figure(size)
    draw_roc(figure.add_subplot(), ranking, false_alarms, hits, size)
    return figure


def draw_roc(
    axes: "Axes", ranking: Ranking, false_alarms: Rate | None, hits: Rate | None, size: Size
) -> None:
    """The same as a part of a figure."""
    _band(axes, ranking.places, ranking.found, ranking.found_band)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    low, high = ranking.auroc_interval
    said = [(f"AUROC {ranking.auroc:.4f} [{low:.4f}, {high:.4f}]", PASSED)]
    if false_alarms is not None and hits is not None:
        axes.errorbar(
            [false_alarms.value],
            [hits.value],
            xerr=_arms(false_alarms),
            yerr=_arms(hits),
            fmt="o",
            color=FLAGGED,
            markersize=4.5,
            linewidth=1.1,
        )
        said.append(("the threshold", FLAGGED))
    axes.set_xlabel("false alarms: share of normals flagged")
    axes.set_ylabel("share of anomalies found")
    _square(axes)
    key(axes, said, size)


@styled
def precision_recall(ranking: Ranking, *, size: Size = SQUARE) -> "Figure":
    """The share of anomalies among what is flagged over the share of anomalies found."""
    figure = new_figure(size)
    axes = figure.add_subplot()
    _band(axes, ranking.places, ranking.precise, ranking.precise_band)
    axes.axhline(ranking.prevalence, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    axes.annotate(
        f"by chance: {whole_percent(float(f'{ranking.prevalence:.3g}'))}",
        (0, ranking.prevalence),
        xytext=(4, 4 if ranking.prevalence < 0.9 else -11),
        textcoords="offset points",
    )
    axes.set_xlabel("share of anomalies found")
    axes.set_ylabel("anomalies among the flagged")
    _square(axes)
    low, high = ranking.auprc_interval
    key(axes, [(f"AUPRC {ranking.auprc:.4f} [{low:.4f}, {high:.4f}]", PASSED)], size)
    return figure


def _band(axes: "Axes", places: Numbers, middle: Numbers, band: Numbers) -> None:
    axes.fill_between(places, band[0], band[1], color=PASSED, alpha=0.25, linewidth=0)
    axes.plot(places, middle, color=PASSED, linewidth=1.6)


def _square(axes: "Axes") -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(whole_percent)
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.04)


def _arms(rate: Rate) -> Numbers:
    low, high = rate.interval
    return np.array([[rate.value - low], [high - rate.value]])


def _ranks(normal: Numbers, anomalous: Numbers) -> tuple[Numbers, Numbers]:
    """Scores by their order alone, of which none is infinite."""
    _, order = np.unique(np.concatenate([normal, anomalous]), return_inverse=True)
    ranks = order.astype(np.float64)
    return ranks[: len(normal)], ranks[len(normal) :]


def _cuts(scores: Numbers) -> Numbers:
    """Thresholds between which scores are told apart: all of them, or evenly many between two."""
    distinct = np.unique(scores)
    if len(distinct) <= STEPS:
        return distinct
    chosen: Numbers = np.unique(np.quantile(scores, np.linspace(0, 1, STEPS), method="lower"))
    return chosen


def _counts(scores: Numbers, cuts: Numbers) -> NDArray[np.int64]:
    """How many scores there are up to each cut, and not up to the one before."""
    found: NDArray[np.int64] = np.bincount(np.searchsorted(cuts, scores), minlength=len(cuts))
    return found


def _drawn(rng: np.random.Generator, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """As many samples again, drawn from those that there are."""
    again: NDArray[np.int64] = rng.multinomial(counts.sum(), counts / counts.sum())
    return again


def _curves(
    normal: NDArray[np.int64], anomalous: NDArray[np.int64], places: Numbers
) -> tuple[Numbers, Numbers, float, float]:
    """Both curves at ``places``, and the areas under them."""
    alarms, hits = (np.concatenate([[0], np.cumsum(of)]) for of in (normal, anomalous))
    fpr, tpr = alarms / alarms[-1], hits / hits[-1]
    area = float((np.diff(fpr) * (tpr[1:] + tpr[:-1])).sum() / 2)
    flagged = np.maximum(1, alarms + hits)
    precision = hits / flagged
    precision[0] = precision[1] if flagged[1] else 1.0
    mean_precision = float((np.diff(tpr) * precision[1:]).sum())
    keep = np.flatnonzero(np.diff(tpr) > 0) + 1
    at_recall = precision[keep][np.minimum(np.searchsorted(tpr[keep], places), len(keep) - 1)]
    return np.interp(places, *_upper(fpr, tpr)), at_recall, area, mean_precision


def _upper(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """The last value at every x, as a rising curve is read."""
    last = np.append(np.diff(x) > 0, True)
    return x[last], y[last]
