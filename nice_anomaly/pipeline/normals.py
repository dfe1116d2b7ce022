"""Normals: scores of normal samples that the training of a run has not seen.

What they must not be is checked here: the samples the run has learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.calibrate import Calibration, Rule, Tail, calibrate
from nice_anomaly.data import (
    Batch,
    Material,
    classes,
    recognise,
    refuse_unreadable,
    row_hashes,
)
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.judge import Judge
from nice_anomaly.metrics import Rate
from nice_anomaly.pipeline.judging import ScoreName, halves, judged, measure_for, scores_of
from nice_anomaly.pipeline.scoring import Measure, measured_inputs, measuring, reading_of
from nice_anomaly.pipeline.training import normal_data
from nice_anomaly.run import Run
from nice_anomaly.score import Scores

CLASS = "class"  # as a group of a built-in set: what a sample shows
COMPARED = 5_000  # samples of the other kind that scores are held beside


@dataclass(frozen=True)
class Normals:
    """Scores ``[n]`` of normal samples, what they belong to, and how many did not count and why.

    ``beside`` are scores to compare with: for held-out samples those of samples that were
    learned, for fresh ones those of held-out ones; None where the data are gone. ``repeated``
    have a twin that was learned from, ``copies`` among themselves. A ``judge`` was
    fitted on other normals and made the scores; ``fallback`` says why there is none.
    """

    run: Run
    scores: Scores
    source: str
    fresh: bool
    groups: Sequence[str | None] | None = None
    group_column: str | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    copies: int = 0
    beside: Scores | None = None
    judge: Judge | None = None
    fallback: str = ""

    def calibrate(self, rule: Rule, tail: Tail = "low") -> Calibration:
        """Thresholds from these scores; see ``nice_anomaly.calibrate.calibrate``."""
        return calibrate(
            self.scores,
            rule,
            tail=tail,
            fingerprint=self.run.manifest.fingerprint,
            groups=self.groups,
            group_column=self.group_column,
            source=self.source,
            judge=self.judge,
        )


def held_out(
    run: Run,
    root: Path,
    device: str = "auto",
    *,
    group_column: str | None = None,
    score: ScoreName = "likelihood",
) -> Normals:
    """The part of a run's own data that was kept from fitting and from early stopping.

    Raises:
        ConfigError: the data have no such groups.
        DataError: the data are missing, damaged, or not those of the training.
    """
    measure = measure_for(run, score, device)
    material = own_data(run, root, group_column)
    held, groups = own_normals(run, material, root, group_column)
    fit = material.split.fit
    some = material.dataset.values[fit[:: max(1, len(fit) // COMPARED)]]
    hashes = row_hashes(held)
    found = judged(run, score, measure(held), hashes)
    return Normals(
        run,
        found.scores,
        run.manifest.data.name,
        fresh=False,
        groups=_at(groups, found.places),
        group_column=group_column,
        copies=_copies(hashes),
        beside=scores_of(measure(some), found.judge),
        judge=found.judge,
        fallback=found.fallback,
    )


def fresh(
    run: Run,
    inputs: Sequence[str],
    root: Path,
    device: str = "auto",
    *,
    group_column: str | None = None,
    score: ScoreName = "likelihood",
    skip_unreadable: bool = False,
) -> Normals:
    """A user's new normals, which training has never met; labelled anomalies do not count.

    Raises:
        ConfigError: images that should be grouped by a column.
        DataError: they are what the run was trained on, do not fit it, or cannot be read.
    """
    measure = measure_for(run, score, device)
    inside = recognise(inputs)
    kept: list[NDArray[np.float64]] = []
    hashes: list[NDArray[np.int64]] = []
    groups: list[str | None] = []
    left_out = {"unreadable": 0, "labelled anomalies": 0, "without a label": 0}
    again, first = 0, ""
    seen = run.seen.numpy()
    for batch, measured in measured_inputs(inside, reading_of(run, group_column), measure):
        if not skip_unreadable:
            refuse_unreadable(batch.faults, batch.ids.__getitem__)
        normal = _normal(batch, left_out)
        own = row_hashes(batch.values)
        twins = np.flatnonzero(normal & _among(own, seen))
        if len(twins) and not again:
            first = batch.ids[twins[0]]
        again += len(twins)
        kept.append(measured[normal])
        hashes.append(own[normal])
        if batch.groups is not None:
            groups += [name for name, good in zip(batch.groups, normal, strict=True) if good]
    every = np.concatenate(kept)
    _refuse_learned(run, inside.name, len(every), again, first)
    every_hash = np.concatenate(hashes)
    found = judged(run, score, every, every_hash)
    return Normals(
        run,
        found.scores,
        inside.name,
        fresh=True,
        groups=_at(groups if group_column is not None else None, found.places),
        group_column=group_column,
        left_out=left_out,
        repeated=again,
        copies=_copies(every_hash),
        beside=_own_scores(run, root, measure, found.judge),
        judge=found.judge,
        fallback=found.fallback,
    )


def own_normals(
    run: Run, material: Material, root: Path, group_column: str | None = None
) -> tuple[NDArray[Any], list[str | None] | None]:
    """The samples of a run's own data that were kept for calibration, and their groups.

    Raises:
        ConfigError: the data have no such groups.
        DataError: the files of classes are missing or damaged.
    """
    places = material.split.calibration
    groups = None
    if group_column is not None:
        groups = _at(_groups(run, material, group_column, root), places)
    return material.dataset.values[places], groups


def unjudged(run: Run, values: NDArray[Any], judge: Judge | None) -> NDArray[np.int64]:
    """Which held-out ``values`` no judge was fitted on."""
    return halves(run, row_hashes(values))[1] if judge is not None else np.arange(len(values))


def refuse_learned(run: Run, values: NDArray[Any], source: str) -> None:
    """Refuse ``values`` ``[n, d]`` that the run has learned from, as ``fresh`` does.

    Raises:
        DataError: more of them than chance explains.
    """
    twins = np.flatnonzero(_among(row_hashes(values), run.seen.numpy()))
    if len(twins):
        _refuse_learned(run, source, len(values), len(twins), f"number {twins[0]}")


def held_out_log_likelihood(run: Run, root: Path, device: str = "auto") -> float:
    """Mean over the calibration part, one random dequantisation, in nats.

    Raises:
        DataError: the data are missing, damaged, or not those of the training.
    """
    values, _ = own_normals(run, own_data(run, root), root)
    return float(measuring(run, device, None, noise_seed=0)(values).mean())


def _normal(batch: Batch, left_out: dict[str, int]) -> NDArray[np.bool_]:
    """Which samples of a batch count as normal; the others are added to ``left_out``."""
    normal = batch.good
    left_out["unreadable"] += len(batch.faults)
    if batch.truth is not None:
        anomalous = batch.truth.anomalous & normal
        left_out["labelled anomalies"] += int(anomalous.sum())
        left_out["without a label"] += int((normal & ~anomalous & ~batch.truth.normal).sum())
        normal &= batch.truth.normal
    return normal


def _copies(hashes: NDArray[np.int64]) -> int:
    """How many samples repeat an earlier one."""
    return len(hashes) - len(np.unique(hashes))


def _among(hashes: NDArray[np.int64], seen: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which hashes are in ``seen``, which is sorted."""
    places = np.searchsorted(seen, hashes)
    found: NDArray[np.bool_] = seen[np.minimum(places, len(seen) - 1)] == hashes
    return found


