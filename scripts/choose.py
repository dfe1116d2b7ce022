"""How the default configuration was chosen: variations of it, judged on normal data alone.

Trains each variation and prints, for the 10,000 calibration images that training has not seen, the
mean log-likelihood over random dequantisation and the share that mean - 3σ of their scores flags.
Reads only MNIST's training part. Writes results/choice.json; about a minute a line.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from nice_anomaly import pipeline
from nice_anomaly.calibrate import Sigma
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.metrics import Rate
from reproduce import train

VARIATIONS: dict[str, list[str]] = {
    "the default": [],
    "logistic prior": ["flow.prior=logistic"],
    "Student prior from 6 degrees of freedom": ["flow.degrees_of_freedom=6.0"],
    "networks hear all coordinates alike": ["flow.emphasis=0.0"],
    "weight decay 0.3": ["train.weight_decay=0.3"],
}


def main(
    results: Annotated[Path, typer.Option()] = Path("results"),
    data_root: Annotated[Path, typer.Option(envvar="NICE_ANOMALY_DATA")] = Path("data"),
) -> None:
    """Train every variation; print and store what held-out normals say of it."""
    lines = []
    for label, overrides in VARIATIONS.items():
        render.say(label)
        settings = load("mnist", overrides)
        run, seconds = train(settings, Path("runs/choose"), data_root)
        calibration = pipeline.held_out(run, data_root).calibrate(Sigma(settings.calibrate.k))
        rate = Rate(calibration.everyone.flagged, calibration.n)
        lines.append(
            {
                "variation": label,
                "set": overrides,
                "held_out_nats": pipeline.held_out_log_likelihood(run, data_root),
                "three_sigma_rate": rate.value,
                "interval": rate.interval,
                "train_seconds": seconds,
            }
        )
    results.mkdir(parents=True, exist_ok=True)
    (results / "choice.json").write_text(json.dumps(lines, indent=2) + "\n", encoding="utf-8")
    render.show_table(
        "variations of the default, on held-out MNIST training images",
        ["", "nats", "3σ rate %", "s"],
        [
            [
                str(line["variation"]),
                f"{line['held_out_nats']:.1f}",
                f"{100 * float(str(line['three_sigma_rate'])):.2f}",
                f"{line['train_seconds']:.0f}",
            ]
            for line in lines
        ],
    )


if __name__ == "__main__":
    typer.run(main)
