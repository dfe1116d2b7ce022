"""Reproduce the published experiment: learn MNIST, threshold at mean - 3σ, test on KMNIST.

Writes results/reproduce.json (results/reproduce-NAME.json for another configuration). With
several seeds the top-level numbers are those of the first, beside median and range over all. For
the default configuration the pictures' data are collected from the same first run.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Annotated, Any

import typer

from collect import collect
from experiments import DataRoot, Results, store, train
from nice_anomaly import Run, builtin
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.data import evaluation_part
from nice_anomaly.errors import NiceAnomalyError
from nice_anomaly.learning import versions
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.settings import Settings

SOURCE_TYPE_I, SOURCE_TYPE_II = Rate(110, 10_000), Rate(24, 10_000)
NORMAL, ANOMALOUS = builtin("mnist"), builtin("kmnist")
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
    results: Results = Path("results"),
    data_root: DataRoot = Path("data"),
) -> None:
    """Train, calibrate and detect on both sets, once a seed; print and store the comparison."""
    if not (data_root / "MNIST").exists() and "NICE_ANOMALY_DATA" not in os.environ:
        render.say(
            f"MNIST and KMNIST (test part) are downloaded to {data_root.resolve()}, 17 MB. To use "
            f"files you have, set NICE_ANOMALY_DATA to the folder with MNIST/raw and KMNIST/raw."
        )
    name = Path(config).stem
    try:
        settings = load(config)
        for part in (NORMAL, ANOMALOUS):  # a missing file is said before the training
            evaluation_part(part.name, data_root)
        each = [settings.model_copy(update={"seed": seed}) for seed in range(seeds)]
        runs = [train(one, Path(f"runs/reproduce-{name}-{one.seed}"), data_root) for one in each]
        outcomes = [reproduce(run) for run in runs]
        target = "reproduce.json" if config == "mnist" else f"reproduce-{name}.json"
        store(results / target, summary(outcomes), settings=settings.model_dump())
        if config == "mnist":
            collect(runs[0], data_root, results)
    except NiceAnomalyError as error:
        render.show_error(error)
        raise SystemExit(error.exit_code) from None
    show(config, outcomes)


def reproduce(run: Run) -> Outcome:
    """From a trained run to both error rates."""
    settings: Settings = run.manifest.settings
    calibration = run.calibrate(rule="sigma", k=settings.calibrate.k, say=render.say)
    normal, anomalous = run.detect(NORMAL), run.detect(ANOMALOUS)
    type_i, type_ii = Rate.of(normal.flagged), Rate.of(~anomalous.flagged)
    nats = mean(float(run.score(NORMAL, noise_seed=draw).values.mean()) for draw in range(DRAWS))
    return Outcome(
        type_i=type_i.value,
        type_ii=type_ii.value,
        auroc=auroc(normal.scores, anomalous.scores),
        type_i_interval=type_i.interval,
        type_ii_interval=type_ii.interval,
        threshold=calibration.threshold,
        train_seconds=run.manifest.seconds,
        test_log_likelihood_nats=nats,
        bits_per_dim=run.trained.preprocess.bits_per_dim(nats) or math.nan,
        seed=settings.seed,
        parameters=run.trained.model.parameter_count,
        versions=versions(),
    )


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """The first seed's numbers, and with several seeds median and range over all."""
    content: dict[str, Any] = dict(vars(outcomes[0]))
    if len(outcomes) > 1:
        values = {key: [getattr(outcome, key) for outcome in outcomes] for key in SUMMARISED}
        content["seeds"] = [outcome.seed for outcome in outcomes]
        content["median"] = {key: median(found) for key, found in values.items()}
        content["range"] = {key: [min(found), max(found)] for key, found in values.items()}
    return content


def show(config: str, outcomes: list[Outcome]) -> None:
    """The source's row beside ours."""
    rows = [
        ["source", _short(SOURCE_TYPE_I), _short(SOURCE_TYPE_II), "", "", ""],
        *(
            [
                f"seed {o.seed}",
                _short(Rate(round(o.type_i * 10_000), 10_000)),
                _short(Rate(round(o.type_ii * 10_000), 10_000)),
                *_rest(vars(o)),
            ]
            for o in outcomes
        ),
    ]
    if len(outcomes) > 1:
        middle = summary(outcomes)["median"]
        errors = (f"{100 * middle[key]:.2f}" for key in ("type_i", "type_ii"))
        rows.append([f"median of {len(outcomes)}", *errors, *_rest(middle)])
    title = f"{config}: MNIST against KMNIST at mean - 3σ, 95 % intervals"
    render.show_table(title, ["", "type I %", "type II %", "AUROC", "nats", "s"], rows)


def _rest(found: dict[str, Any]) -> list[str]:
    nats, seconds = found["test_log_likelihood_nats"], found["train_seconds"]
    return [f"{found['auroc']:.5f}", f"{nats:.1f}", f"{seconds:.0f}"]


def _short(rate: Rate) -> str:
    low, high = rate.interval
    return f"{100 * rate.value:.2f} [{100 * low:.2f}, {100 * high:.2f}]"


if __name__ == "__main__":
    typer.run(main)
