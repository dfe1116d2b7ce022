"""Inputs: a user's files, recognised as images or a table, and read as batches of samples.

Every sample of the input is in a batch, in order: one that cannot be read keeps its place and
its reason. What a run needs to read other files the same way is its ``Reading``.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import has_magic
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import arrays, images
from nice_anomaly.data.dataset import Kind, Layout
from nice_anomaly.data.images import ImageForm
from nice_anomaly.data.tables import Chunk, Column, encode, is_table_file, open_tables
from nice_anomaly.data.tables.cells import Cells, words
from nice_anomaly.data.tables.files import STDIN
from nice_anomaly.errors import DataError

ROWS = 8_192  # of a table at a time
IMAGES = 512  # image files at a time
FOLDER = "folder"  # as a group of images: the folder they lie in


@dataclass(frozen=True)
class Inputs:
    """Files of one kind, in order. ``skipped`` counts other files in the same folders.

    ``folders`` are those that were given as such; ``root`` is the only argument, if it is one.
    """

    name: str
    kind: Kind
    files: tuple[Path, ...]
    root: Path | None = None
    skipped: int = 0
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How input becomes rows of numbers: the form of images, or the columns of a table.

    ``anomaly_values`` are the values of ``label_column`` that mean anomaly. ``group_column`` names
    what the sample belongs to, for images ``FOLDER``.
    """

    form: ImageForm | None = None
    columns: tuple[Column, ...] = ()
    id_column: str | None = None
    label_column: str | None = None
    anomaly_values: tuple[str, ...] = ()
    group_column: str | None = None

    @property
    def layout(self) -> Layout:
        """What one sample is."""
        if self.form is not None:
            return self.form.layout
        return Layout("table", (sum(column.width for column in self.columns),), 0)

    @property
    def labels(self) -> list[str]:
        """A name for every coordinate of a table."""
        return [label for column in self.columns for label in column.labels]

    @property
    def steps(self) -> NDArray[np.float64]:
        """The level width of every coordinate of a table."""
        return np.array([step for column in self.columns for step in column.steps])


