"""Run: a trained run with its verbs, as notebooks hold it and the command line calls it.

The arguments are the options of the command line, with its defaults and its errors.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nice_anomaly import normals, run
from nice_anomaly.data import Watch, recognise, set_or_inputs, unwatched
from nice_anomaly.errors import ConfigError
from nice_anomaly.evaluation.baselines import for_layout
from nice_anomaly.evaluation.compare import Contest, compare
from nice_anomaly.evaluation.found import Found
from nice_anomaly.evaluation.opponents import Opponents, opponents
from nice_anomaly.evaluation.samples import Columns, samples
from nice_anomaly.evaluation.stress import Trial, stress
from nice_anomaly.evaluation.summary import unmatched
from nice_anomaly.evaluation.verdicts import Stream, together, verdicts
from nice_anomaly.library.beside import beside_us, contender
from nice_anomaly.library.binding import Binding
from nice_anomaly.library.drawing import Drawing
from nice_anomaly.own_data import reading_of
from nice_anomaly.run import DEFAULT
from nice_anomaly.scores import Scores
from nice_anomaly.thresholds import Calibration, Discoveries, choose, tail_of
from nice_anomaly.vocabulary import RuleName, ScoreName, Tail
from nice_anomaly.words import counted

Say = Callable[[str], None]


def warn(text: str) -> None:
    """Tell a notebook what the command line says on stderr."""
    warnings.warn(text, stacklevel=3)


class Run(Drawing):
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
    ) -> normals.Normals:
        """Scores of normal samples that training has not seen: held out of it, or ``inputs``.

        Raises:
            ConfigError: such samples have no such score or groups.
            DataError: the samples are missing, unreadable, of another kind, or were learned from.
        """
        score = score or self.manifest.settings.calibrate.score
        scorer = self.scorer()
        if inputs is None:
            own = self.own_data(group_column)
            return normals.held_out(self.trained, scorer, own, score, group_column)
        reading = reading_of(self.trained, group_column)
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
        tail: Tail | None = None,
        score: ScoreName | None = None,
        group_column: str | None = None,
        name: str = DEFAULT,
        skip_unreadable: bool = False,
        say: Say = warn,
    ) -> Calibration:
        """Set the threshold from normal samples that training has not seen, and keep it.

        Those are the part that training held out, or ``inputs``. The first of ``k``, ``alpha``,
        ``confidence``, ``threshold`` and ``ceiling`` that is given chooses the rule, if ``rule``
        does not. ``group_column`` gives every group a threshold of its own. ``say`` hears remarks.

        Raises:
            ConfigError: numbers or names that cannot be.
            DataError: too few normals for the rule, and what ``normals`` refuses.
        """
        settings = self.manifest.settings.calibrate
        numbers = {
            "k": k,
            "alpha": alpha,
            "confidence": confidence,
            "threshold": threshold,
            "ceiling": ceiling,
        }
        how = choose(rule, numbers, settings)
        sides = tail_of(how, tail, settings.tail)
        run.file_of(name)
        found = self.normals(
            inputs, score=score, group_column=group_column, skip_unreadable=skip_unreadable
        )
        calibration = found.calibrate(how, sides)
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
        id_column: str | None = None,
        label_column: str | None = None,
        anomaly_values: Sequence[str] = (),
        say: Say = warn,
        watch: Watch = unwatched,
    ) -> Stream:
        """Verdicts in batches at constant memory; with ``fdr`` after all samples are scored.

        ``inputs`` are a user's samples or a built-in set, whose test part is read. ``by`` bounds
        the false discoveries under any dependence. ``watch`` hears how many were scored.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            ConfigError, DataError: the input, or a column of it, does not fit the run.
        """
        rule = None if fdr is None else Discoveries(fdr, "by" if by else "bh")
        against = self.chosen(calibration)
        columns = Columns(id_column, label_column, anomaly_values, against.group_column)
        found = set_or_inputs(inputs)
        source, scorer = found.name, self.scorer(against)
        stream, normal = samples(self.trained, found, scorer, self._root, columns, watch)
        if rule is not None:
            stream, against, m = together(stream, against, rule)
            for remark in rule.remarks(against, m):
                say(remark)
        return Stream(source, verdicts(stream, against), against, rule, normal)

    def detect(
        self,
        inputs: Any,
        *,
        calibration: str | Calibration = DEFAULT,
        fdr: float | None = None,
        by: bool = False,
        id_column: str | None = None,
        label_column: str | None = None,
        anomaly_values: Sequence[str] = (),
        skip_unreadable: bool = False,
        say: Say = warn,
    ) -> Found:
        """Score samples and flag those below the threshold; the arguments are those of ``stream``.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            ConfigError, DataError: the input does not fit the run, or a sample cannot be read.
        """
        stream = self.stream(
            inputs,
            calibration=calibration,
            fdr=fdr,
            by=by,
            id_column=id_column,
            label_column=label_column,
            anomaly_values=anomaly_values,
            say=say,
        )
        parts = []
        for part in stream.verdicts:
            if not skip_unreadable:
                part.batch.refuse_faults(stream.source)
            parts.append(part)
        against = stream.calibration, stream.rule, stream.normal
        found = Found(stream.source, self.name, parts, *against)
        for note in unmatched(found.summary, label_column, anomaly_values):
            say(note)
        return found

    def stress(
        self, *, calibration: str | Calibration = DEFAULT, n: int = 1_000, seed: int = 0
    ) -> Iterator[Trial]:
        """The power against corruptions of at most ``n`` held-out normals; see ``stress``.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            DataError: the run's data are gone, or too small for a corruption.
        """
        if n < 1:
            raise ConfigError(f"`n` takes a number of held-out normals, at least 1, got {n}.")
        against = self.chosen(calibration)
        own = self.own_data(against.group_column)
        yield from stress(self.scorer(against), against, own, most=n, seed=seed)

    def opponents(
        self,
        inputs: Any,
        *,
        calibration: str | Calibration = DEFAULT,
        label_column: str | None = None,
        anomaly_values: Sequence[str] = (),
        skip_unreadable: bool = False,
    ) -> Opponents:
        """The normal samples and anomalies of ``inputs`` to compare on; see ``opponents``.

        Raises:
            ConfigError, DataError: the input does not fit, or has too few of a kind.
        """
        own = self.own_data()
        held = own.held_out[own.untouched(self.chosen(calibration).typicality)]
        columns = Columns(label_column=label_column, anomaly_values=anomaly_values)
        return opponents(
            self.trained, inputs, held, self._root, columns, skip_unreadable=skip_unreadable
        )

    def compare(
        self,
        on: Opponents,
        *,
        calibration: str | Calibration = DEFAULT,
        beside: Sequence[Binding] = (),
        seed: int = 0,
    ) -> Iterator[Contest]:
        """Hold this run beside other runs and simple methods on the same samples; see ``compare``.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            DataError: the run's data, which the methods learn from, are gone.
            ConfigError: a run ``beside`` learned other data, or what is compared on.
        """
        ours = contender(self, self.chosen(calibration))
        others = beside_us(self, beside, on)
        rivals = for_layout(self.manifest.data.layout)
        learned = self.own_data().learned
        yield from compare(ours, others, rivals, learned, on.normal, on.anomalous, seed)
