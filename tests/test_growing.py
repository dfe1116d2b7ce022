"""The learning curve: would more normals help? What it says is what another training would show."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, copied, write_csv

from nice_anomaly import learn
from nice_anomaly.errors import DataError
from nice_anomaly.library.growing import Step, verdict

QUICK = ["train.epochs=2", "train.least_steps=20"]


def rows(n: int, seed: int = 0) -> np.ndarray:
    """Three columns, the third nearly the sum of the others."""
    x = np.random.default_rng(seed).normal(size=(n, 2))
    return np.column_stack(
        [x, x.sum(axis=1) + 0.1 * np.random.default_rng(seed + 1).normal(size=n)]
    )


@pytest.mark.parametrize(("model", "folds"), [("nice", 0), ("nice", 3), ("vae", 0)])
def test_the_last_step_is_the_run_itself(model: str, folds: int) -> None:
    run = learn(rows(240), overrides=[*QUICK, f"model={model}", f"data.folds={folds}"])
    steps = [*run.learning_curve()]
    own = run.normals(score="likelihood").scores.values
    assert steps[-1].log_likelihood == pytest.approx(np.median(own), abs=1e-4)
    learned = 240 * 2 / 3 * 0.9 if folds else 240 - 24 - 60
    assert [step.normals for step in steps] == [round(learned * s) for s in (0.25, 0.5, 1)]
    assert (steps[0].gain, steps[0].interval) == (None, None)
    for step in steps[1:]:
        assert step.interval is not None
        assert step.gain is not None
        assert step.interval[0] <= step.gain <= step.interval[1]


def test_what_few_rows_cannot_show_more_rows_do() -> None:
    """A curve that a line cannot follow: the more of it, the better it is known."""
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 2 * np.pi, 400)
    x = np.column_stack([np.cos(t), np.sin(t), np.cos(2 * t), np.sin(2 * t)])
    run = learn(x + 0.05 * rng.normal(size=x.shape), overrides=["data.folds=2", "train.epochs=15"])
    steps = [*run.learning_curve()]
    assert steps[0].log_likelihood < steps[1].log_likelihood < steps[2].log_likelihood
    assert steps[2].interval is not None
    assert steps[2].interval[0] > 0
    assert verdict(steps).startswith("more would probably help: from 90 to 180 normals")


def test_it_tells_how_far_it_is() -> None:
    told: list[tuple[int, int | None]] = []
    run = learn(rows(120), overrides=["data.folds=3", *QUICK])
    _ = [*run.learning_curve(watch=lambda done, total: told.append((done, total)))]
    done = [one for one, _ in told]
    assert done == sorted(done)
    assert done[-1] == told[-1][1]


STEPS: dict[str, tuple[Sequence[Step], str]] = {
    "more would help": (
        [Step(25, 1.0), Step(50, 2.0, 1.0, (0.8, 1.2)), Step(100, 2.5, 0.5, (0.4, 0.6))],
        "more would probably help: from 50 to 100 normals brought +0.50 nats a sample, 95 % "
        "interval [+0.40, +0.60]; twice as many again about +0.25, if it goes on so",
    ),
    "as much as before": (
        [Step(25, 1.0), Step(50, 1.5, 0.5, (0.4, 0.6)), Step(100, 2.5, 1.0, (0.8, 1.2))],
        "twice as many again about +1.00, if it goes on so",
    ),
    "nothing is seen": (
        [Step(25, 1.0), Step(50, 2.0, 1.0, (0.8, 1.2)), Step(100, 2.0, 0.0, (-0.1, 0.1))],
        "no gain is seen from 50 to 100 (+0.00 nats a sample, 95 % interval [-0.10, +0.10])",
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_the_verdict_in_a_sentence(case: str) -> None:
    steps, said = STEPS[case]
    assert said in verdict(steps)


def test_too_few_to_take_a_quarter_of_are_refused() -> None:
    run = learn(rows(30), overrides=["data.folds=2", *QUICK])
    with pytest.raises(DataError, match="13 normals to learn from are too few for a curve"):
        next(run.learning_curve())


def test_plan_asks_a_run(command: Command, shared_cells: Path, elsewhere: Path) -> None:
    copied(shared_cells, elsewhere)
    found = command.json("plan", "--curve")
    assert [step["normals"] for step in found["steps"]] == [30, 60, 119]
    assert found["verdict"]
    shown = command("plan", "--curve")
    assert shown.code == 0
    assert "would more normals help" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    (elsewhere / "train.csv").unlink()
    gone = command("plan", "--curve")
    assert (gone.code, gone.out) == (3, "")
    assert "there is no such file" in gone.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--curve", "--n", "30"), "--curve asks about a run: leave --alpha and --n away."),
        (("--alpha", "0.1", "--run", "x"), "--run is for --curve"),
    ],
)
def test_what_a_curve_cannot_be_asked_with(
    command: Command, elsewhere: Path, options: tuple[str, ...], said: str
) -> None:
    write_csv(elsewhere / "x.csv", ["a"], [[1]])
    done = command("plan", *options)
    assert done.code == 2
    assert said in done.err
