"""Reasons of images: tests of blocks are what they claim, plants are found and repaired."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from nice_anomaly import Run, builtin, learn
from nice_anomaly.explain.blocks import blocks
from nice_anomaly.explain.forms import Form, Matrix
from nice_anomaly.explain.image_repair import State
from nice_anomaly.explain.images import ImageExplainer
from nice_anomaly.explain.pulls import Pull, gaussian, huber, latent, principal
from nice_anomaly.explain.screening import Screening, without_itself
from nice_anomaly.explain.tries import ground_of
from nice_anomaly.explain.value import Held, ImageReasons
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.flow.whitening import Whitening

SHAPE = (4, 4)
FAST = ["train.epochs=3", "train.least_steps=20"]
SIDES = {
    "grey": ((9, 12), []),
    "colour": ((8, 8, 3), []),
    "smaller than a block": ((1, 3), []),
    "mixture": ((6, 6), ["flow.prior=mixture"]),
    "logistic": ((6, 6), ["flow.prior=logistic"]),
    "vae": ((6, 6), ["model=vae", "vae.latents=4", "vae.width=16", "vae.draws=16"]),
}


def covariance(seed: int, d: int = 16) -> Tensor:
    factor = torch.randn(d, 2 * d, generator=torch.Generator().manual_seed(seed)).double()
    return factor @ factor.T / d


def gaussian_flow(seed: int = 0) -> Flow:
    """A flow that is a Gaussian: whitening alone."""
    flow = Flow(Architecture(dimensions=16, couplings=2, layers=1, width=8, prior="gaussian"))
    flow.whitening = Whitening.from_moments(torch.arange(16.0).double(), covariance(seed))
    return flow.double()


class TestGain:
    """G is what the Gaussian log p gains when a block is replaced by its mean given the rest."""

    def test_it_is_the_log_p_gained(self) -> None:
        flow = gaussian_flow()
        x = 3 * torch.randn(5, 16, generator=torch.Generator().manual_seed(1)).double()
        pull = gaussian(flow, x)
        form = Form.of(pull.matrix, blocks(SHAPE, 2))
        r = pull.of(x)
        gains = form(r)
        for block, places in enumerate(form.places):
            replaced = x.clone()
            chosen = torch.full((5,), block)
            replaced[:, places] += form.steps(r, chosen).double()
            gained = flow.log_prob(replaced) - flow.log_prob(x)
            torch.testing.assert_close(gains[:, block].double(), gained, rtol=1e-4, atol=1e-4)

    def test_nothing_else_in_the_block_gains_more(self) -> None:
        flow = gaussian_flow()
        x = torch.randn(1, 16).double().requires_grad_()
        pull = gaussian(flow, x.detach())
        form = Form.of(pull.matrix, blocks(SHAPE, 3))
        step = form.steps(pull.of(x.detach()), torch.tensor([1]))[0]
        moved = x.detach().clone()
        moved[0, form.places[1]] += step
        moved.requires_grad_()
        (slope,) = torch.autograd.grad(flow.log_prob(moved).sum(), moved)
        assert slope[0, form.places[1]].abs().max() < 1e-4
        assert slope[0].abs().max() > 1e-2

    def test_a_block_is_what_its_matrix_says_however_it_is_held(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        factor = torch.randn(16, 3).double()
        matrix = Matrix(torch.tensor(2.0).double(), factor, torch.tensor([1.0, 2.0, 0.5]).double())
        whole = 2 * torch.eye(16) + factor @ matrix.weights.diag() @ factor.T
        places = torch.from_numpy(blocks(SHAPE, 2).values)
        expected = whole[places[:, :, None], places[:, None, :]]
        torch.testing.assert_close(matrix.within(places), expected)
        monkeypatch.setattr("nice_anomaly.explain.forms.WRITTEN_OUT", 0)
        fresh = replace(matrix)
        torch.testing.assert_close(fresh.within(places), expected)
        rows = torch.randn(2, 16).double()
        torch.testing.assert_close(fresh @ rows, rows @ whole)

    def test_without_a_whitening_samples_tell_the_covariance(self) -> None:
        draws = torch.distributions.MultivariateNormal(torch.zeros(16).double(), covariance(2))
        torch.manual_seed(0)
        mean, vectors, variances = principal(draws.sample((4_000,)))
        found = vectors @ (variances[:-1] - variances[-1]).diag() @ vectors.T
        found += variances[-1] * torch.eye(16)
        assert mean.abs().max() < 0.2
        assert (found - covariance(2)).abs().max() < 0.1 * covariance(2).abs().max()


class TestScoreTest:
    """H is Rao's: the slope of an energy, held beside its spread over normal samples."""

    def test_the_slope_is_that_of_the_energy(self) -> None:
        flow = gaussian_flow()
        x = torch.randn(3, 16, generator=torch.Generator().manual_seed(2)).double() * 4

        def energy(x: Tensor) -> Tensor:
            h = flow(x)[0].abs()
            return torch.where(h < 1, h.square() / 2, h - 0.5).sum(dim=1)

        found, step = huber(flow, x), 1e-5
        for i in range(16):
            one = step * torch.eye(16)[i].double()
            slope = (energy(x + one) - energy(x - one)) / (2 * step)
            torch.testing.assert_close(found[:, i], -slope, atol=1e-6, rtol=1e-6)

    def test_it_is_by_its_definition(self) -> None:
        flow = gaussian_flow()
        normal = flow.sample(200, seed=0).double()
        pull = latent(flow, normal)
        assert pull is not None
        g = huber(flow, normal).double()
        f = g.T @ g / 200
        f += 0.003 * f.diagonal().diag()
        places = torch.tensor([0, 1, 4, 5])
        form = Form.of(pull.matrix, blocks(SHAPE, 2))
        v = huber(flow, normal[:1])
        block = v[0, places].double()
        expected = 0.5 * block @ torch.linalg.inv(f[places][:, places]) @ block
        assert form(v.float())[0, 0].item() == pytest.approx(expected.item(), rel=1e-3)

    def test_a_sample_is_judged_as_if_it_had_no_part(self) -> None:
        g = torch.randn(30, 4, generator=torch.Generator().manual_seed(3)).double()
        inside = 0.5 * torch.einsum("ni,ij,nj->n", g, torch.linalg.inv(g.T @ g / 30), g)
        rest = g[1:]
        expected = 0.5 * g[0] @ torch.linalg.inv(rest.T @ rest / 29) @ g[0]
        # The mean of the others is over 29, not 30.
        found = without_itself(inside, 30)[0]
        assert found.item() == pytest.approx(expected.item(), rel=1e-9)
        assert torch.equal(without_itself(inside, 0), inside)


