"""Samples: what a run is asked to look at, a built-in set or a user's own, with their scores."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import (
    Batch,
    BuiltIn,
    Dataset,
    Dialect,
    Inputs,
    Reading,
    Watch,
    Wishes,
    batches,
    classes,
    evaluation_part,
    unwatched,
)
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.own_data import CLASS, reading_of
from nice_anomaly.run import Trained
from nice_anomaly.scores import Scores
from nice_anomaly.twins import learned
from nice_anomaly.words import several

Score = Callable[[NDArray[Any]], Scores]
Scored = Iterator[tuple[Batch, Scores]]


class TableWords(TypedDict, total=False):
    """What can be said of a table as arguments; see ``Columns``."""

    id_column: str | None
    label_column: str | None
    anomaly_values: Sequence[str]
    time_column: str | None
    separator: str
    decimal: str
    sheet: str


@dataclass(frozen=True)
class Columns:
    """What the user says of a table beyond what the run knows.

    Which columns name, label, group and date its rows, what parts the cells of a text file, its
    decimal sign, and the sheet of a workbook.
    """

    id_column: str | None = None
    label_column: str | None = None
    anomaly_values: Sequence[str] = ()
    time_column: str | None = None
    separator: str = ""
    decimal: str = ""
    sheet: str = ""
    group_column: str | None = None

    @property
    def dialect(self) -> Dialect:
        """How the tables are written, as far as that was said."""
        return Dialect(self.separator, self.decimal, sheet=self.sheet)


def samples(
    run: Trained,
    inputs: Inputs | BuiltIn,
    score: Score,
    root: Path,
    columns: Columns,
    watch: Watch = unwatched,
) -> tuple[Scored, bool | None]:
    """Batches with their scores, in order; and whether all are normal, where that is known.

    ``inputs`` are a user's samples, or a built-in set, whose test part is read from ``root``: it is
    normal if it is the set that was learned.

    Raises:
        ConfigError: columns that such input does not have.
        DataError: the input is not of the run's kind, or cannot be read.
    """
    if isinstance(inputs, BuiltIn):
        if replace(columns, group_column=None) != Columns():
            raise ConfigError(
                "`id_column`, `label_column`, `anomaly_values`, `time_column`, `separator`, "
                "`decimal` and `sheet` are for your own tables; the truth of a built-in set is "
                "known."
            )
        normal = inputs == run.manifest.data.source
        return _of_set(run, inputs, score, root, columns.group_column), normal
    stream = scored(inputs, reading_for(run, columns), score, watch)
    return _marked(_labelled(stream, columns.label_column), run), None


def reading_for(run: Trained, columns: Columns) -> Reading:
    """How a run reads a user's samples, with the columns that were asked for.

    Raises:
        ConfigError: half of what tells anomalies, or columns of images.
        DataError: the run has learned a built-in set that no files are like.
    """
    group = columns.group_column
    if group == CLASS and run.manifest.data.reading is None:
        group = None  # only samples of the built-in set have a class
    reading = reading_of(run, group)
    values = several(columns.anomaly_values)
    Wishes(
        id_column=columns.id_column,
        label_column=columns.label_column,
        anomaly_values=values,
        dialect=columns.dialect,
    ).check(reading.kind)
    if columns.id_column is not None:
        reading = reading.named_by(columns.id_column)
    if columns.label_column is not None:
        reading = reading.labelled_by(columns.label_column, values)
    if columns.time_column is not None:
        reading = reading.timed_by(columns.time_column)
    return reading.written_in(columns.dialect)


def scored(inputs: Inputs, reading: Reading, score: Score, watch: Watch = unwatched) -> Scored:
    """A user's samples and their scores, batch by batch, in order and at constant memory.

    The score of a sample that cannot be read is NaN.

    Raises:
        DataError: the input is not of the reading's kind, or lacks a column.
        NumericsError: a score is not a number.
    """
    total = len(inputs.parts) if inputs.kind == "image" and len(inputs.parts) > 1 else None
    done = 0
    for batch in batches(inputs, reading):
        scores = score(batch.values)
        scores.values[list(batch.faults)] = np.nan
        yield batch, scores
        done += len(scores)
        watch(done, total)


def unseen_part(run: Trained, source: BuiltIn, root: Path) -> Dataset:
    """The test part of a built-in set, if its samples are like those that were learned.

    Raises:
        DataError: the files are missing or damaged, or the samples of another kind or shape.
    """
    dataset, learned = evaluation_part(source.name, root), run.manifest.data
    if dataset.layout != learned.layout:
        raise DataError(
            f"'{dataset.name}' holds {dataset.layout}, but the run has learned '{learned.name}', "
            f"{learned.layout}. Choose a set of the same kind, or train on one."
        )
    return dataset


def _labelled(stream: Scored, label_column: str | None) -> Scored:
    """The same, refused if a label was asked for and is not there."""
    for batch, scores in stream:
        if label_column is not None and batch.truth is None:
            raise DataError(f"the input has no column '{label_column}' for `label_column`.")
        yield batch, scores


def _marked(stream: Scored, run: Trained) -> Scored:
    """The same, with what the run has learned from marked."""
    for batch, scores in stream:
        yield replace(batch, learned=learned(run, batch.values) & batch.good), scores


def _of_set(
    run: Trained, source: BuiltIn, score: Score, root: Path, group_column: str | None
) -> Scored:
    """A built-in set as one batch; only samples of the set that was learned have a class."""
    data = unseen_part(run, source, root)
    groups: list[str | None] | None = None
    if group_column is not None:
        own = source == run.manifest.data.source and group_column == CLASS
        groups = [*classes(source.name, "test", root)] if own else [None] * len(data)
    ids = [str(row) for row in range(len(data))]
    yield Batch(ids, data.values, groups=groups), score(data.values)
