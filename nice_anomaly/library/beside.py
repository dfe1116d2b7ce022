"""Beside: which other runs may be held against a run on the same samples."""

from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.evaluation.compare import Contender
from nice_anomaly.evaluation.opponents import Opponents
from nice_anomaly.library.binding import Binding
from nice_anomaly.normals import refuse_learned
from nice_anomaly.run import DEFAULT
from nice_anomaly.thresholds import Calibration


def contender(run: Binding, against: Calibration | None, name: str = "") -> Contender:
    """A run as a method; without a calibration it ranks by its log-likelihood, or bound."""
    return Contender(name or run.manifest.architecture.kind, run.scorer(against), against)


def beside_us(run: Binding, other: Binding, on: Opponents) -> Contender:
    """The method that ``other`` is, with its default calibration if it has one.

    Raises:
        ConfigError: it is the same run, learned other data, or what is compared on.
        NotCalibratedError, ArtifactError: its default calibration is of other weights, or damaged.
    """
    ours, theirs = run.manifest, other.manifest
    if ours.fingerprint == theirs.fingerprint:
        raise ConfigError(f"{other.name} is the run itself: name another one to hold beside it.")
    if ours.data.fingerprint != theirs.data.fingerprint:
        raise ConfigError(
            f"{other.name} has learned other data ({theirs.data.name}: {theirs.data.n:,} "
            f"{theirs.data.layout}) than {run.name} ({ours.data.name}: {ours.data.n:,} "
            f"{ours.data.layout}; fingerprints {theirs.data.fingerprint[:8]} and "
            f"{ours.data.fingerprint[:8]}): what differs would not be the model. Train both on the "
            f"same."
        )
    try:
        refuse_learned(other.trained, on.normal, "those compared on")
    except DataError as error:
        raise ConfigError(
            f"{other.name} was split otherwise than {run.name} and has learned what both would be "
            f"compared on. Train both with the same `seed` and the same settings of data."
        ) from error
    against = other.calibration() if DEFAULT in other.calibrations else None
    return contender(other, against, f"{theirs.architecture.kind}: {other.name}")
