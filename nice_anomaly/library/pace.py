"""Pace: how many samples a day a run meets, and what so many alarms a day are a rate of."""

from nice_anomaly.data import BuiltIn, TableReading
from nice_anomaly.errors import ConfigError
from nice_anomaly.library.binding import Binding
from nice_anomaly.thresholds import Budget, Numbers, a_day
from nice_anomaly.vocabulary import RuleName

DAY = 86_400  # seconds


def budget_of(
    run: Binding,
    alarms: float | str | None,
    per: float | str | None,
    time_column: str | None,
    rule: RuleName | None,
    numbers: Numbers,
) -> Budget | None:
    """So many alarms a day, of ``per`` samples a day or as many as the training data had.

    Raises:
        ConfigError: no such amounts, a ``rule`` or ``numbers`` of one beside them, or nothing says
            how many samples a day there are.
        DataError: the training data, which say it, are gone.
    """
    if alarms is None:
        given = "`time_column`" if per is None else "`per`"
        if per is not None or time_column is not None:
            raise ConfigError(f"{given} says of how many samples `alarms` are: give both.")
        return None
    if numbers["alpha"] is not None:
        raise ConfigError("`alarms` are a rate, and so is `alpha`: give one of them.")
    for name in ("k", "threshold", "ceiling"):
        if numbers[name] is not None:
            raise ConfigError(f"`alarms` are a rate, and `{name}` is none: give one of them.")
    if rule in ("sigma", "manual"):
        raise ConfigError(f"`alarms` are a rate, and the rule {rule} takes none: leave it away.")
    wanted = a_day(alarms, "alarms")
    samples = _samples_a_day(run, time_column) if per is None else a_day(per, "per")
    return Budget(wanted, samples)


def _samples_a_day(run: Binding, time_column: str | None) -> float:
    """The normal samples of the training data on a day that had any."""
    source = run.manifest.data.source
    reading = None if isinstance(source, BuiltIn) else source.reading
    column = None
    if isinstance(reading, TableReading):
        column = (reading if time_column is None else reading.timed_by(time_column)).times
    if column is None or column.low == column.high:
        dated = (
            [c.name for c in reading.columns if c.dated]
            if isinstance(reading, TableReading)
            else []
        )
        which = f" ({', '.join(dated)})" if dated[1:] else ""
        raise ConfigError(
            f"how many samples a day there are is not known: say it with `per`, as in `per=400`, "
            f"or name a column of dates{which} with `time_column`."
        )
    material = run.own_data().material
    normal = material.total - material.anomalies
    if not column.daily:  # an older run, which counted no days
        return normal / ((column.high - column.low) / DAY)
    return column.daily / (1 - column.missing) * normal / run.manifest.data.n
