"""Views of a table: neighbours by hand and by brute force, p-values, and the score of both."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist

from nice_anomaly import learn
from nice_anomaly.errors import ConfigError
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores import Scorer, Views, fitted
from nice_anomaly.scores.neighbours import NEAREST, Neighbours, chosen
from nice_anomaly.scores.views import FEWEST, VIEWS, Reference

Array = np.ndarray[Any, Any]
NOISE = 0.2


def left_out(rows: Neighbours) -> Array:
    """The distances of kept rows, each without itself."""
    return rows.distances(rows.x, rows.places)


def of(rows: Array, noise: float = NOISE) -> Neighbours:
    x, places = torch.from_numpy(rows.astype(np.float32)), np.arange(len(rows))
    variance = torch.full((rows.shape[1],), noise**2, dtype=torch.float64)
    return Neighbours.of(x, variance, places, tuple(map(str, places)))


def by_hand(rows: Array, asked: Array, whitened: bool, own: bool = False) -> Array:
    """The mean distance to the five nearest, from all differences in float64."""
    rows, asked = rows.astype(np.float32).astype(float), asked.astype(np.float32).astype(float)
    if whitened:
        noise = NOISE**2 * np.eye(rows.shape[1])
        far = cdist(asked, rows, "mahalanobis", VI=np.linalg.inv(np.cov(rows.T, ddof=0) + noise))
    else:
        far = cdist(asked, rows)
    if own:
        np.fill_diagonal(far, np.inf)
    known = min(NEAREST, len(rows) - own)
    found: Array = np.sort(far, axis=1)[:, :known].mean(axis=1)
    return found


# Neighbours.


def test_distances_by_hand() -> None:
    """Six rows on a line: of 10 the five nearest are 5 … 9 away, of 0 the others 1 … 5."""
    found = of(np.arange(6.0)[:, None])
    x = torch.tensor([[10.0]])
    assert found.distances(x)[0, 0] == pytest.approx(7)
    assert found.nearest(x).tolist() == [[5, 5]]
    assert left_out(found)[:, 0] == pytest.approx([3, 11 / 5, 9 / 5, 9 / 5, 11 / 5, 3])
    spread = np.sqrt(np.arange(6).var() + NOISE**2)
    assert found.distances(x)[0, 1] == pytest.approx(7 / spread, rel=1e-5)


def test_local_density_by_hand() -> None:
    """Twelve rows a step of 1 apart, twelve a step of 10; 5 beside either is as far from both."""
    near, far = np.arange(12.0), 1_000 + 10 * np.arange(12.0)
    found = of(np.concatenate([near, far])[:, None], noise=0.01)
    ends = found.distances(torch.tensor([[-5.0], [11 + 5.0], [995.0], [1_115.0]]))
    assert ends[:, 0] == pytest.approx([7, 7, 25, 25])
    own = np.array([3, 2.2, 1.8, 1.8, 1.8])  # of 0 … 4, to the five nearest of the others
    expected = np.log(7) - np.log(own).mean()
    assert ends[:2, 2] == pytest.approx([expected, expected], abs=1e-3)
    assert ends[2:, 2] == pytest.approx(np.log(25) - np.log(10 * own).mean(), abs=1e-3)


def test_copies_are_as_close_as_the_noise_of_training_lets_them() -> None:
    rows = np.repeat(np.arange(4.0), 8)[:, None]
    found = of(rows)
    assert found.spacing == pytest.approx(np.log(NOISE), rel=1e-6)
    beside = found.distances(torch.tensor([[0.0], [0.5]]))[:, 2]
    assert beside == pytest.approx([0, np.log(np.hypot(0.5, NOISE) / NOISE)], abs=1e-6)


def _tables() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(700, 5))
    return {
        "plain": plain,
        "one column": rng.normal(size=(300, 1)),
        "few rows": rng.normal(size=(7, 3)),
        "exactly six": rng.normal(size=(6, 2)),
        "wide": rng.normal(size=(40, 300)),
        "a line": plain[:, :1] * [[1, 2, 3]],
        "constant column": np.column_stack([plain, np.zeros(700)]),
        "copies": np.repeat(plain[:90], 7, axis=0),
        "grid": rng.integers(0, 3, (400, 3)).astype(float),
        "all alike": np.ones((50, 4)),
        "one far off": np.concatenate([plain, [[1e4] * 5]]),
        "narrow far away": 1e3 + 1e-3 * plain,
    }


TABLES = _tables()


@pytest.mark.parametrize("name", TABLES)
def test_distances_are_those_of_all_differences(name: str) -> None:
    """In x and z, of new rows, of rows among them, and of rows without themselves."""
    rows = TABLES[name]
    asked = np.concatenate([rows[:20], rows[:50] + 0.3, 3 * rows[:5] - 1])
    found = of(rows)
    new, own = found.distances(torch.from_numpy(asked.astype(np.float32))), left_out(found)
    for whitened in (False, True):
        # Of z the differences are of numbers that were rounded where they are whitened.
        slack = {"rel": 2e-3, "abs": 1e-5 * np.abs(rows).max() / NOISE + 1e-6}
        slack = slack if whitened else {"rel": 1e-5, "abs": 1e-6}
        assert new[:, int(whitened)] == pytest.approx(by_hand(rows, asked, whitened), **slack)
        without = by_hand(rows, rows, whitened, own=True)
        assert own[:, int(whitened)] == pytest.approx(without, **slack)


def test_a_row_is_its_own_neighbour_unless_it_is_left_out() -> None:
    rows = TABLES["plain"]
    found = of(rows)
    own, without = found.distances(found.x), left_out(found)
    assert (without[:, :2] >= own[:, :2]).all()
    assert (found.nearest(found.x)[:, 0] == np.arange(len(rows))).all()
    kept = Neighbours(
        found.x[::2], found.noise, found.axes, found.shrink, found.spacing[::2],
        found.places[::2], found.names[::2],
    )  # fmt: skip
    some = kept.distances(found.x, np.arange(len(rows)))  # every other one was not kept
    assert some[1::2] == pytest.approx(kept.distances(found.x[1::2]), rel=1e-6)
    assert some[::2] == pytest.approx(left_out(kept), rel=1e-6)


@pytest.mark.parametrize("name", ["plain", "copies", "grid", "wide"])
def test_order_and_company_change_nothing(name: str) -> None:
    """Neither that of the learned rows nor of those asked; alone or with others, to the bit."""
    rows = TABLES[name].astype(np.float32)
    found, x = of(rows), torch.from_numpy(rows[:40] + np.float32(0.1))
    order = np.random.default_rng(1).permutation(len(rows))
    assert of(rows[order]).distances(x) == pytest.approx(found.distances(x), rel=1e-4)
    together = found.distances(x)
    alone = np.concatenate([found.distances(x[i : i + 1]) for i in range(len(x))])
    assert np.array_equal(together, alone)
    assert found.distances(x[:0]).shape == (0, 3)


def test_rows_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their number and their bytes; too few are none."""
    assert chosen(NEAREST, 2, seed=0).size == 0
    assert chosen(NEAREST + 1, 2, seed=0).tolist() == [*range(NEAREST + 1)]
    some = chosen(50_000, 20, seed=0)
    assert (len(some), len({*some})) == (10_000, 10_000)
    assert (np.diff(some) > 0).all()
    assert 4 * 16_384 * len(chosen(50_000, 16_384, seed=0)) <= 1 << 26
    monkeypatch.setenv("NICE_ANOMALY_LIMITS", "neighbours=800")
    assert len(chosen(50_000, 20, seed=0)) == 10
    assert chosen(50_000, 200, seed=0).size == 0


