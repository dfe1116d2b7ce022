"""Wording: sentences of the library, which name Python arguments, as the command line says them."""

import ast
import re
import shlex
import warnings
from collections.abc import Iterator

LONGEST = 20_000  # letters of a piece of Python
VERBS = {
    "learn": "train",
    "calibrate": "calibrate",
    "detect": "detect",
    "explain": "explain",
    "verify": "verify",
}
OPTIONS = {
    "inputs": "input",
    "anomaly_values": "anomaly-value",
    "ids": "id",
    "most": "top",
    "ignored": "ignore",
    "overrides": "set",
}


def as_typed(sentence: str) -> str:
    """The same with every piece of Python in backticks as one would type it in a shell.

    >>> as_typed("Leave it out with `skip_unreadable=True`, or accept `alpha=0.1`.")
    'Leave it out with --skip-unreadable, or accept --alpha 0.1.'
    >>> as_typed("Run `load_run('runs/a').calibrate(name='night')`.")
    "Run 'nice-anomaly calibrate --run runs/a --name night'."
    """
    return re.sub(r"`([^`]+)`", lambda found: _typed(found[1]), sentence)


def _typed(code: str) -> str:
    for text in (code, f"options({code})") if len(code) <= LONGEST else ():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # somebody's file may be called like odd Python
                tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(tree, ast.Name):
            return _option(tree.id)
        typed = _call(tree) if isinstance(tree, ast.Call) else None
        return f"`{code}`" if typed is None else typed
    return f"`{code}`"


def _call(call: ast.Call) -> str | None:
    """A verb with its options, or options alone; None for what is no command."""
    options = " ".join(part for word in call.keywords for part in _words(word))
    match call.func:
        case ast.Name(id="options"):
            return options
        case ast.Name(id=verb) | ast.Attribute(value=ast.Name(id="run"), attr=verb):
            run = ""
        case ast.Attribute(
            value=ast.Call(func=ast.Name(id="load_run"), args=[ast.Constant(value=path)]), attr=verb
        ):
            run = f"--run {shlex.quote(str(path))}"
        case _:
            return None
    if verb not in VERBS:
        return None
    inputs = "--input PATH" if call.args else ""
    said = " ".join(part for part in (VERBS[verb], run, inputs, options) if part)
    return f"'nice-anomaly {said}'"


def _words(keyword: ast.keyword) -> Iterator[str]:
    """An option as often as it has values."""
    option = _option(keyword.arg or "")
    values = keyword.value.elts if isinstance(keyword.value, ast.List) else [keyword.value]
    for value in values:
        if isinstance(value, ast.Constant) and value.value is True:
            yield option
        elif isinstance(value, ast.Constant):
            yield f"{option} {shlex.quote(str(value.value))}"
        else:
            yield f"{option} {ast.unparse(value)}"


def _option(argument: str) -> str:
    return f"--{OPTIONS.get(argument, argument).replace('_', '-')}"
