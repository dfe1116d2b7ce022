"""The built-in sets by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nice_anomaly.data import idx_sets, sklearn_sets
from nice_anomaly.data.dataset import Dataset, Layout, Part
from nice_anomaly.errors import ConfigError


@dataclass(frozen=True)
class BuiltIn:
    """What a built-in set is called, looks like, and how one part of it is read."""

    description: str
    layout: Layout
    load: Callable[[Part, Path], Dataset]
    trainable: bool = True


def _shipped(load: Callable[[Part], Dataset]) -> Callable[[Part, Path], Dataset]:
    return lambda part, _: load(part)


GREY_28 = Layout("image", (28, 28), 256)

BUILTIN: dict[str, BuiltIn] = {
    "mnist": BuiltIn("handwritten digits", GREY_28, idx_sets.MNIST.load),
    "kmnist": BuiltIn("cursive Japanese characters", GREY_28, idx_sets.KMNIST.load),
    "fashion": BuiltIn("photographs of clothes", GREY_28, idx_sets.FASHION.load),
    "digits": BuiltIn(
        "small handwritten digits", sklearn_sets.DIGITS, _shipped(sklearn_sets.digits)
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
