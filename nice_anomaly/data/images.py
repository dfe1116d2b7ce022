"""Image files: found in folders, decoded to one size and colour mode."""

import math
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.dataset import Layout
from nice_anomaly.data.decoding import (
    GAP,
    TILE,
    Pixels,
    Unreadable,
    decoded,
    pixels_of,
    unheard_warnings,
    upright_size,
)
from nice_anomaly.errors import ConfigError, DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm")
PROBED = 64  # files opened to learn the usual size and colour
DEFAULT_SIDE = 32  # the density of d pixels needs a d × d covariance and many more images than d
MOST_DIMENSIONS = 4096
MOST_SIDE = 1_024  # of an original: beyond it a corruption is the same and takes many times longer
SEEN = 256  # blocks along a side, of which a large image is reduced to see its colour
Size = tuple[int, int]  # height and width


@dataclass(frozen=True)
class ImageForm:
    """One size and colour mode for all images of a run; ``channels`` is 1 (grey) or 3 (RGB)."""

    height: int
    width: int
    channels: int

    @property
    def layout(self) -> Layout:
        """What one sample is."""
        shape = (self.height, self.width)
        return Layout("image", shape if self.channels == 1 else (*shape, self.channels), 256)


@dataclass(frozen=True)
class Shrinking:
    """What the ``usual`` size of image files, (height, width), becomes in the form of a run."""

    usual: tuple[int, int]
    form: ImageForm

    @property
    def pixels(self) -> int:
        """About how many pixels of a file one of the run covers, along a side."""
        return max(2, round(max(self.usual[0] / self.form.height, self.usual[1] / self.form.width)))

    def record(self) -> dict[str, Any]:
        """As plain values."""
        form = self.form
        return {
            "from": list(self.usual),
            "to": [form.height, form.width],
            "vanishing_below": self.pixels,
        }

    def __str__(self) -> str:
        """
        >>> str(Shrinking((480, 640), ImageForm(24, 32, 1)))
        'shrunk from 480 × 640 to 24 × 32: details below about 20 pixels vanish'
        """
        (height, width), form = self.usual, self.form
        return (
            f"shrunk from {height} × {width} to {form.height} × {form.width}: details below about "
            f"{self.pixels} pixels vanish"
        )


def is_image_file(path: Path) -> bool:
    """Whether the name says that it is one."""
    return path.suffix.lower() in SUFFIXES


def learn_form(files: Sequence[Path], size: tuple[int, int] | None, colour: str) -> ImageForm:
    """The form of a run: from options, else from the files.

    ``size`` is (height, width); without it the most frequent size is taken, shrunk in
    proportion to at most 32 pixels a side. ``colour`` is ``grey``, ``rgb`` or ``auto``: grey
    unless one of the probed files shows colour.

    Raises:
        ConfigError: more than 4096 values an image.
    """
    with unheard_warnings():
        probes = [probe for file in _some(files) if (probe := _probe(file)) is not None]
    if size is None:
        sizes = Counter(found for found, _ in probes)
        height, width = sizes.most_common(1)[0][0] if sizes else (DEFAULT_SIDE, DEFAULT_SIDE)
        shrink = min(1.0, DEFAULT_SIDE / max(height, width))
        size = max(1, round(height * shrink)), max(1, round(width * shrink))
    coloured = any(coloured for _, coloured in probes) if colour == "auto" else colour == "rgb"
    return checked(ImageForm(*size, 3 if coloured else 1))


def checked(form: ImageForm) -> ImageForm:
    """The form, if a density of that many values can be learned here.

    Raises:
        ConfigError: it has more than 4096 values an image, or fewer than 2.
    """
    values = form.layout.dimensions
    if not 2 <= values <= MOST_DIMENSIONS:
        raise ConfigError(
            f"images of {form.height} × {form.width} × {form.channels} have {values:,} values; "
            f"2 to {MOST_DIMENSIONS:,} can be learned. Choose another `size` or `colour='grey'`."
        )
    return form


