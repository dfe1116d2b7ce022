"""Every picture of README and docs, from results/ alone: no data, no model, no training.

Writes docs/histograms.png, docs/path.png, docs/pairs.png, docs/rules/*.png and
docs/bounds/*.png.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from matplotlib.figure import Figure

from bound_pictures import bound_pictures
from drawing import ANOMALOUS, INK, NORMAL, WIDTH, Arrays, collected, line, sheet, thousands
from experiments import HERE, Results, read
from nice_anomaly.cli import render
from nice_anomaly.words import percent
from rule_pictures import rule_pictures

LINEAR = 3_000  # nats; beyond it the axis is logarithmic
TICKS = [-100_000, -10_000, -3_000, -2_000, -1_000, 0, 1_000, 2_000, 3_000]
STAGES = {  # of the path of one image: title, colours and their range
    "pixels": ("raw pixels", "gray", (0, 255)),
    "whitened": ("whitened z", "RdBu_r", (-4, 4)),
    "latents": ("latents h", "RdBu_r", (-8, 8)),
    "terms": ("log p(h) of each latent", "magma", (-8, 0)),
}


def main(
    results: Results = HERE / "results",
    docs: Annotated[Path, typer.Option(help="Where pictures are written.")] = HERE / "docs",
) -> None:
    """Draw all of them."""
    arrays, facts = collected(results)
    pictures = {
        "histograms": histograms(arrays, facts),
        "path": path_of_one_image(arrays, facts),
        "pairs": pairs(read(results / "pairs.json")["pairs"]),
        **{
            f"rules/{name}": figure
            for name, figure in rule_pictures(
                arrays, facts, read(results / "folds.json")["sizes"]
            ).items()
        },
        **{
            f"bounds/{name}": figure
            for name, figure in bound_pictures(read(results / "bounds.json")).items()
        },
    }
    for folder in ("rules", "bounds"):
        (docs / folder).mkdir(parents=True, exist_ok=True)
    for name, figure in pictures.items():
        figure.savefig(docs / f"{name}.png", metadata={"Software": None})
    render.say(f"drew {len(pictures)} pictures into {docs}")


def histograms(arrays: Arrays, facts: dict[str, Any]) -> Any:
    """The scores of both test sets with the threshold between them."""
    figure, axes = sheet("log-likelihood (nats); logarithmic below -3,000", "images", height=3.2)
    edges = arrays["edges"]
    for name, colour, label in (
        ("mnist", NORMAL, f"MNIST test: {percent(facts['mnist_flagged'])} flagged"),
        ("kmnist", ANOMALOUS, f"KMNIST test: {percent(1 - facts['kmnist_flagged'])} missed"),
    ):
        axes.stairs(
            arrays[f"{name}_counts"], edges, fill=True, color=colour, alpha=0.75, label=label
        )
    axes.set_xscale("symlog", linthresh=LINEAR, linscale=1.5)
    seen = np.flatnonzero(arrays["mnist_counts"] + arrays["kmnist_counts"])
    axes.set_xlim(edges[seen[0]], LINEAR)
    axes.set_xticks(TICKS)
    thousands(axes.xaxis)
    thousands(axes.yaxis)
    axes.minorticks_off()
    threshold = facts["threshold"]
    line(axes, threshold, f"threshold: mean - 3σ = {threshold:,.0f}\nflagged to the left of it")
    axes.legend(frameon=False, loc="upper left")
    return figure


def path_of_one_image(arrays: Arrays, facts: dict[str, Any]) -> Any:
    """One digit and one character on their way: pixels, whitened, latents, terms of the score.

    Latents are in the order of falling variance, row by row.
    """
    figure = Figure(figsize=(WIDTH, 4.5), dpi=120, layout="constrained")
    grid = figure.subplots(2, len(STAGES))
    threshold = facts["threshold"]
    for row, name in enumerate(("mnist", "kmnist")):
        for axes, (stage, (title, colours, (low, high))) in zip(
            grid[row], STAGES.items(), strict=True
        ):
            square = arrays[f"{name}_{stage}"].reshape(28, 28)
            axes.imshow(square, vmin=low, vmax=high, cmap=colours)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(title if row == 0 else "", fontsize=10)
        score = facts[f"{name}_score"]
        side = "above" if score >= threshold else "below"
        grid[row][0].set_ylabel(name.upper(), fontsize=10)
        grid[row][-1].set_xlabel(f"score {score:,.0f} nats:\n{side} {threshold:,.0f}", fontsize=9)
    return figure


def pairs(found: dict[str, Any]) -> Any:
    """Two matrices of power, likelihood above auto."""
    figure = Figure(figsize=(WIDTH, 3.7), dpi=120, layout="constrained")
    grid = figure.subplots(2, 1, sharex=True)
    first = next(iter(found.values()))["auto"]["anomalies"]
    names = [*found, *(name for name in first if name not in found)]
    for axes, score in zip(grid, ("likelihood", "auto"), strict=True):
        power = np.array(
            [
                [1 - found[n][score]["anomalies"].get(a, {}).get("type_ii", np.nan) for a in names]
                for n in found
            ]
        )
        axes.imshow(power, vmin=0, vmax=1, cmap="RdYlBu", aspect="auto")
        for (row, column), value in np.ndenumerate(power):
            text = "–" if np.isnan(value) else f"{100 * value:.0f}"
            light = not np.isnan(value) and (value < 0.15 or value > 0.85)
            colour = "white" if light else INK
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
        axes.set_yticks(range(len(found)), [f"learned {name}" for name in found])
        axes.set_title(f"score: {score}", fontsize=10, loc="left")
        axes.tick_params(length=0)
    grid[1].set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    figure.supxlabel("found at a certified false-alarm rate of 1 %, in %", fontsize=10)
    return figure


if __name__ == "__main__":
    typer.run(main)
