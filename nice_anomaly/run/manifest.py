"""Manifest: ``run.json``, what a run is and where it came from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nice_anomaly.config import Settings, validate
from nice_anomaly.data import Column, ImageForm, Layout, Reading
from nice_anomaly.errors import ArtifactError
from nice_anomaly.files import write
from nice_anomaly.flow import Architecture
from nice_anomaly.run.stored import FORMAT, damaged
from nice_anomaly.train import EpochSummary

MANIFEST = "run.json"


@dataclass(frozen=True)
class DataRecord:
    """Which data the run learned from: enough to find the same held-out samples again.

    ``repeated`` of the ``calibration`` samples have a twin among those that were learned from.
    ``inputs`` and ``reading`` are those of a user's own data.
    """

    name: str
    layout: Layout
    n: int
    fit: int
    early_stopping: int
    calibration: int
    fingerprint: str
    repeated: int = 0
    inputs: tuple[str, ...] = ()
    reading: Reading | None = None


@dataclass(frozen=True)
class Manifest:
    """What ``run.json`` says. ``fingerprint`` is the SHA-256 of the weights file."""

    created: str
    versions: dict[str, str]
    settings: Settings
    data: DataRecord
    architecture: Architecture
    finished: bool
    precision: str
    best_epoch: int
    history: tuple[EpochSummary, ...]
    fingerprint: str

    @property
    def weights_file(self) -> str:
        """The name of the weights file: new weights never overwrite old ones."""
        return f"weights-{self.fingerprint[:12]}.safetensors"


def save_manifest(path: Path, manifest: Manifest) -> None:
    """Write ``run.json``: from then on the folder is the run that it describes.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    document = {"format": FORMAT, **asdict(manifest), "settings": manifest.settings.model_dump()}
    write(path / MANIFEST, (json.dumps(document, indent=2) + "\n").encode())


def load_manifest(path: Path) -> Manifest:
    """Read ``run.json`` alone.

    Raises:
        ArtifactError: missing, damaged, or written by a newer version.
    """
    if not (path / MANIFEST).is_file():
        raise ArtifactError(
            f"there is no run in {path} (no {MANIFEST}). Train one with 'nice-anomaly train "
            f"--run {path}', or name another folder with --run."
        )
    try:
        document: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        written = int(document.pop("format"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, f"{MANIFEST} is not readable JSON") from error
    if written > FORMAT:
        raise ArtifactError(
            f"{path} was written by a newer version of nice-anomaly (format {written}, this one "
            f"reads {FORMAT}): upgrade with 'pip install --upgrade nice-anomaly'."
        )
    try:
        return Manifest(
            **{
                **document,
                "settings": validate(document["settings"], f"{path / MANIFEST}: settings"),
                "data": _data_record(document["data"]),
                "architecture": Architecture(**document["architecture"]),
                "history": tuple(EpochSummary(**entry) for entry in document["history"]),
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(path, f"{MANIFEST} lacks or has unknown entries") from error


def _data_record(entry: dict[str, Any]) -> DataRecord:
    layout = Layout(**{**entry["layout"], "shape": tuple(entry["layout"]["shape"])})
    reading = None if entry["reading"] is None else _reading(entry["reading"])
    inputs = tuple(entry["inputs"])
    return DataRecord(**{**entry, "layout": layout, "inputs": inputs, "reading": reading})


def _reading(entry: dict[str, Any]) -> Reading:
    columns = tuple(
        Column(**{**column, "categories": tuple(column["categories"])})
        for column in entry["columns"]
    )
    form = None if entry["form"] is None else ImageForm(**entry["form"])
    values = tuple(entry["anomaly_values"])
    return Reading(**{**entry, "form": form, "columns": columns, "anomaly_values": values})
