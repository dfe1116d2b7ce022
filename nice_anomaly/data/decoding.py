"""Decoding: image files to pixels, however large or odd they are, within a bound of memory.

What all threads hold together stays below the limit 'image'. A large image is flattened and
shrunk a tile at a time, with the same pixels as at once.
"""

import math
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from nice_anomaly.data.listing import what_else, why
from nice_anomaly.errors import NiceAnomalyError
from nice_anomaly.limits import beyond, limit
from nice_anomaly.words import brief

T = TypeVar("T")
Size = tuple[int, int]  # width and height
Box = tuple[int, int, int, int]

FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
ORDINARY = 16_000_000  # bytes: what is set aside before anything is known of an image
BLOCK = 64 << 20  # bytes that Pillow asks for at once: so many go back to the system when freed
TILE = 1 << 20  # pixels
GAP = 3.0  # how much finer than its result an image is before it is interpolated
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # an Exif tag, and its values for a quarter turn
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ROWS_PER_STRIP, TILE_SIDES = 278, (322, 323)  # tags of TIFF
COEFFICIENT = 2  # bytes, of which a progressive JPEG holds one for every pixel and band


class Unreadable(Exception):
    """Why an image file cannot be read, as what follows its name in a sentence."""


class Pixels:
    """The pixels of an image as the camera was held, a part at a time."""

    def __init__(self, size: Size, part: Callable[[Box], Image.Image]) -> None:
        self.size, self._part = size, part

    def reduced(self, factor: Size, mode: str | None = None) -> Image.Image:
        """Averages of blocks of ``factor`` (width, height) pixels, flattened, in a mode."""
        (width, height), (x, y) = self.size, factor
        across = x * max(1, min(math.ceil(width / x), TILE // x))
        down = y * max(1, TILE // across // y)
        whole: Image.Image | None = None
        for top in range(0, height, down):
            for left in range(0, width, across):
                box = left, top, min(left + across, width), min(top + down, height)
                tile = flattened(self._part(box))
                tile = (tile if mode is None else tile.convert(mode)).reduce(factor)
                if box == (0, 0, width, height):
                    return tile
                if whole is None:
                    whole = Image.new(tile.mode, (math.ceil(width / x), math.ceil(height / y)))
                whole.paste(tile, (left // x, top // y))
        assert whole is not None
        return whole

    def resized(self, size: Size, mode: str) -> Image.Image:
        """At another size, interpolated after whole blocks were averaged."""
        if self.size == size:
            return self.reduced((1, 1), mode)
        x, y = (int(own / wanted / GAP) or 1 for own, wanted in zip(self.size, size, strict=True))
        box = 0, 0, self.size[0] / x, self.size[1] / y
        return self.reduced((x, y), mode).resize(size, Image.Resampling.BILINEAR, box)


def decoded(file: Path, use: Callable[[Pixels], T], enough: int = 0) -> T:
    """What ``use`` makes of the pixels of an image file.

    Where a JPEG is too large to be held, it is decoded at an eighth to a half of its size, but at
    no fewer pixels a side than ``enough``.

    Raises:
        Unreadable: it cannot be read.
    """
    return _held(file, lambda image: use(_pixels(image)), enough=enough)


def upright_size(file: Path) -> Size:
    """The size of an image as its camera was held.

    Raises:
        Unreadable: it cannot be read.
    """

    def of(image: Image.Image) -> Size:
        turned = image.getexif().get(ORIENTATION, 1) in SIDEWAYS
        return image.size[::-1] if turned else image.size

    return _held(file, of, load=False)


@contextmanager
def unheard_warnings() -> Iterator[None]:
    """Without what Pillow warns of: what matters of it is an error here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def pixels_of(array: NDArray[np.uint8]) -> Pixels:
    """Those of an array ``[height, width]`` or ``[height, width, channels]``."""

    def part(box: Box) -> Image.Image:
        left, top, right, bottom = box
        return Image.fromarray(np.ascontiguousarray(array[top:bottom, left:right]))

    return Pixels((array.shape[1], array.shape[0]), part)


def flattened(image: Image.Image) -> Image.Image:
    """Transparency on white; 16 bits to 8; palettes to their colours."""
    if image.mode == "F":
        raise ValueError("its pixels are fractions of an unknown range: save 8 or 16 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.float64)
        return Image.fromarray((np.clip(values, 0, 65_535) / 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB") if image.mode not in ("L", "RGB") else image


class _Memory:
    """The bytes that all threads hold together; one that needs more than all waits to be alone."""

    def __init__(self) -> None:
        self._held, self._freed = 0, threading.Condition()

    @contextmanager
    def holding(self, many: int) -> Iterator[None]:
        """So many bytes inside the block, as soon as they are free."""
        most = limit("image")
        with self._freed:
            self._freed.wait_for(lambda: not self._held or self._held + many <= most)
            self._held += many
        try:
            yield
        finally:
            with self._freed:
                self._held -= many
                self._freed.notify_all()


_MEMORY = _Memory()


def _held(
    file: Path, use: Callable[[Image.Image], T], *, enough: int | None = None, load: bool = True
) -> T:
    """What ``use`` makes of an image file, in so much memory as it needs.

    What Pillow raises for a damaged file may be anything.
    """
    try:
        size = _size_of(file)
        needs = size + ORDINARY
        for _ in range(2):
            held = needs
            with _MEMORY.holding(held), _opened(file) as image:
                needs = _needs(image, size, enough)
                if needs <= held:
                    if load:
                        image.load()
                    return use(image)
    except (NiceAnomalyError, Unreadable):
        raise
    except Exception as error:
        raise Unreadable(_reason(error)) from error
    raise Unreadable("has changed while it was read")


def _size_of(file: Path) -> int:
    """The bytes of a file, if it is one and not too large."""
    found = file.stat()
    other = what_else(found.st_mode)
    if other is not None:
        raise Unreadable(f"is {other}, no file")
    if not found.st_size:
        raise Unreadable("is empty (0 bytes)")
    _refuse("image", found.st_size)
    return found.st_size


def _opened(file: Path) -> Image.Image:
    """An image that is not decoded yet; a limit that the user has raised is Pillow's as well."""
    Image.core.set_block_size(BLOCK)  # type: ignore[attr-defined]
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and limit("pixels") > 2 * most:
        Image.MAX_IMAGE_PIXELS = limit("pixels")
    return Image.open(file, formats=FORMATS)


def _needs(image: Image.Image, size: int, enough: int | None) -> int:
    """The bytes that it takes to decode an image, from a file of ``size`` bytes.

    Raises:
        Unreadable: more than the limits allow.
    """
    pixels = image.width * image.height
    _refuse("pixels", pixels)
    coefficients = COEFFICIENT * len(image.getbands()) * pixels * ("progressive" in image.info)
    needs = size + coefficients + _decoded_bytes(image, size)
    if needs > limit("image") and enough is not None:
        image.draft(None, (enough, enough))
        needs = size + coefficients + _decoded_bytes(image, size)
    _refuse("image", needs)
    return needs


def _decoded_bytes(image: Image.Image, size: int) -> int:
    """The bytes of the pixels of an image and of what its decoder holds besides."""
    pixel = {"1": 1, "L": 1, "P": 1}.get(image.mode, 2 if image.mode.startswith("I;16") else 4)
    whole = pixel * image.width * image.height
    match image.format:
        case "WEBP":  # the canvas, the one before it, the bytes for Python, and the image
            return 16 * image.width * image.height
        case "TIFF":
            tags = image.tag_v2  # type: ignore[attr-defined]
            rows, across, down = (tags.get(tag) for tag in (ROWS_PER_STRIP, *TILE_SIDES))
            strip = image.width * min(image.height, rows or image.height)
            turned = tags.get(ORIENTATION) in TURNS
            return whole * (1 + turned) + pixel * max(strip, (across or 0) * (down or 0))
        case "PNG" if image.is_animated:  # type: ignore[attr-defined]
            return 3 * whole
        case "GIF":
            return 2 * whole
    tiles = getattr(image, "tile", ())
    if tiles and tiles[0][0] == "raw":
        return whole - min(size, whole)  # such a file is mapped, not held besides
    return whole


def _refuse(name: str, found: int) -> None:
    if found > limit(name):
        raise Unreadable(beyond(name, found, "").strip().rstrip("."))


def _pixels(image: Image.Image) -> Pixels:
    """The pixels of a decoded image, each part turned as the camera was held."""
    width, height = image.size
    orientation = image.getexif().get(ORIENTATION, 1)
    turn = TURNS.get(orientation) if isinstance(orientation, int) else None
    if turn is None:
        whole = 0, 0, width, height
        return Pixels(image.size, lambda box: image if box == whole else image.crop(box))

    def part(box: Box) -> Image.Image:
        left, top, right, bottom = box
        if orientation in SIDEWAYS:
            left, top, right, bottom = top, left, bottom, right
        if orientation in (2, 3, 7, 8):
            left, right = width - right, width - left
        if orientation in (3, 4, 6, 7):
            top, bottom = height - bottom, height - top
        return image.crop((left, top, right, bottom)).transpose(turn)

    return Pixels((height, width) if orientation in SIDEWAYS else image.size, part)


def _reason(error: Exception) -> str:
    """Why a file cannot be read, in words that can be printed."""
    match error:
        case FileNotFoundError():
            return "does not exist"
        case UnidentifiedImageError():
            return "is not a readable image (it is of no known format)"
        case Image.DecompressionBombError():
            return beyond("pixels", None, "").strip().rstrip(".")
        case MemoryError():
            return "needs more memory than there is"
        case OSError(errno=int()) | ValueError(args=("embedded null byte",)):
            return f"cannot be read ({why(error)})"
    return f"is not a readable image ({brief(error, 200) or type(error).__name__})"
