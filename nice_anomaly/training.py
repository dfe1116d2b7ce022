"""Training: maximum likelihood, as a generator of reports. It never prints and never saves."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nice_anomaly.density import Density
from nice_anomaly.errors import NumericsError
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.runtime import autocast, threads_for
from nice_anomaly.scores.likelihood import nats
from nice_anomaly.settings import TrainSettings

EVALUATION_SEED = 1  # the same dequantisation noise every epoch: epochs are compared, not luck


@dataclass(frozen=True)
class Progress:
    """One step was made. ``log_likelihood`` is the running mean of the epoch, in nats.

    ``samples`` of ``samples_per_epoch`` were seen in this epoch.
    """

    epoch: int
    step: int
    steps: int
    samples: int
    samples_per_epoch: int
    log_likelihood: float


@dataclass(frozen=True)
class EpochSummary:
    """What one pass over the data gave; log-likelihoods are means in nats a sample.

    ``train`` is measured while the weights move, ``early_stopping`` on held-out samples after
    the epoch; both over random dequantisation.
    """

    epoch: int
    train: float
    early_stopping: float
    samples_per_second: float
    seconds: float


@dataclass(frozen=True)
class Checkpoint:
    """All that a later process needs to go on as if nothing had happened, to the bit.

    ``folds`` ``[epochs, K]`` are what flows that learn side by side were each held against.
    """

    history: tuple[EpochSummary, ...]
    best_epoch: int
    weights: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    generator: Tensor
    folds: Tensor | None = None

    @property
    def epochs_done(self) -> int:
        """Complete passes over the data."""
        return len(self.history)

    @property
    def seconds(self) -> float:
        """Time spent in training and its evaluations."""
        return sum(summary.seconds for summary in self.history)


def train(
    model: Density,
    preprocess: Preprocess,
    fit: Tensor,
    early_stopping: Tensor,
    settings: TrainSettings,
    *,
    seed: int,
    precision: torch.dtype,
    resume: Checkpoint | None = None,
) -> Iterator[Progress | Checkpoint]:
    """Minimise the loss on ``fit`` ``[n, d]``; yield every step and every epoch.

    A ``Progress`` follows each step, a ``Checkpoint`` each epoch. Its ``best`` are the weights
    of the epoch with the highest log-likelihood on ``early_stopping``; training ends after
    ``settings.epochs`` or when ``settings.patience`` epochs in a row brought no improvement.
    ``model`` is changed in place. The same arguments on the same machine give the same weights.

    Raises:
        NumericsError: the loss is no longer finite. The last checkpoint holds good weights.
    """
    flops = 2.0 * settings.batch_size * model.architecture.largest_matrix
    generator = torch.Generator(model.device).manual_seed(seed)
    optimizer = make_optimizer(*model.parameter_groups(), settings)
    passes = math.ceil(settings.least_steps / math.ceil(len(fit) / settings.batch_size))
    batches = passes * math.ceil(len(fit) / settings.batch_size)
    steps = batches * settings.epochs
    checkpoint = resume
    if checkpoint is not None:
        _restore(checkpoint, model, optimizer, generator)
    for epoch in range(checkpoint.epochs_done if checkpoint else 0, settings.epochs):
        if checkpoint and epoch - 1 - checkpoint.best_epoch >= settings.patience:
            return
        started = time.perf_counter()
        total, seen = 0.0, 0
        for batch, rows in enumerate(_batches(len(fit), passes, settings, generator)):
            step = epoch * batches + batch
            with threads_for(flops):
                set_rates(optimizer, one_cycle(step / steps, settings.warmup))
                raw = fit[rows.to(fit.device)].to(model.device)
                x = preprocess.dequantise(raw, generator)
                value = _step(model, optimizer, x, generator, precision, (epoch, batch))
                total += len(rows) * value + float(preprocess.log_jacobian(raw).sum())
                seen += len(rows)
            yield Progress(epoch, step + 1, steps, seen, passes * len(fit), total / seen)
        trained = time.perf_counter()
        with threads_for(flops):
            held_out = _held_out(model, preprocess, early_stopping, precision)
        summary = EpochSummary(
            epoch=epoch,
            train=total / seen,
            early_stopping=held_out,
            samples_per_second=seen / (trained - started),
            seconds=time.perf_counter() - started,
        )
        checkpoint = _checkpoint(checkpoint, summary, model, optimizer, generator)
        yield checkpoint


def _held_out(model: Density, preprocess: Preprocess, raw: Tensor, precision: torch.dtype) -> float:
    """The mean objective of samples that are not learned from, with the same noise every time."""
    generator = torch.Generator(model.device).manual_seed(EVALUATION_SEED)
    found = nats(
        model, preprocess, raw, lambda x: model.objective(x, generator), precision, generator
    )
    return float(found.mean())


def _batches(
    n: int, passes: int, settings: TrainSettings, generator: torch.Generator
) -> Iterator[Tensor]:
    """Rows of one batch after the other; each pass goes through all of ``n`` in a new order."""
    for _ in range(passes):
        yield from torch.randperm(n, generator=generator, device=generator.device).split(
            settings.batch_size
        )


def one_cycle(progress: float, warmup: float) -> float:
    """The learning-rate factor of Smith & Topin (2018), cosine up and down.

    ``progress`` in [0, 1) is the part of the training that is done; the factor rises from 1/25
    to 1 during the part ``warmup`` and falls to 0 at the end.

    >>> one_cycle(0.0, 0.25), one_cycle(0.25, 0.25), round(one_cycle(1.0, 0.25), 9)
    (0.04, 1.0, 0.0)
    """
    if progress < warmup:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warmup)) / 2
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def make_optimizer(
    networks: Iterable[Tensor], heads: Iterable[Tensor], settings: TrainSettings
) -> torch.optim.AdamW:
    """AdamW; scale and prior, the ``heads``, move faster than the networks and do not decay."""
    groups = [
        {
            "params": [*networks],
            "peak": settings.learning_rate,
            "weight_decay": settings.weight_decay,
        },
        {"params": [*heads], "peak": settings.head_learning_rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def set_rates(optimizer: torch.optim.AdamW, factor: float) -> None:
    """Learning rates that are a part of their peaks."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["peak"]


