"""Everything a person sees: tables, progress and errors. The only user of rich."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.color import Color
from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.style import Style
from rich.table import Table
from rich.text import Text

from nice_anomaly.cli.layout import folded, length, visible, widths
from nice_anomaly.cli.wording import as_typed

if TYPE_CHECKING:
    from nice_anomaly.plots import Figure

GAP, MOST_LINES = 2, 32  # columns between pictures, lines of one

out = Console(highlight=False, emoji=False)
talk = Console(stderr=True, highlight=False, emoji=False)


def show_error(*lines: object) -> None:
    """A sentence of the library on stderr, in as many lines as it has."""
    talk.quiet = False
    said = "\n".join(visible(as_typed(str(line))) for line in lines)
    talk.print(Text.assemble(("error:", "bold red"), " ", said), soft_wrap=True)


def hush() -> None:
    """From now on nothing but results and errors."""
    talk.quiet = True
    logging.getLogger("nice_anomaly").setLevel(logging.WARNING)


def say(text: str) -> None:
    """A remark on stderr."""
    talk.print(Text(visible(as_typed(text))), soft_wrap=True)


def show_json(content: dict[str, Any]) -> None:
    """One JSON object on stdout, without colour or wrapping."""
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def show_rows(text: str) -> None:
    """Rows of a CSV on stdout: as they are for a program, visibly on a terminal."""
    sys.stdout.write(visible(text, keeping="\n") if sys.stdout.isatty() else text)


def draw(path: Path, figure: "Figure", what: str) -> None:
    """Write a figure to a file, and say what it shows."""
    from nice_anomaly.files import write
    from nice_anomaly.plots import picture

    write(path, picture(figure, path.suffix))
    say(f"drew {what} to {path}")


def note_formulas(count: int, path: object) -> None:
    """A remark on ``count`` cells of a file, if there are any."""
    if count:
        begin = "cell that begins" if count == 1 else "cells that begin"
        say(
            f"note: {path} has {count:,} {begin} like a formula, which a spreadsheet may run: "
            f"--no-formulas puts an apostrophe before such a cell"
        )


def show_facts(title: str, facts: Sequence[tuple[str, str]]) -> None:
    """Names and values in two columns on stdout."""
    facts = [(visible(name), visible(value)) for name, value in facts]
    names, values = zip(*facts, strict=True)
    fitting = widths([names, values], (0, 1), out.width - 7)
    if fitting is None:
        _show_list(
            title, ("", ""), [(f"{name}:" if name else "", value) for name, value in facts], out
        )
        return
    table = Table(show_header=False)
    for width, style in zip(fitting, ("cyan", ""), strict=True):
        table.add_column(style=style, width=width)
    _show_rows(title, table, facts, fitting, out)


def show_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    words: Sequence[int] = (0,),
    on: Console | None = None,
) -> None:
    """A table on stdout or ``on`` another; the columns ``words`` are text, others are numbers."""
    rows = [[visible(cell) for cell in row] for row in rows]
    header, on, count = [visible(name) for name in header], on or out, len(header)
    columns = [*zip(header, *rows, strict=True)]
    tight = sum(max(map(length, column)) for column in columns) + 3 * count - 1 > on.width
    fitting = widths(columns, words, on.width - (2 * count if tight else 3 * count - 1))
    if fitting is None:
        _show_list(title, header, rows, on)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=tight)
    for index, (name, width) in enumerate(zip(header, fitting, strict=True)):
        justify: JustifyMethod = "left" if index in words else "right"
        table.add_column(Text(folded(name, width)), justify=justify, width=width)
    _show_rows(title, table, rows, fitting, on)


def shows_pictures() -> bool:
    """Whether stdout is a terminal that shows colours, and all of them."""
    colours = out.color_system in ("256", "truecolor") and not out.no_color
    return out.is_terminal and colours and out.encoding.lower().startswith("utf")


def room_for(count: int) -> tuple[int, int]:
    """How high and wide each of so many pictures side by side may be, in pixels."""
    return 2 * MOST_LINES, max(4, (out.width - GAP * (count - 1)) // count)


def show_title(title: str) -> None:
    """A line in bold on stdout."""
    _show_title(title, out)


def show_pictures(pictures: Sequence[tuple[str, Any]]) -> None:
    """Pictures ``[h, w, 3]`` of one size under their titles, a letter for two pixels."""
    _, room = room_for(len(pictures))
    shown = [picture for _, picture in pictures]
    height, width = shown[0].shape[:2]
    wide = max(width, min(room, max(len(title) for title, _ in pictures)))
    lines = [Text("".join(f"{title[:wide]:{wide + GAP}}" for title, _ in pictures).rstrip())]
    for top in range(0, height, 2):
        line = Text()
        for picture in shown:
            for upper, lower in zip(picture[top], picture[min(top + 1, height - 1)], strict=True):
                ground = Color.from_rgb(*lower) if top + 1 < height else None
                line.append("▀", Style(color=Color.from_rgb(*upper), bgcolor=ground))
            line.append(" " * (wide + GAP - width))
        line.rstrip()
        lines.append(line)
    for line in [*lines, Text()]:
        out.print(line, soft_wrap=True)


def _show_title(title: str, on: Console) -> None:
    """A line of its own, as long as the terminal is wide."""
    on.print(Text(folded(visible(title), on.width), style="bold"), soft_wrap=True)


def _show_rows(
    title: str, table: Table, rows: Sequence[Sequence[str]], widths: Sequence[int], on: Console
) -> None:
    """The rows under a title."""
    for row in rows:
        cells = zip(row, widths, strict=True)
        table.add_row(*(Text(folded(cell, width)) for cell, width in cells))
    _show_title(title, on)
    on.print(table)


def _show_list(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], on: Console
) -> None:
    """A table for a narrow terminal: row by row, one cell under the other."""
    _show_title(title, on)
    for row in rows:
        for index, (name, cell) in enumerate(zip(header, row, strict=True)):
            text = f"{name}: {cell}" if name else cell
            indent = "  " if index else ""
            lines = folded(text, on.width - len(indent)).splitlines() if cell else []
            if lines:
                shown = "\n".join(indent + line for line in lines)
                on.print(Text(shown, style="" if index else "cyan"), soft_wrap=True)
    on.print()


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
        self._progress.update(self._task, completed=completed, total=total, note=visible(note))

    def note(self, text: str) -> None:
        """What else is to be said."""
        self._progress.update(self._task, note=visible(text))


@contextmanager
def progress_bar(label: str, total: int | None, unit: str) -> Iterator[Bar]:
    """A bar with rate, time spent and time left on stderr, for as long as the block runs."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[note]}", markup=False),
        _RateColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as progress:
        yield Bar(progress, progress.add_task(visible(label), total=total, note=""))
