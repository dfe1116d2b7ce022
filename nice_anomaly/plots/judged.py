"""Judged: what ``stress`` and ``compare`` found, from their records."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nice_anomaly.plots.style import (
    FAINT,
    FLAGGED,
    INK,
    PASSED,
    WIDE,
    Size,
    key,
    narrow,
    new_figure,
    styled,
    whole_percent,
)
from nice_anomaly.words import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

ROW = 0.27  # inches
HEAD = 0.95
MISSED = 0.5  # flagged below which a corruption is a blind spot
LONGEST, SHORT = 34, 22  # letters of a name


@styled
def stressed(trials: Sequence[Record], *, size: Size = WIDE) -> "Figure":
    """The share that is flagged after each corruption, a line each, the worst first.

    A record is that of a ``Trial``; grades of one corruption stand on one line, the plainest the
    darkest.
    """
    names = [str(trial["corruption"]) for trial in trials if trial["plainest"]]
    shares = {t["corruption"]: t["flagged_rate"] for t in trials if t["plainest"]}
    names.sort(key=lambda name: shares[name])
    figure = new_figure((size[0], HEAD + ROW * len(names)))
    axes = figure.add_subplot()
    axes.axvspan(0, MISSED, color=FLAGGED, alpha=0.08, linewidth=0)
    for place, name in enumerate(names):
        own = sorted((t for t in trials if t["corruption"] == name), key=lambda t: t["grade"])
        for step, trial in enumerate(own):
            share, height = trial["flagged_rate"], place + 0.22 * (step - (len(own) - 1) / 2)
            colour = FLAGGED if trial["plainest"] and share < MISSED else PASSED
            strong = 1.0 if trial["plainest"] else 0.45
            axes.plot(trial["interval"], [height] * 2, color=colour, alpha=strong, linewidth=1.2)
            dot = 4.2 if trial["plainest"] else 2.8
            axes.plot([share], [height], "o", color=colour, alpha=strong, markersize=dot)
    _lines(axes, names, size)
    axes.set_xlim(-0.02, 1.02)
    axes.xaxis.set_major_formatter(whole_percent)
    axes.set_xlabel("flagged, with exact 95 % intervals")
    said = [("at its plainest", PASSED), ("at its plainest and mostly missed", FLAGGED)]
    key(axes, [*said, ("pale: fainter", INK)], size)
    return figure


@styled
def compared(methods: Sequence[Record], *, size: Size = WIDE) -> "Figure":
    """The AUROC of each method, and beside it how much more ours has, with its 95 % interval.

    A record is that of a ``Contest``.
    """
    height = HEAD + ROW * len(methods)
    figure = new_figure((size[0], 2 * height if narrow(size) else height))
    shape = (2, 1) if narrow(size) else (1, 2)
    left, right = figure.subplots(*shape, sharey=True)
    for place, one in enumerate(methods):
        colour = PASSED if one["ours"] else INK
        left.plot([0.5, one["auroc"]], [place] * 2, color=colour, linewidth=1, alpha=0.4)
        left.plot([one["auroc"]], [place], "o", color=colour, markersize=4.2)
        left.annotate(
            f"{one['auroc']:.4f}",
            (one["auroc"], place),
            xytext=(5, -3),
            textcoords="offset points",
            color=colour,
            annotation_clip=False,
        )
        if one["ours"]:
            continue
        low, high = one["interval"]
        better = PASSED if low > 0 else FLAGGED if high < 0 else INK
        right.plot([low, high], [place] * 2, color=better, linewidth=1.4)
        right.plot([one["lead"]], [place], "o", color=better, markersize=4.2)
    _lines(left, [str(one["method"]) for one in methods], size)
    left.axvline(0.5, color=FAINT, linewidth=0.8)
    low = min(0.5, *(one["auroc"] for one in methods))
    left.set_xlim(low - 0.01, 1 + 0.22 * (1 - low))
    left.set_xticks([tick for tick in (0, 0.25, 0.5, 0.75, 1) if tick >= low])
    left.set_xlabel("AUROC, 0.5 is chance")
    right.axvline(0, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    right.set_xlabel("our lead in AUROC, 95 % intervals")
    right.tick_params(left=False)
    said = [
        ("ours is better", PASSED),
        ("ours is worse", FLAGGED),
        ("grey: no difference seen", INK),
    ]
    key(left, said, size)
    return figure


def _lines(axes: "Axes", names: Sequence[str], size: Size) -> None:
    """A line for each name, the first at the top."""
    most = SHORT if narrow(size) else LONGEST
    axes.set_yticks(range(len(names)), [brief(name, most) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
