"""Own data: what a run was trained on, found again with the same split, and how a run reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import (
    BuiltIn,
    ImageForm,
    ImageReading,
    InMemory,
    Inputs,
    Material,
    Own,
    Reading,
    Shrinking,
    builtin_material,
    classes,
    recall,
    recognise,
    row_hashes,
)
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.run import Manifest, Trained
from nice_anomaly.scores import InFolds, Typicality, halves

FRESH = "Give fresh normals with `calibrate(inputs)`"
CLASS = "class"  # as a group of a built-in set: what a sample shows


@dataclass(frozen=True)
class OwnData:
    """The data of a run with its split; ``groups`` ``[n]`` of all samples where asked for."""

    material: Material
    groups: Sequence[str | None] | None
    seed: int

    @property
    def learned(self) -> NDArray[Any]:
        """The samples that the model was fitted to, ``[n, d]``."""
        return self.material.dataset.values[self.material.split.fit]

    def some_learned(self, most: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """About ``most`` of them, evenly taken, and their places among them."""
        fit = self.material.split.fit
        places = np.arange(0, len(fit), max(1, len(fit) // most))
        return self.material.dataset.values[fit[places]], places

    @property
    def in_folds(self) -> InFolds | None:
        """All samples with their folds, where each was kept from one of several flows."""
        parts = self.material.split
        return None if parts.folds is None else InFolds(parts.folds)

    @property
    def held_out_places(self) -> NDArray[np.int64]:
        """Those of the samples kept for calibration: in folds all, each kept from one flow."""
        parts = self.material.split
        return parts.calibration if parts.folds is None else parts.fit

    @property
    def held_out(self) -> NDArray[Any]:
        """Those samples, ``[n, d]``."""
        return self.material.dataset.values[self.held_out_places]

    @property
    def held_out_groups(self) -> list[str | None] | None:
        """The groups of those."""
        return at(self.groups, self.held_out_places)

    @property
    def held_out_files(self) -> list[Path]:
        """The image files of those, if they are all files."""
        files = self.material.files
        return [files[place] for place in self.held_out_places] if files else []

    @property
    def shrinking(self) -> Shrinking | None:
        """What is lost of image files that are larger than the form of the run."""
        return self.material.shrinking

    def untouched(self, typicality: Typicality | None) -> NDArray[np.int64]:
        """Places of the held-out samples that no typicality was fitted on."""
        held = self.held_out
        if typicality is None:
            return np.arange(len(held))
        return halves(row_hashes(held), self.seed)[1]


def own_data(
    run: Trained, root: Path, group_column: str | None = None, memory: Inputs | None = None
) -> OwnData:
    """What a run was trained on; ``memory`` are its data if they never were in a file.

    Raises:
        ConfigError: the data have no such groups.
        DataError: the data are missing, damaged, or not those of the training.
    """
    data, kept_together = run.manifest.data, run.manifest.settings.data.group_column
    material = own_material(run.manifest, root, kept_together or group_column, memory)
    if material.dataset.fingerprint != data.fingerprint:
        where, remedy = data.name, FRESH
        if isinstance(data.source, BuiltIn):
            where = f"the '{data.name}' data in {root}"
            remedy = "Name the folder it was trained from with `data_root`"
        raise DataError(
            f"{where} are not the data that the run was trained on: its held-out part cannot be "
            f"found again. {remedy}, or train again."
        )
    named = material
    if group_column is not None and kept_together not in (None, group_column):
        named = own_material(run.manifest, root, group_column, memory)
    groups = None if group_column is None else _groups(data.source, named, group_column, root)
    return OwnData(material, groups, run.manifest.settings.seed)


def own_material(
    manifest: Manifest,
    root: Path,
    group_column: str | None = None,
    memory: Inputs | None = None,
) -> Material:
    """The samples that are where a run's data were, cut as they were then.

    Raises:
        ConfigError: the data have no such groups.
        DataError: they are missing or damaged.
    """
    settings = manifest.settings
    match manifest.data.source:
        case BuiltIn(name):
            return builtin_material(name, settings.cut, settings.seed, root)
        case Own(arguments, reading):
            inputs = recognise(arguments)
        case InMemory(reading):
            if memory is None:
                raise DataError(
                    f"the run has learned '{manifest.data.name}' in memory, which is gone: its "
                    f"held-out part cannot be found again. {FRESH}."
                )
            inputs = memory
    wanted = _grouped(reading, group_column)
    return recall(inputs, wanted, settings.cut, settings.seed, fewest=1)  # they were enough once


def reading_of(run: Trained, group_column: str | None = None) -> Reading:
    """How a run reads a user's samples; with groups if they are asked for.

    Raises:
        ConfigError: images that should be grouped by a column.
        DataError: the run has learned a built-in set that no files are like.
    """
    data = run.manifest.data
    reading = data.reading
    if reading is None:
        if data.layout.kind != "image" or data.layout.levels != 256:
            raise DataError(
                f"the run has learned the built-in set '{data.name}': it reads no files of another "
                f"form. Train on your own with `learn(inputs)`."
            )
        height, width = data.layout.shape
        reading = ImageReading(ImageForm(height, width, 1))
    return _grouped(reading, group_column)


def at(groups: Sequence[str | None] | None, places: NDArray[np.int64]) -> list[str | None] | None:
    """The groups of the samples at ``places``."""
    return None if groups is None else [groups[place] for place in places]


def _grouped(reading: Reading, group_column: str | None) -> Reading:
    return reading if group_column is None else reading.grouped_by(group_column)


def _groups(
    source: object, material: Material, group_column: str, root: Path
) -> Sequence[str | None]:
    if material.groups is not None:
        return list(material.groups)
    assert isinstance(source, BuiltIn)
    if group_column != CLASS:
        raise ConfigError(
            f"a built-in set has no column '{group_column}': `group_column='{CLASS}'` groups its "
            f"samples by what they show."
        )
    return classes(source.name, "train", root)
