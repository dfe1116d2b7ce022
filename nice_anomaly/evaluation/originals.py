"""Originals: image files corrupted at their own size, and only then brought into a run's form.

A corruption that vanishes on the way still counts: the file was odd, and the run cannot see it.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import ImageForm
from nice_anomaly.data.decoding import unheard_warnings
from nice_anomaly.data.images import original, resize
from nice_anomaly.evaluation.attempts import Attempt
from nice_anomaly.evaluation.corruptions import Images

Made = tuple[NDArray[Any], NDArray[np.bool_]]  # samples after an attempt [n, d], which count [n]

MOST_ORIGINALS = 200  # a second or so each, since every one is corrupted in fifty ways
THREADS = 8  # of which each holds one original and its corruption


def corrupted(
    files: Sequence[Path],
    places: NDArray[np.int64],
    form: ImageForm,
    tried: Sequence[Attempt[Images]],
    seed: int,
) -> Iterator[Made]:
    """The files at ``places`` after every attempt, in the form of a run.

    Every attempt on a file draws from a generator of its own, so that neither the order nor the
    number of files at a time changes what befalls it. A few files are in memory at a time.

    Raises:
        DataError: a file can no longer be read.
    """

    def made(number: int) -> Made:
        """One file after all attempts: ``[attempts, d]`` and ``[attempts]``."""
        image, previous = (_read(files[places[i]], form) for i in (number, number - 1))
        after, hit = np.empty((len(tried), form.layout.dimensions), np.uint8), []
        for which, attempt in enumerate(tried):
            before = image[None]
            if attempt.corruption.of_another:
                before = np.stack([image, _like(previous, image)])
            odd = attempt(before, np.random.default_rng([seed, which, int(places[number])]))
            after[which] = resize(odd[:1], form)
            hit.append(attempt.hit(before, odd)[0])
        return after, np.array(hit)

    with (
        unheard_warnings(),
        ThreadPoolExecutor(max_workers=min(THREADS, os.cpu_count() or 1)) as pool,
    ):
        afters, hits = zip(*pool.map(made, range(len(places))), strict=True)
    yield from zip(np.stack(afters, axis=1), np.stack(hits, axis=1), strict=True)


def _read(file: Path, form: ImageForm) -> Images:
    """A file at its own size and colour; one that has a shorter side than the form, in the form."""
    image = original(file)
    if image.shape[0] < form.height or image.shape[1] < form.width:
        return resize(image[None], form).reshape(form.layout.shape)
    return image


def _like(image: Images, other: Images) -> Images:
    """An image at the size and colour of another."""
    form = ImageForm(other.shape[0], other.shape[1], 1 if other.ndim == 2 else 3)
    return resize(image[None], form).reshape(other.shape)