@dataclass(frozen=True)
class Truth:
    """What labels say of consecutive samples, ``[m]`` each; without a label neither is true."""

    normal: NDArray[np.bool_]
    anomalous: NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Consecutive samples: ``values`` ``[m, d]`` in input order, whatever could be read or not.

    ``faults`` says which cannot be read and why, ``notes`` what is odd about others, both by
    place in the batch. ``truth`` is there where the input has labels, ``groups`` ``[m]`` where
    the reading asks for them; None is a sample that belongs nowhere.
    """

    ids: list[str]
    values: NDArray[np.uint8] | NDArray[np.float64]
    faults: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    truth: Truth | None = None
    groups: list[str | None] | None = None

    @property
    def good(self) -> NDArray[np.bool_]:
        """Which samples could be read, ``[m]``."""
        good = np.ones(len(self.ids), dtype=bool)
        good[list(self.faults)] = False
        return good


def recognise(arguments: Sequence[str]) -> Inputs:
    """Find the files that ``--input`` means and what they are.

    An argument is a file, a folder (searched to any depth), a pattern like ``data/*.csv``, or
    ``-`` for a CSV on the standard input.

    Raises:
        DataError: nothing there, nothing that can be read, or several kinds together.
    """
    found: dict[Path, Kind] = {}
    skipped = 0
    for argument in arguments:
        files = _expand(argument)
        usable = {file: kind for file in files if (kind := _kind(file)) is not None}
        if not usable:
            raise DataError(_nothing(argument, files))
        skipped += len(files) - len(usable)
        found |= usable
    examples = {kind: file for file, kind in found.items()}
    if len(examples) > 1:
        raise DataError(
            f"the input holds images ({examples['image']}) and tables ({examples['table']}): "
            f"give one kind, e.g. with a pattern like 'folder/*.png'."
        )
    if "image" in examples and len({images.is_image_file(file) for file in found}) > 1:
        raise DataError("the input holds image files and arrays of images: give one of the two.")
    root = Path(arguments[0]) if len(arguments) == 1 and Path(arguments[0]).is_dir() else None
    (kind,) = examples
    folders = tuple(Path(argument) for argument in arguments if Path(argument).is_dir())
    return Inputs(", ".join(arguments), kind, tuple(found), root, skipped, folders)


def batches(inputs: Inputs, reading: Reading) -> Iterator[Batch]:
    """Everything in the input, a batch at a time, read as ``reading`` says.

    Raises:
        DataError: a file that is no table at all, a missing column, or the wrong kind.
    """
    if (reading.form is not None) != (inputs.kind == "image"):
        learned = "images" if reading.form is not None else "a table"
        given = "images" if inputs.kind == "image" else "a table"
        raise DataError(f"{inputs.name} holds {given}, but the run has learned {learned}.")
    try:
        if inputs.kind == "table":
            yield from _table_batches(inputs, reading)
        elif images.is_image_file(inputs.files[0]):
            yield from _file_batches(inputs, reading)
        else:
            yield from _array_batches(inputs, reading)
    except OSError as error:
        raise DataError(f"{error.filename or inputs.name} cannot be read: {error}.") from error


def _table_batches(inputs: Inputs, reading: Reading) -> Iterator[Batch]:
    start, file = 0, inputs.files[0]
    for chunk in open_tables(inputs.files, ROWS):
        if chunk.file != file:
            start, file = 0, chunk.file
        yield table_batch(chunk, reading, start, many=len(inputs.files) > 1)
        start += chunk.rows


def _file_batches(inputs: Inputs, reading: Reading) -> Iterator[Batch]:
    assert reading.form is not None
    for first in range(0, len(inputs.files), IMAGES):
        files = inputs.files[first : first + IMAGES]
        values, faults = images.decode(files, reading.form)
        ids = [readable(file, inputs.root) for file in files]
        groups = None
        if reading.group_column is not None:
            groups = [_folder_of(file, inputs) for file in files]
        yield Batch(ids, values, faults, groups=groups)


def _array_batches(inputs: Inputs, reading: Reading) -> Iterator[Batch]:
    assert reading.form is not None
    if reading.group_column is not None:
        raise DataError(f"{inputs.name} is an array of images: it has no groups to tell apart.")
    for file in inputs.files:
        array, _ = arrays.open_array(file)
        prefix = f"{readable(file)}:" if len(inputs.files) > 1 else ""
        for first in range(0, len(array), IMAGES):
            piece = np.asarray(array[first : first + IMAGES])
            ids = [f"{prefix}{row}" for row in range(first, first + len(piece))]
            yield Batch(ids, images.resize(piece, reading.form))


def table_batch(chunk: Chunk, reading: Reading, start: int, *, many: bool) -> Batch:
    """One piece of a table as a batch; ``start`` is the number of its first row in its file.

    Raises:
        DataError: a column of the run, or the one with ids, is not there.
    """
    try:
        encoded = encode(chunk.columns, reading.columns, chunk.rows)
    except DataError as error:
        raise DataError(f"{chunk.file}: {error}") from error
    prefix = f"{readable(chunk.file)}:" if many else ""
    ids = [f"{prefix}{row}" for row in range(start, start + chunk.rows)]
    if reading.id_column is not None:
        named = column_for("--id-column", reading.id_column, chunk)
        if named.dtype.kind != "O":
            named = words(named)
        ids = [name or number for number, name in zip(ids, named, strict=True)]
    faults = {**encoded.faults, **chunk.faults}
    notes = {row: note for row, note in encoded.notes.items() if row not in faults}
    groups = None
    if reading.group_column is not None:
        named = words(
            column_for("grouping (calibrate --group-column)", reading.group_column, chunk)
        )
        groups = [None if name is None else _shortened(name) for name in named]
    return Batch(ids, encoded.values, faults, notes, truth(chunk, reading), groups)


def column_for(option: str, name: str, chunk: Chunk) -> Cells:
    """The column that an option names.

    Raises:
        DataError: it is not there.
    """
    if name not in chunk.columns:
        raise DataError(
            f"{chunk.file} has no column '{name}' for {option}. It has: "
            f"{', '.join(list(chunk.columns)[:12])}."
        )
    return chunk.columns[name]


def truth(chunk: Chunk, reading: Reading) -> Truth | None:
    """What the label column says of every row, or None where there is no such column."""
    if reading.label_column is None or reading.label_column not in chunk.columns:
        return None
    labels = words(chunk.columns[reading.label_column])
    wanted = {_canonical(value) for value in reading.anomaly_values}
    known = np.array([label is not None for label in labels], dtype=bool)
    hit = np.array([label is not None and _canonical(label) in wanted for label in labels])
    return Truth(known & ~hit, hit)


def _shortened(name: str) -> str:
    """A number as short as it can be: the group 1.0 is the group 1."""
    try:
        value = float(name)
    except ValueError:
        return name
    return str(int(value)) if value.is_integer() else name


def _canonical(label: str) -> str | float:
    """A label as it is compared: 1 is 1.0 is 01, Bad is bad."""
    try:
        return float(label)
    except ValueError:
        return label.strip().casefold()


def refuse_unreadable(faults: dict[int, str], where: Callable[[int], str]) -> None:
    """An error that names the first sample that cannot be read; ``where`` says which it is.

    Raises:
        DataError: there is one.
    """
    if not faults:
        return
    row, reason = next(iter(faults.items()))
    more = f" So are {len(faults) - 1} more." if len(faults) > 1 else ""
    raise DataError(
        f"{where(row)}: {reason}.{more} Repair or remove what cannot be read, or leave it out "
        f"with --skip-unreadable."
    )


def readable(file: Path, root: Path | None = None) -> str:
    """A file name as text; bytes that are no UTF-8 are written as escapes."""
    path = file.relative_to(root) if root is not None else file
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _folder_of(file: Path, inputs: Inputs) -> str | None:
    """The first folder below the only one that was given, which itself counts for its own files.

    Of several folders that were given each is one; else it is the folder that holds the file.
    """
    if inputs.root is not None and len(parts := file.relative_to(inputs.root).parts) > 1:
        return readable(Path(parts[0]))
    above = [folder for folder in inputs.folders if folder in file.parents]
    name = Path(os.path.abspath(above[0] if above else file.parent)).name  # noqa: PTH100
    return readable(Path(name)) if name else None


def _expand(argument: str) -> list[Path]:
    path = Path(argument)
    if path == STDIN:
        return [path]
    if not argument.strip():
        raise DataError("--input is empty. Is a variable of the shell not set?")
    if path.is_dir():
        return sorted(_walk(path))
    if has_magic(argument) and not path.exists():
        base = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else argument
        return sorted(file for file in base.glob(pattern) if file.is_file())
    return [path] if path.exists() else []


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below, through links too; a folder that was entered already is not entered."""
    entered = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if os.path.realpath(place) in entered:
            folders.clear()
            continue
        entered.add(os.path.realpath(place))
        yield from (Path(place, name) for name in names)


def _kind(file: Path) -> Kind | None:
    if images.is_image_file(file):
        return "image"
    if file.suffix.lower() in arrays.SUFFIXES:
        array, _ = arrays.open_array(file)
        return "image" if array.ndim in (3, 4) and array.dtype == np.uint8 else "table"
    return "table" if is_table_file(file) else None


def _nothing(argument: str, files: list[Path]) -> str:
    kinds = (
        "images (.png, .jpg, .bmp, .webp, .tiff), tables (.csv, .parquet) and arrays (.npy, .npz)"
    )
    if not files:
        where = "the folder is empty" if Path(argument).is_dir() else "there is no such file"
        return f"--input {argument}: {where}. It can be a file, a folder or a pattern in quotes."
    names = ", ".join(sorted({file.suffix or file.name for file in files})[:5])
    return (
        f"--input {argument}: none of its {len(files):,} files ({names}) can be read; {kinds} can."
    )
