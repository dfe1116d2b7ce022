"""Models: every kind comes back from what is stored, and a new kind is one entry in a table."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor, nn

from nice_anomaly import flow, vae
from nice_anomaly.config import load
from nice_anomaly.data import Inputs, Wishes, learn, recognise
from nice_anomaly.density import Density, Shape
from nice_anomaly.errors import ArtifactError, ConfigError
from nice_anomaly.flow import PRIORS, Architecture
from nice_anomaly.learning import Job
from nice_anomaly.library import Run
from nice_anomaly.models import MODELS, rebuilt, restored, stored
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run import MANIFEST, Trained, packed, unpacked
from nice_anomaly.training import Checkpoint, Progress, train

# A second kind of model, as somebody else would write it.


@dataclass(frozen=True)
class Ball:
    """All that an untrained ``Gaussian`` is built from."""

    dimensions: int
    spread: float = 1.0
    kind: ClassVar[str] = "ball"

    @property
    def largest_matrix(self) -> int:
        return self.dimensions


class Gaussian(Density):
    """N(mean, diag(exp(2 s))); its mean begins at random."""

    def __init__(self, architecture: Ball) -> None:
        super().__init__()
        self.architecture = architecture
        self.mean = nn.Parameter(torch.randn(architecture.dimensions))
        start = math.log(architecture.spread)
        self.log_scale = nn.Parameter(torch.full((architecture.dimensions,), start))

    def log_prob(self, x: Tensor) -> Tensor:
        z = (x - self.mean) * (-self.log_scale).exp()
        terms = -0.5 * z.square() - self.log_scale - 0.5 * math.log(2 * math.pi)
        return terms.sum(dim=1, dtype=torch.float64)

    @torch.no_grad()
    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(n, self.architecture.dimensions, generator=generator)
        return self.mean + temperature * z * self.log_scale.exp()

    def parameter_groups(self) -> tuple[Iterable[nn.Parameter], Iterable[nn.Parameter]]:
        return [self.mean], [self.log_scale]


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "ball", (Ball, Gaussian))


# Laws of every kind: a new one is one more case.

SHAPES: dict[str, Shape] = {
    **{
        f"nice-{prior}": Architecture(
            6, 3, 2, 8, prior, "silu" if prior == "student" else "relu", 4
        )
        for prior in PRIORS
    },
    "bundle": flow.bundle.Architecture(3, Architecture(6, 3, 2, 8, "mixture", "silu", 4)),
    "vae": vae.Architecture(6, 2, 1, 8, "silu", draws=3, seed=4),
    "vae-fixed": vae.Architecture(6, 3, 2, 8, "relu", 70, 0, sigma=0.5, trainable_prior=False),
    "ball": Ball(6, spread=0.5),
}


def model(case: str) -> Density:
    """An untrained model of a shape, shaken so that no weight is what it starts with."""
    shape = SHAPES[case]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built: Density = MODELS[shape.kind][1](shape)
        for parameter in built.parameters():
            parameter.data += 0.3 * torch.randn(parameter.shape)
    return built


def samples(n: int = 40) -> Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("case", SHAPES)
def test_an_architecture_comes_back_from_plain_values(case: str) -> None:
    plain = stored(SHAPES[case])
    assert restored(plain) == SHAPES[case]
    assert restored(json.loads(json.dumps(plain))) == SHAPES[case]


def test_the_first_kind_is_stored_as_it_was_before_there_were_others() -> None:
    assert stored(SHAPES["nice-student"]) == {
        "dimensions": 6,
        "couplings": 3,
        "layers": 2,
        "width": 8,
        "prior": "student",
        "activation": "silu",
        "components": 4,
    }
    assert stored(SHAPES["ball"]) == {"kind": "ball", "dimensions": 6, "spread": 0.5}


@pytest.mark.parametrize("case", SHAPES)
def test_a_model_is_rebuilt_from_its_weights_without_random_numbers(case: str) -> None:
    first = model(case)
    weights = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    before = torch.get_rng_state()
    again = rebuilt(SHAPES[case], weights)
    assert torch.equal(torch.get_rng_state(), before)
    assert type(again) is type(first)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in again.state_dict().items())
    with torch.no_grad():
        assert torch.equal(again.log_prob(samples()), first.log_prob(samples()))
    assert torch.equal(again.sample(5, seed=3), first.sample(5, seed=3))
    counted = sum(each.numel() for each in first.parameters() if each.requires_grad)
    assert again.parameter_count == first.parameter_count == counted
    assert again.device == torch.device("cpu")


def drop(weights: dict[str, Tensor]) -> None:
    weights.popitem()


def add(weights: dict[str, Tensor]) -> None:
    weights["more"] = torch.zeros(1)


def cut(weights: dict[str, Tensor]) -> None:
    name = max(weights, key=lambda name: weights[name].numel())
    weights[name] = weights[name][:-1]


@pytest.mark.parametrize("damage", [drop, add, cut])
@pytest.mark.parametrize("case", SHAPES)
def test_weights_of_another_model_are_refused(
    case: str, damage: Callable[[dict[str, Tensor]], None]
) -> None:
    weights = dict(model(case).state_dict())
    damage(weights)
    with pytest.raises(RuntimeError):
        rebuilt(SHAPES[case], weights)


def test_a_kind_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = stored(SHAPES["ball"])
    monkeypatch.delitem(MODELS, "ball")
    with pytest.raises(KeyError, match="ball"):
        restored(plain)


WRONG: dict[str, tuple[str, dict[str, Any]]] = {  # of which shape, and what is changed in it
    "text for a number": ("nice-student", {"width": "8"}),
    "half a coupling": ("nice-student", {"couplings": 2.5}),
    "truth for a number": ("nice-student", {"layers": True}),
    "nothing": ("nice-student", {"dimensions": None}),
    "no such prior": ("nice-student", {"prior": "cauchy"}),
    "an unknown key": ("nice-student", {"depth": 3}),
    "a key of the other kind": ("nice-student", {"spread": 1.0}),
    "text for a number of the other kind": ("ball", {"spread": "1"}),
    "no latents": ("vae", {"latents": None}),
    "text for σ": ("vae", {"sigma": "small"}),
    "a mean of no draws": ("vae", {"draws": 0}),
    "more draws than hours": ("vae", {"draws": 10**9}),
    "layers without end": ("vae", {"layers": 10**6}),
    "a wide latent": ("vae", {"latents": 6}),
    "a negative σ": ("vae", {"sigma": -1.0}),
    "an unknown key of the other kind": ("ball", {"width": 3}),
}


@pytest.mark.parametrize("case", WRONG)
def test_plain_values_that_are_no_architecture_are_refused(case: str) -> None:
    of, changes = WRONG[case]
    with pytest.raises(ValueError, match=next(iter(changes))):
        restored(stored(SHAPES[of]) | changes)


@pytest.mark.parametrize(("case", "key"), [("nice-student", "width"), ("ball", "dimensions")])
def test_a_missing_key_is_refused(case: str, key: str) -> None:
    plain = stored(SHAPES[case])
    del plain[key]
    with pytest.raises(ValueError, match=key):
        restored(plain)


@pytest.mark.parametrize("case", SHAPES)
def test_every_model_gives_one_float64_a_sample(case: str) -> None:
    built = model(case)
    with torch.no_grad():
        found = built.log_prob(samples())
        assert (found.shape, found.dtype) == ((40,), torch.float64)
        objective = built.objective(samples(), torch.Generator().manual_seed(0))
        assert (objective.shape, objective.dtype) == ((40,), torch.float64)
        if not isinstance(built, vae.VAE):  # whose objective is another bound
            assert torch.equal(objective, found)


@pytest.mark.parametrize("case", SHAPES)
def test_training_moves_every_parameter_of_a_model_once(case: str) -> None:
    """A parameter that is in neither group would never learn, one in both twice as fast."""
    built = model(case)
    networks, heads = map(list, built.parameter_groups())
    assert sorted(map(id, [*networks, *heads])) == sorted(
        id(parameter) for parameter in built.parameters() if parameter.requires_grad
    )


@pytest.mark.parametrize("case", SHAPES)
def test_samples_repeat_with_their_seed_and_leave_the_global_generator_alone(case: str) -> None:
    built = model(case)
    before = torch.get_rng_state()
    assert torch.equal(built.sample(4, seed=1), built.sample(4, seed=1))
    assert not torch.equal(built.sample(4, seed=1), built.sample(4, seed=2))
    assert built.sample(4, seed=1).shape == (4, 6)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_that_does_not_split_says_so() -> None:
    ball = model("ball")
    assert not ball.splits
    with pytest.raises(TypeError, match="Gaussian does not split"):
        ball.split(samples())


# The seam: the second kind goes all the way, and nothing on the way knows it.


def rows() -> np.ndarray:
    return np.random.default_rng(0).normal([5.0, -1.0], [1.0, 3.0], (400, 2))


def begun() -> tuple[Job, Inputs]:
    """A training of the second kind on rows in memory."""
    inputs = recognise(rows())
    settings = load(
        "table",
        ["data.folds=0", "train.epochs=20", "train.learning_rate=0.05", "train.batch_size=50"],
    )
    material = learn(inputs, Wishes(), settings.data, settings.seed)
    fit = material.dataset.values[material.split.fit]
    preprocess = Preprocess.for_columns(fit.astype(np.float64), noise=0.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ball = Gaussian(Ball(2, spread=3.0))
    return Job(settings, material, (), preprocess, ball, torch.float32), inputs


@pytest.fixture(scope="module")
def learned() -> tuple[Trained, Inputs, list[Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "ball", (Ball, Gaussian))
        job, inputs = begun()
        reports = list(job.train())
        return job.trained(reports[-1]), inputs, reports  # type: ignore[arg-type]


def test_the_second_kind_is_trained(learned: tuple[Trained, Inputs, list[Any]]) -> None:
    run, _, reports = learned
    job, _ = begun()
    fit, held = (
        torch.from_numpy(job.material.dataset.values[part])
        for part in (job.material.split.fit, job.material.split.early_stopping)
    )
    again = train(
        job.model,
        job.preprocess,
        fit,
        held,
        job.settings.train,
        seed=job.settings.seed,
        precision=torch.float32,
    )
    assert [type(report) for report in again] == [type(report) for report in reports]
    last = reports[-1]
    assert isinstance(last, Checkpoint)
    assert sum(isinstance(report, Progress) for report in reports) == last.epochs_done * 30
    assert last.history[-1].train > last.history[0].train + 0.2
    weights = run.model.state_dict()  # the columns are standardised: mean 0 and scale 1
    assert weights["mean"].tolist() == pytest.approx([0, 0], abs=0.1)
    assert weights["log_scale"].tolist() == pytest.approx([0, 0], abs=0.1)


def test_the_second_kind_is_stored_and_loaded(learned: tuple[Trained, Inputs, list[Any]]) -> None:
    run, _, _ = learned
    files = packed(run)
    assert json.loads(files[MANIFEST])["architecture"] == stored(run.manifest.architecture)
    back = unpacked(files, "there")
    assert type(back.model) is Gaussian
    assert back.manifest == run.manifest
    assert packed(back) == files


def test_a_run_of_a_kind_that_is_not_known_is_damaged(
    learned: tuple[Trained, Inputs, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = packed(learned[0])
    monkeypatch.delitem(MODELS, "ball")
    with pytest.raises(ArtifactError, match="the run there is damaged"):
        unpacked(files, "there")


def test_the_second_kind_is_scored(learned: tuple[Trained, Inputs, list[Any]]) -> None:
    """log N in the units of the columns, by scipy."""
    run, _, _ = learned
    back = unpacked(packed(run), "there")
    mean, log_scale = (tensor.numpy() for tensor in back.model.state_dict().values())
    shift, scale = back.preprocess.shift.numpy(), back.preprocess.scale.numpy()
    oracle = norm(shift + scale * mean, scale * np.exp(log_scale))
    scores = back.scorer("cpu")(rows())
    assert scores.values == pytest.approx(oracle.logpdf(rows()).sum(axis=1), rel=1e-4)
    assert scores.origin.weights == run.manifest.fingerprint


def test_the_second_kind_has_the_verbs_of_a_run(
    learned: tuple[Trained, Inputs, list[Any]], tmp_path: Path
) -> None:
    trained, inputs, _ = learned
    run = Run(trained, memory=inputs)
    run.calibrate(rule="conformal", alpha=0.1, say=pytest.fail)
    found = run.detect([[5.0, -1.0], [50.0, -1.0]])
    assert found.flagged.tolist() == [False, True]
    assert run.sample(3).shape == (3, 2)
    run.save(tmp_path / "run")
    with pytest.raises(ConfigError, match="a term for each latent; this run has none"):
        run.calibrate(rule="conformal", alpha=0.1, score="latents")
