"""What the terminal shows: the same words at every width, and no number torn from its unit."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, copied

from nice_anomaly.cli import calibrations, detections, render
from nice_anomaly.cli.layout import folded
from nice_anomaly.evaluation.summary import Summary
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.scores import Scores
from nice_anomaly.thresholds import Certified
from nice_anomaly.thresholds import calibrate as calibrated
from nice_anomaly.words import rate

CAMERAS = ["north gate"] * 100 + ["south gate"] * 200
CALIBRATION = calibrated(  # of -150 … 149 nats: the 9 lowest are left out
    Scores(np.arange(-150.0, 150.0)), Certified(0.05, 0.95), source="week-12.csv"
)
GROUPED = calibrated(
    Scores(np.arange(-150.0, 150.0)), Certified(0.05, 0.95), groups=CAMERAS, group_column="camera"
)
FOUND = {
    "source": "new.csv", "run": "runs/week-12", "n": 10_110, "flagged": 115,
    "flagged_rate": 115 / 10_110, "normal": 10_000, "anomalous": 110,
    "unreadable": 3, "type_i": 0.0088, "type_i_interval": (0.0071, 0.0108), "type_ii": 0.7545,
    "type_ii_interval": (0.6633, 0.8316), "auroc": 0.9266, "auprc": 0.9084, "fpr_at_95_tpr": 0.408,
}  # fmt: skip
TRIALS = [
    ["nothing changed", "the normals themselves", rate(0.01, (0.00025, 0.0545))],
    ["patch pasted", "12.5 % of a side, of another", rate(0.0556, (0.0116, 0.1539))],
    ["inverted", "light and dark exchanged", rate(1.0, (0.9638, 1.0))],
]


def calibrate() -> None:
    model = Flow(Architecture(dimensions=2, couplings=2, layers=1, width=2, prior="student"))
    follow = "nice-anomaly detect PATH"
    calibrations.show(CALIBRATION, model, "calibrated: runs/week-12", follow)


def detect() -> None:
    detections.show(FOUND, CALIBRATION, Summary(_scores=[np.array([-0.5])]))


def stress() -> None:
    title = "what is found of 100 held-out normals made odd, worst first: runs/week-12"
    render.show_table(title, ["corruption", "how much", "flagged, 95 % interval"], TRIALS, (0, 1))


def groups() -> None:
    calibrations.show_groups(GROUPED)


SCREENS: dict[tuple[Callable[[], None], int], str] = {
    (calibrate, 40): """
calibrated: runs/week-12
┌───────────────┬──────────────────────┐
│ rule          │ certified 5.00 %     │
│ promises      │ at most 5.00 % false │
│               │ alarms, with 95 %    │
│               │ confidence, from 300 │
│               │ normals (k = 9)      │
│ assumes       │ new normals come as  │
│               │ these came,          │
│               │ independently, from  │
│               │ the same source      │
│ held-out      │ 300 of week-12.csv   │
│ normals       │                      │
│ score         │ log-likelihood       │
│ their scores  │ mean -0.50,          │
│               │ σ 86.75 nats         │
│ 1 nat less    │ 2.7 times less       │
│               │ probable             │
│ threshold     │ -142.00 nats         │
│ false alarms, │ 8 of these 300, by   │
│ measured      │ construction         │
│ false alarms, │ 2.99 % [1.38, 5.19], │
│ expected      │ 95 % of cases in     │
│               │ brackets             │
│ mean - 3σ     │ below -260.74 nats:  │
│ instead       │ 0.00 % [0.00, 1.22]  │
│               │ of these             │
│ next          │ nice-anomaly detect  │
│               │ PATH                 │
└───────────────┴──────────────────────┘
""",
    (calibrate, 80): """
calibrated: runs/week-12
┌────────────────────────┬─────────────────────────────────────────────────────┐
│ rule                   │ certified 5.00 %                                    │
│ promises               │ at most 5.00 % false alarms, with 95 % confidence,  │
│                        │ from 300 normals (k = 9)                            │
│ assumes                │ new normals come as these came, independently, from │
│                        │ the same source                                     │
│ held-out normals       │ 300 of week-12.csv                                  │
│ score                  │ log-likelihood                                      │
│ their scores           │ mean -0.50, σ 86.75 nats                            │
│ 1 nat less             │ 2.7 times less probable                             │
│ threshold              │ -142.00 nats                                        │
│ false alarms, measured │ 8 of these 300, by construction                     │
│ false alarms, expected │ 2.99 % [1.38, 5.19], 95 % of cases in brackets      │
│ mean - 3σ instead      │ below -260.74 nats: 0.00 % [0.00, 1.22] of these    │
│ next                   │ nice-anomaly detect PATH                            │
└────────────────────────┴─────────────────────────────────────────────────────┘
""",
    (calibrate, 120): """
