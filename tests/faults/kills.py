"""Kills: a command is killed at some instant, and then everything has to be whole.

``one_kill`` is one such story by its number; ``at_operation`` kills at the n-th operation on files,
or lets that one fail.
"""

import atexit
import functools
import hashlib
import json
import random
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nursery import DEAD, Nursery, nursery

from nice_anomaly.run import (
    MANIFEST,
    calibrations,
    checkpoint_file,
    load_calibration,
    load_checkpoint,
    load_manifest,
    load_run,
)

QUICK = "--set train.epochs=3 --set train.patience=3 --set train.least_steps=2 --set flow.width=16"
RUN = Path("runs/rows")
SECOND_EPOCH = {"train": 110, "overwrite": 60}  # file operations: one epoch is kept, not all are
NEW = f"train rows.csv --seed 1 {QUICK}"
STORIES = {  # by name: what is there before, what is killed
    "train": ("", NEW),
    "overwrite": ("old", f"{NEW} --run {RUN} --overwrite"),
    "resume": ("stopped", f"train --resume --run {RUN}"),
    "resume over": ("old, stopped", f"train --resume --run {RUN}"),
    "calibrate": ("old", f"calibrate --run {RUN} --alpha 0.2"),
    "explain": ("old", f"explain rows.csv --run {RUN} --all --output why"),
    "detect": ("old", f"detect rows.csv --run {RUN} --output found.csv"),
}
ENDS = {
    0: "ended",
    130: "interrupted",
    143: "terminated",
    -15: "terminated",
    -9: "killed",
    DEAD: "killed",
}


@dataclass(frozen=True)
class World:
    """Folders to begin from, and how undisturbed commands end: fingerprints and seconds."""

    nursery: Nursery
    folder: Path
    old: str
    new: str
    training: float
    using: float

    def copy(self, state: str, folder: Path) -> Path:
        """A folder in which a story begins."""
        shutil.copytree(self.folder / (state or "nothing"), folder)
        return folder


def world(home: Nursery, folder: Path) -> World:
    """The folders that stories begin in, made by undisturbed commands, and once by a kill."""
    rows = np.random.default_rng(0).normal(size=(120, 2)).round(5)
    nothing = folder / "nothing"
    nothing.mkdir()
    (nothing / "rows.csv").write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in rows) + "\n")
    old = shutil.copytree(nothing, folder / "old")
    assert home.run(f"train rows.csv {QUICK}", old) == 0, said(old)
    assert home.run("calibrate --alpha 0.1", old) == 0, said(old)
    assert home.run("calibrate --alpha 0.2 --name strict", old) == 0, said(old)
    (old / "found.csv").write_text("what was found before\n")
    seconds, copied = [], shutil.copytree(old, folder / "timed")
    for line in (STORIES["overwrite"][1], f"calibrate --run {RUN} --alpha 0.2"):
        began = time.perf_counter()
        assert home.run(line, copied, every=-1) == 0, said(copied)
        seconds.append(time.perf_counter() - began)
    for state, base, story in (("stopped", nothing, "train"), ("old, stopped", old, "overwrite")):
        stopped = shutil.copytree(base, folder / state)
        fault = ("die", SECOND_EPOCH[story], str(stopped))
        assert home.run(STORIES[story][1], stopped, every=-1, fault=fault) == DEAD, said(stopped)
        assert load_checkpoint(stopped / RUN)[1] is not None
    prints = [load_manifest(place / RUN).fingerprint for place in (old, copied)]
    return World(home, folder, *prints, *seconds)


