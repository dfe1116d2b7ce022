"""Run folders from the command line: which one is meant, which name is free."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from nice_anomaly.cli import render
from nice_anomaly.errors import ArtifactError, ConfigError, NiceAnomalyError
from nice_anomaly.files import sweep, there, why, write

if TYPE_CHECKING:
    from nice_anomaly.cli.options import Written
    from nice_anomaly.data import BuiltIn, Inputs

RUNS = Path("runs")
LAST = RUNS / ".last"
MANIFEST = "run.json"
MOST = 40  # runs that are looked at


def locate(
    run: Path | None,
    samples: "Inputs | BuiltIn | None" = None,
    written: "Written | None" = None,
) -> Path:
    """The folder given with ``--run``, else one that was trained here, and says which.

    It is the one that the last ``train`` in this folder wrote, unless another one under ``runs/``
    alone fits the ``samples`` that the verb is about, tables ``written`` so; see ``choose_run``.

    Raises:
        ArtifactError: none was given and none was trained here, or the samples fit several.
    """
    for folder in (Path(), RUNS):
        sweep(folder)
    if run is not None:
        return run
    last = _last()
    if samples is not None:
        from nice_anomaly.data import Dialect
        from nice_anomaly.library.fitting import choose_run

        said = Dialect(**written.words) if written else Dialect()
        choice = choose_run(last, _others(last), samples, said)
        if choice.why:
            render.say(f"run: {choice.path}, {choice.why}")
            return choice.path
    render.say(f"run: {last} (trained last; name another with --run)")
    return last


def _last() -> Path:
    """The run that was trained last here."""
    try:
        return Path(os.fsdecode(LAST.read_bytes().strip()))
    except PermissionError as error:
        raise ArtifactError(f"cannot read {LAST}: {why(error)}. Name a run with --run.") from error
    except OSError as error:
        raise ArtifactError(
            "no run was trained in this folder yet. Train one with 'nice-anomaly train', or "
            "name one with --run."
        ) from error


def _others(last: Path) -> list[Path]:
    """The other runs under ``runs/``, those trained latest; more than a few dozen cost time."""
    found = [file for file in RUNS.glob(f"*/{MANIFEST}") if file.parent.resolve() != last.resolve()]
    latest = sorted(found, key=lambda file: file.stat().st_mtime, reverse=True)[:MOST]
    return sorted(file.parent for file in latest)


def name_for(inputs: Sequence[str]) -> str:
    """The name of a run from what it learns, made of characters that every file system takes.

    >>> name_for(["data/2025-*.parquet"]), name_for(["parts/"]), name_for(["?"])
    ('2025', 'parts', 'run')
    """
    stem = Path(inputs[0]).stem
    return re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"


@contextmanager
def claim(run: Path | None, name: str, *, overwrite: bool) -> Iterator[Path]:
    """The folder a new run goes to, for this process alone while the block lasts.

    Without ``--run`` a name that is taken gets a number, and so does one that another process
    trains under.

    Raises:
        ConfigError: the folder of ``--run`` holds a run and ``overwrite`` was not given.
        ArtifactError: another process trains there, the path is a file, or it cannot be written.
    """
    from nice_anomaly.run import ClaimedError, new_run

    sweep(RUNS)
    if run is not None or overwrite:
        path = RUNS / name if run is None else run
        with new_run(path, overwrite=overwrite):
            yield path
        return
    with ExitStack() as stack:
        for number in count(1):
            path = RUNS / (name if number == 1 else f"{name}-{number}")
            with suppress(ConfigError, ClaimedError):
                stack.enter_context(new_run(path, overwrite=False))
                break
        yield path


@contextmanager
def unfinished(run: Path | None) -> Iterator[Path]:
    """The folder of a training to go on with, for this process alone while the block lasts.

    Raises:
        ArtifactError: there is none, or another process trains there.
    """
    from nice_anomaly.run import unfinished_run

    path = _begun() if run is None else run
    with unfinished_run(path):
        yield path


def _begun() -> Path:
    """The run trained last, if it can go on; else what was begun last and stopped at its start."""
    from nice_anomaly.run import checkpoint_file

    states = [checkpoint_file(path) for path in RUNS.glob("*")]
    begun = [file for file in states if there(file)]
    last = Path(os.fsdecode(LAST.read_bytes().strip())) if there(LAST) else None
    if not begun or (last is not None and there(checkpoint_file(last))):
        return locate(None)
    path = max(begun, key=lambda file: file.stat().st_mtime).parents[1]
    render.say(f"run: {path} (begun last; name another with --run)")
    return path


def remember(path: Path) -> None:
    """Make ``path`` the run that later commands in this folder use by default."""
    try:
        write(LAST, os.fsencode(path) + b"\n")
    except NiceAnomalyError:
        # The run itself was saved: a folder without room for the note is no reason to fail.
        return
