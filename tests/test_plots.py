"""Figures: what is drawn is what was given, the same bytes every time, from every verb that can."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import FAST, Command, copied

import nice_anomaly as na
from nice_anomaly import plots
from nice_anomaly.metrics import Rate, auprc, auroc
from nice_anomaly.plots.scores import reach
from nice_anomaly.training import EpochSummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RNG = np.random.default_rng(0)
NORMALS, SCORES = RNG.normal(50, 5, 800), np.append(RNG.normal(50, 5, 300), [-9e9, -math.inf, 20])
FLAGGED = SCORES < 35
TIMES = np.datetime64("2025-03-01", "s") + np.arange(len(SCORES)) * np.timedelta64(3_600, "s")
EPOCHS = [EpochSummary(i, float(i), i - 1.5, 1.0, 1.0) for i in range(5)]
TRIALS = [
    {
        "corruption": name, "grade": grade, "words": "", "plainest": grade == 1, "n": 100,
        "flagged_rate": share * grade, "interval": [0.5 * share * grade, grade * share],
    }
    for name, share in (("$blur_", 0.4), ("noise", 1.0))
    for grade in (0.5, 1.0)
]  # fmt: skip
METHODS = [
    {"method": "ours", "auroc": 0.9, "lead": 0.0, "interval": [0.0, 0.0], "ours": True},
    {"method": "<theirs>", "auroc": 0.4, "lead": 0.5, "interval": [0.4, 0.6], "ours": False},
]
RANKING = plots.Ranking.of(SCORES[~FLAGGED], SCORES[FLAGGED])
FIGURES = {
    "histogram": lambda **size: plots.histogram(NORMALS, 35.0, 70.0, SCORES, unit=" nats", **size),
    "normals": lambda **size: plots.histogram(NORMALS, -math.inf, **size),
    "p-values": lambda **size: plots.p_values(RNG.random(0), **size),
    "timeline": lambda **size: plots.timeline(TIMES, SCORES, FLAGGED, 35.0, **size),
    "course": lambda **size: plots.course(EPOCHS, 4, "log-likelihood", **size),
    "roc": lambda **size: plots.roc(RANKING, Rate(3, 300), Rate(2, 3), **size),
    "precision": lambda **size: plots.precision_recall(RANKING, **size),
    "stressed": lambda **size: plots.stressed(TRIALS, **size),
    "compared": lambda **size: plots.compared(METHODS, **size),
}


def texts(figure: "Figure") -> list[str]:
    """What an SVG of it says, in one piece each."""
    root = ElementTree.fromstring(plots.picture(figure, ".svg"))
    return ["".join(part.itertext()) for part in root.iter() if part.tag.endswith("}text")]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_bytes_again_and_its_text_is_text(name: str) -> None:
    first, second = (plots.picture(FIGURES[name](size=plots.NARROW), ".svg") for _ in range(2))
    assert first == second
    assert b"</text>" in first
    assert b"system-ui" in first
    assert b"dc:date" not in first


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_other_formats_are_the_same_bytes_too(suffix: str, start: bytes) -> None:
    first, second = (plots.picture(FIGURES["stressed"](), suffix) for _ in range(2))
    assert first == second
    assert first.startswith(start)


def test_bars_are_shares_and_what_is_far_out_is_counted() -> None:
    axes = FIGURES["histogram"]().axes[0]
    assert sum(bar.get_height() for bar in axes.patches[1:]) == pytest.approx(1.0)
    said, hits = texts(FIGURES["histogram"]()), int((SCORES < 35).sum())
    beyond = int((axes.get_xlim()[0] > SCORES).sum())
    assert {f"{303 - hits} pass", f"{hits} flagged", f"{beyond} beyond"} <= {*said}
    assert beyond >= 2
    assert "outline: 800 calibration normals" in said
    assert {"threshold 35", "threshold 70"} <= {*said}
    low, high = reach(NORMALS, SCORES, 35.0, 70.0)
    assert axes.get_xlim() == (low, high)
    assert low > -1_000


def test_thresholds_of_groups_decide_who_is_flagged_and_not_the_line() -> None:
    drawn = plots.histogram(NORMALS, 35.0, math.inf, SCORES, SCORES < 45)
    assert f"{int((SCORES < 45).sum())} flagged" in texts(drawn)


def test_a_band_holds_its_curve_and_areas_are_those_of_the_metrics() -> None:
    normal, odd = RNG.normal(size=3_000), RNG.normal(-1, 1, 400)
    ranking = plots.Ranking.of(normal, odd)
    assert ranking.auroc == pytest.approx(auroc(normal, odd))
    assert ranking.auprc == pytest.approx(auprc(normal, odd))
    assert ranking.auroc_interval[0] < ranking.auroc < ranking.auroc_interval[1]
    assert ranking.auprc_interval[0] < ranking.auprc < ranking.auprc_interval[1]
    assert (np.diff(ranking.found) >= 0).all()
    inside = (ranking.found_band[0] <= ranking.found) & (ranking.found <= ranking.found_band[1])
    assert inside[1:-1].mean() > 0.95
    at = int(0.1 * (len(ranking.places) - 1))
    cut = np.quantile(normal, 0.1)
    assert ranking.found[at] == pytest.approx((odd < cut).mean(), abs=0.01)


def test_perfect_and_worst_rankings_by_hand() -> None:
    low, high = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    best, worst = plots.Ranking.of(high, low), plots.Ranking.of(low, high)
    assert (best.auroc, best.auprc, worst.auroc) == (1.0, 1.0, 0.0)
    assert best.found[-1] == 1.0
    assert best.precise.tolist() == [1.0] * len(best.places)
    assert worst.precise[-1] == 0.5
    infinite = plots.Ranking.of(np.array([0.0, 1.0]), np.array([-math.inf, 0.0]))
    assert infinite.auroc == 0.875


def test_a_timeline_leaves_out_what_has_no_moment_and_counts_each_alarm() -> None:
    times = TIMES.copy()
    times[0] = np.datetime64("NaT")
    below = plots.timeline(times, SCORES, FLAGGED).axes[1]
    assert sum(bar.get_height() for bar in below.patches) == FLAGGED[1:].sum()
    plots.picture(plots.timeline(TIMES[:1], SCORES[:1], FLAGGED[:1]), ".svg")
    odd = np.array(["0003-01-01", "9999-12-31"], dtype="datetime64[s]")
    assert "0003" in " ".join(texts(plots.timeline(odd, SCORES[:2], FLAGGED[:2])))


def test_dots_are_at_the_shares_and_the_worst_is_on_top() -> None:
    axes = FIGURES["stressed"]().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["$blur_", "noise"]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert dots == [0.2, 0.4, 0.5, 1.0]
    left, right = FIGURES["compared"]().axes
    assert [line.get_xdata()[0] for line in left.lines if line.get_marker() == "o"] == [0.9, 0.4]
    assert [line.get_xdata()[0] for line in right.lines if line.get_marker() == "o"] == [0.5]


def test_the_course_is_the_history() -> None:
    fit, held_out, best = FIGURES["course"]().axes[0].lines
    assert fit.get_ydata().tolist() == [epoch.train for epoch in EPOCHS]
    assert held_out.get_ydata().tolist() == [epoch.early_stopping for epoch in EPOCHS]
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (5, 2.5)


@pytest.fixture(scope="module")
def drawn(
    shared_sums: Path, tmp_path_factory: pytest.TempPathFactory, command: Command
) -> dict[str, str]:
    """What each verb draws, as SVG by its name."""
    place = copied(shared_sums, tmp_path_factory.mktemp("drawn") / "sums")
    label = ("--label-column", "state", "--anomaly-value", "bad")
    verbs = {
        "train": ("train", *FAST, "--run", "runs/other"),
        "calibrate": ("calibrate", "--alpha", "0.1", "--name", "x", "--run", "runs/train"),
        "detect": ("detect", "new.csv", *label, "--run", "runs/train"),
        "stress": ("stress", "--n", "50", "--run", "runs/train"),
    }
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for verb, line in verbs.items():
            done = command(*line, "--plot", f"{verb}.svg")
            assert done.code == 0, done.err
            assert re.search(rf"drew .* to {verb}\.svg\n", done.err)
            found[verb] = Path(f"{verb}.svg").read_text()
    return found


VERBS = {
    "train": "epoch",
    "calibrate": "200 calibration normals",
    "detect": "AUROC",
    "stress": "column stuck",
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_draws(drawn: dict[str, str], verb: str) -> None:
    assert VERBS[verb] in drawn[verb]


def test_values_of_the_library_draw_themselves() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 2)).cumsum(axis=1)
    run = na.learn(rows, overrides=["train.epochs=1"])
    calibration = run.calibrate(alpha=0.05)
    assert f"{calibration.n} calibration normals" in texts(calibration.plot())
    found = run.detect([[0.1, 0.2], [9.0, -9.0]])
    assert {"1 pass", "1 flagged"} <= {*texts(found.plot())}