def shrinking(files: Sequence[Path], form: ImageForm) -> Shrinking | None:
    """What is lost of files of the usual size; None where that is not larger than the form."""
    with unheard_warnings():
        sizes = Counter(size for file in _some(files) if (size := _size(file)) is not None)
    usual = sizes.most_common(1)[0][0] if sizes else (0, 0)
    larger = usual[0] > form.height or usual[1] > form.width
    return Shrinking(usual, form) if larger else None


def original(file: Path) -> NDArray[np.uint8]:
    """An image file at its own size and colour, ``[height, width]`` or ``[height, width, 3]``.

    A larger one than 1,024 pixels a side is reduced to that by averaging whole blocks of pixels.

    Raises:
        DataError: it cannot be read.
    """

    def reduced(pixels: Pixels) -> NDArray[np.uint8]:
        factor = math.ceil(max(pixels.size) / MOST_SIDE)
        return np.asarray(pixels.reduced((factor, factor)))

    try:
        return decoded(file, reduced, MOST_SIDE)
    except Unreadable as error:
        raise DataError(f"{file} {error}.") from error


def decode(files: Sequence[Path], form: ImageForm) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Files as bytes ``[n, height · width · channels]``, and which cannot be read and why.

    Decoded by a few threads, since the libraries underneath let go of Python's lock. The row of
    an unreadable file is black.
    """
    values = np.zeros((len(files), form.layout.dimensions), dtype=np.uint8)
    faults: dict[int, str] = {}
    with unheard_warnings(), ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for row, found in enumerate(pool.map(lambda file: _decode(file, form), files)):
            if isinstance(found, str):
                faults[row] = found
            else:
                values[row] = found
    return values, faults


def resize(images: NDArray[np.uint8], form: ImageForm) -> NDArray[np.uint8]:
    """An array of images ``[n, h, w]`` or ``[n, h, w, c]`` in the form, ``[n, d]``.

    Raises:
        DataError: a number of channels that no image has.
    """
    if images.ndim == 4 and images.shape[3] not in (1, 3, 4):
        raise DataError(
            f"images with {images.shape[3]} channels: 1 (grey), 3 (RGB) or 4 (RGBA) are "
            f"understood, as the last axis of [n, height, width, channels]."
        )
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[:, :, :, 0]
    channels = 1 if images.ndim == 3 else 3
    if images.shape[1:] == form.layout.shape and channels == form.channels:
        return images.reshape(len(images), -1)
    return np.stack([_formed(pixels_of(image), form) for image in images])


def _some(files: Sequence[Path]) -> Sequence[Path]:
    """Those that are opened to learn what is usual."""
    return files[:: max(1, len(files) // PROBED)][:PROBED]


def _size(file: Path) -> Size | None:
    """(height, width) as the camera was held, without decoding the image where that can be."""
    try:
        width, height = upright_size(file)
        return height, width
    except Unreadable:
        return None


def _probe(file: Path) -> tuple[Size, bool] | None:
    """The size (height, width) of a readable file, and whether it shows colour."""

    def probed(pixels: Pixels) -> tuple[Size, bool]:
        width, height = pixels.size
        factor = (1, 1) if width * height <= TILE else (width // SEEN or 1, height // SEEN or 1)
        small = np.asarray(pixels.reduced(factor).resize((16, 16)).convert("RGB"), dtype=int)
        return (height, width), bool(np.ptp(small, axis=2).max() > 8)

    try:
        return decoded(file, probed)
    except Unreadable:
        return None


def _decode(file: Path, form: ImageForm) -> NDArray[np.uint8] | str:
    try:
        finest = math.ceil(GAP * max(form.height, form.width))
        return decoded(file, lambda pixels: _formed(pixels, form), finest)
    except Unreadable as error:
        return str(error)


def _formed(pixels: Pixels, form: ImageForm) -> NDArray[np.uint8]:
    """One image in the form of the run, flat."""
    image = pixels.resized((form.width, form.height), "L" if form.channels == 1 else "RGB")
    return np.asarray(image, dtype=np.uint8).reshape(-1)
