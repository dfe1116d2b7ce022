"""Run: the folder that holds model, preprocessing, calibrations and provenance, and proves itself.

Nothing in it is pickled; every file is put in place whole or not at all.
"""

from nice_anomaly.run.calibration import (
    DEFAULT,
    absent,
    calibration_bytes,
    calibrations,
    file_of,
    load_calibration,
    parse_calibration,
    save_calibration,
    sealed_calibration,
)
from nice_anomaly.run.canaries import Canaries
from nice_anomaly.run.checkpoint import (
    checkpoint_file,
    damaged_checkpoint,
    drop_checkpoint,
    load_checkpoint,
    same_training,
    save_checkpoint,
)
from nice_anomaly.run.claim import ClaimedError, claimed
from nice_anomaly.run.folder import Trained, load_run, packed, unpacked
from nice_anomaly.run.inspection import Seen, inspected
from nice_anomaly.run.manifest import MANIFEST, DataRecord, Manifest, load_manifest
from nice_anomaly.run.references import References
from nice_anomaly.run.results import Result, fingerprint, load_result, save_result
from nice_anomaly.run.saving import new_run, refuse_taken, save_run, tidy, unfinished_run
from nice_anomaly.run.stored import FORMAT, OLD

__all__ = [
    "DEFAULT",
    "FORMAT",
    "MANIFEST",
    "OLD",
    "Canaries",
    "ClaimedError",
    "DataRecord",
    "Manifest",
    "References",
    "Result",
    "Seen",
    "Trained",
    "absent",
    "calibration_bytes",
    "calibrations",
    "checkpoint_file",
    "claimed",
    "damaged_checkpoint",
    "drop_checkpoint",
    "file_of",
    "fingerprint",
    "inspected",
    "load_calibration",
    "load_checkpoint",
    "load_manifest",
    "load_result",
    "load_run",
    "new_run",
    "packed",
    "parse_calibration",
    "refuse_taken",
    "same_training",
    "save_calibration",
    "save_checkpoint",
    "save_result",
    "save_run",
    "sealed_calibration",
    "tidy",
    "unfinished_run",
    "unpacked",
]
