"""Run: a trained run with its verbs, as notebooks hold it and the command line calls it.

The arguments are the options of the command line, with its defaults and its errors.
"""

from dataclasses import replace
from functools import cache, partial
from typing import Any, Unpack

import numpy as np

from nice_anomaly import normals, run
from nice_anomaly.data import Watch, recognise, set_or_inputs, unwatched
from nice_anomaly.errors import ConfigError
from nice_anomaly.evaluation.found import Found
from nice_anomaly.evaluation.journal import Journal, made_by
from nice_anomaly.evaluation.reasoned import Asked, reasoned
from nice_anomaly.evaluation.samples import Columns, Score, TableWords, reading_for, samples
from nice_anomaly.evaluation.sighted import sighted
from nice_anomaly.evaluation.summary import unmatched
from nice_anomaly.evaluation.verdicts import Stream, together, told, verdicts
from nice_anomaly.library.binding import Say, warn
from nice_anomaly.library.drawing import Drawing
from nice_anomaly.library.growing import Growing
from nice_anomaly.library.judging import Judging
from nice_anomaly.library.pace import budget_of
from nice_anomaly.library.reporting import Reporting
from nice_anomaly.library.verifying import Verifying
from nice_anomaly.library.ways import more_held_out
from nice_anomaly.run import DEFAULT
from nice_anomaly.scores import Scores
from nice_anomaly.thresholds import Calibration, Discoveries, choose, tail_of
from nice_anomaly.vocabulary import RuleName, ScoreName, Tail
from nice_anomaly.words import counted, refuse_unknown


