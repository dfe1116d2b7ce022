"""Curve: how a training went, epoch by epoch, as a line of blocks and as a picture."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nice_anomaly.errors import ConfigError
from nice_anomaly.files import refuse_unfit

BLOCKS, PLAIN = "▁▂▃▄▅▆▇█", "_.:-=+*#"
LONGEST = 24  # blocks
FAR_BELOW = 10.0  # the median, in distances of the highest value from it
SUFFIXES = (".png", ".svg")
FIT, HELD_OUT = "#9a9a9a", "#2a6f97"


def span(values: Sequence[float]) -> tuple[float, float]:
    """The range that shows a curve: without the few values far below the others, and infinities.

    >>> span([-5000.0, 50.0, 51.0, 52.0, 53.0])
    (50.0, 53.0)
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    middle, high = float(np.median(finite)), max(finite)
    return min(value for value in finite if value >= middle - FAR_BELOW * (high - middle)), high


def sparkline(values: Sequence[float], blocks: str = BLOCKS) -> str:
    """A block for each value, or for the mean of some where there are many; the highest is full.

    >>> sparkline([1.0, 2.0, 4.0, 8.0]), sparkline([-9e9, 1.0, 3.0, 2.0], PLAIN), sparkline([5.0])
    ('▁▂▄█', '__#=', '█')
    """
    parts = np.array_split(np.array(values), min(len(values), LONGEST))
    heights = [float(part.mean()) for part in parts]
    low, high = span(heights)
    if low == high:
        return len(heights) * blocks[-1]
    steps = len(blocks) / (high - low)
    places = [steps * (min(max(height, low), high) - low) for height in heights]
    return "".join(blocks[min(math.floor(place), len(blocks) - 1)] for place in places)


def check(path: Path) -> None:
    """Say at once what would fail after the run was read.

    Raises:
        ConfigError: another suffix, or matplotlib is not installed.
        ConfigError, ArtifactError: no place for a file, see ``refuse_unfit``.
    """
    refuse_unfit(path, "plot")
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"`plot` takes a name ending in {' or '.join(SUFFIXES)}, got '{path}'.")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "drawing needs matplotlib: pip install 'nice-anomaly[report]'."
        ) from error


def drawn(
    fit: Sequence[float], held_out: Sequence[float], best: int, quantity: str, suffix: str
) -> bytes:
    """Both curves ``[epochs]`` in nats as a picture, with the ``best`` epoch, counted from 0."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7.5, 4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    epochs = np.arange(1, len(held_out) + 1)
    alone = "o" if len(epochs) == 1 else None
    axes.plot(epochs, fit, color=FIT, marker=alone, label="fit, while the weights move")
    axes.plot(epochs, held_out, color=HELD_OUT, marker=alone, label="held out")
    best_label = f"best: {held_out[best]:,.2f} nats in epoch {best + 1}"
    axes.plot([best + 1], [held_out[best]], "o", color=HELD_OUT, label=best_label)
    (low, high), (lower, higher) = span(fit), span(held_out)
    low, high = min(low, lower), max(high, higher)
    margin = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlim(0.5, len(epochs) + 0.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{quantity}, nats a sample")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    stream = io.BytesIO()
    figure.savefig(stream, format=suffix.removeprefix("."))
    return stream.getvalue()
