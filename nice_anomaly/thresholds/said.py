"""Said: what the scores of a calibration are, in words."""

from nice_anomaly.density import Density
from nice_anomaly.thresholds.calibration import Calibration
from nice_anomaly.vocabulary import ScoreName

SCORES: dict[ScoreName, str] = {
    "likelihood": "log-likelihood",
    "latents": "latents: bands of the log-likelihood, code length",
    "input": "input: bands of energy, code length, roughness, extent",
    "auto": "auto: how usual latents, input, code length and extent are",
}


def score_of(calibration: Calibration, model: Density) -> str:
    """What the scores are."""
    score = calibration.origin.score
    return model.quantity if score == "likelihood" else SCORES[score]
