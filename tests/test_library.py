"""Library: a run as a notebook holds it, on arrays and frames in memory."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import nice_anomaly as na
from nice_anomaly.data import BuiltIn, InMemory, Own, recognise
from nice_anomaly.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    NiceAnomalyError,
    NotCalibratedError,
)
from nice_anomaly.keeping import Report
from nice_anomaly.library import Run, load_run
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.output import open_rows
from nice_anomaly.run import Trained
from nice_anomaly.scores import Scores
from nice_anomaly.thresholds import Calibration, Certified, Discoveries, detect
from nice_anomaly.training import Checkpoint, Progress

QUICK = [
    "data.folds=0",
    "train.epochs=2",
    "train.least_steps=1",
    "flow.width=16",
    "flow.components=2",
]


def rows(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal([5.0, -1.0], [1.0, 3.0], (n, 2))


def frame(n: int, seed: int = 0) -> pd.DataFrame:
    table = pd.DataFrame(rows(n, seed), columns=["a", "b"])
    table["word"] = np.random.default_rng(seed).choice(["x", "y"], n)
    table["camera"] = np.where(np.arange(n) % 3, "left", "right")
    return table


def pictures(n: int = 1_000) -> np.ndarray:
    levels: np.ndarray = load_digits().images[:n]
    return (15 * levels).astype(np.uint8)


NEW = np.concatenate([rows(40, seed=1), [[50.0, -1.0], [5.0, 90.0]]])  # the last two are odd


def quiet(text: str) -> None:
    """Hears remarks where a test is about something else."""


# One training of each kind; every test gets a run of its own around what was trained.


@pytest.fixture(scope="module")
def of_rows() -> Trained:
    return na.learn(rows(400), overrides=QUICK).trained


@pytest.fixture(scope="module")
def of_others() -> Trained:
    """The same rows with another seed: other weights."""
    return na.learn(rows(400), overrides=QUICK, seed=1).trained


@pytest.fixture(scope="module")
def of_frame() -> Trained:
    return na.learn(frame(400), overrides=QUICK, ignored=["camera"]).trained


@pytest.fixture(scope="module")
def of_pictures() -> Trained:
    return na.learn(pictures(), overrides=[*QUICK, "train.epochs=1"]).trained


@pytest.fixture
def run(of_rows: Trained) -> Run:
    return Run(of_rows, memory=recognise(rows(400)))


@pytest.fixture
def framed(of_frame: Trained) -> Run:
    return Run(of_frame, memory=recognise(frame(400)))


@pytest.fixture
def pictured(of_pictures: Trained) -> Run:
    return Run(of_pictures, memory=recognise(pictures()))


@pytest.fixture(params=["rows", "frame", "pictures"])
def any_run(request: pytest.FixtureRequest, run: Run, framed: Run, pictured: Run) -> Run:
    """Calibrated, each in its own way; by groups and by typicality too."""
    found = {"rows": run, "frame": framed, "pictures": pictured}[request.param]
    if found is framed:
        found.calibrate(alpha=0.1, rule="conformal", group_column="camera", say=quiet)
    else:
        found.calibrate(alpha=0.1, say=quiet)
    return found


def new_for(run: Run) -> Any:
    """Samples that the run has not seen, some of them odd."""
    if run.manifest.data.layout.kind == "image":
        return np.concatenate([pictures(1_200)[1_000:], 255 - pictures(50)])
    if run.manifest.data.layout.dimensions > 2:
        odd = frame(60, seed=1)
        odd.loc[5:9, "a"] = 40.0
        return odd.assign(word=odd["word"].where(odd.index != 7, "z"))
    return NEW


def same(one: na.Found, other: na.Found) -> None:
    assert one.ids == other.ids
    assert one.notes == other.notes
    for name in ("scores", "margins", "p_values", "flagged"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name


# Learn, calibrate, detect.


@pytest.mark.parametrize("name", na.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(na, name) is not None
    assert name in dir(na)


def test_a_name_that_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Flow'"):
        _ = na.Flow


def test_an_array_is_learned_calibrated_and_detected() -> None:
    run = na.learn(rows(400), overrides=QUICK)
    assert repr(run) == "<Run the array: 400 rows of 2 columns; not calibrated>"
    calibration = run.calibrate(alpha=0.1)
    assert (calibration.rule, calibration.source) == (Certified(0.1, 0.95), "the array")
    assert repr(run) == "<Run the array: 400 rows of 2 columns; default>"
    found = run.detect(NEW)
    assert found.flagged[-2:].all()
    assert found.flagged[:-2].mean() < 0.3
    assert found.p_values[-2:].tolist() == [1 / (calibration.n + 1)] * 2
    assert found.ids == [str(place) for place in range(42)]
    assert (len(found), len(found.scores)) == (42, 42)
    assert repr(found) == f"<Found {int(found.flagged.sum())} flagged of 42>"


def test_a_training_of_the_same_seed_is_the_same_and_of_another_is_not(
    of_rows: Trained, of_others: Trained
) -> None:
    again = na.learn(rows(400), overrides=QUICK).trained
    assert again.manifest.fingerprint == of_rows.manifest.fingerprint
    assert again.manifest.fingerprint != of_others.manifest.fingerprint


def test_a_verdict_is_that_of_the_score_and_the_calibration(any_run: Run) -> None:
    """The verb binds what the parts do by themselves."""
    calibration, given = any_run.calibration(), new_for(any_run)
    found, scores = any_run.detect(given), any_run.score(given, calibration=calibration)
    groups = None if calibration.group_column is None else list(given[calibration.group_column])
    by_hand = detect(scores, calibration, groups)
    assert np.array_equal(found.scores, by_hand.scores)
    assert np.array_equal(found.margins, by_hand.margin)
    assert np.array_equal(found.p_values, by_hand.p_value)
    assert np.array_equal(found.flagged, by_hand.flagged)
    assert found.flagged.any()
    assert not found.flagged.all()


def test_a_calibration_may_be_named_or_given_as_it_is(run: Run) -> None:
    strict = run.calibrate(threshold=-1.0, name="strict", say=quiet)
    run.calibrate(alpha=0.1, say=quiet)
    same(run.detect(NEW, calibration="strict"), run.detect(NEW, calibration=strict))
    assert run.detect(NEW).flagged.sum() != run.detect(NEW, calibration=strict).flagged.sum()
    assert run.calibrations == ("default", "strict")


def test_settings_say_what_nobody_said(of_rows: Trained) -> None:
    """Rule, numbers and tail are those that the run has learned with, where none are given."""
    wished = {"rule": "certified", "alpha": 0.2, "confidence": 0.8, "tail": "both"}
    calibrate = of_rows.manifest.settings.calibrate.model_copy(update=wished)
    settings = of_rows.manifest.settings.model_copy(update={"calibrate": calibrate})
    trained = replace(of_rows, manifest=replace(of_rows.manifest, settings=settings))
    found = Run(trained, memory=recognise(rows(400))).calibrate(say=quiet)
    assert (found.rule, found.tail) == (Certified(0.2, 0.8), "both")


def test_only_held_out_samples_set_the_threshold(run: Run) -> None:
    calibration, own = run.calibrate(alpha=0.1, say=quiet), run.own_data()
    assert not calibration.fresh
    scores = run.score(own.held_out, calibration=calibration).values
    assert np.array_equal(calibration.scores, np.sort(scores))


def test_fresh_normals_set_the_threshold_where_they_are_given(run: Run) -> None:
    calibration = run.calibrate(rows(300, seed=5), alpha=0.1, say=quiet)
    assert (calibration.fresh, calibration.n) == (True, 300)
    scores = run.score(rows(300, seed=5), calibration=calibration).values
    assert np.array_equal(calibration.scores, np.sort(scores))


def test_the_images_of_a_run_get_a_score_of_their_features(pictured: Run) -> None:
    calibration = pictured.calibrate(alpha=0.1, say=quiet)
    assert calibration.origin.score == "auto"
    assert calibration.typicality is not None
    plain = pictured.calibrate(alpha=0.1, score="likelihood", name="plain", say=quiet)
    assert plain.origin.score == "likelihood"
    assert plain.n > calibration.n  # nothing was fitted on half of them


def test_columns_are_found_by_name_in_any_order(framed: Run) -> None:
    given = frame(50, seed=1)
    other = given[["camera", "word", "b", "a"]].assign(more=1.0)
    assert np.array_equal(framed.score(given).values, framed.score(other).values)


def test_samples_of_a_seed_repeat_and_have_the_form_of_what_was_learned(
    run: Run, pictured: Run
) -> None:
    assert run.sample(3).shape == (3, 2)
    assert pictured.sample(3).shape == (3, 8, 8)
    assert np.array_equal(run.sample(3, seed=1), run.sample(3, seed=1))
    assert not np.array_equal(run.sample(3, seed=1), run.sample(3, seed=2))


def test_samples_of_a_table_are_its_cells_by_column(run: Run, framed: Run, pictured: Run) -> None:
    """What `sample` gives for a table are coordinates; an array has the names of its places."""
    cells = framed.sample_table(30, seed=1)
    learned = [column.name for column in framed.manifest.data.reading.columns if column.width]
    assert list(cells) == learned != list(frame(1))
    assert set(cells["word"]) <= set(frame(400)["word"])
    assert pd.DataFrame(cells).shape == (30, len(learned))
    coordinates = run.sample(3, seed=1)
    for place, column in enumerate(run.sample_table(3, seed=1).values()):
        assert column == pytest.approx(coordinates[:, place], rel=1e-4)
    assert list(run.sample_table(3)) == ["x0", "x1"]
    with pytest.raises(ConfigError, match=r"has learned images: run\.sample\(n\) draws those\."):
        pictured.sample_table(3)


def test_stress_begins_with_normals_that_are_left_as_they_are(run: Run) -> None:
    run.calibrate(alpha=0.1, say=quiet)
    first, *others = run.stress(n=50)
    held = run.own_data().held_out
    assert first.corruption == "nothing changed"
    assert first.flagged.n == min(50, len(held))
    assert max(trial.flagged.value for trial in others) > first.flagged.value


# Saved and loaded.


def test_a_run_gives_the_same_to_the_bit_when_it_was_saved_and_loaded(
    any_run: Run, tmp_path: Path
) -> None:
    given, before = new_for(any_run), any_run.calibration()
    scores, found = any_run.score(given), any_run.detect(given)
    any_run.save(tmp_path / "run")
    loaded = load_run(tmp_path / "run")
    assert loaded.manifest == any_run.manifest
    assert loaded.calibration().origin == before.origin
    for one in (any_run, loaded):
        assert np.array_equal(one.score(given).values, scores.values)
        same(one.detect(given), found)
        assert one.path == tmp_path / "run"
    assert loaded.calibrations == ("default",)


def test_a_run_in_memory_keeps_its_calibrations_and_a_saved_one_writes_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("night", "default"):
        run.calibrate(alpha=0.1, name=name, say=quiet)
    assert run.calibrations == ("default", "night")
    assert list(tmp_path.iterdir()) == []
    run.save("run")
    assert run.calibrations == ("default", "night")
    run.calibrate(alpha=0.2, name="day", say=quiet)  # its data are still in memory
    assert load_run("run").calibrations == run.calibrations == ("default", "day", "night")
    assert load_run("run").calibration("day").rule == Certified(0.2, 0.95)
    load_run("run").calibrate(rows(300, seed=5), alpha=0.3, name="day", say=quiet)
    assert run.calibration("day").rule == Certified(0.3, 0.95)  # both look into the folder


def test_a_run_that_was_learned_in_memory_has_its_data_only_there(run: Run, tmp_path: Path) -> None:
    run.save(tmp_path / "run")
    with pytest.raises(DataError) as refused:
        load_run(tmp_path / "run").calibrate(alpha=0.1)
    assert str(refused.value) == (
        "the run has learned 'the array' in memory, which is gone: its held-out part cannot be "
        "found again. Give fresh normals with `calibrate(inputs)`."
    )


def test_a_run_learned_from_a_file_finds_its_data_again(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    frame(400).to_csv(file, index=False)
    run = na.learn(file, run=tmp_path / "run", overrides=QUICK)
    one = run.calibrate(alpha=0.1, name="one", say=quiet)
    two = load_run(tmp_path / "run").calibrate(alpha=0.1, name="two", say=quiet)
    assert np.array_equal(one.scores, two.scores)
    frame(401).to_csv(file, index=False)
    with pytest.raises(DataError, match=r"are not the data that the run was trained on.*fresh"):
        load_run(tmp_path / "run").calibrate(alpha=0.1)


def test_where_data_came_from_is_kept_and_not_guessed(tmp_path: Path, of_rows: Trained) -> None:
    """A file that is called like a built-in set is still a file."""
    file = tmp_path / "digits"
    np.save(tmp_path / "x.npy", rows(100))
    (tmp_path / "x.npy").rename(file.with_suffix(".npy"))
    own = na.learn(file.with_suffix(".npy"), overrides=QUICK).manifest.data.source
    assert isinstance(own, Own)
    assert own.inputs == (str(tmp_path / "digits.npy"),)
    assert isinstance(of_rows.manifest.data.source, InMemory)


def test_a_folder_that_holds_a_run_is_replaced_only_on_demand(
    run: Run, of_others: Trained, tmp_path: Path
) -> None:
    run.save(tmp_path)
    other = Run(of_others)
    with pytest.raises(ConfigError, match="already holds a run"):
        other.save(tmp_path)
    with pytest.raises(ConfigError, match="already holds a run"):
        na.learn(rows(400), run=tmp_path)
    assert load_run(tmp_path).manifest == run.manifest
    other.save(tmp_path, overwrite=True)
    assert load_run(tmp_path).manifest == of_others.manifest


# Going on with what was interrupted.


def stopping(at: int) -> Callable[[Report], None]:
    """Stops a training at its n-th step."""

    def listen(report: Report) -> None:
        if isinstance(report, Progress) and (report.epoch, report.step % 2) == (at, 0):
            raise KeyboardInterrupt

    return listen


def interrupted(given: Any, path: Path, config: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"Go on with `learn\(resume=True, run='"):
        na.learn(given, run=path, overrides=config, listen=stopping(2))


LONGER = [*QUICK, "train.epochs=4"]


def test_an_interrupted_training_goes_on_to_the_same_run(tmp_path: Path) -> None:
    frame(400).to_csv(tmp_path / "rows.csv", index=False)
    heard: list[Report] = []
    whole = na.learn(tmp_path / "rows.csv", overrides=LONGER, listen=heard.append)
    assert sum(isinstance(report, Checkpoint) for report in heard) == 4
    interrupted(tmp_path / "rows.csv", tmp_path / "run", LONGER)
    assert not load_run(tmp_path / "run").manifest.finished
    run = na.learn(resume=True, run=tmp_path / "run")
    assert run.manifest.fingerprint == whole.manifest.fingerprint
    assert load_run(tmp_path / "run").manifest.finished


def test_an_interrupted_training_does_not_go_on_with_other_data(tmp_path: Path) -> None:
    frame(400).to_csv(tmp_path / "rows.csv", index=False)
    interrupted(tmp_path / "rows.csv", tmp_path / "run", LONGER)
    frame(401).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DataError, match=r"are not those that the run .* was begun with"):
        na.learn(resume=True, run=tmp_path / "run")


def test_an_interrupted_training_in_memory_cannot_go_on(tmp_path: Path) -> None:
    interrupted(rows(400), tmp_path / "run", LONGER)
    with pytest.raises(DataError, match="has learned 'the array' in memory, which is gone"):
        na.learn(resume=True, run=tmp_path / "run")


# What cannot be, and what is said of it.


def foreign(of_others: Trained) -> Calibration:
    return Run(of_others, memory=recognise(rows(400))).calibrate(alpha=0.1, say=quiet)


Act = Callable[[Run, Run, Calibration], object]
REFUSED: dict[str, tuple[Act, type[NiceAnomalyError], str]] = {
    # of a run on rows and one on a frame, both calibrated, and a calibration of a third
    "a calibration that is not there": (
        lambda run, _, __: run.detect(NEW, calibration="night"),
        NotCalibratedError,
        "the run the array has no calibration named 'night'; it has: default "
        "(`calibration=NAME`). Run `run.calibrate()`.",
    ),
    "no calibration at all": (
        lambda run, _, __: Run(run.trained).detect(NEW),
        NotCalibratedError,
        "the run the array has no threshold yet. Run `run.calibrate()`.",
    ),
    "keep a calibration of another run": (
        lambda run, _, other: run.keep(other),
        NotCalibratedError,
        "this calibration was made with other weights than those of the array: it says nothing "
        "about these. Run `run.calibrate()`.",
    ),
    "detect with a calibration of another run": (
        lambda run, _, other: run.detect(NEW, calibration=other),
        NotCalibratedError,
        "this calibration was made with other weights than those of the array",
    ),
    "score with a calibration of another run": (
        lambda run, _, other: run.score(NEW, calibration=other),
        NotCalibratedError,
        "this calibration was made with other weights than those of the array",
    ),
    "stress with a calibration of another run": (
        lambda run, _, other: list(run.stress(calibration=other)),
        NotCalibratedError,
        "this calibration was made with other weights than those of the array",
    ),
    "scores of another run held against it": (
        lambda run, _, other: detect(run.score(NEW), other),
        NotCalibratedError,
        "these scores cannot be held against this calibration: they are the score 'likelihood' of "
        "the weights ",
    ),
    "numbers that no run has made": (
        lambda run, _, __: detect(Scores(np.zeros(3)), run.calibration()),
        NotCalibratedError,
        "they are the score 'likelihood' of the weights (none)",
    ),
    "a name that is none for a file": (
        lambda run, _, __: run.calibrate(alpha=0.1, name="a/b"),
        ConfigError,
        "a calibration is named by at most 64 letters, digits, dots and dashes, got 'a/b'.",
    ),
    "an unknown rule": (
        lambda run, _, __: run.calibrate(rule="magic"),  # type: ignore[arg-type]
        ConfigError,
        "there is no rule 'magic'. Choose one of: sigma, certified, conformal, cross-conformal, "
        "quantile, manual.",
    ),
    "an unknown tail": (
        lambda run, _, __: run.calibrate(tail="up"),  # type: ignore[arg-type]
        ConfigError,
        "`tail` takes low or both, got 'up'.",
    ),
    "a number that the rule does not know": (
        lambda run, _, __: run.calibrate(rule="sigma", alpha=0.05),
        ConfigError,
        "`alpha` is for the rule certified and conformal and cross-conformal and quantile, not "
        "for sigma.",
    ),
    "a rate that is none": (
        lambda run, _, __: run.calibrate(alpha=5),
        ConfigError,
        "`alpha` takes a rate between 0 and 1, like 0.01 for 1 %, got 5.",
    ),
    "a share of false discoveries that is none": (
        lambda run, _, __: run.detect(NEW, fdr=5),
        ConfigError,
        "`fdr` takes a share between 0 and 1, like 0.05 for 5 %, got 5.",
    ),
    "too few normals for a rate": (
        lambda run, _, __: run.calibrate(alpha=0.0001),
        DataError,
        "this rule needs the scores of at least 29,956 normal samples, got 100. Give more normals "
        "with `inputs`, or accept a higher rate: 100 can support `alpha=0.03`.",
    ),
    "features of rows": (
        lambda run, _, __: run.calibrate(score="latents"),
        ConfigError,
        "the score 'latents' looks at images under a model with a term for each latent; this run "
        "has none. Take `score='likelihood'`.",
    ),
    "normals that were learned from": (
        lambda run, _, __: run.calibrate(rows(400), alpha=0.1),
        DataError,
        "normals in the array are among those that the run has learned from",
    ),
    "groups of a column that is not there": (
        lambda _, framed, __: framed.calibrate(alpha=0.1, group_column="lens"),
        DataError,
        "has no column 'lens' for grouping. It has: a, b, word, camera.",
    ),
    "a missing column": (
        lambda _, framed, __: framed.detect(frame(5).drop(columns="b")),
        DataError,
        "the frame: the column 'b' is missing. The table has: a, word, camera. Columns are found "
        "by name.",
    ),
    "two missing columns": (
        lambda _, framed, __: framed.score(frame(5)[["a"]]),
        DataError,
        "the column 'b' is missing, and 1 more: word.",
    ),
    "an array of another width": (
        lambda run, _, __: run.detect(np.ones((4, 3))),
        DataError,
        "the array has 3 columns, but the run has learned from 2: the columns of an array are "
        "found by position.",
    ),
    "one row without its table": (
        lambda run, _, __: run.detect([5.0, -1.0]),
        DataError,
        "an array of shape (2,) holds no samples",
    ),
    "images for a table": (
        lambda run, _, __: run.detect(pictures(3)),
        DataError,
        "the array holds images, but the run has learned a table.",
    ),
    "a label that is not there": (
        lambda run, _, __: run.detect(NEW, label_column="odd", anomaly_values=["1"]),
        DataError,
        "the input has no column 'odd' for `label_column`.",
    ),
    "a label without its values": (
        lambda _, framed, __: framed.detect(frame(5), label_column="word"),
        ConfigError,
        "`label_column` and `anomaly_values` belong together",
    ),
    "a built-in set of another shape": (
        lambda run, _, __: run.detect(na.builtin("breast-cancer")),
        DataError,
        "'breast-cancer' holds table rows of 30 columns, but the run has learned 'the array', "
        "table rows of 2 columns. Choose a set of the same kind, or train on one.",
    ),
    "a built-in set of another kind": (
        lambda run, _, __: run.score(na.builtin("digits")),
        DataError,
        "'digits' holds grey images of 8 × 8 pixels with 17 levels, but the run has learned",
    ),
    "a built-in set that is none": (
        lambda _, __, ___: na.builtin("imagenet"),
        ConfigError,
        "there is no data set 'imagenet'. Choose one of: mnist, kmnist, fashion, digits",
    ),
    "a score that is none": (
        lambda run, _, __: run.calibrate(score="magic"),
        ConfigError,
        "there is no score 'magic'. Choose one of: likelihood, latents, input, auto.",
    ),
    "a rate in words": (
        lambda run, _, __: run.calibrate(alpha="one per cent"),
        ConfigError,
        "`alpha` takes a number, got 'one per cent'.",
    ),
    "no normals to corrupt": (
        lambda run, _, __: list(run.stress(n=0)),
        ConfigError,
        "`n` takes a number of held-out normals, at least 1, got 0.",
    ),
    "no samples to draw": (
        lambda run, _, __: run.sample(0),
        ConfigError,
        "`n` takes a number of samples, at least 1",
    ),
    "learn without saying what": (
        lambda _, __, ___: na.learn(),
        ConfigError,
        "give what to learn: files, an array, a table, or nice_anomaly.builtin('mnist').",
    ),
    "labels of a built-in set": (
        lambda run, _, __: run.detect(na.builtin("digits"), label_column="y", anomaly_values=["3"]),
        ConfigError,
        "are for your own tables; the truth of a built-in set is known.",
    ),
    "a calibration that is none": (
        lambda run, _, __: run.detect(NEW, calibration=3),
        ConfigError,
        "`calibration` takes a name or a Calibration, got int.",
    ),
    "numbers that are none": (
        lambda _, __, ___: na.learn(np.where(rows(400) > 0, np.inf, 1), overrides=QUICK),
        DataError,
        "is inf, not a finite number",
    ),
    "a frame for an array": (
        lambda run, _, __: run.detect(frame(5)),
        DataError,
        "The run has learned from an array: give frame.to_numpy().",
    ),
    "detect nothing": (
        lambda run, _, __: run.detect(None),
        DataError,
        "None cannot be read: it has to be a path or several, a numpy array",
    ),
    "learn a list of nothing": (
        lambda _, __, ___: na.learn([None]),
        DataError,
        "None cannot be read: it has to be a path or several, a numpy array",
    ),
    "learn what holds only anomalies": (
        lambda _, __, ___: na.learn(na.builtin("breast-cancer-malignant")),
        ConfigError,
        "'breast-cancer-malignant' holds only anomalies: there is nothing normal to learn.",
    ),
    "learn one sample many times": (
        lambda _, __, ___: na.learn(np.ones((400, 2)), overrides=QUICK),
        DataError,
        "all 400 normal samples of the array are the same",
    ),
    "learn from few": (
        lambda _, __, ___: na.learn(rows(20), overrides=QUICK),
        DataError,
        "the array has 20 normal samples; at least 30 are needed",
    ),
    "a setting that is none": (
        lambda _, __, ___: na.learn(rows(400), overrides=["train.epoch=3"]),
        ConfigError,
        "there is no setting train.epoch. Did you mean train.epochs?",
    ),
    "resume without a run": (
        lambda _, __, ___: na.learn(resume=True),
        ConfigError,
        "`resume=True` goes on in a folder: name it with `run`.",
    ),
    "resume where there is nothing": (
        lambda _, __, ___: na.learn(resume=True, run="nowhere"),
        ArtifactError,
        "there is nothing to resume in nowhere: its training is "
        "finished or never began. Start one with `learn()`.",
    ),
    "load what is not there": (
        lambda _, __, ___: load_run("nowhere"),
        ArtifactError,
        "there is no run in nowhere (no run.json). Train one with `learn(run='nowhere')`, or name "
        "another folder with `run`.",
    ),
    "a device that is not there": (
        lambda run, _, __: Run(run.trained, device="abacus").score(NEW),
        ConfigError,
        "there is no device 'abacus'. Use auto, cpu or cuda.",
    ),
}
BESIDE_RESUME: dict[str, dict[str, Any]] = {
    "inputs": {"inputs": rows(400)},
    "overwrite": {"overwrite": True},
    "config": {"config": "digits"},
    "overrides": {"overrides": ["train.epochs=3"]},
    "seed": {"seed": 0},
}
OF_OWN_DATA: dict[str, dict[str, Any]] = {
    "size": {"size": (8, 8)},
    "colour": {"colour": "grey"},
    "id_column": {"id_column": "a"},
    "label_column": {"label_column": "a", "anomaly_values": ["1"]},
    "ignored": {"ignored": ["a"]},
    "skip_unreadable": {"skip_unreadable": True},
}
for option, given in BESIDE_RESUME.items():
    REFUSED[f"{option} beside resume"] = (
        lambda _, __, ___, given=given: na.learn(**given, resume=True, run="nowhere"),  # type: ignore[misc]
        ConfigError,
        "`resume=True` goes on with the data and settings of the interrupted run: it cannot be "
        "combined with `inputs`, `overwrite`, `config`, `overrides`, `private` or `seed`.",
    )
for option, given in OF_OWN_DATA.items():
    REFUSED[f"{option} without inputs"] = (
        lambda _, __, ___, given=given: na.learn(na.builtin("digits"), **given),  # type: ignore[misc]
        ConfigError,
        "`size`, `colour`, `id_column`, `label_column`, `anomaly_values`, `ignored`, "
        "`skip_unreadable`, `separator`, `decimal`, `dates` and `sheet` say how your own samples "
        "are read: give `inputs` too.",
    )


@pytest.fixture(scope="module")
def refusing(
    of_rows: Trained, of_frame: Trained, of_others: Trained
) -> tuple[Run, Run, Calibration]:
    run = Run(of_rows, memory=recognise(rows(400)))
    framed = Run(of_frame, memory=recognise(frame(400)))
    for one in (run, framed):
        one.calibrate(alpha=0.1, say=quiet)
    return run, framed, foreign(of_others)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_with_what_to_do(
    refusing: tuple[Run, Run, Calibration],
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    act, kind, sentence = REFUSED[case]
    before = [one.calibrations for one in refusing[:2]]
    with pytest.raises(kind) as refused:
        act(*refusing)
    assert sentence in str(refused.value)
    assert type(refused.value) is kind
    assert [one.calibrations for one in refusing[:2]] == before
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_learn_is_the_set_of_the_configuration(tmp_path: Path) -> None:
    quick = ["train.epochs=1"]
    one = na.learn(None, config="digits", overrides=quick, data_root=tmp_path)
    two = na.learn(na.builtin("digits"), overrides=quick, data_root=tmp_path)
    assert one.manifest.data.source == two.manifest.data.source == BuiltIn("digits")
    assert one.manifest.fingerprint == two.manifest.fingerprint


def test_one_anomaly_value_may_be_a_word() -> None:
    table = frame(400).assign(state=["bad" if i % 10 == 0 else "good" for i in range(400)])
    said = {"label_column": "state", "overrides": QUICK}
    one, several = (na.learn(table, anomaly_values=v, **said) for v in ("bad", ["bad"]))
    assert one.manifest.data.n == several.manifest.data.n == 360
    assert one.manifest.fingerprint == several.manifest.fingerprint


def test_anomaly_values_are_what_the_column_holds() -> None:
    table = frame(400).assign(odd=[i % 10 == 0 for i in range(400)])
    run = na.learn(table, label_column="odd", anomaly_values=[True], overrides=QUICK)
    assert run.manifest.data.n == 360


def test_labels_without_effect_are_said(framed: Run) -> None:
    framed.calibrate(alpha=0.1, say=quiet)
    table = frame(20, seed=3).assign(state="bad")
    with pytest.warns(UserWarning, match="no row has BAD! in the column state"):
        framed.detect(table, label_column="state", anomaly_values=["BAD!"])


def test_a_run_keeps_no_calibration_in_the_folder_of_another(tmp_path: Path) -> None:
    one, other = (na.learn(rows(400, seed=s), overrides=QUICK) for s in (0, 1))
    for run in (one, other):
        run.calibrate(alpha=0.1, say=quiet)
        run.save(tmp_path / "a", overwrite=True)
    before = other.calibration().threshold
    with pytest.raises(ArtifactError, match="holds another run by now"):
        one.calibrate(alpha=0.2, say=quiet)
    assert load_run(tmp_path / "a").calibration().threshold == before


def test_images_are_read_whatever_their_strides() -> None:
    images = np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8)
    run = na.learn(images, overrides=QUICK)
    assert run.score(images[::-1]).values.tolist() == run.score(images).values[::-1].tolist()


def test_a_calibration_is_a_line_in_a_notebook(run: Run) -> None:
    shown = repr(run.calibrate(alpha=0.1, say=quiet))
    assert re.fullmatch(r"<Calibration certified 10.00 %: -?[\d.,]+, 100 normals>", shown)


# Unreadable rows keep their place.


def broken(n: int) -> pd.DataFrame:
    """Rows of which the second and the last cannot be read."""
    table = frame(n, seed=1)
    table.loc[[1, n - 1], "a"] = [math.inf, -math.inf]
    return table


READ: dict[str, Callable[[Run, bool], object]] = {
    "score": lambda run, skip: run.score(broken(200), skip_unreadable=skip),
    "detect": lambda run, skip: run.detect(broken(200), skip_unreadable=skip),
    "calibrate": lambda run, skip: run.calibrate(
        broken(200), alpha=0.1, skip_unreadable=skip, say=quiet
    ),
    "normals": lambda run, skip: run.normals(broken(200), skip_unreadable=skip),
    "learn": lambda _, skip: na.learn(broken(200), skip_unreadable=skip, overrides=QUICK),
}


@pytest.mark.parametrize("verb", READ)
def test_unreadable_rows_are_refused_unless_they_shall_be_skipped(framed: Run, verb: str) -> None:
    framed.calibrate(threshold=-6.0, say=quiet)
    with pytest.raises(DataError, match=r"a is inf, not a finite number.*`skip_unreadable=True`"):
        READ[verb](framed, False)
    assert READ[verb](framed, True) is not None


@pytest.mark.parametrize("fdr", [None, 0.2])
def test_unreadable_rows_keep_their_place_without_a_verdict(framed: Run, fdr: float | None) -> None:
    framed.calibrate(alpha=0.1, say=quiet)
    found = framed.detect(broken(60), skip_unreadable=True, fdr=fdr, say=quiet)
    bad = np.isin(np.arange(60), [1, 59])
    assert np.array_equal(np.isnan(found.scores), bad)
    assert np.array_equal(np.isnan(found.p_values), bad)
    assert not found.flagged[bad].any()
    assert len(found) == len(found.ids) == 60
    assert found.notes[1] == "unreadable: a is inf, not a finite number"
    assert found.notes[59] == "unreadable: a is -inf, not a finite number"
    assert (found.summary["n"], found.summary["unreadable"]) == (58, 2)
    good = framed.detect(frame(60, seed=1)[~bad], fdr=fdr, say=quiet)
    assert np.array_equal(found.scores[~bad], good.scores)
    assert np.array_equal(found.p_values[~bad], good.p_values)
    scores = framed.score(broken(60), calibration="default", skip_unreadable=True).values
    assert np.array_equal(scores, found.scores, equal_nan=True)


# As a frame and as a file.

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "named": {"id_column": "name"},
    "labelled": {"label_column": "odd", "anomaly_values": ["yes"]},
    "by discoveries": {"fdr": 0.2},
    "by groups": {"calibration": "cameras"},
}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("way", WAYS)
def test_a_frame_of_the_verdicts_is_their_output_file(
    framed: Run, tmp_path: Path, way: str, suffix: str
) -> None:
    framed.calibrate(alpha=0.1, say=quiet)
    framed.calibrate(alpha=0.2, name="cameras", group_column="camera", say=quiet)
    given = broken(60)
    given["name"] = [f"row {place}" for place in range(60)]
    given["odd"] = np.where(given["b"] > 3, "yes", "no")
    found = framed.detect(given, skip_unreadable=True, say=quiet, **WAYS[way])
    file = tmp_path / f"out{suffix}"
    with open_rows(file) as out:
        for part in found.parts:
            out.add(part.columns())
    read: Any = {
        ".csv": lambda: pd.read_csv(file, dtype={"id": str}),
        ".jsonl": lambda: pd.read_json(file, lines=True, dtype={"id": str}, precise_float=True),
        ".parquet": lambda: pd.read_parquet(file),
    }[suffix]()
    mine = found.to_frame()
    assert list(mine.columns) == list(read.columns)
    assert ("group" in mine) == (way == "by groups")
    assert mine["id"].tolist() == read["id"].tolist() == found.ids
    for name in ("score", "margin", "p_value"):
        assert mine[name].astype(float).tolist() == pytest.approx(
            read[name].astype(float).tolist(), rel=1e-12, nan_ok=True
        )
    good = mine["flagged"].notna()
    assert mine["flagged"][good].astype(bool).tolist() == found.flagged[good].tolist()
    assert (~good).sum() == 2
    assert mine[mine["flagged"]]["id"].tolist() == [
        name for name, hit in zip(found.ids, found.flagged, strict=True) if hit
    ]
    assert read["flagged"].isna().tolist() == mine["flagged"].isna().tolist()
    assert [note or None for note in found.notes] == [
        None if pd.isna(note) else note for note in read["note"]
    ]


# The summary, counted by hand.


def test_the_summary_counts_what_a_hand_counts(framed: Run) -> None:
    framed.calibrate(alpha=0.2, say=quiet)
    given = broken(60)
    given["odd"] = ["yes", "no", None] * 20  # the unreadable ones are a "no" and an unlabelled one
    found = framed.detect(
        given, label_column="odd", anomaly_values=["YES"], skip_unreadable=True, say=quiet
    )
    good = ~np.isnan(found.scores)
    normal, odd = ((given["odd"] == word).to_numpy() & good for word in ("no", "yes"))
    false_alarms, missed = found.flagged[normal].sum(), (~found.flagged[odd]).sum()
    expected = {
        "n": 58,
        "flagged": found.flagged.sum(),
        "flagged_rate": found.flagged.sum() / 58,
        "unreadable": 2,
        "normal": 19,
        "anomalous": 20,
        "type_i": false_alarms / 19,
        "type_i_interval": list(Rate(int(false_alarms), 19).interval),
        "type_ii": missed / 20,
        "type_ii_interval": list(Rate(int(missed), 20).interval),
        "auroc": auroc(found.scores[normal], found.scores[odd]),
        "threshold": found.calibration.threshold,
        "ceiling": None,
        "score": "auto",
        "rule": "certified",
        "claimed_rate": 0.2,
        "confidence": 0.95,
    }
    assert {name: found.summary[name] for name in expected} == expected
    assert "error_kind" not in found.summary
    assert "groups" not in found.summary


def test_the_summary_counts_in_every_group(framed: Run) -> None:
    framed.calibrate(alpha=0.2, group_column="camera", say=quiet)
    given = frame(60, seed=1).assign(camera=["left", "right", "top"] * 20)
    found = framed.detect(given, say=quiet)
    groups = {group["name"]: group for group in found.summary["groups"]}
    assert set(groups) == {"left", "right", "(all)"}
    for name, rows in {"left": 0, "right": 1, "(all)": 2}.items():
        flagged = found.flagged[rows::3]
        assert (groups[name]["n"], groups[name]["flagged"]) == (20, flagged.sum())
        assert groups[name]["flagged_rate"] == flagged.mean()
        assert groups[name]["interval"] == list(Rate(int(flagged.sum()), 20).interval)
    assert found.summary["without_promise"] == 20
    rates = [group["flagged_rate"] for group in found.summary["groups"]]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(
    ("name", "kind", "normal"), [("digits", "type I", True), ("photos", "type II", False)]
)
def test_the_truth_of_a_built_in_set_is_known(
    digits: Run, name: str, kind: str, normal: bool
) -> None:
    found = digits.detect(na.builtin(name))
    assert found.normal is normal
    errors = int((found.flagged if normal else ~found.flagged).sum())
    rate = Rate(errors, len(found))
    expected = {
        "error_kind": kind,
        "errors": errors,
        "error_rate": rate.value,
        "interval": list(rate.interval),
    }
    assert {key: found.summary[key] for key in expected} == expected


@pytest.fixture(scope="module")
def digits() -> Run:
    run = na.learn(na.builtin("digits"), overrides=["train.epochs=1"])
    run.calibrate(alpha=0.05, say=quiet)
    return run


# Discoveries.


@pytest.mark.parametrize("by", [False, True])
def test_discoveries_flag_up_to_a_level_of_the_whole_batch(run: Run, by: bool) -> None:
    run.calibrate(alpha=0.1, say=quiet)
    given = np.concatenate([rows(60, seed=1), np.full((20, 2), 99.0)])
    found = run.detect(given, fdr=0.2, by=by, say=quiet)
    assert found.rule is not None
    assert found.rule == Discoveries(0.2, "by" if by else "bh")
    level = found.rule.level(run.detect(given).p_values)
    assert np.array_equal(found.flagged, found.p_values <= level)
    assert found.flagged[60:].all()
    assert found.summary["rule"] == ("by" if by else "bh")
    assert (found.summary["fdr"], found.summary["claimed_rate"]) == (0.2, None)


def test_where_nothing_is_discovered_nothing_is_flagged_and_margins_are_numbers(run: Run) -> None:
    run.calibrate(alpha=0.1, say=quiet)
    found = run.detect(rows(20, seed=1), fdr=0.001, say=quiet)
    assert not found.flagged.any()
    assert not np.isnan(found.scores).any()
    assert found.summary["threshold"] is None
    assert found.margins.tolist() == [math.inf] * 20


# Remarks are warnings, unless somebody else hears them.

REMARKS: dict[str, tuple[Callable[[Run, Any], object], str]] = {
    "copies": (
        lambda run, said: run.calibrate(np.tile(rows(100, seed=7), (3, 1)), alpha=0.1, **said),
        "note: 200 of these normals repeat another one exactly",
    ),
    "drift": (
        lambda run, said: run.calibrate(rows(300, seed=7) + 2, alpha=0.1, **said),
        "note: these normals are less usual than those held out of the training",
    ),
    "left out": (
        lambda run, said: run.calibrate(
            np.concatenate([rows(300, seed=7), [[math.inf, 0.0]]]),
            alpha=0.1,
            skip_unreadable=True,
            **said,
        ),
        "left out: 1 unreadable",
    ),
    "unchecked": (
        lambda run, said: Run(run.trained).calibrate(rows(300, seed=7), alpha=0.1, **said),
        "note: whether these normals are like those held out of the training is not known: the "
        "run has learned 'the array' in memory, which is gone",
    ),
    "discoveries": (
        lambda run, said: run.detect(
            NEW, fdr=0.2, calibration=Run.calibrate(run, alpha=0.1, say=quiet), **said
        ),
        "with 100 calibration scores and 42 samples",
    ),
}


@pytest.mark.parametrize("case", REMARKS)
def test_remarks_are_warnings(run: Run, case: str) -> None:
    act, sentence = REMARKS[case]
    with pytest.warns(UserWarning, match=sentence) as heard:
        act(run, {})
    said: list[str] = []
    act(run, {"say": said.append})  # a warning here would be an error
    assert [str(warning.message) for warning in heard] == said


def test_a_warning_points_to_who_asked(run: Run) -> None:
    with pytest.warns(UserWarning, match="repeat another") as heard:
        run.calibrate(np.tile(rows(100, seed=7), (3, 1)), alpha=0.1)
    assert {warning.filename for warning in heard} == {__file__}


def test_what_is_usual_is_not_remarked_on(run: Run) -> None:
    run.calibrate(alpha=0.1)  # a warning would be an error
    assert run.calibrate(rows(300, seed=7), alpha=0.1, name="fresh").fresh
