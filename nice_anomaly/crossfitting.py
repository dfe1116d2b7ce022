"""Cross-fitting: K flows trained side by side, each on what a fold leaves.

Their parameters are stacked, ``[K, ...]``, and one step moves all of them: networks this small cost
more in calls than in sums.
"""

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from nice_anomaly.flow import Bundle, Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.runtime import autocast, threads_for
from nice_anomaly.settings import TrainSettings
from nice_anomaly.training import (
    EVALUATION_SEED,
    Checkpoint,
    EpochSummary,
    Progress,
    make_optimizer,
    one_cycle,
    optimizer_tensors,
    raise_objective,
    restore_optimizer,
    set_rates,
)

CHUNK = 2048  # rows of one flow at a time, where nothing is learned


@dataclass(frozen=True)
class Lesson:
    """The rows ``fit`` ``[n, d]`` that one flow learns, and those that say when it is best."""

    fit: Tensor
    early_stopping: Tensor


def train_folds(
    bundle: Bundle,
    preprocess: Preprocess,
    lessons: Sequence[Lesson],
    settings: TrainSettings,
    *,
    seed: int,
    precision: torch.dtype,
    resume: Checkpoint | None = None,
) -> Iterator[Progress | Checkpoint]:
    """Train every flow of ``bundle`` on its lesson; yield every step and every epoch, as ``train``.

    The ``best`` weights of a ``Checkpoint`` are those of each flow at its own best epoch; training
    ends after ``settings.epochs``, or when none became better in ``settings.patience`` in a row.
    Where lessons differ in length, rows of the shorter come again.

    Raises:
        NumericsError: the loss is no longer finite. The last checkpoint holds good weights.
    """
    stack, most = Stack(bundle), max(len(lesson.fit) for lesson in lessons)
    generator = torch.Generator(stack.device).manual_seed(seed)
    optimizer = make_optimizer(*stack.parameter_groups(), settings)
    checkpoint = resume
    if checkpoint is not None:
        stack.load(checkpoint.weights)
        restore_optimizer(optimizer, checkpoint.optimizer)
        generator.set_state(checkpoint.generator)
    flops = 2.0 * settings.batch_size * len(lessons) * bundle.architecture.largest_matrix
    per_pass = math.ceil(most / settings.batch_size)
    passes = math.ceil(settings.least_steps / per_pass)
    batches = passes * per_pass
    steps = batches * settings.epochs
    for epoch in range(checkpoint.epochs_done if checkpoint else 0, settings.epochs):
        if checkpoint and epoch - 1 - _latest_best(checkpoint) >= settings.patience:
            return
        started, total, seen = time.perf_counter(), 0.0, 0
        for batch, places in enumerate(_batches(lessons, passes, settings.batch_size, generator)):
            step = epoch * batches + batch
            with threads_for(flops):
                set_rates(optimizer, one_cycle(step / steps, settings.warmup))
                raw = _gathered([lesson.fit for lesson in lessons], places).to(stack.device)
                x = _dequantised(preprocess, raw, generator)
                with autocast(stack.device, precision):
                    loss = -stack.each(x).mean(dim=1)
                value = raise_objective(loss, optimizer, (epoch, batch))
            jacobian = preprocess.log_jacobian(raw.flatten(0, 1)).mean()
            total += places.shape[1] * (value + float(jacobian))
            seen += places.shape[1]
            yield Progress(epoch, step + 1, steps, seen, passes * most, total / seen)
        trained = time.perf_counter()
        with threads_for(flops):
            held_out = _held_out(stack, preprocess, lessons, precision)
        summary = EpochSummary(
            epoch=epoch,
            train=total / seen,
            early_stopping=float(held_out.mean()),
            samples_per_second=len(lessons) * seen / (trained - started),
            seconds=time.perf_counter() - started,
        )
        checkpoint = _checkpoint(checkpoint, summary, held_out, stack, optimizer, generator)
        yield checkpoint


