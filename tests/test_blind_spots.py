"""Scores beyond the likelihood, stress and compare, from end to end."""

import json
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, copied, lines_of
from PIL import Image
from sklearn.datasets import load_digits

from nice_anomaly import load_run


@pytest.fixture
def digits(shared_digits: Path, elsewhere: Path) -> Path:
    return copied(shared_digits, elsewhere)


@pytest.fixture
def table(shared_sums: Path, elsewhere: Path) -> Path:
    """Three columns, the third the sum of the others; half of new.csv breaks that. Calibrated."""
    return copied(shared_sums, elsewhere)


@pytest.fixture(scope="module")
def shared_images(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """1,200 digits as an array of bytes, learned as a user's own; auto is the default."""
    folder = tmp_path_factory.mktemp("images")
    images = (load_digits().images * 15.9).astype(np.uint8)
    np.save(folder / "x.npy", images[:1_200])
    np.save(folder / "new.npy", images[1_200:])
    with chdir(folder):
        assert command("train", "-i", "x.npy", "--set", "train.epochs=2").code == 0
        assert command.json("calibrate")["score"] == "auto"
    return folder


@pytest.fixture
def own_images(shared_images: Path, elsewhere: Path) -> Path:
    return copied(shared_images, elsewhere)


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bootstrap of 20 draws, for tests that ask about everything but its intervals."""
    monkeypatch.setattr("nice_anomaly.evaluation.compare.RESAMPLES", 20)


SMALL = (  # with all 10,000 normals for calibration, which characters take
    *("--set", "train.epochs=1", "--set", "flow.couplings=4", "--set", "flow.width=64"),
)


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory, real_data: Path, command: Command) -> Path:
    """FashionMNIST, learned for an epoch by small networks, calibrated for both scores."""
    folder = tmp_path_factory.mktemp("clothes")
    with chdir(folder):
        for arguments in (
            ["train", "--config", "fashion", *SMALL],
            ["calibrate", "--alpha", "0.01"],
            ["calibrate", "--alpha", "0.01", "--score", "auto", "--name", "auto"],
        ):
            done = command(*arguments, "--data-root", real_data)
            assert done.code == 0, done.err
    return folder


def missed(command: Command, calibration: str, dataset: str, root: Path) -> float:
    return float(
        command.json("detect", "--dataset", dataset, "--calibration", calibration,
                     "--data-root", root)["error_rate"]
    )  # fmt: skip


def test_digits_are_thought_more_probable_than_clothes(
    command: Command, clothes: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best-known blindness of likelihoods: digits are simpler."""
    monkeypatch.chdir(clothes)
    assert missed(command, "default", "mnist", real_data) > 0.9


@pytest.mark.parametrize(("dataset", "most"), [("mnist", 0.02), ("kmnist", 0.08)])
def test_with_what_is_typical_digits_are_no_clothes(
    command: Command,
    clothes: Path,
    real_data: Path,
    dataset: str,
    most: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(clothes)
    assert missed(command, "auto", dataset, real_data) < most


def test_with_what_is_typical_clothes_are_clothes(
    command: Command, clothes: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clothes)
    assert missed(command, "auto", "fashion", real_data) < 0.015  # type I


@pytest.mark.usefixtures("digits")
def test_a_judge_is_fitted_on_one_half_and_calibrated_on_the_other(command: Command) -> None:
    likelihood = command.json("calibrate", "--alpha", "0.05")
    auto = command.json("calibrate", "--alpha", "0.05", "--score", "auto", "--name", "auto")
    assert (likelihood["score"], auto["score"]) == ("likelihood", "auto")
    assert (likelihood["n"], auto["n"]) == (350, 175)
    one, two = (
        command.json("detect", "--dataset", "digits", "--calibration", name, "-o", f"{name}.csv")
        for name in ("default", "auto")
    )
    assert one["score"] != two["score"]
    assert two["interval"][0] < 0.05
    assert Path("default.csv").read_text() != Path("auto.csv").read_text()
    assert "auto: how usual" in command("calibrate", "--score", "auto").out


@pytest.mark.usefixtures("own_images")
def test_the_same_samples_have_the_same_scores_whatever_the_way_in(command: Command) -> None:
    images = np.load("new.npy")
    np.save("few.npy", images[100:107])
    Path("files").mkdir()
    for i in range(100, 107):
        Image.fromarray(images[i]).save(f"files/{i}.png")
    for source in ("new.npy", "few.npy", "files"):
        command.json("detect", "-i", source, "-o", f"{Path(source).stem}.jsonl")
    whole, few, files = (
        [row["score"] for row in lines_of(f"{name}.jsonl")] for name in ("new", "few", "files")
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
    scores = load_run("runs/x").calibration().scores
    assert len(np.unique(scores)) == 150


@pytest.mark.usefixtures("own_images", "few_draws")
def test_compare_with_images_that_are_all_odd(command: Command) -> None:
    """Without labels everything is an anomaly, held against normals no judge was fitted on."""
    np.save("odd.npy", np.random.default_rng(0).integers(0, 255, (12, 8, 8), dtype=np.uint8))
    found = command.json("compare", "-i", "odd.npy")
    assert (found["normal"], found["anomalous"]) == (600, 12)
    assert found["methods"][0]["auroc"] > 0.95


@pytest.mark.usefixtures("own_images")
@pytest.mark.parametrize(("score", "known"), [("auto", False), ("likelihood", True)])
def test_only_scores_of_the_same_origin_are_compared(
    command: Command, score: str, known: bool
) -> None:
    """What is typical is learned anew from fresh images: other scores than those that were kept."""
    assert command("calibrate", "--score", "likelihood", "--name", "plain").code == 0
    Path("x.npy").unlink()
    done = command("calibrate", "-i", "new.npy", "--score", score, "--name", "fresh")
    assert done.code == 0, done.err
    unknown = "whether these normals are like those held out of the training is not known"
    assert (unknown not in done.err) == known


@pytest.mark.usefixtures("digits")
def test_stress_names_the_blind_spots(command: Command) -> None:
    calibrated = command.json("calibrate", "--alpha", "0.05", "--score", "auto")
    found = command.json("stress", "--n", "100")
    rates = [trial["flagged_rate"] for trial in found["trials"]]
    assert rates == sorted(rates)
    assert found["n"] == 100 <= calibrated["n"]
    assert found["false_alarms"]["flagged_rate"] < 0.15
    by_name = {t["corruption"]: t["flagged_rate"] for t in found["trials"] if t["plainest"]}
    assert by_name["blank"] == by_name["inverted"] == 1
    assert set(found["blind_spots"]) == {name for name, rate in by_name.items() if rate < 0.5}
    again = command.json("stress", "--n", "100")
    assert again == found
    shown = command("stress", "--n", "50")
    assert "what it would miss" in shown.out
    low = min(by_name.values())
    below = command("stress", "--n", "100", "--floor", min(1.0, low + 0.01))
    assert below.code == 11
    assert "below the floor" in below.err
    assert command("stress", "--n", "100", "--floor", low).code == 0


@pytest.mark.usefixtures("digits")
def test_stress_counts_what_changed_and_promises_no_more_than_it_tried(command: Command) -> None:
    """Everything is below a threshold of 10⁹: no corruption is missed, of those that were tried."""
    assert command("calibrate", "--threshold", "1e9").code == 0
    found = command.json("stress", "--n", "50")
    counts = [found["false_alarms"]["n"], *(trial["n"] for trial in found["trials"])]
    assert max(counts) == 50 > min(counts)
    assert (found["shrunk"], found["blind_spots"]) == (None, [])
    shown = command("stress", "--n", "50").out
    assert "none of these 16 corruptions at their plainest" in " ".join(shown.split())
    assert "shrunk" not in shown


@pytest.mark.usefixtures("table")
def test_stress_of_a_table(command: Command) -> None:
    found = command.json("stress")
    by_name = {t["corruption"]: t["flagged_rate"] for t in found["trials"] if t["plainest"]}
    assert by_name.keys() == {
        "column stuck", "unit error", "columns swapped", "column permuted", "missing as 0", "noise",
    }  # fmt: skip
    assert by_name["unit error"] > 0.9
    assert by_name["column permuted"] > 0.5
    assert command.json("calibrate", "--alpha", "0.05")["score"] == "auto"


@pytest.mark.usefixtures("table")
def test_compare_says_who_is_better(command: Command) -> None:
    found = command.json("compare", "-i", "new.csv")
    assert (found["normal"], found["anomalous"]) == (200, 200)
    methods = {line["method"]: line for line in found["methods"]}
    assert list(methods) == ["nice", "Mahalanobis", "5th neighbour", "isolation forest"]
    forest = methods["isolation forest"]
    assert forest["verdict"] == "ours is better"
    assert forest["lead"] == pytest.approx(methods["nice"]["auroc"] - forest["auroc"])
    assert forest["interval"][0] < forest["lead"] < forest["interval"][1]
    detected = command.json("detect", "-i", "new.csv")
    assert methods["nice"]["auroc"] == pytest.approx(detected["auroc"])


@pytest.mark.usefixtures("table", "few_draws")
def test_what_compare_shows_is_what_it_found(command: Command) -> None:
    methods = {m["method"]: m for m in command.json("compare", "-i", "new.csv")["methods"]}
    done = command("compare", "-i", "new.csv")
    assert max(map(len, done.out.splitlines())) <= 80
    for name, method in methods.items():
        (shown,) = (line for line in done.out.splitlines() if line.startswith(f" {name} "))
        assert f" {method['auroc']:.4f} " in shown
        assert shown.rstrip().endswith(method["verdict"])
    ties = [m for m, line in methods.items() if line["verdict"] == "no difference seen"]
    assert ("too close to this run" in done.err) == bool(ties)


@pytest.mark.usefixtures("table", "few_draws")
def test_compare_leaves_nothing_out_unsaid(command: Command) -> None:
    """What cannot be read is refused, and left out and counted only if that is wanted."""
    lines = Path("new.csv").read_text().splitlines()
    Path("bad.csv").write_text("\n".join([*lines, "oops,1,1,good", "1,2,3,bad,5"]))
    refused = command("compare", "-i", "bad.csv")
    assert (refused.code, refused.out) == (3, "")
    assert "bad.csv, sample 400: a is oops" in refused.err
    done = command("compare", "-i", "bad.csv", "--skip-unreadable", "--json")
    assert done.code == 0
    assert "left out: 2 unreadable" in done.err
    found, whole = json.loads(done.out), command.json("compare", "-i", "new.csv")
    assert (found["normal"], found["anomalous"]) == (200, 200)
    assert found["methods"][0]["auroc"] == whole["methods"][0]["auroc"]


@pytest.mark.usefixtures("digits", "few_draws")
def test_compare_with_a_built_in_set(command: Command) -> None:
    command.json("calibrate", "--score", "auto")
    found = command.json("compare", "--dataset", "photos")
    names = [line["method"] for line in found["methods"]]
    assert names[-2:] == ["mean brightness", "PNG size"]


def test_few_images_are_judged_by_likelihood_and_it_is_said(
    command: Command, elsewhere: Path
) -> None:
    for i, image in enumerate((load_digits().images[:150] * 15.9).astype(np.uint8)):
        (elsewhere / "good").mkdir(exist_ok=True)
        Image.fromarray(image).save(elsewhere / "good" / f"{i}.png")
    assert command("train", "-i", "good", "--folds", "0", "--set", "train.epochs=2").code == 0
    done = command("calibrate", "--json")
    assert json.loads(done.out)["score"] == "likelihood"
    assert "too few to learn what is typical" in done.err
    refused = command("calibrate", "--score", "latents")
    assert refused.code == 3
    assert "38 different normals are too few" in refused.err
    assert "200 are enough" in refused.err
