"""What is printed, typed and written, given any bytes: nothing that steers, no traceback, no loss.

Every target raises on a defect. ``SEEDS`` are small inputs to begin with.
"""

import csv
import io
import json
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

import openpyxl

from nice_anomaly import cli
from nice_anomaly.cli import render
from nice_anomaly.errors import ConfigError
from nice_anomaly.output import Arrangement, open_rows
from nice_anomaly.sheets import UNPRINTABLE, as_text

STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
CODES = {0, 2, 3, 4, 5}
HARMLESS = (
    "plan", "info", "verify", "calibrate", "detect", "explain", "stress", "compare", "sample",
)  # fmt: skip
BETWEEN = re.compile(rb"[\x00 ]")  # arguments
LONGEST = 1_000  # bytes of a text: it is drawn letter by letter where a terminal is narrow
CELLS = "\x1e"  # between cells
AFTER_ALL = (
    "--install-completion",
    "--show-completion",
)  # they write to the home, or ask the shell


def text(data: bytes) -> None:
    """Any text as a remark, an error, a fact, a table and rows, at any width."""
    said = os.fsdecode(data[:LONGEST])
    for width in (1, 20, 80):
        with (
            redirect_stdout(io.StringIO()) as out,
            redirect_stderr(io.StringIO()) as err,
            patch.object(render.out, "_width", width),
        ):
            render.say(said)
            render.show_error(said, said)
            render.show_facts(said, [(said, said), ("", said)])
            render.show_table(said, [said, "n"], [[said, said], ["", "1"]])
        _judge(out.getvalue() + err.getvalue())
        assert err.getvalue().count("\n") == 3
    with redirect_stdout(io.StringIO()) as out:
        render.show_json({said: said})
    assert json.loads(out.getvalue()) == {said: said}
    _judge(out.getvalue())


def line(data: bytes) -> None:
    """Any arguments, in a folder of nothing, where no verb finds a run."""
    given = [os.fsdecode(part.replace(b"/", b"_")) for part in BETWEEN.split(data)]
    given = [part for part in given if not part.startswith(AFTER_ALL)]
    verb = HARMLESS[len(data) % len(HARMLESS)]
    for arguments in (given, [verb, *given], [verb, "absent.csv", *given, "--json"]):
        if arguments[:1] != ["train"]:
            _run(arguments)
    _run(["train", "absent.csv", *given])


def _run(arguments: Sequence[str]) -> None:
    talk, terminated = logging.getLogger("nice_anomaly"), signal.getsignal(signal.SIGTERM)
    level, handlers = talk.level, talk.handlers[:]
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder, "of", "nothing")
        empty.mkdir(parents=True)
        nowhere = {"HOME": folder, "NICE_ANOMALY_DATA": str(empty)}
        try:
            with (
                chdir(empty),
                patch.object(sys, "argv", ["nice-anomaly", *arguments]),
                patch.dict(os.environ, nowhere),
                redirect_stdout(io.StringIO()) as out,
                redirect_stderr(io.StringIO()) as err,
            ):
                cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        finally:
            signal.signal(signal.SIGTERM, terminated)
            talk.setLevel(level)
            talk.handlers[:] = handlers
            render.talk.quiet = False
        assert code in CODES, (code, arguments)
        assert not [path for path in Path(folder).rglob("*") if path.is_file()]
    _judge(out.getvalue() + err.getvalue())
    if code:
        assert re.search("error: |Usage: |─ Error ─", err.getvalue() + out.getvalue())
        if "--json" in arguments:
            assert json.loads(out.getvalue())["exit_code"] == code


def rows(data: bytes) -> None:
    """Any cells, as they come back from every format."""
    cells = data.decode("utf-8", "replace").split(CELLS)
    columns = {"id": cells, "cell": cells[::-1]}
    with tempfile.TemporaryDirectory() as folder:
        for formulas in (True, False):
            file = Path(folder, "out.csv")
            _write(file, columns, Arrangement(separator=",;\t"[len(data) % 3], formulas=formulas))
            with file.open(newline="", encoding="utf-8") as stream:
                (_, *found) = csv.reader(stream, delimiter=",;\t"[len(data) % 3])
            shown = columns if formulas else {n: [*map(as_text, c)] for n, c in columns.items()}
            assert found == [list(row) for row in zip(*shown.values(), strict=True)]
        file = Path(folder, "out.jsonl")
        _write(file, columns)
        lines = [json.loads(one) for one in file.read_text().splitlines()]
        assert [one["id"] for one in lines] == cells
        file = Path(folder, "out.xlsx")
        with suppress(ConfigError):  # a cell longer than a sheet holds
            _write(file, columns)
            sheet = openpyxl.load_workbook(file).active
            assert sheet is not None
            (_, *lists) = sheet.iter_rows()
            assert [cell.data_type for row in lists for cell in row if cell.value] == [
                "s" for row in lists for cell in row if cell.value
            ]
            assert [row[0].value or "" for row in lists] == [*map(_of_a_sheet, cells)]


def _write(file: Path, columns: Mapping[str, object], how: Arrangement | None = None) -> None:
    with open_rows(file, how or Arrangement()) as written:
        written.add(columns)


def _of_a_sheet(cell: str) -> str:
    """A text without the signs that a sheet cannot hold; its lines end in one way."""
    return UNPRINTABLE.sub("", cell).replace("\r\n", "\n").replace("\r", "\n")


def _judge(said: str) -> None:
    assert not STEERING.search(said), said


TARGETS: dict[str, Callable[[bytes], None]] = {"text": text, "line": line, "rows": rows}
SEEDS: dict[str, list[bytes]] = {
    "text": [
        *(b"a\x1b[31mred", b"\x9b2J", "\u202egpj.exe\u2028".encode(), b"two\nlines\r", b"\xff\xfe"),
        *(
            b"[red]a[/red] [/] \\[x]\\",
            b"`overrides=['a=1']` `(((((` `\\d`",
            "部品 σ 1.00 %".encode(),
        ),
        b"below 22.24 nats, 1.14 % [0.31, 2.90] of these (k = 11)",
    ],
    "line": [
        *(b"--alpha 0.1 --confidence nan", b"--n 99999999999999999999 --tail both", b"--k -1"),
        *(
            b"new.csv --output x.csv --fdr 0.1 --by --top 3",
            b"--run \xff\x1b[31m --quiet",
            b"--help",
        ),
        *(b"--seed 1e9 --temperature inf -o -", b"--set train.epochs=[ --config x", b"-- - --"),
        *(b"--device cuda:9 --data-root . --calibration ..", b"--version", b"\xe2\x80\xae --json"),
    ],
    "rows": [
        *(
            b"=1+1\x1e-3.5\x1e+a\x1e@x",
            b'a"b\x1e"\x1e,;\t\x1e\n\x1e\r\x1e\r\n',
            b"\x1e\x1e\x00\x07",
        ),
        *(
            "部品\x1eÜ\x1e\u2028\x1e\ufffe".encode(),
            b"_x0041_ \x1e  spaces \x1e\xed\xa0\x80",
            b"#N/A\x1e1E5",
        ),
    ],
}
