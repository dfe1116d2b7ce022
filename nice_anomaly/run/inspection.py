"""Inspection: every file of a run folder, and whether it is what it says it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from nice_anomaly.errors import ArtifactError, NiceAnomalyError, NotCalibratedError
from nice_anomaly.files import there
from nice_anomaly.run.calibration import SUFFIX, calibrations, file_of, load_calibration
from nice_anomaly.run.canaries import load_canaries
from nice_anomaly.run.manifest import (
    CANARIES,
    MANIFEST,
    REFERENCES,
    VIEWS,
    Manifest,
    load_manifest,
)
from nice_anomaly.run.references import load_references
from nice_anomaly.run.results import RESULT, VERBS, load_result, result_file
from nice_anomaly.run.stored import OLD, Folder, denied
from nice_anomaly.run.views import load_views
from nice_anomaly.run.weights import contents

State = Literal["ok", "damaged", "of other weights", "left over", "of a training", "not of a run"]
OF_TRAINING = (".training", "checkpoint.safetensors")
OURS = ("weights-", f"{CANARIES}-", f"{REFERENCES}-", f"{VIEWS}-")


@dataclass(frozen=True)
class Seen:
    """A file, its state, and what is wrong with one of the run."""

    name: str
    state: State
    error: NiceAnomalyError | None = None


def inspected(path: Path) -> tuple[Seen, ...]:
    """All files of a run in the order in which they prove each other, then those that are none."""
    found = [*_of_run(path)]
    known = {seen.name for seen in found}
    return (*found, *(_other(file) for file in _names(path) if file not in known))


def _of_run(path: Path) -> Iterator[Seen]:
    try:
        manifest = load_manifest(path)
    except ArtifactError as error:
        yield Seen(MANIFEST, "damaged", error)
        return
    files = Folder(path)
    yield Seen(MANIFEST, "ok")
    yield _tried(manifest.weights_file, lambda: contents(manifest, files))
    if CANARIES in manifest.parts:
        yield _tried(manifest.part_file(CANARIES), lambda: load_canaries(manifest, files))
    if REFERENCES in manifest.parts:
        yield _tried(manifest.part_file(REFERENCES), lambda: load_references(manifest, files))
    if VIEWS in manifest.parts:
        yield _tried(manifest.part_file(VIEWS), lambda: load_views(manifest, files))
    for name in calibrations(path):
        yield _calibration(path, manifest, name)
    for verb in VERBS:
        file = result_file(verb, manifest.fingerprint)
        if there(path / file):
            yield _tried(file, partial(load_result, path, verb, manifest.fingerprint))


def _calibration(path: Path, manifest: Manifest, name: str) -> Seen:
    old = manifest.format == OLD
    return _tried(
        file_of(name), lambda: load_calibration(path, manifest.fingerprint, name, old=old)
    )


def _tried(name: str, read: Callable[[], object]) -> Seen:
    try:
        read()
    except NotCalibratedError as error:
        return Seen(name, "of other weights", error)
    except NiceAnomalyError as error:
        return Seen(name, "damaged", error)
    return Seen(name, "ok")


def _other(name: str) -> Seen:
    if name in OF_TRAINING:
        return Seen(name, "of a training")
    ours = name.endswith(SUFFIX) or RESULT.fullmatch(name) is not None
    ours = ours or (name.startswith(OURS) and name.endswith(".safetensors"))
    return Seen(name, "left over" if ours else "not of a run")


def _names(path: Path) -> list[str]:
    try:
        return sorted(file.name for file in path.iterdir())
    except PermissionError as error:
        raise ArtifactError(denied(path)) from error
    except OSError:
        return []
