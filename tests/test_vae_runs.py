"""Runs of a VAE from end to end: the same commands, a bound in place of a likelihood."""

import json
from contextlib import chdir
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Command, copied

import nice_anomaly as na
from nice_anomaly.config import load
from nice_anomaly.data import Inputs, Wishes, recognise
from nice_anomaly.errors import ConfigError, NumericsError
from nice_anomaly.learning import Job, prepare
from nice_anomaly.sklearn import NiceDetector
from nice_anomaly.training import Checkpoint
from nice_anomaly.vae import GRADIENTS
from nice_anomaly.vocabulary import Gradient

SMALL = ("--config", "digits", "--set", "model=vae", "--set", "vae.latents=8")
QUICK = ("--set", "vae.width=64", "--set", "vae.draws=8", "--set", "train.epochs=6")


@pytest.fixture(scope="module")
def shared_vae(
    tmp_path_factory: pytest.TempPathFactory, shared_digits: Path, command: Command
) -> Path:
    """Digits, learned by a flow in runs/digits and by a VAE in runs/vae, which is calibrated."""
    folder = copied(shared_digits, tmp_path_factory.mktemp("vae"))
    with chdir(folder):
        assert command("train", *SMALL, *QUICK, "--run", "runs/vae").code == 0
        assert command("calibrate", "--run", "runs/vae").code == 0
        assert command("calibrate", "--run", "runs/digits").code == 0
    return folder


@pytest.fixture
def digits(shared_vae: Path, elsewhere: Path) -> Path:
    return copied(shared_vae, elsewhere)


@pytest.mark.usefixtures("digits")
def test_its_verbs_are_those_of_every_run(command: Command) -> None:
    for anomalous, kind in (("photos", "type II"), ("digits", "type I")):
        found = command.json("detect", "--dataset", anomalous, "--run", "runs/vae")
        assert found["error_kind"] == kind
        assert found["error_rate"] < 0.05
    stressed = command.json("stress", "--run", "runs/vae", "--n", "50")
    assert stressed["score"] == "likelihood"
    assert command("sample", "--run", "runs/vae", "-o", "x.png").code == 0


@pytest.mark.usefixtures("digits")
def test_it_says_that_its_score_is_a_bound_and_how_much_each_latent_says(
    command: Command,
) -> None:
    bound = "VLB^(8), a lower bound on the log-likelihood"
    assert bound in " ".join(command("calibrate", "--run", "runs/vae").out.replace("│", "").split())
    told = " ".join(command("info", "--run", "runs/vae").out.replace("│", "").split())
    assert "VAE of 8 latents, 2 × 64 silu, trainable prior, σ learned" in told
    assert "with the noise of training; bound, VLB^(1)" in told
    found = command.json("info", "--run", "runs/vae")
    assert found["quantity"] == bound
    for asked in (("calibrate",), ("detect", "--dataset", "photos")):
        assert command.json(*asked, "--run", "runs/vae")["quantity"] == bound
    kl = found["facts"]["kl_of_latents"]
    assert len(kl) == 8
    assert all(first >= second for first, second in pairwise(kl))
    assert f"{kl[0]:.2f}" in told
    assert f"{kl[-1]:.2f}" in told


@pytest.mark.usefixtures("digits")
def test_scores_are_the_same_in_another_order_and_alone() -> None:
    run = na.load_run("runs/vae")
    held = run.own_data().held_out
    score = run.scorer()
    whole = score(held).values
    order = np.random.default_rng(0).permutation(len(held))
    assert score(held[order]).values == pytest.approx(whole[order], abs=1e-3)
    assert np.concatenate([score(row[None]).values for row in held[:10]]) == pytest.approx(
        whole[:10], abs=1e-3
    )
    assert np.array_equal(na.load_run("runs/vae").scorer()(held).values, whole)


@pytest.mark.parametrize("score", ["latents", "input"])
@pytest.mark.usefixtures("digits")
def test_what_needs_an_exact_density_is_refused(command: Command, score: str) -> None:
    refused = command("calibrate", "--run", "runs/vae", "--score", score)
    assert refused.code == 2
    assert "with a term for each latent; this run has none. Take --score likelihood" in refused.err


