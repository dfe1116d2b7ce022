"""Growing: would more normals help? The same training on fewer of them tells."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.crossfitting import Lesson, train_folds
from nice_anomaly.data import Watch, unwatched
from nice_anomaly.errors import DataError
from nice_anomaly.initial import INITIAL, initial_bundle
from nice_anomaly.learning import Job, lessons_of, ready
from nice_anomaly.library.binding import Binding
from nice_anomaly.models import rebuilt
from nice_anomaly.scores import Scorer
from nice_anomaly.settings import TrainSettings
from nice_anomaly.training import Checkpoint, Progress, train
from nice_anomaly.words import count_of

SHARES = (0.25, 0.5)
FEWEST = 8  # samples that a flow learns at the least
RESAMPLES = 1_000
TAILS = (0.025, 0.975)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """What a model says of normals it has not seen, if it learns from so many ``normals``.

    ``log_likelihood`` is the median in nats. ``gain`` is the median of what a sample gained over
    the step before, with its 95 % ``interval`` (bootstrap over the samples); None of the first.
    """

    normals: int
    log_likelihood: float
    gain: float | None = None
    interval: tuple[float, float] | None = None

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


class Growing(Binding):
    """A run that is trained again on fewer normals."""

    def learning_curve(self, *, watch: Watch = unwatched) -> Iterator[Step]:
        """The held-out log-likelihood from a quarter, half and all of the normals.

        Every step is held against the same samples: those kept for calibration, or in folds every
        sample by the flow that has not seen it. ``watch`` hears of the steps of training.

        Raises:
            DataError: the run's data are gone, or too few to take a quarter.
        """
        manifest, own = self.manifest, self.own_data()
        job = ready(manifest.settings, own.material, (), self._device)
        sizes = _sizes(job)
        if round(SHARES[0] * min(sizes)) < FEWEST:
            raise DataError(
                f"{count_of(min(sizes), 'normal')} to learn from are too few for a curve: a "
                f"quarter has to be {FEWEST} or more."
            )
        before: Array | None = None
        ahead = _Ahead(watch, len(SHARES))
        for share in (*SHARES, 1.0):
            scorer = self.scorer() if share == 1.0 else _again(job, share, ahead)
            found: Array = scorer.held_out(own.held_out, own.in_folds)[:, 0]
            normals = round(share * float(np.mean(sizes)))
            yield _step(normals, found, before, manifest.settings.seed)
            before = found


@dataclass
class _Ahead:
    """How many steps of several trainings in a row were made."""

    watch: Watch
    trainings: int
    ended: int = 0

    def hear(self, report: Progress | Checkpoint) -> None:
        """One report of a training."""
        if isinstance(report, Progress):
            total = self.trainings * report.steps
            self.watch(self.ended * report.steps + report.step, total)


def _sizes(job: Job) -> list[int]:
    parts = job.material.split
    if parts.folds is None:
        return [len(parts.fit)]
    return [len(fit) for fit, _ in lessons_of(job.material, job.settings.seed)]


def _again(job: Job, share: float, ahead: _Ahead) -> Scorer:
    """What scores after a training on a share of what was learned."""
    settings, seed = job.settings, job.settings.seed
    device = job.model.device
    preprocess = job.preprocess.to(device)
    rows = torch.from_numpy(job.material.dataset.values)
    how: TrainSettings = job.course
    if job.material.split.folds is None:
        fit = rows[_some(job.material.split.fit, share, seed)]
        model = INITIAL[settings.model](settings, job.preprocess, fit).to(device)
        stop = rows[job.material.split.early_stopping]
        reports = train(model, preprocess, fit, stop, how, seed=seed, precision=job.precision)
    else:
        parts = lessons_of(job.material, seed)
        lessons = [Lesson(rows[_some(own, share, seed)], rows[stop]) for own, stop in parts]
        several = initial_bundle(settings, job.preprocess, [lesson.fit for lesson in lessons])
        model = several.to(device)
        reports = train_folds(several, preprocess, lessons, how, seed=seed, precision=job.precision)
    last: Checkpoint | None = None
    for report in reports:
        ahead.hear(report)
        last = report if isinstance(report, Checkpoint) else last
    ahead.ended += 1
    assert last is not None
    trained = rebuilt(model.architecture, last.best).to(device)
    return Scorer(trained, preprocess, job.precision, weights="")


def _some(places: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """A share of places at random; that of a smaller one is in it."""
    order = np.random.default_rng(seed).permutation(places)
    return np.sort(order[: round(share * len(places))])


def _step(normals: int, found: Array, before: Array | None, seed: int) -> Step:
    middle = float(np.median(found))
    if before is None:
        return Step(normals, middle)
    gains = found - before
    rng = np.random.default_rng(seed)
    drawn = [np.median(gains[rng.integers(0, len(gains), len(gains))]) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, TAILS)
    return Step(normals, middle, float(np.median(gains)), (float(low), float(high)))


def verdict(steps: Sequence[Step]) -> str:
    """Whether more normals would help, as far as the last step tells; in one sentence."""
    first, last = steps[-2], steps[-1]
    assert last.gain is not None
    assert last.interval is not None
    low, high = last.interval
    per = f"{last.gain:+.2f} nats a sample, 95 % interval [{low:+.2f}, {high:+.2f}]"
    if low <= 0:
        return f"no gain is seen from {first.normals:,} to {last.normals:,} ({per})"
    share = 1.0 if not first.gain or first.gain <= 0 else min(1.0, last.gain / first.gain)
    return (
        f"more would probably help: from {first.normals:,} to {last.normals:,} normals brought "
        f"{per}; twice as many again about {share * last.gain:+.2f}, if it goes on so"
    )
