"""Folds: who is in which, that no flow knows its own, and that flows side by side are flows."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Command
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly import learn, load_run
from nice_anomaly.crossfitting import Lesson, Stack, train_folds
from nice_anomaly.data import Wishes, recognise
from nice_anomaly.data.splits import fold_numbers, lessons
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.flow import PRIORS, Architecture, Bundle, Flow, bundle
from nice_anomaly.keeping import interrupted, train_to_the_end
from nice_anomaly.learning import prepare
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run import save_checkpoint
from nice_anomaly.settings import DataSettings, TrainSettings
from nice_anomaly.training import Checkpoint, train
from nice_anomaly.vocabulary import PriorName

ROWS = np.random.default_rng(5).normal(size=(90, 3)).cumsum(axis=1)
QUICK = ("data.folds=3", "train.epochs=4", "train.least_steps=5")


def numbers(n: int) -> NDArray[np.int64]:
    return np.arange(n, dtype=np.int64)


@pytest.mark.parametrize("n", [2, 5, 30, 101])
@pytest.mark.parametrize("count", [2, 5, 10])
def test_folds_are_as_equal_as_can_be(n: int, count: int) -> None:
    if n < count:
        with pytest.raises(DataError, match=rf"{n} different samples cannot be cut into {count}"):
            fold_numbers(count, numbers(n), 0)
        return
    sizes = np.bincount(fold_numbers(count, numbers(n), seed=0), minlength=count)
    assert sizes.max() - sizes.min() <= 1
    assert sizes.sum() == n


def test_the_seed_decides_and_nothing_else() -> None:
    first, again, other = (fold_numbers(5, numbers(60), seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


TOGETHER: dict[str, tuple[list[int], list[str | None] | None, list[set[int]]]] = {
    "copies": ([7, 8, 7, 9, 8, 10], None, [{0, 2}, {1, 4}]),
    "groups": ([1, 2, 3, 4, 5, 6], ["a", "b", "a", "b", "c", "c"], [{0, 2}, {1, 3}, {4, 5}]),
    "a copy ties two groups": ([1, 2, 3, 1, 5, 6], ["a", "a", "b", "b", "c", "d"], [{0, 1, 2, 3}]),
    "a sample without a group is alone": ([1, 2, 3, 4], [None, None, "a", "a"], [{2, 3}]),
    "its copy is not": ([1, 1, 3, 4], [None, "a", "a", "b"], [{0, 1, 2}]),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_what_belongs_together_is_in_one_fold(case: str) -> None:
    hashes, groups, units = TOGETHER[case]
    for seed in range(20):
        found = fold_numbers(2, np.array(hashes), seed, groups)
        assert set(found.tolist()) == {0, 1}
        assert all(len({int(found[place]) for place in unit}) == 1 for unit in units)


def test_fewer_groups_than_folds_are_refused_with_what_they_allow() -> None:
    groups: Sequence[str | None] = ["a", "b", "c"] * 10
    with pytest.raises(DataError, match=r"3 groups cannot be cut into 5 folds.*`folds=3`"):
        fold_numbers(5, numbers(30), 0, groups)
    with pytest.raises(DataError, match=r"1 group cannot be cut into 2 folds.*`folds=0`"):
        fold_numbers(2, numbers(30), 0, ["a"] * 30)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_what_one_fold_would_nearly_all_be_is_refused(count: int) -> None:
    """39 copies of a sample, or 39 samples of a group, and one other: it would be learned alone."""
    said = r"39 of 40 samples are copies.*Take `folds=0`"
    with pytest.raises(DataError, match=said):
        fold_numbers(count, np.append(np.zeros(39, dtype=np.int64), 1), 0, fewer=True)
    with pytest.raises(DataError, match=said):
        fold_numbers(count, numbers(40), 0, ["a"] * 39 + ["b"], fewer=True)
    found = fold_numbers(2, np.append(np.zeros(30, dtype=np.int64), numbers(10) + 1), 0)
    assert sorted(np.bincount(found)) == [10, 30]


def test_a_lesson_is_what_a_fold_leaves() -> None:
    folds = fold_numbers(4, numbers(43), seed=3)
    for fold, (fit, stop) in enumerate(lessons(folds, seed=3)):
        assert sorted([*fit, *stop]) == np.flatnonzero(folds != fold).tolist()
        assert len(stop) == round(0.1 * (len(fit) + len(stop)))


@pytest.mark.parametrize(("folds", "n", "found"), [("auto", 100, 10), ("auto", 101, 5), (0, 50, 0)])
def test_how_many_folds_there_are(folds: object, n: int, found: int) -> None:
    assert DataSettings.model_validate({"folds": folds}).folds_for(n) == found
    assert DataSettings().folds_for(n) == 0  # of the built-in sets none


def flows(count: int = 3, prior: PriorName = "mixture") -> Bundle:
    shape = Architecture(3, 2, 1, 8, prior, "silu", 2)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        found = Bundle(bundle.Architecture(count, shape))
        for parameter in found.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape)
    return found


@pytest.mark.parametrize("prior", PRIORS)
def test_flows_side_by_side_say_what_each_says_and_learn_what_each_learns(
    prior: PriorName,
) -> None:
    several, x = (
        flows(prior=prior),
        torch.randn(3, 11, 3, generator=torch.Generator().manual_seed(0)),
    )
    stack = Stack(several)
    found = stack.each(x)
    alone = [flow.log_prob(own) for flow, own in zip(several.members, x, strict=True)]
    assert torch.allclose(found, torch.stack(alone), atol=1e-5)
    found.mean(dim=1).sum().backward()
    sum(each.mean() for each in alone).backward()  # type: ignore[union-attr]
    for j, flow in enumerate(several.members):
        for name, parameter in flow.named_parameters():
            assert parameter.grad is not None
            assert torch.allclose(stack.parameters[name].grad[j], parameter.grad, atol=1e-5)


def test_the_mean_of_all_is_the_log_likelihood() -> None:
    several, x = flows(), torch.tensor(ROWS[:7], dtype=torch.float32)
    with torch.no_grad():
        alone = [flow.log_prob(x) for flow in several.members]
        assert torch.equal(several.log_prob(x), torch.stack(alone, dim=1).mean(dim=1))


def test_a_stack_gives_back_what_it_took() -> None:
    several = flows()
    state = Stack(several).state()
    assert state.keys() == several.state_dict().keys()
    other = Stack(flows(3))
    other.load({name: tensor + 1 for name, tensor in state.items()})
    assert all(torch.equal(tensor, state[name] + 1) for name, tensor in other.state().items())


SETTINGS = TrainSettings(
    epochs=3, least_steps=4, batch_size=16, learning_rate=0.01, head_learning_rate=0.01
)


def trained(rows: NDArray[np.float64], folds: NDArray[np.int64], seed: int = 0) -> Checkpoint:
    raw, preprocess = torch.from_numpy(rows), Preprocess.for_columns(ROWS, 0.1)
    parts = [Lesson(raw[fit], raw[stop]) for fit, stop in lessons(folds, seed=0)]
    found = train_folds(flows(), preprocess, parts, SETTINGS, seed=seed, precision=torch.float32)
    return [report for report in found if isinstance(report, Checkpoint)][-1]


def of(flow: int, weights: dict[str, Tensor]) -> list[Tensor]:
    return [tensor for name, tensor in weights.items() if name.startswith(f"flows.{flow}.")]


def test_no_flow_knows_what_is_in_its_own_fold() -> None:
    folds = fold_numbers(3, numbers(90), seed=0)
    other = ROWS.copy()
    other[folds == 1] += 5.0
    one, two = trained(ROWS, folds).best, trained(other, folds).best
    same = [
        all(torch.equal(a, b) for a, b in zip(of(j, one), of(j, two), strict=True))
        for j in range(3)
    ]
    assert same == [False, True, False]


def test_each_flow_is_kept_as_it_was_at_its_own_best() -> None:
    last = trained(ROWS, fold_numbers(3, numbers(90), seed=0))
    assert last.folds is not None
    assert last.folds.shape == (3, 3)
    means = [epoch.early_stopping for epoch in last.history]
    assert np.allclose(means, last.folds.mean(dim=1))
    assert means[last.best_epoch] == max(means)


def test_flows_side_by_side_become_better_than_they_began() -> None:
    last = trained(ROWS, fold_numbers(3, numbers(90), seed=0))
    assert last.history[-1].train > last.history[0].train + 0.2


def test_as_many_folds_as_groups_are_taken_where_nobody_says_how_many() -> None:
    groups: Sequence[str | None] = ["a", "b", "c"] * 10
    assert fold_numbers(10, numbers(30), 0, groups, fewer=True).max() == 2


def test_a_training_in_folds_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    from nice_anomaly.config import load

    inputs = recognise([str(tmp_path / "rows.npy")])
    job = prepare(load("table", QUICK), tmp_path, inputs=inputs, wishes=Wishes())
    whole = [report for report in job.train() if isinstance(report, Checkpoint)]
    (tmp_path / "run").mkdir()
    save_checkpoint(tmp_path / "run", job.manifest(whole[1], finished=False), whole[1])
    again, state = interrupted(tmp_path / "run", tmp_path)
    end = train_to_the_end(again, tmp_path / "run", state, lambda _: None)
    assert end.folds is not None
    assert whole[-1].folds is not None
    assert torch.equal(end.folds, whole[-1].folds)
    assert all(torch.equal(end.best[name], tensor) for name, tensor in whole[-1].best.items())


def test_one_flow_is_what_it_was() -> None:
    alone = learn(ROWS, overrides=["data.folds=0", *QUICK[1:]])
    assert isinstance(alone.trained.model, Flow)
    assert alone.manifest.folds == 0
    assert alone.manifest.data.calibration == 22


def test_every_normal_calibrates_by_the_flow_that_has_not_seen_it() -> None:
    run = learn(ROWS, overrides=QUICK)
    own = run.own_data().in_folds
    assert own is not None
    scorer = run.scorer()
    expected = np.empty(90)
    for j, member in enumerate(scorer.members):
        expected[own.folds == j] = member(ROWS[own.folds == j]).values
    assert np.allclose(run.normals(score="likelihood").scores.values, expected)
    assert run.calibrate(rule="quantile", alpha=0.1).n == 90
    assert not np.allclose(run.score(ROWS).values, expected)


def test_a_run_in_folds_is_kept_and_read(tmp_path: Path) -> None:
    run = learn(ROWS, overrides=QUICK, run=tmp_path / "run")
    again = load_run(tmp_path / "run")
    assert again.manifest.folds == 3
    assert again.manifest.cut.startswith("90 in 3 folds: each of them was learned by 2 of 3 flows")
    assert np.array_equal(again.score(ROWS).values, run.score(ROWS).values)
    assert again.verify().problems == ()


def test_columns_that_differ_in_one_fold_alone_can_be_learned() -> None:
    rows = np.column_stack([ROWS, np.zeros(90)])
    folds = fold_numbers(3, learned_hashes(rows), seed=0)
    rows[np.flatnonzero(folds == 2)[0], 3] = 1.0
    run = learn(rows, overrides=QUICK)
    assert np.isfinite(run.normals().scores.values).all()


def learned_hashes(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    from nice_anomaly.data import row_hashes

    return row_hashes(rows)


@pytest.mark.parametrize(
    ("overrides", "kind", "words"),
    [
        (["data.folds=1"], ConfigError, "data.folds takes auto, 0, or 2 to 100, got 1"),
        (["data.folds=-2"], ConfigError, "takes auto, 0, or 2 to 100, got -2"),
        (["data.folds=101"], ConfigError, "takes auto, 0, or 2 to 100, got 101"),
        (["data.folds=many"], ConfigError, "takes auto, 0, or 2 to 100, got many"),
        (["data.folds=100"], DataError, "90 different samples cannot be cut into 100 folds"),
        (["data.folds=5", "model=vae"], ConfigError, "data.folds is for flows"),
        (["data.folds=3", "data.group_column=nobody"], DataError, "nobody"),
    ],
)
def test_folds_that_cannot_be_are_refused(
    overrides: list[str], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        learn(ROWS, overrides=overrides)


def test_who_asks_for_a_held_out_part_gets_one_flow() -> None:
    run = learn(ROWS, overrides=["data.calibration=30", *QUICK[1:]])
    assert run.manifest.folds == 0
    assert run.manifest.data.calibration == 30


def test_another_model_is_one(tmp_path: Path) -> None:
    del tmp_path
    run = learn(ROWS, overrides=["model=vae", "train.epochs=1", "train.least_steps=2"])
    assert run.manifest.folds == 0


def test_groups_stay_together_from_the_command_line(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("parts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "machine", "shift"])
        for place, row in enumerate(ROWS):
            writer.writerow([*row.round(4), f"m{place % 6}", f"s{place % 2}"])
    done = command("train", "parts.csv", "--folds", "3", "--group-column", "machine", *few())
    assert done.code == 0, done.err
    assert "samples of one group are in one fold" in done.err
    own = load_run("runs/parts").own_data("shift")  # groups of thresholds may be others
    assert own.in_folds is not None
    assert all(len(set(own.in_folds.folds[machine::6].tolist())) == 1 for machine in range(6))
    assert own.groups is not None
    assert [*own.groups[:2]] == ["s0", "s1"]
    done = command("train", "parts.csv", "--folds", "8", "--group-column", "machine", *few())
    assert done.code == 3
    assert "6 groups cannot be cut into 8 folds: take fewer, e.g. --folds 6" in done.err


def few() -> list[str]:
    return ["--set", "train.epochs=2", "--set", "train.least_steps=2"]


def test_methods_are_compared_in_the_folds_of_the_run() -> None:
    run = learn(ROWS, overrides=QUICK)
    run.calibrate(rule="quantile", alpha=0.1)
    on = run.opponents(ROWS[::-1][:40] + 3.0)
    assert on.in_folds is not None
    assert len(on.normal) == 90
    ours, *others = run.compare(on)
    assert ours.ours
    assert all(0 <= contest.auroc <= 1 for contest in others)
    with pytest.raises(ConfigError, match="was trained in folds"):
        [*run.compare(on, beside=[learn(ROWS, overrides=QUICK, seed=3)])]


def test_what_is_held_out_of_one_flow_can_be_stressed() -> None:
    run = learn(ROWS, overrides=QUICK)
    run.calibrate(rule="quantile", alpha=0.1)
    first = next(iter(run.stress()))
    assert (first.flagged.n, first.flagged.count) == (90, run.calibration().overall.flagged)


def test_a_run_of_one_flow_cannot_pass_for_one_in_folds(tmp_path: Path) -> None:
    from nice_anomaly.errors import ArtifactError
    from nice_anomaly.run.manifest import as_json, parse_manifest

    manifest = learn(ROWS, overrides=["data.folds=0", *QUICK[1:]]).manifest
    several = learn(ROWS, overrides=QUICK).manifest
    del tmp_path
    for wrong in (
        replace(manifest, data=several.data),
        replace(several, data=manifest.data),
        replace(manifest, settings=several.settings),
        replace(several, settings=manifest.settings),
    ):
        with pytest.raises(ArtifactError, match="lacks or has wrong entries"):
            parse_manifest(as_json(wrong), "there")


def test_train_alone_and_train_folds_walk_the_same_way() -> None:
    """A bundle of equal lessons learns as one flow does from as many steps, within luck."""
    raw, preprocess = torch.from_numpy(ROWS), Preprocess.for_columns(ROWS, 0.1)
    one = flows().members[0]
    alone = [
        report
        for report in train(
            one, preprocess, raw[9:], raw[:9], SETTINGS, seed=0, precision=torch.float32
        )
        if isinstance(report, Checkpoint)
    ][-1]
    parts = [Lesson(raw[9:], raw[:9])] * 3
    several = [
        report
        for report in train_folds(
            flows(), preprocess, parts, SETTINGS, seed=0, precision=torch.float32
        )
        if isinstance(report, Checkpoint)
    ][-1]
    assert several.folds is not None
    assert several.folds[-1, 0] == pytest.approx(alone.history[-1].early_stopping, abs=0.4)
