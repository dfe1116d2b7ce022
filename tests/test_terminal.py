"""The terminal: what is printed never steers it, and streams that are odd end in no traceback."""

import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from contextlib import chdir
from pathlib import Path

import pytest
from conftest import Command

from nice_anomaly import cli
from nice_anomaly.cli import render
from nice_anomaly.cli.layout import folded, visible
from nice_anomaly.errors import ConfigError

STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
NAMES = {  # what somebody's file, column or cell may be called, and as what it is shown
    "colour": ("a\x1b[31mred", r"a\x1b[31mred"),
    "title of the window": ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
    "one sign for two": ("a\x9b2J", r"a\x9b2J"),
    "written backwards": ("\u202egpj.exe", r"\u202egpj.exe"),
    "isolated": ("\u2066a\u2069", r"\u2066a\u2069"),
    "two lines": ("a\nerror: b", r"a\nerror: b"),
    "over itself": ("good\rbad", r"good\rbad"),
    "another line": ("a\u2028b\x85c", r"a\u2028b\x85c"),
    "deleted": ("a\x7f\b", r"a\x7f\x08"),
    "no UTF-8": (os.fsdecode(b"a\xff"), r"a\udcff"),
    "markup": ("[red]a[/red] [/] [link=x]", "[red]a[/red] [/] [link=x]"),
    "Python": ("`overrides=['a=1']`", "--set a=1"),
    "other letters": ("Größe 部品 🙂", "Größe 部品 🙂"),
}
NAME = "x\x1b[31m\x9b\u202e\x07\u2066[red]"  # all in one, for a file and a column


def shown(done: object) -> str:
    return f"{done.out}\n{done.err}"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    given, expected = NAMES[name]
    render.say(f"note: {given} is read")
    render.show_error(f"{given} cannot be read.", "Give another.")
    render.show_facts(given, [("name", given), (given, "x")])
    render.show_table(given, [given, "n"], [[given, "1"]])
    out, err = capsys.readouterr()
    plain = "Python" not in name
    assert err.splitlines()[0] == f"note: {expected} is read"
    assert err.splitlines()[1:] == [f"error: {expected} cannot be read.", "Give another."]
    assert out.count(expected if plain else given) >= 5
    assert not STEERING.search(out + err)


def test_an_error_has_the_lines_it_was_given() -> None:
    assert str(ConfigError("one", "two\n")) == "one\ntwo\n"


LINES = [  # {x} is the odd name, everywhere that something can be named
    "train {x}.csv --run {x} --id-column {x} --label-column state --anomaly-value {x}1 "
    "--set train.epochs=1",
    "calibrate --run {x} --alpha 0.1",
    "calibrate --run {x} --alpha 0.1 --group-column state --name grouped",
    "detect {x}.csv --run {x} --id-column {x} --calibration grouped --top 3",
    "detect {x}.csv --run {x} --id-column {x} -o {x}.jsonl --keep-columns",
    "info --run {x}",
    "verify --run {x}",
    "stress --run {x} --n 20",
    "sample --run {x} -n 3",
]
MISTAKES = [
    "train {x}.csv --set {x}=1",
    "train {x}.csv --set train.epochs={x}",
    "train {x}.csv --config {x}.yaml",
    "train {x}.csv --config {x}",
    "train {x}.csv --device {x}",
    "train absent-{x}.csv",
    "calibrate --run {x} --name {x}",
    "calibrate --run {x} --rule {x}",
    "calibrate --run {x} --alpha {x}",
    "calibrate --run {x} --alarms {x}",
    "calibrate --run {x} --group-column no{x}",
    "detect --dataset {x}",
    "detect {x}.csv --run absent-{x}",
    "detect {x}.csv --run {x} --calibration {x}",
    "detect {x}.csv --run {x} -o {x}",
    "detect {x}.csv --run {x} -o absent-{x}/x.csv",
    "detect {x}.csv --run {x} --time-column {x}",
    "stress --run {x} --n {x}",
    "compare --dataset {x} --run {x}",
    "plan --alpha {x}",
    "info --run {x} --plot {x}",
    "sample --run {x} -o {x}",
    "verify --run absent-{x}",
    "{x}",
    "--{x}",
    "info --{x}",
    "info {x}",
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose name, columns and cells are odd."""
    folder = tmp_path_factory.mktemp("odd")
    cells = [f"{NAME}{i},{i * 37 % 101},{i * 17 % 89},{NAME}{i % 2}" for i in range(400)]
    text = "\n".join([f"{NAME},a{NAME},b,state", *cells, ""])
    (folder / f"{NAME}.csv").write_text(text, newline="")
    (folder / f"{NAME}.yaml").write_text(f"train: {{epochs: '{NAME}'\n")
    return folder


def test_no_verb_lets_a_name_steer_the_terminal(command: Command, odd: Path) -> None:
    with chdir(odd):
        for line in LINES:
            done = command(*(part.format(x=NAME) for part in shlex.split(line)))
            assert done.code == 0, (line, done.err)
            assert not STEERING.search(shown(done)), line
        assert json.loads(Path(f"{NAME}.jsonl").read_text().split("\n")[0])["id"] == f"{NAME}0"
        found = command.json("info", "--run", NAME)
        assert found["run"] == NAME
        for line in MISTAKES:
            done = command(*(part.format(x=NAME) for part in shlex.split(line)))
            assert 2 <= done.code <= 5, (line, done)
            assert not STEERING.search(shown(done)), line
            assert done.err.count("error: ") + done.err.count("Usage:") == 1, line
        again = command("info", "--run", f"absent-{NAME}", "--json")
        assert NAME in json.loads(again.out)["error"]
        assert not STEERING.search(shown(again))


def run(line: str, redirected: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a shell of its own, its streams as they are ``redirected``."""
    program = shlex.join([sys.executable, "-m", "nice_anomaly"])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program} {line} {redirected}"],
        capture_output=True, timeout=120, check=False, env={**os.environ, **environment},
    )  # fmt: skip


