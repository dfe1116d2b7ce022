"""Sighted: verdicts with the view by which a flagged row is odd, and the nearest normal row."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nice_anomaly.evaluation.reasoned import held
from nice_anomaly.evaluation.verdicts import Verdicts
from nice_anomaly.scores import Scorer
from nice_anomaly.thresholds import Calibration


def sighted(
    stream: Iterator[Verdicts], scorer: Scorer, calibration: Calibration
) -> Iterator[Verdicts]:
    """The same with the sights of what was flagged; what is too usual is odd by no view."""
    for one in stream:
        flagged = np.flatnonzero(one.batch.good & one.found.flagged)
        low = [not some.too_usual for some in held(one, calibration, flagged.tolist())]
        rows = flagged[np.array(low, dtype=bool)]
        found = scorer.sights(one.batch.raw(rows)) if len(rows) else ()
        yield replace(one, sights=dict(zip(rows.tolist(), found, strict=True)))
