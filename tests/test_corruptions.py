"""Corruptions: what each changes, that it leaves the rest, and that grades mean something."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter, label

from nice_anomaly.data import Wishes, learn, recognise
from nice_anomaly.evaluation.corruptions import IMAGES, TABLES
from nice_anomaly.evaluation.stress import stress
from nice_anomaly.own_data import OwnData
from nice_anomaly.scores import Scores
from nice_anomaly.settings import DataSettings
from nice_anomaly.thresholds import Manual, calibrate

RNG = np.random.default_rng(0)
GREY = np.zeros((20, 16, 12), dtype=np.uint8)
GREY[:, 4:12, 3:9] = RNG.integers(60, 250, (20, 8, 6))
PICTURES = {"grey": GREY, "colour": np.stack([GREY, GREY // 2, GREY], axis=-1)}
ROWS = RNG.normal(5, 2, (400, 6))


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize(
    ("name", "grade"), [(name, grade) for name, c in IMAGES.items() for grade in c.grades]
)
def test_an_image_stays_an_image_and_changes(name: str, grade: float, kind: str) -> None:
    images = PICTURES[kind]
    before = images.copy()
    changed = IMAGES[name].apply(images, grade, np.random.default_rng(1))
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    assert (changed != images).any()
    assert np.array_equal(images, before)


@pytest.mark.parametrize("name", [*IMAGES, *TABLES])
def test_every_grade_has_words_of_its_own(name: str) -> None:
    corruption: Any = {**IMAGES, **TABLES}[name]
    said = [corruption.words(grade) for grade in corruption.grades]
    assert all(said)
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("name", [name for name, c in IMAGES.items() if len(c.grades) > 1])
def test_a_higher_grade_changes_more(name: str) -> None:
    corruption = IMAGES[name]
    least, _, most = (
        np.abs(corruption.apply(GREY, g, np.random.default_rng(1)).astype(int) - GREY).mean()
        for g in corruption.grades
    )
    assert least < most


@pytest.mark.parametrize("name", TABLES)
def test_rows_change_in_more_columns_at_a_higher_grade(name: str) -> None:
    shares = []
    before = ROWS.copy()
    for grade in TABLES[name].grades:
        changed = TABLES[name].apply(ROWS, grade, np.random.default_rng(1))
        assert changed.shape == ROWS.shape
        assert np.isfinite(changed).all()
        shares.append((changed != ROWS).mean())
    assert np.array_equal(ROWS, before)
    assert 0.1 < shares[0] < shares[-1]


def blank(rng: np.random.Generator) -> None:
    assert not IMAGES["blank"].apply(GREY, 1.0, rng).any()


def constant(rng: np.random.Generator) -> None:
    shades = IMAGES["constant"].apply(GREY, 1.0, rng)
    assert (shades == shades[:, :1, :1]).all()


def inverted(rng: np.random.Generator) -> None:
    assert np.array_equal(IMAGES["inverted"].apply(GREY, 1.0, rng), GREY.max() - GREY)


def smaller(rng: np.random.Generator) -> None:
    """The middle 8 × 6 of the 16 × 12 become 4 × 3 of it."""
    small = IMAGES["smaller"].apply(GREY, 1.0, rng)
    assert not small[:, :4].any()
    assert not small[:, :, :3].any()
    assert small[:, 6:10, 5:7].all()


def smaller_on_its_ground(rng: np.random.Generator) -> None:
    for ground in (GREY, 255 - GREY):
        small = IMAGES["smaller"].apply(ground, 1.0, rng)
        assert (small[:, :4] == ground[0, 0, 0]).all()
        assert (small[:, 12:] == ground[0, 0, 0]).all()


def a_wide_blur(rng: np.random.Generator) -> None:
    """2 pixels of 28 are 17 of 240: beyond 8, where boxes stand in, it is nearly the same."""
    picture = rng.integers(0, 255, (1, 240, 240), dtype=np.uint8)
    picture[:, :, 120:] //= 4
    exact = gaussian_filter(picture.astype(float), (0, *(2 * 240 / 28,) * 2))
    assert np.abs(IMAGES["blur"].apply(picture, 1.0, rng) - exact).max() < 5


def columns_swapped(rng: np.random.Generator) -> None:
    swapped = TABLES["columns swapped"].apply(ROWS, 0.25, rng)
    assert ((swapped != ROWS).sum(axis=1) == 2).all()
    assert np.array_equal(np.sort(swapped, axis=1), np.sort(ROWS, axis=1))


def column_permuted(rng: np.random.Generator) -> None:
    permuted = TABLES["column permuted"].apply(ROWS, 0.25, rng)
    assert ((permuted != ROWS).sum(axis=1) <= 1).all()


def unit_error(rng: np.random.Generator) -> None:
    thousand = TABLES["unit error"].apply(ROWS, 0.25, rng)
    hit = thousand != ROWS
    assert (hit.sum(axis=1) == 1).all()
    assert thousand[hit] == pytest.approx(1000 * ROWS[hit])


def marks_on(name: str, level: int, grade: float, rng: np.random.Generator) -> np.ndarray:
    """By how much each pixel of an even ground of 240 × 300 changes; one pixel is white."""
    ground = np.full((1, 240, 300), level, np.uint8)
    ground[0, 0, 0] = 255
    (after,) = IMAGES[name].apply(ground, grade, rng)
    return after.astype(int) - ground[0]


def scratch(rng: np.random.Generator) -> None:
    """One line, 4 pixels of 240 wide, or 1 at half the contrast; at both ends it gets thinner."""
    for grade, mass in ((1.0, 4), (0.25, 0.5)):
        changed = marks_on("scratch", 128, grade, rng)
        assert label(changed, np.ones((3, 3)))[1] == 1
        rows, columns = np.nonzero(changed)
        length = np.hypot(np.ptp(rows), np.ptp(columns))
        assert 30 < length < 0.75 * 240
        assert np.abs(changed).sum() / (0.35 * 255 * 0.9 * length) == pytest.approx(mass, rel=0.2)


def stain(rng: np.random.Generator) -> None:
    """One soft blob, which no pixel is wholly covered by."""
    changed = np.abs(marks_on("stain", 200, 1.0, rng))
    assert label(changed > 5)[1] == 1
    assert changed.max() <= 0.6 * 200 + 1
    assert np.abs(np.diff(changed, axis=0)).max() < 0.15 * changed.max()


def dust(rng: np.random.Generator) -> None:
    """Ten specks or a few less where two are one, none larger than a fiftieth of a side."""
    specks, n = label(marks_on("dust", 128, 0.25, rng), np.ones((3, 3)))
    assert 8 <= n <= 10
    assert max(np.ptp(np.argwhere(specks == i + 1), axis=0).max() for i in range(n)) <= 12


def a_panorama(rng: np.random.Generator) -> None:
    """Far from a small stain nothing changes, nor overflows."""
    long = np.full((1, 16, 1_000), 200, np.uint8)
    assert 0 < (IMAGES["stain"].apply(long, 1.0, rng) != long).mean() < 0.1


def marks_are_seen_on_black_and_on_white(rng: np.random.Generator) -> None:
    for name in ("scratch", "stain", "dust"):
        assert marks_on(name, 0, 1.0, rng).max() > 40
        assert marks_on(name, 255, 1.0, rng).min() < -40


BY_HAND: dict[str, Callable[[np.random.Generator], None]] = {
    check.__name__: check
    for check in (
        *(blank, constant, inverted, smaller, smaller_on_its_ground, a_wide_blur),
        *(columns_swapped, column_permuted, unit_error),
        *(scratch, stain, dust, a_panorama, marks_are_seen_on_black_and_on_white),
    )
}


@pytest.mark.parametrize("case", BY_HAND)
def test_some_by_hand(case: str) -> None:
    BY_HAND[case](np.random.default_rng(0))


def mixed_table() -> OwnData:
    """Held-out rows of a table of two numbers around a category, with a gap and a date."""
    n = 200
    frame = pd.DataFrame(
        {
            "a": RNG.normal(size=n),
            "word": RNG.choice(["x", "y", "z"], n),
            "b": np.where(np.arange(n) % 9, RNG.normal(3, 1, n), np.nan),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n), "h"),
        }
    )
    settings = DataSettings(early_stopping=20, calibration=80)
    return OwnData(learn(recognise(frame), Wishes(), settings, 0), None, 0)


class Recorder:
    """Scores everything alike and keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def __call__(self, raw: Any) -> Scores:
        self.shown.append(raw.copy())
        return Scores(np.zeros(len(raw)))

    def on(self, raw: Any, own: None) -> Scores:
        assert own is None
        return self(raw)


def trials() -> Iterator[tuple[str, Any, Any]]:
    own, recorder = mixed_table(), Recorder()
    calibration = calibrate(Scores(np.array([-1.0, 0.0])), Manual(-0.5))
    found = list(stress(recorder, calibration, own, most=50, seed=0))  # type: ignore[arg-type]
    assert len(found) == len(recorder.shown) == 1 + 3 * len(TABLES)
    for trial, after in zip(found[1:], recorder.shown[1:], strict=True):
        yield trial.corruption, recorder.shown[0], after


def test_the_normals_of_a_table_are_corrupted_in_their_numbers_alone() -> None:
    """Categories, gaps and dates stay what they can be: only the columns a and b may change."""
    width = {"a": 1, "word": 3, "b": 1, "gap": 1, "when": 4}
    numbers = np.repeat([name in "ab" for name in width], [*width.values()])
    for name, before, after in trials():
        changed = (before != after).any(axis=0)
        assert changed[numbers].all(), name
        assert not changed[~numbers].any(), name