@pytest.mark.usefixtures("digits")
def test_auto_is_the_bound_and_that_is_said(command: Command) -> None:
    done = command("calibrate", "--run", "runs/vae", "--score", "auto", "--json")
    assert json.loads(done.out)["score"] == "likelihood"
    assert "a term for each latent" in done.err


@pytest.mark.usefixtures("digits")
def test_compare_shows_it_beside_the_flow(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nice_anomaly.evaluation.compare.RESAMPLES", 20)
    asked = ("compare", "--dataset", "photos", "--run", "runs/digits", "--with", "runs/vae")
    found = command.json(*asked)
    ours, vae, *rivals = found["methods"]
    assert (ours["method"], ours["ours"], ours["quantity"]) == ("nice", True, "log-likelihood")
    assert (vae["method"], vae["ours"]) == ("vae: runs/vae", False)
    assert vae["lead"] == pytest.approx(ours["auroc"] - vae["auroc"])
    assert vae["nats"] < ours["nats"]
    assert all(line["nats"] is None for line in rivals)
    done = command(*asked)
    assert (
        f"mean {vae['nats']:,.2f} nats over the normal samples, VLB^(8), a lower bound" in done.err
    )
    back = command.json("compare", "--dataset", "photos", "--run", "runs/vae")
    assert back["methods"][0]["method"] == "vae"
    assert back["methods"][0]["auroc"] == pytest.approx(vae["auroc"])


@pytest.mark.usefixtures("digits")
def test_compare_refuses_a_run_that_says_nothing_of_the_model(command: Command) -> None:
    train = ("train", *SMALL, "--set", "train.epochs=1")
    assert command(*train, "--seed", "5", "--run", "other-split").code == 0
    assert command("train", "--config", "breast-cancer", "--set", "train.epochs=1").code == 0
    for other, said in (
        ("runs/digits", "runs/digits is the run itself"),
        ("runs/vae --with runs/vae", "runs/vae is named twice"),
        ("runs/breast-cancer", "has learned other data"),
        ("absent", "there is no run in absent"),
    ):
        asked = ("compare", "--dataset", "photos", "--run", "runs/digits", "--with", *other.split())
        refused = command(*asked)
        assert refused.code in (2, 4)
        assert said in " ".join(refused.err.split())
        assert refused.out == ""


def test_compare_refuses_a_run_that_learned_the_normals_compared_on(
    command: Command, elsewhere: Path
) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 4)).cumsum(axis=1)
    np.save(elsewhere / "x.npy", rows)
    np.save(elsewhere / "odd.npy", rows[:50] * [1, -1, 1, -1] + 3)
    for seed in ("1", "2"):
        asked = ("-i", "x.npy", "--set", "model=vae", "--set", "train.epochs=1", "--seed", seed)
        assert command("train", *asked, "--run", f"run{seed}").code == 0
        assert command("calibrate", "--run", f"run{seed}").code == 0
    refused = command("compare", "-i", "odd.npy", "--run", "run1", "--with", "run2")
    assert refused.code == 2
    assert "was split otherwise than run1" in refused.err
    assert "with the same --seed" in refused.err


# Training.


