"""Calibration: a frozen value made from the scores of normal data the flow has not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.scores import Alignment, Origin, Scores, Typicality
from nice_anomaly.thresholds.bounds import sides_of
from nice_anomaly.thresholds.budget import Budget
from nice_anomaly.thresholds.choice import refuse_reserved, refuse_upper
from nice_anomaly.thresholds.groups import ALL, Group, group_of_scores, split_by
from nice_anomaly.thresholds.out_of_fold import proven_rate
from nice_anomaly.thresholds.rule import Rule
from nice_anomaly.thresholds.rules import Sigma
from nice_anomaly.thresholds.sound import flaws
from nice_anomaly.thresholds.weaker import weaker_claims
from nice_anomaly.vocabulary import Tail
from nice_anomaly.words import count_of, percent

if TYPE_CHECKING:
    from nice_anomaly.plots import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """A rule, the thresholds it gave, and what they rest on.

    ``overall`` holds the thresholds from all calibration samples; where there are ``groups``, a
    sample of one of them is held against its group alone and has the rule's promise there.
    ``without_promise`` names the groups too small for thresholds of their own; they use the
    overall ones. ``origin`` says what made the scores, with the ``typicality`` that it names.
    ``fresh`` normals came after the training, others were held out of it. ``budget`` is what the
    rate was made from, where alarms a day were asked for. Where every calibration sample was scored
    by the flow that has not seen its fold, ``folds`` ``[n]`` are theirs, in order of ``scores``.
    """

    rule: Rule
    tail: Tail
    origin: Origin
    overall: Group
    groups: tuple[Group, ...] = ()
    without_promise: tuple[str, ...] = ()
    group_column: str | None = None
    source: str = ""
    typicality: Typicality | None = None
    fresh: bool = False
    budget: Budget | None = None
    folds: NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError for what no rule would make of any scores."""
        flaw = next(flaws(self), None)
        if flaw is not None:
            raise ConfigError(f"there is no such calibration: {flaw}.")

    def __repr__(self) -> str:
        line = f"{self.threshold:,.2f}{self.unit}"
        return f"<Calibration {self.title}: {line}, {count_of(self.n, 'normal')}>"

    @property
    def unit(self) -> str:
        """What follows a score: log-likelihoods are in nats, other scores have no unit."""
        return " nats" if self.origin.score == "likelihood" else ""

    @property
    def title(self) -> str:
        """The rule with its numbers, as short as it can be."""
        return self.rule.title(self.tail)

    @property
    def claim(self) -> str:
        """What the rule promises here, in one line."""
        left_out, proven = self.overall.bounds.left_out, self.guaranteed_rate
        said = self.rule.claim(self.n, left_out, grouped=bool(self.groups))
        if self.folds is None or proven is None:
            return said
        return f"{said}; at most {percent(proven)} on average is proven"

    @cached_property
    def guaranteed_rate(self) -> float | None:
        """The false-alarm rate that is promised, as the rule promises it; None promises none.

        Of scores out of fold it is what is proven of the mean over calibrations, of all samples
        together: of groups nothing is.
        """
        if self.folds is None or not self.rule.out_of_fold:
            return self.rule.claimed_rate
        if self.groups:
            return None
        rank, sizes = self.overall.bounds.rank, np.bincount(self.folds)
        symmetric = not (self.origin.typicality or self.origin.views)  # they know all folds
        return proven_rate(rank, sizes, symmetric=symmetric)

    @cached_property
    def alignment(self) -> Alignment | None:
        """What gives scores by several flows the ranks that they have here."""
        return None if self.folds is None else Alignment(self.scores, self.folds)

    @property
    def assumption(self) -> str:
        """What the promise stands on, in one line."""
        left_out = self.overall.bounds.left_out
        return self.rule.assumption(self.n, left_out, grouped=bool(self.groups))

    @property
    def threshold(self) -> float:
        """Scores strictly below are flagged, where no group says otherwise."""
        return self.overall.bounds.low

    @property
    def ceiling(self) -> float:
        """Scores strictly above are flagged; infinite where only the lower tail counts."""
        return self.overall.bounds.high

    @property
    def scores(self) -> NDArray[np.float64]:
        """All calibration scores in increasing order."""
        return self.overall.scores

    @property
    def n(self) -> int:
        """How many normal samples the thresholds rest on."""
        return self.overall.n

    @property
    def k(self) -> float | None:
        """The number of standard deviations, or the rank; None for thresholds by hand."""
        if isinstance(self.rule, Sigma):
            return self.rule.k
        return self.overall.bounds.rank or None

    @property
    def smallest_p_value(self) -> float:
        """The least p-value that a sample can get: no calibration score is as extreme."""
        return sides_of(self.tail) / (self.n + 1)

    def plot(self) -> "Figure":
        """The calibration scores and the threshold, as a figure of matplotlib.

        Raises:
            ConfigError: matplotlib is not installed.
        """
        from nice_anomaly import plots

        plots.refuse_absent("drawing", "matplotlib")
        return plots.histogram(self.scores, self.threshold, self.ceiling, unit=self.unit)

    def group_of(self, name: str | None) -> Group:
        """The group that a sample of this name is held against; all, if it was never seen."""
        return self._places.get(name, self.overall)

    @cached_property
    def _places(self) -> dict[str | None, Group]:
        return {name: group for group in self.groups for name in group.members}


