"""How the default configuration was chosen: variations of it, judged on normal data alone.

Trains each variation with several seeds and prints, for the 10,000 calibration images that training
has not seen, the mean log-likelihood over random dequantisation, the share that mean - 3σ of their
scores flags, σ itself, which seeds should agree on, and how many σ the farthest image lies off.
Reads only MNIST's training part. Writes results/choice.json; about a minute a training.
"""

from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import typer

from experiments import DataRoot, Results, store, train
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.metrics import Rate

VARIATIONS: dict[str, list[str]] = {
    "the default": [],
    "Student prior, a ν for each latent": ["flow.prior=student"],
    "the same, from ν = 6": ["flow.prior=student", "flow.degrees_of_freedom=6.0"],
    "ReLU": ["flow.activation=relu"],
    "logistic prior": ["flow.prior=logistic"],
}


def main(
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    results: Results = Path("results"),
    data_root: DataRoot = Path("data"),
) -> None:
    """Train every variation; print and store what held-out normals say of it."""
    lines = [
        variation(label, overrides, seeds, data_root) for label, overrides in VARIATIONS.items()
    ]
    content = {"seeds": seeds, "lines": lines}
    store(results / "choice.json", content, settings=load("mnist").model_dump())
    render.show_table(
        f"variations of the default, on held-out MNIST training images, {seeds} seeds",
        ["", "nats", "3σ rate %", "σ", "farthest, σ", "s"],
        [
            [
                line["variation"],
                f"{mean(line['held_out_nats']):.1f}",
                span([100 * rate for rate in line["three_sigma_rate"]], 2),
                span(line["sigma"], 0),
                span(line["farthest"], 0),
                f"{mean(line['train_seconds']):.0f}",
            ]
            for line in lines
        ],
    )


def span(values: list[float], digits: int) -> str:
    """From the least to the most."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def variation(label: str, overrides: list[str], seeds: int, data_root: Path) -> dict[str, Any]:
    """What held-out normals say of one, a number a seed."""
    each = [one(label, [*overrides, f"seed={seed}"], data_root) for seed in range(seeds)]
    return {"variation": label, "set": overrides} | {
        key: [found[key] for found in each] for key in each[0]
    }


def one(label: str, overrides: list[str], data_root: Path) -> dict[str, float]:
    """What they say of one training."""
    render.say(f"{label}: {overrides[-1]}")
    run = train(load("mnist", overrides), Path("runs/choose"), data_root)
    found = run.calibrate(rule="sigma", say=render.say).overall
    return {
        "held_out_nats": float(run.scorer(noise_seed=0)(run.own_data().held_out).values.mean()),
        "three_sigma_rate": Rate(found.flagged, found.n).value,
        "sigma": found.std,
        "farthest": float((found.mean - found.scores.min()) / found.std),
        "train_seconds": run.manifest.seconds,
    }


if __name__ == "__main__":
    typer.run(main)
