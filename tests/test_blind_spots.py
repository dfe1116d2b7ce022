"""Scores beyond the likelihood, stress and compare, from end to end."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command
from PIL import Image
from sklearn.datasets import load_digits

from nice_anomaly.run import load_calibration, load_run

FAST = ("--config", "digits", "--set", "train.epochs=3")


@pytest.fixture
def digits(command: Command, elsewhere: Path) -> Path:
    assert command("train", *FAST).code == 0
    return elsewhere


@pytest.fixture
def table(command: Command, elsewhere: Path) -> Path:
    """Three columns, the third the sum of the others; half of new.csv breaks that."""
    rng = np.random.default_rng(0)
    for path, n in (("train.csv", 800), ("new.csv", 400)):
        x = rng.normal(size=(n, 2))
        third = x.sum(axis=1) + rng.normal(0, 0.05, n)
        odd = np.arange(n) % 2 == 1 if path == "new.csv" else np.zeros(n, dtype=bool)
        third[odd] = rng.permutation(third[odd])
        rows = zip(*x.T.round(5), third.round(5), np.where(odd, "bad", "good"), strict=True)
        with Path(path).open("w", newline="") as stream:
            csv.writer(stream).writerows([["a", "b", "c", "state"], *rows])
    label = ("--label-column", "state", "--anomaly-value", "bad")
    assert command("train", "-i", "train.csv", *label, "--set", "train.epochs=5").code == 0
    assert command("calibrate", "--alpha", "0.05").code == 0
    return elsewhere


def outcome(command: Command, *arguments: object) -> dict[str, Any]:
    done = command(*arguments, "--json")
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Path:
    """FashionMNIST, learned for two epochs, calibrated for both scores."""
    folder = tmp_path_factory.mktemp("clothes")
    for arguments in (
        ["train", "--config", "fashion", "--set", "train.epochs=2"],
        ["calibrate", "--alpha", "0.01"],
        ["calibrate", "--alpha", "0.01", "--score", "auto", "--name", "auto"],
    ):
        subprocess.run(
            [sys.executable, "-m", "nice_anomaly", *arguments, "--data-root", real_data.resolve()],
            cwd=folder,
            check=True,
        )
    return folder


def test_digits_are_no_clothes(
    command: Command, clothes: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best-known blindness: digits are simpler than clothes and thought more probable."""
    monkeypatch.chdir(clothes)
    missed = {}
    for name in ("default", "auto"):
        for other in ("mnist", "kmnist", "fashion"):
            found = outcome(
                command, "detect", "--dataset", other, "--calibration", name,
                "--data-root", real_data,
            )  # fmt: skip
            missed[name, other] = found["error_rate"]
    assert missed["default", "mnist"] > 0.9
    assert missed["auto", "mnist"] < 0.02
    assert missed["auto", "kmnist"] < 0.08
    assert missed["auto", "fashion"] < 0.015


@pytest.mark.usefixtures("digits")
def test_a_judge_is_fitted_on_one_half_and_calibrated_on_the_other(command: Command) -> None:
    likelihood = outcome(command, "calibrate", "--alpha", "0.05")
    auto = outcome(command, "calibrate", "--alpha", "0.05", "--score", "auto", "--name", "auto")
    assert (likelihood["score"], auto["score"]) == ("likelihood", "auto")
    assert (likelihood["n"], auto["n"]) == (350, 175)
    one, two = (
        outcome(
            command, "detect", "--dataset", "digits", "--calibration", name, "-o", f"{name}.csv"
        )
        for name in ("default", "auto")
    )
    assert one["score"] != two["score"]
    assert two["interval"][0] < 0.05
    assert Path("default.csv").read_text() != Path("auto.csv").read_text()
    assert "auto: how usual" in command("calibrate", "--score", "auto").out


