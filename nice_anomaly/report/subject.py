"""Subject: what a report is about, as values that others have made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nice_anomaly.explain.value import Reasons
from nice_anomaly.report.gathered import Gathered, Sample
from nice_anomaly.run import Manifest, Result
from nice_anomaly.thresholds import Calibration

Explained = Sequence[tuple[Sample, Reasons]]


@dataclass(frozen=True, eq=False)
class Subject:
    """A run with a calibration, and what ``stress`` and ``compare`` found with both.

    ``remarks`` say what of it is left out, and why. ``quantity`` is what the scores are,
    ``learning`` what training has raised. ``command`` is what asked for the report, if anything.
    """

    run: str
    manifest: Manifest
    calibration: Calibration
    name: str
    quantity: str
    learning: str
    parameters: int
    results: Mapping[str, Result]
    remarks: tuple[str, ...] = ()
    title: str = ""
    command: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in ``source``: the ``record`` of its summary, and what the report shows.

    ``normal`` says what every sample is, where that is known of the whole set.
    """

    source: str
    record: Mapping[str, Any]
    gathered: Gathered
    odd: Explained
    close: Explained
    normal: bool | None = None
