"""Pictures: samples as something to look at."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.sheets import csv_writer

GAP = 2
MOST_SIDE = 96  # pixels
HOT, OPAQUE = (213, 94, 0), 210


def grid_png(images: NDArray[np.float64], levels: int, zoom_to: int = 56) -> bytes:
    """Images with values 0 … levels - 1 as a near-square grid, PNG-encoded.

    ``[n, h, w]`` are grey, ``[n, h, w, 3]`` in colour. All share one scale; values outside it
    are clipped. Small images are enlarged by a whole factor, to at least about ``zoom_to``
    pixels a side.
    """
    from PIL import Image

    n, height, width = images.shape[:3]
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    zoom = max(1, zoom_to // max(height, width))
    shown = shades(images, levels)
    shown = shown.repeat(zoom, axis=1).repeat(zoom, axis=2)
    size = (rows * (height * zoom + GAP), columns * (width * zoom + GAP), *images.shape[3:])
    sheet = np.full(size, 96, np.uint8)
    for index, image in enumerate(shown):
        top = index // columns * (height * zoom + GAP)
        left = index % columns * (width * zoom + GAP)
        sheet[top : top + height * zoom, left : left + width * zoom] = image
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, format="PNG")
    return stream.getvalue()


def shades(images: NDArray[np.float64], levels: int) -> NDArray[np.uint8]:
    """Values 0 … levels - 1 as shades 0 … 255; values outside are clipped."""
    return np.clip(images / (levels - 1) * 255, 0, 255).round().astype(np.uint8)


def rows_csv(columns: Mapping[str, Sequence[object]], separator: str = ",") -> str:
    r"""Table rows as CSV with a header; None is an empty cell.

    >>> rows_csv({"width": ["1.5", "3"], "kind": ["a", None]})
    'width,kind\n1.5,a\n3,\n'
    """
    stream = io.StringIO()
    writer = csv_writer(stream, separator)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue()


def image_png(image: NDArray[np.uint8], levels: int, most: int = MOST_SIDE) -> bytes:
    """One image ``[h, w(, 3)]`` in levels as PNG, shrunk to at most ``most`` pixels a side."""
    return _png(shades(image.astype(np.float64), levels), most)


def heat_png(heat: NDArray[np.float64], most: int = MOST_SIDE) -> bytes:
    """A map ``[h, w]`` to lay on an image: the hotter the more opaque, nothing at 0 or below."""
    warm = np.where(np.isfinite(heat), np.maximum(heat, 0), 0)
    layers = np.empty((*heat.shape, 4), np.uint8)
    layers[..., :3] = HOT
    layers[..., 3] = (OPAQUE * np.sqrt(warm / (warm.max(initial=0) or 1))).astype(np.uint8)
    return _png(layers, most)


def _png(pixels: NDArray[np.uint8], most: int) -> bytes:
    from PIL import Image

    picture, stream = Image.fromarray(pixels), io.BytesIO()
    if max(picture.size) > most:
        picture.thumbnail((most, most), Image.Resampling.BOX)
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()
