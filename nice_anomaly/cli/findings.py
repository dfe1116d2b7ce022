"""Findings: what is kept of detections while they stream by, and what it comes to."""

from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

import numpy as np

from nice_anomaly.calibrate import Calibration
from nice_anomaly.calibrate.calibration import ALL
from nice_anomaly.cli import promise, render
from nice_anomaly.data import Batch, Truth
from nice_anomaly.detect import Detection
from nice_anomaly.discoveries import Discoveries
from nice_anomaly.metrics import Rate, auprc, auroc, fpr_at_95_tpr
from nice_anomaly.run import Run

MOST_GROUPS = 40  # on the screen; --json has them all
Least = tuple[float, str, float, bool, str]  # score, id, p-value, flagged, note


@dataclass
class Findings:
    """Scores and verdicts of all readable samples so far; the ``top`` least probable by name."""

    top: int
    unreadable: int = 0
    least: list[Least] = field(default_factory=list)
    _scores: list[Any] = field(default_factory=list)
    _flagged: list[Any] = field(default_factory=list)
    _normal: list[Any] = field(default_factory=list)
    _anomalous: list[Any] = field(default_factory=list)
    _groups: list[str] = field(default_factory=list)

    def add(self, batch: Batch, found: Detection) -> None:
        """Take in one batch."""
        good = np.flatnonzero(batch.good)
        self.unreadable += len(batch.faults)
        self._scores.append(found.scores[good])
        self._flagged.append(found.flagged[good])
        unknown = np.zeros(len(batch.ids), dtype=bool)
        truth = batch.truth or Truth(unknown, unknown)
        self._normal.append(truth.normal[good])
        self._anomalous.append(truth.anomalous[good])
        if found.groups is not None:
            self._groups += [found.groups[row] for row in good]
        if self.top:
            rows = good[np.argsort(found.scores[good], kind="stable")[: self.top]]
            new: list[Least] = [
                (
                    float(found.scores[row]),
                    batch.ids[row],
                    float(found.p_value[row]),
                    bool(found.flagged[row]),
                    batch.notes.get(int(row), ""),
                )
                for row in rows
            ]
            self.least = nsmallest(self.top, [*self.least, *new], key=lambda entry: entry[0])

    @property
    def n(self) -> int:
        """How many samples have a verdict."""
        return sum(map(len, self._scores))

    @property
    def median(self) -> float:
        """The middle score; NaN if there is none."""
        return float(np.median(np.concatenate(self._scores))) if self.n else float("nan")

    def summary(
        self, source: str, run: Run, calibration: Calibration, batchwise: Discoveries | None
    ) -> dict[str, Any]:
        """What ``--json`` prints: counts, and the errors where the truth is known."""
        flagged = np.concatenate(self._flagged)
        n, count = len(flagged), int(flagged.sum())
        result: dict[str, Any] = {
            "source": source,
            "n": n,
            "flagged": count,
            "flagged_rate": count / n if n else 0.0,
            "threshold": render.finite(calibration.threshold),
            "ceiling": render.finite(calibration.ceiling),
            "score": calibration.score,
            "rule": calibration.rule.name if batchwise is None else batchwise.method,
            "claimed_rate": calibration.rule.claimed_rate if batchwise is None else None,
            "confidence": calibration.rule.confidence if batchwise is None else None,
            "unreadable": self.unreadable,
            "run": str(run.path),
        }
        if batchwise is not None:
            fewest = batchwise.fewest(calibration.smallest_p_value, n)
            result |= {"fdr": batchwise.fdr, "fewest_discoveries": fewest if fewest <= n else None}
        if self._groups:
            result["groups"] = self._by_group(flagged)
        if calibration.groups:
            result["without_promise"] = self._groups.count(ALL) if self._groups else n
        return result | self._errors()

    def _by_group(self, flagged: Any) -> list[dict[str, Any]]:
        """How many were flagged in each group, the largest share first."""
        names, places = np.unique(np.array(self._groups, dtype=str), return_inverse=True)
        sizes = np.bincount(places)
        counts = np.bincount(places, weights=flagged).astype(int)
        groups = [
            {
                "name": str(name),
                "n": int(size),
                "flagged": int(count),
                "flagged_rate": Rate(int(count), int(size)).value,
                "interval": list(Rate(int(count), int(size)).interval),
            }
            for name, size, count in zip(names, sizes, counts, strict=True)
        ]
        return sorted(groups, key=lambda group: -float(group["flagged_rate"]))

    def truth_of(self, *, normal: bool) -> dict[str, Any]:
        """The error that a built-in set allows to count: all of it is normal, or none."""
        flagged = np.concatenate(self._flagged)
        count = int(flagged.sum())
        errors = Rate(count if normal else len(flagged) - count, len(flagged))
        return {
            "error_kind": "type I" if normal else "type II",
            "errors": errors.count,
            "error_rate": errors.value,
            "interval": list(errors.interval),
        }

    def _errors(self) -> dict[str, Any]:
        """Both errors and the ranking, where the input has labels."""
        normal, anomalous, flagged, scores = map(
            np.concatenate, (self._normal, self._anomalous, self._flagged, self._scores)
        )
        if not (normal | anomalous).any():
            return {}
        result: dict[str, Any] = {"normal": int(normal.sum()), "anomalous": int(anomalous.sum())}
        if normal.any():
            rate = Rate(int(flagged[normal].sum()), result["normal"])
            result |= {"type_i": rate.value, "type_i_interval": list(rate.interval)}
        if anomalous.any():
            rate = Rate(int((~flagged[anomalous]).sum()), result["anomalous"])
            result |= {"type_ii": rate.value, "type_ii_interval": list(rate.interval)}
        if normal.any() and anomalous.any():
            pair = scores[normal], scores[anomalous]
            result |= {
                "auroc": auroc(*pair),
                "auprc": auprc(*pair),
                "fpr_at_95_tpr": fpr_at_95_tpr(*pair),
            }
        return result


