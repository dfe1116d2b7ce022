"""Ways: how a run comes to more held-out normals."""

from math import ceil

from nice_anomaly.data import BuiltIn
from nice_anomaly.run import Manifest
from nice_anomaly.settings import LARGEST_SHARE
from nice_anomaly.words import count_of, sure


def more_held_out(manifest: Manifest, n: int, fewest: int) -> str:
    """What to do where the run's held-out part gave ``n`` scores and ``fewest`` are needed.

    Not every held-out sample has to give one: a score that is fitted on some takes the others.
    """
    data, settings = manifest.data, manifest.settings.data
    needed = ceil(fewest * data.calibration / max(1, n))
    ways = []
    share = settings.calibration
    if (
        isinstance(share, float)
        and needed <= LARGEST_SHARE
        and not isinstance(data.source, BuiltIn)
    ):
        total = count_of(ceil(needed / share), "normal sample")
        ways.append(f"on {total} in all, of which {sure(share)} are held out")
    if 2 * (data.early_stopping + needed) <= data.n:
        setting = f"`overrides=['data.calibration={needed}']`"
        ways.append(f"with {setting}, which holds out {needed:,} of the {data.n:,} there are")
    return f" Or train again {', or '.join(ways)}." if ways else ""