class TestBlocks:
    @pytest.mark.parametrize(("shape", "side", "stride"), [((9, 7), 3, 2), ((5, 5, 3), 9, 1)])
    def test_they_reach_every_value(self, shape: tuple[int, ...], side: int, stride: int) -> None:
        found = blocks(shape, side, stride)
        assert set(found.values.ravel()) == set(range(int(np.prod(shape))))

    def test_a_pixel_has_the_largest_of_its_blocks(self) -> None:
        found = blocks((3, 4), 2)
        spread = found.spread(torch.tensor([[0.0, 5.0, 1.0, 2.0, 3.0, 4.0]]))[0]
        assert spread.tolist() == [[0, 5, 5, 1], [2, 5, 5, 4], [2, 3, 4, 4]]

    def test_large_ones_stand_apart_where_they_would_be_too_many(self) -> None:
        normal = torch.randn(4, 48 * 48 * 3)
        factor = torch.zeros(48 * 48 * 3, 1).double()
        matrix = Matrix(torch.ones(()).double(), factor, torch.ones(1).double())
        screening = Screening((48, 48, 3), (Pull(lambda x: x, matrix),), normal)
        numbers = sum(screening.family(side).tests[0].form.inverse.numel() for side in (3, 7, 10))
        assert numbers < 10_000_000
        covered = set(screening.family(10).blocks.values.ravel())
        assert len(covered) == 48 * 48 * 3


def test_the_ground_is_what_most_corners_are() -> None:
    image = np.zeros((3, 3), np.uint8)
    image[0, 0] = 200
    assert ground_of(image) == 0


def test_nothing_above_the_ceiling_is_better() -> None:
    images = np.arange(3, dtype=np.uint8)[:, None]
    start = State(Held("a", 0.0, 1.0, 5.0), images[0], 0.0)
    assert start.better(images, np.array([0.0, 4.0, 6.0])).score == 4
    assert start.better(images, np.array([-1.0, 0.0, 6.0])) is start


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("run") / "digits"
    return learn(builtin("digits"), run=path, overrides=["train.epochs=6"])


@pytest.fixture
def planted(digits: Run) -> NDArray[np.uint8]:
    """Ten digits with a checked patch of 3 × 3 pixels."""
    images = digits.trained.references.rows.reshape(-1, 8, 8)[:10].copy()
    images[:, 3:6, 4:7] = np.array([[16, 0, 16], [0, 16, 0], [16, 0, 16]], np.uint8)
    return images


def explained(
    run: Run, rows: NDArray[np.uint8], low: float, high: float = float("inf")
) -> list[ImageReasons]:
    layout, scorer = run.manifest.data.layout, run.scorer()
    rows = rows.reshape(-1, layout.dimensions)
    held = [Held(str(i), s, low, high) for i, s in enumerate(scorer(rows).values.tolist())]
    return list(ImageExplainer(scorer, run.trained.references.rows, layout)(rows, held))


def level(run: Run) -> float:
    return float(np.quantile(run.scorer()(run.trained.references.rows).values, 0.02))


def same(one: ImageReasons, other: ImageReasons) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("heat", "expected", "least")
    ) and (one.box, one.gain, one.passes, one.local) == (
        other.box,
        other.gain,
        other.passes,
        other.local,
    )


