"""Days: how many samples and alarms there were on which day, where the rows say when they were."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Moments = NDArray[np.datetime64]


@dataclass
class Days:
    """Counts verdicts by the day of their rows, as they stream by."""

    _samples: Counter[int] = field(default_factory=Counter)  # by days since 1970
    _flagged: Counter[int] = field(default_factory=Counter)

    def add(self, times: Moments, flagged: NDArray[np.bool_]) -> None:
        """Take in the moments and verdicts of some rows, ``[m]`` each; no moment is no day."""
        known = ~np.isnat(times)
        days = times[known].astype("datetime64[D]").astype(np.int64)
        for counter, some in ((self._samples, days), (self._flagged, days[flagged[known]])):
            found, counts = np.unique(some, return_counts=True)
            counter.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def record(self) -> dict[str, Any]:
        """The days that had samples, alarms on a day of them, and the day with most.

        Empty where no row says when it was.
        """
        if not self._samples:
            return {}
        days = len(self._samples)
        busiest = max(self._samples, key=lambda day: (self._flagged[day], -self._samples[day]))
        return {
            "days": days,
            "alarms_a_day": self._flagged.total() / days,
            "busiest_day": {
                "date": str(np.datetime64(busiest, "D")),
                "n": self._samples[busiest],
                "flagged": self._flagged[busiest],
            },
        }
