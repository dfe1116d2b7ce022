"""Normals: scores of normal samples that the training of a run has not seen.

What they must not be is checked here: the samples the run has learned from.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Batch, InMemory, Inputs, Reading, batches, row_hashes
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.own_data import OwnData, at
from nice_anomaly.run import DataRecord, Trained
from nice_anomaly.scores import Scorer, Scores, fitted
from nice_anomaly.thresholds import Calibration, Rule, calibrate, detect
from nice_anomaly.vocabulary import ScoreName, Tail

MOST_REFERENCES = 5_000  # reference samples for the check against drift
APART = 0.1  # of the probability ½ that one of the other samples scores higher
MANY_COPIES = 0.1


@dataclass(frozen=True)
class Normals:
    """Scores ``[n]`` of normal samples, and what has to be known of them.

    ``scorer`` made the scores. ``fresh`` samples came after the training, others were held out of
    it. ``left_out`` counts samples that are no normals, by reason. ``repeated`` of them have a
    twin among the learned samples, ``copies`` among themselves. ``reference`` are scores of the
    same origin to compare with: of learned samples beside held-out ones, of held-out ones beside
    fresh; without them ``unchecked`` says why. ``fallback`` says why the score is not the one
    that was asked for.
    """

    scores: Scores
    scorer: Scorer
    source: str
    fresh: bool
    groups: Sequence[str | None] | None = None
    group_column: str | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    copies: int = 0
    reference: Scores | None = None
    unchecked: str = ""
    fallback: str = ""

    def calibrate(self, rule: Rule, tail: Tail = "low") -> Calibration:
        """Thresholds from these scores; see ``thresholds.calibrate``."""
        return calibrate(
            self.scores,
            rule,
            tail=tail,
            groups=self.groups,
            group_column=self.group_column,
            source=self.source,
            typicality=self.scorer.typicality,
            fresh=self.fresh,
        )

    def compared(self, kept: Iterable[Calibration], own: Callable[[], OwnData]) -> "Normals":
        """With a reference: scores that a held-out calibration has kept, else of the run's data."""
        for calibration in kept:
            if not calibration.fresh and calibration.origin == self.scores.origin:
                return replace(self, reference=Scores(calibration.scores, calibration.origin))
        try:
            return replace(self, reference=self.scorer(own().held_out[:MOST_REFERENCES]))
        except (DataError, ConfigError) as error:
            return replace(self, unchecked=str(error))


def held_out(
    run: Trained, scorer: Scorer, own: OwnData, score: ScoreName, group_column: str | None = None
) -> Normals:
    """The part of a run's ``own`` data that was kept from fitting and from early stopping.

    Raises:
        ConfigError, DataError: the score cannot be made of these samples.
    """
    looking = scorer.looking_for(score)
    held = own.held_out
    hashes = row_hashes(held)
    ready = fitted(looking, score, looking.measure(held), hashes, run.manifest.settings.seed)
    return Normals(
        ready.scores,
        ready.scorer,
        run.manifest.data.name,
        fresh=False,
        groups=at(own.held_out_groups, ready.places),
        group_column=group_column,
        copies=_copies(hashes),
        reference=ready.scorer.scored(looking.measure(own.some_learned(MOST_REFERENCES))),
        fallback=ready.fallback,
    )


def fresh(
    run: Trained,
    scorer: Scorer,
    inputs: Inputs,
    reading: Reading,
    score: ScoreName,
    *,
    skip_unreadable: bool = False,
) -> Normals:
    """A user's new normals, which training has never met; labelled anomalies do not count.

    Raises:
        ConfigError: the score cannot be made of these samples.
        DataError: they are what the run was trained on, do not fit it, or cannot be read.
    """
    looking = scorer.looking_for(score)
    measured: list[NDArray[np.float64]] = []
    hashes: list[NDArray[np.int64]] = []
    groups: list[str | None] = []
    left_out = {"unreadable": 0, "labelled anomalies": 0, "without a label": 0}
    again, first, seen = 0, "", run.seen.numpy()
    for batch in batches(inputs, reading):
        if not skip_unreadable:
            batch.refuse_faults(inputs.name)
        normal = _normal(batch, left_out)
        own = row_hashes(batch.values)
        twins = np.flatnonzero(normal & _among(own, seen))
        if len(twins) and not again:
            first = batch.ids[twins[0]]
        again += len(twins)
        measured.append(looking.measure(batch.values)[normal])
        hashes.append(own[normal])
        if batch.groups is not None:
            groups += [name for name, good in zip(batch.groups, normal, strict=True) if good]
    every = np.concatenate(hashes)
    _refuse_learned(run.manifest.data, inputs.name, Rate(again, max(1, len(every))), first)
    seed = run.manifest.settings.seed
    ready = fitted(looking, score, np.concatenate(measured), every, seed)
    return Normals(
        ready.scores,
        ready.scorer,
        inputs.name,
        fresh=True,
        groups=at(groups if reading.group_column is not None else None, ready.places),
        group_column=reading.group_column,
        left_out=left_out,
        repeated=again,
        copies=_copies(every),
        fallback=ready.fallback,
    )


