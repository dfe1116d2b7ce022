"""Speed, as a share of what this machine's matrix products reach in the same run.

For every product of a training step or of scoring (its shape, its precision, forward and
backward) the product alone is timed; their sum is the attainable time. The step itself, with
data, noise, activations, optimiser and sums, is the achieved one. Both are measured in turns,
so that a machine whose speed drifts changes both; medians are printed.
"""

import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from statistics import median
from typing import Annotated

import numpy as np
import torch
import typer
from torch.nn import functional

from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.runtime import choose_precision
from nice_anomaly.scores.likelihood import CHUNK, log_likelihoods
from nice_anomaly.settings import Settings
from nice_anomaly.training import Checkpoint, train

DIMENSIONS = 784
SCORED = 20_000
SINGLE = 200
EPOCH_FLOPS = 5e11  # a second or two
Product = tuple[int, int, int, torch.dtype]  # rows, inputs, outputs, precision


def main(
    configs: Annotated[list[str] | None, typer.Argument()] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Print training and scoring rates for configurations of 28 × 28 images."""
    speed, batches = [], []
    for name in configs or ["mnist", "mnist-large", "paper"]:
        settings = load(name)
        speed += [training(name, settings, rounds), scoring(name, settings, rounds)]
        batches.append(against_one_at_a_time(name, settings))
    render.show_table(
        "share of the attainable matrix-product rate",
        ["", "images/s", "GFLOP/s", "attainable", "share %"],
        speed,
    )
    render.show_table(
        "scoring against a loop over single images, float32",
        ["", "batched/s", "its own loop/s", "ratio", "2014 net's loop/s", "ratio"],
        batches,
    )
    render.show_table("memory", ["", "MiB"], memory())


def training(name: str, settings: Settings, rounds: int) -> list[str]:
    """Achieved against attainable for training steps."""
    batch = settings.train.batch_size
    steps = max(8, round(EPOCH_FLOPS / (6.0 * batch * parameters(settings))))
    flow, preprocess, raw = setup(settings, steps * batch)
    precision = choose_precision(settings.train.precision, torch.device("cpu"))
    once = settings.train.model_copy(update={"epochs": 1, "patience": 1})

    def run() -> float:
        for report in train(flow, preprocess, raw, raw[:64], once, seed=0, precision=precision):
            if isinstance(report, Checkpoint):
                return batch / report.history[-1].samples_per_second
        raise AssertionError("an epoch ends with a checkpoint")

    products = [(batch, DIMENSIONS, DIMENSIONS, torch.float32)]
    products += [(batch, *shape, precision) for shape in layers(flow)]
    backward = [
        shape
        for n, inputs, outputs, dtype in products[1:]
        for shape in ((n, outputs, inputs, dtype), (inputs, n, outputs, dtype))
    ]
    return compare(f"{name}: training", batch, [*products, *backward], run, rounds)


def scoring(name: str, settings: Settings, rounds: int) -> list[str]:
    """Achieved against attainable for scoring in batches."""
    flow, preprocess, raw = setup(settings, SCORED // CHUNK * CHUNK)
    precision = choose_precision(settings.train.precision, torch.device("cpu"))

    def run() -> float:
        started = time.perf_counter()
        log_likelihoods(flow, preprocess, raw, precision=precision)
        return (time.perf_counter() - started) / len(raw) * CHUNK

    products = [(CHUNK, DIMENSIONS, DIMENSIONS, torch.float32)]
    products += [(CHUNK, *shape, precision) for shape in layers(flow)]
    return compare(f"{name}: scoring", CHUNK, products, run, rounds)


def against_one_at_a_time(name: str, settings: Settings) -> list[str]:
    """Batched scoring against loops over single images: the same net's, and the 2014 net's."""
    flow, preprocess, raw = setup(settings, SCORED)
    source, _, _ = setup(load("paper"), 1)
    precision = choose_precision(settings.train.precision, torch.device("cpu"))
    batched, own, published = [], [], []
    for _ in range(3):
        own.append(loop(flow, preprocess, raw))
        published.append(loop(source, preprocess, raw))
        started = time.perf_counter()
        log_likelihoods(flow, preprocess, raw, precision=precision)
        batched.append(SCORED / (time.perf_counter() - started))
    return [
        name,
        f"{median(batched):,.0f}",
        f"{median(own):,.0f}",
        f"{median(b / s for b, s in zip(batched, own, strict=True)):,.0f} ×",
        f"{median(published):,.0f}",
        f"{median(b / s for b, s in zip(batched, published, strict=True)):,.0f} ×",
    ]


def loop(flow: Flow, preprocess: Preprocess, raw: torch.Tensor) -> float:
    """Images per second, scored one at a time in float32."""
    started = time.perf_counter()
    with torch.no_grad():
        for row in raw[:SINGLE]:
            flow.log_prob(preprocess.midpoint(row[None])).item()
    return SINGLE / (time.perf_counter() - started)


def memory() -> list[list[str]]:
    """Peak resident memory of a process that scores many images, beside one that scores few."""
    script = (
        "import sys; sys.argv = ['bench']; sys.path.insert(0, 'scripts')\n"
        "from bench import score_many; score_many({n})"
    )
    rows = []
    for n in (2_000, 200_000):
        done = subprocess.run(
            [sys.executable, "-c", script.format(n=n)], capture_output=True, text=True, check=True
        )
        rows.append([f"scoring {n:,} images", done.stdout.strip()])
    return rows


def score_many(n: int) -> None:
    """Score ``n`` images with the default network and print the peak memory in MiB."""
    flow, preprocess, raw = setup(load("mnist"), n)
    log_likelihoods(flow, preprocess, raw, precision=choose_precision("auto", torch.device("cpu")))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def setup(settings: Settings, n: int) -> tuple[Flow, Preprocess, torch.Tensor]:
    """A flow of the configured size, and ``n`` images of random bytes."""
    torch.manual_seed(0)
    flow = Flow(
        Architecture(
            dimensions=DIMENSIONS,
            couplings=settings.flow.couplings,
            layers=settings.flow.layers,
            width=settings.flow.width,
            prior=settings.flow.prior,
            activation=settings.flow.activation,
        )
    )
    raw = np.random.default_rng(0).integers(0, 256, (n, DIMENSIONS), dtype=np.uint8)
    return flow, Preprocess.for_levels(DIMENSIONS, 256), torch.from_numpy(raw)


def parameters(settings: Settings) -> int:
    """Weights of a configured flow, about."""
    f = settings.flow
    return f.couplings * (DIMENSIONS * f.width + (f.layers - 1) * f.width**2)


def layers(flow: Flow) -> list[tuple[int, int]]:
    """Inputs and outputs of every weight matrix of the couplings."""
    matrices = [p for p in flow.couplings.parameters() if p.dim() == 2]
    return [(matrix.shape[1], matrix.shape[0]) for matrix in matrices]


def compare(
    label: str, rows: int, products: list[Product], run: Callable[[], float], rounds: int
) -> list[str]:
    """One line: the rate achieved by ``run`` beside that of its matrix products alone."""
    flops = sum(2.0 * n * inputs * outputs for n, inputs, outputs, _ in products)
    run()
    attainable, achieved = [], []
    for _ in range(rounds):
        attainable.append(sum(map(alone, Counter(products).items())))
        achieved.append(run())
    share = median(a / b for a, b in zip(attainable, achieved, strict=True))
    return [
        label,
        f"{rows / median(achieved):,.0f}",
        f"{flops / median(achieved) / 1e9:,.0f}",
        f"{flops / median(attainable) / 1e9:,.0f}",
        f"{100 * share:.0f}",
    ]


def alone(item: tuple[Product, int]) -> float:
    """Seconds that the repetitions of one product take, from the median of several."""
    (n, inputs, outputs, dtype), count = item
    x, weight = torch.randn(n, inputs, dtype=dtype), torch.randn(outputs, inputs, dtype=dtype)
    times = []
    with torch.no_grad():
        functional.linear(x, weight)
        for _ in range(15):
            started = time.perf_counter()
            functional.linear(x, weight)
            times.append(time.perf_counter() - started)
    return count * median(times)


if __name__ == "__main__":
    typer.run(main)
