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
from safetensors import SafetensorError

from nice_anomaly.calibrate import RULES, Bounds, Calibration, Group
from nice_anomaly.errors import ArtifactError, ConfigError, NotCalibratedError
from nice_anomaly.files import write
from nice_anomaly.judge import Judge
from nice_anomaly.run.folder import Run
from nice_anomaly.run.stored import FORMAT, read_tensors

DEFAULT = "default"
SUFFIX = ".calibration.safetensors"
SCORES, JUDGE = "scores.", "judge."
WRONG = (KeyError, TypeError, ValueError, ConfigError)  # what content by another hand gives


def save_calibration(run: Run, calibration: Calibration, name: str = DEFAULT) -> None:
    """Write a calibration of a run in one file, or leave the previous one of that name.

    Raises:
        ConfigError: the name is none for a file.
        ArtifactError: the folder cannot be written.
    """
    every = (calibration.everyone, *calibration.groups)
    record = {
        "rule": calibration.rule.name,
        "parameters": asdict(calibration.rule),  # type: ignore[call-overload]
        "tail": calibration.tail,
        "fingerprint": calibration.fingerprint,
        "group_column": calibration.group_column,
        "source": calibration.source,
        "alone": calibration.alone,
        "judge": None if calibration.judge is None else calibration.judge.name,
        "groups": [
            {"name": group.name, "members": group.members, **asdict(group.bounds)}
            for group in every
        ],
    }
    arrays: dict[str, NDArray[Any]] = {
        f"{SCORES}{place}": group.scores for place, group in enumerate(every)
    }
    if calibration.judge is not None:
        arrays |= {JUDGE + name: array for name, array in calibration.judge.arrays().items()}
    content = safetensors.torch.save(
        {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()},
        metadata={"format": str(FORMAT), "calibration": json.dumps(record)},
    )
    write(_file(run, name), content)


def calibrations(run: Run) -> tuple[str, ...]:
    """The names of all calibrations that a run holds, the default first."""
    names = {file.name.removesuffix(SUFFIX) for file in run.path.glob(f"*{SUFFIX}")}
    return tuple(sorted(names, key=lambda name: (name != DEFAULT, name)))


def load_calibration(run: Run, name: str = DEFAULT) -> Calibration:
    """A calibration of a run, if it was made by the weights that are there now.

    Raises:
        ConfigError: the name is none for a file.
        NotCalibratedError: none of that name, or one of other weights.
        ArtifactError: the file is damaged or of a newer version.
    """
    path = _file(run, name)
    naming = "" if name == DEFAULT else f" --name {name}"
    remedy = f"Run 'nice-anomaly calibrate --run {run.path}{naming}'."
    if not path.is_file():
        raise NotCalibratedError(_absent(run, name) + remedy)
    try:
        tensors, metadata = read_tensors(path)
        if int(metadata["format"]) > FORMAT:
            raise ArtifactError(  # before anything in it is read
                f"{path} was written by a newer version of nice-anomaly: upgrade with 'pip "
                f"install --upgrade nice-anomaly', or calibrate again. {remedy}"
            )
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        calibration = _restored(json.loads(metadata["calibration"]), arrays)
    except (SafetensorError, OSError, *WRONG) as error:
        raise ArtifactError(f"{path} is damaged: calibrate again. {remedy}") from error
    if calibration.fingerprint != run.manifest.fingerprint:
        raise NotCalibratedError(
            f"the threshold in {path} was made with other weights: it says nothing about "
            f"these. {remedy}"
        )
    return calibration


def _restored(record: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Calibration:
    judge = None
    if record["judge"] is not None:
        own = {n.removeprefix(JUDGE): a for n, a in arrays.items() if n.startswith(JUDGE)}
        judge = Judge.restored(record["judge"], own)
    everyone, *groups = (
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
        fingerprint=record["fingerprint"],
        everyone=everyone,
        groups=tuple(groups),
        alone=tuple(record["alone"]),
        group_column=record["group_column"],
        source=record["source"],
        judge=judge,
    )


def _sound(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Scores as they were stored: in one increasing row."""
    if scores.ndim != 1 or not len(scores) or not (np.diff(scores[scores > -np.inf]) >= 0).all():
        raise ValueError("scores")
    return scores.astype(np.float64, copy=False)


def _absent(run: Run, name: str) -> str:
    others = calibrations(run)
    if not others:
        return f"the run {run.path} has no threshold yet. "
    wanted = "without a name" if name == DEFAULT else f"named '{name}'"
    return (
        f"the run {run.path} has no calibration {wanted}; it has: {', '.join(others)} "
        f"(--calibration NAME). "
    )


def _file(run: Run, name: str) -> Path:
    if not re.fullmatch(r"[\w][\w.-]{0,63}", name):
        raise ConfigError(
            f"a calibration is named by at most 64 letters, digits, dots and dashes, got "
            f"'{name:.80}'."
        )
    return run.path / f"{name}{SUFFIX}"
