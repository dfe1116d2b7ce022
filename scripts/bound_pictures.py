"""The pictures of docs/bounds.md, from results/bounds.json."""

from typing import Any

from drawing import ANOMALOUS, FAINT, INK, NORMAL, note, sheet, thousands

THIRD = "#6a994e"
ESTIMATORS = {
    "plain-log-derivative": (ANOMALOUS, "log-derivative, as it stands"),
    "log-derivative": (THIRD, "log-derivative, leave-one-out baseline"),
    "reparametrised": (NORMAL, "reparametrised"),
}


def bound_pictures(found: dict[str, Any]) -> dict[str, Any]:
    """All of them by name."""
    return {
        "linear": linear(found["linear"]),
        "climb": climb(found["climb"], found["provenance"]["settings"]["vae"]["draws"]),
        "gradients": gradients(found["gradients"]),
    }


def linear(found: dict[str, Any]) -> Any:
    """VLB^(K) rising to log p(x) where that is known on paper."""
    figure, axes = sheet("draws K", "nats a sample", height=3.0)
    draws, bounds = ([line[key] for line in found["bounds"]] for key in ("draws", "bound"))
    axes.fill_between(draws, bounds, found["log_p"], color=NORMAL, alpha=0.12, linewidth=0)
    axes.plot(draws, bounds, "o-", color=NORMAL, markersize=4)
    axes.axhline(found["log_p"], color=INK, linestyle="--", linewidth=1.2)
    axes.axhline(found["log_p"] - found["kl"], color=ANOMALOUS, linestyle=":", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_ylim(bounds[0] - 0.25 * found["kl"], found["log_p"] + 0.2 * found["kl"])
    middle = draws[-1]
    for height, text, colour, up in (
        (found["log_p"], "log p(x), exact", INK, 4),
        (found["log_p"] - found["kl"], "log p(x) − KL(q ‖ posterior)", ANOMALOUS, -13),
    ):
        axes.annotate(text, (middle, height), (0, up), textcoords="offset points", color=colour,
                      ha="right")  # fmt: skip
    note(axes, 12, 0.78, "VLB^(K)", NORMAL, "left")
    thousands(axes.xaxis)
    return figure


def climb(found: dict[str, Any], default: int) -> Any:
    """The same where nobody knows log p(x); the K that scores are marked."""
    figure, axes = sheet("draws K", "nats an image", height=3.0)
    draws, bounds = ([line[key] for line in found["bounds"]] for key in ("draws", "bound"))
    axes.plot(draws, bounds, "o-", color=NORMAL, markersize=4)
    axes.axhline(found["annealed"], color=INK, linestyle="--", linewidth=1.2)
    text = f"annealed importance sampling, {found['steps']} steps"
    axes.annotate(text, (draws[0], found["annealed"]), (0, 4), textcoords="offset points",
                  color=INK)  # fmt: skip
    axes.axvline(default, color=FAINT, linewidth=1)
    note(axes, default, 0.3, f"K = {default}, the default", INK, "left")
    axes.set_xscale("log")
    axes.margins(y=0.18)
    thousands(axes.xaxis)
    thousands(axes.yaxis)
    return figure


def gradients(found: dict[str, Any]) -> Any:
    """What a gradient by φ varies, in units of its own length."""
    figure, axes = sheet("draws K of each sample", "variance / squared length", height=3.0)
    for name, (colour, label) in ESTIMATORS.items():
        draws = [line["draws"] for line in found["lines"]]
        axes.plot(draws, [line[name] for line in found["lines"]], "o-", color=colour, label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(draws, [str(k) for k in draws])
    axes.minorticks_off()
    axes.legend(frameon=False)
    return figure
