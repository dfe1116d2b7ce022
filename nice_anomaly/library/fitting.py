"""Fitting: which of several runs has learned what a user's samples are like.

Only ``run.json`` of a run is read and only the heading of a table: this comes before the work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nice_anomaly.data import BUILTIN, BuiltIn, Inputs, Kind, Layout, TableReading
from nice_anomaly.data.tables import open_tables
from nice_anomaly.errors import ArtifactError, DataError
from nice_anomaly.run import Manifest, load_manifest


@dataclass(frozen=True)
class Choice:
    """A run, and why it is that one; ``why`` is empty where it is simply the last one."""

    path: Path
    why: str = ""


def choose_run(last: Path, others: Sequence[Path], samples: Inputs | BuiltIn) -> Choice:
    """The ``last`` run if it fits the samples, else the only one of the ``others`` that does.

    Where none fits it is the last one too, whose own error says best what is wrong.

    Raises:
        ArtifactError: several of the others fit.
    """
    if not others:
        return Choice(last)
    try:
        misfit = against(samples)
        wrong = misfit(load_manifest(last))
    except (ArtifactError, DataError):
        return Choice(last)
    fitting = [] if wrong is None else [path for path in others if _fits(path, misfit)]
    if not fitting:
        return Choice(last)
    if len(fitting) > 1:
        raise ArtifactError(
            f"{' and '.join(map(str, fitting))} fit {samples.name}; {last}, trained last, {wrong}. "
            f"Name one with `run`."
        )
    return Choice(fitting[0], f"which fits {samples.name}; {last}, trained last, {wrong}")


def against(samples: Inputs | BuiltIn) -> Callable[[Manifest], str | None]:
    """What says of a run why the samples do not fit what it has learned; None if they do.

    Raises:
        DataError: the samples are a table whose heading cannot be read.
    """
    if isinstance(samples, BuiltIn):
        return partial(_other_set, BUILTIN[samples.name].layout)
    return partial(_other_input, samples.kind, _heading(samples))


def _fits(path: Path, misfit: Callable[[Manifest], str | None]) -> bool:
    try:
        return misfit(load_manifest(path)) is None
    except ArtifactError:
        return False


def _heading(samples: Inputs) -> frozenset[str] | None:
    """The columns of the first table; None for images, and for what can be read only once."""
    first = samples.parts[0]
    if samples.kind == "image" or (isinstance(first, Path) and not first.is_file()):
        return None
    try:
        return frozenset(next(open_tables([first], 1)).columns)
    except OSError as error:
        raise DataError(f"{samples.name} cannot be read: {error}.") from error


def _other_set(layout: Layout, manifest: Manifest) -> str | None:
    """A built-in set fits a run that has learned one whose samples are of the same layout."""
    data = manifest.data
    if isinstance(data.source, BuiltIn) and data.layout == layout:
        return None
    return f"has learned {data.name}, {data.described}"


def _other_input(kind: Kind, names: frozenset[str] | None, manifest: Manifest) -> str | None:
    """Files fit a run of their kind; a table one all of whose columns it has, as far as known."""
    data = manifest.data
    of_files = data.layout.kind == "image" and data.layout.levels == 256
    if isinstance(data.source, BuiltIn) and not of_files:
        return f"has learned the built-in set {data.name}"
    if data.layout.kind != kind:
        return f"has learned {'images' if kind == 'table' else 'a table'}"
    if names is None or not isinstance(data.reading, TableReading):
        return None
    absent = [c.name for c in data.reading.columns if c.width and c.name not in names]
    return f"needs the column '{absent[0]}'" if absent else None
