"""Data: what comes in, from where, and which part of it may be used for what."""

from nice_anomaly.data.builtin import BUILTIN, builtin, classes, evaluation_part, training_part
from nice_anomaly.data.dataset import Dataset, Kind, Layout, row_hashes
from nice_anomaly.data.images import ImageForm
from nice_anomaly.data.inputs import (
    FOLDER,
    Batch,
    Inputs,
    Reading,
    Truth,
    batches,
    recognise,
    refuse_unreadable,
)
from nice_anomaly.data.learn import Material, Watch, Wishes, learn, recall, unwatched
from nice_anomaly.data.splits import Split, split
from nice_anomaly.data.tables import Column

__all__ = [
    "BUILTIN",
    "FOLDER",
    "Batch",
    "Column",
    "Dataset",
    "ImageForm",
    "Inputs",
    "Kind",
    "Layout",
    "Material",
    "Reading",
    "Split",
    "Truth",
    "Watch",
    "Wishes",
    "batches",
    "builtin",
    "classes",
    "evaluation_part",
    "learn",
    "recall",
    "recognise",
    "refuse_unreadable",
    "row_hashes",
    "split",
    "training_part",
    "unwatched",
]
