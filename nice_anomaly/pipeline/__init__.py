"""Pipeline: the steps of train, calibrate and detect, put together once for command and scripts.

Nothing here prints. Training and calibration reach data only through the training part.
"""

from nice_anomaly.pipeline.compare import MOST_COMPARED, OURS, Contest, compare
from nice_anomaly.pipeline.normals import (
    CLASS,
    Normals,
    fresh,
    held_out,
    held_out_log_likelihood,
    own_data,
    own_normals,
    unjudged,
)
from nice_anomaly.pipeline.remarks import remarks
from nice_anomaly.pipeline.scoring import (
    evaluation_scores,
    measuring,
    reading_of,
    score_dataset,
    score_inputs,
)
from nice_anomaly.pipeline.stress import Trial, stress
from nice_anomaly.pipeline.training import Job, prepare, versions

__all__ = [
    "CLASS",
    "MOST_COMPARED",
    "OURS",
    "Contest",
    "Job",
    "Normals",
    "Trial",
    "compare",
    "evaluation_scores",
    "fresh",
    "held_out",
    "held_out_log_likelihood",
    "measuring",
    "own_data",
    "own_normals",
    "prepare",
    "reading_of",
    "remarks",
    "score_dataset",
    "score_inputs",
    "stress",
    "unjudged",
    "versions",
]
