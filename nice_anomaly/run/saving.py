"""Saving: a run takes the place of another in one step, and what killed processes left goes.

``run.json`` is the switch: the other files of a run have names that no other content has.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nice_anomaly.errors import ArtifactError, ConfigError
from nice_anomaly.files import alone_in, refuse_no_name, remove, sweep, there, write
from nice_anomaly.run.checkpoint import (
    checkpoint_file,
    drop_checkpoint,
    load_checkpoint,
    refuse_nothing_to_resume,
    same_training,
)
from nice_anomaly.run.claim import TRAINING, claimed
from nice_anomaly.run.folder import Trained, packed
from nice_anomaly.run.manifest import MANIFEST, load_manifest
from nice_anomaly.run.results import RESULT, VERBS, result_file

UNSETTLED = "unsettled.json"
PART = re.compile(r"[a-z]+-[0-9a-f]{12}\.safetensors")


@contextmanager
def new_run(path: Path, *, overwrite: bool) -> Iterator[None]:
    """A folder for a new run, claimed, or the run there to ``overwrite``.

    Raises:
        ConfigError: it holds a run.
        ArtifactError: another process trains there, it is a file, or it cannot be written.
    """
    refuse_taken(path, overwrite=overwrite)
    with claimed(path):
        refuse_taken(path, overwrite=overwrite)  # it was free; now it stays so
        _settle(path)
        yield


@contextmanager
def unfinished_run(path: Path) -> Iterator[None]:
    """A folder with a training that stopped, claimed.

    Raises:
        ArtifactError: there is none, another process trains there, or it cannot be written.
    """
    refuse_nothing_to_resume(path)
    with claimed(path):
        _settle(path)
        yield


def refuse_taken(path: Path, *, overwrite: bool) -> None:
    """Refuse a place for a new run that holds another one, unless to ``overwrite`` it.

    Raises:
        ConfigError: it holds a run, or a training that stopped.
        ArtifactError: it is a file.
    """
    refuse_no_name(path, "run")
    if there(path) and not path.is_dir():
        raise ArtifactError(f"{path} is a file: name a folder with `run`.")
    here = (path / MANIFEST, "a run"), (checkpoint_file(path), "an interrupted training")
    held = [what for file, what in here if there(file)]
    if held and not overwrite:
        raise ConfigError(
            f"{path} already holds {held[0]}. Give `overwrite=True` to replace it, `resume=True` "
            f"to go on with an interrupted one, or another folder with `run`."
        )


def save_run(path: Path, trained: Trained) -> None:
    """Write a run; then the files go that the manifest before named and this one does not.

    Raises:
        ArtifactError: the folder cannot be written; what was there before is still whole.
    """
    files = packed(trained)
    manifest = files.pop(MANIFEST)
    new = {name for name in files if not there(path / name)}
    involved = {*files, *_unsettled(path), *(_named(path) or ())}
    try:
        write(path / TRAINING / UNSETTLED, json.dumps(sorted(involved)).encode())
        for name, content in files.items():
            write(path / name, content)
        with alone_in(path):
            write(path / MANIFEST, manifest)
    except BaseException:
        with suppress(ArtifactError):
            if _named(path) is None:
                _remove(path, new)
            else:
                _settle(path)
        raise
    _settle(path)


def tidy(path: Path) -> None:
    """Remove what killed processes left in a run folder, as far as one may; none that trains."""
    sweep(path)
    if not there(path / TRAINING):
        return
    sweep(path / TRAINING)
    with suppress(ArtifactError):
        if not there(checkpoint_file(path)) or _unsettled(path) or _over(path):
            with claimed(path, patience=0):
                _settle(path)


def _settle(path: Path) -> None:
    """End what a killed process had begun, in a folder that is claimed."""
    named = _named(path)
    if named is not None and there(path / TRAINING / UNSETTLED):
        _remove(path, _unsettled(path) - named)
    if _over(path):
        drop_checkpoint(path)
    if named is not None:
        _drop_results_of_others(path)


def _drop_results_of_others(path: Path) -> None:
    """Remove what ``stress`` and ``compare`` found with weights that are not there any more."""
    own = {result_file(verb, load_manifest(path).fingerprint) for verb in VERBS}
    with suppress(OSError):
        for file in [file for file in path.iterdir() if RESULT.fullmatch(file.name)]:
            if file.name not in own:
                remove(file)


def _remove(path: Path, names: set[str]) -> None:
    """Remove files of a run, and that a save was about them."""
    for file in (*(path / name for name in sorted(names)), path / TRAINING / UNSETTLED):
        remove(file)
    with suppress(OSError):  # it holds a lock or a checkpoint
        (path / TRAINING).rmdir()


def _unsettled(path: Path) -> set[str]:
    """The files that a save which did not end was about."""
    file = path / TRAINING / UNSETTLED
    try:
        names = json.loads(file.read_bytes() if file.is_file() else b"[]")
        return {name for name in names if PART.fullmatch(name)}
    except (OSError, ValueError, TypeError):
        return set()


def _named(path: Path) -> set[str] | None:
    """The files that the manifest in a folder names; None if none can be read."""
    try:
        manifest = load_manifest(path)
    except ArtifactError:
        return None
    return {name for name in manifest.files if PART.fullmatch(name)}


def _over(path: Path) -> bool:
    """Whether a checkpoint is there whose training has ended as the run beside it."""
    if not (there(checkpoint_file(path)) and there(path / MANIFEST)):
        return False
    try:
        manifest = load_manifest(path)
        return manifest.finished and same_training(manifest, load_checkpoint(path)[0])
    except ArtifactError:
        return False
