"""``nice-anomaly detect``: flag what is improbable."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    AnomalyValueOption,
    DataRootOption,
    DeviceOption,
    IdColumnOption,
    InputOption,
    JsonOption,
    LabelColumnOption,
    RunOption,
    SkipOption,
)
from nice_anomaly.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nice_anomaly.calibrate import Calibration
    from nice_anomaly.cli.findings import Findings
    from nice_anomaly.data import Batch, Inputs, Reading
    from nice_anomaly.detect import Detection
    from nice_anomaly.run import Run
    from nice_anomaly.score import Scores

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
    if (label_column is None) != (not anomaly_values):
        raise ConfigError("--label-column NAME and --anomaly-value V belong together.")
    from nice_anomaly import output as rows
    from nice_anomaly.cli import render, runs
    from nice_anomaly.cli.findings import Findings
    from nice_anomaly.data import builtin, recognise
    from nice_anomaly.detect import detect as hold_against
    from nice_anomaly.run import load_calibration, load_run

    if output is not None:
        rows.check(output)
    if dataset is not None:
        builtin(dataset)  # a wrong name is said before the run is read
    found = recognise(inputs) if inputs else None
    if found is not None and output is not None:
        _spare(found, output, inputs or [])
    loaded = load_run(runs.locate(run))
    reading = _reading(loaded, id_column, label_column, anomaly_values or [])
    calibration = load_calibration(loaded)
    findings = Findings(top=(10 if found else 0) if top is None else top)
    if dataset is not None:
        samples = _builtin(loaded, dataset, data_root, device)
    else:
        assert found is not None
        samples = _own(loaded, found, device, reading)
    with rows.open_rows(output) if output else nullcontext() as file:
        for batch, scores in samples:
            if label_column is not None and batch.truth is None:
                raise DataError(f"the input has no column '{label_column}' for --label-column.")
            detection = hold_against(scores, calibration)
            findings.add(batch, detection)
            if file is not None:
                file.add(columns(batch, detection, noted=found is not None))
    if output is not None:
        render.say(f"wrote {findings.n + findings.unreadable:,} rows to {output}")
    source = dataset if dataset is not None else ", ".join(inputs or ())
    summary = findings.summary(source, loaded, calibration)
    if dataset is not None:
        summary |= findings.truth_of(normal=dataset == loaded.manifest.data.name)
    if as_json:
        render.show_json(summary)
    else:
        show(summary, calibration, findings)
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
    run: "Run", id_column: str | None, label_column: str | None, values: "Sequence[str]"
) -> "Reading | None":
    """How the run reads its input, with other columns for names and labels if asked for."""
    from dataclasses import replace

    reading = run.manifest.data.reading
    if id_column is None and label_column is None:
        return reading
    if reading is None or reading.form is not None:
        raise ConfigError("--id-column and --label-column are for tables.")
    if id_column is not None:
        reading = replace(reading, id_column=id_column)
    if label_column is not None:
        reading = replace(reading, label_column=label_column, anomaly_values=tuple(values))
    return reading


def _builtin(run: "Run", name: str, root: Path, device: str) -> "Iterator[tuple[Batch, Scores]]":
    """A built-in set as one batch."""
    from nice_anomaly import pipeline
    from nice_anomaly.data import Batch, evaluation_part

    data = evaluation_part(name, root)
    ids = [str(row) for row in range(len(data))]
    yield Batch(ids, data.values), pipeline.score_dataset(run, data, device)


def _own(
    run: "Run", inputs: "Inputs", device: str, reading: "Reading | None"
) -> "Iterator[tuple[Batch, Scores]]":
    """A user's samples under a bar that counts them."""
    from nice_anomaly import pipeline
    from nice_anomaly.cli import render

    done = 0
    total = len(inputs.files) if inputs.kind == "image" and len(inputs.files) > 1 else None
    with render.progress_bar("scoring", total, "samples") as bar:
        for batch, scores in pipeline.score_inputs(run, inputs, device, reading):
            yield batch, scores
            done += len(scores)
            bar.advance(done)


def columns(batch: "Batch", found: "Detection", *, noted: bool) -> dict[str, list[Any]]:
    """What the output file says of each sample; a sample that cannot be read has no verdict."""
    content: dict[str, list[Any]] = {
        "id": list(batch.ids),
        "score": found.scores.tolist(),
        "margin": found.margin.tolist(),
        "p_value": found.p_value.tolist(),
        "flagged": found.flagged.tolist(),
    }
    for row in batch.faults:
        for name in ("score", "margin", "p_value", "flagged"):
            content[name][row] = None
    if noted:
        said = {**batch.notes, **{row: f"unreadable: {why}" for row, why in batch.faults.items()}}
        content["note"] = [said.get(row) for row in range(len(batch.ids))]
    return content


def _short(note: str, most: int = 2) -> str:
    """The first few remarks of a row; the output file has them all."""
    remarks = note.split("; ")
    more = [f"{len(remarks) - most} more"] if len(remarks) > most else []
    return "; ".join(remarks[:most] + more)


def show(summary: dict[str, Any], calibration: "Calibration", findings: "Findings") -> None:
    """The same for people."""
    from nice_anomaly.cli import render

    n, flagged = summary["n"], summary["flagged"]
    facts = [
        ("samples", f"{n:,}"),
        ("flagged", f"{flagged:,} ({render.percent(flagged / n if n else 0)})"),
        ("threshold", f"{calibration.threshold:,.2f} nats, mean - {calibration.k:g}σ"),
        ("median score", f"{findings.median:,.2f} nats"),
    ]
    if summary["unreadable"]:
        facts.append(("unreadable", f"{summary['unreadable']:,}, without a verdict"))
    if "error_kind" in summary:
        kind = summary["error_kind"]
        meaning = {"type I": "normal but flagged", "type II": "anomalous but passed"}
        facts += [
            (f"{kind}, {meaning[kind]}", f"{summary['errors']:,} of {n:,}"),
            (
                "error rate, 95 % interval",
                render.rate(summary["error_rate"], summary["interval"]),
            ),
        ]
    for key, label in (("type_i", "type I, normal but flagged"), ("type_ii", "type II, passed")):
        if key in summary:
            facts.append((label, render.rate(summary[key], summary[f"{key}_interval"])))
    if "auroc" in summary:
        facts += [
            ("AUROC, AUPRC", f"{summary['auroc']:.4f}, {summary['auprc']:.4f}"),
            ("false alarms at 95 % found", render.percent(summary["fpr_at_95_tpr"])),
        ]
    render.show_facts(f"detected: {summary['source']} against {summary['run']}", facts)
    if findings.least:
        render.show_table(
            f"the {len(findings.least)} least probable",
            ["id", "score", "p-value", "flagged", "what is odd"],
            [
                [name, f"{score:,.1f}", f"{p:.4f}", "yes" if flag else "no", _short(note)]
                for score, name, p, flag, note in findings.least
            ],
            words=(0, 3, 4),
        )
