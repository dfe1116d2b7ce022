"""Sound: what a calibration cannot be, whoever made it, and whether its thresholds follow."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.scores import Alignment
from nice_anomaly.settings import MOST_FOLDS
from nice_anomaly.thresholds import ranks
from nice_anomaly.thresholds.bounds import Bounds, ranked, sides_of
from nice_anomaly.thresholds.rule import Rule
from nice_anomaly.thresholds.rules import RULES, Certified, Manual, Sigma
from nice_anomaly.vocabulary import Tail

if TYPE_CHECKING:
    from nice_anomaly.thresholds.calibration import Calibration
    from nice_anomaly.thresholds.groups import Group

SLACK = 1e-9  # of sums of floats, which differ between processors
NOTHING = Bounds(-math.inf)  # below it nothing is: of a rule that takes more scores than there are


def flaws(calibration: "Calibration") -> Iterator[str]:
    """What cannot be in a calibration, in words."""
    rule, tail = calibration.rule, calibration.tail
    if tail not in ("low", "both"):
        yield f"its tail is {tail!r}"
        return
    if type(rule) not in RULES.values():
        yield "its rule is none"
        return
    if isinstance(rule, Manual) and rule.ceiling < math.inf and tail == "low":
        yield "its tail is not that of its thresholds"
    for group in (calibration.overall, *calibration.groups):
        yield from _of_group(group)
    yield from _of_groups(calibration)
    texts = (calibration.source, *calibration.without_promise)
    column = calibration.group_column
    if not all(isinstance(text, str) for text in texts) or not isinstance(column, str | None):
        yield "a name in it is no text"
    yield from _of_folds(calibration)
    origin, typicality = calibration.origin, calibration.typicality
    made = None if typicality is None else (typicality.name, typicality.fingerprint)
    other = made is not None and made != (origin.score, origin.typicality)
    if other or (origin.views and (made is not None or origin.score != "auto")):
        yield "its scores are not those of what it holds"
    budget = calibration.budget
    if budget is not None and not math.isclose(budget.rate, getattr(rule, "alpha", math.nan)):
        yield "its rate is not that of its alarms"


def follows(calibration: "Calibration") -> bool:
    """Whether the rule makes these thresholds of these scores; not after ``at_level``."""
    every = (calibration.overall, *calibration.groups)
    rule, tail = calibration.rule, calibration.tail
    return all(_follow(group.bounds, rule, group.scores, tail) for group in every)


def _of_group(group: "Group") -> Iterator[str]:
    scores, bounds = group.scores, group.bounds
    if scores.ndim != 1 or scores.dtype.kind != "f" or not len(scores):
        yield f"the scores of {group.name} are no row of numbers"
    elif not (scores[:-1] <= scores[1:]).all() or np.isnan(scores).any() or scores[-1] == np.inf:
        yield f"the scores of {group.name} are not in order, or no numbers"
    if not bounds.low <= bounds.high or bounds.rank < 0:
        yield f"the thresholds of {group.name} are no numbers, or cross"


def _of_folds(calibration: "Calibration") -> Iterator[str]:
    folds, made = calibration.folds, calibration.rule.out_of_fold
    if made is not None and made != (folds is not None):
        yield "its rule is for other scores"
    if made and calibration.tail == "both":
        yield "its rule has no upper tail"
    if folds is None:
        if calibration.origin.aligned:
            yield "its scores are of folds that it does not have"
        return
    if calibration.fresh:
        yield "fresh samples are in no folds"
    numbers = folds.dtype.kind in "iu" and folds.shape == calibration.scores.shape
    if not numbers or folds.min() < 0 or folds.max() >= MOST_FOLDS:
        yield "its folds are no numbers of folds"
    elif calibration.origin.aligned != Alignment(calibration.scores, folds).fingerprint:
        yield "its scores are of other folds"


def _of_groups(calibration: "Calibration") -> Iterator[str]:
    groups = calibration.groups
    names = [group.name for group in groups]
    members = [*calibration.without_promise, *(name for group in groups for name in group.members)]
    if len({*names}) < len(names) or len({*members}) < len(members):
        yield "a group is in it twice"
    if not all(isinstance(name, str) for name in (*names, *members)):
        yield "a group has no name"
    if not all(group.members for group in groups) or calibration.overall.members:
        yield "a group has no members"
    if not groups and (calibration.group_column is not None or members):
        yield "it has groups without scores"
    if groups:
        parts, every = np.concatenate([group.scores for group in groups]), calibration.scores
        values, counts = np.unique(parts, return_counts=True)
        ends = (np.searchsorted(every, values, side) for side in ("right", "left"))
        if (counts > next(ends) - next(ends)).any():
            yield "the scores of its groups are not among all"


def _follow(bounds: Bounds, rule: Rule, scores: NDArray[np.float64], tail: Tail) -> bool:
    """Whether the rule gives these thresholds, up to the rounding of sums."""
    if isinstance(rule, Certified):
        return _certified(bounds, rule, scores, tail)
    if len(scores) < rule.fewest(tail):
        return bounds == NOTHING
    given = rule.bounds(scores, tail)
    if not isinstance(rule, Sigma):
        return given == bounds
    slack = SLACK * max(1e-300, np.abs(scores).max(), abs(given.low))
    return bounds.rank == 0 and all(
        one == other or abs(one - other) <= slack
        for one, other in ((bounds.low, given.low), (bounds.high, given.high))
    )


def _certified(bounds: Bounds, rule: Certified, scores: NDArray[np.float64], tail: Tail) -> bool:
    """The same without the library that finds the rank, which takes long to load."""
    n, sides = len(scores), sides_of(tail)
    if bounds == NOTHING:
        return not ranks.certifies(sides, n, rule.alpha, rule.confidence, slack=-SLACK)
    k = sides * bounds.rank
    possible = 0 < k <= n and bounds == ranked(scores, k, tail)
    return (
        possible
        and ranks.certifies(k, n, rule.alpha, rule.confidence, SLACK)
        and not (ranks.certifies(k + sides, n, rule.alpha, rule.confidence, -SLACK))
    )
