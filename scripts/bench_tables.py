"""How well anomalies in tables are ranked: ours beside what a user would try first.

The folder holds .npz files with ``X`` [n, d] and ``y`` [n], 1 = anomaly (as ADBench's are). For a
seed the normal rows are shuffled; the first half, at most 10,000, is learned; the other half, at
most 20,000, and the anomalies, at most 20,000, are scored. No method sees a label, all have one
setting for all sets. Ours has the 'table' configuration and needs no calibration part for a
ranking; the others are those of ``evaluation/baselines.py``.
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
from nice_anomaly.evaluation.baselines import RIVALS, SLOW
from nice_anomaly.metrics import auprc, auroc

Rows = NDArray[np.float64]
Method = Callable[[Rows, Rows, int], Rows]  # rows to learn, rows to score, seed → scores
MOST_LEARNED, MOST_SCORED = 10_000, 20_000
OURS = "nice"
NAMES = {  # in results and tables, where columns are narrow
    "kNN": "5th neighbour",
    "forest": "isolation forest",
    "OC-SVM": "one-class SVM",
    "Mahal.": "Mahalanobis",
    "LOF": "local outlier factor",
}


def main(
    folder: Annotated[Path, typer.Argument(help="Where the .npz files are.")],
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    overrides: Annotated[list[str] | None, typer.Option("--set")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these methods.")] = None,
    results: Annotated[Path, typer.Option()] = Path("results/tables.json"),
) -> None:
    """Print AUROC a set and the means, with the seconds that each method took."""
    changed = ["data.calibration=2", *(overrides or [])]
    methods = {OURS: ours(changed)} | {name: rival(known) for name, known in NAMES.items()}
    chosen = [name for name in methods if not only or name in only]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for file in sorted(folder.glob("*.npz")):
        found[file.stem] = {name: measure(file, methods[name], seeds) for name in chosen}
        words = (f"{name} {result['auroc']:.1f}" for name, result in found[file.stem].items())
        render.say(f"{file.stem}: {', '.join(words)}")
    if only and results.is_file():  # the other methods' figures of an earlier run stay
        earlier = read(results)["auroc_auprc_seconds"]
        found = {name: earlier.get(name, {}) | line for name, line in found.items()}
        chosen = [name for name in methods if all(name in line for line in found.values())]
    content = {"seeds": seeds, "auroc_auprc_seconds": found}
    settings = {OURS: load("table", changed).model_dump(), "measured": only or chosen}
    store(results, content, settings=settings)
    show(found, chosen, seeds)


def show(found: dict[str, dict[str, dict[str, float]]], chosen: list[str], seeds: int) -> None:
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


def measure(file: Path, method: Method, seeds: int) -> dict[str, float]:
    """Means over seeds of AUROC and AUPRC in percent, and the seconds they took in all."""
    ranked, precise, seconds = [], [], 0.0
    for seed in range(seeds):
        learned, normal, anomalous = halves(file, seed)
        started = time.perf_counter()
        scores = method(learned, np.concatenate([normal, anomalous]), seed)
        seconds += time.perf_counter() - started
        pair = scores[: len(normal)], scores[len(normal) :]
        ranked.append(100 * auroc(*pair))
        precise.append(100 * auprc(*pair))
    return {"auroc": mean(ranked), "auprc": mean(precise), "seconds": seconds}


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
    """Train and score in memory."""
    return lambda rows, look, seed: learn(rows, overrides=overrides, seed=seed).score(look).values


def rival(name: str) -> Method:
    """A baseline by its name."""
    method = {**RIVALS, **SLOW}[name]
    return lambda rows, look, seed: method(rows, seed)(look)


if __name__ == "__main__":
    typer.run(main)
