"""Listing: the files that a path, a folder or a pattern means.

What cannot be looked into is an error: nobody knows how many samples it holds. Pipes, sockets and
devices in a folder are no files, and are counted.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path

from nice_anomaly.data.names import readable
from nice_anomaly.errors import DataError

ANY_DEPTH = "**"


def files_below(folder: Path) -> tuple[list[Path], int]:
    """Every file below, in order, through links too; and how many others are no files.

    Raises:
        DataError: a folder cannot be looked into.
    """
    return _sorted(_below(os.fspath(folder)))


def files_like(pattern: str) -> tuple[list[Path], int]:
    """Every file that a pattern with ``*``, ``?``, ``[…]`` or ``**`` means; see ``files_below``.

    Raises:
        DataError: a folder cannot be looked into.
    """
    path = Path(pattern)
    return _sorted(_like(path.anchor, path.parts[1:] if path.anchor else path.parts))


def facts(path: Path) -> os.stat_result | None:
    """What the system says of a path; None where nothing is.

    Raises:
        DataError: it may not be asked, the name can be that of no file, or it is a link to itself.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DataError(refusal(path, error)) from error


def refusal(path: Path, error: OSError | ValueError) -> str:
    """That the system does not give what is at a path, and why, as a sentence."""
    name = readable(path)
    name = name if len(name) < 300 else f"{name[:100]}… ({len(name):,} characters)"
    return f"{name} cannot be read: {why(error)}."


def why(error: OSError | ValueError) -> str:
    """The reason of the system, without its number.

    >>> why(PermissionError(13, "Permission denied")), why(ValueError("embedded null byte"))
    ('permission denied', 'embedded null byte')
    """
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason[:1].lower() + reason[1:]


def what_else(mode: int) -> str | None:
    """What is neither a file nor a folder, in words; None for these two."""
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    return kinds.get(stat.S_IFMT(mode), "a device")


def _sorted(found: Iterator[tuple[str, bool]]) -> tuple[list[Path], int]:
    """Files in the order of their folders and names, and how many others there are.

    ``found`` has names, some more than once, and whether each is a file.
    """
    every = dict(found)
    names = sorted(filter(every.get, every), key=lambda name: name.replace(os.sep, "\0"))
    return [*map(Path, names)], len(every) - len(names)


def _below(folder: str) -> Iterator[tuple[str, bool]]:
    """Every name below that is no folder."""
    for _, entries in _folders(folder):
        yield from ((entry.path, _is_file(entry)) for entry in entries if not _is_folder(entry))


def _like(place: str, parts: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Every name below that is like the parts of a pattern, and no folder."""
    first, *rest = parts
    if first == ANY_DEPTH:
        for below, _ in _folders(place) if rest else ():
            yield from _like(below, rest)
        yield from () if rest else _below(place)
    elif has_magic(first):
        for entry in _entries(place):
            if fnmatchcase(os.path.normcase(entry.name), os.path.normcase(first)):
                is_folder = _is_folder(entry)
                yield from _matched(entry.path, is_folder, is_folder or _is_file(entry), rest)
    else:
        name = os.path.join(place, first)  # noqa: PTH118
        found = facts(Path(name))
        if found is not None:
            known = what_else(found.st_mode) is None
            yield from _matched(name, stat.S_ISDIR(found.st_mode), known, rest)


def _matched(
    name: str, is_folder: bool, is_file: bool, rest: Sequence[str]
) -> Iterator[tuple[str, bool]]:
    """A name, if it is no folder, or what is like the rest of the pattern below it."""
    if is_folder and rest:
        yield from _like(name, rest)
    elif not is_folder and not rest:
        yield name, is_file


def _folders(folder: str) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Every folder below, and itself, with what is in it, through links too; each once."""
    entered, waiting = set(), [folder]
    while waiting:
        place = waiting.pop()
        entries = _entries(place)
        here = facts(Path(place))
        if here is not None and (here.st_dev, here.st_ino) not in entered:
            entered.add((here.st_dev, here.st_ino))
            waiting += sorted((e.path for e in entries if _is_folder(e)), reverse=True)
            yield place, entries


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, none in what is no folder any more.

    It is asked for through its own dot: so a folder whose names can be read but whose files
    cannot be reached is refused as well.
    """
    try:
        with os.scandir(folder or os.curdir) as entries:
            os.stat(os.path.join(folder, os.curdir))  # noqa: PTH116, PTH118
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(
            f"the folder {refusal(Path(folder), error)} Nobody knows how many samples it holds: "
            f"allow it to be read, or leave it out of the input."
        ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself or to what may not be seen: said when it is read
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it may be one; what cannot be asked, like a link to nothing, is named when read."""
    try:
        return entry.is_file() or what_else(entry.stat().st_mode) is None
    except OSError:
        return True
