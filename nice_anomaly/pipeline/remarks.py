"""Remarks: what a user has to know of calibration normals before believing a promise."""

import math
from collections.abc import Iterator

import numpy as np

from nice_anomaly.calibrate import Calibration
from nice_anomaly.detect import detect
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.pipeline.normals import Normals

APART = 0.1  # of the probability ½ that one of the other samples scores higher
MANY_COPIES = 0.1


def remarks(normals: Normals, calibration: Calibration) -> Iterator[str]:
    """One sentence for everything that is unusual about the normals."""
    yield from _compared(normals, calibration)
    own, n = normals.run.manifest.data, len(normals.scores)
    if normals.fallback:
        yield f"{normals.fallback}: the score is the log-likelihood"
    if normals.repeated and own.repeated:
        yield (
            f"{normals.repeated:,} of these normals have a twin in the training data, as "
            f"{own.repeated:,} of {own.calibration:,} held-out samples have"
        )
    elif normals.repeated:
        yield (
            f"{normals.repeated:,} of these normals are in the training data too: few, but their "
            f"scores are too good; better leave them out"
        )
    if normals.copies > MANY_COPIES * n:  # of all, also those a judge was fitted on
        yield (
            f"{normals.copies:,} of these normals repeat another one exactly. If they are copies "
            f"and not samples of their own, every promise from them is too good"
        )


def _compared(normals: Normals, calibration: Calibration) -> Iterator[str]:
    """What a difference between these scores and the ones beside them means.

    They differ if one of the others scores higher than one of these with a probability that is
    ``APART`` from ½ and more, and not by chance.
    """
    if normals.beside is None:
        return
    n, m = len(normals.scores), len(normals.beside)
    higher = auroc(normals.beside, normals.scores)
    if abs(higher - 0.5) < max(APART, 4 * math.sqrt((1 / n + 1 / m) / 12)):
        return
    medians = f"median {np.median(normals.scores):,.1f} against {np.median(normals.beside):,.1f}"
    flagged = Rate(int(detect(normals.beside, calibration).flagged.sum()), m)
    claim = calibration.rule.claimed_rate
    effect = ""
    if claim is not None:
        kind = "wrong" if flagged.interval[0] > claim else "conservative"
        effect = f": the claim is {kind} for such samples"
    if normals.fresh:
        yield (
            f"these normals are {'less' if higher > 0.5 else 'more'} probable than those held out "
            f"of the training ({medians}). The threshold is right for samples like these; of the "
            f"held-out ones {flagged.count:,} of {m:,} would be flagged{effect}. If these are what "
            f"normal looks like now, train on them"
        )
    elif higher > 0.5:
        yield (
            f"the flow scores what it has learned higher than held-out normals ({medians}): it "
            f"has learned some samples by heart. The threshold rests on held-out normals alone and "
            f"is right for new ones; of the learned ones {flagged.count:,} of {m:,} would be "
            f"flagged{effect}. What is lost is power: more data or an earlier stop would help"
        )
