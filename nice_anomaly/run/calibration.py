"""The stored calibration: one file, bound to the weights that made its scores."""

import json

import safetensors.torch
import torch
from safetensors import SafetensorError

from nice_anomaly.calibrate import Calibration
from nice_anomaly.errors import ArtifactError, NotCalibratedError
from nice_anomaly.files import write
from nice_anomaly.run.folder import Run
from nice_anomaly.run.stored import FORMAT, read_tensors

CALIBRATION = "calibration.safetensors"


def save_calibration(run: Run, calibration: Calibration) -> None:
    """Write the calibration of a run in one file, or leave the previous one.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    record = {key: value for key, value in vars(calibration).items() if key != "scores"}
    content = safetensors.torch.save(
        {"scores": torch.from_numpy(calibration.scores)},
        metadata={"format": str(FORMAT), "calibration": json.dumps(record)},
    )
    write(run.path / CALIBRATION, content)


def load_calibration(run: Run) -> Calibration:
    """The calibration of a run, if it was made by the weights that are there now.

    Raises:
        NotCalibratedError: none yet, or one of other weights.
        ArtifactError: the file is damaged or of a newer version.
    """
    path = run.path / CALIBRATION
    remedy = f"Run 'nice-anomaly calibrate --run {run.path}'."
    if not path.is_file():
        raise NotCalibratedError(f"the run {run.path} has no threshold yet. {remedy}")
    try:
        tensors, metadata = read_tensors(path)
        if int(metadata["format"]) > FORMAT:
            raise ArtifactError(
                f"{path} was written by a newer version of nice-anomaly: upgrade with 'pip "
                f"install --upgrade nice-anomaly', or calibrate again. {remedy}"
            )
        record = json.loads(metadata["calibration"])
        calibration = Calibration(**record, scores=tensors["scores"].numpy())
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged: calibrate again. {remedy}") from error
    if calibration.fingerprint != run.manifest.fingerprint:
        raise NotCalibratedError(
            f"the threshold in {run.path} was made with other weights: it says nothing about "
            f"these. {remedy}"
        )
    return calibration
