"""``nice-anomaly detect``: flag what is improbable."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    AnomalyValueOption,
    CalibrationOption,
    DataRootOption,
    DeviceOption,
    IdColumnOption,
    InputOption,
    JsonOption,
    LabelColumnOption,
    RunOption,
    SkipOption,
    check_labels,
)
from nice_anomaly.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nice_anomaly.calibrate import Calibration
    from nice_anomaly.data import Batch, Inputs, Reading
    from nice_anomaly.detect import Detection
    from nice_anomaly.run import Run

ANOMALIES_FOUND = 10


def detect(
    inputs: InputOption = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="A built-in set; its test part is read."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="One row a sample: .csv, .jsonl or .parquet."
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=0, help="Show so many of the least probable. Own data: 10.")
    ] = None,
    calibration_name: CalibrationOption = "default",
    fdr: Annotated[
        float | None,
        typer.Option(
            "--fdr", help="Flag so that at most this share of the flagged are false alarms."
        ),
    ] = None,
    any_dependence: Annotated[
        bool,
        typer.Option("--by", help="With --fdr: valid under any dependence; finds less."),
    ] = False,
    id_column: IdColumnOption = None,
    label_column: LabelColumnOption = None,
    anomaly_values: AnomalyValueOption = None,
    skip_unreadable: SkipOption = False,
    run: RunOption = None,
    data_root: DataRootOption = DATA_ROOT,
    device: DeviceOption = "auto",
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="Exit with 10 when anything is flagged.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score samples and flag those below the threshold."""
    if (dataset is None) == (not inputs):
        raise ConfigError(
            "give what to look at: --input PATH for your own data, or --dataset NAME for a "
            "built-in set; one of the two."
        )
    check_labels(label_column, anomaly_values)
    if any_dependence and fdr is None:
        raise ConfigError("--by chooses the method for --fdr: give --fdr too.")
    from nice_anomaly import output as rows
    from nice_anomaly.cli import findings as what
    from nice_anomaly.cli import render, runs, samples
    from nice_anomaly.data import builtin, recognise
    from nice_anomaly.detect import detect as hold_against
    from nice_anomaly.discoveries import Discoveries
    from nice_anomaly.run import load_calibration, load_run

    batchwise = None if fdr is None else Discoveries(fdr, "by" if any_dependence else "bh")
    if output is not None:
        rows.check(output)
    if dataset is not None:
        builtin(dataset)  # a wrong name is said before the run is read
    found = recognise(inputs) if inputs else None
    if found is not None and output is not None:
        _spare(found, output, inputs or [])
    loaded = load_run(runs.locate(run))
    calibration = load_calibration(loaded, calibration_name)
    if dataset is not None:
        stream = samples.of_set(loaded, dataset, data_root, device, calibration)
    else:
        assert found is not None
        reading = _reading(loaded, calibration, id_column, label_column, anomaly_values or [])
        stream = samples.of_user(loaded, found, device, reading, calibration)
    if batchwise is not None:
        stream, calibration = samples.together(stream, calibration, batchwise)
    findings = what.Findings(top=(10 if found else 0) if top is None else top)
    with rows.open_rows(output) if output else nullcontext() as file:
        for batch, scores in stream:
            if label_column is not None and batch.truth is None:
                raise DataError(f"the input has no column '{label_column}' for --label-column.")
            detection = hold_against(scores, calibration, batch.groups)
            findings.add(batch, detection)
            if file is not None:
                file.add(columns(batch, detection, noted=found is not None))
    if output is not None:
        render.say(f"wrote {findings.n + findings.unreadable:,} rows to {output}")
    source = dataset if dataset is not None else ", ".join(inputs or ())
    summary = findings.summary(source, loaded, calibration, batchwise)
    if dataset is not None:
        summary |= findings.truth_of(normal=dataset == loaded.manifest.data.name)
    if as_json:
        render.show_json(summary)
    else:
        what.show(summary, calibration, findings)
    _leave(summary, skip_unreadable=skip_unreadable, fail_on_anomaly=fail_on_anomaly)


def _spare(inputs: "Inputs", output: Path, arguments: "Sequence[str]") -> None:
    """Refuse an output that would replace the input, or be read as input the next time."""
    target = output.resolve()
    if target in {file.resolve() for file in inputs.files}:
        raise ConfigError(f"--output {output} is the input itself: name another file.")
    folders = [Path(argument).resolve() for argument in arguments if Path(argument).is_dir()]
    if inputs.kind == "table" and any(folder in target.parents for folder in folders):
        raise ConfigError(
            f"--output {output} lies in the input folder and would be read as input the next "
            f"time: name a file outside of it."
        )


def _leave(summary: dict[str, Any], *, skip_unreadable: bool, fail_on_anomaly: bool) -> None:
    """The exit code: unreadable samples weigh more than anomalies, for those may be among them."""
    from nice_anomaly.cli import render

    if summary["unreadable"] and not skip_unreadable:
        render.say(
            f"{summary['unreadable']:,} samples could not be read; the reasons are in the output. "
            f"--skip-unreadable accepts that."
        )
        raise typer.Exit(DataError.exit_code)
    if fail_on_anomaly and summary["flagged"]:
        raise typer.Exit(ANOMALIES_FOUND)


def _reading(
    run: "Run",
    calibration: "Calibration",
    id_column: str | None,
    label_column: str | None,
    values: "Sequence[str]",
) -> "Reading":
    """How the run reads its input: groups as calibrated, names and labels as asked for."""
    from dataclasses import replace

    from nice_anomaly import pipeline

    group_column = calibration.group_column
    if group_column == pipeline.CLASS and run.manifest.data.reading is None:
        group_column = None  # only samples of the built-in set have a class
    reading = pipeline.reading_of(run, group_column)
    if reading.form is not None and (id_column is not None or label_column is not None):
        raise ConfigError("--id-column and --label-column are for tables.")
    if id_column is not None:
        reading = replace(reading, id_column=id_column)
    if label_column is not None:
        reading = replace(reading, label_column=label_column, anomaly_values=tuple(values))
    return reading


def columns(batch: "Batch", found: "Detection", *, noted: bool) -> dict[str, list[Any]]:
    """What the output file says of each sample; a sample that cannot be read has no verdict."""
    from nice_anomaly.cli import render

    content: dict[str, list[Any]] = {
        "id": list(batch.ids),
        "score": found.scores.tolist(),
        "margin": [render.finite(margin) for margin in found.margin.tolist()],
        "p_value": found.p_value.tolist(),
        "flagged": found.flagged.tolist(),
    }
    for row in batch.faults:
        for name in ("score", "margin", "p_value", "flagged"):
            content[name][row] = None
    if found.groups is not None:
        content["group"] = list(found.groups)
    if noted:
        said = {**batch.notes, **{row: f"unreadable: {why}" for row, why in batch.faults.items()}}
        content["note"] = [said.get(row) for row in range(len(batch.ids))]
    return content
