"""The pictures of docs/thresholds.md: one a rule, from real scores or from the law itself.

Uses the run of 'make reproduce' and writes docs/rules/*.png.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import beta, norm

from nice_anomaly import pipeline
from nice_anomaly.calibrate import Certified, Conformal, Manual, Sigma, calibrate
from nice_anomaly.calibrate.ranks import certified_rank, conformal_rank, quantile_rank
from nice_anomaly.cli import render
from nice_anomaly.data import Dataset
from nice_anomaly.detect import detect
from nice_anomaly.discoveries import Discoveries
from nice_anomaly.metrics import Rate
from nice_anomaly.run import Run, load_run

NORMAL, ANOMALOUS, INK, FAINT = "#2a6f97", "#c8553d", "#222222", "#bbbbbb"
N, ALPHA = 1_000, 0.01  # of the pictures that show a law
Scores = NDArray[np.float64]


def main(
    run: Annotated[Path, typer.Option()] = Path("runs/reproduce-mnist-0"),
    target: Annotated[Path, typer.Option()] = Path("docs/rules"),
    data_root: Annotated[Path, typer.Option(envvar="NICE_ANOMALY_DATA")] = Path("data"),
) -> None:
    """Draw all of them."""
    target.mkdir(parents=True, exist_ok=True)
    loaded = load_run(run)
    normals = pipeline.held_out(loaded, data_root, group_column="class")
    characters = pipeline.evaluation_scores(loaded, "kmnist", data_root)
    digits = pipeline.evaluation_scores(loaded, "mnist", data_root)
    pictures = {
        "sigma": sigma(normals.scores),
        "quantile": law(quantile_rank(N, ALPHA), "quantile"),
        "conformal": law(conformal_rank(N, ALPHA), "conformal"),
        "certified": law(certified_rank(N, ALPHA, 0.95), "certified"),
        "manual": manual(normals.scores),
        "tails": tails(loaded, normals.scores),
        "groups": groups(normals.scores, list(normals.groups or [])),
        "discoveries": discoveries(normals.scores, digits[:1_000], characters[:50]),
    }
    for name, figure in pictures.items():
        figure.savefig(target / f"{name}.png")


def sheet(xlabel: str, ylabel: str, height: float = 2.5) -> tuple[Any, Any]:
    """An empty figure with one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, height), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    return figure, axes


def histogram(axes: Any, scores: Scores, low: float = -500, high: float = 3_000) -> None:
    """Calibration scores; what lies further out is counted at the edge."""
    axes.hist(np.clip(scores, low, high), bins=np.linspace(low, high, 71), color=NORMAL, alpha=0.75)


def line(axes: Any, place: float, text: str, *, side: str = "right", height: float = 0.9) -> None:
    """A threshold with its name, to the left or right of it."""
    axes.axvline(place, color=INK, linestyle="--", linewidth=1.2)
    note(axes, place, height, text, INK, side)


