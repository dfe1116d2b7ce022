"""Data: what comes in, from where, and which part of it may be used for what."""

from nice_anomaly.data.builtin import BUILTIN, builtin, evaluation_part, training_part
from nice_anomaly.data.dataset import Dataset, Kind, Layout
from nice_anomaly.data.splits import Split, split

__all__ = [
    "BUILTIN",
    "Dataset",
    "Kind",
    "Layout",
    "Split",
    "builtin",
    "evaluation_part",
    "split",
    "training_part",
]
