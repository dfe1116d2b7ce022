"""Reporting: a run and what it found, as the values of one page to show."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from nice_anomaly.data import Watch, set_or_inputs, unwatched
from nice_anomaly.errors import ArtifactError, ConfigError
from nice_anomaly.evaluation.samples import Columns, TableWords, samples
from nice_anomaly.evaluation.summary import Summary, unmatched
from nice_anomaly.evaluation.verdicts import Stream, told, verdicts
from nice_anomaly.explain.explainer import reasons_for
from nice_anomaly.explain.value import Reasons
from nice_anomaly.library.binding import Say, warn
from nice_anomaly.library.explaining import Explaining
from nice_anomaly.plots import refuse_absent
from nice_anomaly.report import Found, Gathered, Page, Sample, Subject
from nice_anomaly.run import DEFAULT, Result, fingerprint, load_result
from nice_anomaly.run.results import VERBS
from nice_anomaly.thresholds import Calibration, score_of
from nice_anomaly.words import refuse_unknown

TOP, MOST_SHOWN = 10, 200


class Reporting(Explaining):
    """A run that makes a page of what it found."""

    def report(
        self,
        inputs: Any = None,
        *,
        calibration: str = DEFAULT,
        top: int = TOP,
        title: str = "",
        skip_unreadable: bool = False,
        say: Say = warn,
        **table: Unpack[TableWords],
    ) -> str:
        """One page of HTML that is complete in itself; the arguments are those of ``page``.

        Raises:
            ConfigError: jinja2 or matplotlib is not installed, and what ``page`` refuses.
        """
        refuse_unknown(self.report, TableWords, table)
        page = self.page(
            inputs,
            calibration=calibration,
            top=top,
            title=title,
            skip_unreadable=skip_unreadable,
            say=say,
            **table,
        )
        return page.html()

    def page(
        self,
        inputs: Any = None,
        *,
        calibration: str = DEFAULT,
        top: int = TOP,
        title: str = "",
        command: str = "",
        skip_unreadable: bool = False,
        say: Say = warn,
        watch: Watch = unwatched,
        **table: Unpack[TableWords],
    ) -> Page:
        """What ``report`` shows, as a value; without ``inputs`` it is the run and its calibration.

        The ``top`` samples that lie farthest beyond the threshold are shown, and the closest to it.
        ``command`` is said to have asked for it.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            ConfigError, DataError: the input does not fit the run, or a sample cannot be read.
        """
        refuse_unknown(self.page, TableWords, table)
        if not 0 <= top <= MOST_SHOWN:
            raise ConfigError(f"`top` takes a number of samples, at most {MOST_SHOWN}, got {top}.")
        refuse_absent("a report", "jinja2", "matplotlib")
        against, model = self.calibration(calibration), self.trained.model
        found = None
        if inputs is not None:
            stream = self._held(inputs, against, say, watch, Columns(**table))
            found = self._found(stream, top, say, skip_unreadable=skip_unreadable)
        results, remarks = self._results(against)
        subject = Subject(
            self.name,
            self.manifest,
            against,
            calibration,
            score_of(against, model),
            model.objective_name,
            model.parameter_count,
            results,
            remarks,
            title,
            command,
        )
        page = Page(subject, found)
        label, values = table.get("label_column"), table.get("anomaly_values", ())
        for remark in (*remarks, *unmatched(page.record, label, values)):
            say(remark)
        return page

    def _held(
        self, inputs: Any, against: Calibration, say: Say, watch: Watch, columns: Columns
    ) -> Stream:
        """Verdicts on what was given, in batches."""
        found = set_or_inputs(inputs)
        columns = replace(columns, group_column=against.group_column)
        scored = samples(self.trained, found, self.scorer(against), self._root, columns, watch)
        held = told(verdicts(scored[0], against), self.manifest.data, say)
        return Stream(found.name, held, against, normal=scored[1])

    def _found(self, stream: Stream, top: int, say: Say, *, skip_unreadable: bool) -> Found:
        """All verdicts, and the reasons for those that are shown."""
        summary, gathered = Summary(), Gathered(stream.calibration, top)
        for part in stream.verdicts:
            if not skip_unreadable:
                part.batch.refuse_faults(stream.source)
            summary.add(part)
            gathered.add(part)
        record = summary.record(
            stream.calibration, source=stream.source, run=self.name, normal=stream.normal
        )
        odd, close = gathered.odd, gathered.close if top else []
        reasons = [*self._explained(stream.calibration, [*odd, *close], say)]
        explained = [*zip((*odd, *close), reasons, strict=True)]
        parts = explained[: len(odd)], explained[len(odd) :]
        return Found(stream.source, record, gathered, *parts, stream.normal)

    def _explained(
        self, against: Calibration, shown: Sequence[Sample], say: Say
    ) -> Iterator[Reasons]:
        """The reasons for each sample, in order."""
        if not shown:
            return
        explain, held = self.explainer(against, say=say), [sample.held for sample in shown]
        yield from reasons_for(
            explain, held, lambda some: np.stack([sample.raw for sample in shown[some]])
        )

    def _results(self, against: Calibration) -> tuple[dict[str, Result], tuple[str, ...]]:
        """What ``stress`` and ``compare`` found with a calibration; remarks on what is left out."""
        results: dict[str, Result] = {}
        remarks = []
        for verb in VERBS:
            try:
                weights = self.manifest.fingerprint
                found = None if self.path is None else load_result(self.path, verb, weights)
            except ArtifactError as error:
                remarks.append(f"note: what {verb} found is left out: {error}")
                continue
            if found is not None and found.calibration == fingerprint(against):
                results[verb] = found
            elif found is not None:
                remarks.append(
                    f"note: what {verb} found last is left out: it was found with another "
                    f"calibration. Run {verb} again with this one."
                )
        return results, tuple(remarks)
