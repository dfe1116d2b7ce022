"""How well anomalies in tables are ranked: ours beside what a user would try first.

The folder holds .npz files with ``X`` [n, d] and ``y`` [n], 1 = anomaly (as ADBench's are). For a
seed the normal rows are shuffled; the first half, at most 10,000, is learned; the other half, at
most 20,000, and the anomalies, at most 20,000, are scored. No method sees a label, all have one
setting for all sets. The rivals get columns standardised by the learned half; ours reads the
raw ones with the 'table' configuration, and needs no calibration part for a ranking.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from nice_anomaly import pipeline
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.data import recognise
from nice_anomaly.metrics import auprc, auroc
from nice_anomaly.run import load_run
from nice_anomaly.train import Checkpoint

Rows = NDArray[np.float64]
MOST_LEARNED, MOST_SCORED = 10_000, 20_000
Method = Callable[[Rows, Rows, int], Rows]  # rows to learn, rows to score, seed → scores


def main(
    folder: Annotated[Path, typer.Argument(help="Where the .npz files are.")],
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    overrides: Annotated[list[str] | None, typer.Option("--set")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these methods.")] = None,
    results: Annotated[Path, typer.Option()] = Path("results/tables.json"),
) -> None:
    """Print AUROC a set and the means, with the seconds that each method took."""
    methods: dict[str, Method] = {
        "nice": lambda learn, look, seed: ours(learn, look, seed, overrides or []),
        **rivals(),
    }
    chosen = [name for name in methods if not only or name in only]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for file in sorted(folder.glob("*.npz")):
        found[file.stem] = {name: measure(file, methods[name], seeds) for name in chosen}
        words = (f"{name} {result['auroc']:.1f}" for name, result in found[file.stem].items())
        render.say(f"{file.stem}: {', '.join(words)}")
    results.parent.mkdir(parents=True, exist_ok=True)
    if only and results.is_file():  # the other methods' figures of an earlier run stay
        earlier = json.loads(results.read_text(encoding="utf-8"))["auroc_auprc_seconds"]
        found = {name: earlier.get(name, {}) | line for name, line in found.items()}
        chosen = [name for name in methods if all(name in line for line in found.values())]
    content = {"seeds": seeds, "auroc_auprc_seconds": found}
    results.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
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
        learn, normal, anomalous = halves(file, seed)
        started = time.perf_counter()
        scores = method(learn, np.concatenate([normal, anomalous]), seed)
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


def ours(learn: Rows, look: Rows, seed: int, overrides: list[str]) -> Rows:
    """Train and score by the same path as the command line, files included."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "learn.npy", learn)
        np.save(folder / "look.npy", look)
        settings = load("table", ["data.calibration=2", f"seed={seed}", *overrides])
        job = pipeline.prepare(settings, folder, inputs=(str(folder / "learn.npy"),))
        last = [report for report in job.train() if isinstance(report, Checkpoint)][-1]
        job.save(folder / "run", last, finished=True)
        run = load_run(folder / "run")
        batches = pipeline.score_inputs(run, recognise([str(folder / "look.npy")]))
        return np.concatenate([scores for _, scores in batches])


def standardised(learn: Rows, look: Rows) -> tuple[Rows, Rows]:
    """Both by mean and standard deviation of the first; constant columns only shifted."""
    std = learn.std(axis=0)
    scale = np.where(std > 1e-12, std, 1.0)
    return (learn - learn.mean(axis=0)) / scale, (look - learn.mean(axis=0)) / scale


def rival(make: Callable[[int], Any], read: Callable[[Any, Rows], Rows]) -> Method:
    """A scikit-learn estimator as a method: fitted on standardised rows, read by ``read``."""

    def scores(learn: Rows, look: Rows, seed: int) -> Rows:
        learn, look = standardised(learn, look)
        return np.asarray(read(make(seed).fit(learn), look), dtype=np.float64)

    return scores


def rivals() -> dict[str, Method]:
    """What a user would try first, each as it comes; kNN by the distance to the fifth."""
    from sklearn.covariance import LedoitWolf
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
    from sklearn.svm import OneClassSVM

    def samples(model: Any, look: Rows) -> Rows:
        scores: Rows = model.score_samples(look)
        return scores

    return {
        "kNN": rival(
            lambda _: NearestNeighbors(n_neighbors=5),
            lambda model, look: -model.kneighbors(look)[0][:, -1],
        ),
        "forest": rival(lambda seed: IsolationForest(random_state=seed), samples),
        "OC-SVM": rival(lambda _: OneClassSVM(), samples),
        "Mahal.": rival(lambda _: LedoitWolf(), lambda model, look: -model.mahalanobis(look)),
        "LOF": rival(lambda _: LocalOutlierFactor(novelty=True), samples),
    }


if __name__ == "__main__":
    typer.run(main)
