"""Folder: explanations as files in a folder that may hold others, of which none is touched.

An image is a picture and a JSON file under its name, several have a contact sheet; rows of a table
are one JSON file and one CSV with their cells as they would be normal. A file that an explanation
wrote before is known by what is in it, and may be replaced.
"""

import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nice_anomaly.data import Written
from nice_anomaly.errors import ArtifactError, ConfigError
from nice_anomaly.explain.explanation import Explanation, record
from nice_anomaly.explain.pictures import MOST_ON_A_SHEET, SOFTWARE, page, png, sheet
from nice_anomaly.explain.texts import columns_of
from nice_anomaly.explain.value import Cause, ImageReasons, RowReasons
from nice_anomaly.files import refuse_no_name, why, write
from nice_anomaly.output import Arrangement, open_rows

SHEET, RECORD, ROWS = "contact-sheet.png", "reasons.json", "reasons.csv"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm")
MOST = 60  # letters of a name, and as many bytes again where they are not of the alphabet
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
MADE_BY = {"made_by": SOFTWARE}
BEGINNING = json.dumps(MADE_BY)[:-1].encode()
HEADING = ("id", "score", "low", "high", "flagged", "passes", "repaired_score", "changed")


class Album:
    """Pictures of images in a folder, one a sample as they come; ``count`` of them so far."""

    def __init__(self, folder: Path, unit: str) -> None:
        """Raises ConfigError or ArtifactError for a place where none can be; see ``check``."""
        check(folder, files=(SHEET,))
        self._folder, self._unit, self.count = folder, unit, 0
        self._taken = {SHEET, RECORD}
        self._first: list[ImageReasons] = []

    def add(self, one: ImageReasons) -> None:
        """Write the picture of a sample and what it shows.

        Raises:
            ArtifactError: it cannot be written.
        """
        name = self._name(one.held.id)
        content = MADE_BY | record(one, self._unit, pixels=True)
        write(self._folder / f"{name}.png", png(page(one, self._unit)))
        write(self._folder / f"{name}.json", json.dumps(content).encode() + b"\n")
        self.count += 1
        if len(self._first) < MOST_ON_A_SHEET:
            self._first.append(one)

    def close(self) -> None:
        """Write the contact sheet, if there are several pictures."""
        if self.count > 1:
            write(self._folder / SHEET, png(sheet(self._first, self._unit)))

    def _name(self, label: str) -> str:
        """A name that nothing in the folder has but what an explanation wrote there before."""
        for name in names_for(label):
            files = [f"{name}.png", f"{name}.json"]
            keys = {unicodedata.normalize("NFC", file).casefold() for file in files}
            if not keys & self._taken and all(_ours(self._folder / file) for file in files):
                self._taken |= keys
                return name
        raise AssertionError  # there is always one more number


def names_for(label: str) -> Iterator[str]:
    r"""Names for the files of a sample: its own, as far as every file system has such, then others.

    >>> from itertools import islice
    >>> list(islice(names_for("IMG_1.png"), 2)), next(names_for("../a b")), next(names_for("NUL"))
    (['IMG_1', 'IMG_1-2'], 'a-b-2c2c', 'NUL-ae6d')
    """
    stem = Path(label).stem if label.lower().endswith(SUFFIXES) else label
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", stem)).strip("-. ")
    short = plain[:MOST].encode("utf-8", "replace")[: 2 * MOST].decode(errors="ignore").strip("-. ")
    if short != stem or RESERVED.fullmatch(short):
        token = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:4]
        short = f"{short}-{token}".lstrip("-")
    yield short
    number = 1
    while True:
        number += 1
        yield f"{short}-{number}"


