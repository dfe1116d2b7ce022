"""Options that several verbs share: one name, one help text, one meaning."""

from pathlib import Path
from typing import Annotated

import typer

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
DATA_ROOT = Path("data")