def calibrate(
    scores: Scores,
    rule: Rule,
    *,
    tail: Tail = "low",
    groups: Sequence[str | None] | None = None,
    group_column: str | None = None,
    source: str = "",
    typicality: Typicality | None = None,
    fresh: bool = False,
    more: Callable[[int, int], str] | None = None,
    folds: NDArray[np.integer] | None = None,
) -> Calibration:
    """Thresholds from ``scores`` ``[n]`` of normal samples, by ``rule``.

    With ``groups`` ``[n]`` each group gets its own from its own scores (Mondrian: Vovk et al.
    2005). Groups with too few for the rule are merged, or if even that is too few, have the
    thresholds of all without a promise of their own; so has a sample without a group. Where n are
    too few, ``more`` says how to come from n scores to those that it takes. Scores of samples in
    ``folds`` ``[n]`` are each by the flow that has not seen the fold.

    Raises:
        ConfigError: the promise of the rule is not about such scores.
        DataError: too few scores, NaN or +∞ (for ``Sigma`` -∞ too), all equal, no large group.

    >>> calibration = calibrate(Scores(np.array([-3.0, -1.0, -2.0])), Sigma(2))
    >>> calibration.threshold, calibration.n, calibration.rule.claimed_rate
    (-4.0, 3, None)
    """
    values, origin = scores.values, scores.origin
    refuse_reserved(rule, out_of_fold=folds is not None)
    refuse_upper(rule, tail)
    _check(values, rule, tail, more)
    parts, small = ((), ()) if groups is None else split_by(values, groups, rule, tail)
    if folds is not None:
        folds = folds[np.lexsort((folds, values))].astype(np.int16)
        origin = replace(origin, aligned=Alignment(np.sort(values), folds).fingerprint)
    return Calibration(
        rule,
        tail,
        origin,
        overall=group_of_scores(ALL, (), values, rule, tail),
        groups=parts,
        without_promise=small,
        group_column=group_column,
        source=source,
        typicality=typicality,
        fresh=fresh,
        folds=folds,
    )


def _check(
    scores: NDArray[np.float64], rule: Rule, tail: Tail, more: Callable[[int, int], str] | None
) -> None:
    n, fewest = len(scores), rule.fewest(tail)
    if n < fewest:
        sides = " on both sides" if tail == "both" else ""
        raise DataError(
            f"this rule needs the scores of at least {count_of(fewest, 'normal sample')}{sides}, "
            f"got {n:,}. {weaker_claims(rule, n, tail)}{more(n, fewest) if more else ''} "
            f"'nice-anomaly plan' shows what takes how many."
        )
    finite = np.isfinite(scores) if isinstance(rule, Sigma) else ~(scores == np.inf)
    bad = int((~finite | np.isnan(scores)).sum())
    if bad:
        raise DataError(
            f"{bad:,} of {n:,} calibration scores are not finite: remove those samples from the "
            f"calibration data, or train again."
        )
    if n > 1 and scores.min() == scores.max():
        raise DataError(
            f"all {n:,} calibration scores are equal ({scores[0]:g}): there is no spread to "
            f"set a threshold from. Check that the samples differ."
        )
