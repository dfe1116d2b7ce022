"""How long a table takes from rows to verdicts, by the commands that a user types.

Rows are those of a mixture of clumps, written as a .npy file. ``train``, ``calibrate`` and
``detect`` run as processes of their own; seconds and the peak of memory are those of each.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from experiments import store
from nice_anomaly.cli import render

CLUMPS = 8
MIB = 1024  # KiB, which is what Linux counts in


def main(
    learned: Annotated[int, typer.Option(min=30, help="Normal rows to learn.")] = 10_000,
    scored: Annotated[int, typer.Option(min=1, help="Rows to score.")] = 10_000,
    columns: Annotated[int, typer.Option(min=1)] = 20,
    options: Annotated[list[str] | None, typer.Option("--train", help="More for train.")] = None,
    results: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Print the seconds and the MiB of each command."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        random = np.random.default_rng(0)
        middles = random.normal(0, 3, (CLUMPS, columns))
        for name, count in (("normal", learned), ("new", scored)):
            own = middles[random.integers(0, CLUMPS, count)]
            np.save(folder / f"{name}.npy", own + random.normal(size=own.shape))
        verbs = {
            "train": ["--input", "normal.npy", "--run", "run", *(options or [])],
            "calibrate": ["--run", "run"],
            "detect": ["--run", "run", "--input", "new.npy", "--output", "verdicts.csv"],
        }
        found = {verb: timed([verb, *words], folder) for verb, words in verbs.items()}
    found["in all"] = {
        "seconds": sum(line["seconds"] for line in found.values()),
        "mib": max(line["mib"] for line in found.values()),
    }
    body = [[name, f"{line['seconds']:.1f}", f"{line['mib']:,.0f}"] for name, line in found.items()]
    title = f"{learned:,} rows learned, {scored:,} scored, {columns} columns"
    render.show_table(title, ["", "seconds", "MiB"], body)
    if results is not None:
        size = {"learned": learned, "scored": scored, "columns": columns}
        store(results, found, settings={**size, "options": options or []})


def timed(words: list[str], folder: Path) -> dict[str, float]:
    """The seconds of a command and the most memory that it had."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "nice_anomaly", *words], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(process.returncode)
    return {"seconds": time.perf_counter() - started, "mib": usage.ru_maxrss / MIB}


if __name__ == "__main__":
    typer.run(main)
