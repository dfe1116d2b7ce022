"""Calibration: a frozen value made from the scores of normal data the flow has not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.scores import Origin, Scores, Typicality
from nice_anomaly.thresholds.bounds import Bounds, sides_of
from nice_anomaly.thresholds.budget import Budget
from nice_anomaly.thresholds.rules import Rule, Sigma
from nice_anomaly.thresholds.sound import flaws
from nice_anomaly.thresholds.weaker import weaker_claims
from nice_anomaly.vocabulary import Tail
from nice_anomaly.words import count_of

if TYPE_CHECKING:
    from nice_anomaly.plots import Figure

MERGED = "(small groups)"
ALL = "(all)"


@dataclass(frozen=True, eq=False)
class Group:
    """Normal samples that share thresholds: all of them, or those of one camera, class, …

    ``scores`` are those of its n calibration samples in increasing order. ``members`` are the
    groups that it was merged from.
    """

    name: str
    members: tuple[str, ...]
    bounds: Bounds
    scores: NDArray[np.float64]

    @property
    def n(self) -> int:
        """How many normal samples the thresholds rest on."""
        return len(self.scores)

    @property
    def flagged(self) -> int:
        """How many of the calibration samples themselves would be flagged."""
        below = np.searchsorted(self.scores, self.bounds.low, side="left")
        return int(below + self.n - np.searchsorted(self.scores, self.bounds.high, side="right"))

    @cached_property
    def mean(self) -> float:
        """Of the scores, in nats."""
        return float(self.scores.mean())

    @cached_property
    def std(self) -> float:
        """Of the scores, with n - 1."""
        return float(self.scores.std(ddof=1)) if self.n > 1 else 0.0


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """A rule, the thresholds it gave, and what they rest on.

    ``overall`` holds the thresholds from all calibration samples; where there are ``groups``, a
    sample of one of them is held against its group alone and has the rule's promise there.
    ``without_promise`` names the groups too small for thresholds of their own; they use the
    overall ones. ``origin`` says what made the scores, with the ``typicality`` that it names.
    ``fresh`` normals came after the training, others were held out of it. ``budget`` is what the
    rate was made from, where alarms a day were asked for.
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
        left_out = self.overall.bounds.left_out
        return self.rule.claim(self.n, left_out, grouped=bool(self.groups))

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
) -> Calibration:
    """Thresholds from ``scores`` ``[n]`` of normal samples, by ``rule``.

    With ``groups`` ``[n]`` each group gets its own from its own scores (Mondrian: Vovk et al.
    2005). Groups with too few for the rule are merged, or if even that is too few, have the
    thresholds of all without a promise of their own; so has a sample without a group. Where n are
    too few, ``more`` says how to come from n scores to those that it takes.

    Raises:
        DataError: too few scores, NaN or +∞ (for ``Sigma`` -∞ too), all equal, no large group.

    >>> calibration = calibrate(Scores(np.array([-3.0, -1.0, -2.0])), Sigma(2))
    >>> calibration.threshold, calibration.n, calibration.rule.claimed_rate
    (-4.0, 3, None)
    """
    values = scores.values
    _check(values, rule, tail, more)
    parts, small = ((), ()) if groups is None else _groups(values, groups, rule, tail)
    return Calibration(
        rule,
        tail,
        scores.origin,
        overall=_group(ALL, (), values, rule, tail),
        groups=parts,
        without_promise=small,
        group_column=group_column,
        source=source,
        typicality=typicality,
        fresh=fresh,
    )


def _group(
    name: str, members: tuple[str, ...], scores: NDArray[np.float64], rule: Rule, tail: Tail
) -> Group:
    ordered = np.sort(scores)
    return Group(name, members, rule.bounds(ordered, tail), ordered)


def _groups(
    scores: NDArray[np.float64], names: Sequence[str | None], rule: Rule, tail: Tail
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """The groups with thresholds of their own, and the names of those without."""
    places = _places(names)
    fewest = rule.fewest(tail)
    large = sorted(name for name, rows in places.items() if len(rows) >= fewest)
    small = tuple(sorted(places.keys() - set(large)))
    if not large:
        most = count_of(max(map(len, places.values()), default=0), "normal sample")
        none = "the only group is not"
        if len(places) != 1:
            none = f"none of the {len(places):,} groups is"
        raise DataError(
            f"{none} large enough: the largest has {most}, this rule needs {fewest:,} in a group. "
            f"Calibrate without groups, with more normals, or with a higher `alpha`."
        )
    found = [_group(name, (name,), scores[places[name]], rule, tail) for name in large]
    rest = np.concatenate([np.empty(0, dtype=np.int64), *(places[name] for name in small)])
    if len(rest) < fewest:
        return tuple(found), small
    return (*found, _group(MERGED, small, scores[rest], rule, tail)), ()


def _places(names: Sequence[str | None]) -> dict[str, NDArray[np.int64]]:
    """Where each name occurs; None does not count."""
    numbers: dict[str | None, int] = {}
    codes = np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    cuts = np.searchsorted(codes[order], np.arange(1, len(numbers)))
    found = zip(numbers, np.split(order, cuts), strict=True) if numbers else ()
    return {name: rows for name, rows in found if name is not None}


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
