"""What rates cross-conformal thresholds have, beside what is proven and what certified ones cost.

Learners that cost nothing stand for flows: a normal law, which is stable, and the distance to the
nearest learned sample, which knows every sample by heart. Writes results/folds.json.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from experiments import Results, store
from nice_anomaly.thresholds import ranks
from nice_anomaly.thresholds.out_of_fold import proven_rate
from nice_anomaly.words import percent

Array = NDArray[np.float64]
ALPHA, FOLDS, CALIBRATIONS, NEW = 0.05, 5, 2_000, 10
SIZES = (20, 30, 40, 60, 80, 100, 150, 200, 300, 500, 1_000)


def main(results: Results = Path("results")) -> None:
    """Simulate, print and store."""
    lines = [measured(n) for n in SIZES]
    settings = {"alpha": ALPHA, "folds": FOLDS, "calibrations": CALIBRATIONS, "new": NEW}
    store(results / "folds.json", {"sizes": lines}, settings=settings)
    for line in lines:
        rates = ", ".join(f"{name} {percent(line[name])}" for name in (*LEARNERS, "proven"))
        typer.echo(f"{line['n']:,} normals: {rates}")


def measured(n: int) -> dict[str, Any]:
    """Mean rates with n normals, what is proven of them, and what a certified 5 % comes to."""
    k = ranks.conformal_rank(n, ALPHA)
    certified = ranks.certified_rank(n, ALPHA, 0.95)
    return {
        "n": n,
        "k": k,
        **{name: mean_rate(learner, n, k) for name, learner in LEARNERS.items()},
        "proven": proven_rate(k, np.bincount(np.arange(n) % FOLDS), symmetric=False),
        "certified": ranks.true_rate(n, certified)[0] if certified else None,
    }


def mean_rate(learner: Callable[[Array, Array], Array], n: int, k: int) -> float:
    """The share of new samples that are flagged, over all calibrations."""
    rng, flagged = np.random.default_rng(n), 0
    fold = np.arange(n) % FOLDS
    for _ in range(CALIBRATIONS):
        own, new = rng.normal(size=n), rng.normal(size=NEW)
        passed = np.zeros(NEW, dtype=np.int64)
        for j in range(FOLDS):
            scores = learner(own[fold != j], np.concatenate([own[fold == j], new]))
            inside = len(scores) - NEW
            passed += (scores[:inside] <= scores[inside:, None]).sum(axis=1)
        flagged += int((passed < k).sum())
    return flagged / CALIBRATIONS / NEW


def stable(learned: Array, samples: Array) -> Array:
    """The log-density of a normal law with their mean and variance, up to a constant."""
    found: Array = -(((samples - learned.mean()) / learned.std()) ** 2) / 2 - np.log(learned.std())
    return found


def by_heart(learned: Array, samples: Array) -> Array:
    """Minus the distance to the nearest learned sample."""
    found: Array = -np.abs(samples[:, None] - learned).min(axis=1)
    return found


LEARNERS = {"stable": stable, "by_heart": by_heart}

if __name__ == "__main__":
    typer.run(main)
