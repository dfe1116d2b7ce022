"""The stored calibrations: one file each, bound to the weights that made its scores.

A run can hold several under different names: one for the night shift, one for the new camera.
"""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from nice_anomaly.errors import ArtifactError, ConfigError, NotCalibratedError
from nice_anomaly.files import write
from nice_anomaly.run.stored import DAMAGE, FORMAT, read_tensors
from nice_anomaly.scores import Origin, Typicality
from nice_anomaly.thresholds import RULES, Bounds, Budget, Calibration, Group

DEFAULT = "default"
SUFFIX = ".calibration.safetensors"
SCORES, TYPICALITY = "scores.", "judge."


def calibration_bytes(calibration: Calibration) -> bytes:
    """A calibration as the content of its file; ``parse_calibration`` is the way back."""
    every = (calibration.overall, *calibration.groups)
    typicality = calibration.typicality
    record = {
        "rule": calibration.rule.name,
        "parameters": asdict(calibration.rule),  # type: ignore[call-overload]
        "tail": calibration.tail,
        "fingerprint": calibration.origin.weights,
        "group_column": calibration.group_column,
        "source": calibration.source,
        "alone": calibration.without_promise,
        "judge": None if typicality is None else typicality.name,
        "groups": [
            {"name": group.name, "members": group.members, **asdict(group.bounds)}
            for group in every
        ],
    } | ({"fresh": True} if calibration.fresh else {})
    if calibration.budget is not None:
        record["budget"] = asdict(calibration.budget)
    arrays: dict[str, NDArray[Any]] = {
        f"{SCORES}{place}": group.scores for place, group in enumerate(every)
    }
    if typicality is not None:
        arrays |= {TYPICALITY + name: array for name, array in typicality.arrays().items()}
    content: bytes = safetensors.torch.save(
        {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()},
        metadata={"format": str(FORMAT), "calibration": json.dumps(record)},
    )
    return content


def parse_calibration(content: bytes, weights: str, where: str, remedy: str) -> Calibration:
    """The calibration in the content of a file, if it was made by the weights of a run.

    ``weights`` is their fingerprint; ``where`` and ``remedy`` are for the errors.

    Raises:
        NotCalibratedError: it is one of other weights.
        ArtifactError: the file is damaged or of a newer version.
    """
    try:
        tensors, metadata = read_tensors(content)
        if int(metadata["format"]) > FORMAT:  # before anything in it is read
            raise ArtifactError(
                f"{where} was written by a newer version of nice-anomaly: upgrade with 'pip "
                f"install --upgrade nice-anomaly', or calibrate again. {remedy}"
            )
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        calibration = _restored(json.loads(metadata["calibration"]), arrays)
    except (*DAMAGE, ConfigError) as error:
        raise ArtifactError(f"{where} is damaged: calibrate again. {remedy}") from error
    if calibration.origin.weights != weights:
        raise NotCalibratedError(
            f"the threshold in {where} was made with other weights: it says nothing about "
            f"these. {remedy}"
        )
    return calibration


def save_calibration(path: Path, calibration: Calibration, name: str = DEFAULT) -> None:
    """Write a calibration of the run in ``path``, or leave the previous one of that name.

    Raises:
        ConfigError: the name is none for a file.
        ArtifactError: the folder cannot be written.
    """
    write(path / file_of(name), calibration_bytes(calibration))


def calibrations(path: Path) -> tuple[str, ...]:
    """The names of all calibrations of the run in ``path``, the default first."""
    names = {file.name.removesuffix(SUFFIX) for file in path.glob(f"*{SUFFIX}")}
    return tuple(sorted(names, key=lambda name: (name != DEFAULT, name)))


def load_calibration(path: Path, weights: str, name: str = DEFAULT) -> Calibration:
    """A calibration of the run in ``path``, if it was made by ``weights``, its fingerprint.

    Raises:
        ConfigError: the name is none for a file.
        NotCalibratedError: none of that name, or one of other weights.
        ArtifactError: the file is damaged or of a newer version.
    """
    file = path / file_of(name)
    naming = "" if name == DEFAULT else f"name='{name}'"
    remedy = f"Run `load_run({str(path)!r}).calibrate({naming})`."
    if not file.is_file():
        raise NotCalibratedError(absent(str(path), name, calibrations(path)) + remedy)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{file} cannot be read: {error.strerror}. {remedy}") from error
    return parse_calibration(content, weights, str(file), remedy)


def absent(where: str, name: str, others: tuple[str, ...]) -> str:
    """What is said where a run has no calibration of that name."""
    if not others:
        return f"the run {where} has no threshold yet. "
    wanted = "without a name" if name == DEFAULT else f"named '{name}'"
    return (
        f"the run {where} has no calibration {wanted}; it has: {', '.join(others)} "
        f"(`calibration=NAME`). "
    )


def file_of(name: str) -> str:
    """The file that holds a calibration.

    Raises:
        ConfigError: the name is none for a file.
    """
    if not re.fullmatch(r"[\w][\w.-]{0,63}", str(name)):
        raise ConfigError(
            f"a calibration is named by at most 64 letters, digits, dots and dashes, got "
            f"'{name:.80}'."
        )
    return f"{name}{SUFFIX}"


def _restored(record: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Calibration:
    typicality, score = None, record["judge"]
    if score is not None:
        own = {n.removeprefix(TYPICALITY): a for n, a in arrays.items() if n.startswith(TYPICALITY)}
        typicality = Typicality.restored(score, own)
    fit = "" if typicality is None else typicality.fingerprint
    overall, *groups = (
        Group(
            entry["name"],
            tuple(entry["members"]),
            Bounds(float(entry["low"]), float(entry["high"]), int(entry["rank"])),
            _sound(arrays[f"{SCORES}{place}"]),
        )
        for place, entry in enumerate(record["groups"])
    )
    if record["tail"] not in ("low", "both"):
        raise ValueError(record["tail"])
    return Calibration(
        rule=RULES[record["rule"]](**record["parameters"]),
        tail=record["tail"],
        origin=Origin(score or "likelihood", record["fingerprint"], fit),
        overall=overall,
        groups=tuple(groups),
        without_promise=tuple(record["alone"]),
        group_column=record["group_column"],
        source=record["source"],
        typicality=typicality,
        fresh=bool(record.get("fresh", False)),
        budget=Budget(**record["budget"]) if record.get("budget") else None,
    )


def _sound(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Scores as they were stored: in one increasing row."""
    if scores.ndim != 1 or not len(scores) or not (np.diff(scores[scores > -np.inf]) >= 0).all():
        raise ValueError("scores")
    return scores.astype(np.float64, copy=False)
