"""Learning from a table: which rows, what its columns are, and which part is for what.

What a column is, its median and its categories are decided on the samples to fit alone, so that
the held-out ones stay as new to the run as any later input.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.batches import ROWS, refuse_nothing, refuse_unreadable, table_batch
from nice_anomaly.data.dataset import Dataset
from nice_anomaly.data.find import Inputs
from nice_anomaly.data.labels import column_for, truth_of
from nice_anomaly.data.material import (
    Material,
    Watch,
    Wishes,
    refuse_few,
    refuse_identical,
    split_of,
    unwatched,
)
from nice_anomaly.data.names import row_of
from nice_anomaly.data.reading import TableReading, grouped_for
from nice_anomaly.data.sampling import Sample
from nice_anomaly.data.sources import Source
from nice_anomaly.data.splits import Split
from nice_anomaly.data.tables import (
    Chunk,
    Column,
    Dialect,
    learn_column,
    learn_columns,
    open_tables,
)
from nice_anomaly.data.tables.cells import Cells, words
from nice_anomaly.data.tables.deciding import daily
from nice_anomaly.errors import DataError
from nice_anomaly.settings import DataSettings
from nice_anomaly.words import brief, listed

logger = logging.getLogger(__name__)

LARGEST = 1e30
MOST_LABELS = 1_000  # are told apart, besides those that mean anomaly
IGNORED = "asked for with --ignore"  # a reason in stored runs, which must not change


@dataclass
class _Counts:
    """What was read so far: all rows, those that do not count, and the labels seen.

    ``fault`` is the first row that cannot be read, with the reason.
    """

    total: int = 0
    anomalies: int = 0
    unlabelled: int = 0
    unreadable: int = 0
    signs: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    fault: str = ""

    @property
    def more_labels(self) -> int:
        """How many more labels are kept."""
        return max(0, MOST_LABELS - len(self.labels))


def read_table(
    inputs: Inputs,
    wishes: Wishes,
    known: TableReading | None,
    settings: DataSettings,
    seed: int,
    source: Callable[[TableReading], Source],
    watch: Watch = unwatched,
) -> Material:
    """The normal rows of the input, at most ``settings.rows`` of them at random.

    They are read as a run has ``known`` its columns; without that the columns are learned here.

    Raises:
        DataError: too few, all the same, no column that can be used, or a row that cannot be read.
        ConfigError: the held-out parts do not fit.
    """
    labelled = known or TableReading(
        id_column=wishes.id_column,
        label_column=wishes.label_column,
        anomaly_values=wishes.anomaly_values,
        dialect=wishes.dialect,
    )
    sample, counts = Sample(settings.rows, seed), _Counts()
    for chunk in _chunks(inputs, wishes, labelled.dialect, counts):
        if not wishes.skip_unreadable:
            refuse_unreadable(chunk.faults, partial(_row, chunk))
        sample.add(chunk, _count(chunk, labelled, counts))
        watch(counts.total, None)
    if counts.unreadable == counts.total:
        refuse_nothing(inputs.name, counts.total, counts.fault)
    table = sample.table()
    n = len(next(iter(table.values())))
    refuse_few(n, wishes.fewest, inputs.name)
    parts = split_of(n, settings, seed)
    reading = known or replace(
        labelled,
        columns=_learn(table, parts, wishes, settings.group_column, sample.left_out),
        dialect=replace(wishes.dialect, usual="," if counts.signs - {""} == {","} else ""),
    )
    grouped = grouped_for(reading, settings)
    unlabelled = replace(grouped, id_column=None, label_column=None)
    batch = table_batch(Chunk(chunk.name, 0, table, n), unlabelled, many=False)
    faults = {**_beyond_reason(batch.values, reading), **batch.faults}
    if not wishes.skip_unreadable:
        refuse_unreadable(faults, sample.origin)
    good = np.setdiff1d(np.arange(n), list(faults))
    dataset = Dataset(inputs.name, reading.layout, batch.values[good])
    refuse_identical(dataset)
    return Material(
        dataset,
        _restricted(parts, good),
        source(reading),
        counts.total,
        counts.anomalies,
        counts.unlabelled,
        counts.unreadable + len(faults),
        tuple(sorted(counts.labels)),
        None if batch.groups is None else np.array(batch.groups, dtype=object)[good],
        names=_names(table, reading, sample.names(many=len(inputs.parts) > 1), good),
    )


def _names(
    table: dict[str, Cells], reading: TableReading, numbers: list[str], rows: NDArray[np.int64]
) -> tuple[str, ...]:
    """What ``rows`` are called: the cell of the id column, else the number of the row."""
    if reading.id_column is None or reading.id_column not in table:
        return tuple(numbers[row] for row in rows)
    named = words(table[reading.id_column][rows])
    return tuple(name or numbers[row] for name, row in zip(named, rows, strict=True))


def _chunks(inputs: Inputs, wishes: Wishes, dialect: Dialect, counts: _Counts) -> Iterator[Chunk]:
    """All pieces; where that is accepted, a file that cannot be read counts as a row."""
    for part in inputs.parts:
        try:
            yield from open_tables([part], ROWS, dialect)
        except DataError as error:
            if not wishes.skip_unreadable or len(inputs.parts) == 1:
                raise
            logger.info("note: left out: %s", error)
            counts.total += 1
            counts.unreadable += 1
            counts.fault = counts.fault or str(error)


def _count(chunk: Chunk, reading: TableReading, counts: _Counts) -> NDArray[np.bool_]:
    """Count the rows of a chunk; return which of them are readable and normal, ``[rows]``."""
    read = np.ones(chunk.rows, dtype=bool)
    read[list(chunk.faults)] = False
    counts.total += chunk.rows
    counts.signs.add(chunk.written.decimal)
    counts.unreadable += len(chunk.faults)
    if chunk.faults and not counts.fault:
        row, reason = next(iter(chunk.faults.items()))
        counts.fault = f"{_row(chunk, row)}: {reason}"
    if reading.label_column is None:
        return read
    labels = words(column_for("`label_column`", reading.label_column, chunk))
    truth = truth_of(labels, reading.anomaly_values)
    counts.labels |= {value for value, times in truth.counts.items() if times}
    counts.labels |= {*islice(filter(None, labels[truth.normal]), counts.more_labels)}
    counts.anomalies += int(truth.anomalous.sum())
    counts.unlabelled += int((read & ~truth.normal & ~truth.anomalous).sum())
    return read & truth.normal


def _row(chunk: Chunk, row: int) -> str:
    return row_of(chunk.name, chunk.start + row)


def _learn(
    table: dict[str, Cells],
    parts: Split,
    wishes: Wishes,
    group_column: str | None,
    unusable: dict[str, str],
) -> tuple[Column, ...]:
    """Columns from the rows to fit; what the user keeps out is kept out.

    ``unusable`` are columns that are not in the table, with the reason.
    """
    kept_out = dict.fromkeys(wishes.ignored, IGNORED)
    if wishes.id_column is not None:
        kept_out[wishes.id_column] = "it names the rows"
    if wishes.label_column is not None:
        kept_out[wishes.label_column] = "it is the label"
    if group_column is not None:
        kept_out[group_column] = "samples of one group are in one fold"
    for name in kept_out:
        if name not in table:
            raise DataError(f"there is no column '{brief(name)}'. The table has: {listed(table)}.")
    fit = {name: cells[parts.fit] for name, cells in table.items()}
    dates = wishes.dialect.dates
    used = {name: cells for name, cells in fit.items() if name not in kept_out}
    learned = {column.name: column for column in learn_columns(used, dates)}
    for name, reason in kept_out.items():
        found = learn_column(name, fit[name], dates)  # a moment still tells when a row was
        out = replace(found, kind="left out", reason=reason, gaps=False)
        learned[name] = out if found.kind == "date" else Column(name, "left out", reason)
    left_out = (Column(name, "left out", reason) for name, reason in unusable.items())
    paced = (  # how many rows a day there are is no matter of what is learned from
        replace(column, daily=daily(table[column.name], column.form)) if column.dated else column
        for column in learned.values()
    )
    return (*paced, *left_out)


def _beyond_reason(values: NDArray[Any], reading: TableReading) -> dict[int, str]:
    """Rows with a number so large that its square is none: no spread can be learned with it."""
    rows, places = np.nonzero(np.abs(values) > LARGEST)
    names = reading.labels
    return {
        int(row): f"{brief(names[place])} is {values[row, place]:g}, too large to learn from"
        for row, place in zip(rows, places, strict=True)
    }


def _restricted(parts: Split, good: NDArray[np.int64]) -> Split:
    """The split restricted to the ``good`` rows, and renumbered to count only these."""

    def kept(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(good, np.intersect1d(rows, good))

    return Split(kept(parts.fit), kept(parts.early_stopping), kept(parts.calibration))
