"""Tables: which columns make a row odd, and what the others suggest for them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Column
from nice_anomaly.explain.value import Cause, Held, RowReasons
from nice_anomaly.scores import Scorer


class RowExplainer:
    """An ``Explainer`` of rows; ``columns`` are None where coordinates have no names."""

    def __init__(
        self, scorer: Scorer, references: NDArray[Any], columns: Sequence[Column] | None
    ) -> None:
        self._scorer, self._references, self._columns = scorer, references, columns

    def __call__(self, raw: NDArray[Any], held: Sequence[Held]) -> Iterator[RowReasons]:
        """See ``Explainer``."""
        low, middle, high = np.quantile(self._references, [0.05, 0.5, 0.95], axis=0)
        for row, one in zip(raw, held, strict=True):
            j = int(np.argmax(np.abs(row - middle)))
            repaired = row.copy()
            repaired[j] = middle[j]
            score = float(self._scorer(repaired[None])[0])
            cause = Cause(
                f"x{j}",
                row[j],
                middle[j],
                score - one.score,
                0.01,
                False,
                middle[j],
                low[j],
                high[j],
            )
            cells = {f"x{i}": value for i, value in enumerate(repaired.tolist())}
            yield RowReasons(one, (cause,), 1, repaired, cells, score, score >= one.low)
