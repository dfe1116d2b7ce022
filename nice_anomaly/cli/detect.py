"""``nice-anomaly detect``: flag what is improbable."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nice_anomaly.cli import options
from nice_anomaly.cli.options import OUTPUT, THRESHOLD, option
from nice_anomaly.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nice_anomaly.data import Inputs

ANOMALIES_FOUND = 10
LEAST = 10  # of the least probable samples are shown of one's own data

Output = Annotated[
    Path | None,
    option(
        OUTPUT,
        "--output",
        "-o",
        metavar="FILE",
        help="One row a sample: .csv, .jsonl or .parquet.",
    ),
]
Top = Annotated[
    int | None,
    option(
        OUTPUT,
        "--top",
        metavar="N",
        min=0,
        help="Show so many of the least probable. Own data: 10.",
    ),
]
Fail = Annotated[
    bool, option(OUTPUT, "--fail-on-anomaly", help="Exit with 10 when anything is flagged.")
]
Fdr = Annotated[
    float | None,
    option(
        THRESHOLD,
        "--fdr",
        metavar="RATE",
        help="Flag so that at most this share of the flagged are false alarms.",
    ),
]
By = Annotated[
    bool,
    option(THRESHOLD, "--by", help="With --fdr: valid under any dependence; finds less."),
]
EXAMPLES = (
    "nice-anomaly detect --input new.csv --output found.csv",
    "nice-anomaly detect --dataset kmnist --calibration strict --json",
)


def detect(
    inputs: options.Input = None,
    dataset: options.Set = None,
    id_column: options.IdColumn = None,
    label_column: options.LabelColumn = None,
    anomaly_values: options.AnomalyValue = None,
    skip_unreadable: options.Skip = False,
    calibration: options.Calibration = "default",
    fdr: Fdr = None,
    by: By = False,
    output: Output = None,
    top: Top = None,
    fail_on_anomaly: Fail = False,
    run: options.Run = None,
    as_json: options.Json = False,
    data_root: options.DataRoot = options.DATA_ROOT,
    device: options.Device = "auto",
) -> None:
    """Score samples and flag those below the threshold."""
    if (dataset is None) == (not inputs):
        raise ConfigError(
            "give what to look at: --input PATH for your own data, or --dataset NAME for a "
            "built-in set; one of the two."
        )
    if by and fdr is None:
        raise ConfigError("--by chooses the method for --fdr: give --fdr too.")
    from nice_anomaly import output as rows
    from nice_anomaly.cli import calibrations, detections, render, runs
    from nice_anomaly.data import Inputs, builtin, recognise
    from nice_anomaly.evaluation.summary import Summary, unmatched
    from nice_anomaly.library import load_run
    from nice_anomaly.thresholds import Discoveries

    if fdr is not None:
        Discoveries(fdr)  # wrong numbers, files and names are said before the run is read
    if output is not None:
        rows.check(output)
    samples = builtin(dataset) if dataset is not None else recognise(inputs)
    if output is not None and isinstance(samples, Inputs):
        _spare(samples, output)
    loaded = load_run(runs.locate(run), device=device, data_root=data_root)
    summary = Summary((LEAST if inputs else 0) if top is None else top)
    with render.progress_bar("scoring", None, "samples") as bar:
        stream = loaded.stream(
            samples,
            calibration=calibration,
            fdr=fdr,
            by=by,
            id_column=id_column,
            label_column=label_column,
            anomaly_values=anomaly_values or (),
            say=render.say,
            watch=bar.advance,
        )
        with rows.open_rows(output) if output else nullcontext() as file:
            for verdicts in stream.verdicts:
                summary.add(verdicts)
                if file is not None:
                    file.add(verdicts.columns(noted=bool(inputs)))
    if output is not None:
        render.say(f"wrote {summary.n + summary.unreadable:,} rows to {output}")
    found = summary.record(
        stream.calibration,
        stream.rule,
        source=stream.source,
        run=loaded.name,
        normal=stream.normal,
    )
    for note in unmatched(found, label_column, anomaly_values or ()):
        render.say(note)
    if as_json:
        quantity = calibrations.score_of(stream.calibration, loaded.trained.model)
        render.show_json({**found, "quantity": quantity})
    else:
        detections.show(found, stream.calibration, summary)
    _leave(found, skip_unreadable=skip_unreadable, fail_on_anomaly=fail_on_anomaly)


def _spare(inputs: "Inputs", output: Path) -> None:
    """Refuse an output that would replace the input, or be read as input the next time."""
    target = output.resolve()
    if target in {file.resolve() for file in inputs.paths}:
        raise ConfigError(f"--output {output} is the input itself: name another file.")
    folders = [folder.resolve() for folder in inputs.folders]
    if inputs.kind == "table" and any(folder in target.parents for folder in folders):
        raise ConfigError(
            f"--output {output} lies in the input folder and would be read as input the next "
            f"time: name a file outside of it."
        )


def _leave(found: dict[str, Any], *, skip_unreadable: bool, fail_on_anomaly: bool) -> None:
    """The exit code: unreadable samples weigh more than anomalies, for those may be among them."""
    from nice_anomaly.cli import render

    if found["unreadable"] and not skip_unreadable:
        render.say(
            f"{found['unreadable']:,} samples could not be read; the reasons are in the output. "
            f"--skip-unreadable accepts that."
        )
        raise typer.Exit(DataError.exit_code)
    if fail_on_anomaly and found["flagged"]:
        raise typer.Exit(ANOMALIES_FOUND)
