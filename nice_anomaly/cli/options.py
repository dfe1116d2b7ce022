"""Options that several verbs share: one name, one help text, one meaning."""

from pathlib import Path
from typing import Annotated

import typer

from nice_anomaly.errors import ConfigError

RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run", metavar="DIR", help="The run folder. Default: the one trained last from here."
    ),
]
DataRootOption = Annotated[
    Path,
    typer.Option(
        "--data-root",
        metavar="DIR",
        envvar="NICE_ANOMALY_DATA",
        help="Where the built-in data sets are, or are downloaded to.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="PATH",
        help="A file, folder or quoted pattern: images, CSV, Parquet, .npy; repeatable.",
    ),
]
IdColumnOption = Annotated[
    str | None, typer.Option("--id-column", metavar="NAME", help="The column that names a row.")
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option("--label-column", metavar="NAME", help="The column that tells anomalies."),
]
AnomalyValueOption = Annotated[
    list[str] | None,
    typer.Option(
        "--anomaly-value", metavar="V", help="What the label of an anomaly is; repeatable."
    ),
]
GroupColumnOption = Annotated[
    str | None,
    typer.Option(
        "--group-column",
        metavar="NAME",
        help="A threshold for each value of this column; folder for images, class for built-ins.",
    ),
]
CalibrationOption = Annotated[
    str,
    typer.Option("--calibration", metavar="NAME", help="The one that calibrate --name kept."),
]
SkipOption = Annotated[
    bool,
    typer.Option("--skip-unreadable", help="Go on without what cannot be read, and count it."),
]
DATA_ROOT = Path("data")


def check_labels(label_column: str | None, anomaly_values: list[str] | None) -> None:
    """Refuse half of what tells anomalies.

    Raises:
        ConfigError: a label column without a value for anomalies, or the other way round.
    """
    if (label_column is None) != (not anomaly_values):
        raise ConfigError(
            "--label-column NAME and --anomaly-value V belong together: which column, and which "
            "of its values mean anomaly."
        )
