"""Found: all that a detection found, as a notebook holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.errors import ConfigError
from nice_anomaly.evaluation.summary import Summary
from nice_anomaly.evaluation.verdicts import Verdicts
from nice_anomaly.thresholds import Calibration, Discoveries

if TYPE_CHECKING:
    from nice_anomaly.plots import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Found:
    """Verdicts on n samples, in input order.

    A sample that could not be read has the score NaN, is not flagged, and its note says why.
    """

    source: str
    run: str
    parts: Sequence[Verdicts]
    calibration: Calibration
    rule: Discoveries | None = None
    normal: bool | None = None

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Higher = more normal; log-likelihoods in nats; ``[n]``."""
        return self._joined("score", np.float64)

    @cached_property
    def margins(self) -> NDArray[np.float64]:
        """Distance to the nearest threshold in units of the score, negative is flagged; ``[n]``."""
        return np.concatenate([np.empty(0), *(part.found.margin for part in self.parts)])

    @cached_property
    def p_values(self) -> NDArray[np.float64]:
        """How usual the score is among normal samples: P(p ≤ α) ≤ α for them; ``[n]``."""
        return self._joined("p_value", np.float64)

    @cached_property
    def flagged(self) -> NDArray[np.bool_]:
        """Which samples are anomalies by the calibration's rule; ``[n]``."""
        return self._joined("flagged", np.bool_)

    @property
    def ids(self) -> list[str]:
        """What names each sample: its file, id column, index label or row number."""
        return self._columns["id"]

    @property
    def views(self) -> list[str | None]:
        """Which view found a flagged row of a table oddest, where the score has several."""
        return self._columns.get("view", [None] * len(self))

    @property
    def nearest(self) -> list[str | None]:
        """What the learned row is called that is nearest to a flagged one, where some are kept."""
        return self._columns.get("nearest", [None] * len(self))

    @property
    def notes(self) -> list[str | None]:
        """What is odd about a sample's values, or why it cannot be read; None is nothing."""
        return self._columns["note"]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Counts, rates with exact 95 % intervals, and errors where the truth is known."""
        return self._total.record(
            self.calibration, self.rule, source=self.source, run=self.run, normal=self.normal
        )

    def plot(self) -> "Figure":
        """The scores beside those of the calibration, as a figure of matplotlib; see ``Summary``.

        Raises:
            ConfigError: matplotlib is not installed.
        """
        return self._total.plot(self.calibration)

    def to_frame(self, *, keep_columns: bool = False) -> Any:
        """One row a sample, in a pandas DataFrame with the columns of an output file.

        With ``keep_columns`` those of the input stand after them, as they were given.

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ConfigError("to_frame() needs pandas: pip install pandas.") from error
        kinds = {"score": float, "margin": float, "p_value": float, "flagged": "boolean"}
        if not keep_columns:
            return pandas.DataFrame(self._columns).astype(kinds)
        frames = [
            pandas.DataFrame(
                {
                    name: values.to_pylist() if hasattr(values, "to_pylist") else values
                    for name, values in part.columns(kept=True).items()
                }
            )
            for part in self.parts
        ]
        return pandas.concat(frames, ignore_index=True).astype(kinds)

    def __len__(self) -> int:
        return sum(len(part.batch.ids) for part in self.parts)

    def __repr__(self) -> str:
        return f"<Found {int(self.flagged.sum()):,} flagged of {len(self):,}>"

    @cached_property
    def _total(self) -> Summary:
        total = Summary()
        for part in self.parts:
            total.add(part)
        return total

    @cached_property
    def _columns(self) -> dict[str, list[Any]]:
        pieces = [part.columns() for part in self.parts]
        names = dict.fromkeys(name for piece in pieces for name in piece)
        return {name: [value for piece in pieces for value in piece[name]] for name in names}

    def _joined(self, name: str, kind: type[np.generic]) -> NDArray[Any]:
        return np.array(self._columns.get(name, []), dtype=kind)