calibrated: runs/week-12
┌────────────────────────┬─────────────────────────────────────────────────────────────────────────────┐
│ rule                   │ certified 5.00 %                                                            │
│ promises               │ at most 5.00 % false alarms, with 95 % confidence, from 300 normals (k = 9) │
│ assumes                │ new normals come as these came, independently, from the same source         │
│ held-out normals       │ 300 of week-12.csv                                                          │
│ score                  │ log-likelihood                                                              │
│ their scores           │ mean -0.50, σ 86.75 nats                                                    │
│ 1 nat less             │ 2.7 times less probable                                                     │
│ threshold              │ -142.00 nats                                                                │
│ false alarms, measured │ 8 of these 300, by construction                                             │
│ false alarms, expected │ 2.99 % [1.38, 5.19], 95 % of cases in brackets                              │
│ mean - 3σ instead      │ below -260.74 nats: 0.00 % [0.00, 1.22] of these                            │
│ next                   │ nice-anomaly detect PATH                                                    │
└────────────────────────┴─────────────────────────────────────────────────────────────────────────────┘
""",  # noqa: E501
    (detect, 40): """
detected: new.csv against runs/week-12
┌─────────────┬────────────────────────┐
│ samples     │ 10,110                 │
│ flagged     │ 115 of 10,110, 1.14 %  │
│ threshold   │ -142.00 nats,          │
│             │ certified 5.00 %       │
│ promises    │ at most 5.00 % false   │
│             │ alarms, with 95 %      │
│             │ confidence, from 300   │
│             │ normals (k = 9)        │
│ median      │ -0.50 nats             │
│ score       │                        │
│ unreadable  │ 3, without a verdict   │
│ false       │ 88 of 10,000 normals,  │
│ alarms      │ 0.88 % [0.71, 1.08]    │
│ (type I)    │                        │
│ misses      │ 83 of 110 anomalies,   │
│ (type II)   │ 75.45 % [66.33, 83.16] │
│ in brackets │ exact 95 % intervals   │
│ AUROC       │ 0.9266, how often an   │
│             │ anomaly scores lower   │
│ AUPRC       │ 0.9084, their mean     │
│             │ share of the lowest    │
│             │ scores                 │
│ false       │ 40.80 %                │
│ alarms at   │                        │
│ 95 % found  │                        │
└─────────────┴────────────────────────┘
""",
    (detect, 80): """
detected: new.csv against runs/week-12
┌────────────────────────────┬─────────────────────────────────────────────────┐
│ samples                    │ 10,110                                          │
│ flagged                    │ 115 of 10,110, 1.14 %                           │
│ threshold                  │ -142.00 nats, certified 5.00 %                  │
│ promises                   │ at most 5.00 % false alarms, with 95 %          │
│                            │ confidence, from 300 normals (k = 9)            │
│ median score               │ -0.50 nats                                      │
│ unreadable                 │ 3, without a verdict                            │
│ false alarms (type I)      │ 88 of 10,000 normals, 0.88 % [0.71, 1.08]       │
│ misses (type II)           │ 83 of 110 anomalies, 75.45 % [66.33, 83.16]     │
│ in brackets                │ exact 95 % intervals                            │
│ AUROC                      │ 0.9266, how often an anomaly scores lower       │
│ AUPRC                      │ 0.9084, their mean share of the lowest scores   │
│ false alarms at 95 % found │ 40.80 %                                         │
└────────────────────────────┴─────────────────────────────────────────────────┘
""",
    (detect, 120): """
detected: new.csv against runs/week-12
┌────────────────────────────┬─────────────────────────────────────────────────────────────────────────────┐
│ samples                    │ 10,110                                                                      │
│ flagged                    │ 115 of 10,110, 1.14 %                                                       │
│ threshold                  │ -142.00 nats, certified 5.00 %                                              │
│ promises                   │ at most 5.00 % false alarms, with 95 % confidence, from 300 normals (k = 9) │
│ median score               │ -0.50 nats                                                                  │
│ unreadable                 │ 3, without a verdict                                                        │
│ false alarms (type I)      │ 88 of 10,000 normals, 0.88 % [0.71, 1.08]                                   │
│ misses (type II)           │ 83 of 110 anomalies, 75.45 % [66.33, 83.16]                                 │
│ in brackets                │ exact 95 % intervals                                                        │
│ AUROC                      │ 0.9266, how often an anomaly scores lower                                   │
│ AUPRC                      │ 0.9084, their mean share of the lowest scores                               │
│ false alarms at 95 % found │ 40.80 %                                                                     │
└────────────────────────────┴─────────────────────────────────────────────────────────────────────────────┘
""",  # noqa: E501
    (stress, 40): """
what is found of 100 held-out normals
made odd, worst first: runs/week-12
corruption: nothing changed
  how much: the normals themselves
  flagged, 95 % interval:
  1.00 % [0.025, 5.45]
corruption: patch pasted
  how much: 12.5 % of a side, of another
  flagged, 95 % interval:
  5.56 % [1.16, 15.39]
corruption: inverted
  how much: light and dark exchanged
  flagged, 95 % interval:
  100.00 % [96.38, 100.00]

""",
    (stress, 80): """
