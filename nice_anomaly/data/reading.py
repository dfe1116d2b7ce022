"""Reading: what a run has decided about turning its input into rows of numbers.

A reading is made when a run learns and is kept in ``run.json``, so that all later input is read
in the same way.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from nice_anomaly.data.dataset import Kind, Layout
from nice_anomaly.data.images import ImageForm
from nice_anomaly.data.tables import ANY, Column, Dialect
from nice_anomaly.errors import ConfigError
from nice_anomaly.settings import DataSettings
from nice_anomaly.words import brief, count_of, listed

R = TypeVar("R", "ImageReading", "TableReading")
FOLDER = "folder"  # the group column of images: the folder that an image lies in


@dataclass(frozen=True)
class ImageReading:
    """Every image becomes one row of bytes of one ``form``; its group may be its folder."""

    form: ImageForm
    group_column: str | None = None

    kind: ClassVar[Kind] = "image"

    @property
    def layout(self) -> Layout:
        """What one sample is."""
        return self.form.layout

    @property
    def described(self) -> str:
        """What one sample is, for people."""
        return str(self.layout)

    def grouped_by(self, column: str) -> "ImageReading":
        """The same, with the group of every image.

        Raises:
            ConfigError: by anything but the folder.
        """
        if column != FOLDER:
            raise ConfigError(
                f"images have no column '{column}': `group_column='{FOLDER}'` groups them by the "
                f"folders they lie in."
            )
        return replace(self, group_column=column)

    def named_by(self, id_column: str) -> "ImageReading":  # noqa: ARG002
        """Raises ConfigError: images are named by their files."""
        raise ConfigError("`id_column` and `label_column` are for tables.")

    def labelled_by(self, label_column: str, values: tuple[str, ...]) -> "ImageReading":  # noqa: ARG002
        """Raises ConfigError: images have no labels."""
        raise ConfigError("`id_column` and `label_column` are for tables.")

    def timed_by(self, time_column: str) -> "ImageReading":  # noqa: ARG002
        """Raises ConfigError: images have no columns."""
        raise ConfigError("`time_column` is for tables.")

    def written_in(self, dialect: Dialect) -> "ImageReading":  # noqa: ARG002
        """The same: images are written in no dialect."""
        return self


@dataclass(frozen=True)
class TableReading:
    """Every row becomes the numbers that its ``columns`` are encoded as.

    ``id_column`` names the rows, ``anomaly_values`` are the values of ``label_column`` that mean
    anomaly, and ``group_column`` says which group a row belongs to. ``dialect`` is how the tables
    are written, and ``time_column`` says when a row was, if that was said.
    """

    columns: tuple[Column, ...] = ()
    id_column: str | None = None
    label_column: str | None = None
    anomaly_values: tuple[str, ...] = ()
    group_column: str | None = None
    dialect: Dialect = ANY
    time_column: str | None = None

    kind: ClassVar[Kind] = "table"

    @property
    def layout(self) -> Layout:
        """What one sample is."""
        return Layout("table", (sum(column.width for column in self.columns),), 0)

    @property
    def described(self) -> str:
        """What one sample is, for people: its columns, not the numbers they become."""
        count, used = len(self.columns), sum(column.width > 0 for column in self.columns)
        some = "" if used == count else f", {used:,} of them learned"
        return f"rows of {count_of(count, 'column')}{some}"

    @property
    def labels(self) -> list[str]:
        """A name for every coordinate."""
        return [label for column in self.columns for label in column.labels]

    @property
    def steps(self) -> NDArray[np.float64]:
        """The level width of every coordinate, ``[d]``."""
        return np.array([step for column in self.columns for step in column.steps])

    @property
    def times(self) -> Column | None:
        """The column that says when a row was: the one that was named, or the only one of dates.

        Raises:
            ConfigError: the one that was named holds no dates.
        """
        dated = {column.name: column for column in self.columns if column.dated}
        if self.time_column is None:
            return next(iter(dated.values())) if len(dated) == 1 else None
        if self.time_column not in dated:
            known = f"those that do: {listed(dated)}" if dated else "nor does another"
            raise ConfigError(
                f"the column '{brief(self.time_column)}' holds no dates that the run understands; "
                f"{known}. Name another with `time_column`, or leave it away."
            )
        return dated[self.time_column]

    def grouped_by(self, column: str) -> "TableReading":
        """The same, with the group of every row."""
        return replace(self, group_column=column)

    def named_by(self, id_column: str) -> "TableReading":
        """The same, with rows named by another column."""
        return replace(self, id_column=id_column)

    def labelled_by(self, label_column: str, values: tuple[str, ...]) -> "TableReading":
        """The same, with ``values`` of another column meaning anomaly."""
        return replace(self, label_column=label_column, anomaly_values=tuple(values))

    def timed_by(self, time_column: str) -> "TableReading":
        """The same, with another column that says when a row was.

        Raises:
            ConfigError: the run understands no dates there.
        """
        timed = replace(self, time_column=time_column)
        return timed if timed.times else self

    def written_in(self, dialect: Dialect) -> "TableReading":
        """The same for tables of which more is said: that counts."""
        said = {field.name: getattr(dialect, field.name) for field in fields(Dialect)}
        stated = {name: value for name, value in said.items() if value}
        return replace(self, dialect=replace(self.dialect, **stated))


Reading = ImageReading | TableReading

_FORM = TypeAdapter(ImageForm)
_TABLE = TypeAdapter(TableReading)
_GROUP = TypeAdapter(str | None)


def stored(reading: Reading) -> dict[str, Any]:
    """A reading as plain values, one flat form for both kinds: what ``run.json`` keeps."""
    form = {"form": asdict(reading.form) if isinstance(reading, ImageReading) else None}
    table = reading if isinstance(reading, TableReading) else TableReading()
    plain = form | asdict(table) | {"group_column": reading.group_column}
    for name in ("dialect", "time_column"):  # of few runs
        if getattr(table, name) == getattr(TableReading(), name):
            del plain[name]
    return plain


def restored(entry: Mapping[str, Any]) -> Reading:
    """The reading that ``stored`` made plain.

    Raises:
        KeyError: the form, the columns or the values of anomalies are not there.
        TypeError: it is no mapping, or there are entries of another kind.
        ValueError: an entry is of another type, or both a form and columns are there.
    """
    values = dict(entry)
    form, columns = values.pop("form"), values["columns"]
    _refuse_unknown(values, TableReading)
    for column in columns:
        _refuse_unknown(column, Column)
    if form is None:
        return _TABLE.validate_json(json.dumps({**values, "columns": columns}), strict=True)
    _refuse_unknown(form, ImageForm)
    if columns or values["anomaly_values"] or values.get("id_column") or values.get("label_column"):
        raise ValueError("images have no columns")
    group = _GROUP.validate_python(values.get("group_column"))
    return ImageReading(_FORM.validate_json(json.dumps(form), strict=True), group)


def _refuse_unknown(entry: Mapping[str, Any], kind: type[Any]) -> None:
    unknown = set(entry) - {field.name for field in fields(kind)}
    if unknown:
        raise TypeError(f"a {kind.__name__} has no {', '.join(sorted(unknown))}")


def grouped_for(reading: R, settings: DataSettings) -> R:
    """A reading with the groups that folds keep together, unless it has groups already.

    Raises:
        ConfigError: images by anything but their folder.
    """
    if reading.group_column is not None or settings.group_column is None:
        return reading
    return reading.grouped_by(settings.group_column)
