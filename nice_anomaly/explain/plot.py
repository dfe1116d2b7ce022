"""Plot: an explanation as a figure of matplotlib."""

from collections.abc import Sequence
from typing import Any

from nice_anomaly.errors import ConfigError
from nice_anomaly.explain.pictures import sheet
from nice_anomaly.explain.value import Cause, ImageReasons, Reasons, RowReasons
from nice_anomaly.explain.word_cells import plainly
from nice_anomaly.plots import refuse_absent
from nice_anomaly.words import brief

CHANGED, OTHER = "#2a6f97", "#b5b5b5"


def figure(parts: Sequence[Reasons], unit: str) -> Any:
    """A figure with a line of pictures an image, or bars of what each column gains a row.

    Every row has a scale of its own, for one may be as odd as all others together.

    Raises:
        ConfigError: matplotlib is not installed, or there is nothing to draw.
    """
    refuse_absent("drawing", "matplotlib")
    from matplotlib.figure import Figure

    if not parts:
        raise ConfigError("there is nothing to draw: no sample was explained.")
    images = [one for one in parts if isinstance(one, ImageReasons)]
    if images:
        return _of_images(Figure, images, unit)
    return _of_rows(Figure, [one for one in parts if isinstance(one, RowReasons)], unit)


def _of_images(figure: Any, images: Sequence[ImageReasons], unit: str) -> Any:
    picture = sheet(images, unit)
    height, width = picture.shape[:2]
    drawn = figure(figsize=(width / 100, height / 100), dpi=100)
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.imshow(picture)
    axes.set_axis_off()
    return drawn


def _of_rows(figure: Any, rows: Sequence[RowReasons], unit: str) -> Any:
    bars = sum(len(one.causes) for one in rows)
    drawn = figure(figsize=(7.5, 0.9 * len(rows) + 0.3 * bars + 0.6), dpi=120, layout="constrained")
    every = drawn.subplots(len(rows), 1, squeeze=False)[:, 0]
    for axes, one in zip(every, rows, strict=True):
        names = [_told(cause) for cause in one.causes]
        places = range(len(names))
        colours = [CHANGED if place < one.changed else OTHER for place in places]
        axes.barh(places, [cause.gain for cause in one.causes], color=colours, height=0.6)
        axes.set_yticks(places, names)
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter("{x:,.10g}")
        axes.invert_yaxis()
        axes.set_title(brief(one.held.id), loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    every[-1].set_xlabel(f"gain of the score{f',{unit}' if unit else ''}")
    return drawn


def _told(cause: Cause) -> str:
    """A column, what it is, and what it should be."""
    value, expected, _ = (brief(text, 24) for text in plainly(cause))
    unit = f" {brief(cause.unit, 12)}" if cause.unit else ""
    return f"{brief(cause.column, 30)}: {value} → {expected}{unit}"
