"""What the experiments share: runs that are what their settings say, results that say their origin.

``train_or_load`` never takes a run for what its folder is called; ``store`` writes with which
settings, versions and commit numbers were made.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from nice_anomaly import Run, load_run
from nice_anomaly.cli import render
from nice_anomaly.data import BuiltIn
from nice_anomaly.files import write
from nice_anomaly.keeping import Listener, Report, train_to_the_end
from nice_anomaly.learning import prepare, versions
from nice_anomaly.run import MANIFEST, new_run
from nice_anomaly.settings import Settings
from nice_anomaly.training import Checkpoint, Progress

HERE = Path(__file__).resolve().parent.parent
CODE = ("nice_anomaly", "configs", "scripts", "pyproject.toml")  # what can change a number
Results = Annotated[Path, typer.Option(help="Where results are written.")]
DataRoot = Annotated[Path, typer.Option(envvar="NICE_ANOMALY_DATA", help="Where the sets are.")]


def train_or_load(settings: Settings, path: Path, data_root: Path) -> Run:
    """The run in ``path`` if it has learned by just these settings, else a new one in its place.

    Raises:
        DataError: the built-in set of the settings is missing or damaged.
        ArtifactError: the run there is damaged or of a newer version.
    """
    if (path / MANIFEST).exists():
        run = load_run(path, data_root=data_root)
        differences = other(settings, run)
        if not differences:
            return run
        render.say(f"{path} is trained again, it differs in {', '.join(differences)}")
    return train(settings, path, data_root)


def train(settings: Settings, path: Path, data_root: Path) -> Run:
    """A new run in ``path``, whatever was there.

    Raises:
        DataError: the built-in set of the settings is missing or damaged.
    """
    job = prepare(settings, data_root)
    with new_run(path, overwrite=True), render.progress_bar(str(path), None, "samples") as bar:
        train_to_the_end(job, path, None, telling(path, settings, bar))
    return load_run(path, data_root=data_root)


def other(settings: Settings, run: Run) -> list[str]:
    """What of a run is not as wanted: settings by key, its data, or that it was interrupted."""
    manifest = run.manifest
    found = flat(manifest.settings.model_dump())
    wanted = flat(settings.model_dump())
    differences = [key for key in wanted if found[key] != wanted[key]]
    if manifest.data.source != BuiltIn(settings.data.normal):
        differences.append("data")
    return differences if manifest.finished else [*differences, "its end"]


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Settings with one key each, like ``train.epochs``."""
    keys: dict[str, Any] = {}
    for name, value in settings.items():
        inner = isinstance(value, Mapping)
        keys |= flat(value, f"{above}{name}.") if inner else {above + name: value}
    return keys


def telling(path: Path, settings: Settings, bar: render.Bar) -> Listener:
    """A listener that moves a bar with every step and says every epoch."""
    epochs = settings.train.epochs

    def tell(report: Report) -> None:
        if isinstance(report, Progress):
            size = report.samples_per_epoch
            done = report.epoch * size + report.samples
            bar.advance(done, epochs * size, note=f"{report.log_likelihood:.1f} nats")
        elif isinstance(report, Checkpoint):
            epoch = report.history[-1]
            render.say(
                f"{path.name} epoch {epoch.epoch + 1:>3}/{epochs}  fit {epoch.train:9.2f}  "
                f"held out {epoch.early_stopping:9.2f} nats  "
                f"{epoch.samples_per_second:,.0f} samples/s"
            )

    return tell


def store(path: Path, content: Mapping[str, Any], *, settings: Mapping[str, Any]) -> None:
    """Write results with their provenance. ``settings`` are those of the experiment, as values.

    Raises:
        ArtifactError: the file cannot be written; what was there before is unchanged.
    """
    document = {**content, "provenance": provenance(settings)}
    write(path, (json.dumps(document, indent=2) + "\n").encode())
    render.say(f"wrote {path}")


def provenance(settings: Mapping[str, Any]) -> dict[str, Any]:
    """By what numbers were made, when, and on how many processors."""
    commit = commit_of_the_code()
    return {
        "settings": dict(settings),
        "versions": versions(),
        **({} if commit is None else {"commit": commit}),
        "cpus": os.cpu_count(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def commit_of_the_code() -> str | None:
    """The commit, with ``-dirty`` if the code differs from it; None where there is no git."""
    if git("rev-parse", "--show-prefix") != "":  # none, or the repository of somebody else
        return None
    changed = git("status", "--porcelain", "--", *CODE)
    return f"{git('rev-parse', 'HEAD')}{'-dirty' if changed else ''}"


def git(*arguments: str) -> str | None:
    """What git says of this checkout; None if it cannot say anything."""
    command = ["git", "-C", str(HERE), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def read(path: Path) -> Any:
    """The content of a results file."""
    return json.loads(path.read_text(encoding="utf-8"))
