"""The built-in sets by name: their parts, their classes, and what a run learns from them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nice_anomaly.data import idx_sets, sklearn_sets
from nice_anomaly.data.dataset import Dataset, Layout, Part
from nice_anomaly.data.idx_sets import IdxSet
from nice_anomaly.data.material import Material, in_folds, split_of
from nice_anomaly.data.sources import BuiltIn
from nice_anomaly.errors import ConfigError
from nice_anomaly.settings import DataSettings


@dataclass(frozen=True)
class SetRecord:
    """What a built-in set looks like, and how one part of it is read.

    ``classes`` reads what each of its samples shows, where that is known. A set that is not
    ``trainable`` holds only anomalies.
    """

    layout: Layout
    load: Callable[[Part, Path], Dataset]
    classes: Callable[[Part, Path], list[str]] | None = None
    trainable: bool = True


def _shipped(load: Callable[[Part], Dataset]) -> Callable[[Part, Path], Dataset]:
    return lambda part, _: load(part)


def _published(source: IdxSet) -> SetRecord:
    return SetRecord(Layout("image", (28, 28), 256), source.load, source.classes)


BUILTIN: dict[str, SetRecord] = {
    "mnist": _published(idx_sets.MNIST),
    "kmnist": _published(idx_sets.KMNIST),
    "fashion": _published(idx_sets.FASHION),
    "digits": SetRecord(
        sklearn_sets.DIGITS,
        _shipped(sklearn_sets.digits),
        lambda part, _: sklearn_sets.digit_classes(part),
    ),
    "photos": SetRecord(sklearn_sets.DIGITS, _shipped(sklearn_sets.photos)),
    "breast-cancer": SetRecord(sklearn_sets.BREAST_CANCER, _shipped(sklearn_sets.benign)),
    "breast-cancer-malignant": SetRecord(
        sklearn_sets.BREAST_CANCER, _shipped(sklearn_sets.malignant), trainable=False
    ),
}


def builtin(name: str) -> BuiltIn:
    """The set of that name as a source.

    Raises:
        ConfigError: there is none.
    """
    _record(name)
    return BuiltIn(name)


def training_part(name: str, root: Path) -> Dataset:
    """The part that ``train`` and ``calibrate`` may see. It never touches the test files.

    Raises:
        ConfigError: no such set, or one that holds only anomalies.
        DataError: the files are missing or damaged.
    """
    record = _record(name)
    if not record.trainable:
        raise ConfigError(f"'{name}' holds only anomalies: there is nothing normal to learn.")
    return record.load("train", root)


def builtin_material(name: str, settings: DataSettings, seed: int, root: Path) -> Material:
    """The training part of a built-in set and its split, as a run learns from it.

    Raises:
        ConfigError: no such set, one that holds only anomalies, or a split that cannot be.
        DataError: the files are missing or damaged.
    """
    dataset = training_part(name, root)
    parts = split_of(len(dataset), settings, seed)
    if settings.group_column is not None:
        raise ConfigError("`group_column` is for folds of your own samples.")
    return in_folds(Material(dataset, parts, builtin(name), len(dataset)), settings, seed)


def evaluation_part(name: str, root: Path) -> Dataset:
    """The part that only ``detect`` and evaluations read.

    Raises:
        ConfigError: no such set.
        DataError: the files are missing or damaged.
    """
    return _record(name).load("test", root)


def classes(name: str, part: Part, root: Path) -> list[str]:
    """What each sample of one part of a built-in set shows, ``[n]``.

    Raises:
        ConfigError: no such set, or one without classes.
        DataError: the files are missing or damaged.
    """
    read = _record(name).classes
    if read is None:
        known = ", ".join(other for other, found in BUILTIN.items() if found.classes)
        raise ConfigError(f"'{name}' has no classes to group by; {known} have.")
    return read(part, root)


def _record(name: str) -> SetRecord:
    if name not in BUILTIN:
        raise ConfigError(f"there is no data set '{name}'. Choose one of: {', '.join(BUILTIN)}.")
    return BUILTIN[name]
