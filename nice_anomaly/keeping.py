"""Keeping: a training is kept on the way, whatever stops it, and goes on to the same weights."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from nice_anomaly.errors import ArtifactError, ConfigError, DataError, NumericsError
from nice_anomaly.files import there
from nice_anomaly.learning import Job, ready
from nice_anomaly.own_data import own_material
from nice_anomaly.run import (
    MANIFEST,
    checkpoint_file,
    damaged_checkpoint,
    drop_checkpoint,
    load_checkpoint,
    load_manifest,
    same_training,
    save_checkpoint,
    save_run,
)
from nice_anomaly.training import Checkpoint, Progress

SAVE_EVERY_SECONDS = 60


@dataclass(frozen=True)
class Kept:
    """The training was kept in ``path``: what going on needs, or the run, ``finished``."""

    path: Path
    finished: bool


Report = Progress | Checkpoint | Kept
Listener = Callable[[Report], None]


@dataclass(frozen=True)
class Keeper:
    """Where a training is kept: a folder, and whether the run of another waits there for its end.

    That one stays as it is until the training is finished. Where there is none, the best weights so
    far are a run already.
    """

    job: Job
    path: Path
    replaces: bool

    def begin(self) -> None:
        """Keep what starting over needs.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        save_checkpoint(self.path, self.job.manifest(None, finished=False), None)

    def keep(self, checkpoint: Checkpoint) -> Kept:
        """Keep what going on needs.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        save_checkpoint(self.path, self.job.manifest(checkpoint, finished=False), checkpoint)
        if not self.replaces:
            save_run(self.path, self.job.trained(checkpoint, finished=False))
        return Kept(self.path, False)

    def finish(self, checkpoint: Checkpoint) -> Kept:
        """Save the run, in the place of another if there is one.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        save_run(self.path, self.job.trained(checkpoint))
        drop_checkpoint(self.path)
        return Kept(self.path, True)

    def give_up(self, checkpoint: Checkpoint | None) -> str:
        """Keep what a training that cannot go on is good for; and what the folder holds now.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        if checkpoint is not None and not self.replaces:
            self.finish(checkpoint)
            best = checkpoint.best_epoch + 1
            return f"{self.path} holds the weights of epoch {best}, the best before that."
        drop_checkpoint(self.path)
        return f"{self.path} holds the run from before, as it was." if self.replaces else ""

    def stop(self, checkpoint: Checkpoint | None) -> str:
        """Keep what going on needs, if an epoch was complete; and what the folder holds now.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        if checkpoint is None:
            drop_checkpoint(self.path)
            before = f" {self.path} holds the run from before, as it was." * self.replaces
            return f"nothing was kept.{before}"
        self.keep(checkpoint)
        way_on = (
            f"Go on with `learn(resume=True, run={str(self.path)!r})`, or use the run as it is."
        )
        if self.replaces:
            return f"{self.path} holds the run from before, as it was. {way_on}"
        best, done = checkpoint.best_epoch + 1, checkpoint.epochs_done
        return f"{self.path} holds the weights of epoch {best}, the best of {done}. {way_on}"


def keeper(job: Job, path: Path) -> Keeper:
    """Who keeps a training in the folder ``path``."""
    try:
        replaces = not same_training(load_manifest(path), job.manifest(None, finished=False))
    except ArtifactError:  # what is damaged stays as it is, too
        replaces = there(path / MANIFEST)
    return Keeper(job, path, replaces)