@functools.cache
def shared() -> World:
    """One for all stories of a process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    folder.chmod(0o755)  # other users have stories, too
    return world(stack.enter_context(nursery(folder)), folder)


def one_kill(seed: int, folder: Path, given: World | None = None) -> str:
    """Kill a command at an instant that the seed chooses, in ``folder``, which is not there yet.

    Gives what was killed and what came of it; raises AssertionError for damage.
    """
    here, rng = given or shared(), random.Random(seed)
    name = rng.choice([*STORIES])
    state, argv = STORIES[name]
    here.copy(state, folder)
    blow = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    every, instant = rng.choice([-1, 60]), rng.random()
    before = calibrated(folder)
    child = here.nursery.start(argv, folder, every=every)
    time.sleep(
        instant * (here.using if name in ("calibrate", "explain", "detect") else here.training)
    )
    here.nursery.signal(child, blow)
    code = here.nursery.end(child)
    assert code in ENDS, f"{name}: {code}\n{said(folder)}"
    return f"{name}, {ENDS[code]}: {judged(here, name, folder, before)}"


def at_operation(
    name: str, what: str, at: int, folder: Path, given: World | None = None, every: int = -1
) -> str:
    """Let a command die, or an operation fail, at its n-th operation on files below ``folder``.

    Gives what came of it, "over" if the command has fewer; raises AssertionError for damage.
    """
    here = given or shared()
    state, argv = STORIES[name]
    here.copy(state, folder)
    before, left = calibrated(folder), temporary(folder)
    code = here.nursery.run(argv, folder, every=every, fault=(what, at, str(folder)))
    if what == "die":
        assert code in (0, DEAD), f"{code}\n{said(folder)}"
    else:
        assert code in (0, 2, 3, 4), f"{code}\n{said(folder)}"
        assert temporary(folder) <= left, f"{said(folder)}\n{temporary(folder)}"
        assert code == 0 or "error: " in said(folder)
    outcome = judged(here, name, folder, before)
    return f"{code}: {outcome}"


def judged(here: World, name: str, folder: Path, before: dict[str, str]) -> str:
    """What a command has left that was stopped; then the next commands put it in order."""
    assert "Traceback" not in said(folder), said(folder)
    after = calibrated(folder)
    if name == "calibrate":  # the one that it makes is the one before or whole
        load_calibration(folder / RUN, here.old)
        after, before = (
            {k: v for k, v in c.items() if not k.startswith("default.")} for c in (after, before)
        )
    assert after == before, "a calibration has changed"
    if name == "explain":  # whole files or none, and the same command writes all of them
        found = folder / "why" / "reasons.json"
        assert not found.exists() or json.loads(found.read_text())["explained"]
        assert here.nursery.run(STORIES[name][1], folder) == 0, said(folder)
        assert {file.name for file in found.parent.iterdir()} == {"reasons.csv", "reasons.json"}
    there = (folder / RUN / MANIFEST).exists()
    code = here.nursery.run(f"info --run {RUN}", folder)
    stale = there and before and load_manifest(folder / RUN).fingerprint != here.old
    assert code == (5 if stale else 0 if there else 4), said(folder)
    assert not temporary(folder), temporary(folder)
    if there:
        run = load_run(folder / RUN)  # it proves itself
        parts = {file.name for file in (folder / RUN).glob("*-*.safetensors")}
        assert parts == {*run.manifest.files}, "parts that no manifest names"
        if run.manifest.fingerprint == here.old:
            for kept in calibrations(folder / RUN):
                load_calibration(folder / RUN, here.old, kept)
    if name == "detect":
        lines = (folder / "found.csv").read_text().splitlines()
        assert len(lines) in (1, 121), f"{len(lines)} lines"
        return "found before" if len(lines) == 1 else "found now"
    if name == "explain":
        return "explained"
    if name == "calibrate":
        assert here.nursery.run(STORIES[name][1], folder) == 0, said(folder)
        return "calibrated"
    return _gone_on(here, name, folder, before)


def _gone_on(here: World, name: str, folder: Path, before: dict[str, str]) -> str:
    """A training that was stopped, to its end: the weights are those of an undisturbed one."""
    run, outcome = folder / RUN, "resumed"
    if checkpoint_file(run).exists():
        assert here.nursery.run(f"train --resume --run {RUN}", folder) == 0, said(folder)
    elif (run / MANIFEST).exists() and load_manifest(run).fingerprint == here.new:
        outcome = "had ended"
    else:
        outcome = "had not begun"
        again = STORIES["overwrite" if before else "train"][1]
        assert here.nursery.run(again, folder) == 0, said(folder)
    manifest = load_manifest(run)
    assert manifest.finished, f"{name}: unfinished"
    assert manifest.fingerprint == here.new, "other weights"
    assert calibrated(folder) == before, "a calibration has changed"
    names = {file.name for file in run.iterdir()}
    assert names == {MANIFEST, *manifest.files, *before}, names
    beside = {file.name for file in run.parent.iterdir()} - {".last"}
    assert beside == {run.name}, beside
    return outcome


def said(folder: Path, log: str = "said.txt") -> str:
    """What the last command in a folder said."""
    return (folder / log).read_text()


def calibrated(folder: Path) -> dict[str, str]:
    """The calibrations of the run as they are, to the byte."""
    return {file.name: hashed(file) for file in (folder / RUN).glob("[!.]*.calibration.*")}


def hashed(file: Path) -> str:
    """What stands for the content of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def temporary(folder: Path) -> set[Path]:
    """Files that only a command that is still at work has."""
    return {file for file in folder.rglob(".*") if file.name.endswith(".tmp")}
