"""Samples: what ``detect`` looks at, as a stream of batches with their scores."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from nice_anomaly import pipeline
from nice_anomaly.calibrate import Calibration
from nice_anomaly.cli import render
from nice_anomaly.data import Batch, Inputs, Reading, classes, evaluation_part
from nice_anomaly.detect import detect
from nice_anomaly.discoveries import Discoveries, at_level
from nice_anomaly.run import Run
from nice_anomaly.score import Scores

Samples = Iterator[tuple[Batch, Scores]]


def of_set(run: Run, name: str, root: Path, device: str, calibration: Calibration) -> Samples:
    """A built-in set as one batch; only samples of the set that was learned have a class."""
    data = evaluation_part(name, root)
    groups: list[str | None] | None = None
    if calibration.group_column is not None:
        own = name == run.manifest.data.name and calibration.group_column == pipeline.CLASS
        groups = [*classes(name, "test", root)] if own else [None] * len(data)
    ids = [str(row) for row in range(len(data))]
    batch = Batch(ids, data.values, groups=groups)
    yield batch, pipeline.score_dataset(run, data, device, judge=calibration.judge)


def of_user(
    run: Run, inputs: Inputs, device: str, reading: Reading, calibration: Calibration
) -> Samples:
    """A user's samples under a bar that counts them."""
    done = 0
    total = len(inputs.files) if inputs.kind == "image" and len(inputs.files) > 1 else None
    with render.progress_bar("scoring", total, "samples") as bar:
        for batch, scores in pipeline.score_inputs(run, inputs, device, reading, calibration.judge):
            yield batch, scores
            done += len(scores)
            bar.advance(done)


def together(
    samples: Samples, calibration: Calibration, rule: Discoveries
) -> tuple[Samples, Calibration]:
    """All samples first, then the thresholds that bound the false discoveries among them.

    What stays in memory of a sample are its name, remarks and score, not its values. Says how
    many discoveries are possible.
    """
    kept, p_values = [], []
    for batch, scores in samples:
        p_values.append(detect(scores, calibration, batch.groups).p_value[batch.good])
        kept.append((replace(batch, values=batch.values[:0]), scores))
    every = np.concatenate(p_values)
    _announce(calibration, rule, len(every))
    return iter(kept), at_level(calibration, rule, rule.level(every))


def _announce(calibration: Calibration, rule: Discoveries, m: int) -> None:
    if not m:
        return
    fewest, n = rule.fewest(calibration.smallest_p_value, m), calibration.n
    start = f"with {n:,} calibration scores and {m:,} samples"
    if calibration.tail == "both" and rule.method == "bh":
        render.say("note: for both tails the proof of this procedure does not reach; --by has one")
    if fewest > m:
        render.say(
            f"note: {start} nothing can be flagged at --fdr {rule.fdr:g}, however odd: more "
            f"calibration normals or a higher --fdr are needed"
        )
    elif fewest == 1:
        render.say(f"{start} a single discovery is possible at --fdr {rule.fdr:g}")
    else:
        render.say(
            f"{start} there are at least {fewest:,} discoveries at --fdr {rule.fdr:g}, or none; "
            f"more calibration normals would lower that number"
        )
