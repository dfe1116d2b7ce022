"""The pictures of docs/thresholds.md: one a rule, from collected scores or from the law itself."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm

from drawing import ANOMALOUS, FAINT, INK, NORMAL, Arrays, line, note, sheet, thousands
from nice_anomaly import Certified, Conformal, Manual, Scores, Sigma
from nice_anomaly.metrics import Rate
from nice_anomaly.thresholds import Calibration, Discoveries, calibrate, detect
from nice_anomaly.thresholds.ranks import certified_rank, conformal_rank, quantile_rank
from nice_anomaly.words import percent, rate

N, ALPHA = 1_000, 0.01  # of the pictures that show a law
LOW, HIGH, STEP = -500, 3_000, 50  # nats
FDR = 0.1


def rule_pictures(
    arrays: Arrays, facts: dict[str, Any], folds: list[dict[str, Any]]
) -> dict[str, Any]:
    """All of them by name."""
    scores = Scores(arrays["held_out"])
    return {
        "sigma": sigma(scores),
        "quantile": law(quantile_rank(N, ALPHA), "quantile"),
        "conformal": law(conformal_rank(N, ALPHA), "conformal"),
        "certified": law(certified_rank(N, ALPHA, 0.95), "certified"),
        "cross-conformal": cross_conformal(folds),
        "manual": manual(scores),
        "tails": tails(scores, facts["blank_score"]),
        "groups": groups(scores, arrays["held_out_class"]),
        "discoveries": discoveries(scores, arrays["mnist_batch"], arrays["kmnist_batch"]),
    }


def histogram(scores: Scores, *, high: float = HIGH) -> tuple[Any, Any]:
    """A sheet with calibration scores; what lies further out is counted at the edge."""
    figure, axes = sheet(f"log-likelihood of {len(scores):,} held-out digits (nats)", "digits")
    bins = np.arange(LOW, high + STEP, STEP)
    axes.hist(np.clip(scores.values, LOW, high), bins=bins, color=NORMAL, alpha=0.75)
    thousands(axes.xaxis)
    return figure, axes


def measured(calibration: Calibration) -> str:
    """The share of the calibration scores that is flagged, on two lines."""
    found = Rate(calibration.overall.flagged, calibration.n)
    return "measured " + rate(found.value, found.interval).replace(" [", "\n[")


def sigma(scores: Scores) -> Any:
    """Scores, the normal law with their mean and spread, and the line at 3σ."""
    found = calibrate(scores, Sigma(3))
    every = found.overall
    figure, axes = histogram(scores)
    x = np.linspace(LOW, HIGH, 300)
    law = found.n * STEP * norm.pdf(x, every.mean, every.std)
    axes.plot(x, law, color=ANOMALOUS)
    axes.annotate("normal law", (1_450, 210), (1_200, 420), color=ANOMALOUS, ha="left",
                  arrowprops={"arrowstyle": "-", "color": ANOMALOUS})  # fmt: skip
    nominal = percent(Sigma(3).nominal_rate("low"))
    line(axes, found.threshold, f"mean - 3σ\nnominal {nominal}\n{measured(found)}")
    return figure


def law(k: int, name: str) -> Any:
    """How true rates of many calibrations on n scores are distributed, above the claim in red."""
    figure, axes = sheet(
        f"true false-alarm rate of a threshold from {N:,} normals (%)", "share of calibrations"
    )
    rates = np.linspace(0, 0.022, 400)
    density = beta.pdf(rates, k, N + 1 - k)
    above = beta.sf(ALPHA, k, N + 1 - k)
    axes.fill_between(100 * rates, density, where=rates <= ALPHA, color=NORMAL, alpha=0.75)
    axes.fill_between(100 * rates, density, where=rates >= ALPHA, color=ANOMALOUS, alpha=0.75)
    axes.set_yticks([])
    axes.set_xlim(0, 2.2)
    axes.set_ylim(0, 1.2 * density.max())
    line(axes, 100 * ALPHA, f"asked for: {100 * ALPHA:g} %", side="left", height=0.98)
    axes.annotate(
        f"{name}, k = {k}: {100 * above:.0f} % of calibrations\nare above it (red), mean "
        f"{100 * k / (N + 1):.2f} %",
        (0.99, 0.72), xycoords="axes fraction", ha="right", va="top", color=INK,
    )  # fmt: skip
    return figure


def cross_conformal(sizes: list[dict[str, Any]]) -> Any:
    """Rates by the number of normals: simulated, proven, and of a certified threshold."""
    figure, axes = sheet("normals", "false-alarm rate (%)")
    n = np.array([size["n"] for size in sizes])
    for name, colour, style, label in (
        ("proven", ANOMALOUS, "-", "proven at most"),
        ("stable", NORMAL, "o-", "a stable learner, simulated"),
        ("by_heart", NORMAL, "o--", "one that learns by heart"),
        ("certified", INK, "-", "certified 5 %, of as many held out"),
    ):
        rates = np.array([size[name] for size in sizes], dtype=float)
        axes.plot(n, 100 * rates, style, color=colour, markersize=4, label=label)
    axes.axhline(5, color=FAINT, linestyle="--", zorder=0)
    axes.set_xscale("log")
    axes.set_xticks([20, 50, 100, 200, 500, 1_000])
    axes.minorticks_off()
    thousands(axes.xaxis)
    axes.set_ylim(0, 21)
    axes.legend(frameon=False)
    return figure


def manual(scores: Scores) -> Any:
    """A line that somebody drew, and the rate that was measured with it."""
    found = calibrate(scores, Manual(1_200))
    figure, axes = histogram(scores)
    line(axes, found.threshold, f"chosen by hand: 1,200\n{measured(found)}")
    return figure


def tails(scores: Scores, blank: float) -> Any:
    """Both thresholds, and a blank image beyond the upper one."""
    found = calibrate(scores, Certified(0.01), tail="both")
    figure, axes = histogram(scores, high=3_500)
    line(axes, found.threshold, "too odd")
    line(axes, found.ceiling, "too normal", side="left")
    axes.axvline(blank, color=ANOMALOUS, linewidth=2)
    note(axes, blank, 0.65, f"a blank image:\n{blank:,.0f} nats", ANOMALOUS, "left")
    return figure


def groups(scores: Scores, classes: NDArray[np.uint8]) -> Any:
    """The low end of the scores of every digit, with its own threshold and the common one."""
    found = calibrate(scores, Certified(0.01), groups=[str(digit) for digit in classes])
    figure, axes = sheet("log-likelihood (nats), the low end", "digit", height=3.4)
    rng = np.random.default_rng(0)
    for place, group in enumerate(found.groups):
        shown = group.scores[group.scores < 2_400]
        height = place + rng.uniform(-0.3, 0.3, len(shown))
        odd = shown < group.bounds.low
        axes.scatter(np.maximum(shown, LOW), height, s=2, c=np.where(odd, ANOMALOUS, NORMAL))
        axes.plot([group.bounds.low] * 2, [place - 0.42, place + 0.42], color=INK, linewidth=1.8)
        below = Rate.of(group.scores < found.threshold)
        beside(axes, place, f"{100 * below.value:.1f} %")
    axes.axvline(found.threshold, color=FAINT, linestyle="--", zorder=0)
    beside(axes, len(found.groups) + 0.2, "with one\nfor all:")
    axes.set_yticks(range(len(found.groups)), [group.name for group in found.groups])
    axes.set_xlim(LOW, 2_400)
    thousands(axes.xaxis)
    return figure


def beside(axes: Any, height: float, text: str) -> None:
    """Words to the right of the axes."""
    axes.annotate(
        text, (1, height), (6, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", va="center", fontsize=9, color=INK, annotation_clip=False,
    )  # fmt: skip


def discoveries(
    scores: Scores, digits: NDArray[np.float64], characters: NDArray[np.float64]
) -> Any:
    """Ordered p-values of a batch and the line that decides which are discoveries."""
    batch = Scores(np.concatenate([digits, characters]))
    p_values = detect(batch, calibrate(scores, Conformal(0.01))).p_value
    odd = np.repeat([False, True], [len(digits), len(characters)])
    flagged = p_values <= Discoveries(FDR).level(p_values)
    order = np.argsort(p_values, kind="stable")[:120]
    rank = np.arange(1, len(order) + 1)
    n = f"{len(batch):,}"
    figure, axes = sheet(f"rank of the p-value among {n}", "p-value", height=2.8)
    edge = FDR * rank / len(batch)
    axes.plot(rank, edge, color=INK, linestyle="--", label=f"rank × {100 * FDR:.0f} % / {n}")
    for which, colour, label in (
        (odd[order], ANOMALOUS, f"{len(characters):,} KMNIST characters"),
        (~odd[order], NORMAL, f"{len(digits):,} MNIST digits"),
    ):
        axes.scatter(rank[which], p_values[order][which], s=9, color=colour, label=label)
    axes.axvspan(0, flagged.sum() + 0.5, color=FAINT, alpha=0.35, zorder=0)
    axes.annotate(
        f"{flagged.sum()} discoveries, {(flagged & ~odd).sum()} of them false",
        (flagged.sum() / 2, 0.95),
        xycoords=("data", "axes fraction"), ha="center", va="top", color=INK,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(0, 121)
    axes.legend(frameon=False, loc="lower right")
    return figure
