"""Readers of images, arrays and IDX files, given any bytes: nothing but a value or a sentence.

Every target raises on a defect. ``SEEDS`` are valid small files to begin with.
"""

import gzip
import io
import os
import struct
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image, PngImagePlugin

from nice_anomaly.data import ImageForm, ImageReading, batches, recognise
from nice_anomaly.data.download import unpack
from nice_anomaly.data.idx import read_images, read_labels
from nice_anomaly.data.images import decode, learn_form, original, shrinking
from nice_anomaly.data.tables import open_tables
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.limits import VARIABLE

SMALL = "image=40000000,pixels=4000000,unpacked=1000000"  # so that a large promise costs little
FORM = ImageForm(4, 6, 3)
Reader = Callable[[Path], None]


def image(file: Path) -> None:
    """Everything that is done with an image file."""
    form = learn_form([file], None, "auto")
    shrinking([file], form)
    faults = decode([file], form)[1]
    for said in faults.values():
        judge(said)
    _sentence(lambda: original(file))
    assert recognise(str(file)).kind == "image"


def array(file: Path) -> None:
    """Everything that is done with an array in a file."""
    inputs = recognise(str(file))
    if inputs.kind == "image":
        assert all(batch.good.all() for batch in batches(inputs, ImageReading(FORM)))
    else:
        assert sum(chunk.rows for chunk in open_tables(inputs.parts, 1_000))


def idx(file: Path) -> None:
    """As images, and as labels."""
    for read in (read_images, read_labels):
        _sentence(lambda read=read: read(file))  # type: ignore[misc]


def packed(file: Path) -> None:
    """A .gz file of a built-in set."""
    unpack(file, file.with_suffix(".idx"))


def given(suffix: str, read: Reader, data: bytes) -> None:
    """Read the bytes as a file of that suffix.

    Raises:
        AssertionError: what is said is no clean sentence; or anything else that is raised.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, {VARIABLE: SMALL}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        file = Path(folder) / f"a{suffix}"
        file.write_bytes(data)
        _sentence(lambda: read(file))


def judge(said: str) -> None:
    """Raises AssertionError unless it is something to print on one line."""
    assert said.isprintable(), said
    assert 0 < len(said) < 2_000, said


def _sentence(act: Callable[[], object]) -> None:
    """Do it; what it says against it has to be a clean sentence."""
    try:
        act()
    except (ConfigError, DataError) as error:  # one pixel needs another size
        judge(str(error))


def _saved(picture: Image.Image, kind: str, **how: object) -> bytes:
    stream = io.BytesIO()
    picture.copy().save(stream, kind, **how)  # saving leaves traces in it
    return stream.getvalue()


def _images() -> dict[str, list[bytes]]:
    """Small files of every format and of the modes, packings and extras that it has."""
    colour = Image.fromarray(np.arange(12 * 9 * 4, dtype=np.uint8).reshape(12, 9, 4))
    grey, rgb = colour.convert("L"), colour.convert("RGB")
    wide = Image.fromarray(np.arange(12 * 9, dtype=np.uint16).reshape(12, 9) * 600)
    exif, text = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112], exif[0x010E] = 6, "turned"
    text.add_text("a", "b" * 40, zip=True)
    text.add_itxt("c", "ü")

    def moving() -> dict[str, object]:
        return {"save_all": True, "append_images": [rgb.rotate(90), rgb.copy()]}

    modes = [grey, rgb, colour, colour.convert("LA"), rgb.quantize(4), grey.convert("1")]
    return {
        "png": [
            *(_saved(mode, "PNG") for mode in [*modes, wide]),
            _saved(rgb, "PNG", exif=exif, pnginfo=text),
            _saved(rgb, "PNG", **moving()),
        ],
        "jpg": [
            *(_saved(mode, "JPEG", exif=exif) for mode in (grey, rgb, rgb.convert("CMYK"))),
            _saved(rgb, "JPEG", progressive=True, comment=b"c"),
            _saved(rgb, "MPO", **moving()),
        ],
        "gif": [
            *(_saved(mode, "GIF", comment=b"c") for mode in (grey, rgb, rgb.quantize(4))),
            _saved(rgb, "GIF", **moving()),
        ],
        "tiff": [
            *(_saved(mode, "TIFF") for mode in [*modes[:5], wide, rgb.convert("CMYK")]),
            *(
                _saved(rgb, "TIFF", compression=name, exif=exif)
                for name in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")
            ),
            _saved(grey.convert("1"), "TIFF", compression="group4"),
            _saved(rgb, "TIFF", big_tiff=True),
            _saved(rgb, "TIFF", **moving()),
        ],
        "bmp": [_saved(mode, "BMP") for mode in (grey, rgb, colour, rgb.quantize(4))],
        "webp": [
            _saved(rgb, "WEBP", exif=exif),
            _saved(colour, "WEBP", lossless=True),
            _saved(rgb, "WEBP", **moving()),
        ],
        "pgm": [
            *(_saved(mode, "PPM") for mode in (grey, rgb, grey.convert("1"), wide)),
            b"P2 # grey\n3 2 9\n1 2 3\n4 5 9\n",
            b"P1\n3 2\n101 010\n",
            b"P6\n2 1 700\n" + bytes(range(12)),
        ],
    }


def _array(values: object, **how: object) -> bytes:
    stream = io.BytesIO()
    if how:
        np.savez_compressed(stream, values, **how)
    else:
        np.save(stream, values)
    return stream.getvalue()


_ROWS = np.arange(24.0).reshape(6, 4)
_PICTURES = np.arange(6 * 5 * 4, dtype=np.uint8).reshape(6, 5, 4)
_IDX = struct.pack(">4I", 0x803, 2, 3, 4) + bytes(range(24))

SEEDS: dict[str, list[bytes]] = {
    **_images(),
    "npy": [
        *(_array(rows) for rows in (_ROWS, np.asfortranarray(_ROWS), _ROWS.astype(">i2"))),
        *(_array(pixels) for pixels in (_PICTURES, np.asfortranarray(_PICTURES))),
        _array(np.zeros((3, 2, 2, 3), np.uint8)),
        _array(_ROWS[0]),
        _array(np.zeros((2, 2), [("a", "f4"), ("b", "i2")])),
    ],
    "npz": [
        _array(_ROWS, label=np.arange(6)),
        _array(np.asfortranarray(_ROWS), label=np.arange(6), words=np.array(["a"] * 6)),
        _array(_PICTURES, b=np.arange(2)),
    ],
    "idx": [_IDX, struct.pack(">2I", 0x801, 5) + bytes(5)],
    "gz": [gzip.compress(_IDX, mtime=0), gzip.compress(bytes(2_000), mtime=0)],
}
READERS: dict[str, Reader] = {"npy": array, "npz": array, "idx": idx, "gz": packed}
TARGETS: dict[str, Callable[[bytes], None]] = {
    name: partial(given, f".{name}", READERS.get(name, image)) for name in SEEDS
}
