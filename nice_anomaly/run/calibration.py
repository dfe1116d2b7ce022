"""The stored calibrations: one file each, bound to the weights that made its scores.

A run can hold several under different names: one for the night shift, one for the new camera.
"""

import json
import re
from collections.abc import Set
from dataclasses import asdict, fields
from errno import EFBIG
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.errors import ArtifactError, ConfigError, NotCalibratedError
from nice_anomaly.files import write
from nice_anomaly.limits import beyond, limit
from nice_anomaly.run.plausible import HASH
from nice_anomaly.run.seal import sealed_tensors, unsealed_tensors
from nice_anomaly.run.stored import (
    DAMAGE,
    FORMAT,
    OLD,
    content_of,
    denied,
    metadata_of,
    read_tensors,
)
from nice_anomaly.scores import Alignment, Origin, Typicality
from nice_anomaly.thresholds import ALL, RULES, Bounds, Budget, Calibration, Group
from nice_anomaly.thresholds.bounds import number
from nice_anomaly.thresholds.sound import follows
from nice_anomaly.vocabulary import ScoreName

DEFAULT = "default"
SUFFIX = ".calibration.safetensors"
SCORES, TYPICALITY = "scores.", "judge."
FOLDS = f"{SCORES}0.folds"
NAMELESS: tuple[ScoreName, ScoreName] = ("likelihood", "auto")  # of nothing fitted, of views
NAME = re.compile(r"[\w][\w.-]{0,63}")
ENTRIES = frozenset(
    ("rule", "parameters", "tail", "fingerprint", "group_column", "source", "alone", "judge")
) | {"groups"}
SOMETIMES = frozenset(("fresh", "budget", "views"))
OF_GROUP = frozenset(("name", "members", "low", "high", "rank"))


def calibration_bytes(calibration: Calibration, name: str = DEFAULT) -> bytes:
    """A calibration as the content of its file; ``parse_calibration`` is the way back."""
    every = (calibration.overall, *calibration.groups)
    typicality = calibration.typicality
    record = {
        "name": name,
        "fit": calibration.origin.typicality,
        "rule": calibration.rule.name,
        "parameters": asdict(calibration.rule),  # type: ignore[call-overload]
        "tail": calibration.tail,
        "fingerprint": calibration.origin.weights,
        "group_column": calibration.group_column,
        "source": calibration.source,
        "alone": calibration.without_promise,
        "judge": None if typicality is None else typicality.name,
        "groups": [
            {"name": group.name, "members": group.members, "n": group.n, **asdict(group.bounds)}
            for group in every
        ],
    } | ({"fresh": True} if calibration.fresh else {})
    if calibration.origin.views:
        record["views"] = calibration.origin.views
    if calibration.budget is not None:
        record["budget"] = asdict(calibration.budget)
    arrays: dict[str, NDArray[Any]] = {
        f"{SCORES}{place}": group.scores for place, group in enumerate(every)
    }
    if calibration.folds is not None:
        arrays[FOLDS] = calibration.folds
    if typicality is not None:
        arrays |= {TYPICALITY + name: array for name, array in typicality.arrays().items()}
    tensors = {key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in arrays.items()}
    metadata = {"format": str(FORMAT), "calibration": json.dumps(record)}
    return sealed_tensors(tensors, metadata)


def parse_calibration(
    content: bytes, name: str, weights: str, where: str, remedy: str, *, old: bool = False
) -> Calibration:
    """The calibration in the content of a file, if it was made by the weights of a run.

    ``name`` and ``weights``, their fingerprint, are what it has to say of itself; ``where`` and
    ``remedy`` are for the errors. An ``old`` run may have calibrations without a seal.

    Raises:
        NotCalibratedError: it is one of other weights.
        ArtifactError: the file is damaged, of another name or of another version.
    """
    again, home = f"calibrate again. {remedy}", str(Path(where).parent)
    try:
        written = metadata_of(content)["format"]
        if written.isdecimal() and int(written) > FORMAT:  # before anything in it is read
            raise ArtifactError(
                f"{where} was written by a newer version of nice-anomaly: upgrade with 'pip "
                f"install --upgrade nice-anomaly', or {again}"
            )
        if written == str(OLD) and not old:
            raise ArtifactError(
                f"{where} was written by an older version of nice-anomaly and proves nothing of "
                f"itself. Run `load_run({home!r}).verify(upgrade=True)` if you trust it, or {again}"
            )
        calibration, named = _parsed(content, written, name)
    except (*DAMAGE, ConfigError) as error:
        raise ArtifactError(f"{where} is damaged: {again}") from error
    if named != name:
        raise ArtifactError(
            f"{where} is the calibration '{named}' under another name: rename it back to "
            f"{named}{SUFFIX}, or {again}"
        )
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
    write(path / file_of(name), calibration_bytes(calibration, name))


def sealed_calibration(path: Path, name: str) -> bool:
    """Whether a calibration that can be read proves itself."""
    content = content_of(path / file_of(name), limit("calibration"))
    return metadata_of(content)["format"] == str(FORMAT)


def calibrations(path: Path) -> tuple[str, ...]:
    """The names of all calibrations of the run in ``path``, the default first.

    Raises:
        ArtifactError: the folder may not be read.
    """
    try:
        files = [file.name for file in path.iterdir()]
    except PermissionError as error:
        raise ArtifactError(denied(path)) from error
    except OSError:
        return ()
    names = {file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX)}
    known = (name for name in names if NAME.fullmatch(name))
    return tuple(sorted(known, key=lambda name: (name != DEFAULT, name)))


