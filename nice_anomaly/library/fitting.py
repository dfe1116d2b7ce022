"""Fitting: which of several runs has learned what a user's samples are like.

Only ``run.json`` of a run is read and only the heading of a table: this comes before the work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from nice_anomaly.data import BUILTIN, BuiltIn, Dialect, Inputs, TableReading
from nice_anomaly.data.find import Part
from nice_anomaly.data.tables import ANY, open_tables, unheard
from nice_anomaly.errors import ArtifactError, DataError
from nice_anomaly.run import Manifest, load_manifest

Heading = Callable[[Dialect], frozenset[str] | None]


@dataclass(frozen=True)
class Choice:
    """A run, and why it is that one; ``why`` is empty where it is simply the last one."""

    path: Path
    why: str = ""


def choose_run(
    last: Path, others: Sequence[Path], samples: Inputs | BuiltIn, said: Dialect = ANY
) -> Choice:
    """The ``last`` run if it fits the samples, else the only one of the ``others`` that does.

    Where none fits it is the last one too, whose own error says best what is wrong. ``said`` is
    how tables are written.

    Raises:
        ArtifactError: several of the others fit.
    """
    if not others:
        return Choice(last)
    heading = cache(partial(_heading, samples.parts[0] if isinstance(samples, Inputs) else None))
    try:
        wrong = misfit(load_manifest(last), samples, heading, said)
    except (ArtifactError, DataError):
        return Choice(last)
    fitting = (
        [] if wrong is None else [path for path in others if _fits(path, samples, heading, said)]
    )
    if not fitting:
        return Choice(last)
    if len(fitting) > 1:
        raise ArtifactError(
            f"{' and '.join(map(str, fitting))} fit {samples.name}; {last}, trained last, {wrong}. "
            f"Name one with `run`."
        )
    return Choice(fitting[0], f"which fits {samples.name}; {last}, trained last, {wrong}")


def misfit(
    manifest: Manifest, samples: Inputs | BuiltIn, heading: Heading, said: Dialect
) -> str | None:
    """Why samples are not what a run has learned, as its predicate; None if they may be.

    A built-in set fits a run that has learned one whose samples are of the same layout, files one
    that has learned their kind, and a table one whose columns its ``heading`` has.

    Raises:
        DataError: the samples are a table whose heading cannot be read.
    """
    data = manifest.data
    of_set = isinstance(data.source, BuiltIn)
    if isinstance(samples, BuiltIn):
        same = of_set and data.layout == BUILTIN[samples.name].layout
        return None if same else f"has learned {data.name}, {data.described}"
    if of_set and (data.layout.kind, data.layout.levels) != ("image", 256):
        return f"has learned the built-in set {data.name}"
    if data.layout.kind != samples.kind:
        return f"has learned {'images' if samples.kind == 'table' else 'a table'}"
    if not isinstance(data.reading, TableReading):
        return None
    dialect = data.reading.written_in(said).dialect
    names = heading(replace(dialect, decimal=".", usual=""))
    absent = [column.name for column in data.reading.columns if column.width]
    absent = [] if names is None else [name for name in absent if name not in names]
    return f"needs the column '{absent[0]}'" if absent else None


def _fits(path: Path, samples: Inputs | BuiltIn, heading: Heading, said: Dialect) -> bool:
    try:
        return misfit(load_manifest(path), samples, heading, said) is None
    except (ArtifactError, DataError):
        return False


def _heading(first: Part | None, dialect: Dialect) -> frozenset[str] | None:
    """The columns of a table; None for none, and for what can be read only once."""
    if first is None or (isinstance(first, Path) and not first.is_file()):
        return None
    with unheard():
        try:
            return frozenset(next(open_tables([first], 1, dialect)).columns)
        except OSError as error:
            raise DataError(f"{first} cannot be read: {error}.") from error
