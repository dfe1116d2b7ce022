"""Columns: what a run has made of each column of a table, for people."""

from collections.abc import Sequence

from nice_anomaly.cli import render
from nice_anomaly.data import Column
from nice_anomaly.words import percent

MOST = 40  # on the screen; info --json has them all


def show_columns(columns: Sequence[Column], *, aside: bool = False) -> None:
    """A line a column: what it is read as, what was seen there, how much is missing.

    ``aside`` is for talk, on stderr.
    """
    lines = [
        [
            column.name,
            column.role,
            column.seen if column.kind == "left out" else _remarked(column),
            percent(column.missing) if column.missing else "",
        ]
        for column in columns[:MOST]
    ]
    render.show_table(
        f"{len(columns):,} columns",
        ["column", "read as", "seen", "missing"],
        lines,
        words=(0, 1, 2),
        aside=aside,
    )
    if len(columns) > MOST:
        render.say(f"and {len(columns) - MOST:,} more columns; info --json has them all")


def _remarked(column: Column) -> str:
    return "; ".join(filter(None, (column.seen, column.reason)))
