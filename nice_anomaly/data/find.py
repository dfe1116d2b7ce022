"""Finding: what a user gave, recognised as images or a table.

Files are found and arrays opened here, once; what was found is read by ``batches`` and ``learn``.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Any

import numpy as np

from nice_anomaly.data import arrays, images
from nice_anomaly.data.arrays import Arrays, array_in_memory, open_array
from nice_anomaly.data.dataset import Kind
from nice_anomaly.data.listing import facts, files_below, files_like, what_else
from nice_anomaly.data.names import readable
from nice_anomaly.data.sources import BuiltIn
from nice_anomaly.data.tables import (
    STDIN,
    Frame,
    Query,
    frame_in_memory,
    is_table_file,
    may_be_pipe,
    query_of,
)
from nice_anomaly.data.tables.database import PREFIX
from nice_anomaly.errors import DataError
from nice_anomaly.words import count_of

Part = Path | Arrays | Frame | Query

ACCEPTED = (
    "a path or several, a numpy array [n, columns] or [n, height, width], or a frame (pandas, "
    "Polars, Arrow)"
)
KINDS = (
    "images (.png, .jpg, .bmp, .webp, .tiff), tables (.csv, .tsv, .xlsx, .parquet, .feather, also "
    ".csv.gz and .zip) and arrays (.npy, .npz)"
)
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


@dataclass(frozen=True)
class Inputs:
    """Files, arrays and frames of one kind, in order.

    ``root`` is the folder that was given if it was all that was given; ``folders`` are all that
    were given and ``skipped`` counts other files in them. ``arguments`` are the paths that were
    given, absolute, none for what is in memory.
    """

    name: str
    kind: Kind
    parts: tuple[Part, ...]
    root: Path | None = None
    folders: tuple[Path, ...] = ()
    skipped: int = 0
    arguments: tuple[str, ...] = ()

    @property
    def in_memory(self) -> bool:
        """Whether something is not a file and cannot be read again later."""
        return any(_path(part) is None for part in self.parts)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, those of opened arrays too."""
        return tuple(path for part in self.parts if (path := _path(part)) is not None)


def recognise(given: object) -> Inputs:
    """Find what the user means and what it is.

    ``given`` is a file, a folder (searched to any depth), a pattern like ``data/*.csv``, a query
    like ``sqlite:///file.db?SELECT …`` or ``-`` for a CSV on the standard input; a numpy array or
    anything that becomes one; a pandas, Polars or Arrow table; or several of these; or what was
    recognised before.

    Raises:
        DataError: nothing there, nothing that can be read, or several kinds together.
    """
    if isinstance(given, Inputs):
        return given
    items = _items(given)
    found: dict[object, Part] = {}
    skipped, names = 0, []
    for place, item in enumerate(items):
        if isinstance(item, str | os.PathLike):
            names.append(os.fspath(item))
            skipped += _add_files(names[-1], found)
        else:
            number = f" {place}" if len(items) > 1 else ""
            found[place] = part = _in_memory(item, number)
            names.append(part.name)
    parts = tuple(found.values())
    kind = _one_kind(parts)
    paths = [os.fspath(item) for item in items if isinstance(item, str | os.PathLike)]
    files = [path for path in paths if not path.startswith(PREFIX)]  # a query may be longer
    folders = tuple(Path(path) for path in files if Path(path).is_dir())
    root = folders[0] if len(items) == 1 and folders else None
    arguments = tuple(map(_anywhere, paths)) if len(paths) == len(items) else ()
    return Inputs(", ".join(names), kind, parts, root, folders, skipped, arguments)


def set_or_inputs(given: object) -> BuiltIn | Inputs:
    """A built-in set as it is; anything else as ``recognise`` finds it.

    Raises:
        DataError: see ``recognise``.
    """
    return given if isinstance(given, BuiltIn) else recognise(given)


def _items(given: object) -> list[Any]:
    """What was given, one path, array or frame at a time."""
    if isinstance(given, str | os.PathLike) or _is_frame(given) or hasattr(given, "__array__"):
        return [given]
    if hasattr(given, "toarray"):
        raise DataError(f"a sparse {type(given).__name__} is not read: use its .toarray().")
    if not isinstance(given, Iterable) or isinstance(given, Mapping | set | frozenset | bytes):
        raise DataError(_not_accepted(given))
    items = list(given)
    if not items:
        raise DataError(f"nothing was given: it has to be {ACCEPTED}.")
    if isinstance(items[0], int | float | list | tuple | complex):
        return [_array_of(items)]
    if len(items) > 1 and all(_may_be_image(item) for item in items):
        raise DataError(
            f"{len(items)} arrays of uint8 with two axes may be images or tables: np.stack(arrays) "
            f"makes images of them, np.concatenate(arrays) one table."
        )
    return items


