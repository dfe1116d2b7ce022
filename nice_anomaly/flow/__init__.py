"""Flow: the mathematics of NICE. Pure torch; knows no paths, no settings, no printing."""

from nice_anomaly.flow import bundle
from nice_anomaly.flow.bundle import Bundle
from nice_anomaly.flow.mixture import MixturePrior
from nice_anomaly.flow.nice import PRIORS, Architecture, Flow

__all__ = ["PRIORS", "Architecture", "Bundle", "Flow", "MixturePrior", "bundle"]
