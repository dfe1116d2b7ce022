"""Words: reasons as sentences."""

from nice_anomaly.explain.value import ImageReasons, Reasons


def reasons(one: Reasons, unit: str = "") -> tuple[str, ...]:
    """Why the sample is odd, a sentence a cause, the one that weighs most first.

    ``unit`` follows a score: " nats", or nothing.
    """
    if isinstance(one, ImageReasons):
        return (f"odd at {one.box}: with what the rest suggests, +{one.gain:,.1f}{unit}",)
    return tuple(f"{cause.column} is {cause.value}" for cause in one.causes)


def expected(one: Reasons) -> tuple[str, ...]:
    """What would be normal, one for every one of ``reasons``."""
    if isinstance(one, ImageReasons):
        return ("",)
    return tuple(str(cause.expected) for cause in one.causes)
