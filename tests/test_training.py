"""Training: it learns, it repeats to the bit, it resumes to the bit, it stops when it should."""

from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nice_anomaly.config import Settings, load
from nice_anomaly.errors import NumericsError
from nice_anomaly.pipeline import Job, prepare
from nice_anomaly.train import Checkpoint, Progress, one_cycle

NOWHERE = Path("nowhere")


def settings(**train: object) -> Settings:
    return load("digits", [f"train.{key}={value}" for key, value in train.items()])


def job(**train: object) -> Job:
    return prepare(settings(**train), NOWHERE, device="cpu")


def checkpoints(job: Job, resume: Checkpoint | None = None) -> list[Checkpoint]:
    return [report for report in job.train(resume) if isinstance(report, Checkpoint)]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_training_beats_the_gaussian_it_starts_from() -> None:
    start = job(epochs=1, learning_rate=1e-9, head_learning_rate=1e-9)
    before = checkpoints(start)[0].history[0].early_stopping
    last = checkpoints(job(epochs=8))[-1]
    assert last.history[last.best_epoch].early_stopping > before + 2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_weights_to_the_bit(precision: str) -> None:
    first, second = (checkpoints(job(epochs=2, precision=precision))[-1] for _ in range(2))
    assert same(first.weights, second.weights)


def test_another_seed_gives_other_weights() -> None:
    first = checkpoints(job(epochs=1))[-1]
    other = checkpoints(prepare(settings(epochs=1).model_copy(update={"seed": 1}), NOWHERE))[-1]
    assert not same(first.weights, other.weights)


def test_a_resumed_training_ends_where_an_uninterrupted_one_does() -> None:
    whole = checkpoints(job(epochs=4))
    resumed = checkpoints(job(epochs=4), resume=whole[1])
    assert len(resumed) == 2
    assert same(resumed[-1].weights, whole[-1].weights)
    assert same(resumed[-1].best, whole[-1].best)
    assert [h.train for h in resumed[-1].history] == [h.train for h in whole[-1].history]


def test_the_checkpoint_holds_the_weights_of_the_best_epoch() -> None:
    states = checkpoints(job(epochs=6, learning_rate=0.03))
    held_out = [summary.early_stopping for summary in states[-1].history]
    best = int(np.argmax(held_out))
    assert states[-1].best_epoch == best
    assert same(states[-1].best, states[best].weights)


def test_training_stops_when_patience_runs_out() -> None:
    states = checkpoints(job(epochs=30, learning_rate=0.05, patience=2))
    last = states[-1]
    assert len(states) < 30
    assert len(states) - 1 - last.best_epoch == 2


def test_every_sample_is_seen_once_an_epoch_the_last_batch_too() -> None:
    one = job(epochs=1, batch_size=100)
    progress = [report for report in one.train() if isinstance(report, Progress)]
    n = len(one.material.split.fit)
    assert n % 100 != 0
    assert [report.samples for report in progress] == [*range(100, n, 100), n]
    assert progress[-1].step == progress[-1].steps


def test_few_samples_are_passed_as_often_as_the_least_steps_need() -> None:
    one = job(epochs=2, batch_size=400, least_steps=7)  # 797 samples: 2 steps a pass, 4 passes
    progress = [report for report in one.train() if isinstance(report, Progress)]
    n = len(one.material.split.fit)
    assert [len(progress), progress[-1].steps] == [16, 16]
    assert progress[7].samples == progress[7].samples_per_epoch == 4 * n


def test_a_diverging_loss_stops_and_names_the_cause() -> None:
    diverging = job(epochs=3)
    reports = diverging.train()
    first = next(report for report in reports if isinstance(report, Checkpoint))
    diverging.flow.scaling.log_scale.data.fill_(float("nan"))
    with pytest.raises(NumericsError, match=r"became nan in epoch 2, batch 1.*learning rate"):
        list(reports)
    assert all(tensor.isfinite().all() for tensor in first.best.values())


def test_weights_of_a_checkpoint_are_frozen() -> None:
    running = job(epochs=2)
    reports = running.train()
    first = next(report for report in reports if isinstance(report, Checkpoint))
    kept = {name: tensor.clone() for name, tensor in first.weights.items()}
    list(islice(reports, 3))
    assert same(first.weights, kept)


def test_one_cycle_rises_to_one_and_falls_to_zero() -> None:
    factors = [one_cycle(step / 100, 0.25) for step in range(101)]
    assert int(np.argmax(factors)) == 25
    assert max(factors) == 1
    assert all(a < b for a, b in pairwise(factors[:26]))
    assert all(a > b for a, b in pairwise(factors[25:]))


def test_calibration_samples_take_no_part_in_training() -> None:
    """Poisoning the calibration part changes nothing that training gives."""
    clean = job(epochs=1)
    material = clean.material
    poisoned = material.dataset.values.copy()
    poisoned[material.split.calibration] = 16
    spoiled = replace(material, dataset=replace(material.dataset, values=poisoned))
    dirty = replace(job(epochs=1), material=spoiled)
    assert same(checkpoints(clean)[-1].weights, checkpoints(dirty)[-1].weights)
