"""Explaining: the verbs that say why samples are odd, where, and what would be normal."""

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from nice_anomaly.data import Watch, set_or_inputs, unwatched
from nice_anomaly.errors import ConfigError
from nice_anomaly.evaluation.chosen import Chosen, Looked, least_probable, named
from nice_anomaly.evaluation.samples import Columns, TableWords, samples
from nice_anomaly.evaluation.verdicts import verdicts
from nice_anomaly.explain.explainer import Explainer, explainer, reasons_for
from nice_anomaly.explain.explanation import Explanation
from nice_anomaly.explain.value import Reasons
from nice_anomaly.library.binding import Binding, Say, warn
from nice_anomaly.run import DEFAULT
from nice_anomaly.thresholds import Calibration
from nice_anomaly.words import refuse_unknown, several

MOST = 10  # samples that are explained where nobody says how many


class Explaining(Binding):
    """A run that says why."""

    def explainer(self, calibration: str | Calibration = DEFAULT, *, say: Say = warn) -> Explainer:
        """What gives reasons for raw samples ``[n, d]`` by the score of a calibration.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            ArtifactError: the normal samples that the run keeps are damaged.
        """
        against, data = self.chosen(calibration), self.manifest.data
        references = self.trained.references
        if references.drawn:
            say(
                "note: this run keeps no normal samples to compare with, so its model draws some: "
                "reasons are less sharp"
            )
        return explainer(self.scorer(against), references.rows, data.layout, data.reading)

    def explain(
        self,
        inputs: Any,
        *,
        ids: str | Sequence[object] | None = None,
        calibration: str | Calibration = DEFAULT,
        flagged_only: bool = False,
        most: int | None = MOST,
        skip_unreadable: bool = False,
        say: Say = warn,
        scored: Watch = unwatched,
        explained: Watch = unwatched,
        **table: Unpack[TableWords],
    ) -> Explanation:
        """Why samples are odd, where, and what would be normal; see ``docs/reasons.md``.

        Those named by ``ids``, in that order, whatever their verdict. Without, the flagged ones,
        the least probable first, at most ``most``; where nothing is flagged the three that came
        closest, unless ``flagged_only``. ``scored`` and ``explained`` hear how many were.

        Raises:
            NotCalibratedError: there is no such calibration, or it is of another run.
            ConfigError, DataError: the input does not fit the run, has no such sample, or one that
                cannot be read.
        """
        refuse_unknown(self.explain, TableWords, table)
        if most is not None and most < 1:
            raise ConfigError(f"`most` takes a number of samples, at least 1, got {most}.")
        against, found, looked = self.chosen(calibration), set_or_inputs(inputs), Looked()
        explain = self.explainer(against, say=say)
        columns = Columns(**table, group_column=against.group_column)
        stream, _ = samples(self.trained, found, self.scorer(against), self._root, columns, scored)
        held = verdicts(stream, against)
        if ids is not None:
            names = list(dict.fromkeys(several(ids)))
            chosen = named(held, against, names, looked, found.name)
        else:
            source = None if skip_unreadable else found.name
            chosen = least_probable(held, against, most, looked, source)
            if not looked.flagged:
                chosen = [] if flagged_only else chosen
                say(f"nothing is flagged among {looked.n:,} samples: these came closest")
        parts = tuple(_explained(explain, chosen, explained))
        given = tuple(one.given for one in chosen)
        return Explanation(
            found.name,
            self.name,
            against.unit,
            looked.n,
            looked.flagged,
            parts,
            given,
            looked.written,
        )


def _explained(explain: Explainer, chosen: Sequence[Chosen], watch: Watch) -> list[Reasons]:
    """The reasons for all of them, in order."""
    found: list[Reasons] = []
    held = [one.held for one in chosen]
    for reasons in reasons_for(
        explain, held, lambda some: np.stack([one.values for one in chosen[some]])
    ):
        found.append(reasons)
        watch(len(found), len(chosen))
    return found
