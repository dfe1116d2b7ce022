"""Limits: how large a part of an input may be, so that none takes all memory or all day.

A larger one is refused by name. Who means it raises the limit for one command:
``NICE_ANOMALY_LIMITS="pixels=400000000, columns=50000"``.
"""

import os
import re
from collections.abc import Mapping

from nice_anomaly.errors import ConfigError, DataError

VARIABLE = "NICE_ANOMALY_LIMITS"
LIMITS: Mapping[str, tuple[int, str]] = {
    "neighbours": (1 << 26, "bytes of rows to hold beside others"),
    "pixels": (100_000_000, "pixels in an image"),
    "columns": (16_384, "columns in a table"),
    "cells": (100_000_000, "cells to learn from"),
    "texts": (400_000_000, "characters of text to learn from"),
    "cell": (1_000_000, "characters in a cell"),
    "line": (20_000_000, "characters in a line"),
    "unpacked": (1 << 30, "bytes when unpacked"),
    "page": (1 << 27, "bytes in a page of Parquet"),
    "batch": (1 << 29, "bytes in a batch of Arrow"),
    "strings": (40_000_000, "bytes of texts in a workbook"),
    "members": (50_000, "files in an archive"),
    "image": (450_000_000, "bytes to hold while it is decoded"),
    "download": (100_000_000, "bytes in a download"),
    "downloading": (1_800, "seconds for a download"),
    "pipe": (60, "seconds without a writer"),
    "manifest": (50_000_000, "bytes in a run.json"),
    "calibration": (1 << 30, "bytes in a calibration"),
    "result": (10_000_000, "bytes in a result of stress or compare"),
    "checkpoint": (4 << 30, "bytes"),
    "explained": (20_000, "samples to explain at once"),
    "heatmaps": (1_000, "heat maps in a folder"),
    "settings": (100_000, "characters in a settings file"),
}


def limit(name: str) -> int:
    """The limit of that name, as the environment has it or else its default.

    Raises:
        ConfigError: the environment names a limit that is none, or gives it no whole number.

    >>> limit("columns")
    16384
    """
    return _raised().get(name, LIMITS[name][0])


def refuse_beyond(name: str, found: int, where: object) -> None:
    """Raises DataError if ``where`` has more than the limit of that name allows; see ``beyond``."""
    if found > limit(name):
        raise DataError(beyond(name, found, where))


def beyond(name: str, found: int | None, where: object) -> str:
    """That something has more than the limit, and how to raise it.

    ``found`` is None where counting on would cost what the limit saves.
    """
    most, what = limit(name), LIMITS[name][1]
    many = "more than" if found is None else f"{found:,}, more than"
    enough = "…" if found is None else found
    return (
        f"{where} has {many} {most:,} {what}. If that is meant, raise the limit: "
        f"{VARIABLE}='{name}={enough}'."
    )


def _raised() -> dict[str, int]:
    """What the environment says."""
    found = {}
    for entry in filter(None, re.split(r"[,;\s]+", os.environ.get(VARIABLE, ""))):
        name, _, number = entry.partition("=")
        if name not in LIMITS:
            raise ConfigError(
                f"{VARIABLE}: there is no limit '{name}'. Known: {', '.join(LIMITS)}."
            )
        if not re.fullmatch(r"[1-9][0-9]{0,17}", number):
            raise ConfigError(f"{VARIABLE}: {name} takes a whole number above 0, got '{number}'.")
        found[name] = int(number)
    return found
