"""Scoring with a run: built-in sets at once, a user's input as a stream."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

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
from nice_anomaly.run import Run
from nice_anomaly.runtime import choose_device, choose_precision
from nice_anomaly.score import Scores, score


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


def score_inputs(
    run: Run, inputs: Inputs, device: str = "auto", reading: Reading | None = None
) -> Iterator[tuple[Batch, Scores]]:
    """A user's samples and their log-likelihoods, batch by batch, in order and at constant memory.

    They are read as the run has learned to, or with other columns for names, labels and groups
    in ``reading``. The score of a sample that cannot be read is NaN.

    Raises:
        DataError: the input is not of the run's kind, or lacks a column.
        NumericsError: a score is not a number.
    """
    target = choose_device(device)
    flow, preprocess = run.flow.to(target), run.preprocess.to(target)
    precision = choose_precision(run.manifest.settings.train.precision, target)
    for batch in batches(inputs, reading or reading_of(run)):
        scores = score(flow, preprocess, torch.from_numpy(batch.values), precision=precision)
        scores[list(batch.faults)] = np.nan
        yield batch, scores


def _own_reading(run: Run) -> Reading:
    """How a run that learned a built-in set reads a user's files: images of the same form."""
    layout = run.manifest.data.layout
    if layout.kind != "image" or layout.levels != 256:
        raise DataError(
            f"the run {run.path} has learned the built-in set '{run.manifest.data.name}': it "
            f"reads no other tables. Train on your own with 'nice-anomaly train --input FILE'."
        )
    height, width = layout.shape
    return Reading(form=ImageForm(height, width, 1))


def score_dataset(
    run: Run, dataset: Dataset, device: str = "auto", noise_seed: int | None = None
) -> Scores:
    """Log-likelihoods of a set under a run, ``[n]``, in order.

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
    target = choose_device(device)
    return score(
        run.flow.to(target),
        run.preprocess.to(target),
        torch.from_numpy(dataset.values),
        precision=choose_precision(run.manifest.settings.train.precision, target),
        noise_seed=noise_seed,
    )


def evaluation_scores(run: Run, name: str, root: Path, device: str = "auto") -> Scores:
    """Scores of the test part of a built-in set.

    Raises:
        ConfigError: no such set.
        DataError: the data are missing, damaged, or of another shape.
    """
    return score_dataset(run, evaluation_part(name, root), device)
