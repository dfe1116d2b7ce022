"""``nice-anomaly report``: one page to show."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nice_anomaly.cli import options
from nice_anomaly.cli.options import OUTPUT, option
from nice_anomaly.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nice_anomaly.report import Page

Output = Annotated[
    Path | None, option(OUTPUT, "--output", "-o", metavar="FILE", help="The page: a .html file.")
]
Top = Annotated[
    int, option(OUTPUT, "--top", metavar="N", min=0, help="Show so many of the most anomalous.")
]
Title = Annotated[
    str, option(OUTPUT, "--title", metavar="TITLE", help="What stands above. Default: the input.")
]
EXAMPLES = (
    "nice-anomaly report new.csv -o report.html",
    "nice-anomaly report --run runs/mnist -o run.html --title 'Digits'",
)


def report(
    source: options.Source,
    written: options.Written,
    labels: options.Labels,
    machine: options.Machine,
    time_column: options.TimeColumn = None,
    skip_unreadable: options.Skip = False,
    calibration: options.Calibration = "default",
    output: Output = None,
    top: Top = 10,
    title: Title = "",
    run: options.Run = None,
    as_json: options.Json = False,
) -> None:
    """Write a page about what was found, with reasons, figures, promises and provenance.

    Without an input it is about the run and its calibration alone. The page is one HTML file: it
    loads nothing, runs nothing, and can be printed or sent.
    """
    if source.dataset is not None and source.files:
        raise ConfigError("give files of your own or --dataset NAME, one of the two.")
    if output is None:
        raise ConfigError("name the page with --output, like --output report.html.")
    from nice_anomaly.cli import render, runs
    from nice_anomaly.cli.apart import spare
    from nice_anomaly.cli.wording import as_typed
    from nice_anomaly.data import builtin, recognise
    from nice_anomaly.files import write
    from nice_anomaly.library import load_run
    from nice_anomaly.report import check

    check(output)
    files = source.files
    samples = builtin(source.dataset) if source.dataset else recognise(files) if files else None
    spare(samples, output)
    path = runs.locate(run, samples, written)
    loaded = load_run(path, device=machine.device, data_root=machine.data_root)
    with render.progress_bar("scoring", None, "samples") as bar:
        page = loaded.page(
            samples,
            calibration=calibration,
            top=top,
            title=title,
            command=shlex.join(["nice-anomaly", *sys.argv[1:]]),
            skip_unreadable=True,
            say=render.say,
            watch=bar.advance,
            id_column=labels.id_column,
            label_column=labels.label_column,
            anomaly_values=labels.anomaly_values or (),
            time_column=time_column,
            **written.words,
        )
        content = page.html(as_typed).encode()
    write(output, content)
    render.say(f"wrote the report to {output}, {len(content):,} bytes")
    if as_json:
        render.show_json({"output": str(output), "bytes": len(content), **page.record})
    _leave(page, skip_unreadable=skip_unreadable)


def _leave(page: "Page", *, skip_unreadable: bool) -> None:
    """The exit code of detect: what could not be read may be an anomaly."""
    from nice_anomaly.cli import render
    from nice_anomaly.words import count_of

    unreadable: Any = page.record.get("unreadable", 0)
    if unreadable and not skip_unreadable:
        render.say(
            f"{count_of(unreadable, 'sample')} could not be read: the report says so, and "
            f"--skip-unreadable accepts it."
        )
        raise typer.Exit(DataError.exit_code)