@pytest.fixture
def own_images(command: Command, elsewhere: Path) -> Path:
    """1,200 digits as an array of bytes, learned as a user's own; auto is the default."""
    images = (load_digits().images * 15.9).astype(np.uint8)
    np.save(elsewhere / "x.npy", images[:1_200])
    np.save(elsewhere / "new.npy", images[1_200:])
    assert command("train", "-i", "x.npy", "--set", "train.epochs=2").code == 0
    assert outcome(command, "calibrate")["score"] == "auto"
    return elsewhere


@pytest.mark.usefixtures("own_images")
def test_the_same_samples_have_the_same_scores_whatever_the_way_in(command: Command) -> None:
    images = np.load("new.npy")
    np.save("few.npy", images[100:107])
    Path("files").mkdir()
    for i in range(100, 107):
        Image.fromarray(images[i]).save(f"files/{i}.png")
    for source in ("new.npy", "few.npy", "files"):
        outcome(command, "detect", "-i", source, "-o", f"{Path(source).stem}.jsonl")
    whole, few, files = (
        [json.loads(line)["score"] for line in Path(f"{name}.jsonl").read_text().splitlines()]
        for name in ("new", "few", "files")
    )
    assert few == files
    assert few == pytest.approx(whole[100:107], abs=1e-4)


def test_copies_are_on_one_side_of_a_judge(command: Command, elsewhere: Path) -> None:
    """300 images, each twice: those that a judge has seen set no threshold."""
    images = (load_digits().images * 15.9).astype(np.uint8)
    np.save(elsewhere / "x.npy", images[:600])
    np.save(elsewhere / "twice.npy", np.repeat(images[600:900], 2, axis=0))
    assert command("train", "-i", "x.npy", "--set", "train.epochs=1").code == 0
    done = command("calibrate", "-i", "twice.npy", "--json")
    assert "300 of these normals repeat another one exactly" in done.err
    found = json.loads(done.out)
    assert (found["score"], found["n"]) == ("auto", 300)
    run = load_run(Path("runs/x"))
    scores = load_calibration(run).scores
    assert len(np.unique(scores)) == 150


@pytest.mark.usefixtures("own_images")
def test_compare_with_images_that_are_all_odd(command: Command) -> None:
    """Without labels everything is an anomaly, held against normals no judge was fitted on."""
    np.save("odd.npy", np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8))
    found = outcome(command, "compare", "-i", "odd.npy")
    assert (found["normal"], found["anomalous"]) == (150, 12)
    assert found["methods"][0]["auroc"] > 0.95


@pytest.mark.usefixtures("digits")
def test_stress_names_the_blind_spots(command: Command) -> None:
    calibrated = outcome(command, "calibrate", "--alpha", "0.05", "--score", "auto")
    found = outcome(command, "stress", "--n", "100")
    rates = [trial["flagged_rate"] for trial in found["trials"]]
    assert rates == sorted(rates)
    assert found["n"] == 100 <= calibrated["n"]
    assert found["false_alarms"]["flagged_rate"] < 0.15
    by_name = {t["corruption"]: t["flagged_rate"] for t in found["trials"] if t["plainest"]}
    assert by_name["blank"] == by_name["inverted"] == 1
    assert set(found["blind_spots"]) == {name for name, rate in by_name.items() if rate < 0.5}
    again = outcome(command, "stress", "--n", "100")
    assert again == found
    shown = command("stress", "--n", "50")
    assert "what it would miss" in shown.out
    low = min(by_name.values())
    below = command("stress", "--n", "100", "--floor", min(1.0, low + 0.01))
    assert below.code == 11
    assert "below the floor" in below.err
    assert command("stress", "--n", "100", "--floor", low).code == 0


@pytest.mark.usefixtures("table")
def test_stress_of_a_table(command: Command) -> None:
    found = outcome(command, "stress")
    by_name = {t["corruption"]: t["flagged_rate"] for t in found["trials"] if t["plainest"]}
    assert by_name.keys() == {
        "column stuck", "unit error", "columns swapped", "column permuted", "missing as 0", "noise",
    }  # fmt: skip
    assert by_name["unit error"] > 0.9
    assert by_name["column permuted"] > 0.5
    assert outcome(command, "calibrate", "--alpha", "0.05")["score"] == "likelihood"


