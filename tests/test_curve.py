"""The training curve: blocks of the right height, a picture, and one number for one thing."""

import math
import sys
from pathlib import Path

import pytest
from conftest import FAST, Command, copied

import nice_anomaly as na
from nice_anomaly.curve import BLOCKS, LONGEST, PLAIN, span, sparkline
from nice_anomaly.own_data import own_material
from nice_anomaly.run import load_manifest

LINES = {
    "one block a step": ([*range(8)], "▁▂▃▄▅▆▇█"),
    "down again": ([0.0, 7.0, 3.5], "▁█▅"),
    "a single epoch": ([-3.0], "█"),
    "all the same": ([2.0, 2.0], "██"),
    "an awful start": ([-9e9, 0, 1, 2, 3, 4, 5, 6, 7], "▁▁▂▃▄▅▆▇█"),
    "an infinite start": ([-math.inf, 0, 1], "▁▁█"),
    "nothing finite": ([-math.inf], "█"),
    "more than fit": ([*range(5 * LONGEST)], "".join(3 * block for block in BLOCKS)),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_of_blocks(case: str) -> None:
    values, line = LINES[case]
    assert sparkline(values) == line
    plain = sparkline(values, PLAIN)
    assert plain == line.translate(str.maketrans(BLOCKS, PLAIN))
    assert plain.isascii()


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0], 1, 5),
        ([-17.0, 2.0, 3.0, 4.0, 5.0], -17, 5),  # 3 - 10 · (5 - 3)
        ([-17.1, 2.0, 3.0, 4.0, 5.0], 2, 5),
        ([1.0, 5.0, 5.0], 5, 5),
        ([-math.inf, 1.0, math.nan, 2.0], 1, 2),
        ([5.0], 5, 5),
        ([math.inf], 0, 0),
    ],
)
def test_the_range_leaves_out_what_would_squash_the_rest(
    values: list[float], low: float, high: float
) -> None:
    assert span(values) == (low, high)


USED = "run: runs/digits (trained last; name another with --run)\n"


@pytest.fixture
def trained(shared_digits: Path, elsewhere: Path) -> Path:
    return copied(shared_digits, elsewhere) / "runs" / "digits"


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
@pytest.mark.usefixtures("trained")
def test_info_draws_the_training(command: Command, name: str, start: bytes) -> None:
    done = command("info", "--plot", name)
    assert (done.code, done.err) == (0, f"{USED}drew the training of runs/digits to {name}\n")
    assert Path(name).read_bytes().startswith(start)
    assert command.json("info", "--plot", name) == command.json("info")


@pytest.mark.usefixtures("trained")
def test_a_picture_takes_a_library_and_says_which(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = command("info", "--plot", "a.png")
    assert done.code == 2
    assert done.err == "error: drawing needs matplotlib: pip install 'nice-anomaly[report]'.\n"


def test_info_and_train_show_the_same_curve(command: Command, trained: Path) -> None:
    nats = [epoch.early_stopping for epoch in load_manifest(trained).history]
    line = f"{sparkline(nats)} from {nats[0]:,.2f} to {nats[-1]:,.2f} nats, best {max(nats):,.2f}"
    assert line in command("info", columns=200).out
    assert line in command("train", *FAST, columns=200).out


SETS = {"images": FAST, "a table": ("--config", "breast-cancer", "--set", "train.epochs=2")}


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.usefixtures("elsewhere")
def test_train_tells_the_likelihood_that_detect_would_give(command: Command, kind: str) -> None:
    """The mean score of the early-stopping part, which its noise makes lower in training."""
    told = command.json("train", *SETS[kind], "--run", "x")
    run = na.load_run("x")
    material = own_material(run.manifest, Path("data"))
    scores = run.scorer()(material.dataset.values[material.split.early_stopping])
    assert told["held_out_score"] == pytest.approx(scores.values.mean(), rel=1e-6)
    assert told["log_likelihood"] == run.manifest.history[told["best_epoch"] - 1].early_stopping
    assert told["held_out_score"] > told["log_likelihood"]
    shown = command("train", *SETS[kind], "--run", "y").out
    assert f"mean {told['held_out_score']:,.2f} nats, without that noise" in shown
