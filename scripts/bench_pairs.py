"""What each score sees: normal × anomalous sets, corruptions, noise and blank images.

Learns MNIST and FashionMNIST, three seeds each, and holds every score against the other sets' test
parts and against the plainest corruptions of its own. Thresholds are certified at 1 % on held-out
normals; nothing is fitted on anomalies. Then: does the power that 'stress' reports without any
anomalies tell how many real ones are missed? Writes results/pairs.json and docs/pairs.png.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated, Any, get_args

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr

from nice_anomaly import pipeline
from nice_anomaly.calibrate import Calibration, Certified
from nice_anomaly.cli import render
from nice_anomaly.config import Settings, load
from nice_anomaly.corruptions import IMAGES
from nice_anomaly.data import evaluation_part
from nice_anomaly.detect import detect
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.pipeline.judging import ScoreName
from nice_anomaly.run import Run, load_run
from reproduce import train

NORMAL = ("mnist", "fashion")
SETS = ("mnist", "kmnist", "fashion")
SCORES: tuple[ScoreName, ...] = get_args(ScoreName)
CORRUPTED = 2_000  # test images
QUALITIES: list[
    list[str]
] = [  # of the flows whose stress power is compared with what they really miss
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
    results: Annotated[Path, typer.Option()] = Path("results"),
    data_root: Annotated[Path, typer.Option(envvar="NICE_ANOMALY_DATA")] = Path("data"),
) -> None:
    """Print and store the matrix, its picture, and the rank correlation."""
    found: dict[str, Any] = {}
    for normal in NORMAL:
        runs = [flow(load(normal, [f"seed={s}"]), normal, s, data_root) for s in range(seeds)]
        found[normal] = {score: summary(runs, score, normal, data_root) for score in SCORES}
        show(normal, found[normal])
    content: dict[str, Any] = {
        "seeds": seeds,
        "alpha": 0.01,
        "pairs": found,
        "stress": qualities(data_root),
    }
    results.mkdir(parents=True, exist_ok=True)
    target = results / "pairs.json"
    target.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    picture(found, Path("docs/pairs.png"))
    for score, value in content["stress"]["rank_correlation"].items():
        render.say(f"stress power and real power, rank correlation, {score}: {value:.2f}")
    render.say(f"wrote {target}")


def flow(settings: Settings, name: str, seed: int, data_root: Path) -> Run:
    """A trained run, that of an earlier reproduction if it is there."""
    path = Path("runs") / f"reproduce-{name}-{seed}"
    if not (path / "run.json").exists():
        return train(settings, path, data_root)[0]
    return load_run(path)


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
    calibration = pipeline.held_out(run, root, score=score).calibrate(Certified(0.01))
    look = scorer(run, calibration)
    test = evaluation_part(normal, root).values
    started = time.perf_counter()
    usual = look(test)
    seconds = time.perf_counter() - started
    anomalies = {}
    for name, values in odd(test, normal, root).items():
        scores = look(values)
        missed = Rate(int((~detect(scores, calibration).flagged).sum()), len(scores))
        anomalies[name] = {"auroc": auroc(usual, scores), "type_ii": missed.value}
    flagged = Rate(int(detect(usual, calibration).flagged.sum()), len(usual))
    return {
        "type_i": flagged.value,
        "microseconds": 1e6 * seconds / len(test),
        "anomalies": anomalies,
    }


def scorer(run: Run, calibration: Calibration) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """What scores raw images as the calibration was."""
    return pipeline.measuring(run, "auto", calibration.judge)


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
        run, _ = train(load("fashion", overrides), Path(f"runs/quality-{place}"), root)
        line: dict[str, Any] = {"set": overrides}
        for score in ("likelihood", "auto"):
            calibration = pipeline.held_out(run, root, score=score).calibrate(Certified(0.01))
            trials = list(pipeline.stress(run, calibration, root, most=1_000, seed=0))[1:]
            other = detect(
                pipeline.evaluation_scores(run, "kmnist", root, judge=calibration.judge),
                calibration,
            )
            line[score] = {
                "stress_power": float(np.mean([trial.flagged.value for trial in trials])),
                "type_ii": float((~other.flagged).mean()),
            }
        lines.append(line)
    correlation = {
        score: float(
            spearmanr(
                [line[score]["stress_power"] for line in lines],
                [1 - line[score]["type_ii"] for line in lines],
            ).statistic
        )
        for score in ("likelihood", "auto")
    }
    return {"rank_correlation": correlation, "flows": lines}


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


def picture(found: dict[str, Any], target: Path) -> None:
    """Two matrices of power, likelihood above auto."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.9), dpi=120, layout="constrained")
    grid = figure.subplots(2, 1, sharex=True)
    names = [*SETS, *[n for n in found["mnist"]["auto"]["anomalies"] if n not in SETS]]
    for axes, score in zip(grid, ("likelihood", "auto"), strict=True):
        power = np.array(
            [
                [1 - found[n][score]["anomalies"].get(a, {}).get("type_ii", np.nan) for a in names]
                for n in NORMAL
            ]
        )
        axes.imshow(power, vmin=0, vmax=1, cmap="RdYlBu", aspect="auto")
        for (row, column), value in np.ndenumerate(power):
            text = "–" if np.isnan(value) else f"{100 * value:.0f}"
            light = not np.isnan(value) and (value < 0.15 or value > 0.85)
            colour = "white" if light else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
        axes.set_yticks(range(len(NORMAL)), [f"learned {name}" for name in NORMAL])
        axes.set_title(f"score: {score}", fontsize=10, loc="left")
        axes.tick_params(length=0)
    grid[1].set_xticks(range(len(names)), names, rotation=40, ha="right")
    figure.supxlabel("found at a certified false-alarm rate of 1 % (%)", fontsize=10)
    figure.savefig(target)


if __name__ == "__main__":
    typer.run(main)
