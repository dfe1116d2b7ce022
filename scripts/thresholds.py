"""What thresholds promise and what they keep, on real digits.

Scores of 20,000 digits that the flow has not seen are cut in half at random, twenty times: one half
calibrates, the other is counted. Then the official split, with KMNIST beside it, and the time for
ten million scores. Writes results/thresholds.json; uses the run of 'make reproduce', or trains it.
"""

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

from experiments import DataRoot, Results, store, train_or_load
from nice_anomaly import Certified, Conformal, Quantile, Scores, Sigma, builtin
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.metrics import Rate
from nice_anomaly.thresholds import Rule, calibrate, detect
from nice_anomaly.words import percent, rate

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
    results: Results = Path("results"),
    data_root: DataRoot = Path("data"),
) -> None:
    """Print and store what every rule claims and what was counted."""
    settings = load("mnist")
    trained = train_or_load(settings, run, data_root)
    held_out = trained.normals(score="likelihood").scores
    digits, characters = (trained.score(builtin(name)) for name in ("mnist", "kmnist"))
    content = {
        "splits": random_splits(np.concatenate([held_out, digits])),
        "official": official_split(held_out, digits, characters),
        "ten_million_scores": in_a_process_of_its_own(),
    }
    store(results / "thresholds.json", content, settings=settings.model_dump())
    show(content)


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
        calibrations = [calibrate(Scores(scores[cut[:half]]), rule) for cut in cuts]
        counts = [
            int(detect(Scores(scores[cut[half:]]), calibration).flagged.sum())
            for cut, calibration in zip(cuts, calibrations, strict=True)
        ]
        claim = getattr(rule, "alpha", None)
        k = calibrations[0].overall.bounds.rank
        line: dict[str, Any] = {"rule": name, "splits": SPLITS, "n": half, "k": k or None}
        line["mean_rate"] = float(np.mean(counts)) / half
        if claim is not None:
            line["exceeded"] = sum(count > claim * half for count in counts)
            chance = betabinom.sf(int(claim * half), half, k, half + 1 - k)
            line["exceeded_expected"] = SPLITS * float(chance)
        lines.append(line)
    return lines


def official_split(held_out: Scores, digits: Scores, characters: Scores) -> list[dict[str, Any]]:
    """Both errors at the threshold of every rule."""
    lines = []
    for name, rule in RULES.items():
        calibration = calibrate(held_out, rule)
        type_i = Rate.of(detect(digits, calibration).flagged)
        type_ii = Rate.of(~detect(characters, calibration).flagged)
        line = {"rule": name, "threshold": calibration.threshold, "k": calibration.k}
        lines.append(line | type_i.record("type_i") | type_ii.record("type_ii"))
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
    calibration = calibrate(Scores(scores), Certified(0.01))
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
                percent(line["mean_rate"]),
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
                rate(line["type_i"], line["type_i_interval"]),
                rate(line["type_ii"], line["type_ii_interval"]),
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