class Run(Judging, Reporting, Drawing, Growing, Verifying):
    """A trained model with its calibrations, on one device; ``learn`` and ``load_run`` make it."""

    def score(
        self,
        inputs: Any,
        *,
        calibration: str | Calibration | None = None,
        noise_seed: int | None = None,
        skip_unreadable: bool = False,
    ) -> Scores:
        """Log-likelihoods of samples in nats, ``[n]``, or scores as a calibration has them.

        With ``noise_seed`` they are those at a random place in each level, as papers report them.
        The score of a sample that cannot be read is NaN.

        Raises:
            DataError: the input does not fit the run, or cannot be read.
        """
        against = None if calibration is None else self.chosen(calibration)
        scorer = self.scorer(against, noise_seed=noise_seed)
        given = set_or_inputs(inputs)
        stream, _ = samples(self.trained, given, scorer, self._root, Columns())
        found = [np.empty(0)]
        for batch, scores in stream:
            if not skip_unreadable:
                batch.refuse_faults(given.name)
            found.append(scores.values)
        return Scores(np.concatenate(found), scorer.origin)

    def normals(
        self,
        inputs: Any = None,
        *,
        score: ScoreName | None = None,
        group_column: str | None = None,
        skip_unreadable: bool = False,
        **table: Unpack[TableWords],
    ) -> normals.Normals:
        """Scores of normal samples that training has not seen: held out of it, or ``inputs``.

        Raises:
            ConfigError: such samples have no such score or groups.
            DataError: the samples are missing, unreadable, of another kind, or were learned from.
        """
        refuse_unknown(self.normals, TableWords, table)
        score = score or self.manifest.settings.calibrate.score
        scorer = self.scorer()
        if inputs is None:
            own = self.own_data(group_column)
            return normals.held_out(self.trained, scorer, own, score, group_column)
        reading = reading_for(self.trained, Columns(**table, group_column=group_column))
        found = normals.fresh(
            self.trained,
            scorer,
            recognise(inputs),
            reading,
            score,
            skip_unreadable=skip_unreadable,
        )
        kept = (calibration for _, calibration in self.readable_calibrations())
        return found.compared(kept, self.own_data)

    def calibrate(
        self,
        inputs: Any = None,
        *,
        alpha: float | None = None,
        confidence: float | None = None,
        rule: RuleName | None = None,
        k: float | None = None,
        threshold: float | None = None,
        ceiling: float | None = None,
        alarms: float | str | None = None,
        per: float | str | None = None,
        tail: Tail | None = None,
        score: ScoreName | None = None,
        group_column: str | None = None,
        name: str = DEFAULT,
        skip_unreadable: bool = False,
        say: Say = warn,
        **table: Unpack[TableWords],
    ) -> Calibration:
        """Set the threshold from normal samples that training has not seen, and keep it.

        Those are the part that training held out, or ``inputs``. The first of ``k``, ``alpha``,
        ``confidence``, ``threshold`` and ``ceiling`` that is given chooses the rule, if ``rule``
        does not. So many ``alarms`` a day, of so many samples ``per`` day, are an ``alpha``: 5 or
        "2/week"; without ``per`` the dates of the training data tell. ``group_column`` gives every
        group a threshold of its own. ``say`` hears remarks.

        Raises:
            ConfigError: numbers or names that cannot be.
            DataError: too few normals for the rule, and what ``normals`` refuses.
        """
        refuse_unknown(self.calibrate, TableWords, table)
        settings = self.manifest.settings.calibrate
        numbers = {
            "k": k,
            "alpha": alpha,
            "confidence": confidence,
            "threshold": threshold,
            "ceiling": ceiling,
        }
        budget = budget_of(self, alarms, per, table.get("time_column"), rule, numbers)
        if budget is not None:
            numbers["alpha"] = budget.rate
        in_folds = inputs is None and self.manifest.folds > 0
        how = choose(rule, numbers, settings, out_of_fold=in_folds)
        sides = tail_of(how, tail, settings.tail)
        run.file_of(name)
        skip = skip_unreadable
        found = self.normals(
            inputs, score=score, group_column=group_column, skip_unreadable=skip, **table
        )
        more = None if found.fresh or in_folds else partial(more_held_out, self.manifest)
        calibration = replace(found.calibrate(how, sides, more), budget=budget)
        self.keep(calibration, name)
        if any(found.left_out.values()):
            say(f"left out: {counted(found.left_out)}")
        for remark in normals.remarks(found, calibration, self.manifest.data):
            say(f"note: {remark}")
        return calibration

    def stream(
        self,
        inputs: Any,
        *,
        calibration: str | Calibration = DEFAULT,
        fdr: float | None = None,
        by: bool = False,
        say: Say = warn,
        watch: Watch = unwatched,
        keep_columns: bool = False,
        journal: Journal | None = None,
        explain: Asked | None = None,
        **table: Unpack[TableWords],
    ) -> Stream:
        """Verdicts in batches at constant memory; with ``fdr`` after all samples are scored.

        ``inputs`` are a user's samples or a built-in set, whose test part is read. ``by`` bounds
        the false discoveries under any dependence. ``watch`` hears how many were scored. With
        ``keep_columns`` verdicts have the columns of the input even after ``fdr``. A ``journal``
        keeps scores, and has those that were kept. Verdicts have the reasons that ``explain`` asks
        for; under ``fdr`` those of every sample cannot be had. What can be said of a ``table``: see
        ``evaluation.samples.Columns``.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            ConfigError, DataError: the input, or a column of it, does not fit the run.
        """
        refuse_unknown(self.detect, TableWords, table)
        rule = None if fdr is None else Discoveries(fdr, "by" if by else "bh")
        if rule is not None and explain is not None and explain.every:
            raise ConfigError(
                "`fdr` decides at the end what is flagged, and only that can then be explained: "
                "leave `explain_all=True` away."
            )
        against = self.chosen(calibration)
        explainer = cache(partial(self.explainer, against, say=say))
        columns = Columns(**table, group_column=against.group_column)
        found = set_or_inputs(inputs)
        source, scorer = found.name, self.scorer(against)
        sees = scorer.judge is not None
        score: Score = scorer
        if journal is not None:
            score = journal.around(scorer, made_by(scorer, found, columns.dialect))
        stream, normal = samples(self.trained, found, score, self._root, columns, watch)
        if rule is not None:
            keep = {"keep_columns": keep_columns, "keep_values": explain is not None or sees}
            stream, against, m = together(stream, against, rule, **keep)
            for remark in rule.remarks(against, m):
                say(remark)
        found_out = told(verdicts(stream, against), self.manifest.data, say)
        if sees:
            found_out = sighted(found_out, scorer, against)
        if explain is not None:
            found_out = reasoned(found_out, against, explainer, explain)
        return Stream(source, found_out, against, rule, normal)

    def detect(
        self,
        inputs: Any,
        *,
        calibration: str | Calibration = DEFAULT,
        fdr: float | None = None,
        by: bool = False,
        skip_unreadable: bool = False,
        say: Say = warn,
        **table: Unpack[TableWords],
    ) -> Found:
        """Score samples and flag those below the threshold; the arguments are those of ``stream``.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            ConfigError, DataError: the input does not fit the run, or a sample cannot be read.
        """
        remarks: list[str] = []
        stream = self.stream(
            inputs,
            calibration=calibration,
            fdr=fdr,
            by=by,
            say=remarks.append,
            keep_columns=True,
            **table,
        )
        parts = []
        for part in stream.verdicts:
            if not skip_unreadable:
                part.batch.refuse_faults(stream.source)
            parts.append(part)
        against = stream.calibration, stream.rule, stream.normal
        found = Found(stream.source, self.name, parts, *against)
        label, values = table.get("label_column"), table.get("anomaly_values", ())
        for remark in (*remarks, *unmatched(found.summary, label, values)):
            say(remark)
        return found
