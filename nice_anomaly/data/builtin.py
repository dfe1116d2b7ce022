"""The built-in sets by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nice_anomaly.data import idx_sets, sklearn_sets
from nice_anomaly.data.dataset import Dataset, Layout, Part
from nice_anomaly.data.idx_sets import IdxSet
from nice_anomaly.errors import ConfigError


@dataclass(frozen=True)
class BuiltIn:
    """What a built-in set is called, looks like, and how one part of it is read.

    ``classes`` reads what each of its samples shows, where that is known.
    """

    description: str
    layout: Layout
    load: Callable[[Part, Path], Dataset]
    classes: Callable[[Part, Path], list[str]] | None = None
    trainable: bool = True


def _shipped(load: Callable[[Part], Dataset]) -> Callable[[Part, Path], Dataset]:
    return lambda part, _: load(part)


def _published(description: str, source: IdxSet) -> BuiltIn:
    return BuiltIn(description, Layout("image", (28, 28), 256), source.load, source.classes)


BUILTIN: dict[str, BuiltIn] = {
    "mnist": _published("handwritten digits", idx_sets.MNIST),
    "kmnist": _published("cursive Japanese characters", idx_sets.KMNIST),
    "fashion": _published("photographs of clothes", idx_sets.FASHION),
    "digits": BuiltIn(
        "small handwritten digits",
        sklearn_sets.DIGITS,
        _shipped(sklearn_sets.digits),
        lambda part, _: sklearn_sets.digit_classes(part),
    ),
    "photos": BuiltIn(
        "patches of two photographs", sklearn_sets.DIGITS, _shipped(sklearn_sets.photos)
    ),
    "breast-cancer": BuiltIn(
        "benign cell nuclei", sklearn_sets.BREAST_CANCER, _shipped(sklearn_sets.benign)
    ),
    "breast-cancer-malignant": BuiltIn(
        "malignant cell nuclei",
        sklearn_sets.BREAST_CANCER,
        _shipped(sklearn_sets.malignant),
        trainable=False,
    ),
}


def builtin(name: str) -> BuiltIn:
    """The set of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in BUILTIN:
        raise ConfigError(f"there is no data set '{name}'. Choose one of: {', '.join(BUILTIN)}.")
    return BUILTIN[name]


def training_part(name: str, root: Path) -> Dataset:
    """The part that ``train`` and ``calibrate`` may see. It never touches the test files.

    Raises:
        ConfigError: no such set, or one that holds only anomalies.
        DataError: the files are missing or damaged.
    """
    source = builtin(name)
    if not source.trainable:
        raise ConfigError(f"'{name}' holds only anomalies: there is nothing normal to learn.")
    return source.load("train", root)


def evaluation_part(name: str, root: Path) -> Dataset:
    """The part that only ``detect`` and evaluations read.

    Raises:
        ConfigError: no such set.
        DataError: the files are missing or damaged.
    """
    return builtin(name).load("test", root)


def classes(name: str, part: Part, root: Path) -> list[str]:
    """What each sample of one part of a built-in set shows, ``[n]``.

    Raises:
        ConfigError: no such set, or one without classes.
        DataError: the files are missing or damaged.
    """
    read = builtin(name).classes
    if read is None:
        known = ", ".join(other for other, found in BUILTIN.items() if found.classes)
        raise ConfigError(f"'{name}' has no classes to group by; {known} have.")
    return read(part, root)