def interrupted(path: Path, root: Path, device: str = "auto") -> tuple[Job, Checkpoint | None]:
    """The job and the state of a training that stopped, if its data are still the same.

    None is the very start: it stopped before an epoch was complete.

    Raises:
        ArtifactError: there is nothing to go on with, or it is damaged.
        DataError: the data are gone or others.
        ConfigError: another kind of device.
    """
    manifest, checkpoint = load_checkpoint(path)
    data = manifest.data
    material = own_material(manifest, root)
    if material.dataset.fingerprint != data.fingerprint:
        remedy = "" if data.inputs else " Name the folder it was trained from with `data_root`."
        raise DataError(
            f"the '{data.name}' data are not those that the run {path} was begun with.{remedy}"
        )
    job = ready(manifest.settings, material, data.inputs, device)
    if checkpoint is not None:
        _refuse_unfit(path, job, checkpoint)
    return replace(job, created=manifest.created), checkpoint


def train_to_the_end(
    job: Job, path: Path | None, resume: Checkpoint | None, listen: Listener
) -> Checkpoint:
    """Train, tell ``listen`` of every report, and keep the run in ``path`` on the way.

    An interruption and a diverging loss keep the best weights so far, if an epoch was complete.

    Raises:
        NumericsError: the loss is no longer finite.
        KeyboardInterrupt: somebody stopped it; its sentence says what was kept.
        ArtifactError: the folder cannot be written.
    """
    if path is None:
        return _in_memory(job, resume, listen)
    kept = keeper(job, path)
    try:
        last = _on_the_way(kept, resume, listen)
        listen(_finished(kept, last))
    except ArtifactError as error:
        if not there(checkpoint_file(path)):
            raise
        way_on = f"`learn(resume=True, run={str(path)!r})` then goes on from what was kept before."
        raise ArtifactError(f"{error} {way_on}") from error
    return last


def _in_memory(job: Job, resume: Checkpoint | None, listen: Listener) -> Checkpoint:
    last = resume
    try:
        for report in job.train(resume):
            last = report if isinstance(report, Checkpoint) else last
            listen(report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted: nothing was kept.") from None
    assert last is not None
    return last


def _on_the_way(kept: Keeper, resume: Checkpoint | None, listen: Listener) -> Checkpoint:
    """The last state of a training, which is kept at its start, every minute, and if it stops."""
    last = resume
    try:
        if resume is None:
            kept.begin()
        saved = time.monotonic()
        for report in kept.job.train(resume):
            if isinstance(report, Checkpoint):
                last = report
            listen(report)
            if isinstance(report, Checkpoint) and time.monotonic() - saved > SAVE_EVERY_SECONDS:
                listen(kept.keep(report))
                saved = time.monotonic()
    except KeyboardInterrupt:
        said = kept.stop(last)
        if last is not None:
            listen(Kept(kept.path, False))
        raise KeyboardInterrupt(f"interrupted: {said}") from None
    except SystemExit:  # of a signal that ends the process
        if last is not None:
            kept.keep(last)
        raise
    except NumericsError as error:
        said = kept.give_up(last)
        if last is not None:
            listen(Kept(kept.path, True))
        raise NumericsError(*error.args, *filter(None, [said])) from error
    assert last is not None
    return last


def _finished(kept: Keeper, last: Checkpoint) -> Kept:
    """The training at its end; an interruption here loses what came after the last checkpoint."""
    try:
        return kept.finish(last)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted while the run was saved in {kept.path}: "
            f"`learn(resume=True, run={str(kept.path)!r})` ends it, or says that it is finished."
        ) from None


def _refuse_unfit(path: Path, job: Job, checkpoint: Checkpoint) -> None:
    """Raises ArtifactError for other weights than the model's, ConfigError for another device."""
    wanted = _shapes(job.model.state_dict())
    if not wanted == _shapes(checkpoint.weights) == _shapes(checkpoint.best):
        raise damaged_checkpoint(path, "its weights do not fit the architecture")
    if checkpoint.generator.shape != torch.Generator(job.model.device).get_state().shape:
        raise ConfigError(
            f"the training in {path} was begun on another kind of device than "
            f"{job.model.device.type}: go on with it on that one (`device`)."
        )


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def silent(report: Report) -> None:
    """What hears of a training where nobody looks."""
    del report
