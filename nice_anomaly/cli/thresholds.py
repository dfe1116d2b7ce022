"""Thresholds: what a calibration is, as JSON and for people."""

from dataclasses import replace
from statistics import NormalDist
from typing import Any

from nice_anomaly.calibrate import Calibration, Group, Sigma, sides_of
from nice_anomaly.calibrate.ranks import true_rate
from nice_anomaly.cli import promise, render
from nice_anomaly.metrics import Rate

MOST_GROUPS = 40  # on the screen; --json has them all


def record(calibration: Calibration) -> dict[str, Any]:
    """What ``--json`` prints."""
    every = calibration.everyone
    usual = _three_sigma(calibration)
    mean, interval = true_rate(every.n, every.bounds.ranks)
    rule = calibration.rule
    return {
        "rule": rule.name,
        "tail": calibration.tail,
        "threshold": render.finite(calibration.threshold),
        "ceiling": render.finite(calibration.ceiling),
        "n": calibration.n,
        "mean": render.finite(every.mean),
        "std": render.finite(every.std),
        "claimed_rate": rule.claimed_rate,
        "confidence": rule.confidence,
        "k": calibration.k,
        "alpha": getattr(rule, "alpha", None),
        "source": calibration.source,
        "score": calibration.score,
        "fingerprint": calibration.fingerprint,
        "nominal_rate": _nominal(calibration) if isinstance(rule, Sigma) else None,
        **_measured(every),
        "expected_rate": mean if every.bounds.ranks else None,
        "expected_interval": list(interval) if every.bounds.ranks else None,
        "three_sigma": None
        if usual is None
        else {
            "threshold": usual.bounds.low,
            "nominal_rate": NormalDist().cdf(-3),
            **_measured(usual),
        },
        "group_column": calibration.group_column,
        "groups_without_promise": list(calibration.alone),
        "groups": [
            {
                "name": group.name,
                "members": list(group.members),
                "n": group.n,
                "threshold": render.finite(group.bounds.low),
                "ceiling": render.finite(group.bounds.high),
                **_measured(group),
            }
            for group in calibration.groups
        ],
    }


def _measured(group: Group) -> dict[str, Any]:
    """The share of the calibration samples themselves that would be flagged."""
    measured = Rate(group.flagged, group.n)
    return {"measured_rate": measured.value, "measured_interval": list(measured.interval)}


def show(calibration: Calibration, title: str, kind: str, follow: str) -> None:
    """The same for people."""
    every = calibration.everyone
    line, unit = promise.thresholds(calibration), promise.unit(calibration)
    facts = [
        ("rule", promise.name(calibration)),
        ("promises", promise.claim(calibration)),
        ("assumes", promise.assumption(calibration)),
        (kind, f"{calibration.n:,} of {calibration.source}"),
        ("score", promise.score(calibration)),
        ("their scores", f"mean {every.mean:,.2f}, σ {every.std:,.2f}{unit}"),
    ]
    if calibration.groups:
        facts.append(("threshold", f"by group, see below; {line} for a sample without one"))
    else:
        facts += [("threshold", line), *_false_alarms(calibration)]
    usual = _three_sigma(calibration)
    if usual is not None:
        below = f"{usual.bounds.low:,.2f}{unit}, {_rate(usual)} of these"
        facts.append(("mean - 3σ instead", below))
    render.show_facts(title, [*facts, ("next", follow)])
    if calibration.groups:
        show_groups(calibration)


def _false_alarms(calibration: Calibration) -> list[tuple[str, str]]:
    """The rate as far as these scores tell it."""
    every = calibration.everyone
    if every.bounds.ranks:
        measured = f"{every.flagged:,} of these {every.n:,}, by construction"
        return [
            ("false alarms, measured", measured),
            ("false alarms, expected", f"{_rate(every)}, 95 % of cases in brackets"),
        ]
    facts = [("false alarms, measured", f"{_rate(every)} on these")]
    if isinstance(calibration.rule, Sigma):
        nominal = render.percent(_nominal(calibration))
        facts.append(("false alarms, nominal", f"{nominal} if scores were normal"))
    return facts


def _rate(group: Group) -> str:
    """The false-alarm rate with its 95 % interval: by the law of ranks, or else as measured."""
    if group.bounds.ranks:
        return render.rate(*true_rate(group.n, group.bounds.ranks))
    measured = Rate(group.flagged, group.n)
    return render.rate(measured.value, measured.interval)


def show_groups(calibration: Calibration) -> None:
    """A line a group; which were merged, and which stay without a promise."""
    lines = [
        [group.name, f"{group.n:,}", promise.thresholds(calibration, group), _rate(group)]
        for group in calibration.groups[:MOST_GROUPS]
    ]
    render.show_table(
        f"by {calibration.group_column}",
        ["group", "normals", "threshold", "false alarms, 95 %"],
        lines,
    )
    more = len(calibration.groups) - MOST_GROUPS
    if more > 0:
        render.say(f"and {more:,} more groups")
    for group in calibration.groups:
        if len(group.members) > 1:
            render.say(
                f"too small for a threshold of their own, merged: {', '.join(group.members[:12])}"
            )
    if calibration.alone:
        render.say(
            f"too small, even together; they have the threshold of all and no promise of their "
            f"own: {', '.join(calibration.alone[:12])}"
        )


def _three_sigma(calibration: Calibration) -> Group | None:
    """What mean - 3σ would be on the same scores; None if that is the rule, or scores are -∞."""
    every = calibration.everyone
    same = calibration.rule == Sigma(3.0) and calibration.tail == "low"
    if same or every.n < 2 or not every.std < float("inf"):
        return None
    return replace(every, bounds=Sigma(3.0).bounds(every.scores, "low"))


def _nominal(calibration: Calibration) -> float:
    return sides_of(calibration.tail) * NormalDist().cdf(-(calibration.k or 0.0))
