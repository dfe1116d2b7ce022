"""Batches: everything in an input, a few samples at a time, in order.

Every sample of the input is in a batch: one that cannot be read keeps its place and its reason.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import images
from nice_anomaly.data.arrays import Arrays
from nice_anomaly.data.find import Inputs
from nice_anomaly.data.labels import Truth, column_for, truth_of
from nice_anomaly.data.names import readable
from nice_anomaly.data.reading import ImageReading, Reading, TableReading
from nice_anomaly.data.tables import (
    Chunk,
    Column,
    Frame,
    Written,
    column_names,
    encode,
    open_tables,
)
from nice_anomaly.data.tables.cells import Cells, cut, numbers, typed, words
from nice_anomaly.data.tables.moments import moments
from nice_anomaly.errors import DataError
from nice_anomaly.words import count_of

ROWS = 8_192  # of a table at a time
IMAGES = 512  # image files at a time
BY_POSITION = re.compile(r"x[0-9]+")  # the columns of an array


@dataclass(frozen=True)
class Batch:
    """Consecutive samples: ``values`` ``[m, d]`` in input order, whatever could be read or not.

    ``faults`` says which cannot be read and why, ``notes`` what is odd about others, both by
    place in the batch. ``truth`` is there where the input has labels, ``groups`` ``[m]`` where
    the reading asks for them; None is a sample that belongs nowhere. Of a table there are the
    numbers of its rows, when they were where a column says so, the columns as they stood in the
    input, how a text file of them was written, and the ``cells`` that the run's ``columns`` are
    read from. ``learned`` ``[m]`` are those that a run has
    learned from, where that was looked for. ``valued`` says which samples ``values`` are of, where
    only those of some were kept. ``untold`` are cells that ``values`` do not tell: see ``Encoded``.
    """

    ids: list[str]
    values: NDArray[np.uint8] | NDArray[np.float64]
    faults: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    truth: Truth | None = None
    groups: list[str | None] | None = None
    rows: range | None = None
    times: NDArray[np.datetime64] | None = None
    originals: Mapping[str, Any] = field(default_factory=dict)
    written: Written = field(default_factory=Written)
    cells: Mapping[str, Cells] = field(default_factory=dict)
    columns: Sequence[Column] = ()
    learned: NDArray[np.bool_] | None = None
    valued: NDArray[np.int64] | None = None
    untold: Mapping[int, Mapping[str, str | None]] = field(default_factory=dict)

    @property
    def typed(self) -> dict[str, Any]:
        """The columns of the input with numbers as numbers and dates as dates, the rest as it was.

        What is neither there, and a number with a unit, stays the text that it was.
        """
        found = dict(self.originals)
        for column in self.columns:
            cells = self.cells.get(column.name)
            if cells is None or cells.dtype.kind != "O" or column.name not in found:
                continue
            if column.kind == "number" and not column.unit:
                numeric, _ = numbers(cells)
                known, values = ~np.isnan(numeric), numeric.tolist()
            elif column.dated:
                times, _ = moments(cells, column.form)
                known, values = ~np.isnat(times), times.astype("datetime64[s]").tolist()
            else:
                continue
            given = found[column.name]
            texts = given.to_pylist() if hasattr(given, "to_pylist") else given.tolist()
            pairs = zip(known, values, texts, strict=True)
            found[column.name] = [value if there else text for there, value, text in pairs]
        return found

    @property
    def good(self) -> NDArray[np.bool_]:
        """Which samples could be read, ``[m]``."""
        good = np.ones(len(self.ids), dtype=bool)
        good[list(self.faults)] = False
        return good

    def raw(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The values of some samples that have them; ``rows`` are in order where few have."""
        return self.values[rows if self.valued is None else np.searchsorted(self.valued, rows)]

    def refuse_faults(self, source: str) -> None:
        """Raises DataError for the first sample of ``source`` that cannot be read."""
        refuse_unreadable(self.faults, lambda row: f"{source}, sample {self.ids[row]}")