class TestDigits:
    def test_a_plant_is_boxed_and_repaired(self, digits: Run, planted: NDArray[np.uint8]) -> None:
        low = level(digits)
        found = explained(digits, planted, low)
        assert all(one.held.flagged for one in found)
        for one in found:
            assert one.box is not None
            rows, columns = one.box.place
            assert rows.start < 6
            assert rows.stop > 3
            assert columns.start < 7
            assert columns.stop > 4
            assert one.passes
            assert one.local
            assert one.gain > 0
            changed = np.count_nonzero(one.expected != one.image)
            assert np.count_nonzero(one.least != one.image) <= changed
            assert one.heat[3:6, 4:7].mean() > np.delete(one.heat, (3, 4, 5), axis=0).mean()

    def test_what_it_says_of_scores_is_so(self, digits: Run, planted: NDArray[np.uint8]) -> None:
        scorer = digits.scorer()
        for one in explained(digits, planted, level(digits)):
            for image, score in ((one.expected, one.expected_score), (one.least, one.least_score)):
                assert image.max() <= 16
                assert scorer(image.reshape(1, -1))[0] == pytest.approx(score, abs=1e-6)
                assert score >= one.held.low

    def test_neighbours_change_nothing(self, digits: Run, planted: NDArray[np.uint8]) -> None:
        low = level(digits)
        together = explained(digits, planted, low)
        usual = digits.trained.references.rows[20:70]
        mixed = explained(digits, np.concatenate([planted[:3].reshape(3, -1), usual]), low)
        alone = [explained(digits, one, low)[0] for one in planted[:3]]
        for a, b, c in zip(together, alone, mixed, strict=False):
            assert same(a, b)
            assert same(a, c)

    def test_what_is_not_flagged_has_heat_and_a_box_all_the_same(self, digits: Run) -> None:
        (one,) = explained(digits, digits.trained.references.rows[:1], -1e9)
        assert one.passes
        assert one.local
        assert one.heat.max() > 0
        assert one.box is not None
        assert one.expected_score >= one.held.score
        assert np.array_equal(one.least, one.image)

    def test_what_is_too_usual_is_left_as_it_is(self, digits: Run) -> None:
        (one,) = explained(digits, digits.trained.references.rows[:1], -1e9, -1e8)
        assert one.box is None
        assert (one.gain, one.local, one.passes) == (0, False, False)
        assert np.array_equal(one.expected, one.image)

    def test_a_repair_stays_below_the_ceiling(
        self, digits: Run, planted: NDArray[np.uint8]
    ) -> None:
        low = level(digits)
        for one in explained(digits, planted, low, low + 4):
            assert one.expected_score <= low + 4

    def test_where_no_place_explains_it_a_normal_lends_tiles(self, digits: Run) -> None:
        noise = np.random.default_rng(0).integers(0, 17, (2, 64), dtype=np.uint8)
        best = digits.scorer()(digits.trained.references.rows).values.max()
        found = explained(digits, noise, best - 1)
        assert all(one.passes for one in found)
        assert not any(one.local for one in found)

    def test_what_cannot_be_repaired_is_said_to_be_so(self, digits: Run) -> None:
        noise = np.random.default_rng(0).integers(0, 17, (1, 64), dtype=np.uint8)
        (one,) = explained(digits, noise, 1e9)
        assert not one.passes
        assert one.box is not None
        assert one.expected_score > one.held.score
        assert np.isfinite(one.heat).all()


@pytest.mark.parametrize("name", SIDES)
def test_laws_of_every_kind(name: str, tmp_path: Path) -> None:
    shape, overrides = SIDES[name]
    rng = np.random.default_rng(0)
    base = rng.normal(size=(120, *shape)).cumsum(axis=1).cumsum(axis=2)
    images = (100 + 20 * base).clip(0, 255).astype(np.uint8)
    settings = [*FAST, *overrides]
    run = learn(images, config="images", overrides=settings, run=tmp_path / "run")
    odd = images[:4].copy()
    odd[:, :2, :2] = rng.integers(0, 256, odd[:, :2, :2].shape, dtype=np.uint8)
    low = float(np.quantile(run.score(images).values, 0.1))
    for one in explained(run, odd, low):
        assert one.image.shape == one.expected.shape == one.least.shape == shape
        assert one.heat.shape == shape[:2]
        assert np.isfinite(one.heat).all()
        assert one.heat.min() >= 0
        assert one.passes == (one.expected_score >= low)
        if one.box is not None:
            assert one.gain > 0
            assert one.image[one.box.place].shape[:2] == (one.box.height, one.box.width)


@pytest.mark.parametrize("count", [1, 2, 30])
def test_few_references_are_enough(digits: Run, planted: NDArray[np.uint8], count: int) -> None:
    scorer, layout = digits.scorer(), digits.manifest.data.layout
    rows, low = planted.reshape(10, -1), level(digits)
    held = [Held(str(i), s, low) for i, s in enumerate(scorer(rows).values.tolist())]
    few = ImageExplainer(scorer, digits.trained.references.rows[:count], layout)
    for one in few(rows, held):
        assert one.passes
        assert one.heat.argmax() in [8 * i + j for i in (2, 3, 4, 5, 6) for j in (3, 4, 5, 6, 7)]
