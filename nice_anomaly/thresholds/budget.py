"""Budget: how many alarms a day somebody can look at, as a false-alarm rate."""

import re
from dataclasses import dataclass

from nice_anomaly.errors import ConfigError
from nice_anomaly.thresholds.bounds import number

DAYS = {"hour": 1 / 24, "shift": 1 / 3, "day": 1.0, "week": 7.0, "month": 365.25 / 12}
AMOUNT = re.compile(r"([0-9]*[.]?[0-9]+)(?: */ *([a-z]+?)s?)?")


@dataclass(frozen=True)
class Budget:
    """So many false ``alarms`` a day at most, of so many ``samples`` a day, all of them normal.

    >>> Budget(5.0, 400.0).rate
    0.0125
    """

    alarms: float
    samples: float

    def __post_init__(self) -> None:
        number("alarms", self.alarms)
        if not 0 < self.alarms < number("per", self.samples) < float("inf"):
            raise ConfigError(
                f"{self.alarms:,.4g} alarms a day of {self.samples:,.4g} samples a day are no "
                f"share of them: there have to be fewer alarms than samples, and some."
            )

    @property
    def rate(self) -> float:
        """The share of normal samples that may be flagged."""
        return self.alarms / self.samples

    def __str__(self) -> str:
        samples = f"{self.samples:,.0f}" if self.samples >= 10 else f"{self.samples:.3g}"
        return f"{self.alarms:,.4g} of {samples} samples"


def a_day(amount: float | str, name: str) -> float:
    """How many a day: a number, or one with a unit of time; ``name`` is that of the argument.

    Raises:
        ConfigError: it is no such text.

    >>> a_day("14/week", "alarms"), a_day("2/hour", "alarms"), a_day(400, "per")
    (2.0, 48.0, 400.0)
    """
    found = AMOUNT.fullmatch(str(amount).strip().lower())
    if found is None or (found[2] or "day") not in DAYS:
        raise ConfigError(
            f"`{name}` takes a number, or one with a time: 5/day, 2/week, 1/hour; got '{amount}'."
        )
    return float(found[1]) / DAYS[found[2] or "day"]
