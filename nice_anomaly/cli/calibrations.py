"""Calibrations: what one is and promises, as JSON and for people."""

from dataclasses import asdict, replace
from typing import Any

from nice_anomaly.cli import render
from nice_anomaly.cli.wording import as_typed
from nice_anomaly.density import Density
from nice_anomaly.metrics import Rate
from nice_anomaly.thresholds import Calibration, Group, Sigma
from nice_anomaly.thresholds.ranks import true_rate
from nice_anomaly.thresholds.said import alarms_of
from nice_anomaly.thresholds.said import score_of as score_of
from nice_anomaly.words import count_of, finite, percent, rate

MOST_GROUPS = 40  # on the screen; --json has them all


def record(calibration: Calibration) -> dict[str, Any]:
    """What ``--json`` prints."""
    every = calibration.overall
    usual = _three_sigma(calibration)
    mean, interval = true_rate(every.n, every.bounds.left_out)
    rule, by_law = calibration.rule, every.bounds.left_out and calibration.folds is None
    return {
        "rule": rule.name,
        "tail": calibration.tail,
        "threshold": finite(calibration.threshold),
        "ceiling": finite(calibration.ceiling),
        "n": calibration.n,
        "mean": finite(every.mean),
        "std": finite(every.std),
        "claimed_rate": rule.claimed_rate,
        "guaranteed_rate": calibration.guaranteed_rate,
        "folds": None if calibration.folds is None else int(calibration.folds.max()) + 1,
        "confidence": rule.confidence,
        "k": calibration.k,
        "alpha": getattr(rule, "alpha", None),
        "source": calibration.source,
        "score": calibration.origin.score,
        "fingerprint": calibration.origin.weights,
        "nominal_rate": rule.nominal_rate(calibration.tail),
        "budget": None if calibration.budget is None else asdict(calibration.budget),
        **_measured(every),
        "expected_rate": mean if every.bounds.left_out else None,
        "expected_interval": list(interval) if by_law else None,
        "three_sigma": None
        if usual is None
        else {
            "threshold": usual.bounds.low,
            "nominal_rate": Sigma(3.0).nominal_rate("low"),
            **_measured(usual),
        },
        "group_column": calibration.group_column,
        "groups_without_promise": list(calibration.without_promise),
        "groups": [
            {
                "name": group.name,
                "members": list(group.members),
                "n": group.n,
                "threshold": finite(group.bounds.low),
                "ceiling": finite(group.bounds.high),
                **_measured(group),
            }
            for group in calibration.groups
        ],
    }


def _measured(group: Group) -> dict[str, Any]:
    """The share of the calibration samples themselves that would be flagged."""
    measured = Rate(group.flagged, group.n)
    return {"measured_rate": measured.value, "measured_interval": list(measured.interval)}


def line(calibration: Calibration, group: Group | None = None) -> str:
    """Where the line is, or the two lines, of all or of one group."""
    bounds = (group or calibration.overall).bounds
    if bounds.low == float("-inf"):
        return "none: nothing is improbable enough"
    high = "" if calibration.tail == "low" else f" to {bounds.high:,.2f}"
    return f"{bounds.low:,.2f}{high}{calibration.unit}"


def show(calibration: Calibration, model: Density, title: str, follow: str) -> None:
    """The same for people; ``follow`` is the command to go on with."""
    every, unit, where = calibration.overall, calibration.unit, line(calibration)
    facts = [
        ("rule", calibration.title),
        ("promises", as_typed(calibration.claim)),
        *_alarms(calibration),
        ("assumes", calibration.assumption),
        _normals(calibration),
        ("score", score_of(calibration, model)),
        ("their scores", f"mean {every.mean:,.2f}, σ {every.std:,.2f}{unit}"),
    ]
    if unit:
        facts.append(("1 nat less", "2.7 times less probable"))
    if calibration.groups:
        facts.append(("threshold", f"by group, see below; {where} for a sample without one"))
    else:
        facts += [("threshold", where), *_false_alarms(calibration)]
    usual = _three_sigma(calibration)
    if usual is not None:
        below = f"below {usual.bounds.low:,.2f}{unit}: {_rate(calibration, usual)} of these"
        facts.append(("mean - 3σ instead", below))
    render.show_facts(title, [*facts, ("next", follow)])
    if calibration.groups:
        show_groups(calibration)


