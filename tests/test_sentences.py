"""What the command line says, read aloud. After a change: RENEW_SENTENCES=1 pytest this file.

``sentences.txt`` is what three people see at 80 columns, word by word; lines that go to stderr
begin with ">". Numbers are there to be read, and do not count: they differ between processors.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterable
from contextlib import chdir
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, write_csv

from nice_anomaly.cli import (
    calibrate,
    compare,
    detect,
    explain,
    info,
    plan,
    sample,
    stress,
    train,
    verify,
)

SPOKEN = Path(__file__).with_name("sentences.txt")
CURVE = re.compile(r"[▁-█]+")
FINGERPRINT = re.compile(r"\b[0-9a-f]{9,}\b")
VERSIONS = re.compile(r"(│ versions +│ )[^│]*│\n(│ +│ [^│]*│\n)*")
NUMBER = re.compile(r"(?<![\w])[+-]?\d[\d,.]*\d|(?<![\w])[+-]?\d|\d+")
TORCH = re.compile(r"torch \d[\w.+]*")
FRAME = re.compile(r" +│")
PADDING = re.compile(r" {2,}")
RULE = re.compile(r"─+")
TRIALS = re.compile(r"( nothing changed .*\n)((?: .*\S.*\n)+)")


def written(path: str, lines: Iterable[Iterable[str]]) -> None:
    """A table as a German spreadsheet saves it."""
    Path(path).write_text("".join(";".join(line) + "\n" for line in lines), "cp1252")


def engineer() -> None:
    """Measured cells, five a day in two stations; of the new ones one cell is no number."""
    from sklearn.datasets import load_breast_cancer

    table, first = load_breast_cancer(), date(2025, 1, 6)
    names = ["Probe", "Datum", "Station", *map(str, table.feature_names[:8]), "Befund"]
    good, bad = (table.data[table.target == label, :8] for label in (1, 0))
    old = [*((row, "gutartig") for row in good[:240]), *((row, "bösartig") for row in bad[:12])]
    new = [*((row, "gutartig") for row in good[240:]), *((row, "bösartig") for row in bad[12:])]
    lines = [
        [
            f"P{i:03}",
            f"{first + timedelta(days=i // 5):%d.%m.%Y}",
            "Nord" if i % 3 else "Süd",
            *(f"{value:.5g}".replace(".", ",") for value in values),
            label,
        ]
        for i, (values, label) in enumerate([*old, *new])
    ]
    lines[len(old)][4] = "defekt"
    written("messung.csv", [names, *lines[: len(old)]])
    written("neu.csv", [names, *lines[len(old) :]])


def photographer() -> None:
    """150 pictures of a nought; new ones, ones among them, and a file that is no picture."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * 15.9).astype(np.uint8)
    noughts, ones = images[digits.target == 0], images[digits.target == 1]
    for names, pictures in (
        ("gut/bild", noughts[:150]),
        ("neu/bild", noughts[150:]),
        ("neu/eins", ones[:30]),
    ):
        Path(names).parent.mkdir(exist_ok=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).resize((48, 48)).save(f"{names}-{i:03}.png")
    Path("neu/defekt.png").write_text("no picture")


def student() -> None:
    """Nothing of their own."""


PEOPLE: dict[str, tuple[Callable[[], None], str]] = {
    "a quality engineer with German CSV files": (
        engineer,
        """
        train messung.csv --id-column Probe --label-column Befund --anomaly-value bösartig --seed 1
        calibrate
        calibrate --alpha 0.05
        calibrate --alarms 2/week --name woche
        calibrate --alpha 0.1 --group-column Station --name station
        detect neu.csv --output funde.csv --flagged-only --top 1
        detect neu.csv --skip-unreadable --calibration station --top 0
        detect neu.csv --skip-unreadable --calibration woche --fdr 0.2 --top 0
        compare neu.csv --skip-unreadable
        stress --n 40
        sample -n 2 -o -
        info
        verify --data
        """,
    ),
    "somebody with 150 photographs": (
        photographer,
        """
        train gut/ --set train.precision=float32
        calibrate --alpha 0.1
        detect neu/ --top 1 --output funde.csv
        compare neu/
        compare neu/eins-*.png
        stress
        sample -n 16
        """,
    ),
    "a student": (
        student,
        """
        plan
        plan --alpha 0.01
        plan --n 57
        detect --dataset breast-cancer
        train --config breast-cancer --set train.precision=float32
        detect --dataset breast-cancer
        calibrate --rule conformal --alpha 0.05
        detect --dataset breast-cancer
        detect --dataset breast-cancer-malignant
        """,
    ),
}


def steady(text: str) -> str:
    """What is the same on every machine: words, their order, line breaks; a number is a #."""
    text = TORCH.sub("torch #", text)
    text = VERSIONS.sub(r"\1#\n", CURVE.sub("▁", text))
    text = NUMBER.sub("#", FINGERPRINT.sub("#", text))
    text = RULE.sub("─", PADDING.sub("  ", FRAME.sub(" │", text)))
    return TRIALS.sub(lambda found: found[1] + "".join(sorted(found[2].splitlines(True))), text)


def heard(command: Command, line: str) -> str:
    """One command, and all that it says."""
    done = command(*shlex.split(line))
    talk = [f"> {said}" for said in done.err.splitlines()]
    code = [f"(exit code {done.code})"] if done.code else []
    said = [f"$ nice-anomaly {line}", *talk, *done.out.splitlines(), *code]
    return "\n".join(part.rstrip() for part in said).rstrip()


def spoken() -> dict[str, str]:
    """The file, by person."""
    parts = re.split(r"^# (.*)\n\n", SPOKEN.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (part.rstrip() for part in parts[1::2]), strict=True))


@pytest.mark.parametrize("person", PEOPLE)
def test_every_sentence_is_as_it_was_read_aloud(
    command: Command, person: str, tmp_path: Path
) -> None:
    prepare, lines = PEOPLE[person]
    with chdir(tmp_path):
        prepare()
        said = "\n\n".join(heard(command, line.strip()) for line in lines.strip().splitlines())
    if "RENEW_SENTENCES" in os.environ:
        every = {**spoken(), person: said}
        parts = [f"# {name}\n\n{every[name]}\n" for name in PEOPLE if name in every]
        SPOKEN.write_text("\n".join(parts))
    assert steady(said).splitlines() == steady(spoken()[person]).splitlines()


def test_the_examples_of_the_help_run(command: Command, elsewhere: Path) -> None:
    """Those on files of one's own, in the order in which a person would try them."""
    rng = np.random.default_rng(0)
    for name, n in (("normal-rows", 1_600), ("this-week", 900), ("new", 200)):
        a, state = rng.normal(size=n), ["bad" if i % 4 == 0 else "good" for i in range(n)]
        states = state if name == "new" else ["good"] * n
        rows = zip(range(n), a, a + rng.normal(size=n), states, strict=True)
        write_csv(elsewhere / f"{name}.csv", ["part", "a", "b", "state"], rows)
    verbs = train, calibrate, detect, explain, compare, stress, plan, info, verify, sample
    shown = [line.removeprefix("nice-anomaly ") for verb in verbs for line in verb.EXAMPLES]
    elsewhere_only = re.compile(
        r"mnist|--floor|odd\.png|new_parts"
    )  # built-in sets, exit codes, images
    own = [line for line in shown if not elsewhere_only.search(line)]
    assert len(own) == 12
    for line in own:
        done = command(*shlex.split(line))
        assert done.code == 0, f"{line}: {done.err}"
