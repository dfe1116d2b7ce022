"""Cells in words: a value and what is expected, in as many digits as tell them apart."""

import math
from dataclasses import replace

from nice_anomaly.explain.kinds import NEVER_SEEN, UNKNOWN
from nice_anomaly.explain.value import Cause
from nice_anomaly.words import brief

LONG = 40  # characters of a text
MOST_DECIMALS = 9


def told(cause: Cause) -> str:
    """The cell as it is: "7.1 bar", "red", "'rde', never seen", "missing"."""
    if cause.value is None:
        return "missing"
    if cause.unseen:
        return f"'{brief(cause.value, LONG)}', never seen"
    if cause.value in (NEVER_SEEN, UNKNOWN):
        return str(cause.value)[1:-1]
    if isinstance(cause.value, str):
        return brief(cause.value, LONG)
    return f"{_number(float(cause.value), _decimals(cause))}{_unit(cause)}"


def suggestion(cause: Cause) -> str:
    """What is expected in its place: "4.2 bar (90 %: 3.6–4.9)", "blue (97 %)", "14:00"."""
    if cause.expected is None:
        return "a missing cell"
    if isinstance(cause.expected, str):
        return _text(cause)
    decimals = _decimals(cause)
    middle = _number(_middle(cause), decimals)
    if cause.low is None or cause.high is None:
        return f"{middle}{_unit(cause)}"
    low, high = _number(cause.low, decimals), _number(cause.high, decimals)
    if low == high:
        return f"{middle}{_unit(cause)}"
    to = " to " if "-" in low + high or "e" in low + high else "–"
    return f"{middle}{_unit(cause)} (90 %: {low}{to}{high})"


def plainly(cause: Cause) -> tuple[str, str, str]:
    """The cell, what is expected, and the 90 % range, without units: cells of a table."""
    bare, decimals = replace(cause, unit=""), _decimals(cause)
    if cause.expected is None:
        return told(bare), "missing", ""
    if isinstance(cause.expected, str):
        return told(bare), brief(cause.expected, LONG), ""
    middle = _number(_middle(cause), decimals)
    if cause.low is None or cause.high is None:
        return told(bare), middle, ""
    ends = _number(cause.low, decimals), _number(cause.high, decimals)
    return told(bare), middle, " … ".join(ends)


def _middle(cause: Cause) -> float:
    """What scores best, or the median where that lies beyond the 90 % range."""
    best = float(cause.expected)
    if cause.median is None or cause.low is None or cause.high is None:
        return best
    return best if cause.low <= best <= cause.high else cause.median


def _text(cause: Cause) -> str:
    day = " on a "
    clock, _, weekday = cause.expected.partition(day)
    if weekday and isinstance(cause.value, str) and cause.value.endswith(day + weekday):
        return str(clock)
    often = "" if cause.probability is None else f" ({_share(cause.probability)})"
    return f"{brief(cause.expected, LONG)}{often}"


def _share(probability: float) -> str:
    """A probability in whole percent, never quite all.

    >>> _share(0.974), _share(0.9999), _share(0.0004)
    ('97 %', 'more than 99 %', 'less than 1 %')
    """
    if probability > 0.995:
        return "more than 99 %"
    return f"{100 * probability:.0f} %" if probability >= 0.005 else "less than 1 %"


def _unit(cause: Cause) -> str:
    return f" {brief(cause.unit, LONG)}" if cause.unit else ""


def _decimals(cause: Cause) -> int:
    """So many that the value, what is expected, and the range have two digits that differ."""
    numbers = [_middle(cause)] if not isinstance(cause.expected, str | None) else []
    if isinstance(cause.value, int | float):
        numbers.append(float(cause.value))
    apart = [abs(one - other) for one in numbers for other in numbers]
    if cause.low is not None and cause.high is not None:
        apart.append(cause.high - cause.low)
    least = min(filter(None, apart), default=max(map(abs, numbers), default=0.0))
    return min(MOST_DECIMALS, max(0, 1 - math.floor(math.log10(least)))) if least else 0


def _number(value: float, decimals: int) -> str:
    """As a cell is written: whole numbers without a fraction, no zeros at the end.

    >>> _number(7.10, 2), _number(4.0, 3), _number(-1e-17, 3), _number(1.5e-7, 9), _number(2e20, 1)
    ('7.1', '4', '0', '1.5e-07', '2e+20')
    """
    if abs(value) >= 1e15 or (0 < abs(value) < 1e-4 and decimals == MOST_DECIMALS):
        return f"{value:.4g}"
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
