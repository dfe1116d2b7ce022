"""Training: how the likelihood rose, epoch by epoch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nice_anomaly.curve import span
from nice_anomaly.plots.style import (
    INK,
    PASSED,
    WIDE,
    Size,
    key,
    new_figure,
    styled,
    thousands,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Epoch(Protocol):
    """What an epoch gave: the likelihood while the weights moved, and on held-out samples."""

    @property
    def train(self) -> float:
        """Of what is fitted, in nats a sample."""

    @property
    def early_stopping(self) -> float:
        """Of what is held out, in nats a sample."""


@styled
def course(history: Sequence[Epoch], best: int, quantity: str, *, size: Size = WIDE) -> "Figure":
    """Both curves in nats, with the ``best`` epoch, counted from 0."""
    from matplotlib.ticker import MaxNLocator

    fit = [epoch.train for epoch in history]
    held_out = [epoch.early_stopping for epoch in history]

    figure = new_figure(size)
    axes = figure.add_subplot()
    epochs = np.arange(1, len(held_out) + 1)
    alone = "o" if len(epochs) == 1 else None
    axes.plot(epochs, fit, color=INK, linewidth=1.2, linestyle=(0, (3, 1.5)), marker=alone)
    axes.plot(epochs, held_out, color=PASSED, linewidth=1.6, marker=alone)
    axes.plot([best + 1], [held_out[best]], "o", color=PASSED, markersize=5)
    (low, high), (lower, higher) = span(fit), span(held_out)
    low, high = min(low, lower), max(high, higher)
    margin = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlim(0.5, len(epochs) + 0.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{quantity},\nnats a sample")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(thousands)
    said = f"held out, best {thousands(round(held_out[best], 2))} nats in epoch {best + 1}"
    key(axes, [(said, PASSED), ("dashed: fit, while the weights move", INK)], size)
    return figure
