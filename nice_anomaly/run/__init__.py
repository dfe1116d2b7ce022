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
from nice_anomaly.run.checkpoint import drop_checkpoint, load_checkpoint, save_checkpoint
from nice_anomaly.run.folder import Trained, load_run, packed, refuse_taken, save_run, unpacked
from nice_anomaly.run.inspection import Seen, inspected
from nice_anomaly.run.manifest import MANIFEST, DataRecord, Manifest, load_manifest
from nice_anomaly.run.stored import FORMAT, OLD

__all__ = [
    "DEFAULT",
    "FORMAT",
    "MANIFEST",
    "OLD",
    "Canaries",
    "DataRecord",
    "Manifest",
    "Seen",
    "Trained",
    "absent",
    "calibration_bytes",
    "calibrations",
    "drop_checkpoint",
    "file_of",
    "inspected",
    "load_calibration",
    "load_checkpoint",
    "load_manifest",
    "load_run",
    "packed",
    "parse_calibration",
    "refuse_taken",
    "save_calibration",
    "save_checkpoint",
    "save_run",
    "sealed_calibration",
    "unpacked",
]