def _step(
    model: Density,
    optimizer: torch.optim.AdamW,
    x: Tensor,
    generator: torch.Generator,
    precision: torch.dtype,
    place: tuple[int, int],
) -> float:
    """One gradient step; the mean log-likelihood of the batch before it."""
    with autocast(x.device, precision):
        loss = -model.objective(x, generator).mean()
    return raise_objective(loss, optimizer, place)


def raise_objective(loss: Tensor, optimizer: torch.optim.AdamW, place: tuple[int, int]) -> float:
    """One step against a loss, or the sum of several ``[K]``; minus its mean before it.

    Raises:
        NumericsError: it is not finite.
    """
    value = -loss.mean().item()
    if not math.isfinite(value):
        raise NumericsError(
            f"the log-likelihood became {value} in epoch {place[0] + 1}, batch {place[1] + 1}: the "
            f"training diverged. Try a smaller learning rate, e.g. "
            f"`overrides=['train.learning_rate={optimizer.defaults['lr'] / 4:g}']`, or a smaller "
            f"train.head_learning_rate."
        )
    optimizer.zero_grad()
    loss.sum().backward()
    optimizer.step()
    return value


def _checkpoint(
    previous: Checkpoint | None,
    summary: EpochSummary,
    model: Density,
    optimizer: torch.optim.AdamW,
    generator: torch.Generator,
) -> Checkpoint:
    history = (*(previous.history if previous else ()), summary)
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    improved = previous is None or (
        summary.early_stopping > previous.history[previous.best_epoch].early_stopping
    )
    return Checkpoint(
        history=history,
        best_epoch=summary.epoch if previous is None or improved else previous.best_epoch,
        weights=weights,
        best=weights if previous is None or improved else previous.best,
        optimizer=optimizer_tensors(optimizer),
        generator=generator.get_state(),
    )


def optimizer_tensors(optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """A copy of its state by name."""
    return {
        f"{index}.{name}": tensor.clone()
        for index, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
    }


def _restore(
    checkpoint: Checkpoint,
    model: Density,
    optimizer: torch.optim.AdamW,
    generator: torch.Generator,
) -> None:
    model.load_state_dict(checkpoint.weights)
    restore_optimizer(optimizer, checkpoint.optimizer)
    generator.set_state(checkpoint.generator)


def restore_optimizer(optimizer: torch.optim.AdamW, tensors: Mapping[str, Tensor]) -> None:
    """Give it a state that ``optimizer_tensors`` copied."""
    state = optimizer.state_dict()
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state["state"].setdefault(int(index), {})[name] = tensor.clone()
    optimizer.load_state_dict(state)
