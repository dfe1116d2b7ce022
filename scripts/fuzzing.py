"""One target of tests/fuzz with many inputs, in its own process: ``reliability.py`` starts these.

``python scripts/fuzzing.py csv --count 1000`` mutates the seeds of the target and says in JSON how
it went; an input that did harm is kept in ``faults/``. With ``--atheris`` mutations are led by
coverage (``pip install atheris``) for so many ``--seconds``, with a corpus in ``faults/corpus``.
"""

import faulthandler
import hashlib
import importlib
import json
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from experiments import HERE

LONGEST = 5.0  # seconds for one input: more counts as a hang
DEADLY = 60  # seconds after which a process that does not come back is ended
KEPT = Path("faults")
Target = Callable[[bytes], None]


@dataclass
class Outcome:
    """What became of the inputs to a target; ``defects`` by the hash of the input."""

    target: str
    inputs: int = 0
    hangs: int = 0
    slowest: float = 0.0
    peak_mib: float = 0.0
    defects: dict[str, str] = field(default_factory=dict)


def main(
    target: str,
    count: int = 1_000,
    seed: int = 0,
    seconds: float = float("inf"),
    atheris: Annotated[bool, typer.Option("--atheris")] = False,
) -> None:
    """Give a target mutated inputs and say how it went."""
    function, seeds = targets()[target]
    if atheris:
        led_by_coverage(target, function, seeds, seconds)
    warnings.simplefilter("error")
    outcome = Outcome(target)
    mutated = importlib.import_module("fuzz.mutate").mutated
    chance, ends = random.Random(f"{target} {seed}"), time.monotonic() + seconds
    KEPT.mkdir(exist_ok=True)
    current = KEPT / f"current-{target}-{seed}"
    while outcome.inputs < count and time.monotonic() < ends:
        data = mutated(chance, seeds)
        current.write_bytes(data)  # the only witness of a process that was ended
        try_one(function, data, outcome)
    current.unlink(missing_ok=True)
    outcome.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(asdict(outcome)))


def targets() -> dict[str, tuple[Target, list[bytes]]]:
    """Every target by name, with valid inputs to begin with."""
    sys.path[:0] = [str(HERE), str(HERE / "tests")]
    found = {}
    for file in sorted((HERE / "tests" / "fuzz").glob("targets_*.py")):
        module = importlib.import_module(f"fuzz.{file.stem}")
        for name, function in module.TARGETS.items():
            found[name] = function, list(module.SEEDS[name])
    return found


def try_one(function: Target, data: bytes, outcome: Outcome) -> None:
    """Give a target an input; what it raises is a defect."""
    faulthandler.dump_traceback_later(DEADLY, exit=True)
    started = time.monotonic()
    try:
        function(data)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        keep(data, outcome, f"{type(error).__name__}: {error}"[:300])
    took = time.monotonic() - started
    faulthandler.cancel_dump_traceback_later()
    outcome.inputs += 1
    outcome.slowest = max(outcome.slowest, took)
    if took > LONGEST:
        outcome.hangs += 1
        keep(data, outcome, f"took {took:.1f} s")


def keep(data: bytes, outcome: Outcome, what: str) -> None:
    """Note a defect and its input, once."""
    name = hashlib.sha256(data).hexdigest()[:12]
    outcome.defects[name] = what
    (KEPT / f"{outcome.target}-{name}").write_bytes(data)


def led_by_coverage(name: str, function: Target, seeds: list[bytes], seconds: float) -> None:
    """Hand a target to atheris, which ends the process."""
    import atheris

    corpus = KEPT / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for data in seeds:
        (corpus / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    atheris.instrument_all()
    limit = [] if seconds == float("inf") else [f"-max_total_time={seconds:.0f}"]
    hang = f"-timeout={LONGEST:.0f}"
    atheris.Setup([name, str(corpus), f"-artifact_prefix={KEPT}/", hang, *limit], function)
    atheris.Fuzz()


if __name__ == "__main__":
    typer.run(main)