def batches(inputs: Inputs, reading: Reading) -> Iterator[Batch]:
    """Everything in the input, a batch at a time, read as ``reading`` says.

    Raises:
        DataError: a file that is no table at all, a missing column, the wrong kind, or the index
            of a frame that names rows twice; at the end, nothing of it can be read.
    """
    refuse_other_kind(inputs, reading)
    if isinstance(reading, TableReading):
        _check_frames_and_arrays(inputs, reading)
    return _some_readable(_guarded(inputs, reading), inputs.name)


def refuse_other_kind(inputs: Inputs, reading: Reading) -> None:
    """Raises DataError for images where a table was learned, or the other way round."""
    if reading.kind != inputs.kind:
        learned, given = (
            "images" if kind == "image" else "a table" for kind in (reading.kind, inputs.kind)
        )
        raise DataError(f"{inputs.name} holds {given}, but the run has learned {learned}.")


def refuse_unreadable(faults: dict[int, str], where: Callable[[int], str]) -> None:
    """An error that names the first sample that cannot be read; ``where`` says which it is.

    Raises:
        DataError: there is one.
    """
    if not faults:
        return
    row, reason = next(iter(faults.items()))
    others = len(faults) - 1
    more = f" So {'is' if others == 1 else 'are'} {others:,} more." if others else ""
    raise DataError(
        f"{where(row)}: {reason}.{more} Repair or remove what cannot be read, or leave it out "
        f"with `skip_unreadable=True`."
    )


def refuse_nothing(source: str, n: int, first: str) -> None:
    """Raises DataError for ``n`` samples of which none can be read, the first for its reason."""
    what = f"none of the {n:,} samples in {source} can be read. The first is"
    if n == 1:
        what = f"the only sample in {source} cannot be read. It is"
    raise DataError(f"{what} {first}. Is it the right input?")


def _some_readable(found: Iterator[Batch], source: str) -> Iterator[Batch]:
    """The same, refused at the end if no sample could be read."""
    n, good, first = 0, False, ""
    for batch in found:
        if batch.faults and not first:
            row, reason = next(iter(batch.faults.items()))
            first = f"sample {batch.ids[row]}: {reason}"
        n += len(batch.ids)
        good = good or len(batch.faults) < len(batch.ids)
        yield batch
    if n and not good:
        refuse_nothing(source, n, first)


def _guarded(inputs: Inputs, reading: Reading) -> Iterator[Batch]:
    try:
        if isinstance(reading, TableReading):
            yield from _table_batches(inputs, reading)
        elif inputs.parts and isinstance(inputs.parts[0], Path):
            yield from _file_batches(inputs, reading)
        else:
            yield from _array_batches(inputs, reading)
    except OSError as error:
        raise DataError(f"{error.filename or inputs.name} cannot be read: {error}.") from error


def _table_batches(inputs: Inputs, reading: TableReading) -> Iterator[Batch]:
    """All tables; one of several that cannot be read is one sample that cannot, with the reason."""
    many = len(inputs.parts) > 1
    for part in inputs.parts:
        try:
            for chunk in open_tables([part], ROWS, reading.dialect):
                yield table_batch(chunk, reading, many=many)
        except DataError as error:
            if not many or not isinstance(part, Path):
                raise
            nothing = np.zeros((1, reading.layout.dimensions))
            groups: list[str | None] | None = None if reading.group_column is None else [None]
            why = {0: str(error).rstrip(".")}
            yield Batch([readable(part)], nothing, why, groups=groups, rows=range(1))


def _check_frames_and_arrays(inputs: Inputs, reading: TableReading) -> None:
    """What of tables in memory can be said before they are read."""
    learned = [column for column in reading.columns if BY_POSITION.fullmatch(column.name)]
    needed = {column.name for column in learned if column.width}
    for part in inputs.parts:
        if isinstance(part, Frame) and reading.id_column is None:
            part.refuse_repeated_ids()
        elif isinstance(part, Arrays) and part.path is None and learned:
            names = set(column_names(part))
            if needed - names or names - {column.name for column in learned}:
                raise DataError(
                    f"{part.name} has {count_of(len(names), 'column')}, but the run has learned "
                    f"from {len(learned):,}: the columns of an array are found by position."
                )