def note(axes: Any, place: float, height: float, text: str, colour: str, side: str) -> None:
    """Words beside a place on the horizontal axis, their top at a share of the height."""
    axes.annotate(
        text,
        (place, height),
        (-6 if side == "right" else 6, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha=side,
        va="top",
        color=colour,
    )


def sigma(scores: Scores) -> Any:
    """Scores, the normal law with their mean and spread, and the line at 3σ."""
    found = calibrate(scores, Sigma(3))
    rate = Rate(found.everyone.flagged, found.n)
    figure, axes = sheet("log-likelihood of 10,000 held-out digits (nats)", "digits")
    histogram(axes, scores)
    x = np.linspace(-500, 3_000, 300)
    every = found.everyone
    axes.plot(
        x, found.n * 50 * norm.pdf(x, every.mean, every.std), color=ANOMALOUS, label="normal law"
    )
    said = render.rate(rate.value, rate.interval)
    line(axes, found.threshold, f"mean - 3σ\nnominal 0.135 %\nmeasured {said}")
    axes.legend(frameon=False, loc="upper right")
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


def manual(scores: Scores) -> Any:
    """A line that somebody drew, and the rate that was measured with it."""
    found = calibrate(scores, Manual(1_200))
    rate = Rate(found.everyone.flagged, found.n)
    figure, axes = sheet("log-likelihood of 10,000 held-out digits (nats)", "digits")
    histogram(axes, scores)
    said = render.rate(rate.value, rate.interval)
    line(axes, 1_200, f"chosen by hand: 1,200\nmeasured {said}")
    return figure


def tails(run: Run, scores: Scores) -> Any:
    """Both thresholds, and a blank image beyond the upper one."""
    found = calibrate(scores, Certified(0.01), tail="both")
    layout = run.manifest.data.layout
    blank = Dataset("blank", layout, np.zeros((1, layout.dimensions), dtype=np.uint8))
    place = float(pipeline.score_dataset(run, blank)[0])
    figure, axes = sheet("log-likelihood (nats)", "digits")
    histogram(axes, scores, high=3_500)
    line(axes, found.threshold, "too odd")
    line(axes, found.ceiling, "too normal", side="left")
    axes.axvline(place, color=ANOMALOUS, linewidth=2)
    note(axes, place, 0.65, f"a blank image:\n{place:,.0f} nats", ANOMALOUS, "left")
    return figure


def groups(scores: Scores, names: list[str | None]) -> Any:
    """The low end of the scores of every digit, with its own threshold and the common one."""
    found = calibrate(scores, Certified(0.01), groups=names)
    figure, axes = sheet("log-likelihood (nats)", "digit", height=3.4)
    rng = np.random.default_rng(0)
    for place, group in enumerate(found.groups):
        shown = group.scores[group.scores < 2_400]
        height = place + rng.uniform(-0.3, 0.3, len(shown))
        odd = shown < group.bounds.low
        axes.scatter(np.maximum(shown, -500), height, s=2, c=np.where(odd, ANOMALOUS, NORMAL))
        axes.plot([group.bounds.low] * 2, [place - 0.42, place + 0.42], color=INK, linewidth=1.8)
        rate = Rate(int((group.scores < found.threshold).sum()), group.n)
        axes.annotate(
            f"{100 * rate.value:.1f} % with one for all", (1, place), (4, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
            fontsize=8, color=INK, annotation_clip=False,
        )  # fmt: skip
    axes.axvline(found.threshold, color=FAINT, linestyle="--", zorder=0)
    axes.set_yticks(range(len(found.groups)), [group.name for group in found.groups])
    axes.set_xlim(-500, 2_400)
    return figure


def discoveries(scores: Scores, digits: Scores, characters: Scores) -> Any:
    """Ordered p-values of a batch and the line that decides which are discoveries."""
    calibration = calibrate(scores, Conformal(0.01))
    found = detect(np.concatenate([digits, characters]), calibration)
    odd = np.repeat([False, True], [len(digits), len(characters)])
    rule = Discoveries(0.1)
    level = rule.level(found.p_value)
    order = np.argsort(found.p_value, kind="stable")[:120]
    rank = np.arange(1, len(order) + 1)
    figure, axes = sheet("rank of the p-value among 1,050", "p-value", height=2.8)
    line_of = rule.fdr * rank / len(found.p_value)
    axes.plot(rank, line_of, color=INK, linestyle="--", label="rank × 10 % / 1,050")
    for which, colour, label in (
        (odd[order], ANOMALOUS, "KMNIST characters"),
        (~odd[order], NORMAL, "MNIST digits"),
    ):
        axes.scatter(rank[which], found.p_value[order][which], s=9, color=colour, label=label)
    flagged = found.p_value <= level
    wrong = int((flagged & ~odd).sum())
    axes.axvspan(0, flagged.sum() + 0.5, color=FAINT, alpha=0.35, zorder=0)
    axes.annotate(
        f"{int(flagged.sum())} discoveries, {wrong} of them false", (flagged.sum() / 2, 0.95),
        xycoords=("data", "axes fraction"), ha="center", va="top", color=INK,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(0, 121)
    axes.legend(frameon=False, loc="lower right")
    return figure


if __name__ == "__main__":
    typer.run(main)
