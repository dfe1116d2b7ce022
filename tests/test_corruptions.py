"""Corruptions: what each changes, that it leaves the rest, and that grades mean something."""

import numpy as np
import pytest

from nice_anomaly.corruptions import IMAGES, TABLES

RNG = np.random.default_rng(0)
GREY = np.zeros((20, 16, 12), dtype=np.uint8)
GREY[:, 4:12, 3:9] = RNG.integers(60, 250, (20, 8, 6))
PICTURES = {"grey": GREY, "colour": np.stack([GREY, GREY // 2, GREY], axis=-1)}
ROWS = RNG.normal(5, 2, (400, 6))


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("name", IMAGES)
def test_an_image_stays_an_image_and_changes(name: str, kind: str) -> None:
    images = PICTURES[kind]
    before = images.copy()
    corruption = IMAGES[name]
    for grade in corruption.grades:
        changed = corruption.apply(images, grade, np.random.default_rng(1))
        assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
        assert (changed != images).any()
        assert corruption.words(grade)
    assert np.array_equal(images, before)


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


def test_some_by_hand() -> None:
    rng = np.random.default_rng(0)
    assert not IMAGES["blank"].apply(GREY, 1.0, rng).any()
    constant = IMAGES["constant"].apply(GREY, 1.0, rng)
    assert (constant == constant[:, :1, :1]).all()
    assert np.array_equal(IMAGES["inverted"].apply(GREY, 1.0, rng), GREY.max() - GREY)
    smaller = IMAGES["smaller"].apply(GREY, 1.0, rng)
    assert not smaller[:, :4].any()
    assert not smaller[:, :, :3].any()
    assert smaller[:, 6:10, 5:7].all()
    for white in (GREY, 255 - GREY):
        smaller = IMAGES["smaller"].apply(white, 1.0, rng)
        assert (smaller[:, :4] == white[0, 0, 0]).all()
        assert (smaller[:, 12:] == white[0, 0, 0]).all()
    swapped = TABLES["columns swapped"].apply(ROWS, 0.25, rng)
    assert ((swapped != ROWS).sum(axis=1) == 2).all()
    assert np.array_equal(np.sort(swapped, axis=1), np.sort(ROWS, axis=1))
    permuted = TABLES["column permuted"].apply(ROWS, 0.25, rng)
    assert ((permuted != ROWS).sum(axis=1) <= 1).all()
    thousand = TABLES["unit error"].apply(ROWS, 0.25, rng)
    hit = thousand != ROWS
    assert (hit.sum(axis=1) == 1).all()
    assert thousand[hit] == pytest.approx(1000 * ROWS[hit])