RESULTS_LOST = b"error: the output cannot be written: "
STREAMS = {  # the line, where its streams go: the exit code, what stderr begins with
    "a full disk": ("--version", ">/dev/full", 4, RESULTS_LOST),
    "a full disk for a mistake": ("plan --n 0 --json", ">/dev/full", 2, b"error: --n takes"),
    "no output": ("--version", ">&-", 4, RESULTS_LOST),
    "no help": ("--help", ">&-", 4, RESULTS_LOST),
    "no input": ("--version", "<&-", 0, b""),
    "no talk": ("plan --n 0", "2>&-", 2, b""),
    "talk on a full disk": ("plan --n 0", "2>/dev/full", 2, b""),
    "neither": ("--version", ">&- 2>&-", 4, b""),
    "nothing at all": ("--version", "<&- >&- 2>&-", 4, b""),
    "a reader who goes": ("--version", "| true", 4, b""),
    "talk to nobody": ("plan --n 0", "2>&1 | true", 2, b""),
    "help for a reader of one line": ("--help", "| head -1", None, b""),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("case", STREAMS)
def test_an_odd_stream_ends_in_a_sentence_or_in_silence(case: str) -> None:
    line, redirected, code, begins = STREAMS[case]
    done = run(line, redirected)
    assert code is None or done.returncode == code, done
    assert done.stderr.startswith(begins)
    assert done.stderr.count(b"\n") == (1 if begins else 0)


TERMINALS = {
    "one column": {"COLUMNS": "1"},
    "no column": {"COLUMNS": "0"},
    "very wide": {"COLUMNS": "99999999999999999999"},
    "no number": {"COLUMNS": "wide", "LINES": "\u00b2", "TERMINAL_WIDTH": "x"},
    "a digit that is no number": {"COLUMNS": "\u00b2"},
    "dumb": {"TERM": "dumb"},
    "no colour": {"NO_COLOR": "1", "FORCE_COLOR": "1"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "plain C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("case", TERMINALS)
def test_an_odd_terminal_is_written_to(case: str) -> None:
    done = run("plan --help", **TERMINALS[case])
    assert (done.returncode, done.stderr) == (0, b"")
    assert 100 < len(done.stdout) < 100_000


def test_a_terminal_may_be_narrower_than_a_letter() -> None:
    assert folded("ab 部", -3) == folded("ab 部", 1) == "a\nb\n部"


def test_rows_are_shown_visibly_on_a_terminal_and_as_they_are_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    render.show_rows("a\x1bb\n")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    render.show_rows("a\x1bb\n")
    assert capsys.readouterr().out == "a\x1bb\na\\x1bb\n"
    assert visible("\t\n", keeping="\n") == "\\t\n"


def test_a_mistake_of_ours_is_a_sentence_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="odd") as caught:
        raise ValueError("odd\x1b\n")
    assert cli.confess(caught.value) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: this should not have happened: ValueError: odd\\x1b\\n (")
    assert "test_terminal, line" in said


def test_warnings_of_libraries_are_notes(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        cli.show_warnings()
        warnings.warn("odd\x1b", stacklevel=1)
    assert capsys.readouterr().err == "note: odd\\x1b\n"
