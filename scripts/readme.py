"""The tables of README and docs, from results/*.json; a test compares them.

``python scripts/readme.py`` makes every table anew that stands between a start and an end marker.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean, median
from typing import Any

import typer

from bound_tables import BOUND_TABLES, BoundTable
from experiments import HERE, read
from nice_anomaly.words import percent, rate
from reason_tables import REASON_TABLES
from reason_tables import Table as ReasonTable

START = "<!-- {}: from results/*.json by scripts/readme.py -->"
END = "<!-- end -->"
ERRORS = ("type_i", "type_ii")
SETS = ("type I, MNIST test", "type II, KMNIST test")
Maker = Callable[[Path], str]
COMPARED = ("likelihood", "auto")
CODED = [f"`{score}`" for score in COMPARED]
CUTS = (" to fit, ", "│ assumes ")  # what follows is not for the first minute
TRIED = {
    "inputs": ("hostile files to every reader", "a traceback, a hang over 5 s"),
    "mutations": ("run folders edited, cut, mixed, emptied", "another verdict, a traceback"),
    "flips": ("run folders with one bit flipped", "another verdict, a traceback"),
    "kills": ("commands killed at a random instant", "a damaged run, other weights, a leftover"),
    "races": ("commands racing for one folder", "a lost or a broken run"),
}
ROWS = {"mnist": "reproduce.json", "mnist-large": "reproduce-mnist-large.json"}


def main() -> None:
    """Bring all documents up to date."""
    texts = {path: path.read_text(encoding="utf-8") for path in documents()}
    if unused := unused_makers(texts.values()):
        raise ValueError(f"no document has a table {', '.join(unused)}")
    for path, text in texts.items():
        path.write_text(filled(text, HERE / "results", path.name), encoding="utf-8")


def documents() -> list[Path]:
    """Everything that may hold a table."""
    return [*sorted(HERE.glob("*.md")), *sorted((HERE / "docs").glob("*.md"))]


def filled(text: str, results: Path, name: str = "the text") -> str:
    """The text with every generated table in it made anew.

    Raises:
        ValueError: a comment that is no marker, or markers that are no pairs.
    """
    makers = {START.format(known): make for known, make in MAKERS.items()}
    pieces = re.split(r"(<!--.*?-->)", text, flags=re.DOTALL)
    markers = pieces[1::2]
    for place, marker in enumerate(markers):
        known = makers if place % 2 == 0 else [END]
        if marker not in known:
            raise ValueError(f"{name}: {marker} should be one of: {', '.join(known)}")
    if len(markers) % 2:
        raise ValueError(f"{name}: {markers[-1]} has no {END}")
    for place in range(1, len(pieces), 4):
        pieces[place + 1] = f"\n{makers[pieces[place]](results)}"
    return "".join(pieces)


def unused_makers(texts: Iterable[str]) -> list[str]:
    """The tables that stand in none of the texts."""
    every = "".join(texts)
    return [name for name in MAKERS if START.format(name) not in every]


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    titles = list(header)
    start = "|".join(["", *(f" {title} " if title else " " for title in titles), ""])
    lines = [start, f"| --- |{' --- |' * (len(titles) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), ""])


def choice(results: Path) -> str:
    """What held-out normals say of variations of the default, over seeds."""
    rows = (
        [
            line["variation"],
            f"{mean(line['held_out_nats']):.1f}",
            f"{span([100 * value for value in line['three_sigma_rate']], 2)} %",
            span(line["sigma"], 0),
            span(line["farthest"], 0),
        ]
        for line in read(results / "choice.json")["lines"]
    )
    return table(["variation", "held-out nats", "3σ rate", "σ", "farthest, in σ"], rows)


def span(values: list[float], digits: int) -> str:
    """From the least to the most."""
    return f"{min(values):,.{digits}f} to {max(values):,.{digits}f}"


def caption(results: Path) -> str:
    """What the first picture shows, and of which run: processors differ, and with them the runs."""
    shown = read(results / "pictures.json")
    torch = shown["provenance"]["versions"]["torch"].partition("+")[0]
    flagged, missed = percent(shown["mnist_flagged"]), percent(1 - shown["kmnist_flagged"])
    line = f"mean − 3σ = {shown['threshold']:,.0f} nats"
    return (
        "*Learned: MNIST digits. Scored: 10,000 unseen digits (blue) and 10,000 Japanese\n"
        "characters (red), which the model has never met. Higher means more normal. This is seed\n"
        f"{shown['seed']} with torch {torch}: at {line} {flagged} of the digits\n"
        f"are flagged and {missed} of the characters missed.*\n"
    )


def paper(results: Path) -> str:
    """Test log-likelihoods beside the published one."""
    rows = [["NICE paper (2014), 1500 epochs", "1980.50", "4.36", "–"]]
    for name, file in {"paper": "reproduce-paper.json", **ROWS}.items():
        found = read(results / file)
        nats, bits = found["test_log_likelihood_nats"], found["bits_per_dim"]
        rows.append([f"`{name}`", f"{nats:.2f}", f"{bits:.2f}", f"{found['train_seconds']:.0f} s"])
    header = ["MNIST test, mean over random dequantisation", "nats", "bits/dim", "training"]
    return table(header, rows)


def tables(results: Path) -> str:
    """AUROC on real tables, ours beside the others, with means."""
    found = read(results / "tables.json")["auroc_auprc_seconds"]
    methods = list(next(iter(found.values())))
    rows = []
    for name, line in found.items():
        best = max(line[method]["auroc"] for method in methods)
        marks = ("**" if line[method]["auroc"] == best else "" for method in methods)
        cells = (
            f"{mark}{line[m]['auroc']:.1f}{mark}" for m, mark in zip(methods, marks, strict=True)
        )
        rows.append([name.partition("_")[2], *cells])
    for label, key in (("mean AUROC", "auroc"), ("mean AUPRC", "auprc")):
        means = (mean(line[m][key] for line in found.values()) for m in methods)
        rows.append([label, *(f"{value:.2f}" for value in means)])
    return table(["", *methods], rows) + gaps(read(results / "tables.json").get("difference", {}))


def gaps(difference: dict[str, Any]) -> str:
    """By how much ours differs from the best rival, in words; nothing where that is not known."""
    told = []
    for key, line in difference.items():
        if line:
            low, high = line["interval"]
            rival, words = line["rival"], f"{line['mean']:+.2f} [{low:+.2f}, {high:+.2f}]"
            told.append(f"{key.upper()} {words} beside {rival}")
    if not told:
        return ""
    return (
        f"\nOurs minus the best rival, mean over sets with its 95 % interval: {', '.join(told)}.\n"
    )


def reproduction(results: Path) -> str:
    """Both error rates of the exercise and ours."""
    rows = [["the exercise", "1.10 % [0.90, 1.32]", "0.24 % [0.15, 0.36]", "–", "–"]]
    for name, file in ROWS.items():
        found = read(results / file)
        rows.append([f"`{name}`", *errors(found), *rank_and_time(found)])
        if "median" in found:
            middle, spread = found["median"], found["range"]
            both = (
                f"{100 * middle[e]:.2f} % ({100 * spread[e][0]:.2f} to {100 * spread[e][1]:.2f})"
                for e in ERRORS
            )
            label = f"`{name}`, median of {len(found['seeds'])} seeds (range)"
            rows.append([label, *both, *rank_and_time(middle)])
    return table(["", *SETS, "AUROC", "training"], rows)


def errors(found: dict[str, Any]) -> list[str]:
    """Both errors with their intervals."""
    return [rate(found[error], found[f"{error}_interval"]) for error in ERRORS]


def rank_and_time(found: dict[str, Any]) -> list[str]:
    """The ranking and the seconds of training."""
    return [f"{found['auroc']:.5f}", f"{found['train_seconds']:.0f} s"]


def splits(results: Path) -> str:
    """What rules kept of their claims over random halves."""
    rows = []
    for line in read(results / "thresholds.json")["splits"]:
        counted = "exceeded" in line
        above = f"{line['exceeded']} of {line['splits']}" if counted else "–"
        expected = f"{line['exceeded_expected']:.1f}" if counted else "–"
        mean_rate = percent(line["mean_rate"])
        rows.append([line["rule"], str(line["k"] or "–"), mean_rate, above, expected])
    counted_half = "mean rate of the counted half"
    return table(["rule", "k", counted_half, "halves above the claim", "expected"], rows)


def official(results: Path) -> str:
    """Both errors of every rule on the official split."""
    lines = read(results / "thresholds.json")["official"]
    rows = ([line["rule"], f"{line['threshold']:,.0f}", *errors(line)] for line in lines)
    return table(["rule", "threshold", *SETS], rows)


def pairs(results: Path) -> str:
    """AUROC and type II of every score on every pair."""
    content = read(results / "pairs.json")["pairs"]
    scores = list(next(iter(content.values())))
    rows = []
    for normal, found in content.items():
        for name in found["auto"]["anomalies"]:
            cells = (found[score]["anomalies"][name] for score in scores)
            told = (f"{cell['auroc']:.4f} / {100 * cell['type_ii']:.1f}" for cell in cells)
            rows.append([f"{normal} → {name}", *told])
        rates = (f"{100 * median(found[score]['type_i']):.2f}" for score in scores)
        rows.append([f"{normal}: type I in %", *rates])
    return table(["normal → anomalous", *(f"`{score}`" for score in scores)], rows)


def blindness(results: Path) -> str:
    """The pairs that the README tells of."""
    content = read(results / "pairs.json")["pairs"]
    rows = []
    for normal, name in (
        *(("fashion", "mnist"), ("fashion", "kmnist"), ("mnist", "kmnist"), ("mnist", "fashion")),
        *(("mnist", "blank"), ("mnist", "smaller"), ("mnist", "blur"), ("mnist", "patch missing")),
    ):
        missed = (content[normal][score]["anomalies"][name]["type_ii"] for score in COMPARED)
        rows.append([f"{normal} → {name}", *(f"{100 * value:.2f} %" for value in missed)])
    return table(["learned → anomalous, missed at 1 % false alarms", *CODED], rows)


def stress(results: Path) -> str:
    """Does the power against corruptions rank flows as their real power does?"""
    content = read(results / "pairs.json")["stress"]
    flows, rows = content["flows"], []
    for label, key in (("mean stress power", "stress_power"), ("missed of KMNIST", "type_ii")):
        spans = ([100 * flow[score][key] for flow in flows] for score in COMPARED)
        rows.append([label, *(f"{min(span):.1f} to {max(span):.1f} %" for span in spans)])
    ranks = (f"{content['rank_correlation'][score]:.2f}" for score in COMPARED)
    rows.append(["rank correlation of stress power and real power", *ranks])
    return table([f"{len(flows)} flows of FashionMNIST, good and bad", *CODED], rows)


def of_bounds(rows: BoundTable) -> Maker:
    """The table that a function of the results on bounds makes."""
    return lambda results: table(*rows(read(results / "bounds.json")))


def of_reasons(file: str, rows: Callable[[dict[str, Any]], ReasonTable]) -> Maker:
    """The table that a function of the results on reasons makes."""
    return lambda results: table(*rows(read(results / file)))


def session(results: Path) -> str:
    """A first hour as the terminal shows it; what is cut is marked by an ellipsis."""
    found = read(results / "session.json")
    lines = []
    for command, text in found["screens"].items():
        shown = text.splitlines()
        for end, line in enumerate(shown):
            if any(cut in line for cut in CUTS):
                shown = [*shown[:end], "…"]
                break
        lines += [f"$ nice-anomaly {command}", *shown, ""]
    return "\n".join(["```", *lines[:-1], "```", ""])


def reliability(results: Path) -> str:
    """How often harm was tried, and what came of it."""
    found = read(results / "faults.json")
    rows = []
    for name, (tried, defect) in TRIED.items():
        if name not in found:  # a part can be left out
            continue
        part = found[name]
        made = part["provenance"]
        when = f"{made['date'][:10]}, {made['commit'][:7]}"
        rows.append([tried, f"{part['tried']:,}", defect, f"**{part['defects']:,}**", when])
    text = table(["tried", "times", "a defect would be", "defects", "on, at"], rows)
    if "inputs" not in found:
        return text
    longest = f"The slowest file took {found['inputs']['slowest_seconds']:.1f} s"
    largest = f"the largest process {found['inputs']['peak_mib']:,.0f} MiB, PyTorch included."
    return f"{text}\n{longest}, {largest}\n"


MAKERS: dict[str, Maker] = {
    "session": session,
    "reliability": reliability,
    "caption": caption,
    "pairs": pairs,
    "blindness": blindness,
    "stress": stress,
    "results": reproduction,
    "choice": choice,
    "paper": paper,
    "tables": tables,
    "splits": splits,
    "official": official,
    **{name: of_bounds(rows) for name, rows in BOUND_TABLES.items()},
    **{name: of_reasons(file, rows) for name, (file, rows) in REASON_TABLES.items()},
}


if __name__ == "__main__":
    typer.run(main)
