"""Library: what a user holds: ``learn`` and ``load_run`` make a ``Run`` with verbs."""

from nice_anomaly.library.binding import data_folder
from nice_anomaly.library.learn import begin, learn, load_run, settings_for
from nice_anomaly.library.verbs import Run
from nice_anomaly.library.verifying import verify

__all__ = ["Run", "begin", "data_folder", "learn", "load_run", "settings_for", "verify"]
