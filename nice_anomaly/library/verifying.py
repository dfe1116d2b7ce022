"""Verifying: whether a run is whole, and whether this machine makes the scores that it had."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nice_anomaly import run
from nice_anomaly.errors import (
    ArtifactError,
    DataError,
    NiceAnomalyError,
    NotCalibratedError,
    NumericsError,
)
from nice_anomaly.flow import Bundle
from nice_anomaly.library.binding import Binding
from nice_anomaly.run import OLD, Canaries, Trained
from nice_anomaly.scores import Scores
from nice_anomaly.scores.scorer import LIKELIHOOD
from nice_anomaly.thresholds import Calibration, detect
from nice_anomaly.words import count_of

# Of the spread of scores. Other threads, batches and instruction sets, and float64, change float32
# scores by up to 0.000005 of it, and bfloat16 differs from float32 by up to 0.004.
TOLERANCES = {"float32": 1e-4, "bfloat16": 2e-2}
LEAST_SPREAD = 1.0  # nats


@dataclass(frozen=True)
class Rescored:
    """The canaries of a run, ``n`` of them, scored again.

    ``largest`` is the largest difference in nats, of the one at ``place``; ``changed`` says how
    many have another verdict by each calibration whose scores follow from these.
    """

    n: int
    drawn: bool
    then: str
    now: str
    largest: float
    place: int
    tolerance: float
    changed: Mapping[str, int]

    @property
    def alike(self) -> bool:
        """Whether the scores are those that were, up to what rounding may do."""
        return self.largest <= self.tolerance


@dataclass(frozen=True)
class Verified:
    """What is in a run folder, and what its canaries and data say.

    ``canaries`` are None where there are none to be scored, as in an ``old`` run. ``data`` says
    whether the training data are there, if that was asked. ``problems`` are all that is wrong.
    """

    name: str
    files: tuple[run.Seen, ...]
    old: bool
    canaries: Rescored | None
    data: str
    problems: tuple[NiceAnomalyError, ...]

    @property
    def problem(self) -> NiceAnomalyError | None:
        """The first thing that is wrong."""
        return next(iter(self.problems), None)

    def record(self) -> dict[str, Any]:
        """As plain values."""
        files = [
            {"name": seen.name, "state": seen.state, "why": str(seen.error) if seen.error else None}
            for seen in self.files
        ]
        return {
            "run": self.name,
            "sound": self.problem is None,
            "format": run.OLD if self.old else run.FORMAT,
            "files": files,
            "canaries": None if self.canaries is None else asdict(self.canaries),
            "data": self.data or None,
        }


def verify(
    path: Path | str,
    *,
    device: str = "auto",
    data_root: Path | str | None = None,
    data: bool = False,
    upgrade: bool = False,
) -> Verified:
    """Check a run folder that perhaps cannot be loaded; see ``Run.verify``."""
    folder = Path(path)
    try:
        trained = run.load_run(folder)
    except (ArtifactError, NumericsError) as error:
        files = run.inspected(folder)
        found = [seen.error for seen in files if seen.error and _counts(seen)]
        return Verified(str(folder), files, False, None, "", tuple(found or [error]))
    return Verifying(trained, folder, device=device, data_root=data_root).verify(
        data=data, upgrade=upgrade
    )


class Verifying(Binding):
    """A run that is checked."""

    def verify(self, *, data: bool = False, upgrade: bool = False) -> Verified:
        """Check every file of the run's folder, and score its canaries on this machine.

        With ``data`` the training data are looked for too. ``upgrade`` first writes a run of an
        older version anew, with the same weights: from then on every file proves itself. What is
        wrong is in the result, not raised.

        Raises:
            ArtifactError: the folder cannot be written or listed.
        """
        if upgrade:
            self._upgrade()
        files = () if self.path is None else run.inspected(self.path)
        problems = [seen.error for seen in files if seen.error and _counts(seen)]
        rescored, found = None, ""
        try:
            if self.manifest.format != OLD:
                rescored = self._rescored()
                problems += _difference(self.name, rescored)
        except (ArtifactError, NumericsError) as error:
            if str(error) not in map(str, problems):
                problems.append(error)
        if data:
            found, fault = self._data()
            problems += fault
        old = self.manifest.format == OLD
        return Verified(self.name, files, old, rescored, found, tuple(problems))

    def _rescored(self) -> Rescored:
        """The canaries, scored as any sample is."""
        known, scorer = self.trained.canaries, self.scorer()
        scores = scorer(known.rows).values
        difference = _apart(known.scores, scores)
        place = int(np.argmax(difference)) if len(difference) else 0
        precision = str(scorer.precision).removeprefix("torch.")
        device = str(scorer.model.device)
        now = Canaries(known.rows, scores, device, precision, str(torch.__version__), known.drawn)
        return Rescored(
            n=len(scores),
            drawn=known.drawn,
            then=known.circumstances,
            now=now.circumstances,
            largest=float(difference.max(initial=0.0)),
            place=place,
            tolerance=_tolerance(known, now),
            changed=self._changed(known, now),
        )

    def _changed(self, then: Canaries, now: Canaries) -> dict[str, int]:
        """How many canaries have another verdict, by the calibrations whose scores can be told."""
        changed = {}
        for name, calibration in self.readable_calibrations():
            if calibration.typicality is not None or not self._tells(calibration):
                continue
            old, new = (
                detect(self._by(calibration, one), calibration).flagged for one in (then, now)
            )
            changed[name] = int((old != new).sum())
        return changed

    def _tells(self, calibration: Calibration) -> bool:
        """Whether a score follows from the log-likelihood and the rows that the run keeps."""
        views, several = self.trained.views, isinstance(self.trained.model, Bundle)
        mine = views is not None and views.fingerprint == calibration.origin.views
        return not calibration.origin.views or (mine and not several)

    def _by(self, calibration: Calibration, known: Canaries) -> Scores:
        """The scores of canaries from their log-likelihoods."""
        if not calibration.origin.views:
            return Scores(known.scores, calibration.origin)
        scorer = self.scorer(calibration)
        measured = scorer.measure(known.rows)
        measured[:, LIKELIHOOD] = known.scores
        return scorer.scored(measured)

    def _data(self) -> tuple[str, list[NiceAnomalyError]]:
        try:
            own = self.own_data()
        except DataError as error:
            return "not found as they were", [error]
        return f"those of the training: {count_of(len(own.material.dataset), 'sample')}", []

    def _upgrade(self) -> None:
        """Write what is old anew; calibrations first, which an old run may have with a seal."""
        if self.path is None:
            return
        with run.claimed(self.path):
            for name in self.calibrations:
                try:
                    weights = self.manifest.fingerprint
                    found = run.load_calibration(self.path, weights, name, old=True)
                except (ArtifactError, NotCalibratedError):
                    continue  # what is wrong with it is said by the inspection
                if not run.sealed_calibration(self.path, name):
                    run.save_calibration(self.path, found, name)
            if self.manifest.format == OLD:
                self.trained: Trained = self.trained.upgraded()
                run.save_run(self.path, self.trained)


def _counts(seen: run.Seen) -> bool:
    """Whether what is wrong with a file is wrong with the run: a named calibration may be old."""
    return seen.state == "damaged" or (
        seen.state == "of other weights" and seen.name == run.file_of(run.DEFAULT)
    )


def _apart(then: np.ndarray[Any, Any], now: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How far scores are from each other; not at all where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(then == now, 0.0, np.abs(then - now))


def _tolerance(then: Canaries, now: Canaries) -> float:
    finite = then.scores[np.isfinite(then.scores)]
    spread = max(LEAST_SPREAD, float(finite.std()) if len(finite) else 0.0)
    return spread * max(TOLERANCES[then.precision], TOLERANCES[now.precision])


def _difference(name: str, found: Rescored) -> list[NiceAnomalyError]:
    """The error for scores that are not those that were."""
    if found.alike:
        return []
    return [
        ArtifactError(
            f"{name} scores otherwise here than where it was made: canary {found.place} by "
            f"{found.largest:.3g} nats, where {found.tolerance:.3g} are within rounding. Use it "
            f"with what it was made with ({found.then}), or calibrate it here."
        )
    ]
