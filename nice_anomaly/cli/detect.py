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
    from nice_anomaly.detect import Detection

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
    import numpy as np

    from nice_anomaly import pipeline
    from nice_anomaly.cli import render, runs
    from nice_anomaly.data import builtin
    from nice_anomaly.detect import detect as hold_against
    from nice_anomaly.metrics import Rate
    from nice_anomaly.run import load_calibration, load_run

    builtin(dataset)  # a wrong name is said before the run is read
    loaded = load_run(runs.locate(run))
    calibration = load_calibration(loaded)
    scores = pipeline.evaluation_scores(loaded, dataset, data_root, device)
    found = hold_against(scores, calibration)
    n, flagged = len(scores), int(found.flagged.sum())
    normal = dataset == loaded.manifest.data.name
    errors = Rate(flagged if normal else n - flagged, n)
    if output is not None:
        write_rows(output, found)
        render.say(f"wrote {n:,} rows to {output}")
    if as_json:
        render.show_json(
            {
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
                "run": str(loaded.path),
            }
        )
    else:
        kind = "type I, normal but flagged" if normal else "type II, anomalous but passed"
        render.show_facts(
            f"detected: {dataset} against {loaded.path}",
            [
                ("samples", f"{n:,}"),
                ("flagged", f"{flagged:,} ({render.percent(flagged / n)})"),
                ("threshold", f"{calibration.threshold:,.2f} nats, mean - {calibration.k:g}σ"),
                ("median score", f"{float(np.median(scores)):,.2f} nats"),
                (kind, f"{errors.count:,} of {n:,}"),
                ("error rate, 95 % interval", render.rate(errors.value, errors.interval)),
            ],
        )
    if fail_on_anomaly and flagged:
        raise typer.Exit(ANOMALIES_FOUND)


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
