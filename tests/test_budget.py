"""So many alarms a day: a rate, kept with its threshold, counted again where rows have dates."""

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, copied, write_csv

from nice_anomaly.errors import ConfigError
from nice_anomaly.evaluation.days import Days
from nice_anomaly.run import load_calibration, load_manifest
from nice_anomaly.thresholds import Budget, a_day

AMOUNTS = {
    5: 5.0,
    2.5: 2.5,
    "5": 5.0,
    ".5": 0.5,
    "5/day": 5.0,
    "5/days": 5.0,
    " 5 / DAY ": 5.0,
    "14/week": 2.0,
    "2/hour": 48.0,
    "4/shift": 12.0,  # three a day
    "30.4375/month": 1.0,  # 365.25 / 12 days
}


@pytest.mark.parametrize("amount", AMOUNTS)
def test_an_amount_a_day(amount: float | str) -> None:
    assert a_day(amount, "alarms") == pytest.approx(AMOUNTS[amount], rel=1e-12)


@pytest.mark.parametrize(
    "amount", ["", "-5", "five", "5/fortnight", "1e999", "nan", "5,5", "5/", "/day"]
)
def test_what_is_no_amount_is_refused_by_name(amount: str) -> None:
    with pytest.raises(ConfigError, match=rf"`per` takes a number.*got '{amount}'"):
        a_day(amount, "per")


@pytest.mark.parametrize(
    ("alarms", "samples", "rate"), [(5, 400, 0.0125), (1 / 7, 1_000, 1 / 7_000), (39, 40, 0.975)]
)
def test_a_budget_is_a_rate(alarms: float, samples: float, rate: float) -> None:
    assert Budget(alarms, samples).rate == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("alarms", "samples"), [(0, 400), (5, 5), (5, 3), (5, 0), (5, float("inf")), (float("nan"), 5)]
)
def test_what_is_no_share_is_refused(alarms: float, samples: float) -> None:
    with pytest.raises(ConfigError, match="fewer alarms than samples"):
        Budget(alarms, samples)


def counted(*parts: tuple[Sequence[str], Sequence[int]]) -> Days:
    days = Days()
    for times, flagged in parts:
        days.add(np.array(times, dtype="datetime64[us]"), np.array(flagged, dtype=bool))
    return days


def test_days_without_rows_do_not_count() -> None:
    """Three of five days have rows; a row without a moment is of no day."""
    first = ["NaT", "2025-02-27T23:59:59", "2025-03-01T00:00"], [1, 0, 1]
    later = ["2025-03-03T12:00", "2025-03-01T08:00", "2025-03-03T13:00"], [1, 1, 0]
    assert counted(first, later).record() == {
        "days": 3,
        "alarms_a_day": 3 / 3,
        "busiest_day": {"date": "2025-03-01", "n": 2, "flagged": 2},
    }


def test_of_two_days_with_as_many_alarms_the_one_with_fewer_rows_is_busier() -> None:
    days = counted((["2025-03-01", "2025-03-01", "2025-03-02"], [1, 0, 1]))
    assert days.record()["busiest_day"] == {"date": "2025-03-02", "n": 1, "flagged": 1}


def test_no_day_is_no_record_and_a_far_one_is_one() -> None:
    assert counted((["NaT"], [1])).record() == {}
    far = counted((["20000-01-01", "20000-01-02"], [0, 0])).record()
    assert (far["days"], far["busiest_day"]["date"]) == (2, "20000-01-01")


def rows(days: Sequence[str], each: int, seed: int) -> list[list[object]]:
    rng = np.random.default_rng(seed)
    return [[day, *rng.normal(size=2).round(4)] for day in days for _ in range(each)]


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``runs/train`` of 440 rows on eleven days, forty on each."""
    folder = tmp_path_factory.mktemp("dated")
    days = [f"2025-03-{day:02}" for day in range(1, 12)]
    write_csv(folder / "train.csv", ["when", "a", "b"], rows(days, 40, seed=0))
    with chdir(folder):
        done = Command()("train", "train.csv", "--folds", "0", "--set", "train.epochs=2")
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def here(dated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(copied(dated, tmp_path))
    return tmp_path


def kept_budget() -> Budget | None:
    path = Path("runs/train")
    return load_calibration(path, load_manifest(path).fingerprint).budget


SAME = {  # a rate of 0.1 in other words: the training data have 40 samples a day
    "as the dates tell": ("--alarms", "4/day"),
    "a week": ("--alarms", "28/week"),
    "by a column that is named": ("--alarms", "4", "--time-column", "when"),
    "of so many a day": ("--alarms", "40/day", "--per", "400"),
    "of so many a week": ("--alarms", "2/day", "--per", "140/week"),
}


@pytest.mark.parametrize("case", SAME)
@pytest.mark.usefixtures("here")
def test_alarms_are_a_certified_rate(command: Command, case: str) -> None:
    found = command.json("calibrate", *SAME[case])
    plain = command.json("calibrate", "--alpha", "0.1")
    assert found["rule"] == plain["rule"] == "certified"
    assert found["alpha"] == pytest.approx(0.1, rel=1e-9)
    assert found["threshold"] == pytest.approx(plain["threshold"], rel=1e-9)


@pytest.mark.usefixtures("here")
def test_the_budget_is_kept_and_alarms_are_counted_by_it(command: Command) -> None:
    command.json("calibrate", "--alarms", "4/day")
    kept = kept_budget()
    assert kept is not None
    assert (kept.alarms, kept.samples) == pytest.approx((4.0, 40.0))

    usual = rows(["2025-04-01"], 30, seed=1) + rows(["2025-04-04"], 20, seed=2)
    odd = [["2025-04-04", 50, 50], ["2025-04-04", -50, 50], ["", 50, -50]]
    write_csv("new.csv", ["when", "a", "b"], usual + odd)
    found = command.json("detect", "new.csv")
    assert found["budget"] == pytest.approx({"alarms": 4.0, "samples": 40.0})
    assert found["days"] == 2
    undated = 1  # is flagged, but on no day
    assert found["alarms_a_day"] == (found["flagged"] - undated) / 2
    on_busiest = [row for row in found["flagged_ids"] if 30 <= int(row) < 52]
    assert found["busiest_day"] == {"date": "2025-04-04", "n": 22, "flagged": len(on_busiest)}

    shown = command("detect", "new.csv", columns=140).out
    assert "asked for: at most 4 false ones" in " ".join(shown.split())
    assert "2025-04-04 with" in shown


@pytest.mark.usefixtures("here")
def test_without_dates_alarms_are_those_of_the_planned_samples(command: Command) -> None:
    """Of 25 rows without a date all are odd: at 40 samples a day that is 40 alarms."""
    command.json("calibrate", "--alarms", "4/day")
    write_csv("new.csv", ["when", "a", "b"], [["", 50 + i, -50] for i in range(25)])
    found = command.json("detect", "new.csv")
    assert found["flagged"] == 25
    assert found["alarms_a_day"] == pytest.approx(40.0)
    assert "busiest_day" not in found


@pytest.mark.usefixtures("here")
def test_a_calibration_of_a_rate_knows_no_budget(command: Command) -> None:
    command.json("calibrate", "--alpha", "0.1")
    assert kept_budget() is None
    write_csv("new.csv", ["when", "a", "b"], rows(["2025-04-01"], 30, seed=1))
    assert "budget" not in command.json("detect", "new.csv")
