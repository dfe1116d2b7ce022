"""The tables of docs/reasons.md, from results/reasons-*.json: each a header and its rows."""

from collections.abc import Iterable
from typing import Any

Found = dict[str, Any]
Table = tuple[list[str], Iterable[Iterable[str]]]
SETS = {"mnist": "MNIST", "fashion": "FashionMNIST"}
OURS = "ours, "


def maps(found: Found) -> Table:
    """Pixel AUROC of every method by what was planted."""
    first = next(iter(found["sets"].values()))
    kinds = list(next(iter(first.values()))["kinds"])
    rows = (
        [
            SETS[name],
            method,
            _interval(line["auroc"]),
            *(f"{line['kinds'][k][0]:.2f}" for k in kinds),
        ]
        for name, methods in found["sets"].items()
        for method, line in methods.items()
    )
    return ["", "pixel AUROC", "all", *kinds], rows


def repairs(found: Found) -> Table:
    """Boxes, repairs, what is lit without a cause, and time."""
    rows = (
        [
            f"{SETS[name]}, `{method.removeprefix(OURS)}`",
            _share(line["touches"]),
            f"{_share(line['touches_flagged'])}",
            f"{_share(line['repaired_local'])} of {line['flagged']:,}",
            f"{line['changed']:.0f} → {line['changed_least']:.0f}",
            f"{100 * line['lit']:.1f} %",
            f"{line['ms']:.0f} / {line['ms_flagged']:.0f}",
        ]
        for name, methods in found["sets"].items()
        for method, line in methods.items()
        if method.startswith(OURS)
    )
    heads = ["box touches the patch", "… newly flagged", "repaired in place, of flagged"]
    heads += ["pixels changed → least", "lit at 1 %", "ms, passing / flagged"]
    return ["", *heads], rows


def rows(found: Found) -> Table:
    """How often the column that was changed is first, and within three, by every method."""
    every = found["all"]
    body = (
        [name, *(f"{100 * every[kind][name][place]:.1f}" for kind in KINDS for place in PLACES)]
        for name in every[KINDS[0]]
        if not name.startswith("posterior of")
    )
    return ["%", "far out: first", "in three", "usual in itself: first", "in three"], body


KINDS, PLACES = ("tail", "relation"), ("first", "third")


def _interval(values: list[float]) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*values)


def _share(found: Found) -> str:
    low, high = (100 * end for end in found["share_interval"])
    return f"{100 * found['share']:.0f} % ({low:.0f} to {high:.0f})"


REASON_TABLES = {
    "reason maps": ("reasons-images.json", maps),
    "reason repairs": ("reasons-images.json", repairs),
    "reason columns": ("reasons-tables.json", rows),
}