def _file_batches(inputs: Inputs, reading: ImageReading) -> Iterator[Batch]:
    paths = inputs.paths
    for first in range(0, len(paths), IMAGES):
        files = paths[first : first + IMAGES]
        values, faults = images.decode(files, reading.form)
        ids = [readable(file, inputs.root) for file in files]
        groups = None
        if reading.group_column is not None:
            groups = [_folder_of(file, inputs) for file in files]
        yield Batch(ids, values, faults, groups=groups)


def _array_batches(inputs: Inputs, reading: ImageReading) -> Iterator[Batch]:
    if reading.group_column is not None:
        raise DataError(f"{inputs.name} is an array of images: it has no groups to tell apart.")
    for part in inputs.parts:
        assert isinstance(part, Arrays)
        prefix = f"{part.name}:" if len(inputs.parts) > 1 else ""
        first = 0
        for piece, _ in part.pieces(IMAGES):
            ids = [f"{prefix}{row}" for row in range(first, first + len(piece))]
            yield Batch(ids, images.resize(piece, reading.form))
            first += len(piece)


def table_batch(chunk: Chunk, reading: TableReading, *, many: bool) -> Batch:
    """One piece of a table as a batch; ``many`` says that its rows need the table's name too.

    Raises:
        DataError: a column of the run, or the one with ids, is not there.
    """
    try:
        encoded = encode(chunk.columns, reading.columns, chunk.rows)
    except DataError as error:
        raise DataError(f"{chunk.name}: {error}") from error
    faults = {**encoded.faults, **chunk.faults}
    notes = {row: note for row, note in encoded.notes.items() if row not in faults}
    truth = None
    if reading.label_column is not None and reading.label_column in chunk.columns:
        truth = truth_of(words(chunk.columns[reading.label_column]), reading.anomaly_values)
    groups = None
    if reading.group_column is not None:
        named = words(column_for("grouping", reading.group_column, chunk))
        groups = [None if name is None else _shortened(name) for name in named]
    column, times = reading.times, None
    if column is not None and column.name in chunk.columns:
        times, _ = moments(chunk.columns[column.name], column.form)
    ids, rows = _ids(chunk, reading, many), range(chunk.start, chunk.start + chunk.rows)
    said = faults, notes, truth, groups
    return Batch(
        ids,
        encoded.values,
        *said,
        rows,
        times,
        chunk.originals,
        chunk.written,
        chunk.columns,
        reading.columns,
        untold=encoded.untold,
    )


def _ids(chunk: Chunk, reading: TableReading, many: bool) -> list[str]:
    """What names each row: its cell of the id column, else its index label, else its number."""
    prefix = f"{chunk.name}:" if many else ""
    numbers = [f"{prefix}{row}" for row in range(chunk.start, chunk.start + chunk.rows)]
    if reading.id_column is None:
        return numbers if chunk.ids is None else [f"{prefix}{label}" for label in chunk.ids]
    column_for("`id_column`", reading.id_column, chunk)
    named = _as_given(chunk.originals[reading.id_column])
    return [name or number for number, name in zip(numbers, named, strict=True)]


def _as_given(column: Any) -> NDArray[np.object_]:
    """Names as they stood in the input; those of an Arrow array too."""
    return words(typed(column.to_pylist()) if hasattr(column, "to_pylist") else column)


def _shortened(name: str) -> str:
    """A number as short as it can be: the group 1.0 is the group 1. A long text is cut."""
    name = cut(name)
    try:
        value = float(name)
    except ValueError:
        return name
    return str(int(value)) if value.is_integer() else name


def _folder_of(file: Path, inputs: Inputs) -> str | None:
    """The group of an image file.

    The first folder below the single folder that was given; with several given, the one given;
    otherwise the folder that holds the file.
    """
    if inputs.root is not None and len(parts := file.relative_to(inputs.root).parts) > 1:
        return readable(Path(parts[0]))
    above = [folder for folder in inputs.folders if folder in file.parents]
    name = Path(os.path.abspath(above[0] if above else file.parent)).name  # noqa: PTH100
    return readable(Path(name)) if name else None