def _normals(calibration: Calibration) -> tuple[str, str]:
    """How many there were, and how they were kept from what scored them."""
    normals = f"{calibration.n:,} of {calibration.source}"
    folds = calibration.folds
    if folds is not None:
        return "normals out of fold", f"{normals}, in {int(folds.max()) + 1} folds"
    return "fresh normals" if calibration.fresh else "held-out normals", normals


def _alarms(calibration: Calibration) -> list[tuple[str, str]]:
    """What the rate is in false alarms a day, where those were asked for."""
    budget, every = calibration.budget, calibration.overall
    if budget is None:
        return []
    mean, _ = true_rate(every.n, every.bounds.left_out)
    return [
        (
            "false alarms a day",
            f"{alarms_of(calibration, budget)}, {budget.samples * mean:,.3g} to expect",
        ),
    ]


def _false_alarms(calibration: Calibration) -> list[tuple[str, str]]:
    """The rate as far as these scores tell it."""
    every = calibration.overall
    if every.bounds.left_out:
        measured = f"{every.flagged:,} of these {every.n:,}, by construction"
        what = "95 % of cases in brackets" if calibration.folds is None else "on average"
        expected = f"{_rate(calibration, every)}, {what}"
        return [
            ("false alarms, measured", measured),
            ("false alarms, expected", expected),
        ]
    facts = [("false alarms, measured", f"{_rate(calibration, every)} on these")]
    nominal = calibration.rule.nominal_rate(calibration.tail)
    if nominal is not None:
        facts.append(
            ("false alarms, nominal", f"{percent(nominal)} if scores were normally distributed")
        )
    return facts


def _rate(calibration: Calibration, group: Group) -> str:
    """The false-alarm rate with its 95 % interval: by the law of ranks, or else as measured.

    Of scores out of fold the law has no interval.
    """
    if group.bounds.left_out:
        mean, interval = true_rate(group.n, group.bounds.left_out)
        return rate(mean, interval) if calibration.folds is None else f"near {percent(mean)}"
    measured = Rate(group.flagged, group.n)
    return rate(measured.value, measured.interval)


def show_groups(calibration: Calibration) -> None:
    """A line a group; which were merged, and which stay without a promise."""
    lines = [
        [group.name, f"{group.n:,}", line(calibration, group), _rate(calibration, group)]
        for group in calibration.groups[:MOST_GROUPS]
    ]
    render.show_table(
        f"by {calibration.group_column}",
        ["group", "normals", "threshold", "false alarms, 95 %"],
        lines,
    )
    more = len(calibration.groups) - MOST_GROUPS
    if more > 0:
        render.say(f"and {count_of(more, 'more group')}")
    for group in calibration.groups:
        if len(group.members) > 1:
            render.say(
                f"too few normals for a threshold of their own, so they share one: "
                f"{', '.join(group.members[:12])}"
            )
    if calibration.without_promise:
        render.say(
            f"too few normals, even together: {', '.join(calibration.without_promise[:12])}. "
            f"There the threshold of all holds, without a promise"
        )


def _three_sigma(calibration: Calibration) -> Group | None:
    """What mean - 3σ would be on the same scores; None if that is the rule, or scores are -∞."""
    every = calibration.overall
    same = calibration.rule == Sigma(3.0) and calibration.tail == "low"
    if same or every.n < 2 or not every.std < float("inf"):
        return None
    return replace(every, bounds=Sigma(3.0).bounds(every.scores, "low"))
