"""Binding: a trained model with its folder, calibrations, own data and device."""

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from nice_anomaly import run
from nice_anomaly.data import Inputs
from nice_anomaly.errors import ArtifactError, ConfigError, NotCalibratedError
from nice_anomaly.files import alone_in
from nice_anomaly.own_data import OwnData, own_data
from nice_anomaly.run import DEFAULT, Manifest, Trained
from nice_anomaly.scores import Alignment, Scorer
from nice_anomaly.thresholds import Calibration

Say = Callable[[str], None]


def data_folder(given: Path | str | None = None) -> Path:
    """Where the built-in sets are: as given, else NICE_ANOMALY_DATA, else ``data``."""
    return Path(given or os.environ.get("NICE_ANOMALY_DATA") or "data")


def warn(text: str) -> None:
    """Tell a notebook what the command line says on stderr."""
    warnings.warn(text, stacklevel=3)


class Binding:
    """What the verbs of a run share.

    ``path`` is its folder, None for a run that was not saved; ``trained`` is the stored value.
    """

    def __init__(
        self,
        trained: Trained,
        path: Path | None = None,
        *,
        device: str = "auto",
        data_root: Path | str | None = None,
        memory: Inputs | None = None,
    ) -> None:
        self.trained, self.path = trained, path
        self._device, self._root, self._memory = device, data_folder(data_root), memory
        self._unsaved: dict[str, Calibration] = {}
        self._own: tuple[str | None, OwnData] | None = None

    def __repr__(self) -> str:
        data = self.manifest.data
        state = ", ".join(self.calibrations) or "not calibrated"
        return f"<Run {self.name}: {data.n:,} {data.described}; {state}>"

    @property
    def name(self) -> str:
        """Its folder, or what it has learned."""
        return str(self.path or self.manifest.data.name)

    @property
    def manifest(self) -> Manifest:
        """What the run is and where it came from."""
        return self.trained.manifest

    @property
    def calibrations(self) -> tuple[str, ...]:
        """The names of its calibrations, the default first."""
        if self.path is not None:
            return run.calibrations(self.path)
        return tuple(sorted(self._unsaved, key=lambda name: (name != DEFAULT, name)))

    def calibration(self, name: str = DEFAULT) -> Calibration:
        """A calibration by its name.

        Raises:
            NotCalibratedError: there is none, or it is of other weights.
            ArtifactError: its file is damaged.
        """
        if self.path is not None:
            old = self.manifest.format == run.OLD
            return run.load_calibration(self.path, self.manifest.fingerprint, name, old=old)
        if name not in self._unsaved:
            absent = run.absent(self.name, name, self.calibrations)
            raise NotCalibratedError(f"{absent}Run `run.calibrate()`.")
        return self._unsaved[name]

    def keep(self, calibration: Calibration, name: str = DEFAULT) -> None:
        """Add a calibration, in the run's folder if it has one.

        Raises:
            ConfigError: the name is none for a file.
            NotCalibratedError: it is of other weights.
        """
        self._refuse_foreign(calibration)
        run.file_of(name)
        if self.path is None:
            self._unsaved[name] = calibration
            return
        with alone_in(self.path):
            if run.load_manifest(self.path).fingerprint != self.manifest.fingerprint:
                raise ArtifactError(
                    f"{self.path} holds another run by now: its calibrations are left as they are. "
                    f"Keep this run in another folder with run.save(folder)."
                )
            run.save_calibration(self.path, calibration, name)

    def chosen(self, calibration: str | Calibration) -> Calibration:
        """A calibration by its name, or as it is if it is of this run."""
        if isinstance(calibration, str):
            return self.calibration(calibration)
        if not isinstance(calibration, Calibration):
            raise ConfigError(
                f"`calibration` takes a name or a Calibration, got {type(calibration).__name__}."
            )
        self._refuse_foreign(calibration)
        return calibration

    def own_data(self, group_column: str | None = None) -> OwnData:
        """What the run was trained on, found again and read once.

        Raises:
            ConfigError: the data have no such groups.
            DataError: the data are missing, damaged, or not those of the training.
        """
        if self._own is None or self._own[0] != group_column:
            found = own_data(self.trained, self._root, group_column, self._memory)
            self._own = group_column, found
        return self._own[1]

    def scorer(
        self, calibration: Calibration | None = None, *, noise_seed: int | None = None
    ) -> Scorer:
        """What scores raw samples ``[n, d]``: log-likelihoods, or as a calibration has them."""
        scorer = self.trained.scorer(self._device, noise_seed=noise_seed)
        typicality = None if calibration is None else calibration.typicality
        views = "" if calibration is None else calibration.origin.views
        if calibration is not None and calibration.folds is not None:
            scorer = replace(scorer, alignment=self._alignment(calibration))
        if (typicality is not None or views) and noise_seed is not None:
            raise ConfigError("noise is for log-likelihoods: other scores have none.")
        if views:
            if scorer.views is None or scorer.views.fingerprint != views:
                raise NotCalibratedError(
                    f"a calibration of {self.name} was made with other rows to compare with than "
                    f"those that it keeps: calibrate again. Run `run.calibrate()`."
                )
            return scorer.looking_for("auto")
        if typicality is None:
            return scorer
        if not scorer.knows(typicality):
            raise ArtifactError(
                f"a calibration of {self.name} rests on features that this run does not have: "
                f"calibrate again. Run `run.calibrate()`."
            )
        return scorer.with_typicality(typicality)

    def _alignment(self, calibration: Calibration) -> Alignment | None:
        alignment = calibration.alignment
        if alignment is not None and alignment.flows > self.manifest.folds:
            raise ArtifactError(
                f"a calibration of {self.name} rests on {alignment.flows} folds, and this run has "
                f"{self.manifest.folds}: calibrate again. Run `run.calibrate()`."
            )
        return alignment

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write the run with its calibrations into a folder, which is its own from then on.

        Raises:
            ConfigError: the folder holds a run and ``overwrite`` was not given.
            ArtifactError: another process trains there, or it cannot be written; what was there
                before is still whole.
        """
        target = Path(path)
        with run.new_run(target, overwrite=overwrite):
            kept = dict(self.readable_calibrations())
            run.save_run(target, self.trained)
            run.drop_checkpoint(target)
            for name, calibration in kept.items():
                run.save_calibration(target, calibration, name)
        self.path, self._unsaved = target, {}

    def _refuse_foreign(self, calibration: Calibration) -> None:
        if calibration.origin.weights != self.manifest.fingerprint:
            raise NotCalibratedError(
                f"this calibration was made with other weights than those of {self.name}: it says "
                f"nothing about these. Run `run.calibrate()`."
            )

    def readable_calibrations(self) -> Iterator[tuple[str, Calibration]]:
        """Those that are of these weights; what is wrong with the others is said elsewhere."""
        for name in self.calibrations:
            try:
                yield name, self.calibration(name)
            except (NotCalibratedError, ArtifactError):
                continue