def refuse_learned(run: Trained, values: NDArray[Any], source: str) -> None:
    """Refuse ``values`` ``[n, d]`` that the run has learned from, as ``fresh`` does.

    Raises:
        DataError: more of them than chance explains.
    """
    twins = np.flatnonzero(_among(row_hashes(values), run.seen.numpy()))
    if len(twins):
        rate = Rate(len(twins), len(values))
        _refuse_learned(run.manifest.data, source, rate, f"number {twins[0]}")


def remarks(normals: Normals, calibration: Calibration, data: DataRecord) -> Iterator[str]:
    """One sentence for everything that is unusual about the normals of a run with these data."""
    yield from _drift(normals, calibration)
    if normals.unchecked:
        yield (
            f"whether these normals are like those held out of the training is not known: "
            f"{normals.unchecked}"
        )
    if normals.fallback:
        yield f"{normals.fallback}: the score is the {normals.scorer.model.quantity}"
    if normals.repeated and data.repeated:
        yield (
            f"{normals.repeated:,} of these normals have a twin in the training data, as "
            f"{data.repeated:,} of {data.calibration:,} held-out samples have"
        )
    elif normals.repeated:
        yield (
            f"{normals.repeated:,} of these normals are in the training data too: few, but their "
            f"scores are too good; better leave them out"
        )
    if normals.copies > MANY_COPIES * len(normals.scores):
        yield (
            f"{normals.copies:,} of these normals repeat another one exactly. If they are copies "
            f"and not samples of their own, every promise from them is too good"
        )


def _drift(normals: Normals, calibration: Calibration) -> Iterator[str]:
    """What a difference between these scores and the reference means.

    They differ if a reference sample scores higher than one of these with a probability that is
    ``APART`` from ½ and more, and not by chance.
    """
    if normals.reference is None:
        return
    scores, reference = normals.scores.values, normals.reference.values
    n, m = len(scores), len(reference)
    higher = auroc(reference, scores)
    if abs(higher - 0.5) < max(APART, 4 * math.sqrt((1 / n + 1 / m) / 12)):
        return
    own, other = (f"{np.median(values):,.1f}" for values in (scores, reference))
    flagged = Rate.of(detect(normals.reference, calibration).flagged)
    claim, effect = calibration.rule.claimed_rate, ""
    if claim is not None:
        kind = "wrong" if flagged.interval[0] > claim else "conservative"
        effect = f": the claim is {kind} for such samples"
    if normals.fresh:
        yield (
            f"these normals are {'less' if higher > 0.5 else 'more'} probable than those held out "
            f"of the training (median {own} against {other}). The threshold is right for samples "
            f"like these; of the held-out ones {flagged.count:,} of {m:,} would be flagged{effect}"
            f". If these are what normal looks like now, train on them"
        )
    elif higher > 0.5:
        yield (
            f"the model scores what it has learned higher than held-out normals (median {other} "
            f"against {own}): it has learned some samples by heart. The threshold rests on "
            f"held-out normals alone and is right for new ones; of the learned ones "
            f"{flagged.count:,} of {m:,} would be flagged{effect}. What is lost is power: more "
            f"data or an earlier stop would help"
        )


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


def _refuse_learned(own: DataRecord, source: str, repeated: Rate, first: str) -> None:
    """Refuse samples that were learned from, unless twins are as usual as in the run's own data.

    In a table of few levels new rows do equal old ones; then held-out rows did too.
    """
    if not repeated.count:
        return
    usual = Rate(own.repeated, own.calibration).interval[1] if own.calibration else 0.0
    if repeated.interval[0] > usual:
        held_out = (
            "."
            if isinstance(own.source, InMemory)
            else ", or leave `inputs` away: then the part held out of the training data is used."
        )
        raise DataError(
            f"{repeated.count:,} of {repeated.n:,} normals in {source} are among those that the "
            f"run has learned from, the first is {first}: their scores are too good for new ones. "
            f"Leave them out{held_out}"
        )
