"""NiceDetector: what scikit-learn asks of a detector, and what its false-alarm rate promises."""

import copy
import io
import pickle  # noqa: TID251  # users do it: what it holds is tested here
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import binom
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    parametrize_with_checks,
)

from nice_anomaly.data import row_hashes
from nice_anomaly.errors import ArtifactError, NiceAnomalyError
from nice_anomaly.library import learn, load_run
from nice_anomaly.normals import Normals
from nice_anomaly.sklearn import FEWEST, NiceDetector, TooFewNormalsWarning, _calibrated

SMALL = ["train.epochs=1", "train.least_steps=1", "flow.couplings=2", "flow.components=1"]
QUICK = [*SMALL, "data.folds=0", "calibrate.score=likelihood"]  # one flow, in nats
OUTPUTS = ("score_samples", "decision_function", "predict", "p_values")


def quick(**parameters: Any) -> NiceDetector:
    return NiceDetector(**{"overrides": QUICK, **parameters})


def rows(n: int, seed: int = 0) -> np.ndarray:
    """Two correlated columns."""
    return np.random.default_rng(seed).normal(size=(n, 2)).cumsum(axis=1)


def frame(n: int, seed: int = 0) -> pd.DataFrame:
    """A number, a category that goes with it, a truth and a moment in time."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["bolt", "nut"], n)
    weight = np.where(kind == "bolt", 5.0, 1.0) + 0.2 * rng.normal(size=n)
    day = pd.to_datetime("2026-01-05") + pd.to_timedelta(rng.integers(0, 86_400, n), "s")
    checked = rng.choice([True, False], n)
    return pd.DataFrame({"weight": weight, "kind": kind, "checked": checked, "made": day})


def outputs(detector: NiceDetector, x: Any) -> dict[str, list[float]]:
    found = {name: getattr(detector, name)(x).tolist() for name in OUTPUTS}
    return {**found, "offset_": [detector.offset_]}


@pytest.fixture(scope="module")
def fitted() -> NiceDetector:
    """A hundred of 400 rows set the threshold."""
    return quick(alpha=0.1).fit(rows(400))


# By default: in folds, by four views of a row


@pytest.fixture(scope="module")
def in_folds() -> NiceDetector:
    return NiceDetector(alpha=0.1, overrides=SMALL).fit(rows(120))


def test_every_row_counts_for_the_threshold(in_folds: NiceDetector) -> None:
    assert (in_folds.calibration_.rule.name, in_folds.calibration_.n) == ("cross-conformal", 120)
    assert in_folds.run_.manifest.folds == 5
    assert in_folds.offset_ == in_folds.calibration_.scores[12 - 1]  # ⌊0.1 · 121⌋ = 12


def test_flagged_is_what_has_a_cross_conformal_p_value_of_at_most_alpha(
    in_folds: NiceDetector,
) -> None:
    x = np.concatenate([rows(400, seed=1), 3 * rows(400, seed=2)])
    flagged = in_folds.predict(x) == -1
    assert 0 < flagged.sum() < 800
    assert ((in_folds.p_values(x) <= 0.1) == flagged).all()
    assert ((in_folds.decision_function(x) < 0) == flagged).all()


def test_a_rate_that_is_certain_takes_rows_that_no_flow_has_seen() -> None:
    certain = NiceDetector(alpha=0.2, confidence=0.9, overrides=SMALL).fit(rows(120))
    assert (certain.calibration_.rule.name, certain.calibration_.n) == ("certified", 30)
    with pytest.raises(ValueError, match="samples that no flow has seen, and these are in folds"):
        NiceDetector(confidence=0.9, overrides=[*SMALL, "data.folds=4"]).fit(rows(120))


def test_too_few_rows_even_in_folds_are_told() -> None:
    with pytest.warns(TooFewNormalsWarning) as told:
        detector = NiceDetector(alpha=0.05, overrides=SMALL).fit(rows(15))
    assert str(told[-1].message) == (
        "cross-conformal 5.00 % needs 19 normals, and this fit had 15: nothing is flagged (offset_ "
        "is -inf). Fit on more rows, or accept `alpha=0.063`, which 15 support."
    )
    assert detector.predict([[1e9, -1e9]]).tolist() == [1]


# What scikit-learn asks


@parametrize_with_checks([quick()])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scikit_learn_finds_nothing(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nor_with_the_defaults() -> None:
    """One of the checks; all take two minutes, for a training takes a second."""
    check_dataframe_column_names_consistency("NiceDetector", NiceDetector())


def test_the_defaults_find_what_breaks_a_correlation() -> None:
    detector = NiceDetector().fit(rows(400))
    assert detector.predict([[1.0, 1.0], [2.0, -2.0], [-9.0, 0.0]]).tolist() == [1, -1, -1]
    new = detector.predict(rows(4_000, seed=1))
    assert 0.005 < (new == -1).mean() < 0.12  # Beta(5, 96): 99.9 % of fits are below 0.12


def test_missing_cells_are_said_to_be_read() -> None:
    assert get_tags(NiceDetector()).input_tags.allow_nan
    x = rows(400)
    x[::3, 1] = np.nan
    detector = quick().fit(x)
    assert np.isfinite(detector.score_samples([[0.0, np.nan], [0.0, 0.0]])).all()
    assert [c.gaps for c in detector.run_.manifest.data.reading.columns] == [False, True]


# Threshold, sign and units


def test_scores_are_log_likelihoods_and_decisions_their_distance_to_the_threshold(
    fitted: NiceDetector,
) -> None:
    x = np.concatenate([rows(400), rows(400, seed=1)])
    scores = fitted.score_samples(x)
    assert (scores == fitted.run_.score(x).values).all()
    assert (fitted.decision_function(x) == scores - fitted.offset_).all()
    assert (fitted.predict(x) == np.where(scores < fitted.offset_, -1, 1)).all()
    assert scores[0] > fitted.score_samples([[50.0, -50.0]])[0] + 10


def test_a_density_in_nats_of_its_unit_shrinks_with_the_unit() -> None:
    """In millimetres each of two columns has a thousandth of the density it has in metres."""
    metres, millimetres = (quick().fit(rows(400) * unit) for unit in (1, 1_000))
    difference = metres.score_samples(rows(9)) - millimetres.score_samples(rows(9) * 1_000)
    np.testing.assert_allclose(difference, 2 * np.log(1_000), atol=1e-3)


RANKS: dict[str, tuple[dict[str, float], int]] = {
    "conformal": ({"alpha": 0.1}, 2),  # ⌊0.1 · 26⌋
    "conformal, as written": ({"alpha": 0.5}, 13),  # ⌊0.5 · 26⌋
    "certified": ({"alpha": 0.2, "confidence": 0.9}, 3),  # P(Bin(25, 0.2) ≤ 2, 3) = 9.8, 23 %
    "certified, less sure": ({"alpha": 0.2, "confidence": 0.75}, 4),
}


@pytest.mark.parametrize("case", RANKS)
def test_the_threshold_is_a_rank_of_25_held_out_scores(case: str) -> None:
    parameters, rank = RANKS[case]
    detector = quick(**parameters).fit(rows(100))
    scores = detector.calibration_.scores
    assert detector.offset_ == scores[rank - 1]
    assert len(scores) == 25
    flagged = detector.predict(rows(100)) == -1
    held_out = np.isin(detector.score_samples(rows(100)), scores)
    assert int((flagged & held_out).sum()) == rank - 1  # the one on the threshold is not flagged


def test_the_threshold_rests_on_rows_that_training_has_not_seen(fitted: NiceDetector) -> None:
    x = rows(400)
    new = ~np.isin(row_hashes(x), fitted.run_.trained.seen.numpy())
    assert int(new.sum()) == 100
    assert np.sort(fitted.score_samples(x[new])).tolist() == fitted.calibration_.scores.tolist()


def test_flagged_is_what_has_a_p_value_of_at_most_alpha(fitted: NiceDetector) -> None:
    x = rows(400)  # among them every held-out one, so that the borders occur
    scores, held_out = fitted.score_samples(x), fitted.calibration_.scores
    p_values = fitted.p_values(x)
    assert ((p_values <= 0.1) == (fitted.predict(x) == -1)).all()
    assert p_values.tolist() == [(1 + int((held_out <= s).sum())) / 101 for s in scores]


CLAIMS = {"on average": None, "in 95 % of fits": 0.95}


@pytest.mark.parametrize("case", CLAIMS)
def test_the_rate_is_what_was_promised(fitted: NiceDetector, case: str) -> None:
    """Over 200 thresholds from 59 normals each, against 40,000 new ones.

    Conformal rates are Beta(3, 57) here, for ⌊0.05 · 60⌋ = 3: they are 5 % on average. A
    certified one is above 5 % with the probability 0.95⁵⁹ = 4.85 %.
    """
    detector = copy.deepcopy(fitted).set_params(alpha=0.05, confidence=CLAIMS[case])
    new = np.sort(fitted.score_samples(rows(40_000, seed=1)))
    held_out = fitted.run_.score(rows(200 * 59, seed=2))
    rates = np.empty(200)
    for place in range(200):
        some = held_out[59 * place : 59 * (place + 1)]
        found = Normals(some, detector.run_.scorer(), "new", fresh=True)
        detector.run_.keep(_calibrated(found, detector._rule()))
        rates[place] = np.searchsorted(new, detector.offset_) / len(new)
    if case == "on average":
        assert abs(rates.mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 61 / 200)
    else:
        low, high = binom.interval(0.999, 200, 0.95**59)
        assert low <= (rates > 0.05).sum() <= high


# Too few normals for the promise


def test_too_few_normals_flag_nothing_and_say_how_many_it_takes() -> None:
    with pytest.warns(TooFewNormalsWarning) as told:
        detector = quick(alpha=0.05).fit(rows(20))
    assert str(told[0].message) == (
        "conformal 5.00 % needs 19 held-out normals, and this fit held out 5 of 20 rows: nothing "
        "is flagged (offset_ is -inf). Fit on more rows, of which "
        "`overrides=['data.calibration=19']` holds out enough, or accept `alpha=0.17`, which 5 "
        "support."
    )
    assert told[0].filename == __file__
    far = [[1e9, -1e9]]
    assert outputs(detector, far) == {
        "score_samples": detector.score_samples(far).tolist(),
        "decision_function": [np.inf],
        "predict": [1],
        "p_values": [1 / 6],
        "offset_": [-np.inf],
    }


@pytest.mark.parametrize(
    ("enough", "parameters"),
    [
        (19, {"alpha": 0.05}),
        (5, {"alpha": 0.17}),  # what the warning above offered
        (59, {"alpha": 0.05, "confidence": 0.95}),
        (1, {"alpha": 0.5}),
    ],
)
def test_a_rule_has_just_enough(enough: int, parameters: dict[str, float]) -> None:
    held_out = [f"data.calibration={enough}", "data.early_stopping=2"]
    detector = quick(**parameters, overrides=[*QUICK, *held_out]).fit(rows(200))
    assert detector.offset_ == detector.calibration_.scores[0]
    if enough > 1:
        held_out[0] = f"data.calibration={enough - 1}"
        with pytest.warns(TooFewNormalsWarning, match=f"needs {enough} held-out"):
            fewer = quick(**parameters, overrides=[*QUICK, *held_out]).fit(rows(200))
        assert fewer.offset_ == -np.inf


# Same in, same out


@pytest.mark.parametrize("columns", [1, 2, 9])
def test_a_score_depends_on_its_row_alone(columns: int) -> None:
    x = np.random.default_rng(0).normal(size=(3_000, columns))
    detector = quick().fit(x[:400])
    scores, order = detector.score_samples(x), np.random.default_rng(1).permutation(len(x))
    alone = [detector.score_samples(row[None])[0] for row in x[:20]]
    for found, expected in (
        (detector.score_samples(x[order]), scores[order]),
        (detector.score_samples(x.tolist()), scores),
        (alone, scores[:20]),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_it_is_the_run_of_the_library() -> None:
    detector = quick(alpha=0.1, random_state=3).fit(rows(200))
    run = learn(rows(200), config="table", overrides=QUICK, seed=3)
    run.calibrate(rule="conformal", alpha=0.1)
    found, x = run.detect(rows(50, seed=1)), rows(50, seed=1)
    assert run.manifest.fingerprint == detector.run_.manifest.fingerprint
    assert (found.flagged == (detector.predict(x) == -1)).all()
    assert (found.p_values == detector.p_values(x)).all()


def test_a_random_state_decides_all() -> None:
    def scores(state: Any) -> list[float]:
        found: list[float] = quick(random_state=state).fit(rows(100)).score_samples(rows(5))
        return [*found]

    generator = np.random.RandomState(0)
    first, second = scores(generator), scores(generator)  # it goes on
    assert scores(7) == scores(np.int64(7)) != scores(8)
    assert scores(np.random.RandomState(0)) == first != second
    assert scores(None) != scores(None)


@pytest.mark.parametrize(("n", "overrides"), [(20, QUICK), (400, QUICK), (60, SMALL)])
@pytest.mark.parametrize("way", ["pickle", "deepcopy", "joblib"])
@pytest.mark.filterwarnings("ignore::nice_anomaly.sklearn.TooFewNormalsWarning")
def test_a_copy_gives_the_same_to_the_bit(
    way: str, n: int, overrides: list[str], tmp_path: Path
) -> None:
    detector, x = quick(random_state=2, overrides=overrides).fit(rows(n)), rows(40, seed=1)
    if way == "pickle":
        again = pickle.loads(pickle.dumps(detector))
    elif way == "deepcopy":
        again = copy.deepcopy(detector)
    else:
        joblib.dump(detector, tmp_path / "detector")
        again = joblib.load(tmp_path / "detector")
    assert outputs(again, x) == outputs(detector, x)
    assert again.get_params() == detector.get_params()
    assert (again.offset_ == -np.inf) == (n == 20)


def test_a_pickle_holds_no_tensors(fitted: NiceDetector) -> None:
    modules = set()

    class Watching(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            modules.add(module.partition(".")[0])
            return super().find_class(module, name)

    content = pickle.dumps(fitted)
    Watching(io.BytesIO(content)).load()
    assert modules == {"nice_anomaly"}
    assert len(content) < 200_000  # nor the rows that it has learned


def test_a_damaged_pickle_is_refused(fitted: NiceDetector) -> None:
    state = fitted.__getstate__()
    files, calibration = state["run_"]
    weights = next(name for name in files if name.startswith("weights-"))
    damaged = {**files, weights: files[weights][:-1] + b"?"}
    with pytest.raises(ArtifactError, match="a pickled NiceDetector"):
        NiceDetector().__setstate__({**state, "run_": (damaged, calibration)})


def test_what_is_not_fitted_is_copied_too(fitted: NiceDetector) -> None:
    for again in (clone(fitted), pickle.loads(pickle.dumps(quick(alpha=0.1)))):
        assert again.get_params() == fitted.get_params()
        assert not hasattr(again, "offset_")
        with pytest.raises(NotFittedError):
            again.predict(rows(5))


def test_the_command_line_can_go_on_with_it(fitted: NiceDetector, tmp_path: Path) -> None:
    detector, x = copy.deepcopy(fitted), rows(40, seed=1)
    detector.run_.save(tmp_path / "run")
    found = load_run(tmp_path / "run").detect(x)
    assert found.flagged.tolist() == (detector.predict(x) == -1).tolist()


def test_another_threshold_needs_no_other_training(fitted: NiceDetector) -> None:
    detector = copy.deepcopy(fitted)
    detector.run_.calibrate(rows(199, seed=1), rule="conformal", alpha=0.01)
    assert detector.offset_ == np.sort(fitted.score_samples(rows(199, seed=1)))[1]
    assert detector.decision_function(rows(1))[0] == (
        detector.score_samples(rows(1))[0] - detector.offset_
    )


# Among other estimators


def test_it_works_behind_transformers() -> None:
    x = frame(300).drop(columns="made")
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["weight"]), ("words", OneHotEncoder(), ["kind"])]
    )
    for last in (columns, columns.set_output(transform="default")):
        pipeline = make_pipeline(last, quick(alpha=0.02)).fit(x)
        assert pipeline.predict(x).tolist().count(-1) < 30
        assert pipeline.score_samples(x).shape == (300,)
    scaled = make_pipeline(StandardScaler().set_output(transform="pandas"), quick(alpha=0.1))
    numbers = pd.DataFrame(rows(300), columns=["a", "b"])
    assert scaled.fit(numbers).predict(numbers.iloc[:5]).shape == (5,)
    assert list(scaled[-1].feature_names_in_) == ["a", "b"]


def test_a_search_finds_the_rate_that_catches_most() -> None:
    x = np.concatenate([rows(300), rows(60, seed=1) + np.array([2.0, -2.0])])
    y = np.repeat([1, -1], [300, 60])

    def caught(detector: NiceDetector, x: np.ndarray, y: np.ndarray) -> float:
        return float(recall_score(y, detector.predict(x), pos_label=-1))

    normal, every = np.arange(300), np.arange(360)
    search = GridSearchCV(
        quick(), {"alpha": [0.05, 0.2]}, scoring=caught, cv=[(normal, every)], n_jobs=1
    ).fit(x, y)
    assert search.best_params_ == {"alpha": 0.2}
    assert search.cv_results_["mean_test_score"].min() < search.best_score_


def test_every_row_is_scored_by_a_fit_without_it() -> None:
    x = rows(150)
    found = cross_val_predict(quick(alpha=0.1), x, cv=3, method="decision_function")
    first = quick(alpha=0.1).fit(x[50:])
    assert (found[:50] == first.decision_function(x[:50])).all()


# Frames


@pytest.fixture(scope="module")
def of_frame() -> NiceDetector:
    return NiceDetector(overrides=["train.epochs=5"]).fit(frame(400))


def test_columns_of_a_frame_are_what_they_are(of_frame: NiceDetector) -> None:
    kinds = {c.name: c.kind for c in of_frame.run_.manifest.data.reading.columns}
    assert kinds == dict(
        zip(frame(1).columns, ["number", "category", "category", "date"], strict=True)
    )
    assert of_frame.feature_names_in_.tolist() == list(kinds)
    odd = frame(5).assign(weight=5.0, kind=["bolt", "nut", "bolt", "screw", None])
    found = of_frame.decision_function(odd)
    assert (found[[0, 2]] > 0).all()
    assert (found[[1, 3, 4]] < 0).all()  # a nut of that weight, a screw, and no word at all


@pytest.mark.parametrize("other", [pl.from_pandas, pa.Table.from_pandas])
def test_every_frame_library_gives_the_same(other: Callable[[pd.DataFrame], Any]) -> None:
    x, fitted = frame(50, seed=1), quick().fit(frame(200))
    expected = fitted.score_samples(x)
    assert (fitted.score_samples(other(x)) == expected).all()
    assert (quick().fit(other(frame(200))).score_samples(x) == expected).all()


def test_an_index_may_name_rows_twice(of_frame: NiceDetector) -> None:
    x = frame(20, seed=1)
    places = np.array([3, 3, 0, 7])
    expected = of_frame.score_samples(x)[places]
    np.testing.assert_allclose(of_frame.score_samples(x.iloc[places]), expected, atol=1e-4)


def test_a_frame_without_names_is_an_array() -> None:
    x = rows(100)
    by_position, by_number = quick().fit(x), quick().fit(pd.DataFrame(x))
    assert not hasattr(by_number, "feature_names_in_")
    for given in (x, pd.DataFrame(x), pd.DataFrame(x, columns=[5, 6])):
        assert (by_number.score_samples(given) == by_position.score_samples(x)).all()


def test_arrays_and_frames_for_each_other_are_told_and_read_by_position() -> None:
    x = rows(100)
    named = pd.DataFrame(x, columns=["a", "b"])
    of_array, of_named = quick().fit(x), quick().fit(named)
    expected = of_array.score_samples(x)
    assert (of_named.score_samples(named) == expected).all()
    with pytest.warns(UserWarning, match="X has feature names, but NiceDetector was fitted"):
        assert (of_array.score_samples(named) == expected).all()
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert (of_named.score_samples(x) == expected).all()
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert (of_named.score_samples(pd.DataFrame(x)) == expected).all()
    assert not hasattr(of_named.fit(x), "feature_names_in_")


def test_a_column_that_nothing_can_be_learned_from_is_told() -> None:
    x = frame(200).assign(number=[f"part {row}" for row in range(200)])
    with pytest.warns(UserWarning, match="column number left out: 130 different texts"):
        quick().fit(x)


def test_repeated_rows_are_told() -> None:
    with pytest.warns(UserWarning, match="of these normals repeat another one exactly"):
        quick(alpha=0.2).fit(np.repeat(rows(40), 10, axis=0))


# Refusals


def with_infinity(x: pd.DataFrame) -> pd.DataFrame:
    x.loc[3, "weight"] = np.inf
    return x


REFUSED: dict[str, tuple[dict[str, Any], Any, str]] = {
    "a rate in words": ({"alpha": "0.05"}, rows(50), "`alpha` takes a number, got '0.05'"),
    "a truth as confidence": ({"confidence": True}, rows(50), "`confidence` takes a number"),
    "no rows": ({}, np.empty((0, 2)), "Found array with 0 sample"),
    "seven rows": ({}, rows(FEWEST - 1), "7 sample.* while a minimum of 8 is required"),
    "a frame of seven": ({}, frame(FEWEST - 1), "7 normal samples; at least 8"),
    "a frame of none": ({}, frame(9).iloc[:0], "columns but no rows"),
    "one axis": ({}, rows(50)[:, 0], "Expected 2D array, got 1D array"),
    "a series": ({}, frame(50)["weight"], "Expected a 2-dimensional container"),
    "infinity": ({}, np.full((50, 2), np.inf), "contains infinity"),
    "an infinite cell": ({}, with_infinity(frame(50)), "weight is inf, not a finite"),
    "complex": ({}, rows(50) * 1j, "Complex data not supported"),
    "words": ({}, np.full((50, 2), "a", dtype=object), "could not convert string to float"),
    "all the same": ({}, np.ones((50, 2)), "all 50 normal samples of the array are the same"),
    "nothing but gaps": ({}, np.full((50, 2), np.nan), "every cell is missing"),
    "too far": ({}, rows(50) * 1e40, "too large to learn from"),
    "mixed cells": ({}, pd.DataFrame({"a": [1, "x"] * 20}), "has to be of one type"),
    "a name twice": ({}, pd.concat([frame(50), frame(50)], axis=1), "2 times"),
    "only names": ({}, frame(50).made.dt.strftime("%c %f").to_frame(), "different texts"),
    "no rate": ({"alpha": 0}, rows(50), "`alpha` takes a rate between 0 and 1"),
    "a rate in percent": ({"alpha": 5}, rows(50), "`alpha` takes a rate between 0 and 1"),
    "certain": ({"confidence": 1}, rows(50), "`confidence` takes a number between 0 and 1"),
    "no such config": ({"config": "tabel"}, rows(50), "there is no configuration 'tabel'"),
    "no such setting": ({"overrides": ["train.steps=5"]}, rows(50), "no setting train.steps"),
    "no such device": ({"device": "abacus"}, rows(50), "there is no device 'abacus'"),
    "no such seed": ({"random_state": "x"}, rows(50), "cannot be used to seed"),
    "a negative seed": ({"random_state": -1}, rows(50), "Seed must be between"),
    "too much held out": ({"overrides": ["data.calibration=40"]}, rows(50), "more than half"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_learned_is_a_value_error(case: str) -> None:
    parameters, x, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        quick(**parameters).fit(x)


def test_the_error_of_the_library_is_behind_it() -> None:
    with pytest.raises(ValueError, match="are the same") as refused:
        quick().fit(np.ones((50, 2)))
    assert isinstance(refused.value.__cause__, NiceAnomalyError)


@pytest.mark.parametrize("method", OUTPUTS)
@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (frame(9)[["kind", "weight", "checked", "made"]], "in the same order"),
        (frame(9).drop(columns="kind"), "yet now missing"),
        (frame(9).assign(more=1), "unseen at fit time"),
        (frame(9).assign(weight="heavy"), "0: weight is heavy, not a finite number"),
        (frame(9).assign(weight=np.inf), "0: weight is inf, not a finite number"),
        (frame(9).iloc[:0], "columns but no rows"),
    ],
)
def test_what_does_not_fit_is_a_value_error(
    of_frame: NiceDetector, method: str, x: Any, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        getattr(of_frame, method)(x)


def test_arrays_of_other_columns_are_a_value_error(fitted: NiceDetector) -> None:
    with pytest.raises(ValueError, match="X has 3 features, but NiceDetector is expecting 2"):
        fitted.predict(np.ones((5, 3)))
    with pytest.raises(ValueError, match="contains infinity"):
        fitted.predict([[np.inf, 0.0]])
    with pytest.raises(TypeError, match="Sparse data was passed"):
        fitted.predict(csr_matrix(np.ones((5, 2))))


def test_weights_of_samples_are_not_taken() -> None:
    with pytest.raises(TypeError, match="sample_weight"):
        quick().fit(rows(50), sample_weight=np.ones(50))
