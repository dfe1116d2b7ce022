"""Judging: the verbs that ask what a calibrated run is worth."""

from collections.abc import Iterator, Sequence
from typing import Any, Unpack

from nice_anomaly.errors import ConfigError
from nice_anomaly.evaluation.baselines import for_layout
from nice_anomaly.evaluation.compare import Contest, compare
from nice_anomaly.evaluation.opponents import Opponents, opponents
from nice_anomaly.evaluation.samples import Columns, TableWords
from nice_anomaly.evaluation.stress import Trial, stress
from nice_anomaly.library.beside import beside_us, contender
from nice_anomaly.library.binding import Binding, Say, warn
from nice_anomaly.run import DEFAULT
from nice_anomaly.thresholds import Calibration
from nice_anomaly.words import refuse_unknown


class Judging(Binding):
    """A run that is held against what it would miss, and against others."""

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
        held = own.held_out[own.untouched(self.chosen(calibration).typicality)]
        columns, skip = Columns(**table), skip_unreadable
        found = opponents(self.trained, inputs, held, self._root, columns, skip_unreadable=skip)
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
