"""Sets that ship with scikit-learn: they need no download and fit a demonstration."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data.dataset import Dataset, Layout, Part

T = TypeVar("T", bound=np.generic)

DIGITS = Layout("image", (8, 8), 17)
BREAST_CANCER = Layout("table", (30,), 0)
SHUFFLE_SEED = 2014  # fixed: which samples are the test part must never depend on a run's seed


def digits(part: Part) -> Dataset:
    """8 × 8 handwritten digits with 17 grey levels: 1,297 to learn from, 500 to test on."""
    from sklearn.datasets import load_digits

    images = load_digits().data.astype(np.uint8)
    return Dataset("digits", DIGITS, _part(images, part, test=500))


def digit_classes(part: Part) -> list[str]:
    """The digit that each of them shows."""
    from sklearn.datasets import load_digits

    return [str(digit) for digit in _part(load_digits().target, part, test=500)]


def photos(part: Part) -> Dataset:
    """8 × 8 patches of scikit-learn's two sample photographs, as grey as the digits.

    The photographs are shrunk threefold first, so that a patch shows structure and not only
    a shade; the temple is the training part, the flower the test part.
    """
    from sklearn.datasets import load_sample_images

    temple, flower = load_sample_images().images
    grey = (temple if part == "train" else flower).mean(axis=2)
    height, width = (size // 24 * 24 for size in grey.shape)
    small = grey[:height, :width].reshape(height // 3, 3, width // 3, 3).mean(axis=(1, 3))
    patches = small.reshape(height // 24, 8, width // 24, 8).swapaxes(1, 2).reshape(-1, 64)
    levels = np.rint(patches / 255 * (DIGITS.levels - 1)).astype(np.uint8)
    return Dataset("photos", DIGITS, levels)


def benign(part: Part) -> Dataset:
    """The benign rows of the Wisconsin breast cancer table: 257 to learn from, 100 to test on."""
    rows = _breast_cancer(malignant=False)
    return Dataset("breast-cancer", BREAST_CANCER, _part(rows, part, test=100))


def malignant(part: Part) -> Dataset:
    """The 212 malignant rows of the same table, to be found; there is nothing to learn from."""
    rows = _breast_cancer(malignant=True)
    return Dataset("breast-cancer-malignant", BREAST_CANCER, _part(rows, part, test=len(rows)))


def _breast_cancer(*, malignant: bool) -> NDArray[np.float64]:
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    rows: NDArray[np.float64] = table.data[(table.target == 0) == malignant]
    return rows


def _part(values: NDArray[T], part: Part, test: int) -> NDArray[T]:
    order = np.random.default_rng(SHUFFLE_SEED).permutation(len(values))
    chosen = order[:test] if part == "test" else order[test:]
    return values[np.sort(chosen)]
