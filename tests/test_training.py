"""Training: it learns, it repeats to the bit, it resumes to the bit, it stops when it should."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nice_anomaly import keeping
from nice_anomaly.config import load
from nice_anomaly.data import Material, builtin_material, row_hashes
from nice_anomaly.errors import ArtifactError, ConfigError, NumericsError
from nice_anomaly.keeping import Kept, Report, interrupted, train_to_the_end
from nice_anomaly.learning import Job, prepare, ready
from nice_anomaly.run import checkpoint_file, load_run, save_checkpoint
from nice_anomaly.settings import Settings
from nice_anomaly.training import Checkpoint, Progress, one_cycle

NOWHERE = Path("nowhere")
EPOCHS = 6


def settings(**train: object) -> Settings:
    return load("digits", [f"train.{key}={value}" for key, value in train.items()])


@cache
def material(seed: int = 0) -> Material:
    """Read once: reading the digits takes longer than an epoch."""
    return builtin_material("digits", settings().data, seed, NOWHERE)


def job(seed: int = 0, **train: object) -> Job:
    asked = settings(**train).model_copy(update={"seed": seed})
    return ready(asked, material(seed), (), "cpu")


def checkpoints(job: Job, resume: Checkpoint | None = None) -> list[Checkpoint]:
    return [report for report in job.train(resume) if isinstance(report, Checkpoint)]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def whole() -> list[Checkpoint]:
    """The epochs of one training from beginning to end, which others are held against."""
    return checkpoints(job(epochs=EPOCHS))


def test_training_beats_the_gaussian_it_starts_from(whole: list[Checkpoint]) -> None:
    start = job(epochs=1, learning_rate=1e-9, head_learning_rate=1e-9)
    before = checkpoints(start)[0].history[0].early_stopping
    last = whole[-1]
    assert last.history[last.best_epoch].early_stopping > before + 2


def test_an_epoch_is_told_as_it_was(whole: list[Checkpoint]) -> None:
    last = whole[-1]
    assert [state.epochs_done for state in whole] == [*range(1, EPOCHS + 1)]
    assert [summary.epoch for summary in last.history] == [*range(EPOCHS)]
    assert last.seconds == sum(summary.seconds for summary in last.history) > 0
    assert all(summary.samples_per_second > 0 for summary in last.history)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_weights_to_the_bit(precision: str) -> None:
    first, second = (checkpoints(job(epochs=1, precision=precision))[-1] for _ in range(2))
    assert same(first.weights, second.weights)


def test_another_seed_gives_other_weights() -> None:
    first = checkpoints(job(epochs=1))[-1]
    other = checkpoints(job(seed=1, epochs=1))[-1]
    assert not same(first.weights, other.weights)


def test_what_is_prepared_is_ready_for_the_data_of_the_settings() -> None:
    one, other = prepare(settings(epochs=1), NOWHERE, device="cpu"), job(epochs=1)
    assert one.material.dataset.fingerprint == other.material.dataset.fingerprint
    assert same(one.model.state_dict(), other.model.state_dict())
    assert (one.settings, one.inputs, one.precision) == (other.settings, (), other.precision)


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(whole: list[Checkpoint]) -> None:
    resumed = checkpoints(job(epochs=EPOCHS), resume=whole[3])
    assert len(resumed) == 2
    assert same(resumed[-1].weights, whole[-1].weights)
    assert same(resumed[-1].best, whole[-1].best)
    assert same(resumed[-1].optimizer, whole[-1].optimizer)
    assert torch.equal(resumed[-1].generator, whole[-1].generator)
    assert [h.train for h in resumed[-1].history] == [h.train for h in whole[-1].history]


@pytest.fixture(scope="module")
def hasty() -> list[Checkpoint]:
    """A training at too high a rate, which is best before its end."""
    return checkpoints(job(epochs=30, learning_rate=0.05, patience=2))


def test_the_checkpoint_holds_the_weights_of_the_best_epoch(hasty: list[Checkpoint]) -> None:
    held_out = [summary.early_stopping for summary in hasty[-1].history]
    best = int(np.argmax(held_out))
    assert best < len(hasty) - 1
    assert hasty[-1].best_epoch == best
    assert same(hasty[-1].best, hasty[best].weights)
    assert not same(hasty[-1].best, hasty[-1].weights)


def test_training_stops_when_patience_runs_out(hasty: list[Checkpoint]) -> None:
    assert len(hasty) < 30
    assert len(hasty) - 1 - hasty[-1].best_epoch == 2


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


def spoil(one: Job) -> None:
    """Make every later loss NaN."""
    for parameter in one.model.parameters():
        parameter.data.fill_(float("nan"))


def test_a_diverging_loss_stops_and_names_the_cause() -> None:
    diverging = job(epochs=3)
    reports = diverging.train()
    first = next(report for report in reports if isinstance(report, Checkpoint))
    spoil(diverging)
    with pytest.raises(
        NumericsError,
        match=r"became nan in epoch 2, batch 1: .* `overrides=\['train.learning_rate=0.0005'\]`",
    ):
        list(reports)
    assert all(tensor.isfinite().all() for tensor in first.best.values())


def test_a_checkpoint_is_frozen_while_training_goes_on() -> None:
    running = job(epochs=2)
    reports = running.train()
    first = next(report for report in reports if isinstance(report, Checkpoint))
    parts = {name: getattr(first, name) for name in ("weights", "best", "optimizer")}
    kept = {name: {k: v.clone() for k, v in part.items()} for name, part in parts.items()}
    list(islice(reports, 3))
    assert not same(running.model.state_dict(), kept["weights"])
    for name, part in parts.items():
        assert same(part, kept[name]), name


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


STATES: dict[str, Callable[[], Any]] = {  # all that torch keeps for the whole process
    "threads": torch.get_num_threads,
    "inference mode": torch.is_inference_mode_enabled,
    "autocast": lambda: torch.is_autocast_enabled("cpu"),
    "gradients": torch.is_grad_enabled,
    "random numbers": lambda: torch.get_rng_state().tolist(),
}


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("state", STATES)
def test_no_state_of_torch_is_held_between_two_steps(state: str) -> None:
    """At every report whoever listens computes as if nobody trained; bfloat16 needs autocast."""
    one = job(epochs=1, precision="bfloat16")
    before = STATES[state]()
    seen = [type(report) for report in one.train() if STATES[state]() == before]
    assert seen == [*[Progress] * 13, Checkpoint]


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("state", STATES)
def test_a_training_that_is_left_leaves_no_state_behind(state: str) -> None:
    reports = job(epochs=1, precision="bfloat16").train()
    before = STATES[state]()
    next(reports)
    reports.close()  # type: ignore[attr-defined]
    assert STATES[state]() == before


def test_a_run_is_what_the_best_weights_of_a_training_make(whole: list[Checkpoint]) -> None:
    one = job(epochs=EPOCHS)
    run = one.trained(whole[-1])
    assert same(run.model.state_dict(), whole[-1].best)
    manifest, parts = run.manifest, one.material.split
    assert (manifest.finished, manifest.best_epoch) == (True, whole[-1].best_epoch)
    assert manifest.history == whole[-1].history
    assert (manifest.data.n, manifest.data.fit) == (1297, len(parts.fit))
    assert manifest.data.fingerprint == one.material.dataset.fingerprint
    assert one.trained(whole[-1]).manifest.fingerprint == manifest.fingerprint
    assert one.trained(whole[-2], finished=False).manifest.finished is False


def test_a_run_knows_what_it_has_learned_and_what_is_repeated() -> None:
    """Two held-out samples are copied from the part that is fitted."""
    one = job(epochs=1)
    parts, values = one.material.split, one.material.dataset.values.copy()
    values[parts.calibration[:2]] = values[parts.fit[:2]]
    dataset = replace(one.material.dataset, values=values)
    copied = replace(one, material=replace(one.material, dataset=dataset))
    run = copied.trained(checkpoints(one)[-1])
    learned = np.concatenate([parts.fit, parts.early_stopping])
    assert run.seen.tolist() == sorted(row_hashes(values[learned]).tolist())
    assert run.manifest.data.repeated == 2


# To the end: what is kept on the way, and what is left when something stops the training.


class Listener:
    """Hears of a training, and does something at the n-th report of a kind."""

    def __init__(self, kind: type = Progress, n: int = 0, act: Callable[[], None] = print) -> None:
        self.heard: list[Report] = []
        self._kind, self._n, self._act = kind, n, act

    def __call__(self, report: Report) -> None:
        self.heard.append(report)
        if isinstance(report, self._kind) and self.count(self._kind) == self._n:
            self._act()

    def count(self, kind: type) -> int:
        return sum(isinstance(report, kind) for report in self.heard)


def stop() -> None:
    raise KeyboardInterrupt


STEPS = 13  # an epoch: 797 samples in batches of 64


def test_a_training_that_ends_is_kept_whole(tmp_path: Path, whole: list[Checkpoint]) -> None:
    listener, path = Listener(), tmp_path / "run"
    last = train_to_the_end(job(epochs=EPOCHS), path, None, listener)
    assert same(last.best, whole[-1].best)
    assert listener.count(Progress) == STEPS * EPOCHS
    assert [report for report in listener.heard if isinstance(report, Kept)] == [Kept(path, True)]
    assert same(load_run(path).model.state_dict(), whole[-1].best)
    assert not list(path.glob(".*"))


def test_a_training_in_memory_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listener = Listener()
    last = train_to_the_end(job(epochs=2), None, None, listener)
    assert last.epochs_done == 2
    assert listener.count(Kept) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_long_training_is_kept_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "SAVE_EVERY_SECONDS", -1)
    there: list[bool] = []
    listener = Listener()

    def listen(report: Report) -> None:
        listener(report)
        if isinstance(report, Kept):
            there.append(checkpoint_file(tmp_path).exists())

    train_to_the_end(job(epochs=2), tmp_path, None, listen)
    kept = [report for report in listener.heard if isinstance(report, Kept)]
    assert [report.finished for report in kept] == [False, False, True]
    assert there == [True, True, False]


def test_an_interrupted_training_is_kept_and_goes_on_to_the_same_weights(
    tmp_path: Path, whole: list[Checkpoint]
) -> None:
    listener = Listener(Progress, 2 * STEPS + 5, stop)
    with pytest.raises(KeyboardInterrupt) as stopped:
        train_to_the_end(job(epochs=EPOCHS), tmp_path, None, listener)
    assert str(stopped.value) == (
        f"interrupted: {tmp_path} holds the weights of epoch {whole[1].best_epoch + 1}, the best "
        f"of 2. Go on with `learn(resume=True, run='{tmp_path}')`, or use the run as it is."
    )
    kept = load_run(tmp_path)
    assert kept.manifest.finished is False
    assert same(kept.model.state_dict(), whole[1].best)
    again, checkpoint = interrupted(tmp_path, NOWHERE, "cpu")
    assert checkpoint.epochs_done == 2
    last = train_to_the_end(again, tmp_path, checkpoint, Listener())
    assert same(last.weights, whole[-1].weights)
    assert same(load_run(tmp_path).model.state_dict(), whole[-1].best)
    assert load_run(tmp_path).manifest.finished
    with pytest.raises(ArtifactError, match="there is nothing to resume"):
        interrupted(tmp_path, NOWHERE, "cpu")


def test_a_training_that_was_patient_long_enough_has_ended_when_it_goes_on() -> None:
    patient = {"epochs": 30, "patience": 2, "learning_rate": 0.02}
    whole = checkpoints(job(**patient))
    assert len(whole) < 30
    for state in whole[-3:]:
        rest = checkpoints(job(**patient), resume=state)
        assert [last.epochs_done for last in rest] == [
            *range(state.epochs_done + 1, len(whole) + 1)
        ]
        assert same((rest or whole)[-1].best, whole[-1].best)


def digest(path: Path) -> dict[str, str]:
    files = (file for file in path.iterdir() if file.is_file())
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_run_stays_as_it_is_until_another_training_has_ended(
    tmp_path: Path, whole: list[Checkpoint]
) -> None:
    """It is interrupted, goes on, is interrupted again, and goes on to its end."""
    train_to_the_end(job(epochs=1), tmp_path, None, Listener())
    before = digest(tmp_path)
    with pytest.raises(KeyboardInterrupt) as stopped:
        train_to_the_end(job(epochs=EPOCHS), tmp_path, None, Listener(Progress, STEPS + 5, stop))
    assert str(stopped.value) == (
        f"interrupted: {tmp_path} holds the run from before, as it was. Go on with "
        f"`learn(resume=True, run='{tmp_path}')`, or use the run as it is."
    )
    assert digest(tmp_path) == before
    again, checkpoint = interrupted(tmp_path, NOWHERE, "cpu")
    with pytest.raises(KeyboardInterrupt):
        train_to_the_end(again, tmp_path, checkpoint, Listener(Checkpoint, 1, stop))
    assert digest(tmp_path) == before
    again, checkpoint = interrupted(tmp_path, NOWHERE, "cpu")
    assert checkpoint is not None
    assert checkpoint.epochs_done == 2
    train_to_the_end(again, tmp_path, checkpoint, Listener())
    assert same(load_run(tmp_path).model.state_dict(), whole[-1].best)
    both = before.keys() & digest(tmp_path).keys()
    assert {name.partition("-")[0] for name in both} == {"run.json", "references"}  # of the data
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_run_stays_when_a_training_over_it_diverges(tmp_path: Path, epochs: int) -> None:
    train_to_the_end(job(epochs=1), tmp_path, None, Listener())
    before = digest(tmp_path)
    diverging = job(epochs=EPOCHS)
    listener = Listener(Progress, epochs * STEPS + 1, lambda: spoil(diverging))
    with pytest.raises(NumericsError) as failed:
        train_to_the_end(diverging, tmp_path, None, listener)
    assert str(failed.value).endswith(f"\n{tmp_path} holds the run from before, as it was.")
    assert digest(tmp_path) == before
    assert not list(tmp_path.glob(".*"))


def test_a_training_over_a_run_that_is_interrupted_at_once_keeps_nothing(tmp_path: Path) -> None:
    train_to_the_end(job(epochs=1), tmp_path, None, Listener())
    with pytest.raises(KeyboardInterrupt, match=r"nothing was kept\. .* holds the run from before"):
        train_to_the_end(job(epochs=2), tmp_path, None, Listener(Progress, 3, stop))
    assert not list(tmp_path.glob(".*"))


def test_a_training_that_is_terminated_is_kept(tmp_path: Path, whole: list[Checkpoint]) -> None:
    def terminate() -> None:
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        train_to_the_end(job(epochs=EPOCHS), tmp_path, None, Listener(Checkpoint, 2, terminate))
    again, checkpoint = interrupted(tmp_path, NOWHERE, "cpu")
    assert checkpoint is not None
    assert checkpoint.epochs_done == 2
    assert same(train_to_the_end(again, tmp_path, checkpoint, Listener()).best, whole[-1].best)


def test_randomness_of_another_kind_of_device_is_no_state_to_go_on_with(
    tmp_path: Path, whole: list[Checkpoint]
) -> None:
    one = job(epochs=EPOCHS)
    elsewhere = replace(whole[0], generator=torch.zeros(16, dtype=torch.uint8))
    save_checkpoint(tmp_path, one.manifest(elsewhere, finished=False), elsewhere)
    with pytest.raises(ConfigError, match="was begun on another kind of device than cpu"):
        interrupted(tmp_path, NOWHERE, "cpu")


def test_a_training_that_is_interrupted_in_its_first_epoch_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted: nothing was kept\.$"):
        train_to_the_end(job(epochs=2), tmp_path, None, Listener(Progress, 3, stop))
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_keeps_the_last_good_weights(
    tmp_path: Path, whole: list[Checkpoint]
) -> None:
    diverging = job(epochs=EPOCHS)
    listener = Listener(Checkpoint, 2, lambda: spoil(diverging))
    with pytest.raises(NumericsError) as failed:
        train_to_the_end(diverging, tmp_path, None, listener)
    assert str(failed.value).endswith(
        f"\n{tmp_path} holds the weights of epoch {whole[1].best_epoch + 1}, the best before that."
    )
    assert same(load_run(tmp_path).model.state_dict(), whole[1].best)
    assert not checkpoint_file(tmp_path).exists()  # it would only diverge again


def test_a_training_that_diverges_in_its_first_epoch_keeps_nothing(tmp_path: Path) -> None:
    diverging = job(epochs=2)
    listener = Listener(Progress, 3, lambda: spoil(diverging))
    with pytest.raises(
        NumericsError,
        match=r"in epoch 1, batch 4.*learning_rate=0\.0005'\]`, or a smaller train\.head_",
    ):
        train_to_the_end(diverging, tmp_path, None, listener)
    assert list(tmp_path.iterdir()) == []
