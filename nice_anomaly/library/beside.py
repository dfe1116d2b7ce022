"""Beside: which other runs may be held against a run on the same samples."""

from collections.abc import Sequence

from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.evaluation.compare import Contender
from nice_anomaly.evaluation.opponents import Opponents
from nice_anomaly.library.binding import Binding
from nice_anomaly.run import DEFAULT
from nice_anomaly.thresholds import Calibration
from nice_anomaly.twins import refuse_learned


def contender(run: Binding, against: Calibration | None, name: str = "") -> Contender:
    """A run as a method; without a calibration it ranks by its log-likelihood, or bound."""
    return Contender(name or run.manifest.settings.model, run.scorer(against), against)


def beside_us(run: Binding, others: Sequence[Binding], on: Opponents) -> list[Contender]:
    """The methods that ``others`` are, each with its default calibration if it has one.

    Raises:
        ConfigError: one is the same run, learned other data, or what is compared on.
        NotCalibratedError, ArtifactError: its default calibration is of other weights, or damaged.
    """
    known = {run.manifest.fingerprint}
    for other in others:
        if other.manifest.fingerprint in known:
            again = "the run itself" if other.manifest == run.manifest else "named twice"
            raise ConfigError(f"{other.name} is {again}: name another one to hold beside it.")
        known.add(other.manifest.fingerprint)
    return [_beside(run, other, on) for other in others]


def _beside(run: Binding, other: Binding, on: Opponents) -> Contender:
    ours, theirs = run.manifest, other.manifest
    if ours.data.fingerprint != theirs.data.fingerprint:
        raise ConfigError(
            f"{other.name} has learned other data ({theirs.data.name}: {theirs.data.n:,} "
            f"{theirs.data.described}) than {run.name} ({ours.data.name}: {ours.data.n:,} "
            f"{ours.data.described}; fingerprints {theirs.data.fingerprint[:8]} and "
            f"{ours.data.fingerprint[:8]}): what differs would not be the model. Train both on the "
            f"same."
        )
    if on.in_folds is not None:
        raise ConfigError(
            f"{run.name} was trained in folds, and {other.name} has learned the normal samples "
            f"that would be compared on. Give other normal samples beside the anomalies, with "
            f"`label_column`, or a built-in set."
        )
    try:
        refuse_learned(other.trained, on.normal, "those compared on")
    except DataError as error:
        raise ConfigError(
            f"{other.name} was split otherwise than {run.name} and has learned what both would be "
            f"compared on. Train both with the same `seed` and the same settings of data."
        ) from error
    against = other.calibration() if DEFAULT in other.calibrations else None
    return contender(other, against, f"{theirs.settings.model}: {other.name}")
