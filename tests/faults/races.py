"""Races: several commands at once on the same folders, and every one of them ends well.

``one_race`` is one such story by its number.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path

from kills import NEW, QUICK, RUN, STORIES, World, calibrated, said, shared, temporary

from nice_anomaly.errors import NotCalibratedError
from nice_anomaly.run import (
    MANIFEST,
    calibrations,
    load_calibration,
    load_manifest,
    load_run,
)

OLD = f"train rows.csv {QUICK}"
LATER = 0.4  # seconds within which all begin


def one_race(seed: int, folder: Path, given: World | None = None) -> str:
    """Run commands at once, begun at instants that the seed chooses, in a ``folder`` to be made.

    Gives which and what came of it; raises AssertionError for damage.
    """
    here, rng = given or shared(), random.Random(seed)
    name = rng.choice([*RACES])
    outcome = RACES[name](here, rng, folder)
    assert not temporary(folder), temporary(folder)
    assert not list(folder.rglob("unsettled.json"))
    return f"{name}: {outcome}"


def without_a_name(here: World, rng: random.Random, folder: Path) -> str:
    """Trainings without ``--run``: each has a folder of its own."""
    here.copy("", folder)
    codes = at_once(here, rng, folder, [OLD, NEW, OLD])
    assert codes == [0, 0, 0], told(folder)
    runs = sorted(file.parent for file in folder.glob(f"runs/*/{MANIFEST}"))
    assert [run.name for run in runs] == ["rows", "rows-2", "rows-3"]
    assert sorted(whole(run) for run in runs) == sorted([here.old, here.old, here.new])
    return "three runs"


def one_with_bad_data(here: World, rng: random.Random, folder: Path) -> str:
    """A training that cannot begin leaves no folder, and takes nothing from another."""
    here.copy("", folder)
    (folder / "few").mkdir()
    (folder / "few" / "rows.csv").write_text("a,b\n1,2\n")
    codes = at_once(here, rng, folder, [NEW, NEW.replace("rows.csv", "few/rows.csv")])
    assert codes == [0, 3], told(folder)
    runs = [file for file in (folder / "runs").iterdir() if file.is_dir()]
    assert [whole(run) for run in runs] == [here.new]
    return "one run"


def the_same_name(here: World, rng: random.Random, folder: Path) -> str:
    """Trainings into one ``--run``: one trains, the others are refused."""
    here.copy("", folder)
    codes = at_once(here, rng, folder, [f"{line} --run {RUN}" for line in (OLD, NEW, OLD)])
    assert sorted(codes)[0] == 0
    assert set(codes) <= {0, 2, 4}, told(folder)
    assert codes.count(0) == 1, told(folder)
    for place, code in enumerate(codes):
        words = {0: "trained: ", 2: "already holds ", 4: "is being trained by another process (pid"}
        assert words[code] in said(folder, f"{place}.txt"), told(folder)
    assert whole(folder / RUN) == (here.new if codes[1] == 0 else here.old)
    return "one trained"


def going_on_twice(here: World, rng: random.Random, folder: Path) -> str:
    """Two that go on with one training: one does."""
    here.copy("old, stopped", folder)
    codes = at_once(here, rng, folder, [STORIES["resume over"][1]] * 2)
    assert sorted(codes) == [0, 4], told(folder)
    assert whole(folder / RUN) == here.new
    return "one went on"


def readers(here: World, rng: random.Random, folder: Path) -> str:
    """Those that read while a run is replaced read the one or the other."""
    here.copy("old", folder)
    verb = rng.choice(["info", "detect rows.csv", "sample -n 2 -o -"])
    child = here.nursery.start(STORIES["overwrite"][1], folder, every=-1)
    seen, codes = set(), []
    while not codes or load_manifest(folder / RUN).fingerprint != here.new:
        seen.add(whole(folder / RUN))
        codes.append(here.nursery.run(f"{verb} --run {RUN}", folder, log="0.txt"))
        assert codes[-1] in (0, 5), told(folder)
        assert len(codes) < 1_000
    assert here.nursery.end(child) == 0, said(folder)
    assert {*seen, whole(folder / RUN)} == {here.old, here.new}
    return "read"


def a_calibration_meanwhile(here: World, rng: random.Random, folder: Path) -> str:
    """One that is made while a run is replaced is of weights that are there, or refused."""
    here.copy("old", folder)
    line = f"calibrate --run {RUN} --alpha 0.2"
    before = calibrated(folder)
    codes = at_once(here, rng, folder, [STORIES["overwrite"][1], line, line + " --name third"])
    assert codes[0] == 0, told(folder)
    assert set(codes[1:]) <= {0, 4}, told(folder)
    for place in (1, 2):
        words = said(folder, f"{place}.txt")
        assert codes[place] == 0 or "holds another run by now" in words, told(folder)
    after = calibrated(folder)
    assert after["strict.calibration.safetensors"] == before["strict.calibration.safetensors"]
    kept = ["default", "strict", "third"][: 3 if codes[2] == 0 else 2]
    assert list(calibrations(folder / RUN)) == kept
    assert whole(folder / RUN) == here.new
    made = [name for name in kept if is_of(folder / RUN, here.new, name)]
    return f"{len(made)} of the new weights"


def calibrations_at_once(here: World, rng: random.Random, folder: Path) -> str:
    """Of calibrations of one name the last stays, and it is whole."""
    here.copy("old", folder)
    lines = [f"calibrate --run {RUN} --alpha {alpha}" for alpha in (0.1, 0.2, 0.1, 0.2)]
    assert at_once(here, rng, folder, lines) == [0] * 4, told(folder)
    rule = load_calibration(folder / RUN, here.old).rule
    return f"alpha {rule.alpha}"  # type: ignore[attr-defined]


RACES: dict[str, Callable[[World, random.Random, Path], str]] = {
    "without a name": without_a_name,
    "one with bad data": one_with_bad_data,
    "the same name": the_same_name,
    "going on twice": going_on_twice,
    "readers": readers,
    "a calibration meanwhile": a_calibration_meanwhile,
    "calibrations at once": calibrations_at_once,
}


def at_once(here: World, rng: random.Random, folder: Path, lines: list[str]) -> list[int]:
    """The exit codes of commands that run at the same time; each says it in a file of its own."""
    begun = time.monotonic()
    starts = sorted((rng.choice([0.0, LATER]) * rng.random(), n) for n in range(len(lines)))
    children = {}
    for instant, place in starts:
        time.sleep(max(0.0, begun + instant - time.monotonic()))
        log = f"{place}.txt"
        children[place] = here.nursery.start(lines[place], folder, log=log, every=-1)
    codes = [here.nursery.end(children[place]) for place in range(len(lines))]
    assert "Traceback" not in told(folder), told(folder)
    return codes


def whole(run: Path) -> str:
    """The fingerprint of a run, which proves itself."""
    return load_run(run).manifest.fingerprint


def is_of(run: Path, weights: str, name: str) -> bool:
    """Whether a calibration is of these weights; if it is of others, that is said."""
    try:
        load_calibration(run, weights, name)
    except NotCalibratedError:
        return False
    return True


def told(folder: Path) -> str:
    """What all of them said."""
    return "\n".join(f"{file.name}\n{file.read_text()}" for file in sorted(folder.glob("*.txt")))
