"""What the tool endures: kills, races, damaged run folders, hostile inputs, counted.

The tests of ``tests/faults`` and ``tests/fuzz`` try some hundreds of each always; this tries as
many as one likes and keeps the counts in results/faults.json, from which the README has its table.
Inputs that did harm are kept in ``faults/``.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments import HERE, Results, provenance, read
from fuzzing import targets
from nice_anomaly.cli import render
from nice_anomaly.files import write

CHUNK, SECONDS = 5_000, 20  # inputs that one process tries, and for how long
Count = Annotated[int, typer.Option(help="How many; 0 leaves the part out.")]
Found = dict[str, Any]


def main(
    inputs: Count = 100_000,
    mutations: Count = 1_000,
    flips: Count = 10_000,
    kills: Count = 200,
    races: Count = 100,
    seed: int = 0,
    results: Results = Path("results"),
) -> None:
    """Try so many of each and keep the counts; those of parts that are left out stay."""
    file = results / "faults.json"
    found = read(file) if file.is_file() else {}
    for name, part, count in (
        ("inputs", hostile_inputs, inputs),
        ("mutations", damaged_folders, mutations),
        ("flips", flipped_bits, flips),
        ("kills", killed_commands, kills),
        ("races", raced_commands, races),
    ):
        if count:
            settings = {"count": count, "seed": seed}
            found[name] = {**part(count, seed), "provenance": provenance(settings)}
            write(file, (json.dumps(found, indent=2) + "\n").encode())
            render.say(f"{name}: {summary(found[name])}")
    raise typer.Exit(int(any(part["defects"] for part in found.values())))


def summary(found: Found) -> str:
    """A part in a line."""
    numbers = {k: v for k, v in found.items() if isinstance(v, int | float)}
    return ", ".join(f"{value:,.6g} {name}" for name, value in numbers.items())


def hostile_inputs(count: int, seed: int) -> Found:
    """Mutated files through every reader, in rounds of equal time each, until they are enough."""
    names, parts = sorted(targets()), list[Found]()
    tried: Counter[str] = Counter()
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        render.progress_bar("inputs", count, "inputs") as bar,
    ):
        for number in range(1_000_000 * seed, 1_000_000 * (seed + 1)):
            for part in pool.map(in_a_process, names, repeat(number)):
                parts.append(part)
                tried[part["target"]] += part["inputs"]
                bar.advance(tried.total())
            if tried.total() >= count:
                break
    defects = {f"{part['target']}-{k}": v for part in parts for k, v in part["defects"].items()}
    return {
        "tried": tried.total(),
        "targets": dict(tried),
        "hangs": sum(part["hangs"] for part in parts),
        "slowest_seconds": max(part["slowest"] for part in parts),
        "peak_mib": max(part["peak_mib"] for part in parts),
        "defects": len(defects),
        "kept": defects,
    }


def in_a_process(target: str, number: int) -> Found:
    """The outcome of a target; a process that was ended is a defect of its last input."""
    command = [sys.executable, str(HERE / "scripts" / "fuzzing.py"), target]
    command += ["--count", str(CHUNK), "--seconds", str(SECONDS)]
    done = subprocess.run([*command, "--seed", str(number)], capture_output=True, text=True)
    if done.returncode == 0:
        found: Found = json.loads(done.stdout.splitlines()[-1])
        return found
    why = f"exit {done.returncode}: {done.stderr[-300:]}"
    empty = {"target": target, "inputs": 0, "hangs": 1, "slowest": 0.0, "peak_mib": 0.0}
    return {**empty, "defects": {f"current-{number}": why}}


def one_by_one(module: str, name: str, count: int, seed: int) -> Found:
    """Outcomes of so many tries of tests/faults by name, and what did harm in which."""
    sys.path[:0] = [str(HERE), *(str(HERE / "tests" / name) for name in ("faults", ""))]
    try_one: Callable[[int, Path], str] = getattr(importlib.import_module(module), name)
    outcomes: Counter[str] = Counter()
    defects: dict[str, str] = {}
    with render.progress_bar(name, count, "tries") as bar:
        for number in range(seed, seed + count):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    outcomes[try_one(number, Path(folder, "try"))] += 1
                except Exception as error:
                    defects[str(number)] = f"{type(error).__name__}: {error}"[:500]
            bar.advance(number - seed + 1)
    return {"tried": count, "outcomes": dict(outcomes), "defects": len(defects), "kept": defects}


def damaged_folders(count: int, seed: int) -> Found:
    """Run folders with one thing edited, swapped, cut, lost or put in its place."""
    return one_by_one("mutations", "one_mutation", count, seed)


def flipped_bits(count: int, seed: int) -> Found:
    """Run folders with one bit flipped."""
    return one_by_one("mutations", "one_flip", count, seed)


def killed_commands(count: int, seed: int) -> Found:
    """Trainings, calibrations and detections that are killed at a random instant."""
    return one_by_one("kills", "one_kill", count, seed)


def raced_commands(count: int, seed: int) -> Found:
    """Commands that want the same folder at once."""
    return one_by_one("races", "one_race", count, seed)


if __name__ == "__main__":
    typer.run(main)