@pytest.mark.usefixtures("table")
def test_compare_says_who_is_better(command: Command) -> None:
    found = outcome(command, "compare", "-i", "new.csv")
    assert (found["normal"], found["anomalous"]) == (200, 200)
    methods = {line["method"]: line for line in found["methods"]}
    assert list(methods) == ["nice", "Mahalanobis", "5th neighbour", "isolation forest"]
    forest = methods["isolation forest"]
    assert forest["verdict"] == "ours is better"
    assert forest["lead"] == pytest.approx(methods["nice"]["auroc"] - forest["auroc"])
    assert forest["interval"][0] < forest["lead"] < forest["interval"][1]
    detected = outcome(command, "detect", "-i", "new.csv")
    assert methods["nice"]["auroc"] == pytest.approx(detected["auroc"])
    done = command("compare", "-i", "new.csv")
    assert "ours is better" in done.out
    ties = [m for m, line in methods.items() if line["verdict"] == "no difference seen"]
    assert ("show no difference to" in done.err) == bool(ties)


@pytest.mark.usefixtures("digits")
def test_compare_with_a_built_in_set(command: Command) -> None:
    outcome(command, "calibrate", "--score", "auto")
    found = outcome(command, "compare", "--dataset", "photos")
    names = [line["method"] for line in found["methods"]]
    assert names[-2:] == ["mean brightness", "PNG size"]


def test_few_images_are_judged_by_likelihood_and_it_is_said(
    command: Command, elsewhere: Path
) -> None:
    for i, image in enumerate((load_digits().images[:150] * 15.9).astype(np.uint8)):
        (elsewhere / "good").mkdir(exist_ok=True)
        Image.fromarray(image).save(elsewhere / "good" / f"{i}.png")
    assert command("train", "-i", "good", "--set", "train.epochs=2").code == 0
    done = command("calibrate", "--json")
    assert json.loads(done.out)["score"] == "likelihood"
    assert "too few to fit a judge" in done.err
    refused = command("calibrate", "--score", "latents")
    assert refused.code == 3
    assert "38 different normals are too few" in refused.err
    assert "200 are enough" in refused.err


MISTAKES: dict[str, tuple[list[str], int, str]] = {
    "score of images": (["calibrate", "--score", "latents"], 2, "looks at images"),
    "misspelt label": (
        ["compare", "-i", "new.csv", "--label-column", "z", "--anomaly-value", "bad"],
        3,
        "no column 'z'",
    ),
    "what was learned": (["compare", "-i", "both.csv"], 3, "that the run"),
    "no such score": (["calibrate", "--score", "magic"], 2, "magic"),
    "floor": (["stress", "--floor", "2"], 2, "--floor takes a share between 0 and 1"),
    "no such calibration": (["stress", "--calibration", "x"], 5, "no calibration named 'x'"),
    "nothing to compare on": (["compare"], 2, "give anomalies to compare on"),
    "too few": (["compare", "-i", "few.csv"], 3, "10 are the fewest"),
    "other kind": (["compare", "--dataset", "photos"], 3, "the run has learned table rows"),
}


@pytest.mark.usefixtures("table")
def test_a_mistake_is_one_sentence(command: Command) -> None:
    Path("few.csv").write_text("a,b,c\n1,2,3\n")
    odd = [line for line in Path("new.csv").read_text().splitlines() if line.endswith("bad")]
    Path("both.csv").write_text("\n".join([Path("train.csv").read_text().strip(), *odd]))
    for arguments, code, sentence in MISTAKES.values():
        done = command(*arguments)
        assert (done.code, done.out) == (code, ""), done.err
        assert sentence in done.err
        assert "Traceback" not in done.err
