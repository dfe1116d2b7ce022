"""``nice-anomaly sample``: see what the model thinks is normal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nice_anomaly.cli import options
from nice_anomaly.cli.options import MACHINE, OUTPUT, option
from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nice_anomaly.data import Cells, Reading

STDOUT = Path("-")

Count = Annotated[
    int,
    option(
        OUTPUT, "-n", "--count", metavar="N", min=1, max=10_000, help="How many samples to draw."
    ),
]
Temperature = Annotated[
    float,
    option(
        OUTPUT,
        "--temperature",
        metavar="T",
        help="How far samples spread: below 1 more typical, above 1 odder.",
    ),
]
Output = Annotated[
    Path | None,
    option(
        OUTPUT,
        "--output",
        "-o",
        metavar="FILE",
        help="The picture or table. Default: sample.png or sample.csv in the run; - prints rows.",
    ),
]
Seed = Annotated[
    int,
    option(
        MACHINE,
        "--seed",
        metavar="N",
        min=0,
        callback=options.checked_seed,
        help="Seed of the draw.",
    ),
]
EXAMPLES = ("nice-anomaly sample", "nice-anomaly sample -n 100 --temperature 1 -o odd.png")


def sample(
    n: Count = 64,
    temperature: Temperature = 0.7,
    seed: Seed = 0,
    output: Output = None,
    no_formulas: options.NoFormulas = False,
    run: options.Run = None,
) -> None:
    """Draw from the model: images as a grid in a PNG file, rows of the learned table as CSV."""
    if not 0 < temperature < float("inf"):
        raise ConfigError(f"--temperature takes a positive number, got {temperature:g}.")
    from nice_anomaly.cli import render, runs
    from nice_anomaly.files import refuse_unfit, write
    from nice_anomaly.library import load_run
    from nice_anomaly.pictures import grid_png
    from nice_anomaly.words import count_of

    if output is not None and output != STDOUT:
        refuse_unfit(output)
    path = runs.locate(run)
    loaded = load_run(path)
    layout = loaded.manifest.data.layout
    suffix = ".png" if layout.kind == "image" else ".csv"
    output = path / f"sample{suffix}" if output is None else output
    if output.suffix != suffix and (output != STDOUT or layout.kind == "image"):
        raise ConfigError(
            f"the run {loaded.name} has learned {layout.kind}s: --output takes a name ending in "
            f"{suffix}, got '{output}'."
        )
    facts = [("file", str(output))]
    if layout.kind == "image":
        values = loaded.sample(n, temperature=temperature, seed=seed)
        write(output, grid_png(values, layout.levels))
    else:
        cells = loaded.sample_table(n, temperature=temperature, seed=seed)
        facts += _dates(cells)
        _write_rows(output, cells, loaded.manifest.data.reading, formulas=not no_formulas)
    render.say(f"drew {count_of(n, 'sample')} from {loaded.name} at temperature {temperature:g}")
    if output != STDOUT:
        render.show_facts("sampled", facts)
        return
    for name, value in facts[1:]:
        render.say(f"{name}: {value}")


def _dates(cells: "Mapping[str, Cells]") -> list[tuple[str, str]]:
    """What has to be known of those columns that are moments, if there are any."""
    names = [name for name, column in cells.items() if column.dtype.kind == "M"]
    learned = "in the week from Monday, 2024-01-01: only time of day and weekday are learned"
    return [(", ".join(names), learned)] if names else []


def _write_rows(
    output: Path, cells: "Mapping[str, Cells]", reading: "Reading | None", *, formulas: bool
) -> None:
    """Rows as the learned table was written, so that what reads one reads the other."""
    from nice_anomaly.cli import render
    from nice_anomaly.data import TableReading, written
    from nice_anomaly.files import write
    from nice_anomaly.pictures import rows_csv
    from nice_anomaly.sheets import as_text, is_formula

    columns: dict[str, list[str | None]] = {
        name: [str(value) for value in column] for name, column in cells.items()
    }
    separator = ","
    if isinstance(reading, TableReading):
        known = {column.name: column for column in reading.columns}
        columns = {name: written(cells[name], known[name]) for name in cells}
        if "," in (reading.dialect.decimal, reading.dialect.usual):
            separator = ";"
            for name in columns:
                if known[name].kind == "number":
                    columns[name] = [t and t.replace(".", ",") for t in columns[name]]
    texts = [*columns, *(text for column in columns.values() for text in column if text)]
    if formulas:
        render.note_formulas(sum(map(is_formula, texts)), "the table")
    else:
        columns = {as_text(n): [t and as_text(t) for t in columns[n]] for n in columns}
    text = rows_csv(columns, separator)
    if output == STDOUT:
        render.show_rows(text)
    else:
        write(output, text.encode())
