"""Compare: a calibrated run beside others, and what one would try first, on the same samples."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.evaluation.baselines import Learn
from nice_anomaly.metrics import auroc
from nice_anomaly.scores import InFolds, Scorer
from nice_anomaly.thresholds import Calibration, detect

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]  # of normal and anomalous samples

RESAMPLES = 500
TAILS = (0.025, 0.975)
MOST_COMPARED = 5_000  # samples of either kind: more would only cost time


@dataclass(frozen=True)
class Contender:
    """A trained model with what makes its scores; its ``name`` in tables.

    ``ranks`` gives raw samples ``[n, d]`` a number each, higher = more normal: scores, or for both
    tails the distance to the nearer threshold.
    """

    name: str
    scorer: Scorer
    calibration: Calibration | None = None

    def ranks(self, values: NDArray[Any], own: InFolds | None = None) -> NDArray[np.float64]:
        """One number a sample; ``own`` samples are ranked out of their folds."""
        scores = self.scorer.on(values, own)
        if self.calibration is None or self.calibration.tail == "low":
            return scores.values
        return detect(scores, self.calibration).margin

    @property
    def in_nats(self) -> str | None:
        """What ``ranks`` are, if they are nats of a log-likelihood or of a bound on it."""
        both = self.calibration is not None and self.calibration.tail == "both"
        nats = self.scorer.origin.score == "likelihood"
        return self.scorer.model.quantity if nats and not both else None


@dataclass(frozen=True, eq=False)
class Cut:
    """The folds of the samples ``[n]`` that methods learn, and where the normal ones are in them.

    Every method then learns as often as there are folds, ranks the normal samples of a fold by what
    it learned without it, and anomalies by the mean of all.
    """

    learned: NDArray[np.int64]
    normal: InFolds


@dataclass(frozen=True)
class Contest:
    """The AUROC of one method, and how much more ours has, with the 95 % interval of that.

    ``nats`` is the mean of a model's log-likelihood, or its bound, over the normal samples.
    """

    method: str
    auroc: float
    lead: float
    interval: tuple[float, float]
    seconds: float
    nats: float | None = None
    quantity: str | None = None
    ours: bool = False

    @property
    def verdict(self) -> str:
        """Whether ours is better, as far as these samples tell."""
        if self.ours:
            return ""
        if self.interval[0] > 0:
            return "ours is better"
        return "ours is worse" if self.interval[1] < 0 else "no difference seen"

    def record(self) -> dict[str, Any]:
        """As plain values."""
        seconds = {"verdict": self.verdict, "seconds": self.seconds}
        values = asdict(self) | {"interval": list(self.interval)}
        return {name: value for name, value in values.items() if name != "seconds"} | seconds


def compare(
    ours: Contender,
    beside: Sequence[Contender],
    rivals: Mapping[str, Learn],
    learned: NDArray[Any],
    normal: NDArray[Any],
    anomalous: NDArray[Any],
    seed: int = 0,
    cut: Cut | None = None,
) -> Iterator[Contest]:
    """Hold ``ours`` against raw ``normal`` and ``anomalous`` samples ``[n, d]``, and all others.

    Models ``beside`` are trained; ``rivals`` learn from ``learned``, the samples that ours was
    fitted to. Intervals are of a bootstrap that draws the same samples for both methods (paired),
    500 times. With a ``cut`` the normal samples are own ones, which every method learns in folds.
    """
    rng = np.random.default_rng(seed)
    places, others = (rng.permutation(len(part))[:MOST_COMPARED] for part in (normal, anomalous))
    normal, anomalous = normal[places], anomalous[others]
    if cut is not None:
        cut = replace(cut, normal=cut.normal[places])
    draws = [(_draw(rng, len(normal)), _draw(rng, len(anomalous))) for _ in range(RESAMPLES)]

    def of_model(model: Contender) -> Pair:
        own = None if cut is None else cut.normal
        return model.ranks(normal, own), model.ranks(anomalous)

    def of_rival(learn: Learn) -> Pair:
        if cut is None:
            rank = learn(learned, seed)
            return rank(normal), rank(anomalous)
        return _in_folds(learn, cut, learned, normal, anomalous, seed)

    start = time.perf_counter()
    first = of_model(ours)
    seconds = time.perf_counter() - start
    yield _contest(ours.name, first, (0.0, (0.0, 0.0)), seconds, ours, ours=True)
    resampled = [auroc(first[0][i], first[1][j]) for i, j in draws]

    def lead(pair: Pair) -> tuple[float, tuple[float, float]]:
        again = (auroc(pair[0][i], pair[1][j]) for i, j in draws)
        low, high = np.quantile([a - b for a, b in zip(resampled, again, strict=True)], TAILS)
        return auroc(*first) - auroc(*pair), (float(low), float(high))

    trained: list[tuple[str, Contender | None]] = [(model.name, model) for model in beside]
    for name, model in [*trained, *((name, None) for name in rivals)]:
        start = time.perf_counter()
        pair = of_rival(rivals[name]) if model is None else of_model(model)
        seconds = time.perf_counter() - start
        yield _contest(name, pair, lead(pair), seconds, model)


def _in_folds(
    learn: Learn,
    cut: Cut,
    learned: NDArray[Any],
    normal: NDArray[Any],
    anomalous: NDArray[Any],
    seed: int,
) -> Pair:
    """How a method ranks if it learns in folds, see ``Cut``."""
    found, odd = np.empty(len(normal)), []
    for fold in np.unique(cut.learned):
        rank, own = learn(learned[cut.learned != fold], seed), cut.normal.folds == fold
        if own.any():
            found[own] = rank(normal[own])
        odd.append(rank(anomalous))
    return found, np.mean(odd, axis=0)


def _contest(
    name: str,
    pair: Pair,
    lead: tuple[float, tuple[float, float]],
    seconds: float,
    model: Contender | None = None,
    *,
    ours: bool = False,
) -> Contest:
    if model is None or model.in_nats is None:
        return Contest(name, auroc(*pair), *lead, seconds, ours=ours)
    nats = float(pair[0].mean())
    return Contest(name, auroc(*pair), *lead, seconds, nats, model.in_nats, ours)


def _draw(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    return rng.integers(0, n, n)