def _array_of(items: list[Any]) -> Any:
    """Numbers in lists, or lists of lists, as an array."""
    try:
        return np.array(items)
    except ValueError as error:
        raise DataError(
            f"the lists do not become an array of rows of one length: {error}"
        ) from error


def _may_be_image(item: object) -> bool:
    return (
        hasattr(item, "__array__")
        and len(getattr(item, "shape", ())) == 2
        and str(getattr(item, "dtype", "")).endswith("uint8")
    )


def _is_frame(given: object) -> bool:
    return hasattr(given, "iloc") or hasattr(given, "__arrow_c_stream__")


def _in_memory(item: object, number: str) -> Arrays | Frame:
    name = f"frame{number}" if _is_frame(item) else f"array{number}"
    name = name if number else f"the {name}"
    if _is_frame(item):
        return frame_in_memory(name, item)
    if hasattr(item, "__array__"):
        return array_in_memory(name, item)
    raise DataError(_not_accepted(item))


def _not_accepted(given: object) -> str:
    lazy = " Call its .collect() first." if hasattr(given, "collect") else ""
    columns = " Columns by name are a frame, e.g. pandas.DataFrame(columns)."
    return (
        f"{'None' if given is None else f'an object of type {type(given).__name__}'} cannot be "
        f"read: it has to be {ACCEPTED}.{lazy}{columns if isinstance(given, Mapping) else ''}"
    )


def _add_files(argument: str, found: dict[object, Part]) -> int:
    """Add the files that a path or pattern means; return how many others are in its folder."""
    if argument.startswith(PREFIX):
        query = query_of(argument)
        found[query] = query
        return 0
    files, others = _expand(argument)
    named = len(files) == 1 and not Path(argument).is_dir()
    usable = 0
    for file in files:
        if file not in found:
            part = _part(file, named=named)
            if part is None:
                continue
            found[file] = part
        usable += 1
    if not usable:
        raise DataError(_nothing(argument, files, others))
    return len(files) - usable + others


def _part(file: Path, *, named: bool) -> Path | Arrays | None:
    if file.suffix.lower() in arrays.SUFFIXES:
        return open_array(file)
    if images.is_image_file(file) or is_table_file(file, named=named):
        return file
    return file if named and file.is_fifo() else None


def _anywhere(argument: str) -> str:
    """The argument as it names the same from any folder."""
    query = argument.startswith(PREFIX)
    return query_of(argument).address if query else str(Path(argument).absolute())


def _one_kind(parts: tuple[Part, ...]) -> Kind:
    examples: dict[Kind, str] = {
        _kind(part): str(part) if isinstance(part, Path) else part.name for part in parts
    }
    if len(examples) > 1:
        raise DataError(
            f"the input holds images ({examples['image']}) and tables ({examples['table']}): "
            f"give one kind, e.g. with a pattern like 'folder/*.png'."
        )
    if "image" in examples and len({isinstance(part, Path) for part in parts}) > 1:
        raise DataError("the input holds image files and arrays of images: give one of the two.")
    (kind,) = examples
    return kind


def _kind(part: Part) -> Kind:
    if isinstance(part, Path):
        return "image" if images.is_image_file(part) else "table"
    return "image" if isinstance(part, Arrays) and part.of_images else "table"


def _path(part: Part) -> Path | None:
    if isinstance(part, Path):
        return part
    return part.path if isinstance(part, Arrays | Query) else None


def _expand(argument: str) -> tuple[list[Path], int]:
    """The files that an argument means, and how many other things are with them.

    Raises:
        DataError: an address, or something that may not be read or is no file.
    """
    path = Path(argument)
    if path == STDIN:
        return [path], 0
    if not argument.strip():
        raise DataError("the name of an input is empty. Is a variable of the shell not set?")
    found = facts(path)
    if found is None:
        if ADDRESS.match(argument):
            raise DataError(f"{argument} is an address: download it first, and give the file.")
        return files_like(argument) if has_magic(argument) else ([], 0)
    if stat.S_ISDIR(found.st_mode):
        return files_below(path)
    other = what_else(found.st_mode)
    if other and not (stat.S_ISFIFO(found.st_mode) and may_be_pipe(path)):
        raise DataError(f"{readable(path)} is {other}, no file. A table in text can be a pipe.")
    return [path], 0


def _nothing(argument: str, files: list[Path], others: int) -> str:
    name = readable(Path(argument))
    if not files:
        where = "the folder is empty" if Path(argument).is_dir() else "there is no such file"
        if others:
            where = (
                f"{count_of(others, 'pipe, socket or device', 'pipes, sockets or devices')} only"
            )
        return f"{name}: {where}. It can be a file, a folder or a pattern in quotes."
    kinds = sorted({readable(Path(file.suffix or file.name)) for file in files})
    names = ", ".join(kinds[:5])
    found = count_of(len(files), "file")
    return f"{name}: {found} ({names}) and nothing that can be read; {KINDS} can."
