"""Compare: a calibrated run beside what one would try first, on the same samples."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Layout
from nice_anomaly.evaluation import baselines
from nice_anomaly.metrics import auroc
from nice_anomaly.scores import Scorer
from nice_anomaly.thresholds import Calibration, detect

OURS = "nice"
RESAMPLES = 500
MOST_COMPARED = 5_000  # samples of either kind: more would only cost time


@dataclass(frozen=True)
class Contest:
    """The AUROC of one method, and how much more ours has, with the 95 % interval of that."""

    method: str
    auroc: float
    lead: float
    interval: tuple[float, float]
    seconds: float

    @property
    def verdict(self) -> str:
        """Whether ours is better, as far as these samples tell."""
        if self.method == OURS:
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
    scorer: Scorer,
    calibration: Calibration,
    learned: NDArray[Any],
    normal: NDArray[Any],
    anomalous: NDArray[Any],
    layout: Layout,
    seed: int = 0,
) -> Iterator[Contest]:
    """Hold ours and every baseline against raw ``normal`` and ``anomalous`` samples ``[n, d]``.

    Baselines learn from ``learned``, the samples that the model was fitted to. Intervals are of a
    bootstrap that draws the same samples for both methods (paired), 500 times.
    """
    rng = np.random.default_rng(seed)
    normal, anomalous = (
        part[rng.permutation(len(part))[:MOST_COMPARED]] for part in (normal, anomalous)
    )
    draws = [(_draw(rng, len(normal)), _draw(rng, len(anomalous))) for _ in range(RESAMPLES)]
    start = time.perf_counter()
    first = tuple(_ranked(scorer, calibration, part) for part in (normal, anomalous))
    yield Contest(OURS, auroc(*first), 0.0, (0.0, 0.0), time.perf_counter() - start)
    ours = [auroc(first[0][i], first[1][j]) for i, j in draws]
    for name, method in baselines.for_layout(layout).items():
        start = time.perf_counter()
        rival = method(learned, seed)
        pair = rival(normal), rival(anomalous)
        seconds = time.perf_counter() - start
        leads = [o - auroc(pair[0][i], pair[1][j]) for o, (i, j) in zip(ours, draws, strict=True)]
        low, high = np.quantile(leads, [0.025, 0.975])
        lead = auroc(*first) - auroc(*pair)
        yield Contest(name, auroc(*pair), lead, (float(low), float(high)), seconds)


def _ranked(scorer: Scorer, calibration: Calibration, values: NDArray[Any]) -> NDArray[np.float64]:
    """Scores, or for both tails the distance to the nearer threshold."""
    scores = scorer(values)
    return scores.values if calibration.tail == "low" else detect(scores, calibration).margin


def _draw(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    return rng.integers(0, n, n)