def load_calibration(
    path: Path, weights: str, name: str = DEFAULT, *, old: bool = False
) -> Calibration:
    """A calibration of the run in ``path``, if it was made by ``weights``, its fingerprint.

    Raises:
        ConfigError: the name is none for a file.
        NotCalibratedError: none of that name, or one of other weights.
        ArtifactError: the file is damaged, may not be read, or is of another version.
    """
    file = path / file_of(name)
    naming = "" if name == DEFAULT else f"name='{name}'"
    remedy = f"Run `load_run({str(path)!r}).calibrate({naming})`."
    try:
        content = content_of(file, limit("calibration"))
    except (FileNotFoundError, NotADirectoryError) as error:
        others = calibrations(path)
        if name in others:
            raise ArtifactError(f"{file} leads nowhere: calibrate again. {remedy}") from error
        raise NotCalibratedError(absent(str(path), name, others) + remedy) from error
    except PermissionError as error:
        raise ArtifactError(denied(file)) from error
    except OSError as error:
        why = f"{file} cannot be read ({error.strerror}): calibrate again. {remedy}"
        large = error.errno == EFBIG
        raise ArtifactError(beyond("calibration", None, file) if large else why) from error
    return parse_calibration(content, name, weights, str(file), remedy, old=old)


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
    if not NAME.fullmatch(str(name)):
        raise ConfigError(
            f"a calibration is named by at most 64 letters, digits, dots and dashes, got "
            f"'{name:.80}'."
        )
    return f"{name}{SUFFIX}"


def _parsed(content: bytes, written: str, name: str) -> tuple[Calibration, str]:
    """The calibration in a file of the format ``written``, and its name as far as it says it."""
    sealed = written == str(FORMAT)
    tensors, metadata = unsealed_tensors(content) if sealed else read_tensors(content)
    if written not in (str(OLD), str(FORMAT)) or metadata.keys() != {"format", "calibration"}:
        raise ValueError("metadata")
    record = json.loads(metadata["calibration"])
    _refuse_others(record, ENTRIES | ({"name", "fit"} if sealed else set()), SOMETIMES)
    for group in record["groups"]:
        _refuse_others(group, OF_GROUP | ({"n"} if sealed else set()))
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    return _restored(record, arrays), record.get("name", name)


def _refuse_others(
    entry: dict[str, Any], needed: Set[str], allowed: Set[str] = frozenset()
) -> None:
    """Raises ValueError for entries that are missing or unknown."""
    if not needed <= entry.keys() <= needed | allowed:
        raise ValueError("entries")


def _restored(record: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Calibration:
    typicality, score = None, record["judge"]
    own = {n.removeprefix(TYPICALITY): a for n, a in arrays.items() if n.startswith(TYPICALITY)}
    if score is not None:
        typicality = Typicality.restored(score, own)
    views = record.get("views", "")
    if "views" in record and (typicality is not None or not HASH.fullmatch(views)):
        raise ValueError("views")
    fit = "" if typicality is None else typicality.fingerprint
    if fit != record.get("fit", fit):
        raise ValueError("fit")
    overall, *groups = (
        _group(entry, arrays[f"{SCORES}{place}"]) for place, entry in enumerate(record["groups"])
    )
    folds, aligned = arrays.get(FOLDS), ""
    if len(arrays) != 1 + len(groups) + (len(own) if typicality else 0) + (folds is not None):
        raise ValueError("tensors")
    if folds is not None:
        if folds.dtype != np.int16 or folds.shape != overall.scores.shape or folds.min() < 0:
            raise ValueError("folds")
        aligned = Alignment(overall.scores, folds).fingerprint
    rule, fresh, budget = RULES[record["rule"]], record.get("fresh", False), record.get("budget")
    _refuse_others(record["parameters"], {field.name for field in fields(rule)})  # type: ignore[arg-type]
    if overall.name != ALL or not isinstance(fresh, bool) or not isinstance(record["alone"], list):
        raise ValueError("overall")
    calibration = Calibration(
        rule=rule(**record["parameters"]),
        tail=record["tail"],
        origin=Origin(
            score or NAMELESS[bool(views)], record["fingerprint"], fit, views, aligned=aligned
        ),
        overall=overall,
        groups=tuple(groups),
        without_promise=tuple(record["alone"]),
        group_column=record["group_column"],
        source=record["source"],
        typicality=typicality,
        fresh=fresh,
        budget=None if budget is None else Budget(**budget),
        folds=folds,
    )
    if not follows(calibration):
        raise ValueError("thresholds")
    return calibration


def _group(entry: dict[str, Any], scores: NDArray[Any]) -> Group:
    """A group as it was stored, with as many scores as it says."""
    if scores.dtype != np.float64 or entry.get("n", len(scores)) != len(scores):
        raise ValueError("scores")
    if not isinstance(entry["rank"], int) or not isinstance(entry["members"], list):
        raise TypeError("group")
    bounds = Bounds(number("low", entry["low"]), number("high", entry["high"]), entry["rank"])
    return Group(entry["name"], tuple(entry["members"]), bounds, scores)
