"""Timeline: scores and alarms over time."""

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
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

BINS, BINS_NARROW = 96, 40
BAND, MOST = [0.05, 0.5, 0.95], [0.01, 0.99]
UNITS = {"Y": 31_556_952, "M": 2_629_746, "D": 86_400, "h": 3_600, "m": 60, "s": 1}
TICKS = 4


@styled
def timeline(
    times: NDArray[np.datetime64],
    scores: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    low: float = -math.inf,
    *,
    unit: str = "",
    size: Size = WIDE,
) -> "Figure":
    """Scores ``[n]`` over ``times``: the middle and 90 % of each stretch, and its lowest alarm.

    Below stands how many alarms each stretch has. Samples without a moment are left out.
    """
    known = ~np.isnat(times) & ~np.isnan(scores)
    seconds = times[known].astype("datetime64[s]").astype(np.int64).astype(np.float64)
    some, hit = scores[known], flagged[known]
    first, last = (seconds.min(), seconds.max()) if len(seconds) else (0.0, 1.0)
    last = max(last, first + TICKS)
    edges = np.linspace(first, last, (BINS_NARROW if narrow(size) else BINS) + 1)
    places = np.clip(np.searchsorted(edges, seconds, side="right") - 1, 0, len(edges) - 2)
    figure = new_figure((size[0], 1.15 * size[1]))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    _stretches(above, edges, places, some, hit)
    if math.isfinite(low):
        above.axhline(low, color=FLAGGED, linewidth=1, linestyle=(0, (4, 2)))
    above.set_ylabel(unit_of("score", unit))
    above.yaxis.set_major_formatter(thousands)
    above.tick_params(bottom=False)
    counts = np.bincount(places[hit], minlength=len(edges) - 1)
    below.bar(edges[:-1], counts, np.diff(edges), align="edge", color=FLAGGED, linewidth=0)
    below.set_ylabel("alarms")
    below.set_ylim(0, max(1.0, 1.15 * counts.max(initial=0)))
    below.yaxis.set_major_locator(_whole())
    below.set_xlim(first, last)
    ticks, labels = _moments(first, last, 2 if narrow(size) else TICKS)
    below.set_xticks(ticks, labels)
    for label, align in (
        (below.get_xticklabels()[0], "left"),
        (below.get_xticklabels()[-1], "right"),
    ):
        label.set_ha(align)
    said = [("middle and 90 % of the scores", PASSED), (f"{int(hit.sum()):,} alarms", FLAGGED)]
    key(above, said, size)
    return figure


def _stretches(
    axes: "Axes",
    edges: NDArray[np.float64],
    places: NDArray[np.int64],
    scores: NDArray[np.float64],
    hit: NDArray[np.bool_],
) -> None:
    """Each stretch of time that has samples."""
    order = np.argsort(places, kind="stable")
    cuts = np.searchsorted(places[order], np.arange(1, len(edges) - 1))
    parts = np.split(order, cuts)
    band = np.full((len(parts), 3), np.nan)
    lowest: list[tuple[float, float]] = []
    middles = (edges[:-1] + edges[1:]) / 2
    for place, rows in enumerate(parts):
        finite = rows[np.isfinite(scores[rows])]
        if len(finite):
            band[place] = np.quantile(scores[finite], BAND)
        odd = finite[hit[finite]]
        if len(odd):
            lowest.append((middles[place], float(scores[odd].min())))
    axes.fill_between(middles, band[:, 0], band[:, 2], color=PASSED, alpha=0.25, linewidth=0)
    axes.plot(middles, band[:, 1], color=PASSED, linewidth=1.3, marker=".", markersize=2)
    if lowest:
        axes.plot(*zip(*lowest, strict=True), "o", color=FLAGGED, markersize=3.2)
    known = scores[np.isfinite(scores)]
    low, high = np.quantile(known, MOST) if len(known) else (0.0, 1.0)
    farthest = low - 1.5 * (high - low or 1.0)
    out = [place for place, score in lowest if score < farthest]
    if out:  # an alarm far out shall not flatten the rest
        axes.set_ylim(farthest, max(high, np.nanmax(band[:, 2])) + 0.1 * (high - low or 1.0))
        axes.plot(out, [farthest] * len(out), "v", color=FLAGGED, markersize=5, clip_on=False)
        axes.annotate(
            "▾ lower than shown",
            (1, 0),
            xytext=(-2, 5),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            color=INK,
        )


def _moments(first: float, last: float, count: int) -> tuple[list[float], list[str]]:
    """Some moments from the first to the last, no finer written than they are apart.

    >>> _moments(0.0, 3 * 86_400.0, 3)[1]
    ['1970-01-01', '1970-01-02', '1970-01-03', '1970-01-04']
    """
    if (last - first) / count < UNITS["D"]:
        count = max(1, count // 2)  # for moments are written longer than days
    ticks = np.linspace(first, last, count + 1)
    unit = next(name for name, seconds in UNITS.items() if (last - first) / count >= seconds)
    texts = [str(np.datetime64(int(tick), "s").astype(f"datetime64[{unit}]")) for tick in ticks]
    return ticks.tolist(), [text.replace("T", " ") for text in texts]


def _whole() -> "MaxNLocator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(3, integer=True)
