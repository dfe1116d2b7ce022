"""Images: every mode and orientation comes out in one form; what is no image says why."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nice_anomaly.data.images import ImageForm, decode, learn_form, resize
from nice_anomaly.errors import ConfigError

GREY = ImageForm(4, 6, 1)
COLOUR = ImageForm(4, 6, 3)


def ramp() -> np.ndarray:
    return np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


MODES = {
    "L": Image.fromarray(ramp()),
    "RGB": Image.fromarray(ramp()).convert("RGB"),
    "RGBA": Image.fromarray(ramp()).convert("RGBA"),
    "P": Image.fromarray(ramp()).convert("P"),
    "I;16": Image.fromarray(ramp().astype(np.uint16) * 257),
    "LA": Image.fromarray(ramp()).convert("LA"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_same_picture_in_every_mode(tmp_path: Path, mode: str, suffix: str) -> None:
    MODES[mode].save(tmp_path / f"a{suffix}")
    values, faults = decode([tmp_path / f"a{suffix}"], GREY)
    assert faults == {}
    assert values.reshape(4, 6).tolist() == ramp().tolist()


@pytest.mark.parametrize(("suffix", "error"), [(".bmp", 0), (".webp", 6), (".jpg", 6)])
def test_other_formats_come_close(tmp_path: Path, suffix: str, error: int) -> None:
    smooth = np.linspace(0, 200, 32 * 32).astype(np.uint8).reshape(32, 32)
    Image.fromarray(smooth).save(tmp_path / f"a{suffix}", quality=95)
    values, _ = decode([tmp_path / f"a{suffix}"], ImageForm(32, 32, 1))
    assert np.abs(values.reshape(32, 32).astype(int) - smooth).max() <= error


def test_transparency_is_white_paper(tmp_path: Path) -> None:
    glass = Image.new("RGBA", (6, 4), (255, 0, 0, 0))
    glass.putpixel((0, 0), (255, 0, 0, 255))
    glass.save(tmp_path / "a.png")
    (values,), _ = decode([tmp_path / "a.png"], COLOUR)
    assert values[:6].tolist() == [255, 0, 0, 255, 255, 255]


def test_a_picture_is_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    Image.fromarray(np.rot90(ramp())).save(tmp_path / "a.png", exif=exif)
    (values,), _ = decode([tmp_path / "a.png"], GREY)
    assert values.reshape(4, 6).tolist() == ramp().tolist()


def test_the_form_is_the_usual_size_and_colour(tmp_path: Path) -> None:
    files = []
    for i, size in enumerate([(20, 10), (20, 10), (64, 128)]):
        files.append(tmp_path / f"{i}.png")
        Image.new("RGB", size, (9, 9, 9)).save(files[-1])
    assert learn_form(files, None, "auto") == ImageForm(10, 20, 1)
    assert learn_form(files[2:], None, "auto") == ImageForm(32, 16, 1)
    assert learn_form(files, (8, 9), "rgb") == ImageForm(8, 9, 3)
    Image.new("RGB", (20, 10), (90, 9, 9)).save(files[0])
    assert learn_form(files, None, "auto") == ImageForm(10, 20, 3)
    with pytest.raises(ConfigError, match="10,000 values"):
        learn_form(files, (100, 100), "grey")


def test_other_sizes_are_resized(tmp_path: Path) -> None:
    Image.fromarray(ramp().repeat(3, axis=0).repeat(3, axis=1)).save(tmp_path / "a.png")
    (values,), _ = decode([tmp_path / "a.png"], GREY)
    assert np.abs(values.reshape(4, 6).astype(int) - ramp()).max() <= 10


def test_what_cannot_be_read_keeps_its_place_and_says_why(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_bytes(b"not an image at all")
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    names = ["good", "cut", "empty", "text", "bomb", "absent", "good"]
    (tmp_path / "loop.png").symlink_to("loop.png")
    Image.fromarray(np.ones((4, 6), np.float32)).save(tmp_path / "fraction.tif")
    files = [*(tmp_path / f"{name}.png" for name in (*names, "loop")), tmp_path / "fraction.tif"]
    values, faults = decode(files, GREY)
    assert sorted(faults) == [1, 2, 3, 4, 5, 7, 8]
    assert values[0].tolist() == values[6].tolist() == ramp().reshape(-1).tolist()
    for row, words in {
        2: "0 bytes",
        3: "not a readable image",
        4: "pixel",
        5: "not exist",
        8: "unknown range",
    }.items():
        assert words in faults[row]


def test_arrays_of_images_take_the_form() -> None:
    images = np.stack([ramp(), ramp()[::-1]])
    assert resize(images, GREY).reshape(2, 4, 6).tolist() == images.tolist()
    assert resize(images[..., None], GREY).tolist() == resize(images, GREY).tolist()
    rgb = np.stack([images] * 3, axis=-1)
    assert resize(rgb, COLOUR).reshape(2, 4, 6, 3).tolist() == rgb.tolist()
    assert resize(rgb, GREY).tolist() == resize(images, GREY).tolist()
    assert resize(images, ImageForm(2, 3, 1)).shape == (2, 6)
