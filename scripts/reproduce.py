"""Reproduce the published experiment: learn MNIST, threshold at mean - 3σ, test on KMNIST.

Writes results/reproduce.json (results/reproduce-NAME.json for another configuration). With
several seeds the top-level numbers are those of the first, beside median and range over all.
"""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from nice_anomaly import pipeline
from nice_anomaly.calibrate import Sigma
from nice_anomaly.cli import render
from nice_anomaly.config import Settings, load
from nice_anomaly.data import evaluation_part
from nice_anomaly.detect import detect
from nice_anomaly.errors import NiceAnomalyError
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.run import Run, load_run, save_calibration
from nice_anomaly.train import Checkpoint, Progress

SOURCE_TYPE_I, SOURCE_TYPE_II = Rate(110, 10_000), Rate(24, 10_000)
DRAWS = 3
SUMMARISED = ("type_i", "type_ii", "auroc", "test_log_likelihood_nats", "train_seconds")


@dataclass(frozen=True)
class Outcome:
    """What one seed gave; the file's keys are these."""

    type_i: float
    type_ii: float
    auroc: float
    type_i_interval: tuple[float, float]
    type_ii_interval: tuple[float, float]
    threshold: float
    train_seconds: float
    test_log_likelihood_nats: float
    bits_per_dim: float
    seed: int
    parameters: int
    versions: dict[str, str]


def main(
    config: Annotated[str, typer.Option()] = "mnist",
    seeds: Annotated[int, typer.Option(min=1)] = 1,
    results: Annotated[Path, typer.Option()] = Path("results"),
    data_root: Annotated[Path, typer.Option(envvar="NICE_ANOMALY_DATA")] = Path("data"),
) -> None:
    """Train, calibrate and detect on both sets, once a seed; print and store the comparison."""
    if not (data_root / "MNIST").exists() and "NICE_ANOMALY_DATA" not in os.environ:
        render.say(
            f"MNIST and KMNIST (test part) are downloaded to {data_root.resolve()}, 17 MB. To use "
            f"files you have, set NICE_ANOMALY_DATA to the folder with MNIST/raw and KMNIST/raw."
        )
    try:
        settings = load(config)
        for name in ("mnist", "kmnist"):  # a missing file is said before the training
            evaluation_part(name, data_root)
        outcomes = [
            reproduce(settings.model_copy(update={"seed": seed}), config, data_root)
            for seed in range(seeds)
        ]
    except NiceAnomalyError as error:
        render.show_error(error)
        raise SystemExit(error.exit_code) from None
    name = "reproduce.json" if config == "mnist" else f"reproduce-{Path(config).stem}.json"
    store(outcomes, results / name)
    show(config, outcomes)
    render.say(f"wrote {results / name}")


def reproduce(settings: Settings, config: str, data_root: Path) -> Outcome:
    """One seed, from nothing to both error rates."""
    path = Path("runs") / f"reproduce-{Path(config).stem}-{settings.seed}"
    run, seconds = train(settings, path, data_root)
    calibration = pipeline.held_out(run, data_root).calibrate(Sigma(settings.calibrate.k))
    save_calibration(run, calibration)
    normal = pipeline.evaluation_scores(run, "mnist", data_root)
    anomalous = pipeline.evaluation_scores(run, "kmnist", data_root)
    flagged_normal = int(detect(normal, calibration).flagged.sum())
    flagged_anomalous = int(detect(anomalous, calibration).flagged.sum())
    type_i = Rate(flagged_normal, len(normal))
    type_ii = Rate(len(anomalous) - flagged_anomalous, len(anomalous))
    test = evaluation_part("mnist", data_root)
    over_noise = [
        float(pipeline.score_dataset(run, test, noise_seed=draw).mean()) for draw in range(DRAWS)
    ]
    log_likelihood = sum(over_noise) / DRAWS
    return Outcome(
        type_i=type_i.value,
        type_ii=type_ii.value,
        auroc=auroc(normal, anomalous),
        type_i_interval=type_i.interval,
        type_ii_interval=type_ii.interval,
        threshold=calibration.threshold,
        train_seconds=seconds,
        test_log_likelihood_nats=log_likelihood,
        bits_per_dim=run.preprocess.bits_per_dim(log_likelihood) or math.nan,
        seed=settings.seed,
        parameters=run.flow.parameter_count,
        versions=pipeline.versions(),
    )


def train(settings: Settings, path: Path, data_root: Path) -> tuple[Run, float]:
    """Train and save one run; the run and its training time in seconds."""
    job = pipeline.prepare(settings, data_root)
    n, epochs = len(job.material.split.fit), settings.train.epochs
    last: Checkpoint | None = None
    with render.progress_bar(f"seed {settings.seed}", epochs * n, "images") as bar:
        for report in job.train():
            if isinstance(report, Progress):
                done = report.epoch * n + report.samples
                bar.advance(done, note=f"{report.log_likelihood:.1f} nats")
            else:
                last = report
                epoch = report.history[-1]
                render.say(
                    f"seed {settings.seed} epoch {epoch.epoch + 1:>3}/{epochs}  fit "
                    f"{epoch.train:9.2f}  held out {epoch.early_stopping:9.2f} nats  "
                    f"{epoch.samples_per_second:,.0f} images/s"
                )
    assert last is not None
    job.save(path, last, finished=True)
    return load_run(path), last.seconds


def store(outcomes: list[Outcome], path: Path) -> None:
    """Write the results file."""
    content: dict[str, Any] = dict(vars(outcomes[0]))
    if len(outcomes) > 1:
        values = {key: [getattr(outcome, key) for outcome in outcomes] for key in SUMMARISED}
        content["seeds"] = [outcome.seed for outcome in outcomes]
        content["median"] = {key: median(found) for key, found in values.items()}
        content["range"] = {key: [min(found), max(found)] for key, found in values.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def show(config: str, outcomes: list[Outcome]) -> None:
    """The source's row beside ours."""
    header = ["", "type I %", "type II %", "AUROC", "nats", "s"]
    rows = [
        ["source", _short(SOURCE_TYPE_I), _short(SOURCE_TYPE_II), "", "", ""],
        *(
            [
                f"seed {o.seed}",
                _short(Rate(round(o.type_i * 10_000), 10_000)),
                _short(Rate(round(o.type_ii * 10_000), 10_000)),
                f"{o.auroc:.5f}",
                f"{o.test_log_likelihood_nats:.1f}",
                f"{o.train_seconds:.0f}",
            ]
            for o in outcomes
        ),
    ]
    if len(outcomes) > 1:
        middle = {key: median(getattr(o, key) for o in outcomes) for key in SUMMARISED}
        rows.append(
            [
                f"median of {len(outcomes)}",
                f"{100 * middle['type_i']:.2f}",
                f"{100 * middle['type_ii']:.2f}",
                f"{middle['auroc']:.5f}",
                f"{middle['test_log_likelihood_nats']:.1f}",
                f"{middle['train_seconds']:.0f}",
            ]
        )
    title = f"{config}: MNIST against KMNIST at mean - 3σ, 95 % intervals"
    render.show_table(title, header, rows)


def _short(rate: Rate) -> str:
    low, high = rate.interval
    return f"{100 * rate.value:.2f} [{100 * low:.2f}, {100 * high:.2f}]"


if __name__ == "__main__":
    typer.run(main)
