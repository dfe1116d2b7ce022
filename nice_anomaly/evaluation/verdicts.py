"""Verdicts: samples beside what was found of them, for files, notebooks and people alike."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nice_anomaly.data import Batch
from nice_anomaly.data.dataset import Kind
from nice_anomaly.evaluation.samples import Scored
from nice_anomaly.explain.texts import columns_of
from nice_anomaly.explain.value import Reasons
from nice_anomaly.metrics import Rate
from nice_anomaly.run import DataRecord
from nice_anomaly.scores import Sight
from nice_anomaly.thresholds import Calibration, Detection, Discoveries, at_level, detect
from nice_anomaly.twins import learned_again
from nice_anomaly.words import finite


@dataclass(frozen=True)
class Verdicts:
    """A batch and its detection; a sample that cannot be read has a score of NaN.

    ``reasons`` are those of some samples, by place in the batch, and ``sights`` those of the
    flagged ones, None where the score has a single view.
    """

    batch: Batch
    found: Detection
    reasons: Mapping[int, Reasons] = field(default_factory=dict)
    sights: Mapping[int, Sight] | None = None

    def columns(
        self,
        *,
        noted: bool = True,
        kept: bool = False,
        typed: bool = False,
        explained: Kind | None = None,
        unit: str = "",
    ) -> dict[str, Any]:
        """One value a sample by column name, None where there is none, ``noted`` with remarks.

        With the reasons of samples of the kind that is ``explained``, in ``unit`` of the score.
        What was ``kept`` are the columns of the input, after ours; one of the same name as ours
        is called "input" and its name. ``typed`` ones have numbers and dates, not texts of them.
        """
        batch, found = self.batch, self.found
        content: dict[str, Any] = {
            "id": list(batch.ids),
            "score": found.scores.tolist(),
            "margin": [finite(margin) for margin in found.margin.tolist()],
            "p_value": found.p_value.tolist(),
            "flagged": found.flagged.tolist(),
        }
        for row in batch.faults:
            for name in ("score", "margin", "p_value", "flagged"):
                content[name][row] = None
        if found.groups is not None:
            content["group"] = list(found.groups)
        if batch.rows is not None:
            content["row"] = list(batch.rows)
        if noted:
            faults = {row: f"unreadable: {why}" for row, why in batch.faults.items()}
            said = {**batch.notes, **faults}
            content["note"] = [said.get(row) for row in range(len(batch.ids))]
        if self.sights is not None:
            sights = [self.sights.get(row) for row in range(len(batch.ids))]
            content["view"] = [None if one is None else one.view for one in sights]
            content["nearest"] = [None if one is None else one.nearest for one in sights]
        if explained is not None:
            content |= columns_of(self.reasons, len(batch.ids), explained, unit)
        if kept:
            taken = {*content, *batch.originals}
            for name, column in (batch.typed if typed else batch.originals).items():
                free = f"input {name}" if name in content else name
                while free != name and free in taken:
                    free = f"input {free}"
                content[free] = column
        return content


@dataclass(frozen=True, eq=False, repr=False)
class Stream:
    """Verdicts as they come, and what they are held against.

    ``rule`` bounds the false discoveries, if any does. ``normal`` says what every sample is, where
    that is known of the whole set.
    """

    source: str
    verdicts: Iterator[Verdicts]
    calibration: Calibration
    rule: Discoveries | None = None
    normal: bool | None = None


def verdicts(samples: Scored, calibration: Calibration) -> Iterator[Verdicts]:
    """Hold every batch against a calibration, as they come."""
    for batch, scores in samples:
        yield Verdicts(batch, detect(scores, calibration, batch.groups))


def told(
    stream: Iterator[Verdicts], data: DataRecord, say: Callable[[str], None]
) -> Iterator[Verdicts]:
    """The same; once all have passed, it is said if some are what the run learned from ``data``."""
    learned = n = 0
    for part in stream:
        if part.batch.learned is not None:
            learned += int(part.batch.learned.sum())
            n += int(part.batch.good.sum())
        yield part
    for remark in learned_again(data, Rate(learned, n)):
        say(remark)


def together(
    samples: Scored,
    calibration: Calibration,
    rule: Discoveries,
    *,
    keep_columns: bool,
    keep_values: bool = False,
) -> tuple[Scored, Calibration, int]:
    """All samples first, then the thresholds that bound the false discoveries among them.

    What stays in memory of a sample are its name, remarks and score, and without ``keep_columns``
    not its cells. With ``keep_values`` those that may be flagged keep their values. The last is how
    many samples have a p-value.
    """
    kept, p_values = [], [np.empty(0)]
    for batch, scores in samples:
        found = detect(scores, calibration, batch.groups).p_value
        p_values.append(found[batch.good])
        # The level is at most the rate: nothing with a larger p-value can be flagged.
        valued = np.flatnonzero(batch.good & (found <= rule.fdr) & keep_values)
        slim = replace(batch, values=batch.values[valued], valued=valued)
        kept.append((slim if keep_columns else replace(slim, originals={}, cells={}), scores))
    every = np.concatenate(p_values)
    return iter(kept), at_level(calibration, rule, rule.level(every)), len(every)
