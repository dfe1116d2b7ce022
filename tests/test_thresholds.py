"""Thresholds with a promise, from end to end: rules, names, groups, two tails, discoveries."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CAMERAS, Command, camera_table, copied, lines_of, rows_of, write_csv
from PIL import Image
from scipy.stats import false_discovery_control

from nice_anomaly.thresholds.ranks import certified_rank

QUICK = ("--set", "train.epochs=2")


@pytest.fixture
def trained(shared_cameras: Path, elsewhere: Path) -> Path:
    """Rows of two cameras, learned without the camera: 300 of them are kept for calibration."""
    return copied(shared_cameras, elsewhere) / "runs" / "train"


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
@pytest.mark.parametrize("asked", ASKED)
def test_the_options_choose_the_rule(command: Command, asked: str) -> None:
    arguments, rule, rate, confidence = ASKED[asked]
    found = command.json("calibrate", *arguments)
    assert (found["rule"], found["claimed_rate"], found["confidence"]) == (rule, rate, confidence)
    assert found["n"] == 300
    if rule == "manual":
        assert (found["threshold"], found["k"]) == (-7.5, None)
    shown = command("calibrate", *arguments).out
    assert "promises" in shown
    assert ("mean - 3σ instead" in shown) == (arguments != [])


@pytest.mark.usefixtures("trained")
def test_a_certified_threshold_is_the_score_of_its_rank(command: Command) -> None:
    found = command.json("calibrate", "--alpha", "0.05")
    assert found["k"] == certified_rank(300, 0.05, 0.95)
    assert found["measured_rate"] == pytest.approx((found["k"] - 1) / 300)
    assert found["expected_rate"] == pytest.approx(found["k"] / 301)
    assert found["expected_interval"][0] < found["expected_rate"] < found["expected_interval"][1]
    assert found["three_sigma"]["threshold"] == pytest.approx(found["mean"] - 3 * found["std"])
    result = command.json("detect", "-i", "new.csv")
    assert result["threshold"] == found["threshold"]
    assert (result["rule"], result["claimed_rate"]) == ("certified", 0.05)
    assert 0.01 < result["flagged_rate"] < 0.06


@pytest.mark.usefixtures("trained")
def test_a_promise_that_n_cannot_keep_changes_nothing(command: Command) -> None:
    before = command.json("calibrate")
    done = command("calibrate", "--alpha", "0.001")
    assert (done.code, done.out) == (3, "")
    assert "at least 2,995 normal samples, got 300" in done.err
    assert "300 can support --alpha 0.01." in done.err
    after = command.json("info")["calibration"]
    assert after["threshold"] == before["threshold"]


@pytest.mark.usefixtures("trained")
def test_calibrations_have_names(command: Command) -> None:
    strict = command.json("calibrate", "--alpha", "0.02", "--name", "strict")
    missing = command("detect", "-i", "new.csv")
    assert missing.code == 5
    assert "it has: strict (--calibration NAME)" in missing.err
    loose = command.json("calibrate", "--alpha", "0.1")
    assert command.json("detect", "-i", "new.csv")["threshold"] == loose["threshold"]
    named = command.json("detect", "-i", "new.csv", "--calibration", "strict")
    assert named["threshold"] == strict["threshold"] < loose["threshold"]
    assert list(command.json("info")["calibrations"]) == ["default", "strict"]
    assert "calibration strict" in command("info").out
    absent = command("detect", "-i", "new.csv", "--calibration", "nightly")
    assert absent.code == 5
    assert "--name nightly" in absent.err


@pytest.mark.usefixtures("trained")
def test_groups_have_thresholds_and_rates_of_their_own(command: Command) -> None:
    everyone = command.json("calibrate", "--alpha", "0.05")
    found = command.json("calibrate", "--alpha", "0.05", "--group-column", "camera", "--name", "g")
    narrow, wide = found["groups"]
    assert (narrow["name"], wide["name"], narrow["n"] + wide["n"]) == ("narrow", "wide", 300)
    assert wide["threshold"] < everyone["threshold"] < narrow["threshold"]
    result = command.json("detect", "-i", "new.csv", "--calibration", "g", "-o", "out.csv")
    rows = rows_of("out.csv")
    assert [row["group"] for row in rows] == [row["camera"] for row in rows_of("new.csv")]
    for group in result["groups"]:
        own = [row["flagged"] == "true" for row in rows if row["group"] == group["name"]]
        assert (group["n"], group["flagged"]) == (len(own), sum(own))
        assert group["interval"][0] < 0.05
    assert "groups" not in command.json("detect", "-i", "new.csv")
    shown = command("detect", "-i", "new.csv", "--calibration", "g").out
    assert "by camera" in shown
    assert "in every group" in shown


@pytest.mark.usefixtures("trained")
def test_a_group_nobody_calibrated_is_held_against_all(command: Command) -> None:
    command.json("calibrate", "--alpha", "0.05", "--group-column", "camera")
    camera_table("third.csv", 50, seed=3, camera="third")
    found = command.json("detect", "-i", "third.csv", "-o", "out.jsonl")
    assert [group["name"] for group in found["groups"]] == ["(all)"]
    Path("bare.csv").write_text("a,b\n0,0\n")
    done = command("detect", "-i", "bare.csv")
    assert done.code == 3
    assert "has no column 'camera'" in done.err


@pytest.mark.usefixtures("trained")
def test_discoveries_are_those_of_the_textbook(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera_table("odd.csv", 60, seed=2, shift=40)
    command.json("calibrate")
    both = ("-i", "new.csv", "-i", "odd.csv", "--fdr", "0.2")
    done = command("detect", *both, "--json", "-o", "out.jsonl")
    assert "with 300 calibration scores and 2,060 samples" in done.err
    found = json.loads(done.out)
    rows = lines_of("out.jsonl")
    p = np.array([row["p_value"] for row in rows])
    expected = false_discovery_control(p) <= 0.2
    assert [row["flagged"] for row in rows] == expected.tolist()
    assert (found["rule"], found["fdr"], found["flagged"]) == ("bh", 0.2, expected.sum())
    assert expected[-60:].mean() > 0.9
    assert all((row["margin"] < 0) == row["flagged"] for row in rows)
    careful = command.json("detect", *both, "--by")
    fewer = (false_discovery_control(p, method="by") <= 0.2).sum()
    assert (careful["rule"], careful["flagged"]) == ("by", fewer)
    text = Path("odd.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert command.json("detect", "-i", "-", "--fdr", "0.2")["flagged"] > 50


@pytest.mark.usefixtures("trained")
def test_what_cannot_be_read_is_no_part_of_the_batch(command: Command) -> None:
    """With 1 row in 40 readable, its one discovery would vanish among 40 p-values of 1."""
    command.json("calibrate")
    spoiled = "".join(f"{i},oops,narrow\n" for i in range(39))
    Path("odd.csv").write_text(f"a,b,camera\n90,-90,narrow\n{spoiled}")
    asked = ("-i", "odd.csv", "--fdr", "0.1", "--skip-unreadable")
    assert command.json("detect", *asked)["flagged"] == 1


@pytest.mark.usefixtures("trained")
def test_a_batch_that_allows_no_discovery_is_said_beforehand(command: Command) -> None:
    command.json("calibrate")
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


DRIFTS: dict[str, tuple[str, list[str], list[str]]] = {
    "odder": ("drifted.csv", [], ["less usual than those held out"]),
    "odder, and a claim": (
        "drifted.csv", ["--alpha", "0.05"],
        ["less usual than those held out", "the claim is too cautious for such samples"],
    ),
    "tamer": (
        "tame.csv", ["--alpha", "0.05", "--score", "likelihood"],
        ["more probable than those held out", "the claim is wrong for such samples"],
    ),
    "what is usual is too normal now": (
        "drifted.csv", ["--alpha", "0.05", "--tail", "both"],
        ["the claim is wrong for such samples"],
    ),
    "of the same kind": ("new.csv", [], []),
}  # fmt: skip


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("drift", DRIFTS)
def test_fresh_normals_of_another_kind_are_said(command: Command, drift: str) -> None:
    camera_table("drifted.csv", 500, seed=4, shift=4)
    camera_table("tame.csv", 500, seed=5, camera="narrow")
    file, options, sentences = DRIFTS[drift]
    done = command("calibrate", "-i", file, *options)
    assert done.code == 0
    assert ("note" in done.err) == bool(sentences)
    assert not [sentence for sentence in sentences if sentence not in done.err]


@pytest.mark.usefixtures("trained")
def test_fresh_normals_are_compared_without_reading_the_training_data_again(
    command: Command,
) -> None:
    """The scores of held-out normals that a calibration keeps say it: the file may be gone."""
    camera_table("drifted.csv", 500, seed=4, shift=4)
    used = "run: runs/train (trained last; name another with --run)\n"
    assert command("calibrate").err == used  # nothing was learned by heart
    fresh = ("calibrate", "-i", "drifted.csv", "--name", "fresh")
    with_data = command(*fresh)
    Path("train.csv").unlink()
    without = command(*fresh)
    assert without.code == 0
    assert "less usual than those held out" in without.err
    assert without.err == with_data.err
    assert command("calibrate").code == 3  # the file is needed for what only it can say


@pytest.mark.usefixtures("trained")
def test_fresh_normals_that_cannot_be_compared_are_said(command: Command) -> None:
    """Without a calibration of held-out normals and without their file; a fresh one is none."""
    Path("train.csv").unlink()
    for name in ("one", "two"):
        done = command("calibrate", "-i", "new.csv", "--name", name)
        assert done.code == 0
        note = "note: whether these normals are like those held out of the training is not known: "
        assert done.err.count(note) == 1
        assert "train.csv: there is no such file" in done.err.split(note)[1]


def test_learning_by_heart_is_said(command: Command, elsewhere: Path) -> None:
    """68 rows of 20 columns of noise, and a network that can learn each of them."""
    rng = np.random.default_rng(0)
    np.save(elsewhere / "x.npy", rng.normal(size=(120, 20)))
    done = command(
        "train", "-i", "x.npy", "--set", "train.epochs=2", "--set", "train.least_steps=40",
        "--set", "flow.noise=0.01", "--set", "train.learning_rate=0.01",
        "--set", "flow.width=128", "--set", "flow.samples_per_unit=0",
        "--set", "data.calibration=50", "--set", "train.weight_decay=0.0",
        "--set", "data.early_stopping=2",
    )  # fmt: skip
    assert done.code == 0, done.err
    done = command("calibrate", "--alpha", "0.1")
    assert "learned some samples by heart" in done.err
    assert "too cautious" in done.err


@pytest.mark.parametrize("folds", [(), ("--folds", "0")])
def test_images_are_grouped_by_their_folders(
    command: Command, elsewhere: Path, folds: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(0)
    for part, n in (("good", 150), ("new", 20)):
        for place, light in (("dark", 40), ("bright", 200)):
            folder = elsewhere / part / place / "monday"
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = np.clip(light + rng.normal(0, 5 if light < 99 else 20, (8, 8)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    assert command("train", "-i", "good", *folds, *QUICK).code == 0
    wrong = command("calibrate", "--group-column", "camera")
    assert wrong.code == 2
    assert "--group-column folder groups them" in wrong.err
    found = command.json("calibrate", "--alpha", "0.1", "--group-column", "folder")
    assert [group["name"] for group in found["groups"]] == ["bright", "dark"]
    # in folds half of the images tell what is typical; 75 held out are too few to
    assert (found["rule"], found["n"]) == (("certified", 75) if folds else ("cross-conformal", 150))
    assert found["groups"][0]["threshold"] < found["groups"][1]["threshold"]
    result = command.json("detect", "-i", "new")
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
    found = command.json("plan", *arguments)
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
        write_csv(path, CAMERAS, rows)
    found = command.json(
        "calibrate", "-i", "fresh.csv", "--alpha", "0.1", "--group-column", "camera"
    )
    limits = {group["name"]: group["threshold"] for group in found["groups"]}
    assert sorted(limits) == ["(all)", "1"]
    command.json("detect", "-i", "look.csv", "-o", "out.jsonl")
    for row in lines_of("out.jsonl"):
        assert row["flagged"] == (row["score"] < limits[row["group"]])


@pytest.mark.usefixtures("trained")
def test_without_a_known_group_there_is_no_promise(command: Command) -> None:
    command.json("calibrate", "--alpha", "0.05", "--group-column", "camera")
    camera_table("third.csv", 50, seed=3, camera="third")
    assert command.json("detect", "-i", "third.csv")["without_promise"] == 50
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