def _refuse_learned(run: Run, source: str, n: int, repeated: int, first: str) -> None:
    """Refuse samples that were learned from, unless twins are as usual as in the run's own data.

    In a table of few levels new rows do equal old ones; then held-out rows did too.
    """
    own = run.manifest.data
    if not repeated:
        return
    usual = Rate(own.repeated, own.calibration).interval[1] if own.calibration else 0.0
    if Rate(repeated, n).interval[0] > usual:
        raise DataError(
            f"{repeated:,} of {n:,} normals in {source} are among those that the run "
            f"{run.path} has learned from, the first is {first}: their scores are too "
            f"good for new ones. Leave them out, or leave --input away: then the part held out of "
            f"the training data is used."
        )


def _own_scores(run: Run, root: Path, measure: Measure, judge: Judge | None) -> Scores | None:
    """Scores of the run's own held-out part, if its data are still there."""
    try:
        values, _ = own_normals(run, own_data(run, root), root)
        return scores_of(measure(values[:COMPARED]), judge)
    except (DataError, ConfigError):
        return None


def own_data(run: Run, root: Path, group_column: str | None = None) -> Material:
    """What a run was trained on, with the same split again, and what it belongs to.

    Raises:
        DataError: the data are missing, damaged, or not those of the training.
    """
    data = run.manifest.data
    reading = data.reading
    if reading is not None:
        reading = reading_of(run, group_column)
    material = normal_data(run.manifest.settings, root, data.inputs, reading)
    if material.dataset.fingerprint != data.fingerprint:
        where = f"--input {data.name}" if data.inputs else f"the '{data.name}' data in {root}"
        remedy = (
            "Give fresh normals with 'nice-anomaly calibrate --input'"
            if data.inputs
            else "Name the folder it was trained from with --data-root"
        )
        raise DataError(
            f"{where} are not the data that the run {run.path} was trained on: its held-out part "
            f"cannot be found again. {remedy}, or train again."
        )
    return material


def _groups(run: Run, material: Material, group_column: str, root: Path) -> Sequence[str | None]:
    if material.groups is not None:
        return list(material.groups)
    if group_column != CLASS:
        raise ConfigError(
            f"a built-in set has no column '{group_column}': '--group-column {CLASS}' groups its "
            f"samples by what they show."
        )
    return classes(run.manifest.data.name, "train", root)


def _at(groups: Sequence[str | None] | None, places: NDArray[np.int64]) -> list[str | None] | None:
    return None if groups is None else [groups[place] for place in places]
