"""Wording: what the library says in Python is said in options, and every one of them exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import nice_anomaly
from nice_anomaly.cli import app
from nice_anomaly.cli.wording import as_typed

OPTIONS = {  # of every verb
    verb: {name for parameter in command.params for name in parameter.opts} | {"--help"}
    for verb, command in typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
}
EVERY_OPTION = set().union(*OPTIONS.values()) | {"--version"}
PYTHON_ONLY = {"--noise-seed"}  # no verb takes it: whoever reads of it has typed Python
ELSEWHERE = {"--upgrade"}  # that of pip
PACKAGE = Path(nice_anomaly.__file__).parent

SENTENCES = {
    "an argument": ("leave `inputs` away.", "leave --input away."),
    "two words": ("name it with `data_root`", "name it with --data-root"),
    "renamed": ("`anomaly_values`, `ignored`", "--anomaly-value, --ignore"),
    "a switch": ("`skip_unreadable=True`", "--skip-unreadable"),
    "a number": ("accept `alpha=0.01`", "accept --alpha 0.01"),
    "a text": ("take `score='likelihood'`", "take --score likelihood"),
    "a name for a value": ("(`calibration=NAME`)", "(--calibration NAME)"),
    "a list": (
        "`overrides=['a.b=1', 'c.d=2']`", "--set a.b=1 --set c.d=2",
    ),
    "a verb": ("Run `learn()`.", "Run 'nice-anomaly train'."),
    "a verb of a run": ("Run `run.calibrate()`.", "Run 'nice-anomaly calibrate'."),
    "with inputs": ("`calibrate(inputs)`", "'nice-anomaly calibrate --input PATH'"),
    "with options": (
        "`learn(run='runs/a', overwrite=True)`", "'nice-anomaly train --run runs/a --overwrite'",
    ),
    "a run by its path": (
        "`load_run('runs/a').calibrate(name='night')`",
        "'nice-anomaly calibrate --run runs/a --name night'",
    ),
    "all together": (
        "`run.detect(inputs, calibration=name)`",
        "'nice-anomaly detect --input PATH --calibration name'",
    ),
    "what is no command": ("call `np.stack(arrays)`", "call `np.stack(arrays)`"),
    "what is no Python": ("`a b`", "`a b`"),
    "nothing to say": ("plain 'words' stay", "plain 'words' stay"),
}  # fmt: skip


@pytest.mark.parametrize("case", SENTENCES)
def test_a_sentence_as_it_is_typed(case: str) -> None:
    said, typed = SENTENCES[case]
    assert as_typed(said) == typed


def docstrings(tree: ast.AST) -> set[ast.expr]:
    """The nodes of a module that nobody is told."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr):
                found.add(first.value)
    return found


def literals(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every text of a module with its place, and something filled in where values go."""
    silent: set[ast.AST] = {*docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            silent |= {*ast.walk(node)} - {node}
    for node in ast.walk(tree):
        if node in silent:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield f"{node.lineno}:{node.col_offset}", node.value
        elif isinstance(node, ast.JoinedStr):
            text = ""
            for part in node.values:
                quoted = isinstance(part, ast.FormattedValue) and part.conversion == ord("r")
                value = f"'{filler(text)}'" if quoted else filler(text)
                text += str(part.value) if isinstance(part, ast.Constant) else value
            yield f"{node.lineno}:{node.col_offset}", text


def filler(before: str) -> str:
    """What a value may be: an option, or the name of one, which Python reads everywhere."""
    if before.endswith("--"):
        return "run"
    inside = before.count("`") % 2 == 1
    return "alpha" if inside or before.endswith((" ", "'")) else " alpha"


TEXTS = {
    f"{file.relative_to(PACKAGE)}:{place}": text
    for file in sorted(PACKAGE.rglob("*.py"))
    for place, text in literals(ast.parse(file.read_text()))
    if "`" in text or "--" in text
}


def test_there_is_something_to_say() -> None:
    assert sum("`" in text for text in TEXTS.values()) > 50
    assert not PYTHON_ONLY & EVERY_OPTION


@pytest.mark.parametrize(
    "place", [place for place in TEXTS if not place.startswith("cli/wording.py")]
)
def test_no_sentence_advises_an_option_that_does_not_exist(place: str) -> None:
    """Of the whole package, errors and remarks alike: also what is hard to bring about."""
    said = TEXTS[place]
    assert said.count("`") % 2 == 0  # a piece of Python is not torn apart
    typed = as_typed(said)
    assert "`" not in typed
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", typed))
    assert named <= EVERY_OPTION | PYTHON_ONLY | ELSEWHERE
    for command in re.findall(r"nice-anomaly ([a-z]+[^']*)", typed):
        verb, *words = command.split()
        if verb in OPTIONS:
            used = {word for word in words if word.startswith("--")}
            assert used <= OPTIONS[verb], command


@pytest.mark.parametrize(
    "place", [place for place, text in TEXTS.items() if "'nice-anomaly " in as_typed(text)]
)
def test_every_command_that_is_advised_is_a_verb(place: str) -> None:
    for verb in re.findall(r"'nice-anomaly (\S+?)['\s]", as_typed(TEXTS[place])):
        assert verb in OPTIONS
