"""What each score sees: normal × anomalous sets, corruptions, noise and blank images.

Learns MNIST and FashionMNIST, three seeds each, and holds every score against the other sets' test
parts and against the plainest corruptions of its own. Thresholds are certified at 1 % on held-out
normals; nothing is fitted on anomalies. Then: does the power that 'stress' reports without any
anomalies tell how many real ones are missed? Writes results/pairs.json.
"""

import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any, get_args

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr

from experiments import DataRoot, Results, store, train_or_load
from nice_anomaly import Certified, Run, builtin
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.data import evaluation_part
from nice_anomaly.evaluation.corruptions import IMAGES
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.thresholds import detect
from nice_anomaly.vocabulary import ScoreName

NORMAL = ("mnist", "fashion")
SETS = ("mnist", "kmnist", "fashion")
SCORES: tuple[ScoreName, ...] = get_args(ScoreName)
CORRUPTED = 2_000  # test images
COMPARED: tuple[ScoreName, ...] = ("likelihood", "auto")
# Of the flows whose stress power is compared with what they really miss:
QUALITIES: list[list[str]] = [
    ["train.epochs=1", "flow.width=16", "flow.couplings=2"],
    ["train.epochs=1", "flow.width=64", "flow.couplings=2"],
    ["train.epochs=1", "flow.width=128"],
    ["train.epochs=1", "flow.prior=gaussian"],
    ["train.epochs=1", "flow.prior=logistic", "flow.width=128"],
    ["train.epochs=1", "flow.eigenvalue_floor=0.01", "flow.width=128"],
    ["train.epochs=2", "flow.width=256"],
    ["train.epochs=2"],
    ["train.epochs=4"],
]


def main(
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    results: Results = Path("results"),
    data_root: DataRoot = Path("data"),
) -> None:
    """Print and store the matrix and the rank correlation."""
    found: dict[str, Any] = {}
    for normal in NORMAL:
        runs = [learned(normal, seed, data_root) for seed in range(seeds)]
        found[normal] = {score: summary(runs, score, normal, data_root) for score in SCORES}
        show(normal, found[normal])
    ranked = qualities(data_root)
    content = {"seeds": seeds, "alpha": 0.01, "pairs": found, "stress": ranked}
    settings = {name: load(name).model_dump() for name in NORMAL}
    store(results / "pairs.json", content, settings=settings)
    for score, value in ranked["rank_correlation"].items():
        render.say(f"stress power and real power, rank correlation, {score}: {value:.2f}")


def learned(normal: str, seed: int, root: Path) -> Run:
    """A run of one set and seed, that of an earlier reproduction if it is there."""
    path = Path("runs") / f"reproduce-{normal}-{seed}"
    return train_or_load(load(normal, [f"seed={seed}"]), path, root)


def summary(runs: list[Run], score: ScoreName, normal: str, root: Path) -> dict[str, Any]:
    """Medians over seeds of AUROC and type II a column; the type I of every seed."""
    each = [one(run, score, normal, root) for run in runs]
    anomalies = each[0]["anomalies"]
    return {
        "type_i": [found["type_i"] for found in each],
        "microseconds": median(found["microseconds"] for found in each),
        "anomalies": {
            name: {
                key: median(found["anomalies"][name][key] for found in each)
                for key in ("auroc", "type_ii")
            }
            for name in anomalies
        },
    }


def one(run: Run, score: ScoreName, normal: str, root: Path) -> dict[str, Any]:
    """All columns for one flow and one score."""
    calibration = run.normals(score=score).calibrate(Certified(0.01))
    scorer = run.scorer(calibration)
    test = evaluation_part(normal, root).values
    started = time.perf_counter()
    usual = scorer(test)
    seconds = time.perf_counter() - started
    anomalies = {}
    for name, values in odd(test, normal, root).items():
        scores = scorer(values)
        missed = Rate.of(~detect(scores, calibration).flagged)
        anomalies[name] = {"auroc": auroc(usual.values, scores.values), "type_ii": missed.value}
    return {
        "type_i": Rate.of(detect(usual, calibration).flagged).value,
        "microseconds": 1e6 * seconds / len(test),
        "anomalies": anomalies,
    }


def odd(test: NDArray[Any], normal: str, root: Path) -> dict[str, NDArray[Any]]:
    """Anomalies by name: other sets, and corruptions of the normal test part."""
    rng = np.random.default_rng(0)
    images = test[:CORRUPTED].reshape(-1, 28, 28)
    sets = {name: evaluation_part(name, root).values for name in SETS if name != normal}
    corrupted = {}
    for name, corruption in IMAGES.items():
        after = corruption.apply(images, max(corruption.grades), rng).reshape(-1, 784)
        corrupted[name] = after[(after != test[:CORRUPTED]).any(axis=1)]
    pure = rng.integers(0, 256, (CORRUPTED, 784), dtype=np.uint8)
    return {**sets, "pure noise": pure, **corrupted}


def qualities(root: Path) -> dict[str, Any]:
    """Flows of different quality: mean stress power beside the real power against KMNIST.

    They learn FashionMNIST: among digits no flow misses a character by ``auto``.
    """
    lines: list[dict[str, Any]] = []
    for place, overrides in enumerate(QUALITIES):
        run = train_or_load(load("fashion", overrides), Path(f"runs/quality-{place}"), root)
        lines.append({"set": overrides} | {score: powers(run, score) for score in COMPARED})
    correlation = {
        score: float(
            spearmanr(
                [line[score]["stress_power"] for line in lines],
                [1 - line[score]["type_ii"] for line in lines],
            ).statistic
        )
        for score in COMPARED
    }
    return {"rank_correlation": correlation, "flows": lines}


def powers(run: Run, score: ScoreName) -> dict[str, float]:
    """What one score finds of corruptions on average, and misses of KMNIST."""
    run.calibrate(alpha=0.01, score=score, name=score, say=render.say)
    _, *trials = run.stress(calibration=score)
    missed = ~run.detect(builtin("kmnist"), calibration=score).flagged
    return {
        "stress_power": float(np.mean([trial.flagged.value for trial in trials])),
        "type_ii": Rate.of(missed).value,
    }


def show(normal: str, found: dict[str, Any]) -> None:
    """AUROC and type II of every score."""
    names = list(next(iter(found.values()))["anomalies"])
    lines = [
        [
            name,
            *(
                f"{found[score]['anomalies'][name]['auroc']:.4f} "
                f"{100 * found[score]['anomalies'][name]['type_ii']:.1f}"
                for score in SCORES
            ),
        ]
        for name in names
    ]
    lines.append(["type I %", *(f"{100 * median(found[s]['type_i']):.2f}" for s in SCORES)])
    lines.append(["µs an image", *(f"{found[s]['microseconds']:.0f}" for s in SCORES)])
    render.show_table(f"normal: {normal}; AUROC / type II %", ["", *SCORES], lines)


if __name__ == "__main__":
    typer.run(main)
