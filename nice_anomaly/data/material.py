"""Material: normal samples ready to be learned, and what was asked of them beforehand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.dataset import Dataset, Kind
from nice_anomaly.data.images import Shrinking, shrinking
from nice_anomaly.data.reading import ImageReading, Reading
from nice_anomaly.data.sources import BuiltIn, Source
from nice_anomaly.data.splits import Split, fold_numbers, split, undivided
from nice_anomaly.data.tables import ANY, Dialect
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.settings import FOLDS, DataSettings
from nice_anomaly.words import count_of

Groups = NDArray[np.object_]
Watch = Callable[[int, int | None], None]  # samples read, of how many if that is known

FEWEST = 30  # normal samples: below that nothing is left to hold out
COLOURS = ("auto", "grey", "rgb")


@dataclass(frozen=True)
class Wishes:
    """What the user said of the input beforehand.

    ``size`` is (height, width) of images and ``colour`` auto, grey or rgb. ``ignored`` are
    columns to leave out. Fewer normal samples than ``fewest`` are refused. ``dialect`` says how
    tables are written.
    """

    size: tuple[int, int] | None = None
    colour: str = "auto"
    id_column: str | None = None
    label_column: str | None = None
    anomaly_values: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    skip_unreadable: bool = False
    fewest: int = FEWEST
    dialect: Dialect = ANY

    def check(self, kind: Kind) -> None:
        """Refuse what makes no sense, or none for this kind of input.

        Raises:
            ConfigError: it does not.
        """
        if (self.label_column is None) != (not self.anomaly_values):
            raise ConfigError(
                "`label_column` and `anomaly_values` belong together: which column, and which of "
                "its values mean anomaly."
            )
        if self.colour not in COLOURS:
            raise ConfigError(f"`colour` takes auto, grey or rgb, got '{self.colour}'.")
        if self.size is not None and not _is_size(self.size):
            raise ConfigError(
                f"`size` takes a height and a width in pixels, like (28, 28), got {self.size!r}."
            )
        if kind == "table" and (self.size is not None or self.colour != "auto"):
            raise ConfigError("`size` and `colour` are for images; this input is a table.")
        if kind == "image" and (
            self.id_column is not None or self.label_column is not None or self.ignored
        ):
            raise ConfigError(
                "`id_column`, `label_column`, `anomaly_values` and `ignored` are for tables; this "
                "input is images, named by their files."
            )
        if kind == "image" and self.dialect != ANY:
            raise ConfigError(
                "`separator`, `decimal`, `dates` and `sheet` are for tables; this input is images."
            )


@dataclass(frozen=True)
class Material:
    """Normal samples ready to be learned, their split, and where they came from.

    ``total`` counts all samples of the input, ``anomalies`` those that a label kept out,
    ``unlabelled`` those without one and ``unreadable`` those that could not be read; ``labels``
    are the values of the label column. ``groups`` ``[n]`` are there where the reading asks for
    them, ``files`` ``[n]`` where every sample is an image file, ``names`` ``[n]`` of rows.
    """

    dataset: Dataset
    split: Split
    source: Source
    total: int
    anomalies: int = 0
    unlabelled: int = 0
    unreadable: int = 0
    labels: tuple[str, ...] = ()
    groups: Groups | None = None
    files: tuple[Path, ...] = ()
    names: tuple[str, ...] = ()

    @cached_property
    def shrinking(self) -> Shrinking | None:
        """What is lost of image files that are larger than the form of the run."""
        reading = self.reading
        return shrinking(self.files, reading.form) if isinstance(reading, ImageReading) else None

    @property
    def reading(self) -> Reading | None:
        """How the samples were read; a built-in set needs none."""
        return None if isinstance(self.source, BuiltIn) else self.source.reading


def unwatched(done: int, total: int | None) -> None:
    """What hears of the progress where nobody looks."""


def split_of(n: int, settings: DataSettings, seed: int) -> Split:
    """The split of ``n`` samples that the settings ask for; ``in_folds`` cuts what is whole.

    Raises:
        ConfigError: the held-out parts do not fit.
    """
    if settings.folds_for(n):
        return undivided(n)
    stop, calibrate = settings.counts(n)
    return split(n, early_stopping=stop, calibration=calibrate, seed=seed)


def in_folds(material: Material, settings: DataSettings, seed: int) -> Material:
    """With the fold of every sample, if that is how the settings cut them.

    Raises:
        DataError: fewer different samples, or groups, than folds.
    """
    parts = material.split
    if len(parts.early_stopping):
        return material
    count = settings.folds_for(len(material.dataset)) or FOLDS
    groups = None if settings.group_column is None else material.groups
    own = None if groups is None else list(groups)
    hashes, fewer = material.dataset.row_hashes, settings.folds == "auto"
    numbers = fold_numbers(count, hashes, seed, own, fewer=fewer)
    return replace(material, split=replace(parts, folds=numbers))


def refuse_few(n: int, fewest: int, name: str) -> None:
    """Raises DataError when there are fewer than ``fewest`` normal samples."""
    if n < max(1, fewest):
        raise DataError(
            f"{name} has {count_of(n, 'normal sample')}; at least {max(1, fewest)} are needed to "
            f"learn from some and to set a threshold from others."
        )


def refuse_identical(dataset: Dataset) -> None:
    """Raises DataError when all samples are the same."""
    if (dataset.values == dataset.values[:1]).all():
        raise DataError(
            f"all {len(dataset):,} normal samples of {dataset.name} are the same: there is "
            f"nothing to learn from. Check that it is the right input."
        )


def _is_size(size: object) -> bool:
    return (
        isinstance(size, tuple | list)
        and len(size) == 2
        and all(isinstance(side, int) and side > 0 and side is not True for side in size)
    )