# One view.


def test_p_values_by_hand() -> None:
    """Ranks in the body; below the quantile an exponential whose scale is the mean excess."""
    usual = Reference(np.arange(100.0))
    assert np.exp(usual.log_p(np.array([99.0, 1e9, 49.0, 49.5]))) == pytest.approx(
        [100 / 101, 100 / 101, 50 / 101, 50.5 / 101]
    )
    # The tail begins at the 11th of them, which is 10; the ten below are 5.5 away in the mean.
    assert usual.log_p(np.array([10.0, 4.5])) == pytest.approx(np.log(11 / 101) - [0, 1])


REFERENCES: dict[str, Array] = {
    "fewest": np.arange(float(FEWEST)),
    "normal": np.sort(np.random.default_rng(0).normal(size=500)),
    "equal": np.zeros(40),
    "equal but one": np.append(np.zeros(39), 1.0),
    "one below equal ones": np.append(-1.0, np.zeros(39)),
    "ties": np.sort(np.random.default_rng(0).integers(0, 4, 90)).astype(float),
    "large": 1e6 + np.arange(50.0),
    "infinite": np.append([-np.inf] * 3, np.arange(60.0)),
    "all infinite": np.full(20, -np.inf),
    "heavy": -np.sort(-np.random.default_rng(0).standard_cauchy(300))[::-1],
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_lower_value_is_odder_however_low(name: str) -> None:
    """Finite everywhere, never rising as values fall, and strictly falling below all references."""
    values = np.sort(REFERENCES[name])
    usual, low = Reference(values), values[np.isfinite(values)].min(initial=0.0)
    spread = max(1.0, np.ptp(values[np.isfinite(values)]) if np.isfinite(values).any() else 1.0)
    asked = np.concatenate(
        [[-np.inf, -1e300], low - spread * np.geomspace(1e4, 1e-2, 40), values, [values[-1] + 9]]
    )
    found = usual.log_p(np.sort(asked))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    assert found.max() < 0
    below = usual.log_p(np.sort(low - spread * np.geomspace(1e4, 1e-2, 40)))
    if name != "all infinite":
        assert (np.diff(below) > 0).all()


def test_p_values_of_normals_are_those_of_the_uniform() -> None:
    """P(p ≤ α) is about α, in the tail too: normal references, 200 of them, many new values."""
    rng, low = np.random.default_rng(0), []
    for _ in range(200):
        usual = Reference(np.sort(rng.normal(size=200)))
        low.append(usual.log_p(rng.normal(size=500)))
    p = np.exp(np.concatenate(low))
    for alpha in (0.5, 0.2, 0.1, 0.02):
        assert (p <= alpha).mean() == pytest.approx(alpha, rel=0.15)


# The score of all views.

D = 3
ROWS = np.random.default_rng(2).normal(size=(400, D))


def scorer(views: bool = True, fingerprint: str = "views") -> Scorer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        flow = Flow(Architecture(dimensions=D, couplings=2, layers=1, width=8, prior="gaussian"))
    preprocess = Preprocess.for_columns(ROWS[:200], NOISE)
    plain = Scorer(flow, preprocess, torch.float32, "weights")
    if not views:
        return plain
    x = plain.seen(ROWS[:200])
    near = Neighbours.of(x, preprocess.noise_variance, np.arange(200), tuple(map(str, range(200))))
    each = [plain(ROWS[200:300]).values, *-left_out(near).T]
    references = tuple(Reference(np.sort(values)) for values in each)
    return Scorer(
        flow, preprocess, torch.float32, "weights", views=Views(references, (near,), fingerprint)
    )


def test_the_score_is_the_harmonic_mean_of_four_views() -> None:
    ready = scorer().looking_for("auto")
    measured = ready.measure(ROWS[300:])
    assert measured.shape == (100, 4)
    assert ready.views is not None
    near = ready.views.neighbours[0].distances(ready.seen(ROWS[300:]))
    likelihood = scorer().looking_for("likelihood")(ROWS[300:])
    assert np.array_equal(measured, np.column_stack([likelihood.values, -near]))
    each = [one.log_p(measured[:, k]) for k, one in enumerate(ready.views.references)]
    scores = ready(ROWS[300:])
    assert np.exp(scores.values) == pytest.approx(1 / np.mean(1 / np.exp(each), axis=0))
    assert (scores.origin.score, scores.origin.views) == ("auto", "views")
    sights = ready.sights(ROWS[300:])
    assert [VIEWS.index(one.view) for one in sights] == np.argmin(each, axis=0).tolist()


def test_views_of_several_flows_are_judged_one_by_one() -> None:
    """What is measured may have a place for every flow: its scores are the mean of theirs."""
    ready = scorer().looking_for("auto")
    measured = ready.measure(ROWS[300:320])
    several = np.stack([measured, measured - [5, 0, 0, 0]], axis=1)
    apart = [ready.scored(several[:, k]).values for k in (0, 1)]
    assert ready.scored(several).values == pytest.approx(np.mean(apart, axis=0))


def test_learned_rows_are_held_beside_the_others() -> None:
    ready = scorer().looking_for("auto")
    learned = ready.measure(ROWS[:200], np.arange(200))
    assert ready.views is not None
    assert np.array_equal(-learned[:, 1:], left_out(ready.views.neighbours[0]))


def test_scores_without_views_are_log_likelihoods_to_the_bit() -> None:
    plain = scorer(views=False)
    assert plain.looking_for("auto").origin == plain.origin
    every = [plain.looking_for("auto"), scorer(), scorer().looking_for("likelihood")]
    for one in every:
        assert np.array_equal(one(ROWS).values, plain(ROWS).values)
        assert one.origin == plain.origin
    with pytest.raises(ConfigError, match="looks at images"):
        scorer().looking_for("latents")


def test_no_normal_is_given_away_for_views() -> None:
    ready = scorer().looking_for("auto")
    measured = ready.measure(ROWS[300:])
    found = fitted(ready, "auto", measured, np.arange(100), 0)
    assert (found.places == np.arange(100)).all()
    assert found.scores.origin == ready.origin


def test_the_nearest_row_is_called_as_the_frame_calls_it() -> None:
    frame = pd.DataFrame(ROWS[:120], index=[f"part {i}" for i in range(120)])
    odd = frame.iloc[[7, 90]] + 0.001
    run = learn(frame, overrides=["data.folds=0", "train.epochs=1"])
    run.calibrate(threshold=0.0)
    names = run.detect(odd).to_frame()["nearest"]
    known = {f"part {i}" for i in run.own_data().material.split.fit}
    assert all(name in known for name in names)
    assert [name for name in names if name in odd.index] == [n for n in odd.index if n in known]


def test_what_lies_between_clusters_is_seen_by_neighbours_alone() -> None:
    """A density that is one wide peak finds their middle most probable."""
    rng = np.random.default_rng(0)
    ends = rng.choice([-1.0, 1.0], (400, 1)) * np.ones((1, D)) + 0.05 * rng.normal(size=(400, D))
    middle = np.zeros((1, D))
    plain = scorer(views=False)
    preprocess = Preprocess.for_columns(ends[:200], NOISE)
    near = Neighbours.of(
        Scorer(plain.model, preprocess, torch.float32, "w").seen(ends[:200]),
        preprocess.noise_variance,
        np.arange(200),
        tuple(map(str, range(200))),
    )
    one = Scorer(plain.model, preprocess, torch.float32, "w")
    each = [one(ends[200:300]).values, *-left_out(near).T]
    views = Views(tuple(Reference(np.sort(values)) for values in each), (near,), "v")
    ready = Scorer(plain.model, preprocess, torch.float32, "w", None, True, views=views)
    assert one(middle).values > np.quantile(one(ends[300:]).values, 0.9)
    assert ready(middle).values < ready(ends[300:]).values.min() - 5
    assert ready.sights(middle)[0].view != "likelihood"


@pytest.mark.parametrize(("n", "threads"), [*product((1, 63, 65, 2_100), (1, 2))])
def test_scores_do_not_depend_on_company_or_threads(n: int, threads: int) -> None:
    ready, before = scorer().looking_for("auto"), torch.get_num_threads()
    rows = np.random.default_rng(3).normal(size=(2_100, D))
    expected = ready(rows).values
    try:
        torch.set_num_threads(threads)
        assert np.array_equal(ready(rows[-n:]).values, expected[-n:])
    finally:
        torch.set_num_threads(before)


BROKEN: list[Callable[[Array], Array]] = [lambda a: a, lambda a: a + 1e300, lambda a: -a * 1e300]


@pytest.mark.parametrize("change", BROKEN)
def test_rows_however_far_have_finite_scores_but_for_the_likelihood(
    change: Callable[[Array], Array],
) -> None:
    ready = scorer().looking_for("auto")
    assert np.isfinite(ready(change(ROWS[300:310])).values).all()
