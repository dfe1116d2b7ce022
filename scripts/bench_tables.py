"""How well anomalies in tables are ranked: ours beside what a user would try first.

The folder holds .npz files with ``X`` [n, d] and ``y`` [n], 1 = anomaly (as ADBench's are). For a
seed the normal rows are shuffled; the first half, at most 10,000, is learned; the other half, at
most 20,000, and the anomalies, at most 20,000, are scored. No method sees a label, all have one
setting for all sets. Ours is what ``train`` and ``calibrate`` make of those rows without any
option, scored as the calibration says; beside it stand its likelihood alone, and the 5th neighbour
among those rows alone that its networks learn. The rivals, those of ``evaluation/baselines.py``,
learn from every row.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from experiments import read, store
from nice_anomaly import learn
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.data.material import split_of
from nice_anomaly.evaluation.baselines import RIVALS, SLOW, neighbours
from nice_anomaly.metrics import auprc, auroc
from nice_anomaly.run import DEFAULT

Rows = NDArray[np.float64]
Named = dict[str, Rows]
Method = Callable[[Rows, Rows, int], Named]  # rows to learn, rows to score, seed → scores by name
Cells = dict[str, dict[str, float]]  # by method
MOST_LEARNED, MOST_SCORED = 10_000, 20_000
OURS, LIKELIHOOD, EQUAL = "nice", "likelihood", "kNN, same rows"
NAMES = {  # in results and tables, where columns are narrow
    "kNN": "5th neighbour",
    "forest": "isolation forest",
    "OC-SVM": "one-class SVM",
    "Mahal.": "Mahalanobis",
    "LOF": "local outlier factor",
}
MEASURES = ("auroc", "auprc")
DRAWS = 10_000  # of sets, for an interval


def main(
    folder: Annotated[Path, typer.Argument(help="Where the .npz files are.")],
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    overrides: Annotated[list[str] | None, typer.Option("--set")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these methods.")] = None,
    results: Annotated[Path, typer.Option()] = Path("results/tables.json"),
) -> None:
    """Print AUROC a set and the means, with the seconds that each method took."""
    changed = overrides or []
    methods = {OURS: ours(changed)} | {name: rival(name) for name in NAMES}
    chosen = [name for name in methods if not only or name in only]
    found: dict[str, Cells] = {}
    for file in sorted(folder.glob("*.npz")):
        found[file.stem] = {}
        for name in chosen:
            found[file.stem] |= measure(file, methods[name], seeds)
        words = (f"{name} {result['auroc']:.1f}" for name, result in found[file.stem].items())
        render.say(f"{file.stem}: {', '.join(words)}")
    if only and results.is_file():  # the other methods' figures of an earlier run stay
        earlier = read(results)["auroc_auprc_seconds"]
        found = {name: earlier.get(name, {}) | line for name, line in found.items()}
    every = [OURS, LIKELIHOOD, EQUAL, *NAMES]
    chosen = [name for name in every if all(name in line for line in found.values())]
    found = {name: {method: line[method] for method in chosen} for name, line in found.items()}
    gaps = {key: difference(found, key) for key in MEASURES}
    content = {"seeds": seeds, "auroc_auprc_seconds": found, "difference": gaps}
    settings = {OURS: load("table", changed).model_dump(), "measured": only or chosen}
    store(results, content, settings=settings)
    show(found, chosen, seeds)
    for key, line in gaps.items():
        render.say(f"{key} of {OURS} minus that of the best rival, mean over sets: {line}")


def difference(found: dict[str, Cells], key: str) -> dict[str, object]:
    """Ours minus the rival whose mean is the highest: the mean over sets with its 95 % interval.

    The interval is that of means over sets drawn again, with replacement. Empty where one of the
    two was not measured.
    """
    lines = [*found.values()]
    rivals = [name for name in NAMES if all(name in line for line in lines)]
    if not rivals or any(OURS not in line for line in lines):
        return {}
    best = max(rivals, key=lambda name: mean(line[name][key] for line in lines))
    gaps = np.array([line[OURS][key] - line[best][key] for line in lines])
    places = np.random.default_rng(0).integers(0, len(gaps), (DRAWS, len(gaps)))
    low, high = np.quantile(gaps[places].mean(axis=1), [0.025, 0.975])
    return {"rival": best, "mean": float(gaps.mean()), "interval": [float(low), float(high)]}


def show(found: dict[str, Cells], chosen: list[str], seeds: int) -> None:
    """AUROC of every set, the means and the seconds."""
    body = [
        [name, *(f"{line[method]['auroc']:.1f}" for method in chosen)]
        for name, line in found.items()
    ]
    for label, key in (("mean AUROC", "auroc"), ("mean AUPRC", "auprc")):
        means = [mean(line[name][key] for line in found.values()) for name in chosen]
        body.append([label, *(f"{value:.2f}" for value in means)])
    spent = [sum(line[name]["seconds"] for line in found.values()) for name in chosen]
    body.append(["seconds in all", *(f"{value:,.0f}" for value in spent)])
    render.show_table(f"AUROC in %, mean of {seeds} seeds", ["", *chosen], body)


def measure(file: Path, method: Method, seeds: int) -> Cells:
    """Means over seeds of AUROC and AUPRC in percent, and the seconds that all of it took."""
    ranked: dict[str, list[tuple[float, float]]] = {}
    seconds = 0.0
    for seed in range(seeds):
        learned, normal, anomalous = halves(file, seed)
        started = time.perf_counter()
        found = method(learned, np.concatenate([normal, anomalous]), seed)
        seconds += time.perf_counter() - started
        for name, scores in found.items():
            pair = scores[: len(normal)], scores[len(normal) :]
            ranked.setdefault(name, []).append((100 * auroc(*pair), 100 * auprc(*pair)))
    means = {name: np.mean(pairs, axis=0).tolist() for name, pairs in ranked.items()}
    return {
        name: {**dict(zip(MEASURES, pair, strict=True)), "seconds": seconds}
        for name, pair in means.items()
    }


def halves(file: Path, seed: int) -> tuple[Rows, Rows, Rows]:
    """Normal rows to learn, normal rows to score, anomalies to score."""
    with np.load(file) as archive:
        rows, truth = archive["X"].astype(np.float64), archive["y"]
    random = np.random.default_rng(seed)
    normal = random.permutation(np.flatnonzero(truth == 0))
    anomalous = random.permutation(np.flatnonzero(truth == 1))[:MOST_SCORED]
    half = len(normal) // 2
    return rows[normal[:half][:MOST_LEARNED]], rows[normal[half:][:MOST_SCORED]], rows[anomalous]


def ours(overrides: list[str]) -> Method:
    """Train, calibrate and score in memory; the seconds of its three are those of all."""

    def method(rows: Rows, look: Rows, seed: int) -> Named:
        run = learn(rows, overrides=overrides, seed=seed)
        run.calibrate(say=render.say)
        fit = split_of(len(rows), run.manifest.settings.data, seed).fit
        return {
            OURS: run.score(look, calibration=DEFAULT).values,
            LIKELIHOOD: run.score(look).values,
            EQUAL: neighbours(rows[fit], seed)(look),
        }

    return method


def rival(name: str) -> Method:
    """A baseline by its name in the tables."""
    method = {**RIVALS, **SLOW}[NAMES[name]]
    return lambda rows, look, seed: {name: method(rows, seed)(look)}


if __name__ == "__main__":
    typer.run(main)
