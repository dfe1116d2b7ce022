"""Pictures: samples as something to look at."""

import io
import math

import numpy as np
from numpy.typing import NDArray

GAP = 2


def grid_png(images: NDArray[np.float64], levels: int, zoom_to: int = 56) -> bytes:
    """Grey images ``[n, h, w]`` with values 0 … levels - 1 as a near-square grid, PNG-encoded.

    All images share one grey scale; values outside it are clipped. Small images are enlarged
    by a whole factor, to at least about ``zoom_to`` pixels a side.
    """
    from PIL import Image

    n, height, width = images.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    zoom = max(1, zoom_to // max(height, width))
    grey = np.clip(images / (levels - 1) * 255, 0, 255).round().astype(np.uint8)
    grey = grey.repeat(zoom, axis=1).repeat(zoom, axis=2)
    sheet = np.full((rows * (height * zoom + GAP), columns * (width * zoom + GAP)), 96, np.uint8)
    for index, image in enumerate(grey):
        top = index // columns * (height * zoom + GAP)
        left = index % columns * (width * zoom + GAP)
        sheet[top : top + height * zoom, left : left + width * zoom] = image
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, format="PNG")
    return stream.getvalue()


def rows_csv(rows: NDArray[np.float64]) -> bytes:
    r"""Table rows ``[n, d]`` as CSV with a header ``x0, x1, …``.

    >>> rows_csv(np.array([[1.5, 2.0]]))
    b'x0,x1\n1.5,2\n'
    """
    stream = io.StringIO()
    stream.write(",".join(f"x{column}" for column in range(rows.shape[1])) + "\n")
    np.savetxt(stream, rows, fmt="%.9g", delimiter=",")
    return stream.getvalue().encode()
