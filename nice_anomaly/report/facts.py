"""Facts: what a report says in sentences, and the figures that it leads with."""

from collections.abc import Iterator, Mapping
from typing import Any

from nice_anomaly.metrics import Rate
from nice_anomaly.report.cards import score_of
from nice_anomaly.report.subject import Found, Subject
from nice_anomaly.thresholds import Calibration
from nice_anomaly.thresholds.said import alarms_of
from nice_anomaly.words import brief, count_of, percent, rate

LONGEST = 160
Fact = tuple[str, str]


def verdict(found: Found | None, calibration: Calibration) -> Fact:
    """The report in a sentence, and what it means in another."""
    if found is None:
        return f"{line(calibration)}.", _sentence(f"The promise is {calibration.claim}")
    n, count = found.record["n"], found.record["flagged"]
    if n == 1:
        said = "The only sample is flagged." if count else "The only sample passes."
    elif count:
        are = "is" if count == 1 else "are"
        said = f"{count:,} of {count_of(n, 'sample')} {are} flagged."
    else:
        said = f"None of the {n:,} samples is flagged."
    return said, " ".join(_meaning(found, calibration))


def _meaning(found: Found, calibration: Calibration) -> Iterator[str]:
    n, count = found.record["n"], found.record["flagged"]
    claimed, flagged = calibration.guaranteed_rate, Rate(count, max(1, n))
    known = found.normal is not None or "normal" in found.record
    if n > 1:
        low, high = (percent(bound) for bound in flagged.interval)
        yield f"That is {percent(flagged.value)} of them; the 95 % interval is {low} to {high}."
    if found.normal is not None:
        every = "normal, so these are its false alarms" if found.normal else "anomalous"
        missed = "" if found.normal else f", and {n - count:,} of it pass"
        yield f"All of {_brief(found.source)} is {every}{missed}."
    if claimed is not None and not known and count:
        beyond = flagged.interval[0] > claimed
        yield (
            f"It is {'' if beyond else 'no '}more than false alarms explain: of normal samples, "
            f"at most {percent(claimed)} are promised to be flagged."
        )
    if "type_ii" in found.record:
        odd, misses = found.record["anomalous"], found.record["type_ii"]
        hits = odd - round(misses * odd)
        yield f"Of {count_of(odd, 'labelled anomaly', 'labelled anomalies')} {hits:,} are found."
    if not count and n > 1:
        yield "The samples that came closest to the threshold are shown below."


def figures(found: Found | None, calibration: Calibration) -> Iterator[Fact]:
    """The numbers that one looks for first."""
    if found is not None:
        n, flagged = found.record["n"], found.record["flagged"]
        yield "flagged", f"{flagged:,} of {n:,}"
        if found.record["unreadable"]:
            yield "unreadable", f"{found.record['unreadable']:,}"
        if "alarms_a_day" in found.record:
            yield "alarms a day", f"{found.record['alarms_a_day']:,.3g}"
        if "auroc" in found.record:
            yield "AUROC", f"{found.record['auroc']:.4f}"
    claimed = calibration.guaranteed_rate
    rate_said = "no promise" if claimed is None else f"at most {percent(claimed)}"
    yield "false alarms", rate_said.replace(" %", "\N{NO-BREAK SPACE}%")
    bounds = calibration.overall.bounds
    high = "" if calibration.tail == "low" else f" to {score_of(bounds.high)}"
    yield "threshold", f"{score_of(bounds.low)}{high}{calibration.unit}"


def line(calibration: Calibration) -> str:
    """What is flagged, in words."""
    bounds, unit = calibration.overall.bounds, calibration.unit
    high = "" if calibration.tail == "low" else f" or above {score_of(bounds.high)}"
    groups = ", by group" if calibration.groups else ""
    return f"Flagged is what scores below {score_of(bounds.low)}{high}{unit}{groups}"


def promise(calibration: Calibration) -> Iterator[Fact]:
    """What the threshold promises, and what that stands on."""
    measured = Rate(calibration.overall.flagged, calibration.n)
    kind = "fresh" if calibration.fresh else "held out of training"
    yield "rule", calibration.title
    yield "promise", calibration.claim
    yield "it assumes", calibration.assumption
    yield "made from", f"{count_of(calibration.n, 'normal')}, {kind}: {_brief(calibration.source)}"
    if calibration.budget is not None:
        yield "false alarms a day", alarms_of(calibration, calibration.budget)
    if not calibration.overall.bounds.left_out:
        yield "flagged of these", rate(measured.value, measured.interval)


