"""Scores: how they lie beside those of the calibration, and their p-values."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.plots.style import (
    FLAGGED,
    INK,
    PASSED,
    WIDE,
    Size,
    key,
    narrow,
    new_figure,
    styled,
    thousands,
    unit_of,
    whole_percent,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

Numbers = NDArray[np.float64]

FAR = 25.0  # distances of the lowest hundredth of the normals from their median
BINS, BINS_NARROW, P_BINS = 64, 36, 20


def reach(normals: Numbers, scores: Numbers, low: float, high: float) -> tuple[float, float]:
    """The scores that a histogram spans: both kinds, and the thresholds, but not what is far out.

    >>> reach(np.arange(100.0), np.array([50.0, -9e9]), 1.0, np.inf)
    (-1176.0, 99.0)
    """
    finite = normals[np.isfinite(normals)]
    finite = finite if len(finite) else np.zeros(1)
    middle, hundredth = np.quantile(finite, [0.5, 0.01], method="lower").tolist()
    some = scores[np.isfinite(scores)]
    ends = [finite.min(), finite.max(), *(bound for bound in (low, high) if math.isfinite(bound))]
    if len(some):
        ends += np.quantile(some, [0.02, 0.98], method="lower").tolist()
    farthest = FAR * (middle - hundredth) or 1.0
    first, last = max(min(ends), middle - farthest), min(max(ends), middle + farthest)
    return float(first), float(last if last > first else first + 1.0)


@styled
def histogram(
    normals: Numbers,
    low: float,
    high: float = math.inf,
    scores: Numbers | None = None,
    flagged: NDArray[np.bool_] | None = None,
    *,
    unit: str = "",
    size: Size = WIDE,
) -> "Figure":
    """Calibration scores ``normals`` ``[n]`` as an outline, ``scores`` ``[m]`` as bars beside them.

    Both as shares of their own number. What is far out is in the outermost bar. Flagged is what
    scores below ``low`` or above ``high``, where ``flagged`` ``[m]`` does not say otherwise.
    """
    figure = new_figure(size)
    draw_histogram(figure.add_subplot(), normals, low, high, scores, flagged, unit, size)
    return figure


def draw_histogram(
    axes: "Axes",
    normals: Numbers,
    low: float,
    high: float,
    scores: Numbers | None,
    flagged: NDArray[np.bool_] | None,
    unit: str,
    size: Size,
) -> None:
    """The same as a part of a figure."""
    shown = np.empty(0) if scores is None else scores[~np.isnan(scores)]
    hit = (shown < low) | (shown > high)
    if flagged is not None and scores is not None:
        hit = flagged[~np.isnan(scores)]
    ends = reach(normals, shown, low, high)
    edges = np.linspace(*ends, (BINS_NARROW if narrow(size) else BINS) + 1)
    said = [(f"{len(normals):,} calibration normals", INK)]
    _outline(axes, normals, edges, filled=not len(shown))
    if len(shown):
        said = [(f"{int((~hit).sum()):,} pass", PASSED), (f"{int(hit.sum()):,} flagged", FLAGGED)]
        said.append((f"outline: {len(normals):,} calibration normals", INK))
        _bars(axes, shown, hit, edges)
    bounds = [bound for bound in (low, high) if math.isfinite(bound)]
    for bound in bounds:
        axes.axvline(bound, color=FLAGGED, linewidth=1.2, linestyle=(0, (4, 2)))
        left = bound > sum(ends) / 2
        axes.annotate(
            f"threshold {thousands(float(f'{bound:.5g}'))}",
            (bound, 1),
            xytext=(-4 if left else 4, -9),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if left else "left",
            color=FLAGGED,
        )
    _beyond(axes, shown, edges)
    axes.set_xlim(*ends)
    axes.set_xlabel(unit_of("score, higher is more normal", unit))
    axes.set_ylabel("share")
    axes.xaxis.set_major_formatter(thousands)
    axes.xaxis.set_major_locator(_few(size))
    axes.yaxis.set_major_locator(_few(size))
    axes.yaxis.set_major_formatter(whole_percent)
    axes.margins(y=0.18)
    key(axes, said, size)


@styled
def p_values(found: Numbers, *, size: Size = WIDE) -> "Figure":
    """How p-values ``[m]`` lie: flat where all samples are normal, high at 0 where some are not."""
    known = found[~np.isnan(found)]
    figure = new_figure(size)
    axes = figure.add_subplot()
    edges = np.linspace(0, 1, P_BINS + 1)
    shares = np.histogram(known, edges)[0] / max(1, len(known))
    axes.bar(edges[:-1], shares, 1 / P_BINS, align="edge", color=PASSED, linewidth=0)
    axes.axhline(1 / P_BINS, color=INK, linewidth=1, linestyle=(0, (4, 2)))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(1.25 * float(shares.max(initial=0)), 2.5 / P_BINS))
    axes.set_xlabel("p-value, low is odd")
    axes.set_ylabel("share of samples")
    axes.yaxis.set_major_locator(_few(size))
    axes.yaxis.set_major_formatter(whole_percent)
    level = f"dashed: if all were normal, about {whole_percent(1 / P_BINS)} each"
    key(axes, [(f"{len(known):,} samples", PASSED), (level, INK)], size)
    return figure


def _outline(axes: "Axes", normals: Numbers, edges: Numbers, *, filled: bool) -> None:
    shares = _shares(normals, edges, len(normals))
    if filled:
        axes.stairs(shares, edges, fill=True, color=PASSED, linewidth=0)
    axes.stairs(shares, edges, color=INK, linewidth=1.1, zorder=3)


def _bars(axes: "Axes", scores: Numbers, hit: NDArray[np.bool_], edges: Numbers) -> None:
    passed, flagged = (_shares(scores[part], edges, len(scores)) for part in (~hit, hit))
    width = edges[1] - edges[0]
    axes.bar(edges[:-1], passed, width, align="edge", color=PASSED, alpha=0.75, linewidth=0)
    axes.bar(edges[:-1], flagged, width, bottom=passed, align="edge", color=FLAGGED, linewidth=0)


def _shares(values: Numbers, edges: Numbers, n: int) -> Numbers:
    """The share of ``n`` in each bin; what lies beyond the edges is in the outermost."""
    found: Numbers = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(1, n)
    return found


def _beyond(axes: "Axes", scores: Numbers, edges: Numbers) -> None:
    """How many are in the outermost bars that lie farther out."""
    shares = _shares(scores, edges, len(scores))
    for count, place, align in (
        (int((scores < edges[0]).sum()), 0, "left"),
        (int((scores > edges[-1]).sum()), -1, "right"),
    ):
        if count:
            axes.annotate(
                f"{count:,} beyond",
                (edges[place], shares[place]),
                xytext=(2, 3) if place == 0 else (-2, 12),
                textcoords="offset points",
                ha=align,
                color=INK,
            )


def _few(size: Size) -> "MaxNLocator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4 if narrow(size) else 6)
