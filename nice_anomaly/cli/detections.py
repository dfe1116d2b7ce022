"""Detections: what was found, for people."""

from collections.abc import Iterator
from typing import Any

from nice_anomaly.cli import calibrations, render
from nice_anomaly.evaluation.summary import Least, Summary
from nice_anomaly.thresholds import ALL, Calibration
from nice_anomaly.words import brief, count_of, percent, rate

MOST_GROUPS = 40  # on the screen; --json has them all
KINDS = {
    "type I": ("false alarms (type I)", ("normal",)),
    "type II": ("misses (type II)", ("anomaly", "anomalies")),
}
LONGEST = 200  # characters of a name on the screen; files have them whole
LONGEST_NEAREST = 12  # beside the rest of a line of 80
METHODS = {"bh": "Benjamini-Hochberg", "by": "Benjamini-Yekutieli"}
Facts = Iterator[tuple[str, str]]


def show(found: dict[str, Any], calibration: Calibration, summary: Summary) -> None:
    """The record of a summary, for people."""
    facts = [*_counts(found, calibration, summary.median), *_errors(found)]
    render.show_facts(f"detected: {found['source']} against {found['run']}", facts)
    if "groups" in found:
        _show_groups(found["groups"], calibration.group_column or "")
    if summary.least:
        digits = 1 if calibration.unit else 2
        count = len(summary.least)
        seen = ["view", "nearest"] if "views" in found else []
        render.show_table(
            "the least probable sample" if count == 1 else f"the {count:,} least probable",
            ["id", "score", "p-value", "flagged", *seen, "what is odd"],
            [
                [
                    brief(least.id, LONGEST),
                    f"{least.score:,.{digits}f}",
                    f"{least.p_value:.4f}",
                    "yes" if least.flagged else "no",
                    *(_seen(least) if seen else ()),
                    least.note,
                ]
                for least in summary.least
            ],
            words=(0, *range(3, 5 + len(seen))),
        )


def _seen(least: Least) -> tuple[str, str]:
    """The view by which a flagged row is odd, and the normal row nearest to it."""
    sight = least.sight
    return (
        ("", "")
        if sight is None
        else (sight.view.split()[0], brief(sight.nearest, LONGEST_NEAREST))
    )


def _counts(found: dict[str, Any], calibration: Calibration, median: float) -> Facts:
    """How many were flagged, by what, and what that promises."""
    n, fdr = found["n"], found.get("fdr")
    yield "samples", f"{n:,}"
    yield "flagged", f"{found['flagged']:,} of {n:,}, {percent(found['flagged_rate'])}"
    line = "by group" if "groups" in found else calibrations.line(calibration)
    if fdr is None:
        yield "threshold", f"{line}, {calibration.title}"
    else:
        method = METHODS[found["rule"]]
        yield "threshold", f"{line}, false discovery rate {percent(fdr)} ({method})"
        verb = "promises" if calibration.folds is None else "aims at"
        yield verb, f"at most {percent(fdr)} of the flagged are false alarms, on average"
    if fdr is None:
        yield "promises", calibration.claim
    if found.get("without_promise"):
        unknown = count_of(found["without_promise"], "sample")
        yield "without a promise", f"{unknown}, of no group that was calibrated"
    if found.get("noted_but_passed"):
        rows = f"{found['noted_but_passed']:,}, with a value out of range, never seen or missing"
        yield "noted, but passed", rows
    yield from _alarms(found)
    yield "median score", f"{median:,.2f}{calibration.unit}"
    if found["flagged"] and "views" in found:
        counts = found["views"].items()
        yield "seen by", ", ".join(f"{name} {count:,}" for name, count in counts if count)
    if found["unreadable"]:
        yield "unreadable", f"{found['unreadable']:,}, without a verdict"


def _alarms(found: dict[str, Any]) -> Facts:
    """How many a day, and on which day most."""
    if "alarms_a_day" not in found:
        return
    pace = f"{found['alarms_a_day']:,.3g}"
    if "budget" in found:
        pace += f"; asked for: at most {found['budget']['alarms']:,.4g} false ones"
    yield "alarms a day", pace
    if "busiest_day" in found:
        day, days = found["busiest_day"], count_of(found["days"], "day")
        most = f"{day['date']} with {day['flagged']:,} of {count_of(day['n'], 'sample')}"
        yield "busiest day", f"{most}, among {days}"


def _errors(found: dict[str, Any]) -> Facts:
    """What the truth allows to count."""
    errors = []
    if "error_kind" in found:
        errors.append((found["error_kind"], found["n"], found["error_rate"], found["interval"]))
    for key, kind, n in (("type_i", "type I", "normal"), ("type_ii", "type II", "anomalous")):
        if key in found:
            errors.append((kind, found[n], found[key], found[f"{key}_interval"]))
    for kind, n, share, interval in errors:
        title, of = KINDS[kind]
        counted = f"{round(share * n):,} of {count_of(n, *of)}"
        yield title, f"{counted}, {rate(share, interval)}"
    if errors:
        yield "in brackets", "exact 95 % intervals"
    if "auroc" in found:
        yield "AUROC", f"{found['auroc']:.4f}, how often an anomaly scores lower"
        yield "AUPRC", f"{found['auprc']:.4f}, their mean share of the lowest scores"
        yield "false alarms at 95 % found", percent(found["fpr_at_95_tpr"])


def _show_groups(groups: list[dict[str, Any]], column: str) -> None:
    lines = [
        [
            "(others)" if group["name"] == ALL else brief(group["name"], LONGEST),
            f"{group['n']:,}",
            f"{group['flagged']:,}",
            rate(group["flagged_rate"], group["interval"]),
        ]
        for group in groups[:MOST_GROUPS]
    ]
    header = ["group", "samples", "flagged", "rate, 95 % interval"]
    render.show_table(f"by {column}", header, lines)
    if len(groups) > MOST_GROUPS:
        more = count_of(len(groups) - MOST_GROUPS, "more group")
        render.say(f"and {more}; --json has all")
