"""Said: what a calibration is, in words."""

from nice_anomaly.density import Density
from nice_anomaly.thresholds.budget import Budget
from nice_anomaly.thresholds.calibration import Calibration
from nice_anomaly.vocabulary import ScoreName

SCORES: dict[ScoreName, str] = {
    "likelihood": "log-likelihood",
    "latents": "latents: bands of the log-likelihood, code length",
    "input": "input: bands of energy, code length, roughness, extent",
    "auto": "auto: how usual latents, input, code length and extent are",
}
OF_ROWS = "auto: by likelihood, neighbours, whitened neighbours and local density"


def alarms_of(calibration: Calibration, budget: Budget) -> str:
    """How many false alarms a day there are, by what the rule promises of its rate."""
    if calibration.folds is None:
        return f"at most {budget} on average"
    proven = calibration.guaranteed_rate
    bound = "" if proven is None else f"; at most {budget.samples * proven:,.3g} are proven"
    return f"near {budget} on average{bound}"


def score_of(calibration: Calibration, model: Density) -> str:
    """What the scores are."""
    score = calibration.origin.score
    if calibration.origin.views:
        return OF_ROWS
    return model.quantity if score == "likelihood" else SCORES[score]