def show(summary: dict[str, Any], calibration: Calibration, findings: Findings) -> None:
    """The same for people."""
    n, flagged = summary["n"], summary["flagged"]
    rule, line = promise.name(calibration), promise.thresholds(calibration)
    if "fdr" in summary:
        rule = f"false discovery rate {render.percent(summary['fdr'])}, {summary['rule'].upper()}"
    facts = [
        ("samples", f"{n:,}"),
        ("flagged", f"{flagged:,} ({render.percent(flagged / n if n else 0)})"),
        ("threshold", f"{'by group' if 'groups' in summary else line}, {rule}"),
    ]
    if "fdr" in summary:
        share = render.percent(summary["fdr"])
        facts.append(("promises", f"at most {share} of the flagged are false alarms, on average"))
    elif calibration.rule.claimed_rate is not None:
        facts.append(("promises", promise.claim(calibration)))
    if summary.get("without_promise"):
        alone = f"{summary['without_promise']:,} samples, of no group that was calibrated"
        facts.append(("without a promise", alone))
    facts.append(("median score", f"{findings.median:,.2f}{promise.unit(calibration)}"))
    if summary["unreadable"]:
        facts.append(("unreadable", f"{summary['unreadable']:,}, without a verdict"))
    if "error_kind" in summary:
        kind = summary["error_kind"]
        meaning = {"type I": "normal but flagged", "type II": "anomalous but passed"}
        facts += [
            (f"{kind}, {meaning[kind]}", f"{summary['errors']:,} of {n:,}"),
            (
                "error rate, 95 % interval",
                render.rate(summary["error_rate"], summary["interval"]),
            ),
        ]
    for key, label in (("type_i", "type I, normal but flagged"), ("type_ii", "type II, passed")):
        if key in summary:
            facts.append((label, render.rate(summary[key], summary[f"{key}_interval"])))
    if "auroc" in summary:
        facts += [
            ("AUROC, AUPRC", f"{summary['auroc']:.4f}, {summary['auprc']:.4f}"),
            ("false alarms at 95 % found", render.percent(summary["fpr_at_95_tpr"])),
        ]
    render.show_facts(f"detected: {summary['source']} against {summary['run']}", facts)
    if "groups" in summary:
        lines = [
            [
                g["name"],
                f"{g['n']:,}",
                f"{g['flagged']:,}",
                render.rate(g["flagged_rate"], g["interval"]),
            ]
            for g in summary["groups"][:MOST_GROUPS]
        ]
        header = ["group", "samples", "flagged", "rate, 95 % interval"]
        render.show_table(f"by {calibration.group_column}", header, lines)
        if len(summary["groups"]) > MOST_GROUPS:
            render.say(f"and {len(summary['groups']) - MOST_GROUPS:,} more groups; --json has all")
    digits = 1 if calibration.judge is None else 2
    if findings.least:
        render.show_table(
            f"the {len(findings.least)} least probable",
            ["id", "score", "p-value", "flagged", "what is odd"],
            [
                [name, f"{score:,.{digits}f}", f"{p:.4f}", "yes" if flag else "no", _short(note)]
                for score, name, p, flag, note in findings.least
            ],
            words=(0, 3, 4),
        )


def _short(note: str, most: int = 2) -> str:
    """The first few remarks of a row; the output file has them all."""
    remarks = note.split("; ")
    more = [f"{len(remarks) - most} more"] if len(remarks) > most else []
    return "; ".join(remarks[:most] + more)
