"""Plausible: what a manifest cannot say, though every entry of it has the right type."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, get_args

from nice_anomaly import flow
from nice_anomaly.data import BUILTIN, Column, Layout, TableReading
from nice_anomaly.density import Shape
from nice_anomaly.settings import Settings
from nice_anomaly.vocabulary import ModelName

if TYPE_CHECKING:
    from nice_anomaly.run.manifest import DataRecord, Manifest

HASH = re.compile("[0-9a-f]{64}")
PART = re.compile("[a-z]{1,32}")
PRECISIONS = ("float32", "bfloat16")
MOST_DIMENSIONS = 1_000_000
MOST_LEVELS = 256  # a value of an image is a byte
LONGEST_VERSION = 200
SAME = ("couplings", "layers", "prior", "activation", "draws", "sigma", "trainable_prior")


def faults(manifest: "Manifest") -> Iterator[str]:
    """The entries of a manifest that cannot be so, or not beside the others; by their names."""
    if not _moment(manifest.created):
        yield "created"
    texts = [text for pair in manifest.versions.items() for text in pair]
    if not texts or not all(0 < len(text) <= LONGEST_VERSION for text in texts):
        yield "versions"
    if not HASH.fullmatch(manifest.fingerprint):
        yield "fingerprint"
    parts = manifest.parts.items()
    if not all(PART.fullmatch(name) and HASH.fullmatch(content) for name, content in parts):
        yield "parts"
    yield from _of_precision(manifest)
    yield from _of_history(manifest)
    bundle = isinstance(manifest.architecture, flow.bundle.Architecture)
    yield from _of_data(manifest.data, folds=bundle)
    yield from _of_shape(manifest.architecture, manifest.settings, manifest.data.layout)


def _moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _of_precision(manifest: "Manifest") -> Iterator[str]:
    if manifest.precision not in PRECISIONS:
        yield "precision"
    if manifest.settings.train.precision not in ("auto", manifest.precision):
        yield "settings.train.precision"


def _of_history(manifest: "Manifest") -> Iterator[str]:
    history, best = manifest.history, manifest.best_epoch
    if not history or [epoch.epoch for epoch in history] != [*range(len(history))]:
        yield "history"
        return
    for epoch in history:
        numbers = epoch.train, epoch.samples_per_second, epoch.seconds
        held_out = epoch.early_stopping < float("inf")  # of held-out samples -∞ is possible
        if not held_out or not all(map(isfinite, numbers)) or min(numbers[1:]) < 0:
            yield f"history.{epoch.epoch}"
    most = max(epoch.early_stopping for epoch in history)
    if not 0 <= best < len(history) or history[best].early_stopping < most:
        yield "best_epoch"


def _cut(data: "DataRecord", *, folds: bool) -> bool:
    """Whether samples can have been cut so; in ``folds`` all are learned and all calibrate."""
    parts = data.fit, data.early_stopping, data.calibration
    if folds:
        return parts == (data.n, 0, data.n)
    return min(parts[:2]) >= 1 and data.calibration >= 0 and sum(parts) == data.n


def _of_data(data: "DataRecord", *, folds: bool) -> Iterator[str]:
    if not _possible(data.layout):
        yield "data.layout"
        return
    if not _cut(data, folds=folds):
        yield "data.n"
    if not 0 <= data.repeated <= data.calibration:
        yield "data.repeated"
    if not HASH.fullmatch(data.fingerprint):
        yield "data.fingerprint"
    known = BUILTIN.get(data.name) if data.reading is None else None
    if known is not None and known.layout != data.layout:
        yield "data.layout"
    if data.reading is not None and data.reading.layout != data.layout:
        yield "data.reading"
    if isinstance(data.reading, TableReading):
        columns = data.reading.columns
        if len({column.name for column in columns}) < len(columns):
            yield "data.reading.columns"
        for place, column in enumerate(columns):
            if not _sound(column):
                yield f"data.reading.columns.{place}"


def _possible(layout: Layout) -> bool:
    """Whether samples can be such."""
    shape = layout.shape
    if not all(1 <= side <= MOST_DIMENSIONS for side in shape):
        return False
    if layout.kind == "table":
        return len(shape) == 1 and layout.levels == 0
    coloured = len(shape) == 3 and shape[2] == 3
    return (len(shape) == 2 or coloured) and 2 <= layout.levels <= MOST_LEVELS


def _sound(column: Column) -> bool:
    """Whether the cells of a training can have been so."""
    numbers = [value for value in asdict(column).values() if isinstance(value, float)]
    return (
        all(map(isfinite, numbers))
        and column.low <= column.high
        and min(column.step, column.daily) >= 0
        and 0 <= column.missing <= 1
        and len(set(column.categories)) == len(column.categories)
        and (column.kind == "category") == bool(column.categories)
    )


def _of_shape(architecture: Shape, settings: Settings, layout: Layout) -> Iterator[str]:
    """An architecture has what the settings say of it, in the fields that both have."""
    if architecture.dimensions != layout.dimensions:
        yield "architecture.dimensions"
    if isinstance(architecture, flow.bundle.Architecture):
        if settings.data.folds not in ("auto", architecture.count):
            yield "architecture.count"
        architecture = architecture.member
    elif settings.data.folds not in ("auto", 0):
        yield "settings.data.folds"
    if architecture.kind not in get_args(ModelName):
        return
    if architecture.kind != settings.model:
        yield "settings.model"
        return
    section = settings.vae if settings.model == "vae" else settings.flow
    said: dict[str, Any] = section.model_dump(exclude_unset=True)  # early runs had fewer settings
    built = vars(architecture)
    for name in SAME:
        if name in built and built[name] != said.get(name, built[name]):
            yield f"architecture.{name}"
    if built["width"] > said.get("width", built["width"]):
        yield "architecture.width"
    if built.get("seed", settings.seed) != settings.seed:
        yield "architecture.seed"
