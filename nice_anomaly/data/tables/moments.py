"""Moments: dates and times as people write them.

A column of them has one form, found in its training cells: ISO 8601, which is "", a format of
``strptime`` for the date with a clock time that may follow, a time of day alone, or a count of
seconds since 1970 and its like.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.tables.cells import Cells, missing, numbers, words

NEVER = np.datetime64("NaT", "us")
ISO, CLOCK = "", "%H:%M"
COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by the number of digits
MOST_TICKS = 9e18  # microseconds that a moment may be from 1970
EPOCHS = {"epoch s": 1e6, "epoch ms": 1e3, "epoch us": 1.0, "epoch ns": 1e-3}  # microseconds each
EPOCH_YEARS = (1e9, 2.1e9)  # 2001 to 2036 in seconds
TIMELY = re.compile(r"time|date|stamp|epoch|unix|zeit|datum|fecha|^ts$|^t$", re.IGNORECASE)
ORDERS = {
    "dmy": (
        "%d.%m.%Y",
        "%d.%m.%y",
        "%d/%m/%Y",
        "%d/%m/%y",
        "%d-%m-%Y",
        "%d %b %Y",
        "%d-%b-%Y",
        "%d-%b-%y",
    ),
    "mdy": ("%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y", "%b %d %Y"),
    "ymd": ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"),
}
UNCLEAR = {"%d/%m/%Y": "%m/%d/%Y", "%d/%m/%y": "%m/%d/%y", "%d-%m-%Y": "%m-%d-%Y"}
MONTHS = {"mär": "mar", "mae": "mar", "mrz": "mar", "mai": "may", "okt": "oct", "dez": "dec"}
YEAR_FIRST = {"%d/%m/%y": "%y/%m/%d", "%m/%d/%y": "%y/%m/%d", "%d.%m.%y": "%y.%m.%d"}
MIDNIGHT = re.compile(r"(?<![\d:])24:00(?::00(?:\.0+)?)?(?![\d:.])")  # the end of a day
LONGEST = 100  # characters of a moment: what is longer is none
LEAST_SHARE = 0.9  # of the filled cells have to be of the form
TRIED = 50  # cells tell which forms are worth trying on all


def moments(cells: Cells, form: str = ISO) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """The cells as moments in time (UTC, microseconds), and which are none; both ``[n]``.

    A time of day alone is one of Monday, 5 January 1970.

    >>> values, wrong = moments(np.array(["2025-03-01 12:30", None, "soon"], dtype=object))
    >>> values.astype(str).tolist(), wrong.tolist()
    (['2025-03-01T12:30:00.000000', 'NaT', 'NaT'], [False, False, True])
    >>> values, _ = moments(np.array(["3.4.2025 8:05"], dtype=object), "%d.%m.%Y")
    >>> values.astype(str).tolist()
    ['2025-04-03T08:05:00.000000']
    """
    if cells.dtype.kind == "M":
        return cells.astype("datetime64[us]"), np.zeros(len(cells), dtype=bool)
    empty = missing(cells)
    if form in EPOCHS:
        counts, wrong = numbers(cells)
        wrong |= np.abs(counts) > MOST_TICKS / EPOCHS[form]
        ticks = np.where(empty | wrong, 0, counts) * EPOCHS[form]
        since = ticks.astype(np.int64).astype("datetime64[us]")
        return np.where(empty | wrong, NEVER, since), wrong
    if cells.dtype.kind == "f" and form == ISO:
        return np.full(len(cells), NEVER), ~empty
    texts = words(cells)
    values = np.array(
        [NEVER if text is None else _moment(text, form) for text in texts], dtype="datetime64[us]"
    )
    return values, ~empty & np.isnat(values)


def form_of(cells: Cells, name: str, order: str = "") -> tuple[str | None, str]:
    """The form of a column of filled cells, None if they are no moments; and what is wrong.

    ``order`` says whether the day (dmy) or the month (mdy) comes first, where that was said.
    """
    if cells.dtype.kind == "M":
        return ISO, ""
    values, wrong = numbers(cells)
    if not wrong.any():
        return _counted(values, name), ""
    if cells.dtype.kind == "f":
        return None, ""
    texts = [text for text in words(cells) if text is not None]
    found = {form: _share(texts, form) for form in _worth_trying(texts)}
    good = [form for form, share in found.items() if share >= LEAST_SHARE]
    for day_first, month_first in UNCLEAR.items():
        if day_first in found and month_first in found:
            form, unclear = _in_order(texts, day_first, month_first, order)
            break
    else:
        form, unclear = max(good, key=found.__getitem__, default=None), ""
    return form if form is None or order else _year_first(texts, form), unclear


def written(moment: np.datetime64, form: str) -> str:
    """A moment as its form writes it, in seconds; ``moments`` reads it back.

    >>> written(np.datetime64("2024-01-03T08:05:00"), "%d.%m.%Y")
    '03.01.2024 08:05:00'
    """
    if form in EPOCHS:
        return f"{moment.astype('datetime64[us]').astype(np.int64) / EPOCHS[form]:.0f}"
    time = moment.astype("datetime64[s]").item()
    if form == ISO:
        return str(time.isoformat())
    clock = "" if form in COMPACT.values() else "%H:%M:%S"
    return str(time.strftime(clock if form == CLOCK else f"{form} {clock}".strip()))


def described(form: str) -> str:
    """A form in words, for people.

    >>> described("%d.%m.%Y"), described("epoch s"), described("")
    ('dd.mm.yyyy', 'seconds since 1970', '')
    """
    if form in EPOCHS:
        unit = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
        return f"{unit[form.split()[1]]} since 1970"
    names = {"%d": "dd", "%m": "mm", "%Y": "yyyy", "%y": "yy", "%b": "mmm", "%H": "hh", "%M": "mm"}
    return re.sub(r"%.", lambda found: names.get(found[0], "ss"), form)


def _counted(values: NDArray[np.float64], name: str) -> str | None:
    """The form of numbers that are moments: a count since 1970, or the digits of a date."""
    low, high = values.min(), values.max()
    for form, ticks in EPOCHS.items():
        seconds = ticks / 1e6
        if EPOCH_YEARS[0] <= low * seconds and high * seconds <= EPOCH_YEARS[1]:
            return form if TIMELY.search(name) else None  # order numbers look the same
    digits = len(f"{high:.0f}")
    compact = COMPACT.get(digits)
    if compact is None or low == high or not 1900e4 < low / 10 ** (digits - 8) <= high < 2101e12:
        return None
    dates = (_moment(f"{value:.0f}", compact) for value in np.unique(values))
    return None if any(np.isnat(date) for date in dates) else compact


def _worth_trying(texts: Sequence[str]) -> list[str]:
    some = texts[:: max(1, len(texts) // TRIED)]
    forms = [ISO, CLOCK, *(form for forms in ORDERS.values() for form in forms)]
    return [form for form in forms if any(not np.isnat(_moment(text, form)) for text in some)]


def _share(texts: Sequence[str], form: str) -> float:
    return float(np.mean([not np.isnat(_moment(text, form)) for text in texts]))


def _year_first(texts: Sequence[str], form: str) -> str:
    """The form, or the one with the year in front where that makes fewer years of the dates.

    >>> _year_first(["25/03/01", "25/03/02"], "%d/%m/%y"), _year_first(["01/03/25"], "%d/%m/%y")
    ('%y/%m/%d', '%d/%m/%y')
    """
    other = YEAR_FIRST.get(form, form)
    if other == form or _share(texts, other) < LEAST_SHARE:
        return form
    own, others = (
        len({moment.astype("datetime64[Y]") for moment in map(partial(_moment, form=one), texts)})
        for one in (form, other)
    )
    return other if others < own else form


def _in_order(
    texts: Sequence[str], day_first: str, month_first: str, order: str
) -> tuple[str | None, str]:
    """Day or month first: as the dates can only be, or as was said."""
    days = [not np.isnat(_moment(text, day_first)) for text in texts]
    months = [not np.isnat(_moment(text, month_first)) for text in texts]
    if np.mean(np.logical_or(days, months)) < LEAST_SHARE:
        return None, ""
    only_days = next((t for t, d, m in zip(texts, days, months, strict=True) if d > m), None)
    only_months = next((t for t, d, m in zip(texts, days, months, strict=True) if m > d), None)
    if order:
        return (day_first if order == "dmy" else month_first), ""
    if only_days and only_months:
        return None, f"dates in two orders: {only_days} has the day first, {only_months} the month"
    if only_days or only_months:
        return (day_first if only_days else month_first), ""
    return None, (
        f"{texts[0]} may be day or month first: say which with `dates='dmy'` or `dates='mdy'`"
    )


def _moment(text: str, form: str) -> np.datetime64:
    if len(text) > LONGEST:
        return NEVER
    try:
        text, late = MIDNIGHT.subn("00:00", text) if "24:00" in text else (text, 0)
        iso = text.strip().removesuffix(" UTC")
        found = datetime.fromisoformat(iso) if form == ISO else _formed(text, form)
        found += timedelta(days=late)
        if found.tzinfo is not None:
            found = found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return NEVER
    return np.datetime64(found, "us")


def _formed(text: str, form: str) -> datetime:
    words = re.sub(r",|(?<=\d)T(?=\d)", " ", text).split()
    if form == CLOCK:
        return datetime.combine(datetime(1970, 1, 5), _clock(" ".join(words)))
    if len(words) > 1 and words[0].rstrip(".").isalpha() and form != "%b %d %Y":
        words = words[1:]  # the day of the week
    parts = form.count(" ") + 1
    day = _day(" ".join(words[:parts]), form)
    return datetime.combine(day, _clock(" ".join(words[parts:]))) if words[parts:] else day


@lru_cache(maxsize=1 << 14)
def _day(text: str, form: str) -> datetime:
    if "%b" in form:
        text = re.sub(r"[^\W\d_]+\.?", lambda word: _month(word[0]), text).replace(". ", " ")
    return datetime.strptime(text, form)


def _month(word: str) -> str:
    """A month's name in English or German, as three English letters; other words as they are."""
    short = word.casefold()[:3]
    return MONTHS.get(short, short) if len(word) > 2 else word


@lru_cache(maxsize=1 << 14)
def _clock(text: str) -> time:
    plain = re.sub(r"\s*(uhr|h|z|utc)$", "", text.casefold())
    if plain.endswith(("am", "pm", "a.m.", "p.m.")):
        spoken = plain.replace(".", "").replace(" ", "")
        return datetime.strptime(
            spoken, "%I:%M:%S%p" if spoken.count(":") > 1 else "%I:%M%p"
        ).time()
    hour, _, rest = plain.partition(":")
    if not rest:
        raise ValueError(f"{text} is no time")
    return time.fromisoformat(f"{hour:0>2}:{rest}")
