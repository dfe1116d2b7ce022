"""Everything a person sees: tables, progress and errors. The only user of rich."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from nice_anomaly.cli.wording import as_typed

out = Console(highlight=False, emoji=False)
talk = Console(stderr=True, highlight=False, emoji=False)


def show_error(error: Exception) -> None:
    """A sentence of the library on stderr, wrapped only where it has line breaks of its own."""
    talk.quiet = False
    talk.print(f"[bold red]error:[/] {escape(as_typed(str(error)))}", soft_wrap=True)


def hush() -> None:
    """From now on nothing but results and errors."""
    talk.quiet = True
    logging.getLogger("nice_anomaly").setLevel(logging.WARNING)


def say(text: str) -> None:
    """A remark on stderr."""
    talk.print(escape(as_typed(text)), soft_wrap=True)


def show_json(content: dict[str, Any]) -> None:
    """One JSON object on stdout, without colour or wrapping."""
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def show_facts(title: str, facts: Sequence[tuple[str, str]]) -> None:
    """Names and values in two columns on stdout."""
    table = Table(title=escape(title), title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, escape(value))
    out.print(table)


def show_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)
) -> None:
    """A table on stdout; the columns ``words`` are text, the others are numbers."""
    table = Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index in words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    out.print(table)


@dataclass
class _RateColumn(ProgressColumn):
    unit: str

    def __post_init__(self) -> None:
        super().__init__()

    def render(self, task: Task) -> Text:
        """The rate of one task."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else f"– {self.unit}/s", style="cyan")


class Bar:
    """A running progress bar, or silence where stderr is no terminal."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress, self._task = progress, task

    def advance(self, completed: int, total: int | None = None, note: str = "") -> None:
        """``completed`` are done, of ``total`` where that is only known now; then the note."""
        self._progress.update(self._task, completed=completed, total=total, note=escape(note))


@contextmanager
def progress_bar(label: str, total: int | None, unit: str) -> Iterator[Bar]:
    """A bar with rate, time spent and time left on stderr, for as long as the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[note]}"),
        _RateColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as progress:
        yield Bar(progress, progress.add_task(escape(label), total=total, note=""))
