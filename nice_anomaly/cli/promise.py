"""Promises: what a calibration claims and assumes, in words."""

from nice_anomaly.calibrate import Calibration, Group
from nice_anomaly.calibrate.ranks import share_above
from nice_anomaly.cli.render import percent

DRAWN = "new normals come as these came, independently, from the same source"


def claim(calibration: Calibration) -> str:
    """What the rule promises, in one line."""
    rule, n = calibration.rule, calibration.n
    where = " in every group" if calibration.groups else ""
    each = ", each" if calibration.groups else ","
    if rule.claimed_rate is None:
        aims = {
            "sigma": f"none: {calibration.k or 0:g}σ from the mean is a habit",
            "quantile": f"none: it aims at {_aim(calibration)} and can miss either way",
        }
        return aims.get(rule.name, "none: the threshold was chosen by hand")
    if rule.confidence is None:
        return f"at most {percent(rule.claimed_rate)} false alarms on average{where}"
    k = "" if calibration.groups else f" (k = {calibration.everyone.bounds.ranks:,})"
    return (
        f"at most {percent(rule.claimed_rate)} false alarms{where}{each} with "
        f"{sure(rule.confidence)} confidence, from {n:,} normals{k}"
    )


def sure(confidence: float) -> str:
    """A confidence in full.

    >>> sure(0.95), sure(0.99999)
    ('95 %', '99.999 %')
    """
    return f"{100 * confidence:.10g} %"


def assumption(calibration: Calibration) -> str:
    """What the promise stands on, in one line."""
    if calibration.rule.name == "sigma":
        return "that scores are normally distributed; those of a flow are not"
    every = calibration.everyone
    if calibration.rule.name == "conformal" and not calibration.groups:
        above = share_above(every.n, every.bounds.ranks, calibration.rule.claimed_rate or 0)
        return f"{DRAWN}; {100 * above:.0f} % of such calibrations have a rate above the claim"
    return DRAWN


def thresholds(calibration: Calibration, group: Group | None = None) -> str:
    """Where the line is, or the two lines."""
    bounds = (group or calibration.everyone).bounds
    if bounds.low == float("-inf"):
        return "none: nothing is improbable enough"
    low = f"{bounds.low:,.2f}"
    high = "" if calibration.tail == "low" else f" to {bounds.high:,.2f}"
    return low + high + unit(calibration)


def unit(calibration: Calibration) -> str:
    """What follows a score: log-likelihoods are in nats, a judge's scores have no unit."""
    return " nats" if calibration.judge is None else ""


def score(calibration: Calibration) -> str:
    """Which score it is, in words."""
    said = {
        "likelihood": "log-likelihood",
        "latents": "latents: bands of the log-likelihood, code length",
        "input": "input: bands of energy, code length, roughness, extent",
        "auto": "auto: how usual latents, input, code length and extent are",
    }
    return said[calibration.score]


def name(calibration: Calibration) -> str:
    """The rule with its parameters, as short as it can be."""
    rule, sides = calibration.rule, calibration.tail == "both"
    how = {
        "sigma": f"mean {'±' if sides else '-'} {calibration.k or 0:g}σ",
        "certified": f"certified {percent(rule.claimed_rate or 0)}",
        "conformal": f"conformal {percent(rule.claimed_rate or 0)}",
        "quantile": f"quantile {_aim(calibration)}",
        "manual": "by hand",
    }
    return how[rule.name]


def _aim(calibration: Calibration) -> str:
    return percent(getattr(calibration.rule, "alpha", 0.0))
