"""Demonstration on data that ship with scikit-learn: images and a table, no download.

Does what the three commands do, twice, and prints them, so that a reader can repeat each step.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from nice_anomaly import pipeline
from nice_anomaly.calibrate import Sigma
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.detect import detect
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.run import load_run, save_calibration
from nice_anomaly.train import Checkpoint

NOWHERE = Path("data")  # nothing is read from it: these sets come with scikit-learn


@dataclass(frozen=True)
class Case:
    """What is normal, what is not, and how to say it."""

    config: str
    anomalies: str
    normal_words: str
    anomaly_words: str


CASES = (
    Case("digits", "photos", "handwritten digits", "patches of photographs"),
    Case("breast-cancer", "breast-cancer-malignant", "benign cell nuclei", "malignant cell nuclei"),
)


def main() -> None:
    """Run all cases and end with one table."""
    started = time.perf_counter()
    rows = [row for case in CASES for row in run(case)]
    render.show_table(
        "What was flagged at mean - 3σ, 95 % intervals",
        ["samples", "n", "flagged", "share %", "should be"],
        rows,
    )
    render.say(
        f"{time.perf_counter() - started:.0f} s in all. Next: nice-anomaly info --run "
        f"runs/demo-digits, or make reproduce for MNIST and KMNIST."
    )


def run(case: Case) -> list[list[str]]:
    """Train, calibrate and detect one case; a table row for the normals, one for the others."""
    path = Path("runs") / f"demo-{case.config}"
    render.say(f"$ nice-anomaly train --config {case.config} --run {path} --overwrite")
    job = pipeline.prepare(load(case.config), NOWHERE)
    last = [report for report in job.train() if isinstance(report, Checkpoint)][-1]
    job.save(path, last, finished=True)
    render.say(
        f"  learned {len(job.material.split.fit):,} {case.normal_words} in {last.seconds:.1f} s"
    )

    render.say(f"$ nice-anomaly calibrate --run {path}")
    loaded = load_run(path)
    calibration = pipeline.held_out(loaded, NOWHERE).calibrate(Sigma(3))
    save_calibration(loaded, calibration)
    render.say(
        f"  threshold {calibration.threshold:,.1f} nats from {calibration.n:,} held-out normals"
    )

    scores = {}
    for name in (case.config, case.anomalies):
        render.say(f"$ nice-anomaly detect --dataset {name} --run {path}")
        scores[name] = pipeline.evaluation_scores(loaded, name, NOWHERE)
    separation = auroc(scores[case.config], scores[case.anomalies])
    render.say(f"  AUROC {separation:.4f}")
    return [
        row(
            case.normal_words,
            detect(scores[case.config], calibration).flagged.sum(),
            len(scores[case.config]),
            "few",
        ),
        row(
            case.anomaly_words,
            detect(scores[case.anomalies], calibration).flagged.sum(),
            len(scores[case.anomalies]),
            "most",
        ),
    ]


def row(words: str, flagged: int, n: int, expectation: str) -> list[str]:
    """One line of the summary."""
    found = Rate(int(flagged), n)
    low, high = (100 * bound for bound in found.interval)
    share = f"{100 * found.value:.1f} [{low:.1f}, {high:.1f}]"
    return [words, f"{n:,}", f"{found.count:,}", share, expectation]


if __name__ == "__main__":
    main()
