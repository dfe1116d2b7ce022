"""Metrics: error rates with exact intervals, and AUROC."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rate:
    """``count`` out of ``n``, with the exact 95 % interval (Clopper & Pearson 1934)."""

    count: int
    n: int

    @property
    def value(self) -> float:
        """The observed share."""
        return self.count / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval for the true share; it covers at least that often.

        >>> [round(bound, 4) for bound in Rate(110, 10_000).interval]
        [0.009, 0.0132]
        """
        from scipy.stats import binomtest

        found = binomtest(self.count, self.n).proportion_ci(method="exact")
        return float(found.low), float(found.high)

    @classmethod
    def of(cls, hits: NDArray[np.bool_]) -> "Rate":
        """How many of ``hits`` ``[n]`` are true."""
        return cls(int(hits.sum()), len(hits))

    def record(self, name: str) -> dict[str, Any]:
        """The rate and its interval as ``name`` and ``name_interval``, for JSON."""
        return {name: self.value, f"{name}_interval": list(self.interval)}


def auroc(normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
    """P(a normal sample scores higher than an anomaly), ties counting half.

    >>> auroc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    from sklearn.metrics import roc_auc_score

    truth = np.repeat([1, 0], [len(normal), len(anomalous)])
    return float(roc_auc_score(truth, np.concatenate([normal, anomalous])))


def auprc(normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
    """Average precision with the anomalies as what is looked for (Boyd et al. 2013).

    >>> auprc(np.array([2.0, 3.0]), np.array([1.0, 2.5]))
    0.8333333333333333
    """
    from sklearn.metrics import average_precision_score

    truth = np.repeat([0, 1], [len(normal), len(anomalous)])
    return float(average_precision_score(truth, -np.concatenate([normal, anomalous])))


def fpr_at_95_tpr(normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
    """The share of normal samples flagged by the threshold that just finds 95 % of the anomalies.

    >>> fpr_at_95_tpr(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.5]))
    0.25
    """
    rank = int(np.ceil(0.95 * len(anomalous))) - 1
    return float(np.mean(normal <= np.sort(anomalous)[rank]))