class Stack:
    """The flows of a bundle with every tensor of theirs in one, ``[K, ...]``."""

    def __init__(self, bundle: Bundle) -> None:
        one = bundle.members[0]
        self.names = [*one.state_dict()]
        self.parameters, self.buffers = stack_module_state(bundle.members)
        self._one = _LogProb(copy.deepcopy(one).to("meta"))
        heads = {id(parameter) for parameter in one.parameter_groups()[1]}
        self._heads = {name for name, own in one.named_parameters() if id(own) in heads}

    @property
    def device(self) -> torch.device:
        """Where they compute."""
        first: Tensor = next(iter(self.parameters.values()))
        return first.device

    def parameter_groups(self) -> tuple[list[Tensor], list[Tensor]]:
        """See ``Density.parameter_groups``."""
        networks = [p for name, p in self.parameters.items() if name not in self._heads]
        return networks, [self.parameters[name] for name in self.parameters if name in self._heads]

    def each(self, x: Tensor) -> Tensor:
        """Nats of ``x`` ``[K, n, d]``, those at j by flow j, ``[K, n]`` float64."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], own: Tensor) -> Tensor:
            named = {f"flow.{name}": tensor for name, tensor in (parameters | buffers).items()}
            found: Tensor = functional_call(self._one, named, (own,))
            return found

        found: Tensor = vmap(one)(self.parameters, self.buffers, x)
        return found

    def state(self) -> dict[str, Tensor]:
        """A copy of all tensors, by the names that they have in the bundle."""
        every = {**self.parameters, **self.buffers}
        count = len(next(iter(every.values())))
        return {
            f"flows.{j}.{name}": every[name][j].detach().clone()
            for j in range(count)
            for name in self.names
        }

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Take the tensors of a ``state``."""
        every = {**self.parameters, **self.buffers}
        for key, tensor in state.items():
            _, j, name = key.split(".", 2)
            every[name][int(j)].copy_(tensor)


class _LogProb(nn.Module):
    """A flow whose call is its log-likelihood, as ``functional_call`` takes it."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor) -> Tensor:
        """Nats a sample."""
        return self.flow.log_prob(x)


def _batches(
    lessons: Sequence[Lesson], passes: int, size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Places ``[K, batch]`` in the lessons, pass after pass, each in a new order."""
    most = max(len(lesson.fit) for lesson in lessons)
    for _ in range(passes):
        orders = [_order(len(lesson.fit), most, generator) for lesson in lessons]
        yield from torch.stack(orders).split(size, dim=1)


def _order(n: int, most: int, generator: torch.Generator) -> Tensor:
    """``most`` places out of ``n``, each as often as any other, or once more."""
    found = [
        torch.randperm(n, generator=generator, device=generator.device)
        for _ in range(math.ceil(most / n))
    ]
    return torch.cat(found)[:most]


def _gathered(parts: Sequence[Tensor], places: Tensor) -> Tensor:
    """``[K, n, d]``: of each part the rows at its places."""
    pairs = zip(parts, places, strict=True)
    return torch.stack([part[own.to(part.device)] for part, own in pairs])


def _dequantised(preprocess: Preprocess, raw: Tensor, generator: torch.Generator) -> Tensor:
    x: Tensor = preprocess.dequantise(raw.flatten(0, 1), generator).view(raw.shape)
    return x


@torch.no_grad()
def _held_out(
    stack: Stack, preprocess: Preprocess, lessons: Sequence[Lesson], precision: torch.dtype
) -> Tensor:
    """Each flow's mean over the rows that tell it when to stop, ``[K]``; always the same noise."""
    generator = torch.Generator(stack.device).manual_seed(EVALUATION_SEED)
    parts = [lesson.early_stopping for lesson in lessons]
    most, total = max(map(len, parts)), torch.zeros(len(parts), dtype=torch.float64)
    places = torch.arange(most).expand(len(parts), -1)
    sizes = torch.tensor([len(part) for part in parts])[:, None]
    for own in places.split(CHUNK, dim=1):
        raw = _gathered(parts, own % sizes).to(stack.device)
        with autocast(stack.device, precision):
            found = stack.each(_dequantised(preprocess, raw, generator)).cpu()
        found = found + preprocess.log_jacobian(raw.flatten(0, 1)).cpu().view_as(found)
        total += torch.where(own < sizes, found, 0.0).sum(dim=1)
    means: Tensor = total / sizes[:, 0]
    return means


def _checkpoint(
    previous: Checkpoint | None,
    summary: EpochSummary,
    held_out: Tensor,
    stack: Stack,
    optimizer: torch.optim.AdamW,
    generator: torch.Generator,
) -> Checkpoint:
    """The state after an epoch; ``held_out`` ``[K]`` says which flows were never better."""
    weights = best = stack.state()
    each, history = held_out[None], [summary]
    if previous is not None:
        assert previous.folds is not None
        each, history = torch.cat([previous.folds, each]), [*previous.history, summary]
        better = (each.argmax(dim=0) == len(previous.folds)).tolist()
        best = {
            name: tensor if better[int(name.split(".")[1])] else previous.best[name]
            for name, tensor in weights.items()
        }
    means = [epoch.early_stopping for epoch in history]
    return Checkpoint(
        history=tuple(history),
        best_epoch=means.index(max(means)),
        weights=weights,
        best=best,
        optimizer=optimizer_tensors(optimizer),
        generator=generator.get_state(),
        folds=each,
    )


def _latest_best(checkpoint: Checkpoint) -> int:
    """The last epoch in which some flow was better than before."""
    assert checkpoint.folds is not None
    return int(checkpoint.folds.argmax(dim=0).max())
