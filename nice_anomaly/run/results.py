"""Results: what ``stress`` and ``compare`` found last, kept beside the run for its report.

Each is a sealed JSON file with the fingerprints of the weights and of the calibration that it was
found with. No verdict depends on them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from nice_anomaly.errors import ArtifactError
from nice_anomaly.files import there, write
from nice_anomaly.limits import limit
from nice_anomaly.run.calibration import DEFAULT, calibration_bytes
from nice_anomaly.run.seal import sealed_json, unsealed_json
from nice_anomaly.run.stored import DAMAGE, FORMAT, content_of, denied, digest
from nice_anomaly.thresholds import Calibration

Verb = Literal["stress", "compare"]

VERBS: tuple[Verb, ...] = ("stress", "compare")
RESULT = re.compile(r"(?:stress|compare)-[0-9a-f]{12}\.json")
ENTRIES = {"format", "verb", "weights", "calibration", "created", "found"}
SHARES = {"stress": ("flagged_rate",), "compare": ("auroc",)}
ROWS = {"stress": "trials", "compare": "methods"}
TEXTS = {"stress": ("corruption", "words"), "compare": ("method", "verdict")}
NUMBERS = {"stress": ("grade", "n"), "compare": ("lead", "seconds")}
SWITCHES = {"stress": "plainest", "compare": "ours"}


@dataclass(frozen=True)
class Result:
    """What a verb found, as plain values; ``calibration`` is the fingerprint of the one it took."""

    verb: Verb
    weights: str
    calibration: str
    created: str
    found: Mapping[str, Any]


def result_file(verb: Verb, weights: str) -> str:
    """The file of a result: that of other weights has another name."""
    return f"{verb}-{weights[:12]}.json"


def fingerprint(calibration: Calibration) -> str:
    """What names a calibration, whatever it is called."""
    return digest(calibration_bytes(calibration, DEFAULT))


def save_result(path: Path, verb: Verb, calibration: Calibration, found: Mapping[str, Any]) -> None:
    """Write what a verb found with the run in ``path``, over what it found before.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    weights = calibration.origin.weights
    created = datetime.now().astimezone().isoformat(timespec="seconds")
    result = Result(verb, weights, fingerprint(calibration), created, found)
    write(path / result_file(verb, weights), sealed_json({"format": FORMAT, **vars(result)}))


def load_result(path: Path, verb: Verb, weights: str) -> Result | None:
    """What a verb found last with these weights; None if nothing is kept.

    Raises:
        ArtifactError: the file is damaged, or may not be read.
    """
    file = path / result_file(verb, weights)
    if not there(file):
        return None
    try:
        document = unsealed_json(content_of(file, limit("result")))
        if document.keys() != ENTRIES or document.pop("format") != FORMAT:
            raise ValueError("entries")
        result = Result(**document)
        _refuse_implausible(result, verb, weights)
    except PermissionError as error:
        raise ArtifactError(denied(file)) from error
    except (*DAMAGE, RecursionError) as error:
        raise ArtifactError(f"{file} is damaged: remove it, and run {verb} again.") from error
    return result


def _refuse_implausible(result: Result, verb: Verb, weights: str) -> None:
    """Raises an error of ``DAMAGE`` for a result that the verb cannot have had."""
    rows = result.found[ROWS[verb]]
    fitting = (result.verb, result.weights) == (verb, weights) and bool(rows)
    for row in rows:
        low, high = map(float, row["interval"])
        fitting = fitting and low <= high and isinstance(row[SWITCHES[verb]], bool)
        fitting = fitting and all(0 <= float(row[name]) <= 1 for name in SHARES[verb])
        fitting = fitting and all(isinstance(row[name], str) for name in TEXTS[verb])
        fitting = fitting and all(abs(float(row[name])) < float("inf") for name in NUMBERS[verb])
    datetime.fromisoformat(result.created)
    if not fitting or not isinstance(result.calibration, str):
        raise ValueError("found")
