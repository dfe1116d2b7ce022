"""The tables of README and docs, from results/*.json; a test compares them.

``python scripts/readme.py`` makes every table anew that stands between a start and an end marker.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, median

import typer

from experiments import HERE, read
from nice_anomaly.words import percent, rate

START = "<!-- {}: from results/*.json by scripts/readme.py -->"
END = "<!-- end -->"
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


def choice(results: Path) -> str:
    """What held-out normals say of variations of the default."""
    lines = ["| variation | held-out nats | 3σ rate | training |", "| --- | --- | --- | --- |"]
    for line in read(results / "choice.json")["lines"]:
        lines.append(
            f"| {line['variation']} | {line['held_out_nats']:.1f} "
            f"| {rate(line['three_sigma_rate'], line['interval'])} "
            f"| {line['train_seconds']:.0f} s |"
        )
    return "\n".join(lines) + "\n"


def paper(results: Path) -> str:
    """Test log-likelihoods beside the published one."""
    lines = [
        "| MNIST test, mean over random dequantisation | nats | bits/dim | training |",
        "| --- | --- | --- | --- |",
        "| NICE paper (2014), 1500 epochs | 1980.50 | 4.36 | – |",
    ]
    for name, file in {"paper": "reproduce-paper.json", **ROWS}.items():
        content = read(results / file)
        lines.append(
            f"| `{name}` | {content['test_log_likelihood_nats']:.2f} "
            f"| {content['bits_per_dim']:.2f} | {content['train_seconds']:.0f} s |"
        )
    return "\n".join(lines) + "\n"


def tables(results: Path) -> str:
    """AUROC on real tables, ours beside the others, with means."""
    found = read(results / "tables.json")["auroc_auprc_seconds"]
    methods = list(next(iter(found.values())))
    lines = [f"| | {' | '.join(methods)} |", f"| --- |{' --- |' * len(methods)}"]
    for name, line in found.items():
        best = max(line[method]["auroc"] for method in methods)
        cells = (
            f"**{line[m]['auroc']:.1f}**" if line[m]["auroc"] == best else f"{line[m]['auroc']:.1f}"
            for m in methods
        )
        lines.append(f"| {name.partition('_')[2]} | {' | '.join(cells)} |")
    for label, key in (("mean AUROC", "auroc"), ("mean AUPRC", "auprc")):
        means = (mean(line[m][key] for line in found.values()) for m in methods)
        lines.append(f"| {label} | {' | '.join(f'{value:.2f}' for value in means)} |")
    return "\n".join(lines) + "\n"


def reproduction(results: Path) -> str:
    """Both error rates of the exercise and ours."""
    lines = [
        "| | type I, MNIST test | type II, KMNIST test | AUROC | training |",
        "| --- | --- | --- | --- | --- |",
        "| the exercise | 1.10 % [0.90, 1.32] | 0.24 % [0.15, 0.36] | – | – |",
    ]
    for name, file in ROWS.items():
        content = read(results / file)
        seconds = f"{content['train_seconds']:.0f} s"
        lines.append(
            f"| `{name}` | {rate(content['type_i'], content['type_i_interval'])} "
            f"| {rate(content['type_ii'], content['type_ii_interval'])} "
            f"| {content['auroc']:.5f} | {seconds} |"
        )
        if "median" in content:
            middle, spread = content["median"], content["range"]
            one, two = (
                f"{100 * middle[key]:.2f} % ({100 * spread[key][0]:.2f} to "
                f"{100 * spread[key][1]:.2f})"
                for key in ("type_i", "type_ii")
            )
            lines.append(
                f"| `{name}`, median of {len(content['seeds'])} seeds (range) | {one} | {two} "
                f"| {middle['auroc']:.5f} | {middle['train_seconds']:.0f} s |"
            )
    return "\n".join(lines) + "\n"


def splits(results: Path) -> str:
    """What rules kept of their claims over random halves."""
    found = read(results / "thresholds.json")["splits"]
    lines = [
        "| rule | k | mean rate of the counted half | halves above the claim | expected |",
        "| --- | --- | --- | --- | --- |",
    ]
    for line in found:
        above = f"{line['exceeded']} of {line['splits']}" if "exceeded" in line else "–"
        expected = f"{line['exceeded_expected']:.1f}" if "exceeded" in line else "–"
        lines.append(
            f"| {line['rule']} | {line['k'] or '–'} | {percent(line['mean_rate'])} "
            f"| {above} | {expected} |"
        )
    return "\n".join(lines) + "\n"


def official(results: Path) -> str:
    """Both errors of every rule on the official split."""
    lines = [
        "| rule | threshold | type I, MNIST test | type II, KMNIST test |",
        "| --- | --- | --- | --- |",
    ]
    for line in read(results / "thresholds.json")["official"]:
        one, two = (rate(line[e], line[f"{e}_interval"]) for e in ("type_i", "type_ii"))
        lines.append(f"| {line['rule']} | {line['threshold']:,.0f} | {one} | {two} |")
    return "\n".join(lines) + "\n"


def pairs(results: Path) -> str:
    """AUROC and type II of every score on every pair."""
    content = read(results / "pairs.json")["pairs"]
    scores = list(next(iter(content.values())))
    lines = [
        f"| normal → anomalous | {' | '.join(f'`{score}`' for score in scores)} |",
        f"| --- |{' --- |' * len(scores)}",
    ]
    for normal, found in content.items():
        for name in found["auto"]["anomalies"]:
            cells = (found[score]["anomalies"][name] for score in scores)
            told = (f"{cell['auroc']:.4f} / {100 * cell['type_ii']:.1f}" for cell in cells)
            lines.append(f"| {normal} → {name} | {' | '.join(told)} |")
        rates = (f"{100 * median(found[score]['type_i']):.2f}" for score in scores)
        lines.append(f"| {normal}: type I in % | {' | '.join(rates)} |")
    return "\n".join(lines) + "\n"


def blindness(results: Path) -> str:
    """The pairs that the README tells of."""
    content = read(results / "pairs.json")["pairs"]
    lines = [
        "| learned → anomalous, missed at 1 % false alarms | `likelihood` | `auto` |",
        "| --- | --- | --- |",
    ]
    for normal, name in (
        *(("fashion", "mnist"), ("fashion", "kmnist"), ("mnist", "kmnist"), ("mnist", "fashion")),
        *(("mnist", "blank"), ("mnist", "smaller"), ("mnist", "blur"), ("mnist", "patch missing")),
    ):
        one, two = (
            f"{100 * content[normal][score]['anomalies'][name]['type_ii']:.2f} %"
            for score in ("likelihood", "auto")
        )
        lines.append(f"| {normal} → {name} | {one} | {two} |")
    return "\n".join(lines) + "\n"


def stress(results: Path) -> str:
    """Does the power against corruptions rank flows as their real power does?"""
    content = read(results / "pairs.json")["stress"]
    lines = [
        f"| {len(content['flows'])} flows of FashionMNIST, good and bad | `likelihood` | `auto` |",
        "| --- | --- | --- |",
    ]
    for label, key in (("mean stress power", "stress_power"), ("missed of KMNIST", "type_ii")):
        spans = (
            [100 * flow[score][key] for flow in content["flows"]]
            for score in ("likelihood", "auto")
        )
        cells = (f"{min(span):.1f} to {max(span):.1f} %" for span in spans)
        lines.append(f"| {label} | {' | '.join(cells)} |")
    ranks = (f"{content['rank_correlation'][score]:.2f}" for score in ("likelihood", "auto"))
    lines.append(f"| rank correlation of stress power and real power | {' | '.join(ranks)} |")
    return "\n".join(lines) + "\n"


MAKERS = {
    "pairs": pairs,
    "blindness": blindness,
    "stress": stress,
    "results": reproduction,
    "choice": choice,
    "paper": paper,
    "tables": tables,
    "splits": splits,
    "official": official,
}


if __name__ == "__main__":
    typer.run(main)
