"""What all pictures share: colours, sheets, and words beside a place."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments import read

NORMAL, ANOMALOUS, INK, FAINT = "#2a6f97", "#c8553d", "#222222", "#bbbbbb"
WIDTH = 7.5  # inches: about 80 columns of text
Arrays = dict[str, NDArray[Any]]


def collected(results: Path) -> tuple[Arrays, dict[str, Any]]:
    """What ``collect.py`` has kept of a run: arrays, and single numbers."""
    with np.load(results / "pictures.npz") as archive:
        return dict(archive), read(results / "pictures.json")


def sheet(xlabel: str, ylabel: str, height: float = 2.5) -> tuple[Any, Any]:
    """An empty figure with one pair of axes."""
    figure = Figure(figsize=(WIDTH, height), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    return figure, axes


def thousands(axis: Any) -> None:
    """Ticks as the text writes numbers."""
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def line(axes: Any, place: float, text: str, *, side: str = "right", height: float = 0.95) -> None:
    """A threshold with its name, to the left or right of it."""
    axes.axvline(place, color=INK, linestyle="--", linewidth=1.2)
    note(axes, place, height, text, INK, side)


def note(axes: Any, place: float, height: float, text: str, colour: str, side: str) -> None:
    """Words beside a place on the horizontal axis, their top at a share of the height."""
    axes.annotate(
        text, (place, height), (-6 if side == "right" else 6, 0), color=colour, ha=side, va="top",
        xycoords=("data", "axes fraction"), textcoords="offset points",
    )  # fmt: skip
