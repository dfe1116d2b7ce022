"""Judging: the verbs that ask what a calibrated run is worth."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Unpack

from nice_anomaly.errors import ArtifactError, ConfigError
from nice_anomaly.evaluation.baselines import for_layout
from nice_anomaly.evaluation.compare import MOST_COMPARED, Contest, Cut, compare
from nice_anomaly.evaluation.opponents import Opponents, opponents
from nice_anomaly.evaluation.samples import Columns, TableWords
from nice_anomaly.evaluation.stress import Trial, stress
from nice_anomaly.library.beside import beside_us, contender
from nice_anomaly.library.binding import Binding, Say, warn
from nice_anomaly.run import DEFAULT, save_result
from nice_anomaly.thresholds import Calibration
from nice_anomaly.words import refuse_unknown

Record = dict[str, Any]


class Judging(Binding):
    """A run that is held against what it would miss, and against others."""

    def stress(
        self,
        *,
        calibration: str | Calibration = DEFAULT,
        n: int = 1_000,
        seed: int = 0,
        say: Say = warn,
    ) -> Iterator[Trial]:
        """The power against corruptions of at most ``n`` held-out normals; see ``stress``.

        After the last trial the run's folder has them all, for ``report``; ``say`` hears where it
        cannot be written.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            DataError: the run's data are gone, or too small for a corruption.
        """
        if n < 1:
            raise ConfigError(f"`n` takes a number of held-out normals, at least 1, got {n}.")
        against = self.chosen(calibration)
        own = self.own_data(against.group_column)
        trials = []
        for trial in stress(self.scorer(against), against, own, most=n, seed=seed):
            trials.append(trial.record())
            yield trial
        self._keep_result("stress", against, {"trials": trials}, say)

    def opponents(
        self,
        inputs: Any,
        *,
        calibration: str | Calibration = DEFAULT,
        skip_unreadable: bool = False,
        say: Say = warn,
        **table: Unpack[TableWords],
    ) -> Opponents:
        """The normal samples and anomalies of ``inputs`` to compare on; see ``opponents``.

        Raises:
            ConfigError, DataError: the input does not fit, or has too few of a kind.
        """
        refuse_unknown(self.opponents, TableWords, table)
        own = self.own_data()
        places = own.untouched(self.chosen(calibration).typicality)
        found = opponents(
            self.trained,
            inputs,
            own.held_out[places],
            self._root,
            Columns(**table),
            in_folds=None if own.in_folds is None else own.in_folds[places],
            skip_unreadable=skip_unreadable,
        )
        for remark in found.remarks:
            say(f"note: {remark}")
        return found

    def compare(
        self,
        on: Opponents,
        *,
        calibration: str | Calibration = DEFAULT,
        beside: Sequence[Binding] = (),
        seed: int = 0,
        say: Say = warn,
    ) -> Iterator[Contest]:
        """Hold this run beside other runs and simple methods on the same samples; see ``compare``.

        After the last method the run's folder has them all, for ``report``; ``say`` hears where it
        cannot be written.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            DataError: the run's data, which the methods learn from, are gone.
            ConfigError: a run ``beside`` learned other data, or what is compared on.
        """
        against = self.chosen(calibration)
        ours = contender(self, against)
        others = beside_us(self, beside, on)
        rivals = for_layout(self.manifest.data.layout)
        own = self.own_data()
        learned, normal = own.in_folds, on.in_folds
        cut = None if learned is None or normal is None else Cut(learned.folds, normal)
        methods = []
        for contest in compare(
            ours, others, rivals, own.learned, on.normal, on.anomalous, seed, cut
        ):
            methods.append(contest.record())
            yield contest
        sizes = [min(len(part), MOST_COMPARED) for part in (on.normal, on.anomalous)]
        found = {"source": on.source, "normal": sizes[0], "anomalous": sizes[1], "methods": methods}
        self._keep_result("compare", against, found, say)

    def _keep_result(
        self, verb: Literal["stress", "compare"], against: Calibration, found: Record, say: Say
    ) -> None:
        if self.path is None:
            return
        try:
            save_result(self.path, verb, against, found)
        except ArtifactError as error:
            say(f"note: the report will not have these results: {error}")
