"""``nice-anomaly sample``: see what the model thinks is normal."""

from pathlib import Path
from typing import Annotated

from nice_anomaly.cli import options
from nice_anomaly.cli.options import MACHINE, OUTPUT, option
from nice_anomaly.errors import ConfigError

Count = Annotated[
    int, option(OUTPUT, "-n", "--count", metavar="N", min=1, max=10_000, help="How many.")
]
Temperature = Annotated[
    float,
    option(
        OUTPUT,
        "--temperature",
        metavar="T",
        help="Scales the latents: below 1 more typical, above 1 odder.",
    ),
]
Output = Annotated[
    Path | None,
    option(OUTPUT, "--output", "-o", metavar="FILE", help="Default: sample.png in the run."),
]
Seed = Annotated[int, option(MACHINE, "--seed", metavar="N", min=0, help="Of the draw.")]
EXAMPLES = ("nice-anomaly sample", "nice-anomaly sample -n 100 --temperature 1 -o odd.png")


def sample(
    n: Count = 64,
    temperature: Temperature = 0.7,
    seed: Seed = 0,
    output: Output = None,
    run: options.Run = None,
) -> None:
    """Draw from the model: images as a grid in a PNG file, table rows as CSV."""
    if not 0 < temperature < float("inf"):
        raise ConfigError(f"--temperature takes a positive number, got {temperature:g}.")
    from nice_anomaly.cli import render, runs
    from nice_anomaly.data import TableReading
    from nice_anomaly.files import write
    from nice_anomaly.library import load_run
    from nice_anomaly.pictures import grid_png, rows_csv

    path = runs.locate(run)
    loaded = load_run(path)
    layout, reading = loaded.manifest.data.layout, loaded.manifest.data.reading
    suffix = ".png" if layout.kind == "image" else ".csv"
    output = path / f"sample{suffix}" if output is None else output
    if output.suffix != suffix:
        raise ConfigError(
            f"the run {loaded.name} has learned {layout.kind}s: --output takes a name ending in "
            f"{suffix}, got '{output}'."
        )
    values = loaded.sample(n, temperature=temperature, seed=seed)
    if layout.kind == "image":
        write(output, grid_png(values, layout.levels))
    else:
        names = [f"x{i}" for i in range(values.shape[1])]
        if isinstance(reading, TableReading):
            names = reading.labels
        write(output, rows_csv(values, names))
    render.say(f"drew {n:,} samples from {loaded.name} at temperature {temperature:g}")
    render.show_facts("sampled", [("file", str(output))])
