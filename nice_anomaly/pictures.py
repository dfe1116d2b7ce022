"""Pictures: samples as something to look at."""

import csv
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GAP = 2


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
    shades = np.clip(images / (levels - 1) * 255, 0, 255).round().astype(np.uint8)
    shades = shades.repeat(zoom, axis=1).repeat(zoom, axis=2)
    size = (rows * (height * zoom + GAP), columns * (width * zoom + GAP), *images.shape[3:])
    sheet = np.full(size, 96, np.uint8)
    for index, image in enumerate(shades):
        top = index // columns * (height * zoom + GAP)
        left = index % columns * (width * zoom + GAP)
        sheet[top : top + height * zoom, left : left + width * zoom] = image
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, format="PNG")
    return stream.getvalue()


def rows_csv(rows: NDArray[np.float64], names: Sequence[str]) -> bytes:
    r"""Table rows ``[n, d]`` as CSV with a header.

    >>> rows_csv(np.array([[1.5, 2.0]]), ["width", "height"])
    b'width,height\n1.5,2\n'
    """
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(names)
    np.savetxt(stream, rows, fmt="%.9g", delimiter=",")
    return stream.getvalue().encode()
