"""Run folders from the command line: which one is meant, which name is free."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nice_anomaly.cli import render
from nice_anomaly.errors import ArtifactError, NiceAnomalyError
from nice_anomaly.files import write

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


def place_for(
    run: Path | None, inputs: Sequence[str] | None, config: str, *, overwrite: bool
) -> Path:
    """The folder for a new run of these inputs, or else of this configuration; see ``claim``."""
    return claim(run, name_for(inputs) if inputs else Path(config).stem, overwrite=overwrite)


def claim(run: Path | None, name: str, *, overwrite: bool) -> Path:
    """The folder a new run goes to; without ``--run`` a taken name gets a number.

    Raises:
        ConfigError: the folder of ``--run`` holds a run and ``overwrite`` was not given.
        ArtifactError: the path is a file.
    """
    from nice_anomaly.run import refuse_taken

    if run is None:
        free = RUNS / name
        number = 2
        while not overwrite and (free / MANIFEST).exists():
            free, number = RUNS / f"{name}-{number}", number + 1
        return free
    refuse_taken(run, overwrite=overwrite)
    return run


def remember(path: Path) -> None:
    """Make ``path`` the run that later commands in this folder use by default."""
    try:
        write(LAST, os.fsencode(path) + b"\n")
    except NiceAnomalyError:
        # The run itself was saved: a folder without room for the note is no reason to fail.
        return
