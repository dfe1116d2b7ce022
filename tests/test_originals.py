"""Image files that a run shrinks: corrupted as they are, and what is lost on the way is said."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from PIL import Image

from nice_anomaly import learn
from nice_anomaly.data.images import ImageForm, decode, original, resize, shrinking
from nice_anomaly.errors import DataError
from nice_anomaly.evaluation.attempts import Attempt, attempts
from nice_anomaly.evaluation.corruptions import IMAGES, Corruption
from nice_anomaly.evaluation.originals import corrupted

SMALL = ImageForm(12, 16, 1)
COLOUR = ImageForm(12, 16, 3)
LOST = "shrunk from 96 × 128 to 24 × 32: details below about 4 pixels vanish"


def photograph(number: int, height: int = 96, width: int = 128) -> Image.Image:
    """A soft wave in three colours over grains of four pixels, others every time."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:height, :width] / height
    waves = np.stack([np.sin(6 * x + 3 * y + phase) for phase in (0, 1, 2)], axis=-1)
    grains = rng.normal(0, 30, (-(-height // 4), -(-width // 4), 1))
    levels = 120 + 40 * waves + grains.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def photographs(folder: Path, n: int, mode: str = "RGB") -> list[Path]:
    folder.mkdir()
    files = [folder / f"{i:03}.png" for i in range(n)]
    for i, file in enumerate(files):
        photograph(i).convert(mode).save(file)
    return files


@pytest.mark.parametrize("form", [SMALL, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK"])
def test_an_original_comes_into_the_form_as_any_input_does(
    tmp_path: Path, mode: str, form: ImageForm
) -> None:
    file = tmp_path / "a.tif"
    photograph(1).convert(mode).save(file)
    image = original(file)
    assert image.shape[:2] == (96, 128)
    assert resize(image[None], form).tolist() == decode([file], form)[0].tolist()


def test_a_very_large_original_is_averaged_in_blocks(tmp_path: Path) -> None:
    """Of 1,500 × 2,100 pixels with 1,024 a side at most: blocks of 3 × 3."""
    levels = np.random.default_rng(0).integers(0, 255, (1500, 2100), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    blocks = levels.reshape(500, 3, 700, 3).mean(axis=(1, 3))
    assert np.abs(original(tmp_path / "a.png") - blocks).max() < 1


SIZES: dict[str, tuple[tuple[int, int], ImageForm, int | None]] = {
    "a photograph": ((480, 640), ImageForm(24, 32, 3), 20),
    "another": ((256, 256), ImageForm(32, 32, 3), 8),
    "hardly larger": ((40, 40), ImageForm(32, 32, 1), 2),
    "larger in width alone": ((20, 96), ImageForm(32, 32, 1), 3),
    "as large": ((32, 32), ImageForm(32, 32, 1), None),
    "smaller": ((28, 28), ImageForm(32, 32, 1), None),
}


@pytest.mark.parametrize("case", SIZES)
def test_how_many_pixels_one_of_the_run_covers(tmp_path: Path, case: str) -> None:
    (height, width), form, pixels = SIZES[case]
    Image.new("L", (width, height)).save(tmp_path / "a.png")
    found = shrinking([tmp_path / "a.png", tmp_path / "absent.png"], form)
    assert (found and found.pixels) == pixels


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_usual_size_is_as_the_camera_was_held(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [tmp_path / f"{name}{suffix}" for name in "abc"]
    for file in files[:2]:
        Image.new("L", (64, 48)).save(file, exif=exif)
    Image.new("L", (99, 99)).save(files[2])
    found = shrinking(files, SMALL)
    assert found is not None
    assert found.usual == (64, 48)
    assert original(files[0]).shape == (64, 48)


def test_what_befalls_a_file_depends_on_the_seed_alone(tmp_path: Path) -> None:
    """Not on how many are corrupted; only what is pasted comes from the one before it."""
    files, tried = photographs(tmp_path / "all", 4), attempts(IMAGES)

    def made(places: list[int], seed: int = 0) -> np.ndarray:
        return np.stack([v for v, _ in corrupted(files, np.array(places), COLOUR, tried, seed)])

    every, two, other = made([0, 1, 2, 3]), made([1, 2]), made([1, 2], seed=1)
    assert np.array_equal(every[:, 2], two[:, 1])
    assert np.array_equal(every[0, 1:3], other[0])
    changed = {tried[i].name for i in range(len(tried)) if (two[i] != other[i]).any()}
    assert {"noise", "scratch", "stain", "dust", "constant", "patch pasted"} <= changed


def test_what_vanishes_on_the_way_still_counts(tmp_path: Path) -> None:
    def one_pixel(x: np.ndarray, grade: float, rng: np.random.Generator) -> np.ndarray:
        del grade, rng
        x = x.copy()
        x[:, 40, 40] ^= 1
        return x

    files = photographs(tmp_path / "all", 3, "L")
    odd = Attempt("pixel", Corruption(one_pixel, str), 1.0)
    nothing = attempts(IMAGES)[0]
    (before, every), (after, hit) = corrupted(files, np.arange(3), SMALL, [nothing, odd], 0)
    assert np.array_equal(before, decode(files, SMALL)[0])
    assert np.array_equal(before, after)
    assert every.all()
    assert hit.all()


def test_a_small_file_among_large_ones_is_corrupted_in_the_form(tmp_path: Path) -> None:
    files = photographs(tmp_path / "all", 2)
    Image.new("L", (1, 1), 77).save(files[1])
    made = [*corrupted(files, np.arange(2), COLOUR, attempts(IMAGES), 0)]
    assert (made[0][0][1] == 77).all()
    assert len(made) == 1 + sum(len(corruption.grades) for corruption in IMAGES.values())


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.png does not exist\."):
        list(corrupted([tmp_path / "absent.png"], np.arange(1), SMALL, attempts(IMAGES), 0))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """Sixty photographs of 96 × 128, learned as 24 × 32; every fourth is held out."""
    folder = tmp_path_factory.mktemp("photographs")
    photographs(folder / "good", 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = command("train", "-i", "good", "--folds", "0", "--set", "train.epochs=2")
        assert done.code == 0, done.err
        assert done.err.count(f"note: images {LOST}") == 1
        assert command("calibrate", "--alpha", "0.2").code == 0
    return folder


def test_stress_sees_what_the_run_cannot(
    command: Command, learned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fine scratch vanishes in the form: it counts, and the run misses it."""
    monkeypatch.chdir(learned)
    found = command.json("stress")
    assert found["shrunk"] == {"from": [96, 128], "to": [24, 32], "vanishing_below": 4}
    assert found["n"] == found["false_alarms"]["n"] == 15
    trials = {(t["corruption"], t["grade"]): t for t in found["trials"]}
    assert trials["scratch", 0.25]["n"] == trials["noise", 0.25]["n"] == 15
    assert trials["scratch", 0.25]["flagged_rate"] < 0.5
    assert trials["noise", 0.25]["flagged_rate"] < 0.5
    assert trials["inverted", 1.0]["flagged_rate"] == 1
    assert command.json("stress") == found
    shown = command("stress", "--n", "10")
    assert "at most 200 of them" in shown.err
    assert LOST[:50] in shown.out
    assert "shrunk" not in json.loads(Path("runs/good/run.json").read_text())["data"]


def test_the_library_warns_of_lost_details_once(tmp_path: Path) -> None:
    photographs(tmp_path / "good", 30)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        learn(tmp_path / "good", overrides=["train.epochs=1", "data.folds=0"])
    assert [str(one.message) for one in said if "shrunk" in str(one.message)] == [
        f"note: images {LOST}; a larger `size` keeps them"
    ]