def errors(found: Found) -> Iterator[Fact]:
    """What the truth allows to count."""
    record = found.record
    if found.normal is not None:
        kind = "false alarms, all being normal" if found.normal else "missed, all being anomalous"
        yield kind, _share(record["errors"], record["n"], record["interval"])
    for key, kind, n in (
        ("type_i", "false alarms among labelled normals", "normal"),
        ("type_ii", "missed among labelled anomalies", "anomalous"),
    ):
        if key in record:
            errors = round(record[key] * record[n])
            yield kind, _share(errors, record[n], record[f"{key}_interval"])
    if "auroc" in record:
        alarms = percent(record["fpr_at_95_tpr"])
        yield "false alarms where 95 % are found", alarms


def results(subject: Subject) -> Mapping[str, str]:
    """When ``stress`` and ``compare`` were run, and on what."""
    said = {}
    for verb, result in subject.results.items():
        when = result.created[:10]
        found = result.found
        if verb == "stress":
            n = found["trials"][0]["n"]
            said[verb] = f"{count_of(n, 'held-out normal')} made odd on {when}"
        else:
            odd = count_of(found["anomalous"], "anomaly", "anomalies")
            normal = count_of(found["normal"], "normal sample")
            said[verb] = f"{normal} and {odd} of {_brief(found['source'])}, on {when}"
    return said


def provenance(subject: Subject, found: Found | None, made: str, version: str) -> Iterator[Fact]:
    """Where everything came from."""
    manifest = subject.manifest
    data = manifest.data
    yield "report made", f"{made}, nice-anomaly {version}"
    if subject.command:
        yield "by", brief(subject.command, 600)
    if found is not None:
        unreadable = found.record["unreadable"]
        broken = f", {unreadable:,} more unreadable" if unreadable else ""
        yield (
            "looked at",
            f"{_brief(found.source)}: {count_of(found.record['n'], 'sample')}{broken}",
        )
    yield "run", _brief(subject.run)
    yield (
        "trained",
        f"{manifest.created}, {len(manifest.history)} epochs, {manifest.seconds:,.0f} s",
    )
    yield "learned from", f"{_brief(data.name)}: {data.n:,} {data.described}"
    yield (
        "split",
        f"{manifest.cut}, seed {manifest.settings.seed}",
    )
    yield "model", f"{manifest.architecture}, {subject.parameters:,} parameters"
    yield "score", subject.quantity
    yield "calibration", f"{subject.name}: {subject.calibration.title}"
    yield "weights fingerprint", manifest.fingerprint
    yield "data fingerprint", data.fingerprint
    yield "trained with", ", ".join(f"{k} {v}" for k, v in sorted(manifest.versions.items()))


def settings(subject: Subject) -> Iterator[Fact]:
    """Every setting of the training by its name."""

    def flat(of: Mapping[str, Any], before: str = "") -> Iterator[Fact]:
        for name, value in of.items():
            if isinstance(value, Mapping):
                yield from flat(value, f"{before}{name}.")
            else:
                yield f"{before}{name}", "–" if value is None else _brief(value)

    yield from flat(subject.manifest.settings.model_dump())


def not_said(subject: Subject, found: Found | None) -> Iterator[str]:
    """What a reader must not take from the page."""
    calibration = subject.calibration
    if calibration.guaranteed_rate is None:
        yield f"This threshold promises no rate of false alarms: {calibration.assumption}."
    else:
        yield (
            f"The promise on false alarms holds on its assumption alone: {calibration.assumption}. "
            f"After a change of camera, supplier or season, calibrate again."
        )
    yield (
        "That a flagged sample is bad. It is improbable among the normal ones that were learned; "
        "some normal ones are flagged too."
    )
    missed = (
        "What was tried stands above."
        if "stress" in subject.results
        else "What the run would miss was not tried yet; 'nice-anomaly stress' does that."
    )
    yield f"That a sample which passes is good: what looks normal here passes. {missed}"
    if found is not None:
        yield (
            "Causes. A reason is a place or a column whose change makes the sample more probable, "
            "beside what the model then expects; what went wrong in the world it cannot know."
        )
        if found.record.get("learned"):
            again = count_of(found.record["learned"], "sample")
            yield f"What it would say of {again} if new: the run has learned from the same."
    yield "How sure numbers without an interval are. Intervals are of chance alone, at 95 %."


def _share(count: int, n: int, interval: Any) -> str:
    return f"{count:,} of {n:,}, {rate(count / n, (interval[0], interval[1]))}"


def _sentence(text: str) -> str:
    return f"{text}."


def _brief(text: object) -> str:
    return brief(text, LONGEST)
