"""Run: the folder that holds flow, preprocessing, calibration and provenance, and proves itself.

Nothing in it is pickled; every file is put in place whole or not at all.
"""

from nice_anomaly.run.calibration import (
    DEFAULT,
    calibrations,
    load_calibration,
    save_calibration,
)
from nice_anomaly.run.checkpoint import drop_checkpoint, load_checkpoint, save_checkpoint
from nice_anomaly.run.folder import Run, load_run, save_run
from nice_anomaly.run.manifest import DataRecord, Manifest, load_manifest

__all__ = [
    "DEFAULT",
    "DataRecord",
    "Manifest",
    "Run",
    "calibrations",
    "drop_checkpoint",
    "load_calibration",
    "load_checkpoint",
    "load_manifest",
    "load_run",
    "save_calibration",
    "save_checkpoint",
    "save_run",
]
