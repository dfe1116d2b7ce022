"""Does this checkout do what another one does? The proof of a change that shall change nothing.

``python scripts/same_as.py OTHER`` runs the same commands by both, in the same place one after the
other, on built-in sets and on tables and images made here. Compared are exit codes, JSON on stdout
and every file that was written, to the byte; only what is a time, a version or the last digit of an
interval may differ. Sentences for people may change and are not compared. One line a comparison;
exits with 1 if any differ.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import split
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from experiments import HERE, DataRoot
from same_as_cases import CASES, make_files

TIMES = {
    "created",
    "seconds",
    "train_seconds",
    "samples_per_second",
    "versions",
}  # are those of each run
RELATIVE, ABSOLUTE = 1e-9, 1e-11  # of bounds of intervals: scipy solves for them to 2e-12
DRIVER = """
import contextlib, io, json, sys
import nice_anomaly
from nice_anomaly.cli import main
assert nice_anomaly.__file__.startswith(sys.argv[1]), nice_anomaly.__file__
done = []
for arguments in json.loads(sys.argv[2]):
    sys.argv = ["nice-anomaly", *arguments]
    out, talk, code = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(talk):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
    done.append([code or 0, out.getvalue(), talk.getvalue()])
print(json.dumps(done))
"""  # one process a checkout and group: most of a command's time is the import of torch


@dataclass(frozen=True)
class Outcome:
    """What a list of commands left: exit code, stdout and talk of each, and files by name."""

    commands: list[tuple[int, str, str]]
    files: dict[str, bytes]


def main(
    other: Annotated[Path, typer.Argument(help="The other checkout.")],
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(CASES)}.")] = None,
    this: Annotated[Path, typer.Option(help="This checkout.")] = HERE,
    data_root: DataRoot = Path("data"),
) -> None:
    """Compare group by group."""
    different = compared = 0
    for name, case in CASES.items():
        missing = [part for part in case.needs if not (data_root / part).exists()]
        if missing or (only and name not in only):
            typer.echo(f"skipped  {name}")
            continue
        for what, difference in group(split_all(case.commands), this, other, data_root):
            compared += 1
            different += bool(difference)
            typer.echo(f"{'DIFFERS' if difference else 'same   '}  {name}: {what} {difference}")
    typer.echo(f"{different} of {compared} differ")
    raise SystemExit(int(different > 0))


def split_all(commands: str) -> list[list[str]]:
    """One command a line, as a shell would split it."""
    return [split(line) for line in commands.splitlines() if line]


def group(
    commands: list[list[str]], this: Path, other: Path, data_root: Path
) -> Iterator[tuple[str, str]]:
    """What was compared, and how it differs; an empty difference is none."""
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        make_files(folder / "files")
        ours, theirs = (
            run(commands, checkout.resolve(), folder, data_root.resolve())
            for checkout in (this, other)
        )
    for arguments, one, two in zip(commands, ours.commands, theirs.commands, strict=True):
        ended = f" (exit code {one[0]})" if one[0] else ""
        yield " ".join(arguments) + ended, told_apart(one, two)
    for file in sorted(ours.files.keys() | theirs.files.keys()):
        yield file, of_file(file, ours.files.get(file), theirs.files.get(file))


def run(commands: list[list[str]], checkout: Path, folder: Path, data_root: Path) -> Outcome:
    """All commands by one checkout, in a folder that is then emptied for the next.

    Both have the same folder, since a run says where its data were.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout), "NICE_ANOMALY_DATA": str(data_root)}
    place = folder / "place"
    place.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(checkout), json.dumps(commands)],
        cwd=place, env=environment, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    every = (path for path in sorted(place.rglob("*")) if path.is_file())
    files = {str(path.relative_to(place)): path.read_bytes() for path in every}
    rmtree(place)
    return Outcome([(code, out, talk) for code, out, talk in json.loads(done.stdout)], files)


def told_apart(one: tuple[int, str, str], two: tuple[int, str, str]) -> str:
    """How two outcomes of a command differ; what only people read does not count."""
    if one[0] != two[0]:
        loud = one if one[0] else two
        return f"exit code {one[0]} and not {two[0]}: {loud[2].strip()[-300:]}"
    if one[1].startswith("{") and two[1].startswith("{"):
        return of_values(json.loads(one[1]), json.loads(two[1]))
    return "" if one[1].startswith("{") == two[1].startswith("{") else "JSON and not JSON"


def of_file(name: str, one: bytes | None, two: bytes | None) -> str:
    """How two contents of a file differ."""
    if one is None or two is None:
        return f"is written by {'the other' if one is None else 'this'} alone"
    if name.endswith("run.json"):
        return of_values(json.loads(one), json.loads(two))
    if one == two:
        return ""
    if name.endswith(".safetensors"):
        (header, one), (other, two) = tensors(one), tensors(two)
        if (difference := of_values(header, other)) or one == two:
            return difference
    place = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), "the end")
    return f"from byte {place} on, of {len(one):,} and {len(two):,}"


def tensors(content: bytes) -> tuple[Any, bytes]:
    """The header of a safetensors file, whose notes have no order, and the numbers to the byte."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    notes = header.pop("__metadata__", {})
    return {"notes": {key: json.loads(notes[key]) for key in sorted(notes)}} | header, content[end:]


def of_values(one: Any, two: Any, where: str = "") -> str:
    """Where two JSON values differ first, with both; bounds of intervals may by a last digit."""
    if isinstance(one, dict) and isinstance(two, dict):
        if list(one) != list(two):
            return f"{where or 'top'} has the keys {list(one)} and not {list(two)}"
        pairs = [(f"{where}.{key}", one[key], two[key]) for key in one if key not in TIMES]
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        pairs = [(f"{where}[{i}]", *both) for i, both in enumerate(zip(one, two, strict=True))]
    else:
        return "" if one == two or alike(one, two, where) else f"{where}: {one!r} and not {two!r}"
    return next(filter(None, (of_values(a, b, at) for at, a, b in pairs)), "")


def alike(one: Any, two: Any, where: str) -> bool:
    """Whether both are the same bound of an interval."""
    if "interval" not in where or not (isinstance(one, float) and isinstance(two, float)):
        return False
    return abs(one - two) <= max(ABSOLUTE, RELATIVE * max(abs(one), abs(two)))


if __name__ == "__main__":
    typer.run(main)
