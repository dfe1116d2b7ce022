"""Pictures of reasons: docs/reasons.png, docs/reasons-images.png and docs/reasons-row.png.

From two trained and calibrated runs, one of MNIST and one of the machine's log that
scripts/example_data.py makes.
"""

from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure
from PIL import Image

from experiments import HERE
from nice_anomaly import builtin, load_run
from nice_anomaly.cli import render
from nice_anomaly.data import Column, TableReading
from nice_anomaly.explain import words
from nice_anomaly.explain.pictures import framed, panels, sheet
from nice_anomaly.explain.value import ImageReasons, RowReasons
from nice_anomaly.library import Run

INK, GREY, FOUND, BAND = "#1c1c1c", "#6b6b6b", "#c0392b", "#9fd8cd"
SHOWN = {0: "flagged", 1: "where it is odd", 2: "what was expected"}
ZOOM, DPI = 8, 200


def main(
    digits: Annotated[Path, typer.Option(help="A run of MNIST.")],
    log: Annotated[Path, typer.Option(help="A run of the machine's log.")],
    rows: Annotated[Path, typer.Option(help="Its new rows.")],
    image: Annotated[str, typer.Option(help="The test image to show.")] = "4200",
    row: Annotated[str, typer.Option(help="The row to show.")] = "T11-01374",
    docs: Annotated[Path, typer.Option(help="Where pictures are written.")] = HERE / "docs",
) -> None:
    """Draw them."""
    of_digits, of_log = load_run(digits), load_run(log)
    digit = of_digits.explain(builtin("mnist"), ids=image, say=render.say)[0]
    part = of_log.explain(rows, ids=row, id_column=id_column(of_log), say=render.say)[0]
    assert isinstance(digit, ImageReasons)
    assert isinstance(part, RowReasons)
    columns = columns_of(of_log)
    figure = Figure(figsize=(8, 2.3), dpi=DPI)
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.15, 1), wspace=0.0)
    draw_image(halves[0], digit)
    draw_row(halves[1], part, columns)
    figure.savefig(docs / "reasons.png", metadata={"Software": None})
    alone = Figure(figsize=(5, 2.3), dpi=DPI)
    draw_row(alone, part, columns)
    alone.savefig(docs / "reasons-row.png", metadata={"Software": None})
    least = of_digits.explain(builtin("mnist"), most=4, say=render.say)
    images = [one for one in least if isinstance(one, ImageReasons)]
    Image.fromarray(sheet(images, least.unit)).save(docs / "reasons-images.png")
    render.say(f"drew 3 pictures into {docs}")


def id_column(run: Run) -> str | None:
    """The column that names the rows of a run."""
    reading = run.manifest.data.reading
    return reading.id_column if isinstance(reading, TableReading) else None


def columns_of(run: Run) -> dict[str, Column]:
    """What a run has made of the columns of its table, by name."""
    reading = run.manifest.data.reading
    assert isinstance(reading, TableReading)
    return {column.name: column for column in reading.columns}


def draw_image(figure: Any, one: ImageReasons) -> None:
    """An image, its heat and what was expected, each with the box."""
    every = panels(one)
    axes = figure.subplots(1, len(SHOWN))
    figure.subplots_adjust(left=0.03, right=0.97, top=0.86, bottom=0.22, wspace=0.08)
    for place, (number, title) in enumerate(SHOWN.items()):
        axes[place].imshow(framed(every[number], ZOOM, one.box), interpolation="nearest")
        axes[place].set_axis_off()
        axes[place].set_title(title, fontsize=8, color=GREY, loc="left")
    why = fill(words.reasons(one, " nats")[0], 72)
    figure.text(0.03, 0.17, why, fontsize=6.5, color=INK, va="top")


def draw_row(figure: Any, one: RowReasons, columns: dict[str, Column]) -> None:
    """Of each column to blame its range, where the others expect it, and where it is."""
    causes = [cause for cause in one.causes if cause.low is not None]
    axes = figure.subplots(len(causes), 1, squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.06, right=0.96, top=0.74, bottom=0.34, hspace=2.4)
    held = one.held
    title = f"{held.id}: flagged, {held.score:,.1f} nats, below {held.low:,.1f}"
    figure.text(0.03, 0.92, title, fontsize=8, color=GREY, va="center")
    for ax, cause in zip(axes, causes, strict=True):
        column = columns[cause.column]
        low, high = min(column.low, cause.value), max(column.high, cause.value)
        ax.plot([column.low, column.high], [0, 0], color="#d0d0d0", lw=2, solid_capstyle="butt")
        ax.plot([cause.low, cause.high], [0, 0], color=BAND, lw=9, solid_capstyle="butt")
        ax.plot([cause.expected], [0], "|", color=INK, ms=10, mew=1.5)
        ax.plot([cause.value], [0], "o", color=FOUND, ms=6)
        ax.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
        ax.set_ylim(-1, 1)
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
        ax.set_xticks(np.array([column.low, column.high]))
        ax.tick_params(length=0, labelsize=6, colors=GREY, pad=1)
        ax.set_title(cause.column, fontsize=7.5, color=INK, loc="left", pad=2)
    figure.text(0.03, 0.17, why_of(one), fontsize=6.5, color=INK, va="top")


def why_of(one: RowReasons) -> str:
    """The reasons in sentences, and what becomes of the row."""
    end = f"as expected it scores {one.repaired_score:,.1f} and passes" if one.passes else ""
    lines = [fill(text, 80) for text in words.reasons(one, " nats")]
    return "\n".join([*lines, end][:4])


if __name__ == "__main__":
    typer.run(main)
