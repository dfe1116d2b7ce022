"""Scoring with a run: built-in sets at once, a user's input as a stream."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.data import (
    FOLDER,
    Batch,
    Dataset,
    ImageForm,
    Inputs,
    Reading,
    batches,
    evaluation_part,
)
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.flow import Flow
from nice_anomaly.judge import Judge
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run import Run
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.score import Scores, score, statistics_of

Measure = Callable[[NDArray[Any]], NDArray[np.float64]]


def reading_of(run: Run, group_column: str | None = None) -> Reading:
    """How a run reads a user's files; with groups if they are asked for.

    Raises:
        ConfigError: images that should be grouped by a column.
        DataError: the run has learned a built-in table.
    """
    reading = run.manifest.data.reading or _own_reading(run)
    if group_column is None:
        return reading
    if reading.form is not None and group_column != FOLDER:
        raise ConfigError(
            f"images have no column '{group_column}': '--group-column {FOLDER}' groups them by "
            f"the folders they lie in."
        )
    return replace(reading, group_column=group_column)


def measuring(run: Run, device: str, judge: Judge | None, noise_seed: int | None = None) -> Measure:
    """What makes scores of raw values: log-likelihoods, or a judge's opinion.

    With ``noise_seed`` log-likelihoods are those at a random place in each level.
    """
    if judge is not None:
        look = looking(run, device)
        return lambda values: judge(look(values))
    flow, preprocess, precision = _placed(run, device)
    return lambda values: score(
        flow, preprocess, torch.from_numpy(values), precision=precision, noise_seed=noise_seed
    )


def looking(run: Run, device: str) -> Measure:
    """What makes statistics of the images of a run, ``[n, S]``: what judges look at."""
    flow, preprocess, precision = _placed(run, device)
    shape = run.manifest.data.layout.shape
    return lambda values: statistics_of(
        flow, preprocess, torch.from_numpy(values), shape, precision=precision
    )


def _placed(run: Run, device: str) -> tuple[Flow, Preprocess, torch.dtype]:
    """The flow and its preprocessing where they compute, and how precisely."""
    target = choose_device(device)
    precision = choose_precision(run.manifest.settings.train.precision, target)
    return run.flow.to(target), run.preprocess.to(target), precision


def measured_inputs(
    inputs: Inputs, reading: Reading, measure: Measure
) -> Iterator[tuple[Batch, NDArray[np.float64]]]:
    """A user's samples and what ``measure`` makes of them, batch by batch, at constant memory.

    That of a sample that cannot be read is NaN.

    Raises:
        DataError: the input is not of the run's kind, or lacks a column.
        NumericsError: a score is not a number.
    """
    for batch in batches(inputs, reading):
        found = measure(batch.values)
        found[list(batch.faults)] = np.nan
        yield batch, found


def score_inputs(
    run: Run,
    inputs: Inputs,
    device: str = "auto",
    reading: Reading | None = None,
    judge: Judge | None = None,
) -> Iterator[tuple[Batch, Scores]]:
    """A user's samples and their scores, batch by batch, in order and at constant memory.

    They are read as the run has learned to, or with other columns for names, labels and groups
    in ``reading``. The scores are log-likelihoods, unless a ``judge`` makes others. See
    ``measured_inputs``.
    """
    yield from measured_inputs(inputs, reading or reading_of(run), measuring(run, device, judge))


def _own_reading(run: Run) -> Reading:
    """How a run that learned a built-in set reads a user's files: images of the same form."""
    layout = run.manifest.data.layout
    if layout.kind != "image" or layout.levels != 256:
        raise DataError(
            f"the run {run.path} has learned the built-in set '{run.manifest.data.name}': it "
            f"reads no files of another form. Train on your own with 'nice-anomaly train --input'."
        )
    height, width = layout.shape
    return Reading(form=ImageForm(height, width, 1))


def score_dataset(
    run: Run,
    dataset: Dataset,
    device: str = "auto",
    noise_seed: int | None = None,
    judge: Judge | None = None,
) -> Scores:
    """Log-likelihoods of a set under a run, or a ``judge``'s scores, ``[n]``, in order.

    Raises:
        DataError: the set's samples are not of the run's kind and shape.
        NumericsError: a score is not a number.
    """
    expected = run.manifest.data
    if dataset.layout != expected.layout:
        raise DataError(
            f"'{dataset.name}' holds {dataset.layout}, but the run {run.path} has learned "
            f"'{expected.name}', {expected.layout}. Choose a set of the same kind, or train on one."
        )
    return measuring(run, device, judge, noise_seed)(dataset.values)


def evaluation_scores(
    run: Run, name: str, root: Path, device: str = "auto", judge: Judge | None = None
) -> Scores:
    """Scores of the test part of a built-in set.

    Raises:
        ConfigError: no such set.
        DataError: the data are missing, damaged, or of another shape.
    """
    return score_dataset(run, evaluation_part(name, root), device, judge=judge)