def job(gradient: Gradient = "reparametrised", **settings: object) -> Job:
    """A quick training on rows in memory, of three hidden causes and noise."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 10)) + 0.3 * rng.normal(size=(400, 10))
    inputs = recognise(np.tanh(rows))
    assert isinstance(inputs, Inputs)
    chosen = {"model": "vae", "train.epochs": 8, "train.gradient": gradient, **settings}
    overrides = [f"{key}={value}" for key, value in chosen.items()]
    return prepare(load("table", overrides), Path("data"), inputs=inputs, wishes=Wishes())


def checkpoints(one: Job, resume: Checkpoint | None = None) -> list[Checkpoint]:
    return [report for report in one.train(resume) if isinstance(report, Checkpoint)]


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_every_gradient_raises_the_bound_of_samples_that_are_held_out(gradient: Gradient) -> None:
    draws = {"train.draws": 64} if gradient == "plain-log-derivative" else {}
    history = checkpoints(job(gradient, **draws))[-1].history
    assert max(epoch.early_stopping for epoch in history[1:]) > history[0].early_stopping + 0.1


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_an_interrupted_training_goes_on_to_the_same_weights(gradient: Gradient) -> None:
    whole = checkpoints(job(gradient))
    rest = checkpoints(job(gradient), whole[2])
    assert len(rest) == len(whole) - 3
    for name, tensor in whole[-1].weights.items():
        assert torch.equal(tensor, rest[-1].weights[name]), name


def test_what_is_fixed_stays_as_it_is() -> None:
    fixed = job(**{"vae.sigma": 0.4, "vae.trainable_prior": "false"})
    weights = checkpoints(fixed)[-1].weights
    assert weights["log_sigma"].exp().item() == pytest.approx(0.4)
    assert not weights["prior_mean"].any()
    assert not weights["prior_log_std"].any()


def test_weights_that_are_no_numbers_end_the_training_with_a_sentence() -> None:
    broken = job()
    with torch.no_grad():
        broken.model.get_parameter("encoder.last.bias").fill_(float("nan"))
    with pytest.raises(NumericsError, match="became nan in epoch 1, batch 1"):
        checkpoints(broken)


MISTAKES = {
    "no draws": (["vae.draws=0"], "vae.draws should be greater than or equal to 1"),
    "a thousand million draws": (["vae.draws=1000000000"], "vae.draws should be less than"),
    "no spread": (["vae.sigma=0"], "vae.sigma should be greater than or equal to 0.0001"),
    "no latents": (["vae.latents=0"], "vae.latents"),
    "a gradient": (["train.gradient=magic"], "'reparametrised', 'log-derivative' or 'plain-log"),
    "no other draws": (
        ["train.gradient=log-derivative", "train.draws=1"],
        "train.draws: the baseline of train.gradient log-derivative is the mean of the other draws",
    ),
    "settings of the other model": (["flow.width=3"], "settings of 'flow' have no effect"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_setting_that_cannot_be_is_named(case: str) -> None:
    overrides, said = MISTAKES[case]
    with pytest.raises(ConfigError, match=said):
        load("vae", overrides)


@pytest.mark.parametrize("override", ["vae.latents=3", "train.gradient=log-derivative"])
def test_what_only_a_vae_has_is_refused_for_a_flow(override: str) -> None:
    with pytest.raises(ConfigError, match="model"):
        load("mnist", [override])


@pytest.mark.parametrize(
    ("columns", "override", "said"),
    [
        (10, "vae.latents=10", "vae.latents = 10 is too wide for samples of 10 columns"),
        (10, "vae.latents=999", "vae.latents=5"),
        (1, "seed=0", "this input has a single column"),
    ],
)
def test_latents_are_fewer_than_columns(columns: int, override: str, said: str) -> None:
    rows = np.random.default_rng(0).normal(size=(100, columns))
    with pytest.raises(ConfigError, match=said):
        na.learn(rows, overrides=["model=vae", override])


def test_a_resumed_training_keeps_its_gradient(command: Command, elsewhere: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(200, 4))
    np.save(elsewhere / "x.npy", rows)
    asked = ("train", "-i", "x.npy", "--set", "model=vae", "--set", "train.epochs=1")
    assert command(*asked, "--run", "r").code == 0
    refused = command("train", "--resume", "--run", "r", "--set", "train.gradient=log-derivative")
    assert refused.code == 2
    assert "cannot be combined with" in refused.err


def test_latents_without_use_are_said() -> None:
    """Independent columns have nothing that fewer numbers could say."""
    rows = np.random.default_rng(0).normal(size=(10_000, 6))
    overrides = ["model=vae", "vae.latents=3", "train.epochs=5"]
    with pytest.warns(UserWarning, match="latents have collapsed to the prior"):
        run = na.learn(rows, overrides=overrides)
    assert dict(run.trained.model.facts)["latents_in_use"] < 3  # type: ignore[operator]
    with pytest.warns(UserWarning, match="latents have collapsed to the prior"):
        NiceDetector(overrides=overrides).fit(rows)


def test_the_estimator_takes_it() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(400, 6))
    detector = NiceDetector(overrides=["model=vae", "train.epochs=5", "vae.draws=8"]).fit(rows)
    assert detector.predict([rows[0], rows[0] + 3 * np.eye(6)[0]]).tolist() == [1, -1]
