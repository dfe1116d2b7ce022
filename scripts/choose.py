"""How the default configuration was chosen: variations of it, judged on normal data alone.

Trains each variation and prints, for the 10,000 calibration images that training has not seen, the
mean log-likelihood over random dequantisation and the share that mean - 3σ of their scores flags.
Reads only MNIST's training part. Writes results/choice.json; about a minute a line.
"""

from pathlib import Path
from typing import Any

import typer

from experiments import DataRoot, Results, store, train
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.metrics import Rate

VARIATIONS: dict[str, list[str]] = {
    "the default": [],
    "logistic prior": ["flow.prior=logistic"],
    "Student prior from 6 degrees of freedom": ["flow.degrees_of_freedom=6.0"],
    "networks hear all coordinates alike": ["flow.emphasis=0.0"],
    "weight decay 0.3": ["train.weight_decay=0.3"],
}


def main(results: Results = Path("results"), data_root: DataRoot = Path("data")) -> None:
    """Train every variation; print and store what held-out normals say of it."""
    lines = [variation(label, overrides, data_root) for label, overrides in VARIATIONS.items()]
    store(results / "choice.json", {"lines": lines}, settings=load("mnist").model_dump())
    render.show_table(
        "variations of the default, on held-out MNIST training images",
        ["", "nats", "3σ rate %", "s"],
        [
            [
                line["variation"],
                f"{line['held_out_nats']:.1f}",
                f"{100 * line['three_sigma_rate']:.2f}",
                f"{line['train_seconds']:.0f}",
            ]
            for line in lines
        ],
    )


def variation(label: str, overrides: list[str], data_root: Path) -> dict[str, Any]:
    """What held-out normals say of one."""
    render.say(label)
    run = train(load("mnist", overrides), Path("runs/choose"), data_root)
    found = run.calibrate(rule="sigma", say=render.say).overall
    rate = Rate(found.flagged, found.n)
    return {
        "variation": label,
        "set": overrides,
        "held_out_nats": float(run.scorer(noise_seed=0)(run.own_data().held_out).values.mean()),
        "three_sigma_rate": rate.value,
        "interval": rate.interval,
        "train_seconds": run.manifest.seconds,
    }


if __name__ == "__main__":
    typer.run(main)
