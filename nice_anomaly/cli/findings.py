"""Findings: what is kept of detections while they stream by, and what it comes to."""

from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

import numpy as np

from nice_anomaly.calibrate import Calibration
from nice_anomaly.data import Batch, Truth
from nice_anomaly.detect import Detection
from nice_anomaly.metrics import Rate, auprc, auroc, fpr_at_95_tpr
from nice_anomaly.run import Run

Least = tuple[float, str, float, bool, str]  # score, id, p-value, flagged, note


@dataclass
class Findings:
    """Scores and verdicts of all readable samples so far; the ``top`` least probable by name."""

    top: int
    unreadable: int = 0
    least: list[Least] = field(default_factory=list)
    _scores: list[Any] = field(default_factory=list)
    _flagged: list[Any] = field(default_factory=list)
    _normal: list[Any] = field(default_factory=list)
    _anomalous: list[Any] = field(default_factory=list)

    def add(self, batch: Batch, found: Detection) -> None:
        """Take in one batch."""
        good = np.setdiff1d(np.arange(len(batch.ids)), list(batch.faults))
        self.unreadable += len(batch.faults)
        self._scores.append(found.scores[good])
        self._flagged.append(found.flagged[good])
        unknown = np.zeros(len(batch.ids), dtype=bool)
        truth = batch.truth or Truth(unknown, unknown)
        self._normal.append(truth.normal[good])
        self._anomalous.append(truth.anomalous[good])
        if self.top:
            rows = good[np.argsort(found.scores[good], kind="stable")[: self.top]]
            new: list[Least] = [
                (
                    float(found.scores[row]),
                    batch.ids[row],
                    float(found.p_value[row]),
                    bool(found.flagged[row]),
                    batch.notes.get(int(row), ""),
                )
                for row in rows
            ]
            self.least = nsmallest(self.top, [*self.least, *new], key=lambda entry: entry[0])

    @property
    def n(self) -> int:
        """How many samples have a verdict."""
        return sum(map(len, self._scores))

    @property
    def median(self) -> float:
        """The middle score; NaN if there is none."""
        return float(np.median(np.concatenate(self._scores))) if self.n else float("nan")

    def summary(self, source: str, run: Run, calibration: Calibration) -> dict[str, Any]:
        """What ``--json`` prints: counts, and the errors where the truth is known."""
        flagged = np.concatenate(self._flagged)
        n, count = len(flagged), int(flagged.sum())
        result: dict[str, Any] = {
            "source": source,
            "n": n,
            "flagged": count,
            "flagged_rate": count / n if n else 0.0,
            "threshold": calibration.threshold,
            "rule": calibration.rule,
            "unreadable": self.unreadable,
            "run": str(run.path),
        }
        return result | self._errors()

    def truth_of(self, *, normal: bool) -> dict[str, Any]:
        """The error that a built-in set allows to count: all of it is normal, or none."""
        flagged = np.concatenate(self._flagged)
        count = int(flagged.sum())
        errors = Rate(count if normal else len(flagged) - count, len(flagged))
        return {
            "error_kind": "type I" if normal else "type II",
            "errors": errors.count,
            "error_rate": errors.value,
            "interval": list(errors.interval),
        }

    def _errors(self) -> dict[str, Any]:
        """Both errors and the ranking, where the input has labels."""
        normal, anomalous, flagged, scores = map(
            np.concatenate, (self._normal, self._anomalous, self._flagged, self._scores)
        )
        if not (normal | anomalous).any():
            return {}
        result: dict[str, Any] = {"normal": int(normal.sum()), "anomalous": int(anomalous.sum())}
        if normal.any():
            rate = Rate(int(flagged[normal].sum()), result["normal"])
            result |= {"type_i": rate.value, "type_i_interval": list(rate.interval)}
        if anomalous.any():
            rate = Rate(int((~flagged[anomalous]).sum()), result["anomalous"])
            result |= {"type_ii": rate.value, "type_ii_interval": list(rate.interval)}
        if normal.any() and anomalous.any():
            pair = scores[normal], scores[anomalous]
            result |= {
                "auroc": auroc(*pair),
                "auprc": auprc(*pair),
                "fpr_at_95_tpr": fpr_at_95_tpr(*pair),
            }
        return result
