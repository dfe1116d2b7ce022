"""Remarks and refusals: their numbers are those of a hand, and the ways they offer lead on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, copied, write_csv
from numpy.typing import NDArray

from nice_anomaly.data import row_hashes
from nice_anomaly.errors import DataError
from nice_anomaly.library import Run, load_run
from nice_anomaly.library.ways import more_held_out
from nice_anomaly.metrics import Rate
from nice_anomaly.normals import Normals, remarks
from nice_anomaly.run import load_manifest
from nice_anomaly.scores import Origin, Scores
from nice_anomaly.thresholds import Certified, Conformal, Rule, Sigma, calibrate
from nice_anomaly.twins import learned_again
from nice_anomaly.vocabulary import ScoreName, Tail

QUICK = ("--set", "train.epochs=1")
NATS = ("--set", "calibrate.score=likelihood")
LABEL = ("--label-column", "state", "--anomaly-value")


@pytest.fixture
def rows(shared_cameras: Path, elsewhere: Path) -> Run:
    """1,200 rows, of which 900 were learned from and 300 are kept for calibration."""
    copied(shared_cameras, elsewhere)
    return load_run("runs/train")


# A rate that so many normals cannot support.


@pytest.fixture
def scarce(command: Command, elsewhere: Path) -> list[list[float]]:
    """A run on 150 rows: 38 of them are kept for calibration."""
    values = np.random.default_rng(0).normal(size=(236, 2)).tolist()
    write_csv(elsewhere / "few.csv", ["a", "b"], values[:150])
    write_csv(elsewhere / "many.csv", ["a", "b"], values)
    assert command("train", "few.csv", "--folds", "0", *QUICK).code == 0
    return values


def test_a_refused_rate_says_every_way_on(command: Command, scarce: list[list[float]]) -> None:
    """0.95^59 < 0.05; 1 - 0.95^38 = 0.858; 1 - 0.05^(1/38) = 0.0758; 59 are a quarter of 236."""
    refused = command("calibrate", "--alpha", "0.05")
    assert (refused.code, len(scarce)) == (3, 236)
    assert refused.err.splitlines()[1] == (
        "error: this rule needs the scores of at least 59 normal samples, got 38. Give more "
        "normals with --input, or accept a higher rate: 38 can support --alpha 0.076. Or keep the "
        "rate and accept --confidence 0.85, or --rule conformal, which keeps it on average. Or "
        "train again on 236 normal samples in all, of which 25 % are held out, or with --set "
        "data.calibration=59, which holds out 59 of the 150 there are. 'nice-anomaly plan' shows "
        "what takes how many."
    )


WAYS: dict[str, tuple[str, str]] = {  # to a run, to a threshold
    "a higher rate": ("", "--alpha 0.076"),
    "a lower confidence": ("", "--alpha 0.05 --confidence 0.85"),
    "on average": ("", "--alpha 0.05 --rule conformal"),
    "more samples": ("train many.csv --folds 0 --set train.epochs=1", "--alpha 0.05"),
    "more held out": (
        "train few.csv --set train.epochs=1 --set data.calibration=59",
        "--alpha 0.05",
    ),
}


@pytest.mark.usefixtures("scarce")
@pytest.mark.parametrize("way", WAYS)
def test_every_way_on_leads_to_a_threshold(command: Command, way: str) -> None:
    trained, calibrated = WAYS[way]
    assert not trained or command(*trained.split()).code == 0
    done = command("calibrate", *calibrated.split())
    assert done.code == 0, done.err


@pytest.mark.parametrize("tail", ["low", "both"])
@pytest.mark.parametrize(("n", "alpha"), [(38, 0.05), (300, 0.01), (250, 0.01), (60, 0.02)])
def test_the_confidence_that_is_offered_holds(n: int, alpha: float, tail: Tail) -> None:
    scores = Scores(np.arange(float(n)))
    with pytest.raises(DataError) as refused:
        calibrate(scores, Certified(alpha, 0.999), tail=tail)
    offer = re.search(r"`confidence=([0-9.]+)`", str(refused.value))
    if offer is None:  # below ½ nothing is offered
        with pytest.raises(DataError):
            calibrate(scores, Certified(alpha, 0.5), tail=tail)
        return
    confidence = float(offer[1])
    assert calibrate(scores, Certified(alpha, confidence), tail=tail).n == n
    with pytest.raises(DataError):
        calibrate(scores, Certified(alpha, confidence + 0.01), tail=tail)


MORE: dict[str, tuple[int, int, str]] = {  # scores there are, scores needed, what is said
    "twice as many as can be": (300, 600, " Or train again on 2,400 normal samples in all, of "),
    "a score that takes half of the held-out ones": (
        150, 200, " Or train again on 1,600 normal samples in all, of which 25 % are held out, or "
        "with `overrides=['data.calibration=400']`, which holds out 400 of the 1,200 there are.",
    ),
    "more than a share ever is": (300, 10_001, ""),
}  # fmt: skip


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("case", MORE)
def test_more_held_out_normals_are_a_matter_of_the_share(case: str) -> None:
    n, fewest, said = MORE[case]
    found = more_held_out(load_manifest(Path("runs/train")), n, fewest)
    assert found.startswith(said)
    assert bool(found) == bool(said)
    assert ("overrides" in found) == ("overrides" in said)


def test_fresh_normals_are_not_sent_to_training(command: Command, rows: Run) -> None:
    write_csv("some.csv", ["a", "b"], [[i / 7, i / 3] for i in range(20)])
    refused = command("calibrate", "some.csv", "--alpha", "0.05")
    assert (rows.name, refused.code) == ("runs/train", 3)
    assert "--confidence 0.64, or --rule conformal" in refused.err  # 1 - 0.95^20 = 0.642
    assert "train again" not in refused.err


# Scores of what was learned beside those of what was held out, and of fresh ones beside those.

HUNDRED = np.arange(1.0, 101.0)
LOW = np.where(HUNDRED <= 15, 0.0, 1_000.0)
BY_HEART = (
    "what the model has learned scores higher than held-out normals, in 87.50 % of all pairs "
    "(median of the learned {}, of the held-out {}): it has learned some samples by heart. "
)
DRIFTS: dict[str, tuple[ScoreName, bool, NDArray[np.float64], float, Rule, list[str]]] = {
    "learned by heart": (
        "likelihood", False, HUNDRED + 50, 1, Sigma(),
        [BY_HEART.format("100.5 nats", "50.5 nats"), "0 of 100 would be flagged. It finds less"],
    ),
    "learned by heart, as images show it": (
        "auto", False, HUNDRED + 50, 0.1, Conformal(0.1),
        [BY_HEART.format("10.05", "5.05"), "0 of 100 would be flagged: the claim is too cautious"],
    ),
    "the learned ones score lower": ("likelihood", False, HUNDRED - 50, 1, Sigma(), []),
    "fresh ones are odder": (
        "likelihood", True, HUNDRED + 50, 1, Conformal(0.1),
        [
            "these normals are less probable than those held out of the training, in 87.50 % of "
            "all pairs (median of these 50.5 nats, of the held-out 100.5 nats). ",
            "of the held-out ones 0 of 100 would be flagged: the claim is too cautious",
        ],
    ),
    "fresh ones are tamer": (
        "likelihood", True, HUNDRED - 50, 1, Conformal(0.1),
        [
            "these normals are more probable than those held out of the training, in 87.50 % of "
            "all pairs (median of these 50.5 nats, of the held-out 0.5 nats). ",
            "of the held-out ones 59 of 100 would be flagged: the claim is wrong",  # -49 … 9
        ],
    ),
    "fresh images are odder": (
        "auto", True, HUNDRED + 50, 0.1, Sigma(),
        [
            "these normals are less usual than those held out of the training, in 87.50 % of all "
            "pairs (median of these 5.05, of the held-out 10.05). ",
        ],
    ),
    "a rate that may be that of the claim or not": (
        "likelihood", True, LOW, 1, Conformal(0.1), ["15 of 100 would be flagged. If these"],
    ),
    "the same": ("likelihood", True, HUNDRED, 1, Sigma(), []),
}  # fmt: skip


@pytest.mark.parametrize("case", DRIFTS)
def test_words_and_numbers_of_a_drift_agree(rows: Run, case: str) -> None:
    """Of 100 × 100 pairs 1,225 are the other way round and 50 tied: 87.5 %."""
    score, fresh, reference, unit, rule, sentences = DRIFTS[case]
    origin = Origin(score)
    found = Normals(
        Scores(HUNDRED * unit, origin),
        rows.scorer(),
        "new",
        fresh=fresh,
        reference=Scores(reference * unit, origin),
    )
    said = list(remarks(found, found.calibrate(rule), rows.manifest.data))
    assert len(said) == bool(sentences)
    assert not [sentence for sentence in sentences if sentence not in said[0]]


# Samples that were learned from, met again.


def test_what_was_learned_is_counted_and_said(command: Command, rows: Run) -> None:
    assert command("calibrate").code == 0
    train, new = (Path(f"{name}.csv").read_text().splitlines() for name in ("train", "new"))
    Path("mixed.csv").write_text("\n".join([*new, *train[1:201]]))
    values = np.loadtxt(train[1:201], delimiter=",", usecols=(0, 1))
    known = int(np.isin(row_hashes(values), rows.trained.seen.numpy()).sum())
    assert 100 < known < 200
    for file, count, n in (("train.csv", 900, 1_200), ("mixed.csv", known, 2_200)):
        for options in ([], ["--fdr", "0.2"]):
            done = command("detect", file, *options)
            note = f"note: {count} of these {n:,} samples are among those the run has learned from:"
            assert done.err.count(f"{note} their scores are too good, and fewer are flagged") == 1
            assert command.json("detect", file, *options)["learned"] == count
    (said,) = learned_again(rows.manifest.data, Rate(1, 2_000))  # no held-out row has a twin
    assert said.startswith("note: 1 of these 2,000 samples is among those the run has learned from")
    assert "learned from" not in command("detect", "new.csv").err
    assert command.json("detect", "new.csv")["learned"] == 0


def test_the_library_warns_of_what_was_learned(rows: Run) -> None:
    rows.calibrate()
    with pytest.warns(UserWarning, match=r"^note: 900 of these 1,200 samples are") as heard:
        found = rows.detect("train.csv")
    assert ([one.filename for one in heard], found.summary["learned"]) == ([__file__], 900)


def test_a_built_in_set_is_not_searched_for_what_was_learned(
    command: Command, shared_digits: Path, elsewhere: Path
) -> None:
    copied(shared_digits, elsewhere)
    assert command("calibrate").code == 0
    assert command.json("detect", "--dataset", "digits")["learned"] is None


def test_twins_are_not_remarked_on_where_they_are_usual(command: Command, elsewhere: Path) -> None:
    """Rows of two dice: every new one was seen before, and so were the held-out ones."""
    rng = np.random.default_rng(0)
    for name in ("train", "new"):
        write_csv(elsewhere / f"{name}.csv", ["x", "y"], rng.integers(1, 7, (400, 2)).tolist())
    assert command("train", "train.csv", "--folds", "0", *QUICK).code == 0
    assert command("calibrate").code == 0
    done = command("detect", "new.csv")
    assert (done.code, "learned from" in done.err) == (0, False)
    assert command.json("detect", "new.csv")["learned"] == 400
    data = load_manifest(Path("runs/train")).data
    assert (data.repeated, data.calibration) == (100, 100)
    assert list(learned_again(data, Rate(0, 400))) == []


# Labels that are no row's, and rows of which none can be read.


@pytest.fixture
def labelled(command: Command, elsewhere: Path) -> Path:
    """100 rows, 20 of them bad, and as many new ones; calibrated on the good."""
    values = np.random.default_rng(0).normal(size=(200, 2)).tolist()
    rows = [[*row, "bad" if i % 5 == 0 else "good"] for i, row in enumerate(values)]
    write_csv(elsewhere / "old.csv", ["a", "b", "state"], rows[:100])
    write_csv(elsewhere / "new.csv", ["a", "b", "state"], rows[100:])
    assert command("train", "old.csv", *LABEL, "bad", *NATS, *QUICK).code == 0
    assert command("calibrate").code == 0
    return elsewhere


ABSENT = "note: no row has odd in the column state"
NONE = "every labelled row counts as normal"
NEITHER = "0 anomalies to compare on; 10 are the fewest: no row has odd in the column state: "
BOTH = [*LABEL, "bad", "--anomaly-value", "odd"]
LABELS: dict[str, tuple[list[str], int, str]] = {
    "train, none": (["train", "old.csv", *LABEL, "odd"], 0, f"{ABSENT}: everything is learned as"),
    "train, one": (["train", "old.csv", *BOTH], 0, f"{ABSENT}. Its values: bad, good"),
    "detect, none": (["detect", "new.csv", *LABEL, "odd"], 0, f"{ABSENT}: {NONE}\n"),
    "detect, one": (["detect", "new.csv", *BOTH], 0, f"{ABSENT}\n"),
    "compare, none": (["compare", "new.csv", *LABEL, "odd"], 3, f"error: {NEITHER}{NONE}."),
    "compare, one": (["compare", "new.csv", *BOTH], 0, f"{ABSENT}\n"),
}


@pytest.mark.usefixtures("labelled")
@pytest.mark.parametrize("case", LABELS)
def test_a_label_that_never_occurs_is_said(command: Command, case: str) -> None:
    typed, code, said = LABELS[case]
    done = command(*typed, *(QUICK if typed[0] == "train" else ()))
    assert (done.code, said in done.err) == (code, True), done.err
    assert "no row has bad" not in done.err


@pytest.mark.usefixtures("labelled")
def test_how_often_a_label_occurs_is_in_the_record(command: Command) -> None:
    found = command.json("detect", "new.csv", *LABEL, "BAD", "--anomaly-value", "odd")
    assert found["anomaly_values"] == {"BAD": 20, "odd": 0}
    assert found["anomalous"] == 20


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("skip", ["", " --skip-unreadable"])
@pytest.mark.parametrize(
    "typed",
    ["detect {} --json", "detect {} --fdr 0.1", "detect {} -o x.csv", "calibrate {}", "compare {}"],
)
def test_an_input_of_which_nothing_can_be_read_is_refused(
    command: Command, typed: str, skip: str
) -> None:
    assert command("calibrate").code == 0
    write_csv("broken.csv", ["a", "b"], [["oops", 1], [2, "x"]])
    done = command(*(typed.format("broken.csv") + skip).split())
    assert (done.code, Path("x.csv").exists()) == (3, False)
    assert (json.loads(done.out)["exit_code"] == 3) if "--json" in typed else done.out == ""
    if skip or typed.startswith("detect"):
        assert done.err.splitlines()[-1] == (
            "error: none of the 2 samples in broken.csv can be read. The first is sample 0: a is "
            "oops, not a finite number. Is it the right input?"
        )
    else:
        assert "sample 0: a is oops, not a finite number." in done.err


def test_one_sample_that_cannot_be_read_is_the_only_one(command: Command, rows: Run) -> None:
    rows.calibrate()
    write_csv("broken.csv", ["a", "b"], [["oops", 1]])
    done = command("detect", "broken.csv")
    assert "error: the only sample in broken.csv cannot be read. It is sample 0: a is" in done.err


def test_nothing_is_learned_from_what_cannot_be_read(command: Command, elsewhere: Path) -> None:
    (elsewhere / "broken.csv").write_text("a,b\n1\n2,3,4\n")
    (elsewhere / "images").mkdir()
    for name in ("0.png", "1.png"):
        (elsewhere / "images" / name).write_bytes(b"")
    for source, first in (("broken.csv", "row 0 (the first is 0): has 1"), ("images", "0.png: is")):
        done = command("train", source, "--skip-unreadable")
        assert done.code == 3
        assert f"none of the 2 samples in {source} can be read. The first is " in done.err
        assert first in done.err


# What is said of a detection.


@pytest.mark.usefixtures("rows")
def test_the_record_names_what_was_flagged_and_the_middle_score(command: Command) -> None:
    assert command("calibrate", "--alpha", "0.05", "--score", "likelihood").code == 0
    found = command.json("detect", "new.csv", "-o", "out.csv")
    lines = [line.split(",") for line in Path("out.csv").read_text().splitlines()]
    place = {name: lines[0].index(name) for name in ("id", "score", "flagged")}
    flagged = [line[place["id"]] for line in lines[1:] if line[place["flagged"]] == "true"]
    assert found["flagged_ids"] == flagged
    assert len(flagged) == found["flagged"] > 0
    scores = [float(line[place["score"]]) for line in lines[1:]]
    assert (found["median"], found["unit"]) == (pytest.approx(np.median(scores)), "nats")


def test_errors_are_named_by_what_they_are(command: Command, labelled: Path) -> None:
    done = command("detect", str(labelled / "new.csv"), *LABEL, "bad")
    assert "false alarms (type I)" in done.out
    assert "misses (type II)" in done.out
    shown = command("calibrate").out
    assert re.search(r"1 nat less +│ 2.7 times less probable", shown)
