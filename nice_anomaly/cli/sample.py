"""``nice-anomaly sample``: see what the model thinks is normal."""

from pathlib import Path
from typing import Annotated

import typer

from nice_anomaly.cli.options import RunOption
from nice_anomaly.errors import ConfigError


def sample(
    n: Annotated[int, typer.Option("-n", "--count", min=1, max=10_000, help="How many.")] = 64,
    temperature: Annotated[
        float,
        typer.Option(help="Scales the latents: below 1 more typical, above 1 odder."),
    ] = 0.7,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Default: sample.png in the run."),
    ] = None,
    run: RunOption = None,
) -> None:
    """Draw from the flow: images as a grid in a PNG file, table rows as CSV."""
    if not 0 < temperature < float("inf"):
        raise ConfigError(f"--temperature takes a positive number, got {temperature:g}.")
    from nice_anomaly.cli import render, runs
    from nice_anomaly.files import write
    from nice_anomaly.pictures import grid_png, rows_csv
    from nice_anomaly.run import load_run

    loaded = load_run(runs.locate(run))
    layout = loaded.manifest.data.layout
    suffix = ".png" if layout.kind == "image" else ".csv"
    output = loaded.path / f"sample{suffix}" if output is None else output
    if output.suffix != suffix:
        raise ConfigError(
            f"the run {loaded.path} has learned {layout.kind}s: --output takes a name ending in "
            f"{suffix}, got '{output}'."
        )
    raw = loaded.preprocess.to_raw(loaded.flow.sample(n, seed=seed, temperature=temperature))
    values = raw.numpy()
    if layout.kind == "image":
        write(output, grid_png(values.reshape(n, *layout.shape), layout.levels))
    else:
        reading = loaded.manifest.data.reading
        names = [f"x{i}" for i in range(values.shape[1])] if reading is None else reading.labels
        write(output, rows_csv(values, names))
    render.say(f"drew {n:,} samples from {loaded.path} at temperature {temperature:g}")
    render.show_facts("sampled", [("file", str(output))])
