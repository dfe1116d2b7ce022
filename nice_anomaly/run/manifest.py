"""Manifest: ``run.json``, what a run is and where it came from."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, TypeAdapter, ValidationError

from nice_anomaly import models
from nice_anomaly.data import BuiltIn, InMemory, Layout, Own, Reading, Source
from nice_anomaly.data.reading import restored, stored
from nice_anomaly.density import Shape
from nice_anomaly.errors import ArtifactError
from nice_anomaly.run.stored import FORMAT, damaged
from nice_anomaly.settings import Settings
from nice_anomaly.training import EpochSummary

MANIFEST = "run.json"


def _made_by(restore: Callable[[Any], Any]) -> PlainValidator:
    """Entries that ``restore`` reads; what it refuses is a fault with the entry's name."""

    def validate(entry: Any) -> Any:
        try:
            return restore(entry)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error

    return PlainValidator(validate)


def _reading(entry: Any) -> Reading | None:
    return None if entry is None else restored(entry)


@dataclass(frozen=True)
class DataRecord:
    """Which data the run learned from: enough to find the same held-out samples again.

    ``repeated`` of the ``calibration`` samples have a twin among those that were learned from.
    ``inputs`` and ``reading`` are those of a user's own data, ``inputs`` none for data in memory.
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
    reading: Annotated[Reading | None, _made_by(_reading)] = None

    @property
    def described(self) -> str:
        """What one sample is, for people."""
        return str(self.layout) if self.reading is None else self.reading.described

    @property
    def source(self) -> Source:
        """Where the data came from."""
        if self.reading is None:
            return BuiltIn(self.name)
        return Own(self.inputs, self.reading) if self.inputs else InMemory(self.reading)


@dataclass(frozen=True)
class Manifest:
    """What ``run.json`` says. ``fingerprint`` is the SHA-256 of the weights file."""

    created: str
    versions: dict[str, str]
    settings: Settings
    data: DataRecord
    architecture: Annotated[Shape, _made_by(models.restored)]
    finished: bool
    precision: str
    best_epoch: int
    history: tuple[EpochSummary, ...]
    fingerprint: str

    @property
    def weights_file(self) -> str:
        """The name of the weights file: new weights never overwrite old ones."""
        return f"weights-{self.fingerprint[:12]}.safetensors"

    @property
    def seconds(self) -> float:
        """Time spent in training and its evaluations."""
        return sum(epoch.seconds for epoch in self.history)

    def record(self) -> dict[str, Any]:
        """Everything as plain values, as ``run.json`` has it."""
        reading = self.data.reading
        return {
            **vars(self),
            "settings": self.settings.model_dump(),
            "data": {
                **vars(self.data),
                "layout": asdict(self.data.layout),
                "reading": None if reading is None else stored(reading),
            },
            "architecture": models.stored(self.architecture),
            "history": [asdict(epoch) for epoch in self.history],
        }


def as_json(manifest: Manifest) -> bytes:
    """The content of ``run.json``."""
    return (json.dumps({"format": FORMAT, **manifest.record()}, indent=2) + "\n").encode()


def load_manifest(path: Path) -> Manifest:
    """Read ``run.json`` alone.

    Raises:
        ArtifactError: missing, damaged, or written by a newer version.
    """
    if not (path / MANIFEST).is_file():
        raise ArtifactError(
            f"there is no run in {path} (no {MANIFEST}). Train one with "
            f"`learn(run={str(path)!r})`, or name another folder with `run`."
        )
    try:
        content = (path / MANIFEST).read_bytes()
    except OSError as error:
        raise damaged(path, f"{MANIFEST} cannot be read ({error.strerror})") from error
    return parse_manifest(content, str(path))


def parse_manifest(content: bytes, where: str) -> Manifest:
    """The manifest that ``run.json`` says; every entry's type is checked.

    Raises:
        ArtifactError: damaged, or written by a newer version.
    """
    try:
        document: dict[str, Any] = json.loads(content)
        written = int(document.pop("format"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(where, f"{MANIFEST} is not readable JSON") from error
    if written > FORMAT:
        raise ArtifactError(
            f"{where} was written by a newer version of nice-anomaly (format {written}, this one "
            f"reads {FORMAT}): upgrade with 'pip install --upgrade nice-anomaly'."
        )
    try:
        text = json.dumps(document)
        return TypeAdapter(Manifest).validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        places = (".".join(map(str, fault["loc"])) for fault in error.errors())
        what = ", ".join(dict.fromkeys(places))
        raise damaged(where, f"{MANIFEST} lacks or has wrong entries: {what}") from error
