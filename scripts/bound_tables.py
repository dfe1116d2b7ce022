"""The tables of docs/bounds.md, from results/bounds.json: each a header and its rows."""

from collections.abc import Callable, Iterable
from typing import Any

Found = dict[str, Any]
Table = tuple[list[str], Iterable[Iterable[str]]]
BoundTable = Callable[[Found], Table]
RULES, ERRORS = ("sigma", "certified"), ("type_i", "type_ii")
DETECTED = ("I % at 3σ", "II %", "I % at certified 1 %", "II %", "AUROC")
NAMED = {"nice": "flow", "vae": "VAE"}
PAIRED = {"mnist": "kmnist", "fashion": "mnist"}


def bounds(found: Found) -> Table:
    """The climb of VLB^(K), known and unknown."""
    known, unknown = found["linear"], found["climb"]
    rows = [
        [
            f"{line['draws']:,}",
            f"{line['bound']:.3f} ± {line['standard_error']:.3f}",
            f"{known['log_p'] - line['bound']:.3f}",
            f"{other['bound']:,.1f}",
        ]
        for line, other in zip(known["bounds"], unknown["bounds"], strict=True)
    ]
    rows.append(["log p(x)", f"{known['log_p']:.3f}, exact", "0", f"≥ {unknown['annealed']:,.1f}"])
    rows.append(["KL(q ‖ posterior)", "", f"{known['kl']:.3f}, exact", ""])
    return ["K", "linear-Gaussian", "its gap", "MNIST"], rows


def prior(found: Found) -> Table:
    """A trainable prior beside N(0, I)."""
    found = found["prior"]
    score = found["trainable"]["bound"]["quantity"].partition(",")[0]
    rows = (
        [name, f"{line['bound']['nats']:,.1f}", *detected(line["errors"])]
        for name, line in found.items()
    )
    return ["prior", f"{score}, nats", *DETECTED], rows


def rivals(found: Found) -> Table:
    """Flow and VAE after equal training time."""
    rows = []
    for learned, kinds in found["detection"].items():
        for kind, line in kinds.items():
            exact = "" if kind == "nice" else "≥ "
            rows.append(
                [
                    f"{learned} → {PAIRED[learned]}",
                    NAMED[kind],
                    f"{exact}{line['nats']['nats']:,.1f}",
                    *detected(line["errors"]),
                    f"{line['train_seconds']:.0f} s",
                ]
            )
    return ["learned → anomalous", "model", "nats", *DETECTED, "training"], rows


def looseness(found: Found) -> Table:
    """The errors of one VAE by the number of draws of its score."""
    lines = found["looseness"]
    rows = (
        [f"{line['draws']:,}", f"{line['nats']:,.1f}", *detected(line["errors"])] for line in lines
    )
    return ["K of the score", "nats", *DETECTED], rows


def gaps(found: Found) -> Table:
    """How loose one draw is, for normal images and for others."""
    found = found["gaps"]
    rows = []
    for name, line in found["sets"].items():
        low, middle, high = line["gap"]
        rows.append([name, f"{line['bound']:,.0f}", f"{middle:,.0f}", f"{low:,.0f} to {high:,.0f}"])
    missing = f"VLB^({found['draws']:,}) − VLB^(1), median"
    return ["test images of", "VLB^(1), nats", missing, "of nine in ten"], rows


def detected(errors: dict[str, Any]) -> list[str]:
    """Both errors by both rules, and the ranking."""
    found = (f"{100 * errors[rule][kind]['rate']:.2f}" for rule in RULES for kind in ERRORS)
    return [*found, f"{errors['auroc']:.5f}"]


BOUND_TABLES: dict[str, BoundTable] = {
    "bounds": bounds,
    "prior": prior,
    "rivals": rivals,
    "looseness": looseness,
    "gaps": gaps,
}
