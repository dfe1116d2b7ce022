"""A first hour in five commands, as the terminal shows it: what the README quotes.

Makes the log of a machine (``machine_log.py``), learns it, calibrates, detects, and keeps what the
commands printed in results/session.json. The seconds and scores are those of the machine it ran on.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import typer

import machine_log
from experiments import Results, store

COMMANDS = (
    "train press.csv --id-column Teil",
    "calibrate --alarms 5/day",
    "detect press-new.csv --output found.csv --keep-columns --sort score",
)


def main(results: Results = Path("results")) -> None:
    """Run the commands in an empty folder and keep what they say."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wrong = machine_log.weeks(folder)
        screens, started = {}, time.perf_counter()
        for command in COMMANDS:
            screens[command] = screen(command, folder)
            typer.echo(f"$ nice-anomaly {command}\n{screens[command]}")
        seconds = time.perf_counter() - started
        written = (folder / "found.csv").read_text(encoding="utf-8-sig").splitlines()
    planted = {str(row): what for row, what in wrong.items()}
    found = {"screens": screens, "planted": planted, "output": written[:8], "seconds": seconds}
    store(results / "session.json", found, settings={"commands": COMMANDS})


def screen(command: str, folder: Path) -> str:
    """What a command prints, on both streams in the order it was said."""
    done = subprocess.run(
        [sys.executable, "-m", "nice_anomaly", *command.split()],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n")


if __name__ == "__main__":
    typer.run(main)
