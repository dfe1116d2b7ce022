"""Drawing: what a run has learned to think normal, drawn from its model."""

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Cells, TableReading, decode
from nice_anomaly.errors import ConfigError
from nice_anomaly.library.binding import Binding


class Drawing(Binding):
    """The verbs that draw."""

    def sample(self, n: int, *, temperature: float = 0.7, seed: int = 0) -> NDArray[np.float64]:
        """Draw from the model: images ``[n, height, width(, 3)]`` in levels, or rows ``[n, d]``.

        Below 1 the temperature pulls samples towards the typical, above 1 towards the odd. Rows
        are as the model sees them, ``d`` coordinates; ``sample_table`` gives them as cells.

        Raises:
            ConfigError: no number of samples, no seed, or a temperature that is not positive.
        """
        if n < 1 or not 0 < temperature < np.inf:
            raise ConfigError(
                f"`n` takes a number of samples, at least 1, and `temperature` a positive number, "
                f"got {n} and {temperature:g}."
            )
        if not 0 <= seed < 2**63:
            raise ConfigError(f"`seed` takes a whole number from 0 to 2^63 - 1, got {seed}.")
        drawn = self.trained.model.sample(n, seed=seed, temperature=temperature).cpu()
        values: NDArray[np.float64] = self.trained.preprocess.to_raw(drawn).numpy()
        if not np.isfinite(values).all():
            raise ConfigError(f"`temperature` {temperature:g} is too large: samples are infinite.")
        layout = self.manifest.data.layout
        return values.reshape(n, *layout.shape) if layout.kind == "image" else values

    def sample_table(self, n: int, *, temperature: float = 0.7, seed: int = 0) -> dict[str, Cells]:
        """The same rows as cells ``[n]`` by column, as the table had them that was learned.

        Missing cells are NaN, NaT or None. A date is a moment in the week from 2024-01-01, a
        Monday: only the time of day and the day of the week are learned.

        Raises:
            ConfigError: the run has learned images, or what ``sample`` refuses.
        """
        data = self.manifest.data
        if data.layout.kind == "image":
            raise ConfigError(f"{self.name} has learned images: run.sample(n) draws those.")
        rows = self.sample(n, temperature=temperature, seed=seed)
        if isinstance(data.reading, TableReading):
            return decode(rows, data.reading.columns)
        return {f"x{i}": column for i, column in enumerate(rows.T)}
