"""What thresholds promise and what they keep, on real digits.

Scores of 20,000 digits that the flow has not seen are cut in half at random, twenty times: one half
calibrates, the other is counted. Then the official split, with KMNIST beside it, and the time for
ten million scores. Writes results/thresholds.json; uses the run of 'make reproduce', or trains it.
"""

import json
import multiprocessing
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import betabinom

from nice_anomaly import pipeline
from nice_anomaly.calibrate import Certified, Conformal, Quantile, Rule, Sigma, calibrate
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.detect import detect
from nice_anomaly.metrics import Rate
from nice_anomaly.run import load_run
from reproduce import train

RULES: dict[str, Rule] = {
    "mean - 3σ": Sigma(3),
    "quantile 1 %": Quantile(0.01),
    "conformal 1 %": Conformal(0.01),
    "certified 1 %": Certified(0.01),
    "certified 0.1 %": Certified(0.001),
}
SPLITS = 20
MILLIONS = 10_000_000


def main(
    run: Annotated[Path, typer.Option()] = Path("runs/reproduce-mnist-0"),
    results: Annotated[Path, typer.Option()] = Path("results"),
    data_root: Annotated[Path, typer.Option(envvar="NICE_ANOMALY_DATA")] = Path("data"),
) -> None:
    """Print and store what every rule claims and what was counted."""
    if not (run / "run.json").exists():
        train(load("mnist"), run, data_root)
    loaded = load_run(run)
    held_out = pipeline.held_out(loaded, data_root).scores
    digits, characters = (
        pipeline.evaluation_scores(loaded, name, data_root) for name in ("mnist", "kmnist")
    )
    content = {
        "splits": random_splits(np.concatenate([held_out, digits])),
        "official": official_split(held_out, digits, characters),
        "ten_million_scores": in_a_process_of_its_own(),
    }
    results.mkdir(parents=True, exist_ok=True)
    target = results / "thresholds.json"
    target.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    show(content)
    render.say(f"wrote {target}")


def random_splits(scores: NDArray[np.float64]) -> list[dict[str, Any]]:
    """How often the counted rate of the second half exceeds the claim of the first.

    A certified rate fails in 5 % of calibrations; the count has noise of its own on top. How often
    both together exceed the claim is exactly known: counts below the k-th of n scores are
    beta-binomial.
    """
    rng, half = np.random.default_rng(0), len(scores) // 2
    cuts = [rng.permutation(len(scores)) for _ in range(SPLITS)]
    lines = []
    for name, rule in RULES.items():
        calibrations = [calibrate(scores[cut[:half]], rule) for cut in cuts]
        counts = [
            int(detect(scores[cut[half:]], calibration).flagged.sum())
            for cut, calibration in zip(cuts, calibrations, strict=True)
        ]
        claim = getattr(rule, "alpha", None)
        k = calibrations[0].everyone.bounds.ranks
        line: dict[str, Any] = {"rule": name, "splits": SPLITS, "n": half, "k": k or None}
        line["mean_rate"] = float(np.mean(counts)) / half
        if claim is not None:
            line["exceeded"] = sum(count > claim * half for count in counts)
            chance = betabinom.sf(int(claim * half), half, k, half + 1 - k)
            line["exceeded_expected"] = SPLITS * float(chance)
        lines.append(line)
    return lines


def official_split(
    held_out: NDArray[np.float64], digits: NDArray[np.float64], characters: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Both errors at the threshold of every rule."""
    lines = []
    for name, rule in RULES.items():
        calibration = calibrate(held_out, rule)
        type_i = Rate(int(detect(digits, calibration).flagged.sum()), len(digits))
        type_ii = Rate(int((~detect(characters, calibration).flagged).sum()), len(characters))
        lines.append(
            {
                "rule": name,
                "threshold": calibration.threshold,
                "k": calibration.k,
                "type_i": type_i.value,
                "type_i_interval": type_i.interval,
                "type_ii": type_ii.value,
                "type_ii_interval": type_ii.interval,
            }
        )
    return lines


def in_a_process_of_its_own() -> dict[str, float]:
    """Seconds and memory of calibrating on ten million scores and storing that."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        seconds, memory = pool.apply(ten_million)
    return {"n": MILLIONS, "seconds": seconds, "peak_mib": memory}


def ten_million() -> tuple[float, float]:
    """Calibrate and write; seconds, and the peak memory of the process in MiB."""
    import safetensors.numpy

    scores = np.random.default_rng(0).normal(size=MILLIONS)
    start = time.perf_counter()
    calibration = calibrate(scores, Certified(0.01))
    with TemporaryDirectory() as folder:
        safetensors.numpy.save_file({"scores": calibration.scores}, Path(folder) / "scores")
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(content: dict[str, Any]) -> None:
    """The same for people."""
    render.show_table(
        f"{SPLITS} random halves of 20,000 unseen digits",
        ["rule", "k", "mean rate", "above the claim", "expected"],
        [
            [
                line["rule"],
                str(line["k"] or "–"),
                render.percent(line["mean_rate"]),
                f"{line['exceeded']} of {SPLITS}" if "exceeded" in line else "–",
                f"{line['exceeded_expected']:.1f}" if "exceeded" in line else "–",
            ]
            for line in content["splits"]
        ],
    )
    render.show_table(
        "the official split",
        ["rule", "threshold", "type I, MNIST test", "type II, KMNIST test"],
        [
            [
                line["rule"],
                f"{line['threshold']:,.0f}",
                render.rate(line["type_i"], line["type_i_interval"]),
                render.rate(line["type_ii"], line["type_ii_interval"]),
            ]
            for line in content["official"]
        ],
    )
    many = content["ten_million_scores"]
    render.say(
        f"{many['n']:,} scores calibrated and stored: {many['seconds']:.1f} s, "
        f"{many['peak_mib']:.0f} MiB"
    )


if __name__ == "__main__":
    typer.run(main)
