"""The README's numbers, from results/*.json, and the pictures, from the reproduction's run.

``python scripts/readme.py`` rewrites the table; with ``--pictures`` also docs/*.png, for which
'make reproduce SEEDS=5' must have run. A test compares the table with the results files.
"""

import json
from pathlib import Path
from statistics import mean, median
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from nice_anomaly import pipeline
from nice_anomaly.cli import render
from nice_anomaly.data import evaluation_part
from nice_anomaly.run import Run, load_calibration, load_run

HERE = Path(__file__).parent.parent
END = "<!-- end -->"
DOCUMENTS = [
    "README.md",
    "docs/how-it-works.md",
    "docs/own-data.md",
    "docs/scores.md",
    "docs/thresholds.md",
]
ROWS = {"mnist": "reproduce.json", "mnist-large": "reproduce-mnist-large.json"}
NORMAL, ANOMALOUS, INK = "#2a6f97", "#c8553d", "#222222"


def main(
    pictures: Annotated[bool, typer.Option("--pictures")] = False,
    run: Annotated[Path, typer.Option()] = Path("runs/reproduce-mnist-4"),  # the median seed
    data_root: Annotated[Path, typer.Option(envvar="NICE_ANOMALY_DATA")] = Path("data"),
) -> None:
    """Bring README and pictures up to date."""
    for document in (HERE / name for name in DOCUMENTS):
        text = document.read_text(encoding="utf-8")
        document.write_text(filled(text, HERE / "results"), encoding="utf-8")
    if pictures:
        loaded = load_run(run)
        histograms(loaded, data_root, HERE / "docs" / "histograms.png")
        path_of_one_image(loaded, data_root, HERE / "docs" / "path.png")


def filled(text: str, results: Path) -> str:
    """The text with every generated table in it made anew."""
    for name, make in MAKERS.items():
        start = f"<!-- {name}: from results/*.json by scripts/readme.py -->"
        if start in text:
            before, rest = text.split(start)
            _, after = rest.split(END, 1)
            text = f"{before}{start}\n{make(results)}{END}{after}"
    return text


def read(path: Path) -> Any:
    """The content of a results file."""
    return json.loads(path.read_text(encoding="utf-8"))


def choice(results: Path) -> str:
    """What held-out normals say of variations of the default."""
    lines = ["| variation | held-out nats | 3σ rate | training |", "| --- | --- | --- | --- |"]
    for line in read(results / "choice.json"):
        lines.append(
            f"| {line['variation']} | {line['held_out_nats']:.1f} "
            f"| {render.rate(line['three_sigma_rate'], line['interval'])} "
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
            f"| `{name}` | {render.rate(content['type_i'], content['type_i_interval'])} "
            f"| {render.rate(content['type_ii'], content['type_ii_interval'])} "
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
            f"| {line['rule']} | {line['k'] or '–'} | {render.percent(line['mean_rate'])} "
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
        one, two = (render.rate(line[e], line[f"{e}_interval"]) for e in ("type_i", "type_ii"))
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


def histograms(run: Run, data_root: Path, target: Path) -> None:
    """The scores of both test sets with the threshold between them."""
    from matplotlib.figure import Figure

    calibration = load_calibration(run)
    scores = {
        "MNIST test (normal)": (pipeline.evaluation_scores(run, "mnist", data_root), NORMAL),
        "KMNIST test (anomalous)": (
            pipeline.evaluation_scores(run, "kmnist", data_root),
            ANOMALOUS,
        ),
    }
    linear = 3_000  # beyond this the axis is logarithmic: characters lie far out
    lowest = min(values.min() for values, _ in scores.values())
    bins = [*-np.geomspace(-lowest, linear, 60), *np.linspace(-linear, linear, 61)[1:]]
    figure = Figure(figsize=(8, 3.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for label, (values, colour) in scores.items():
        axes.hist(values, bins=bins, color=colour, alpha=0.75, label=label)
    axes.set_xscale("symlog", linthresh=linear, linscale=1.5)
    axes.set_xticks([-100_000, -30_000, -10_000, -3_000, -1_000, 0, 1_000, 2_000, 3_000])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.minorticks_off()
    axes.axvline(calibration.threshold, color=INK, linestyle="--", linewidth=1.2)
    axes.annotate(
        f"threshold: mean - 3σ = {calibration.threshold:,.0f}\nflagged to the left of it",
        (calibration.threshold, 0.8),
        (-8, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right",
        color=INK,
    )
    axes.set_xlabel("log-likelihood (nats); logarithmic beyond -3,000")
    axes.set_ylabel("images")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(target)


def path_of_one_image(run: Run, data_root: Path, target: Path) -> None:
    """One digit and one character on their way: pixels, whitened, latents, terms of the score."""
    from matplotlib.figure import Figure

    calibration = load_calibration(run)
    figure = Figure(figsize=(9, 5.0), dpi=150, layout="constrained")
    grid = figure.subplots(2, 4)
    titles = ["raw pixels", "whitened z", "latents h", "log p(h) of each latent"]
    for row, name in enumerate(("mnist", "kmnist")):
        image = torch.from_numpy(evaluation_part(name, data_root).values[3:4])
        with torch.no_grad():
            x = run.preprocess.midpoint(image)
            z, _ = run.flow.whitening(x)
            h, _ = run.flow(x)
            terms = run.flow.prior.log_prob(h)
            score = run.flow.log_prob(x).item()
        ranges = [(0, 255), (-4, 4), (-8, 8), (-8, 0)]
        maps = ["gray", "RdBu_r", "RdBu_r", "magma"]
        for axes, values, (low, high), colours, title in zip(
            grid[row], (image, z, h, terms), ranges, maps, titles, strict=True
        ):
            axes.imshow(square(values), vmin=low, vmax=high, cmap=colours)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(title if row == 0 else "", fontsize=10)
        side = "above" if score >= calibration.threshold else "below"
        grid[row][0].set_ylabel(name.upper(), fontsize=10)
        grid[row][3].set_xlabel(
            f"score {score:,.0f} nats:\n{side} {calibration.threshold:,.0f}",
            fontsize=9,
        )
    figure.savefig(target)


def square(values: torch.Tensor) -> NDArray[np.float64]:
    """784 values as a square; latents are in the order of falling variance, row by row."""
    return values.reshape(28, 28).double().numpy()


if __name__ == "__main__":
    typer.run(main)
