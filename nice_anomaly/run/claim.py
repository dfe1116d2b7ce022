"""The claim: a run folder belongs to one process while it trains or saves into it.

What an unfinished training needs is in a place of its own, ``.training/``, beside the run: the lock
of its process, and the checkpoint.
"""

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from nice_anomaly.errors import ArtifactError
from nice_anomaly.files import saying
from nice_anomaly.locks import LetGo, take

TRAINING = ".training"
LOCK = "lock"
NOTE = re.compile(r"pid \d+ since [\d:. -]{1,30}")
TRIES = 100  # to be faster than others that make and remove the same folders
PATIENCE, POLL = 1.0, 0.05  # seconds; a save and a sweep are over sooner


class ClaimedError(ArtifactError):
    """Another process trains into the folder."""


@contextmanager
def claimed(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """The run folder ``path``, made if need be, for this process alone while the block lasts.

    Folders that were made for it go again if nothing was put there.

    Raises:
        ClaimedError: another process has it, and still does when ``patience`` is at its end.
        ArtifactError: it cannot be written.
    """
    place, made = path / TRAINING, list[Path]()
    try:
        let_go = _taken(place, made, time.monotonic() + patience)
        try:
            yield
        finally:
            let_go()
    finally:
        for folder in (place, *reversed(made)):
            with suppress(OSError):  # it holds something, or it is another's by now
                folder.rmdir()


def _taken(place: Path, made: list[Path], until: float) -> LetGo:
    """The lock of a claim; folders that this made are added to ``made``."""
    note = f"pid {os.getpid()} since {datetime.now():%Y-%m-%d %H:%M}".encode()
    with saying(place):
        for _ in range(TRIES):
            try:
                _make(place, made)
                let_go = take(place / LOCK, note)
                while let_go is None and time.monotonic() < until:
                    time.sleep(POLL)
                    let_go = take(place / LOCK, note)
            except FileNotFoundError:  # its last owner has removed a folder
                continue
            if let_go is None:
                raise ClaimedError(
                    f"{place.parent} is being trained by another process{_who(place / LOCK)}. "
                    f"Wait for its end, or name another folder with `run`."
                )
            return let_go
        raise FileNotFoundError(0, "its folders are removed again and again")


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it, as far as they are missing."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        try:
            one.mkdir()
        except FileExistsError:
            continue
        made.append(one)
    if not stat.S_ISDIR(folder.stat().st_mode):
        raise NotADirectoryError(0, "it is no folder")


def _who(lock: Path) -> str:
    """Who has it, where it says so."""
    try:
        note = lock.read_bytes()[:80].decode(errors="replace")
    except OSError:
        return ""
    return f" ({note})" if NOTE.fullmatch(note) else ""
