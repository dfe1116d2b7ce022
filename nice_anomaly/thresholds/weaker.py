"""Weaker claims: what n normals can support where they are too few for a rule."""

import math

from nice_anomaly.thresholds import ranks
from nice_anomaly.thresholds.bounds import sides_of
from nice_anomaly.thresholds.rule import Rule
from nice_anomaly.thresholds.rules import Certified
from nice_anomaly.vocabulary import Tail

LEAST_CONFIDENCE = 0.5  # below that a claim is more likely wrong than right


def weaker_claims(rule: Rule, n: int, tail: Tail) -> str:
    """The ways on from a rule that takes more than n scores, in full sentences.

    >>> print(weaker_claims(Certified(0.05), 38, "low"))
    Give more normals with `inputs`, or accept a higher rate: 38 can support `alpha=0.076`.
    Or keep the rate and accept `confidence=0.85`, or `rule='conformal'`, which keeps it on
    average.
    """
    more = "Train on more normals" if rule.out_of_fold else "Give more normals with `inputs`"
    least = rule.smallest_rate(n, tail) if n > 1 else None
    if least is None:
        return f"{more}."
    offer = ranks.rounded_up(least)
    support = f", or accept a higher rate: {n:,} can support `alpha={offer:g}`" if offer < 1 else ""
    return f"{more}{support}.{_for_the_rate(rule, n, sides_of(tail))}"


def _for_the_rate(rule: Rule, n: int, sides: int) -> str:
    """What else can be said of the rate itself; empty if nothing can."""
    if not isinstance(rule, Certified):
        return ""
    offers = []
    confidence = math.floor(100 * ranks.largest_confidence(n, rule.alpha, sides)) / 100
    if confidence >= LEAST_CONFIDENCE:
        offers.append(f"`confidence={confidence:g}`")
    if n >= ranks.fewest_conformal(rule.alpha, sides):
        offers.append("`rule='conformal'`, which keeps it on average")
    return f" Or keep the rate and accept {', or '.join(offers)}." if offers else ""
