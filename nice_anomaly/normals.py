"""Normals: scores of normal samples that the training of a run has not seen.

What they must not be is checked here: the samples the run has learned from.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Batch, Inputs, Reading, batches, row_hashes
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.own_data import OwnData, at
from nice_anomaly.run import DataRecord, Trained
from nice_anomaly.scores import Scorer, Scores, fitted
from nice_anomaly.thresholds import Calibration, Rule, calibrate, detect
from nice_anomaly.twins import among, refuse_twins
from nice_anomaly.vocabulary import ScoreName, Tail
from nice_anomaly.words import count_of, percent

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
    that was asked for. Scores of ``folds`` ``[n]`` are each by the one
    flow of a bundle that has not seen the sample.
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
    folds: NDArray[np.int64] | None = None

    def calibrate(
        self, rule: Rule, tail: Tail = "low", more: Callable[[int, int], str] | None = None
    ) -> Calibration:
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
            more=more,
            folds=self.folds,
        )

    def compared(self, kept: Iterable[Calibration], own: Callable[[], OwnData]) -> "Normals":
        """With a reference: scores that a held-out calibration has kept, else of the run's data."""
        for calibration in kept:
            made = replace(calibration.origin, aligned="")
            if not calibration.fresh and made == self.scores.origin:
                return replace(self, reference=Scores(calibration.scores, made))
        try:
            known = own()
            ours = None if known.in_folds is None else known.in_folds[:MOST_REFERENCES]
            some = known.held_out[:MOST_REFERENCES]
            return replace(self, reference=self.scorer.on(some, ours))
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
    held, ours = own.held_out, own.in_folds
    hashes = row_hashes(held)
    measured = looking.held_out(held, ours)
    ready = fitted(looking, score, measured, hashes, run.manifest.settings.seed)
    reference = None
    if ours is None:  # else all were learned
        reference = ready.scorer.scored(looking.measure(*own.some_learned(MOST_REFERENCES)))
    return Normals(
        ready.scores,
        ready.scorer,
        run.manifest.data.name,
        fresh=False,
        groups=at(own.held_out_groups, ready.places),
        group_column=group_column,
        copies=_copies(hashes),
        reference=reference,
        fallback=ready.fallback,
        folds=None if ours is None else ours.folds[ready.places],
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
    left_out = {"unreadable": 0, "anomalous by label": 0, "without a label": 0}
    again, first = 0, ""
    for batch in batches(inputs, reading):
        if not skip_unreadable:
            batch.refuse_faults(inputs.name)
        normal = _normal(batch, left_out)
        own = row_hashes(batch.values)
        twins = np.flatnonzero(normal & among(own, run.seen))
        if len(twins) and not again:
            first = batch.ids[twins[0]]
        again += len(twins)
        measured.append(looking.measure(batch.values)[normal])
        hashes.append(own[normal])
        if batch.groups is not None:
            groups += [name for name, good in zip(batch.groups, normal, strict=True) if good]
    every = np.concatenate(hashes)
    refuse_twins(run.manifest.data, inputs.name, Rate(again, max(1, len(every))), first)
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
        have = "has" if normals.repeated == 1 else "have"
        yield (
            f"{normals.repeated:,} of these normals {have} a twin in the training data, as "
            f"{data.repeated:,} of {count_of(data.calibration, 'held-out sample')} have"
        )
    elif normals.repeated:
        are = "is" if normals.repeated == 1 else "are"
        yield (
            f"{normals.repeated:,} of these normals {are} in the training data too: few, but their "
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
    flagged = Rate.of(detect(normals.reference, calibration).flagged)
    claim, effect = calibration.guaranteed_rate, ""
    if claim is not None and not flagged.interval[0] <= claim < flagged.value:
        kind = "wrong" if flagged.value > claim else "too cautious"
        effect = f": the claim is {kind} for such samples"
    share = percent(max(higher, 1 - higher))
    if normals.fresh:
        likely = "probable" if calibration.unit else "usual"
        these, held_out = _medians(normals, calibration)
        yield (
            f"these normals are {'less' if higher > 0.5 else 'more'} {likely} than those held out "
            f"of the training, in {share} of all pairs (median of these {these}, of the held-out "
            f"{held_out}). The threshold is right for samples like these; of the held-out ones "
            f"{flagged.count:,} of {m:,} would be flagged{effect}. If these are what normal looks "
            f"like now, train on them"
        )
    elif higher > 0.5:
        held_out, learned = _medians(normals, calibration)
        yield (
            f"what the model has learned scores higher than held-out normals, in {share} of all "
            f"pairs (median of the learned {learned}, of the held-out {held_out}): it has learned "
            f"some samples by heart. The threshold rests on held-out normals alone and is right "
            f"for new ones; of the learned ones {flagged.count:,} of {m:,} would be "
            f"flagged{effect}. It finds less than it could: more data or an earlier stop would help"
        )


def _medians(normals: Normals, calibration: Calibration) -> tuple[str, str]:
    """Those of the scores and of their reference, with what digits and unit such scores have."""
    digits = 1 if calibration.unit else 2
    assert normals.reference is not None
    own, other = (np.median(scores.values) for scores in (normals.scores, normals.reference))
    return f"{own:,.{digits}f}{calibration.unit}", f"{other:,.{digits}f}{calibration.unit}"


def _normal(batch: Batch, left_out: dict[str, int]) -> NDArray[np.bool_]:
    """Which samples of a batch count as normal; the others are added to ``left_out``."""
    normal = batch.good
    left_out["unreadable"] += len(batch.faults)
    if batch.truth is not None:
        anomalous = batch.truth.anomalous & normal
        left_out["anomalous by label"] += int(anomalous.sum())
        left_out["without a label"] += int((normal & ~anomalous & ~batch.truth.normal).sum())
        normal &= batch.truth.normal
    return normal


def _copies(hashes: NDArray[np.int64]) -> int:
    """How many samples repeat an earlier one."""
    return len(hashes) - len(np.unique(hashes))
