"""Columns: what a run has made of each column of a table, for people."""

from collections.abc import Sequence
from typing import Any

from nice_anomaly.cli import render
from nice_anomaly.cli.wording import as_typed
from nice_anomaly.data import Column
from nice_anomaly.words import count_of, percent

MOST = 40  # on the screen; info --json has them all


def show_columns(columns: Sequence[Column], on: Any = None) -> None:
    """A line a column: what it is read as, what was seen there, how much is missing."""
    gaps = any(column.missing for column in columns[:MOST])
    lines = [
        [
            column.name,
            column.role,
            as_typed(column.seen if column.kind == "left out" else _remarked(column)),
            *([percent(column.missing) if column.missing else ""] if gaps else []),
        ]
        for column in columns[:MOST]
    ]
    render.show_table(
        count_of(len(columns), "column"),
        ["column", "read as", "seen", *(["missing"] if gaps else [])],
        lines,
        words=(0, 1, 2),
        on=on,
    )
    if len(columns) > MOST:
        render.say(f"and {len(columns) - MOST:,} more columns; info --json has them all")


def _remarked(column: Column) -> str:
    return "; ".join(filter(None, (column.seen, column.reason)))