def check(
    folder: Path, argument: str = "output", files: tuple[str, ...] = (SHEET, RECORD, ROWS)
) -> None:
    """Say at once that explanations cannot be written to a folder.

    Raises:
        ConfigError: it is a file or its own folder is absent, or there are ``files`` of another
            origin.
        ArtifactError: it may not be written to.
    """
    refuse_no_name(folder, argument)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"`{argument}` {folder} is a file: name a folder.")
    place = folder if folder.is_dir() else folder.parent
    if not place.is_dir():
        raise ConfigError(
            f"`{argument}` {folder}: the folder {place}/ does not exist: create it first."
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise ArtifactError(
            f"`{argument}` {folder}: permission denied: nothing can be written in {place}/."
        )
    for name in files:
        if not _ours(folder / name):
            raise ConfigError(
                f"`{argument}` {folder} holds a {name} that no explanation wrote: it is not "
                f"replaced. Name another folder."
            )


def save(explanation: Explanation, folder: Path, *, formulas: bool = True) -> tuple[int, int]:
    """Write an explanation into a folder; gives how many files, and cells like formulas.

    Raises:
        ConfigError, ArtifactError: see ``check``.
    """
    if not explanation or isinstance(explanation[0], ImageReasons):
        album = Album(folder, explanation.unit)
        for one in explanation:
            assert isinstance(one, ImageReasons)
            album.add(one)
        album.close()
        return 2 * album.count + (album.count > 1), 0
    check(folder)
    content = json.dumps(MADE_BY | explanation.record(), indent=1)
    write(folder / RECORD, content.encode() + b"\n")
    rows = [one for one in explanation if isinstance(one, RowReasons)]
    with open_rows(folder / ROWS, _arranged(explanation.written, formulas=formulas)) as file:
        file.add(_columns(rows, explanation))
    return 2, file.formulas


def _arranged(written: Written, *, formulas: bool) -> Arrangement:
    """As the input was written, if that was text."""
    if not written.separator:
        return Arrangement(formulas=formulas)
    return Arrangement(
        separator=written.separator,
        decimal=written.decimal or ".",
        marked=written.marked,
        formulas=formulas,
    )


def _columns(rows: list[RowReasons], explanation: Explanation) -> dict[str, list[Any]]:
    """What was found of each row; then its cells as they stood, but those that were repaired."""
    unit, decimal = explanation.unit, explanation.written.decimal or "."
    plain = [record(one, unit) for one in rows]
    found: dict[str, list[Any]] = {name: [one[name] for one in plain] for name in HEADING}
    found["changed"] = [", ".join(one["changed"]) for one in plain]
    found |= columns_of(dict(enumerate(rows)), len(rows), "table", unit)
    repaired = [
        {
            **given,
            **{cause.column: _cell(one, cause, decimal) for cause in one.causes[: one.changed]},
        }
        for one, given in zip(rows, explanation.given, strict=True)
    ]
    for name in dict.fromkeys(name for row in repaired for name in row):
        free = name
        while free in found:
            free = f"repaired {free}"
        found[free] = [row.get(name) for row in repaired]
    return found


def _cell(one: RowReasons, cause: Cause, decimal: str) -> Any:
    """A repaired cell as its column is written: a number with its unit, whole if it is.

    Of a moment a day of the week and a time, in words: which week, nothing says.
    """
    value = one.cells.get(cause.column)
    if isinstance(value, np.datetime64):  # of its week only the day and the time are known
        return cause.expected
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or value != value or not cause.unit:
        return None if value is None or value != value else value
    return f"{str(value).replace('.', decimal)} {cause.unit}"


def _ours(path: Path) -> bool:
    """Whether a file may be written: there is none, or an explanation wrote it."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return True
    except OSError as error:
        raise ArtifactError(f"{path} cannot be looked at: {why(error)}.") from error
    if not stat.S_ISREG(found.st_mode):
        return False
    try:
        with path.open("rb") as stream:
            beginning = stream.read(200)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {why(error)}.") from error
    match path.suffix:
        case ".png":
            return SOFTWARE.encode() in beginning
        case ".json":
            return BEGINNING in beginning.replace(b"\n ", b"")
        case _:
            heading = beginning.removeprefix(b"\xef\xbb\xbf")
            return heading.startswith(heading[2:3].join(name.encode() for name in HEADING))
