"""Data: what comes in, from where, and which part of it may be used for what."""

from nice_anomaly.data.arrays import Arrays
from nice_anomaly.data.batches import Batch, batches
from nice_anomaly.data.builtin import (
    BUILTIN,
    SetRecord,
    builtin,
    builtin_material,
    classes,
    evaluation_part,
    training_part,
)
from nice_anomaly.data.dataset import Dataset, Kind, Layout, row_hashes
from nice_anomaly.data.find import Inputs, recognise, set_or_inputs
from nice_anomaly.data.images import ImageForm, Shrinking
from nice_anomaly.data.labels import Truth, absent_values, truth_of
from nice_anomaly.data.learn import learn, recall
from nice_anomaly.data.material import FEWEST, Material, Watch, Wishes, unwatched
from nice_anomaly.data.reading import (
    FOLDER,
    ImageReading,
    Reading,
    TableReading,
    restored,
    stored,
)
from nice_anomaly.data.sources import BuiltIn, InMemory, Own, Source
from nice_anomaly.data.splits import Split, split
from nice_anomaly.data.tables import (
    ANY,
    Cells,
    Column,
    Dialect,
    DialectWords,
    Frame,
    Written,
    decode,
    written,
)

__all__ = [
    "ANY",
    "BUILTIN",
    "FEWEST",
    "FOLDER",
    "Arrays",
    "Batch",
    "BuiltIn",
    "Cells",
    "Column",
    "Dataset",
    "Dialect",
    "DialectWords",
    "Frame",
    "ImageForm",
    "ImageReading",
    "InMemory",
    "Inputs",
    "Kind",
    "Layout",
    "Material",
    "Own",
    "Reading",
    "SetRecord",
    "Shrinking",
    "Source",
    "Split",
    "TableReading",
    "Truth",
    "Watch",
    "Wishes",
    "Written",
    "absent_values",
    "batches",
    "builtin",
    "builtin_material",
    "classes",
    "decode",
    "evaluation_part",
    "learn",
    "recall",
    "recognise",
    "restored",
    "row_hashes",
    "set_or_inputs",
    "split",
    "stored",
    "training_part",
    "truth_of",
    "unwatched",
    "written",
]
