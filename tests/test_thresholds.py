"""Thresholds with a promise, from end to end: rules, names, groups, two tails, discoveries."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command
from PIL import Image
from scipy.stats import false_discovery_control

from nice_anomaly.calibrate.ranks import certified_rank

QUICK = ("--set", "train.epochs=2")
COLUMNS = ["a", "b", "camera"]


def table(path: str, n: int, seed: int, shift: float = 0.0, camera: str | None = None) -> None:
    """Two correlated columns; the camera ``wide`` sees four times the spread."""
    rng = np.random.default_rng(seed)
    cameras = rng.choice(["narrow", "wide"], n) if camera is None else np.full(n, camera)
    a = rng.normal(size=n) * np.where(cameras == "wide", 4, 1)
    b = a + rng.normal(size=n) + shift
    with Path(path).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([COLUMNS, *zip(a.round(6), b.round(6), cameras, strict=True)])


@pytest.fixture
def trained(command: Command, elsewhere: Path) -> Path:
    """A run on 1,200 rows that ignores the camera: 300 of them are kept for calibration."""
    table("train.csv", 1_200, seed=0)
    table("new.csv", 2_000, seed=1)
    done = command("train", "-i", "train.csv", "--ignore", "camera", *QUICK)
    assert done.code == 0, done.err
    return elsewhere / "runs" / "train"


def calibrated(command: Command, *arguments: str) -> dict[str, Any]:
    done = command("calibrate", *arguments, "--json")
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


def detected(command: Command, *arguments: str) -> dict[str, Any]:
    done = command("detect", *arguments, "--json")
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


ASKED: dict[str, tuple[list[str], str, float | None, float | None]] = {
    "nothing": ([], "sigma", None, None),
    "k": (["--k", "2"], "sigma", None, None),
    "a rate": (["--alpha", "0.05"], "certified", 0.05, 0.95),
    "both": (["--alpha", "0.05", "--confidence", "0.8"], "certified", 0.05, 0.8),
    "on average": (["--rule", "conformal", "--alpha", "0.05"], "conformal", 0.05, None),
    "quantile": (["--rule", "quantile", "--alpha", "0.05"], "quantile", None, None),
    "its default": (["--rule", "conformal"], "conformal", 0.01, None),
    "by hand": (["--threshold", "-7.5"], "manual", None, None),
}


@pytest.mark.usefixtures("trained")
def test_the_options_choose_the_rule(command: Command) -> None:
    for arguments, rule, rate, confidence in ASKED.values():
        found = calibrated(command, *arguments)
        named = (found["rule"], found["claimed_rate"], found["confidence"])
        assert named == (rule, rate, confidence)
        assert found["n"] == 300
        shown = command("calibrate", *arguments).out
        assert "promises" in shown
        assert ("mean - 3σ instead" in shown) == (arguments != [])
    assert found["threshold"] == -7.5
    assert found["k"] is None


@pytest.mark.usefixtures("trained")
def test_a_certified_threshold_is_the_score_of_its_rank(command: Command) -> None:
    found = calibrated(command, "--alpha", "0.05")
    assert found["k"] == certified_rank(300, 0.05, 0.95)
    assert found["measured_rate"] == pytest.approx((found["k"] - 1) / 300)
    assert found["expected_rate"] == pytest.approx(found["k"] / 301)
    assert found["expected_interval"][0] < found["expected_rate"] < found["expected_interval"][1]
    assert found["three_sigma"]["threshold"] == pytest.approx(found["mean"] - 3 * found["std"])
    result = detected(command, "-i", "new.csv")
    assert result["threshold"] == found["threshold"]
    assert (result["rule"], result["claimed_rate"]) == ("certified", 0.05)
    assert 0.01 < result["flagged_rate"] < 0.06


@pytest.mark.usefixtures("trained")
def test_a_promise_that_n_cannot_keep_changes_nothing(command: Command) -> None:
    before = calibrated(command)
    done = command("calibrate", "--alpha", "0.001")
    assert (done.code, done.out) == (3, "")
    assert "at least 2,995 normal samples, got 300" in done.err
    assert "300 can support --alpha 0.01." in done.err
    after = json.loads(command("info", "--json").out)["calibration"]
    assert after["threshold"] == before["threshold"]


@pytest.mark.usefixtures("trained")
def test_calibrations_have_names(command: Command) -> None:
    strict = calibrated(command, "--alpha", "0.02", "--name", "strict")
    missing = command("detect", "-i", "new.csv")
    assert missing.code == 5
    assert "it has: strict (--calibration NAME)" in missing.err
    loose = calibrated(command, "--alpha", "0.1")
    assert detected(command, "-i", "new.csv")["threshold"] == loose["threshold"]
    named = detected(command, "-i", "new.csv", "--calibration", "strict")
    assert named["threshold"] == strict["threshold"] < loose["threshold"]
    assert list(json.loads(command("info", "--json").out)["calibrations"]) == ["default", "strict"]
    assert "calibration strict" in command("info").out
    absent = command("detect", "-i", "new.csv", "--calibration", "nightly")
    assert absent.code == 5
    assert "--name nightly" in absent.err


@pytest.mark.usefixtures("trained")
def test_groups_have_thresholds_and_rates_of_their_own(command: Command) -> None:
    everyone = calibrated(command, "--alpha", "0.05")
    found = calibrated(command, "--alpha", "0.05", "--group-column", "camera", "--name", "g")
    narrow, wide = found["groups"]
    assert (narrow["name"], wide["name"], narrow["n"] + wide["n"]) == ("narrow", "wide", 300)
    assert wide["threshold"] < everyone["threshold"] < narrow["threshold"]
    result = detected(command, "-i", "new.csv", "--calibration", "g", "-o", "out.csv")
    with Path("out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    with Path("new.csv").open() as stream:
        assert [row["group"] for row in rows] == [row["camera"] for row in csv.DictReader(stream)]
    for group in result["groups"]:
        own = [row["flagged"] == "true" for row in rows if row["group"] == group["name"]]
        assert (group["n"], group["flagged"]) == (len(own), sum(own))
        assert group["interval"][0] < 0.05
    assert "groups" not in detected(command, "-i", "new.csv")
    shown = command("detect", "-i", "new.csv", "--calibration", "g").out
    assert "by camera" in shown
    assert "in every group" in shown


@pytest.mark.usefixtures("trained")
def test_a_group_nobody_calibrated_is_held_against_all(command: Command) -> None:
    calibrated(command, "--alpha", "0.05", "--group-column", "camera")
    table("third.csv", 50, seed=3, camera="third")
    found = detected(command, "-i", "third.csv", "-o", "out.jsonl")
    assert [group["name"] for group in found["groups"]] == ["(all)"]
    Path("bare.csv").write_text("a,b\n0,0\n")
    done = command("detect", "-i", "bare.csv")
    assert done.code == 3
    assert "no column 'camera' for grouping" in done.err


@pytest.mark.usefixtures("trained")
def test_discoveries_are_those_of_the_textbook(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    table("odd.csv", 60, seed=2, shift=40)
    calibrated(command)
    both = ("-i", "new.csv", "-i", "odd.csv", "--fdr", "0.2")
    done = command("detect", *both, "--json", "-o", "out.jsonl")
    assert "with 300 calibration scores and 2,060 samples" in done.err
    found = json.loads(done.out)
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    p = np.array([row["p_value"] for row in rows])
    expected = false_discovery_control(p) <= 0.2
    assert [row["flagged"] for row in rows] == expected.tolist()
    assert (found["rule"], found["fdr"], found["flagged"]) == ("bh", 0.2, expected.sum())
    assert expected[-60:].mean() > 0.9
    assert all((row["margin"] < 0) == row["flagged"] for row in rows)
    careful = detected(command, *both, "--by")
    fewer = (false_discovery_control(p, method="by") <= 0.2).sum()
    assert (careful["rule"], careful["flagged"]) == ("by", fewer)
    text = Path("odd.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert detected(command, "-i", "-", "--fdr", "0.2")["flagged"] > 50


@pytest.mark.usefixtures("trained")
def test_what_cannot_be_read_is_no_part_of_the_batch(command: Command) -> None:
    """With 1 row in 40 readable, its one discovery would vanish among 40 p-values of 1."""
    calibrated(command)
    spoiled = "".join(f"{i},oops,narrow\n" for i in range(39))
    Path("odd.csv").write_text(f"a,b,camera\n90,-90,narrow\n{spoiled}")
    asked = ("-i", "odd.csv", "--fdr", "0.1", "--skip-unreadable")
    assert detected(command, *asked)["flagged"] == 1


@pytest.mark.usefixtures("trained")
def test_a_batch_that_allows_no_discovery_is_said_beforehand(command: Command) -> None:
    calibrated(command)
    asked = ("detect", "-i", "new.csv", "--fdr", "0.001")
    done = command(*asked, "--json")
    assert "nothing can be flagged at --fdr 0.001, however odd" in done.err
    found = json.loads(done.out)
    assert (found["flagged"], found["threshold"], found["fewest_discoveries"]) == (0, None, None)
    assert "nothing is improbable enough" in command(*asked).out


@pytest.mark.usefixtures("trained")
def test_normals_that_were_learned_are_known_among_others(command: Command) -> None:
    """A tenth of the fresh rows were trained on: refused, with the first of them."""
    lines = Path("train.csv").read_text().splitlines()
    fresh = Path("new.csv").read_text().splitlines()
    Path("mixed.csv").write_text("\n".join([*fresh, *lines[1:200]]))
    done = command("calibrate", "-i", "mixed.csv")
    assert done.code == 3
    assert "of 2,199 normals in mixed.csv are among those that the run" in done.err
    first = int(done.err.split("the first is ")[1].split(":")[0])
    assert first >= 2_000


def test_twins_are_no_offence_where_they_are_usual(command: Command, elsewhere: Path) -> None:
    """Rows of two dice: every new one was seen before, and so were the held-out ones."""
    rng = np.random.default_rng(0)
    for name in ("train", "new"):
        np.savetxt(
            elsewhere / f"{name}.csv", rng.integers(1, 7, (400, 2)),
            delimiter=",", header="x,y", comments="", fmt="%d",
        )  # fmt: skip
    assert command("train", "-i", "train.csv", *QUICK).code == 0
    done = command("calibrate", "-i", "new.csv", "--json")
    assert done.code == 0, done.err
    assert "have a twin in the training data, as" in done.err
    assert "repeat another one exactly" in done.err


@pytest.mark.usefixtures("trained")
def test_fresh_normals_of_another_kind_are_said(command: Command) -> None:
    table("drifted.csv", 500, seed=4, shift=4)
    table("tame.csv", 500, seed=5, camera="narrow")
    assert "less probable than those held out" in command("calibrate", "-i", "drifted.csv").err
    done = command("calibrate", "-i", "tame.csv", "--alpha", "0.05")
    assert "more probable than those held out" in done.err
    assert "the claim is wrong for such samples" in done.err
    drifted = command("calibrate", "-i", "drifted.csv", "--alpha", "0.05")
    assert "the claim is conservative for such samples" in drifted.err
    upside = command("calibrate", "-i", "drifted.csv", "--alpha", "0.05", "--tail", "both")
    assert "the claim is wrong for such samples" in upside.err  # what is usual is too normal now
    assert "note" not in command("calibrate", "-i", "new.csv").err


def test_learning_by_heart_is_said(command: Command, elsewhere: Path) -> None:
    """68 rows of 20 columns of noise, and a network that can learn each of them."""
    rng = np.random.default_rng(0)
    np.save(elsewhere / "x.npy", rng.normal(size=(120, 20)))
    done = command(
        "train", "-i", "x.npy", "--set", "train.epochs=100", "--set", "flow.noise=0.01",
        "--set", "train.least_steps=1",
        "--set", "flow.width=256", "--set", "flow.samples_per_unit=0",
        "--set", "data.calibration=50", "--set", "train.patience=1000",
        "--set", "train.weight_decay=0.0", "--set", "data.early_stopping=2",
    )  # fmt: skip
    assert done.code == 0, done.err
    done = command("calibrate", "--alpha", "0.1")
    assert "learned some samples by heart" in done.err
    assert "conservative" in done.err


def test_images_are_grouped_by_their_folders(command: Command, elsewhere: Path) -> None:
    rng = np.random.default_rng(0)
    for part, n in (("good", 150), ("new", 20)):
        for place, light in (("dark", 40), ("bright", 200)):
            folder = elsewhere / part / place / "monday"
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = np.clip(light + rng.normal(0, 5 if light < 99 else 20, (8, 8)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    assert command("train", "-i", "good", *QUICK).code == 0
    wrong = command("calibrate", "--group-column", "camera")
    assert wrong.code == 2
    assert "'--group-column folder' groups them" in wrong.err
    found = calibrated(command, "--alpha", "0.1", "--group-column", "folder")
    assert [group["name"] for group in found["groups"]] == ["bright", "dark"]
    assert found["groups"][0]["threshold"] < found["groups"][1]["threshold"]
    result = detected(command, "-i", "new")
    assert {group["name"]: group["n"] for group in result["groups"]} == {"bright": 20, "dark": 20}


PLANS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "0.1 %": (["--alpha", "0.001"], {"needed": 2_995, "needed_on_average": 999}),
    "1 %": (["--alpha", "0.01"], {"needed": 299}),
    "both tails": (["--alpha", "0.01", "--tail", "both"], {"needed": 473}),
    "surer": (["--alpha", "0.01", "--confidence", "0.99"], {"needed": 459}),
    "n and rate": (["--alpha", "0.01", "--n", "10000"], {"k": 84}),
    "n": (["--n", "500"], {"smallest_rate": pytest.approx(1 - 0.05 ** (1 / 500))}),
    "too few": (["--n", "1", "--tail", "both"], {"smallest_rate": None}),
}


@pytest.mark.parametrize("case", PLANS)
def test_a_plan_needs_no_run(command: Command, elsewhere: Path, case: str) -> None:
    arguments, expected = PLANS[case]
    found = json.loads(command("plan", *arguments, "--json").out)
    assert {key: found[key] for key in expected} == expected
    shown = command("plan", *arguments)
    assert (shown.code, shown.err) == (0, "")
    assert not list(elsewhere.iterdir())


@pytest.mark.usefixtures("trained")
def test_a_few_learned_samples_are_said(command: Command) -> None:
    lines = Path("train.csv").read_text().splitlines()
    fresh = Path("new.csv").read_text().splitlines()
    Path("mixed.csv").write_text("\n".join([*fresh, *lines[1:6]]))
    assert "are in the training data too" in command("calibrate", "-i", "mixed.csv").err


@pytest.mark.usefixtures("trained")
def test_groups_are_compared_by_meaning_and_keep_their_own_scores(command: Command) -> None:
    """The group 1.0 is the group 1; a group called as everybody is is still its own."""
    rng = np.random.default_rng(0)
    for path, names in (("fresh.csv", ["1.0", "(all)"]), ("look.csv", ["1", "(all)"])):
        rows = [[f"{v:.4f}" for v in rng.normal(0, 5 * i + 1, 2)] + [names[i]]
                for _ in range(200) for i in (0, 1)]  # fmt: skip
        with Path(path).open("w", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *rows])
    found = calibrated(command, "-i", "fresh.csv", "--alpha", "0.1", "--group-column", "camera")
    limits = {group["name"]: group["threshold"] for group in found["groups"]}
    assert sorted(limits) == ["(all)", "1"]
    detected(command, "-i", "look.csv", "-o", "out.jsonl")
    for line in Path("out.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert row["flagged"] == (row["score"] < limits[row["group"]])


@pytest.mark.usefixtures("trained")
def test_without_a_known_group_there_is_no_promise(command: Command) -> None:
    calibrated(command, "--alpha", "0.05", "--group-column", "camera")
    table("third.csv", 50, seed=3, camera="third")
    assert detected(command, "-i", "third.csv")["without_promise"] == 50
    assert "50 samples, of no group that was calibrated" in command("detect", "-i", "third.csv").out


@pytest.mark.usefixtures("trained")
def test_everything_in_json_is_json(command: Command) -> None:
    """Neither infinities nor NaN, which other readers refuse: one score, nothing flagged."""
    Path("one.csv").write_text("a,b,camera\n0.5,0.5,wide\n")
    for done in (
        command("calibrate", "-i", "one.csv", "--threshold", "-5", "--json"),
        command("info", "--json"),
        command("detect", "-i", "one.csv", "--fdr", "0.001", "--json", "-o", "out.jsonl"),
    ):
        assert done.code == 0, done.err
        assert not any(word in done.out for word in ("NaN", "Infinity"))
    assert json.loads(Path("out.jsonl").read_text())["margin"] is None
    assert "Infinity" not in Path("out.jsonl").read_text()


MISTAKES: dict[str, tuple[list[str], int, str]] = {
    "hardly a rate": (["calibrate", "--alpha", "1e-300"], 2, "--alpha takes a rate"),
    "hardly a plan": (["plan", "--alpha", "1e-300"], 2, "--alpha takes a rate"),
    "too many": (["plan", "--n", "1" + 30 * "0"], 2, "at least 1"),
    "one tail": (
        ["calibrate", "--threshold", "1", "--ceiling", "4", "--tail", "low"], 2, "leave --ceiling",
    ),
    "two tails": (["calibrate", "--threshold", "1", "--tail", "both"], 2, "give --ceiling"),
    "long name": (["detect", "-i", "new.csv", "--calibration", "x" * 300], 2, "at most 64 letters"),
    "no name": (["calibrate", "--name", ""], 2, "is named by"),
    "rate": (["calibrate", "--alpha", "1.5"], 2, "--alpha takes a rate between 0 and 1"),
    "confidence": (
        ["calibrate", "--alpha", "0.1", "--confidence", "95"], 2, "--confidence takes a number",
    ),
    "k": (["calibrate", "--k", "-1"], 2, "--k takes a positive number"),
    "rate for sigma": (
        ["calibrate", "--rule", "sigma", "--alpha", "0.1"], 2, "--alpha is for --rule certified",
    ),
    "two rules": (["calibrate", "--k", "2", "--alpha", "0.1"], 2, "not for sigma"),
    "by hand, but where": (["calibrate", "--rule", "manual"], 2, "takes the threshold with"),
    "upside down": (
        ["calibrate", "--threshold", "5", "--ceiling", "4"], 2, "is not above --threshold",
    ),
    "no such rule": (["calibrate", "--rule", "magic"], 2, "magic"),
    "no such group": (["calibrate", "--group-column", "z"], 3, "no column 'z' for grouping"),
    "a row a group": (
        ["calibrate", "--alpha", "0.1", "--group-column", "a"], 3, "groups is large enough: the",
    ),
    "name": (["calibrate", "--name", "../x"], 2, "is named by at most 64 letters"),
    "fdr": (["detect", "-i", "new.csv", "--fdr", "5"], 2, "--fdr takes a share"),
    "by alone": (["detect", "-i", "new.csv", "--by"], 2, "give --fdr too"),
    "not yet": (["detect", "-i", "new.csv"], 5, "has no threshold yet"),
    "plan for nothing": (["plan"], 2, "give --alpha RATE, --n NORMALS, or both"),
    "plan rate": (["plan", "--alpha", "0"], 2, "--alpha takes a rate"),
    "plan n": (["plan", "--n", "0"], 2, "at least 1"),
}  # fmt: skip


@pytest.mark.usefixtures("trained")
def test_a_mistake_is_one_sentence_and_leaves_no_threshold(command: Command) -> None:
    for arguments, code, sentence in MISTAKES.values():
        done = command(*arguments)
        assert (done.code, done.out) == (code, ""), done.err
        assert sentence in done.err
        assert "Traceback" not in done.err
    assert not list(Path("runs").rglob("*.calibration.*"))
