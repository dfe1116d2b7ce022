"""Manifest: ``run.json``, what a run is and where it came from."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from errno import EFBIG
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, TypeAdapter, ValidationError

from nice_anomaly import models
from nice_anomaly.data import BuiltIn, InMemory, Layout, Own, Reading, Source
from nice_anomaly.data.reading import restored, stored
from nice_anomaly.density import Shape
from nice_anomaly.errors import ArtifactError
from nice_anomaly.limits import beyond, limit
from nice_anomaly.run.plausible import faults
from nice_anomaly.run.seal import SEAL, sealed_json, unsealed_json
from nice_anomaly.run.stored import (
    FORMAT,
    OLD,
    Files,
    content_of,
    damaged,
    denied,
    digest,
    unreadable,
)
from nice_anomaly.settings import Settings
from nice_anomaly.training import EpochSummary

MANIFEST = "run.json"
CANARIES = "canaries"
REFERENCES = "references"  # not of every run
VIEWS = "views"  # nor this
MOST_NAMED = 8  # wrong entries in a sentence


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
    """What ``run.json`` says. ``fingerprint`` is the SHA-256 of the weights file.

    ``parts`` are the SHA-256 of further files by the name of the part.
    """

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
    parts: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def weights_file(self) -> str:
        """The name of the weights file: new weights never overwrite old ones."""
        return f"weights-{self.fingerprint[:12]}.safetensors"

    @property
    def files(self) -> dict[str, str]:
        """The names of the files of a run beside ``run.json``, with their SHA-256."""
        return {
            self.weights_file: self.fingerprint,
            **{self.part_file(part): content for part, content in self.parts.items()},
        }

    def part_file(self, part: str) -> str:
        """The name of the file of a part, by what is in it."""
        return f"{part}-{self.parts[part][:12]}.safetensors"

    @property
    def folds(self) -> int:
        """How many flows there are, each kept from one fold; 0 for a model that is one."""
        return getattr(self.architecture, "count", 0)

    @property
    def cut(self) -> str:
        """Which samples were used for what, for people."""
        data = self.data
        if self.folds:
            learners = f"each of them was learned by {self.folds - 1} of {self.folds} flows"
            return f"{data.n:,} in {self.folds} folds: {learners} and calibrates the other"
        return (
            f"{data.fit:,} to fit, {data.early_stopping:,} to tell when to stop, "
            f"{data.calibration:,} for calibration"
        )

    @property
    def seconds(self) -> float:
        """Time spent in training and its evaluations."""
        return sum(epoch.seconds for epoch in self.history)

    def record(self) -> dict[str, Any]:
        """Everything as plain values, as ``run.json`` has it."""
        reading = self.data.reading
        return {
            "format": self.format,
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
    return sealed_json(manifest.record())


def part_content(manifest: Manifest, files: Files, part: str, most: int) -> bytes:
    """The content of the file of a part, of at most so many bytes.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    file = manifest.part_file(part)
    content = files.read(file, most)
    if digest(content) != manifest.parts[part]:
        raise damaged(files.where, f"{file} was changed since it was written")
    return content


def load_manifest(path: Path) -> Manifest:
    """Read ``run.json`` alone.

    Raises:
        ArtifactError: missing, damaged, or written by a newer version.
    """
    try:
        content = content_of(path / MANIFEST, limit("manifest"))
    except PermissionError as error:
        raise ArtifactError(denied(path / MANIFEST)) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(
            f"there is no run in {path} (no {MANIFEST}). Train one with "
            f"`learn(run={str(path)!r})`, or name another folder with `run`."
        ) from error
    except OSError as error:
        if error.errno == EFBIG:
            raise ArtifactError(beyond("manifest", None, path / MANIFEST)) from error
        raise unreadable(path, MANIFEST, error) from error
    return parse_manifest(content, str(path))


def parse_manifest(content: bytes, where: str) -> Manifest:
    """The manifest that ``run.json`` says; no byte of it has changed, and every entry can be.

    Raises:
        ArtifactError: damaged, none, or written by a newer version.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(where, f"{MANIFEST} is not readable JSON") from error
    written = _format(document, where)
    try:
        if written != OLD:
            document = unsealed_json(content)
    except ValueError as error:
        raise damaged(where, f"{MANIFEST} was changed since it was written") from error
    if written == OLD and _newer(document):
        raise damaged(where, f"{MANIFEST} says format {OLD}, and has what came later")
    try:
        text = json.dumps(document)
        manifest = _adapter().validate_json(text, strict=True, extra="forbid")
    except (ValidationError, RecursionError, UnicodeError) as error:
        raise _wrong(where, _places(error)) from error
    wrong = [*faults(manifest)]
    if written != OLD and CANARIES not in manifest.parts:
        wrong.append("parts")
    if wrong:
        raise _wrong(where, wrong)
    return manifest


def _format(document: Any, where: str) -> int:
    """The format that ``run.json`` is of.

    Raises:
        ArtifactError: none that can be read here.
    """
    if not isinstance(document, dict) or "format" not in document:
        raise ArtifactError(
            f"{where} is not a run of nice-anomaly: its {MANIFEST} is of something else. Name "
            f"another folder with `run`."
        )
    written = document["format"]
    if isinstance(written, bool) or not isinstance(written, int) or written < OLD:
        raise damaged(where, f"{MANIFEST} has a format that never was")
    if written > FORMAT:
        raise ArtifactError(
            f"{where} was written by a newer version of nice-anomaly (format {written}, this one "
            f"reads {FORMAT}): upgrade with 'pip install --upgrade nice-anomaly'."
        )
    return written


def _newer(document: dict[str, Any]) -> bool:
    """Whether what says that it is old has what only a newer format has."""
    settings = document.get("settings")
    private = isinstance(settings, dict) and "private" in settings
    return private or SEAL in document or "parts" in document


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def _places(error: Exception) -> list[str]:
    """Where a document is wrong."""
    if not isinstance(error, ValidationError):
        return ["texts"]
    return [".".join(map(str, fault["loc"])) for fault in error.errors(include_url=False)]


def _wrong(where: str, places: list[str]) -> ArtifactError:
    what = ", ".join([*dict.fromkeys(f"{place:.80}" for place in places)][:MOST_NAMED])
    return damaged(where, f"{MANIFEST} lacks or has wrong entries: {what}")
