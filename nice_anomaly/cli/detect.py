"""``nice-anomaly detect``: flag what is improbable."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nice_anomaly.cli.options import (
    DATA_ROOT,
    DataRootOption,
    DeviceOption,
    JsonOption,
    RunOption,
)
from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from nice_anomaly.calibrate import Calibration
    from nice_anomaly.detect import Detection
    from nice_anomaly.run import Run

ANOMALIES_FOUND = 10


def detect(
    dataset: Annotated[
        str,
        typer.Option("--dataset", metavar="NAME", help="A built-in set; its test part is read."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="One row a sample, .csv or .jsonl."),
    ] = None,
    run: RunOption = None,
    data_root: DataRootOption = DATA_ROOT,
    device: DeviceOption = "auto",
    fail_on_anomaly: Annotated[
        bool, typer.Option("--fail-on-anomaly", help="Exit with 10 when anything is flagged.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Score samples and flag those below the threshold."""
    if output is not None and output.suffix not in (".csv", ".jsonl"):
        raise ConfigError(f"--output takes a file name ending in .csv or .jsonl, got '{output}'.")
    from nice_anomaly import pipeline
    from nice_anomaly.cli import render, runs
    from nice_anomaly.data import builtin
    from nice_anomaly.detect import detect as hold_against
    from nice_anomaly.run import load_calibration, load_run

    builtin(dataset)  # a wrong name is said before the run is read
    loaded = load_run(runs.locate(run))
    calibration = load_calibration(loaded)
    scores = pipeline.evaluation_scores(loaded, dataset, data_root, device)
    found = hold_against(scores, calibration)
    if output is not None:
        write_rows(output, found)
        render.say(f"wrote {len(scores):,} rows to {output}")
    summary = summarise(loaded, dataset, calibration, found)
    if as_json:
        render.show_json(summary)
    else:
        show(summary, calibration, found)
    if fail_on_anomaly and summary["flagged"]:
        raise typer.Exit(ANOMALIES_FOUND)


def summarise(
    run: "Run", dataset: str, calibration: "Calibration", found: "Detection"
) -> dict[str, Any]:
    """What ``--json`` prints: counts, and the error that a built-in set allows to count."""
    from nice_anomaly.metrics import Rate

    n, flagged = len(found.scores), int(found.flagged.sum())
    normal = dataset == run.manifest.data.name
    errors = Rate(flagged if normal else n - flagged, n)
    return {
        "source": dataset,
        "n": n,
        "flagged": flagged,
        "flagged_rate": flagged / n,
        "threshold": calibration.threshold,
        "rule": calibration.rule,
        "error_kind": "type I" if normal else "type II",
        "errors": errors.count,
        "error_rate": errors.value,
        "interval": list(errors.interval),
        "run": str(run.path),
    }


def show(summary: dict[str, Any], calibration: "Calibration", found: "Detection") -> None:
    """The same for people."""
    import numpy as np

    from nice_anomaly.cli import render

    meaning = {"type I": "normal but flagged", "type II": "anomalous but passed"}
    kind, n, flagged = summary["error_kind"], summary["n"], summary["flagged"]
    render.show_facts(
        f"detected: {summary['source']} against {summary['run']}",
        [
            ("samples", f"{n:,}"),
            ("flagged", f"{flagged:,} ({render.percent(flagged / n)})"),
            ("threshold", f"{calibration.threshold:,.2f} nats, mean - {calibration.k:g}σ"),
            ("median score", f"{float(np.median(found.scores)):,.2f} nats"),
            (f"{kind}, {meaning[kind]}", f"{summary['errors']:,} of {n:,}"),
            (
                "error rate, 95 % interval",
                render.rate(summary["error_rate"], summary["interval"]),
            ),
        ],
    )


def write_rows(output: Path, found: "Detection") -> None:
    """One row a sample in input order, as CSV or JSON lines; the file appears whole.

    Raises:
        ArtifactError: it cannot be written.
    """
    import csv
    import io
    import json

    from nice_anomaly.files import write

    columns = {
        "id": range(len(found.scores)),
        "score": found.scores.tolist(),
        "margin": found.margin.tolist(),
        "p_value": found.p_value.tolist(),
        "flagged": found.flagged.tolist(),
    }
    rows: Any = zip(*columns.values(), strict=True)
    text = io.StringIO()
    if output.suffix == ".csv":
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows((*row[:-1], str(row[-1]).lower()) for row in rows)
    else:
        text.writelines(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    write(output, text.getvalue().encode())
