"""Demonstration on data that ship with scikit-learn: images and a table, no download.

Does what the three commands do, twice, and prints them, so that a reader can repeat each step.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from nice_anomaly import builtin, learn
from nice_anomaly.cli import render
from nice_anomaly.metrics import Rate, auroc


@dataclass(frozen=True)
class Case:
    """What is normal, what is not, and how to say it."""

    normal: str
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
        f"{time.perf_counter() - started:.0f} s in all. Next, with a table of normal rows or a "
        f"folder of pictures of your own:\n"
        f"  source .venv/bin/activate\n"
        f"  nice-anomaly train PATH\n"
        f"  nice-anomaly calibrate --alpha 0.05\n"
        f"  nice-anomaly detect NEW --output found.csv --keep-columns\n"
        f"None at hand? python scripts/example_data.py writes some. More: docs/own-data.md."
    )


def run(case: Case) -> list[list[str]]:
    """Train, calibrate and detect one case; a table row for the normals, one for the others."""
    path = Path("runs") / f"demo-{case.normal}"
    render.say(f"$ nice-anomaly train --config {case.normal} --run {path} --overwrite")
    run = learn(builtin(case.normal), run=path, overwrite=True)
    data, seconds = run.manifest.data, run.manifest.seconds
    render.say(f"  learned {data.fit:,} {case.normal_words} in {seconds:.1f} s")

    render.say(f"$ nice-anomaly calibrate --run {path}")
    found = run.calibrate(say=lambda _: None)
    render.say(f"  threshold {found.threshold:,.1f} nats from {found.n:,} held-out normals")

    render.say(f"$ nice-anomaly detect --dataset {case.normal} --run {path}")
    normal = run.detect(builtin(case.normal))
    render.say(f"$ nice-anomaly detect --dataset {case.anomalies} --run {path}")
    anomalous = run.detect(builtin(case.anomalies))
    render.say(f"  AUROC {auroc(normal.scores, anomalous.scores):.4f}")
    return [
        row(case.normal_words, Rate.of(normal.flagged), "few"),
        row(case.anomaly_words, Rate.of(anomalous.flagged), "most"),
    ]


def row(words: str, flagged: Rate, expectation: str) -> list[str]:
    """One line of the summary."""
    low, high = (100 * bound for bound in flagged.interval)
    share = f"{100 * flagged.value:.1f} [{low:.1f}, {high:.1f}]"
    return [words, f"{flagged.n:,}", f"{flagged.count:,}", share, expectation]


if __name__ == "__main__":
    main()