what is found of 100 held-out normals made odd, worst first: runs/week-12

 corruption        how much                         flagged, 95 % interval
 ─────────────────────────────────────────────────────────────────────────
 nothing changed   the normals themselves             1.00 % [0.025, 5.45]
 patch pasted      12.5 % of a side, of another       5.56 % [1.16, 15.39]
 inverted          light and dark exchanged       100.00 % [96.38, 100.00]

""",
    (stress, 120): """
what is found of 100 held-out normals made odd, worst first: runs/week-12

 corruption        how much                         flagged, 95 % interval
 ─────────────────────────────────────────────────────────────────────────
 nothing changed   the normals themselves             1.00 % [0.025, 5.45]
 patch pasted      12.5 % of a side, of another       5.56 % [1.16, 15.39]
 inverted          light and dark exchanged       100.00 % [96.38, 100.00]

""",
    (groups, 40): """
by camera
group: north gate
  normals: 100
  threshold: -149.00 nats
  false alarms, 95 %:
  1.98 % [0.24, 5.45]
group: south gate
  normals: 200
  threshold: -46.00 nats
  false alarms, 95 %:
  2.49 % [0.82, 5.04]

""",
    (groups, 80): """
by camera

 group        normals      threshold    false alarms, 95 %
 ─────────────────────────────────────────────────────────
 north gate       100   -149.00 nats   1.98 % [0.24, 5.45]
 south gate       200    -46.00 nats   2.49 % [0.82, 5.04]

""",
    (groups, 120): """
by camera

 group        normals      threshold    false alarms, 95 %
 ─────────────────────────────────────────────────────────
 north gate       100   -149.00 nats   1.98 % [0.24, 5.45]
 south gate       200    -46.00 nats   2.49 % [0.82, 5.04]

""",
}  # fmt: skip


@pytest.mark.parametrize(
    ("show", "width"), SCREENS, ids=[f"{show.__name__} at {width}" for show, width in SCREENS]
)
def test_a_screen_is_this(
    show: Callable[[], None],
    width: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    show()
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == SCREENS[show, width].splitlines()[1:]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (24, [" a word   1.00 % [0, 5]"]),
        (23, [" a word  1.00 % [0, 5]"]),  # two blanks between, not three
        (22, [" a      1.00 % [0, 5]", " word"]),
        (21, [" a     1.00 % [0, 5]", " word"]),
        (20, ["a word", "  1.00 % [0, 5]"]),
    ],
)
def test_columns_move_together_before_words_give_way(
    width: int,
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    render.show_table("", ["", ""], [["a word", "1.00 % [0, 5]"]])
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in shown if line.strip(" ─")] == lines


@pytest.fixture(scope="module")
def folder(shared_sums: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(shared_sums, tmp_path_factory.mktemp("screens"))


@pytest.mark.parametrize(
    "line",
    [
        "info",
        "calibrate --alpha 0.05 --rule conformal --name other",
        "detect -i new.csv --label-column state --anomaly-value bad --top 0",
        "stress --n 50",
        "plan --alpha 0.01 --n 1000",
        "plan --n 500",
    ],
)
def test_a_narrow_terminal_shows_the_same(
    command: Command, folder: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the wide screen is lost, and every number is whole."""
    monkeypatch.chdir(folder)
    wide, *others = (command(*line.split(), columns=width) for width in (400, 120, 80, 40))
    numbers = re.findall(r"[\d.,]+ (?:%|nats)(?: \[[^\]]*\])?", wide.out)
    assert numbers
    for width, narrow in zip((120, 80, 40), others, strict=True):
        assert max(map(len, narrow.out.splitlines())) <= width
        assert letters(narrow.out) >= letters(wide.out)
        for number in numbers:
            assert number in narrow.out


def letters(text: str) -> Counter[str]:
    """How often each sign stands in a text, blanks and frames aside."""
    return Counter(re.sub(r"[\s─━│┌┐└┘┬┴┼]", "", text))


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("short", 5, ["short"]),
        ("two words", 8, ["two", "words"]),
        ("0.88 % [0.71, 1.08]", 19, ["0.88 % [0.71, 1.08]"]),
        ("of 0.88 % [0.71, 1.08] more", 21, ["of", "0.88 % [0.71, 1.08]", "more"]),
        ("12 nats of 3 samples", 7, ["12 nats", "of 3", "samples"]),
        ("(9.51 %), n = 350, σ 7.16 nats", 12, ["(9.51 %),", "n = 350,", "σ 7.16 nats"]),
        ("outside 7.73 … 16.3;", 13, ["outside", "7.73 … 16.3;"]),
        ("-1,234.50 to 6.25 nats", 12, ["-1,234.50 to", "6.25 nats"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("0.88 % [0.71, 1.08]", 8, ["0.88 %", "[0.71,", "1.08]"]),  # no room at all
        ("部品番号 a", 4, ["部品", "番号", "a"]),  # two columns a sign
        ("a [b] c", 3, ["a", "[b]", "c"]),
        ("", 4, [""]),
    ],
)
def test_lines_end_between_what_belongs_together(text: str, width: int, lines: list[str]) -> None:
    assert folded(text, width) == "\n".join(lines)
