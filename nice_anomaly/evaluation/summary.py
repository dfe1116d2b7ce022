"""Summary: what the verdicts on many samples come to."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Truth, absent_values
from nice_anomaly.evaluation.days import Days
from nice_anomaly.evaluation.verdicts import Verdicts
from nice_anomaly.explain import words as texts
from nice_anomaly.explain.value import Reasons
from nice_anomaly.metrics import Rate, auprc, auroc, fpr_at_95_tpr
from nice_anomaly.scores import VIEWS, Sight
from nice_anomaly.thresholds import ALL, Calibration, Discoveries
from nice_anomaly.words import finite, first_of, several

if TYPE_CHECKING:
    from nice_anomaly.plots import Figure

MOST_TOLD = 1_000  # samples whose reasons the record has; an output file has all


@dataclass(frozen=True)
class Least:
    """One of the least probable samples."""

    score: float
    id: str
    p_value: float
    flagged: bool
    note: str
    sight: Sight | None = None


@dataclass
class Summary:
    """Takes in verdicts as they stream by; keeps what is said of all, and the ``top`` least.

    ``unit`` is that of a score, and ``reasons`` are those of the first that were flagged.
    ``learned`` counts samples that the run has learned from, None where nobody looked.
    """

    top: int = 0
    unit: str = ""
    unreadable: int = 0
    learned: int | None = None
    flagged_ids: list[str] = field(default_factory=list)
    least: list[Least] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    _explained: int = 0
    _scores: list[Any] = field(default_factory=list)
    _flagged: list[Any] = field(default_factory=list)
    _normal: list[Any] = field(default_factory=list)
    _anomalous: list[Any] = field(default_factory=list)
    _views: Counter[str] | None = None
    _groups: list[str] = field(default_factory=list)
    _labels: Counter[str] = field(default_factory=Counter)
    _days: Days = field(default_factory=Days)
    _noted: int = 0

    def add(self, verdicts: Verdicts) -> None:
        """Take in one batch."""
        batch, found = verdicts.batch, verdicts.found
        good = np.flatnonzero(batch.good)
        self.unreadable += len(batch.faults)
        self._noted += sum(not found.flagged[row] for row in batch.notes)
        self._scores.append(found.scores[good])
        self._flagged.append(found.flagged[good])
        self.flagged_ids += [batch.ids[row] for row in good[found.flagged[good]]]
        self._explain(verdicts.reasons)
        if verdicts.sights is not None:
            self._views = self._views or Counter(dict.fromkeys(VIEWS, 0))
            self._views.update(sight.view for sight in verdicts.sights.values())
        if batch.times is not None:
            self._days.add(batch.times[good], found.flagged[good])
        if batch.learned is not None:
            self.learned = (self.learned or 0) + int(batch.learned.sum())
        unknown = np.zeros(len(batch.ids), dtype=bool)
        truth = batch.truth or Truth(unknown, unknown)
        self._normal.append(truth.normal[good])
        self._anomalous.append(truth.anomalous[good])
        self._labels.update(truth.counts)
        if found.groups is not None:
            self._groups += [found.groups[row] for row in good]
        if self.top:
            rows = good[np.argsort(found.scores[good], kind="stable")[: self.top]]
            new = [
                Least(
                    float(found.scores[row]),
                    batch.ids[row],
                    float(found.p_value[row]),
                    bool(found.flagged[row]),
                    self._odd(verdicts, int(row)),
                    (verdicts.sights or {}).get(int(row)),
                )
                for row in rows
            ]
            self.least = nsmallest(self.top, [*self.least, *new], key=lambda one: one.score)

    def _explain(self, reasons: Mapping[int, Reasons]) -> None:
        flagged = [one for one in reasons.values() if one.held.flagged]
        self._explained += len(flagged)
        for one in flagged[: MOST_TOLD - len(self.reasons)]:
            why, instead = list(texts.reasons(one, self.unit)), list(texts.expected(one))
            self.reasons.append({"id": one.held.id, "reasons": why, "expected": instead})

    def _odd(self, verdicts: Verdicts, row: int) -> str:
        """The first reasons of a sample, else the first remarks on its values."""
        if row in verdicts.reasons:
            every: Sequence[str] = texts.reasons(verdicts.reasons[row], self.unit)
        else:
            every = verdicts.batch.notes.get(row, "").split("; ")
        return first_of(every)

    @property
    def n(self) -> int:
        """How many samples have a verdict."""
        return sum(map(len, self._scores))

    @property
    def median(self) -> float:
        """The middle score; NaN if there is none."""
        return float(np.median(np.concatenate(self._scores))) if self.n else float("nan")

    @property
    def flagged(self) -> int:
        """How many were flagged."""
        return sum(int(part.sum()) for part in self._flagged)

    def plot(self, calibration: Calibration) -> "Figure":
        """The scores beside those of the calibration, and the ranking where there are labels.

        Raises:
            ConfigError: matplotlib is not installed.
        """
        from nice_anomaly import plots

        plots.refuse_absent("drawing", "matplotlib")
        bounds, normals = calibration.overall.bounds, calibration.scores
        parts = self._scores, self._flagged, self._normal, self._anomalous
        kinds = np.float64, bool, bool, bool
        found = [_joined(part, kind) for part, kind in zip(parts, kinds, strict=True)]
        return plots.detected(normals, bounds.low, bounds.high, *found, unit=calibration.unit)

    def record(
        self,
        calibration: Calibration,
        rule: Discoveries | None = None,
        *,
        source: str,
        run: str,
        normal: bool | None,
    ) -> dict[str, Any]:
        """Counts and rates with their intervals, and the errors where the truth is known.

        ``rule`` bounded the false discoveries, if any did. ``source`` and ``run`` are names.
        ``normal`` says what every sample is, where that is known of the whole set.
        """
        n, count = self.n, self.flagged
        result: dict[str, Any] = {
            "source": source,
            "n": n,
            "flagged": count,
            "flagged_rate": count / n if n else 0.0,
            "flagged_ids": self.flagged_ids,
            "median": finite(self.median) if n else None,
            "unit": calibration.unit.strip() or None,
            "threshold": finite(calibration.threshold),
            "ceiling": finite(calibration.ceiling),
            "score": calibration.origin.score,
            "rule": calibration.rule.name if rule is None else rule.method,
            "claimed_rate": calibration.rule.claimed_rate if rule is None else None,
            "guaranteed_rate": calibration.guaranteed_rate if rule is None else None,
            "confidence": calibration.rule.confidence if rule is None else None,
            "unreadable": self.unreadable,
            "noted_but_passed": self._noted,
            "learned": self.learned,
            "run": run,
        }
        if rule is not None:
            fewest = rule.fewest(calibration.smallest_p_value, n)
            result |= {"fdr": rule.fdr, "fewest_discoveries": fewest if fewest <= n else None}
        if self.reasons:
            left = self._explained - len(self.reasons)
            result |= {"reasons": self.reasons, "reasons_left_out": left}
        flagged = _joined(self._flagged, bool)
        if self._views is not None:
            result["views"] = dict(self._views)
        if self._groups:
            result["groups"] = by_group(self._groups, flagged)
        if calibration.groups:
            result["without_promise"] = self._groups.count(ALL) if self._groups else n
        result |= self._paced(calibration) | self._errors(flagged)
        return result if normal is None else result | error(flagged, normal=normal)

    def _paced(self, calibration: Calibration) -> dict[str, Any]:
        """Alarms a day, by the dates of the rows, else at as many samples a day as were planned."""
        budget, n = calibration.budget, self.n
        if budget is None:
            return self._days.record()
        planned = {"alarms_a_day": budget.samples * self.flagged / n} if n else {}
        return planned | self._days.record() | {"budget": asdict(budget)}

    def _errors(self, flagged: NDArray[np.bool_]) -> dict[str, Any]:
        """Both errors and the ranking, where the input has labels."""
        normal, anomalous = _joined(self._normal, bool), _joined(self._anomalous, bool)
        scores = _joined(self._scores, np.float64)
        result: dict[str, Any] = {}
        if self._labels:
            result["anomaly_values"] = dict(self._labels)
        if not (normal | anomalous).any():
            return result
        result |= {"normal": int(normal.sum()), "anomalous": int(anomalous.sum())}
        if normal.any():
            result |= Rate.of(flagged[normal]).record("type_i")
        if anomalous.any():
            result |= Rate.of(~flagged[anomalous]).record("type_ii")
        if normal.any() and anomalous.any():
            pair = scores[normal], scores[anomalous]
            result |= {
                "auroc": auroc(*pair),
                "auprc": auprc(*pair),
                "fpr_at_95_tpr": fpr_at_95_tpr(*pair),
            }
        return result


def _joined(parts: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    """All parts as one array, empty where there are none."""
    return np.concatenate([np.empty(0, dtype=kind), *parts])


def unmatched(
    record: dict[str, Any], label_column: str | None, values: Sequence[str]
) -> Iterator[str]:
    """A remark where labels were read and some of ``values`` are none of them."""
    counts = dict.fromkeys(several(values), 0) | record.get("anomaly_values", {})
    for absent in absent_values(label_column, counts, "every labelled row counts as normal"):
        yield f"note: {absent}"


def error(flagged: NDArray[np.bool_], *, normal: bool) -> dict[str, Any]:
    """The error that a whole set allows to count: all of it is normal, or none."""
    errors = Rate.of(flagged if normal else ~flagged)
    return {
        "error_kind": "type I" if normal else "type II",
        "errors": errors.count,
        "error_rate": errors.value,
        "interval": list(errors.interval),
    }


def by_group(names: Sequence[str], flagged: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """How many were flagged in each group, the largest share first."""
    different = {name: place for place, name in enumerate(sorted({*names}))}
    places = np.array([different[name] for name in names])
    sizes = np.bincount(places)
    counts = np.bincount(places, weights=flagged).astype(int)
    groups = []
    for name, size, count in zip(different, sizes, counts, strict=True):
        rate = Rate(int(count), int(size))
        groups.append(
            {
                "name": str(name),
                "n": rate.n,
                "flagged": rate.count,
                "flagged_rate": rate.value,
                "interval": list(rate.interval),
            }
        )
    return sorted(groups, key=lambda group: -float(str(group["flagged_rate"])))
