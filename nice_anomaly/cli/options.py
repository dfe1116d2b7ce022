"""Options that several verbs share: one name, one help text, one meaning, one panel."""

from pathlib import Path
from typing import Annotated, Any

import typer

INPUT, THRESHOLD, OUTPUT, RUN, MACHINE = "Input", "Threshold", "Output", "Run", "Machine"
DATA_ROOT = Path("data")


def option(panel: str, *names: str, **settings: Any) -> Any:
    """An option in a panel of the help."""
    return typer.Option(*names, rich_help_panel=panel, **settings)


Run = Annotated[
    Path | None,
    option(RUN, "--run", metavar="DIR", help="The run folder. Default: the one trained last here."),
]
DataRoot = Annotated[
    Path,
    option(
        MACHINE,
        "--data-root",
        metavar="DIR",
        envvar="NICE_ANOMALY_DATA",
        help="Where the built-in data sets are, or are downloaded to.",
    ),
]
Device = Annotated[str, option(MACHINE, "--device", metavar="DEVICE", help="auto, cpu or cuda.")]
Json = Annotated[
    bool, option(OUTPUT, "--json", help="Print one JSON object and nothing else on stdout.")
]
Input = Annotated[
    list[str] | None,
    option(
        INPUT,
        "--input",
        "-i",
        metavar="PATH",
        help="A file, folder or quoted pattern: images, CSV, Parquet, .npy; repeatable.",
    ),
]
Set = Annotated[
    str | None,
    option(INPUT, "--dataset", metavar="NAME", help="A built-in set; its test part is read."),
]
IdColumn = Annotated[
    str | None, option(INPUT, "--id-column", metavar="NAME", help="The column that names a row.")
]
LabelColumn = Annotated[
    str | None,
    option(INPUT, "--label-column", metavar="NAME", help="The column that tells anomalies."),
]
AnomalyValue = Annotated[
    list[str] | None,
    option(
        INPUT, "--anomaly-value", metavar="V", help="What the label of an anomaly is; repeatable."
    ),
]
GroupColumn = Annotated[
    str | None,
    option(
        THRESHOLD,
        "--group-column",
        metavar="NAME",
        help="A threshold for each value of this column; folder for images, class for built-ins.",
    ),
]
Calibration = Annotated[
    str,
    option(THRESHOLD, "--calibration", metavar="NAME", help="The one that calibrate --name kept."),
]
Skip = Annotated[
    bool,
    option(INPUT, "--skip-unreadable", help="Go on without what cannot be read, and count it."),
]
