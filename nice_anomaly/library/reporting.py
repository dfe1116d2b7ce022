"""Reporting: a run and what it found, as the values of one page to show."""

from collections.abc import Iterator, Sequence

import numpy as np

from nice_anomaly.errors import ArtifactError, ConfigError
from nice_anomaly.evaluation.summary import Summary
from nice_anomaly.evaluation.verdicts import Stream
from nice_anomaly.explain.explainer import explainer
from nice_anomaly.explain.value import Reasons
from nice_anomaly.library.binding import Binding
from nice_anomaly.plots import refuse_absent
from nice_anomaly.report import Found, Gathered, Page, Sample, Subject
from nice_anomaly.run import Result, fingerprint, load_result
from nice_anomaly.run.results import VERBS
from nice_anomaly.thresholds import Calibration, score_of

TOP, MOST_SHOWN = 10, 200


def page_of(
    run: Binding,
    stream: Stream | None,
    name: str,
    top: int,
    about: tuple[str, str],
    *,
    skip_unreadable: bool,
) -> Page:
    """The page of a run with the calibration ``name``, and of a ``stream`` of verdicts by it.

    ``about`` are a title and the command that asked for it, both empty where there is none.

    Raises:
        ConfigError: too many samples to show, or what makes a report is not installed.
        NotCalibratedError: there is no such calibration.
        DataError: a sample cannot be read, without ``skip_unreadable``.
    """
    if not 0 <= top <= MOST_SHOWN:
        raise ConfigError(f"`top` takes a number of samples, at most {MOST_SHOWN}, got {top}.")
    refuse_absent("a report", "jinja2", "matplotlib")
    against = run.calibration(name)
    results, remarks = kept_results(run, against)
    model = run.trained.model
    subject = Subject(
        run.name,
        run.manifest,
        against,
        name,
        score_of(against, model),
        model.objective_name,
        model.parameter_count,
        results,
        remarks,
        *about,
    )
    return Page(subject, None if stream is None else _found(run, stream, top, skip_unreadable))


def kept_results(run: Binding, against: Calibration) -> tuple[dict[str, Result], tuple[str, ...]]:
    """What ``stress`` and ``compare`` found with a calibration; remarks on what is left out."""
    results: dict[str, Result] = {}
    remarks = []
    for verb in VERBS if run.path is not None else ():
        assert run.path is not None
        try:
            found = load_result(run.path, verb, run.manifest.fingerprint)
        except ArtifactError as error:
            remarks.append(f"note: what {verb} found is left out: {error}")
            continue
        if found is not None and found.calibration == fingerprint(against):
            results[verb] = found
        elif found is not None:
            remarks.append(
                f"note: what {verb} found last is left out: it was found with another calibration. "
                f"Run {verb} again with this one."
            )
    return results, tuple(remarks)


def _found(run: Binding, stream: Stream, top: int, skip_unreadable: bool) -> Found:
    summary, gathered = Summary(), Gathered(stream.calibration, top)
    for verdicts in stream.verdicts:
        if not skip_unreadable:
            verdicts.batch.refuse_faults(stream.source)
        summary.add(verdicts)
        gathered.add(verdicts)
    record = summary.record(
        stream.calibration, source=stream.source, run=run.name, normal=stream.normal
    )
    odd, close = gathered.odd, gathered.close if top else []
    explained = [*_explained(run, stream.calibration, [*odd, *close])]
    return Found(
        stream.source,
        record,
        gathered,
        explained[: len(odd)],
        explained[len(odd) :],
        stream.normal,
    )


def _explained(
    run: Binding, against: Calibration, samples: Sequence[Sample]
) -> Iterator[tuple[Sample, Reasons]]:
    """Each sample with its reasons."""
    if not samples:
        return
    data = run.manifest.data
    explain = explainer(run.scorer(against), run.trained.references.rows, data.layout, data.reading)
    raw = np.stack([sample.raw for sample in samples])
    yield from zip(samples, explain(raw, [sample.held for sample in samples]), strict=True)
