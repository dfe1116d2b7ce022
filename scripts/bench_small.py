"""What few normals are worth: flows of folds against one flow that is spared a part of them.

From every set 30, 60, 100 and 300 normals are drawn. A run learns from them and calibrates on them
for a rate of 5 %, and meets normals and anomalies that it has never seen: how well does it rank
them (AUROC), and how many of the normals does it flag? Both ways get the same draws. What was
measured is kept and not measured again: what takes hours can be ended and gone on with.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from experiments import store
from nice_anomaly import learn
from nice_anomaly.cli import render
from nice_anomaly.data import training_part
from nice_anomaly.data.builtin import classes
from nice_anomaly.errors import DataError
from nice_anomaly.files import write
from nice_anomaly.metrics import auroc
from nice_anomaly.run import DEFAULT
from nice_anomaly.vocabulary import RuleName

Samples = NDArray[Any]
SIZES = (30, 60, 100, 300)
ALPHA = 0.05
MOST_SCORED = 2_000  # normals, and as many anomalies
LEAST_SCORED = 10  # normals: fewer tell nothing of a rate
SIDE = 32  # pixels of a thumbnail
FOLDS, SPLIT = "folds", "split"
WAYS: dict[str, tuple[str, RuleName]] = {  # the setting of folds, and the rule that it can have
    FOLDS: ("auto", "cross-conformal"),
    SPLIT: ("0", "conformal"),
}
DRAWS = 10_000  # of sets, for an interval


@dataclass(frozen=True)
class Known:
    """Samples of which it is known what they are; ``kind`` says with which sets it is averaged."""

    kind: str
    name: str
    normal: Samples
    anomalous: Samples


@dataclass(frozen=True)
class Measured:
    """One run: ``rate`` is that of false alarms, None where the rule needs more normals."""

    kind: str
    name: str
    n: int
    draw: int
    way: str
    auroc: float
    rate: float | None

    @property
    def what(self) -> tuple[str, int, int, str]:
        """What need not be measured again."""
        return self.name, self.n, self.draw, self.way


def main(
    tables: Annotated[Path | None, typer.Option(help="Where .npz files with X and y are.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Where MNIST is.")] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folders with train/good and test/* in them.")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Repetitions.")] = 50,
    sizes: Annotated[list[int] | None, typer.Option("--n")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these sets.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set")] = None,
    kept: Annotated[Path, typer.Option(help="What was measured.")] = Path("runs/small.jsonl"),
    results: Annotated[Path, typer.Option()] = Path("results/small.json"),
) -> None:
    """Measure what was not measured yet, draw after draw, and print the means."""
    sets = [one for one in known_sets(tables, data_root, photos) if not only or one.name in only]
    found = read_kept(kept)
    done = {line.what for line in found}
    for draw in range(draws):
        for one in sets:
            for n in sizes or SIZES:
                if n + LEAST_SCORED > len(one.normal):
                    continue
                for way in WAYS:
                    if (one.name, n, draw, way) in done:
                        continue
                    found.append(measure(one, n, draw, way, overrides or []))
                    keep(kept, found)
        render.say(f"draw {draw + 1} of {draws} is done")
    store(results, {"alpha": ALPHA, **summary(found)}, settings={"changed": overrides or []})
    show(summary(found)["means"])


def known_sets(tables: Path | None, data_root: Path | None, photos: Path | None) -> Iterator[Known]:
    """Every set that the folders have."""
    for file in sorted(tables.glob("*.npz")) if tables else ():
        with np.load(file) as archive:
            rows, truth = archive["X"].astype(np.float64), archive["y"]
        yield Known("tables", file.stem, rows[truth == 0], rows[truth == 1])
    if data_root:
        shown = np.array(classes("mnist", "train", data_root))
        images = training_part("mnist", data_root).values.reshape(-1, 28, 28)
        for digit in np.unique(shown):
            own = shown == digit
            yield Known("digits", f"mnist-{digit}", images[own], images[~own])
    for folder in sorted(photos.iterdir()) if photos else ():
        if not (folder / "train" / "good").is_dir():
            continue
        kinds = sorted(part for part in (folder / "test").iterdir() if part.name != "good")
        good = folder / "train" / "good", folder / "test" / "good"
        yield Known("photographs", folder.name, thumbnails(good), thumbnails(kinds))


def thumbnails(folders: Sequence[Path]) -> Samples:
    """All images of some folders as ``[n, SIDE, SIDE]`` grey levels."""
    from PIL import Image

    found = []
    for file in (file for folder in folders for file in sorted(folder.iterdir())):
        with Image.open(file) as image:
            small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
            found.append(np.asarray(small))
    return np.stack(found)


def measure(known: Known, n: int, draw: int, way: str, overrides: list[str]) -> Measured:
    """A run on ``n`` normals, and what it makes of samples that it has never met."""
    random = np.random.default_rng([draw, n])
    order = random.permutation(len(known.normal))
    others = random.permutation(len(known.anomalous))[:MOST_SCORED]
    folds, rule = WAYS[way]
    run = learn(known.normal[order[:n]], overrides=[f"data.folds={folds}", *overrides], seed=draw)
    normal, anomalous = known.normal[order[n:][:MOST_SCORED]], known.anomalous[others]
    try:
        calibration = run.calibrate(alpha=ALPHA, rule=rule, say=render.say)
    except DataError:  # too few were held out for this rate
        pair = run.score(normal).values, run.score(anomalous).values
        return Measured(known.kind, known.name, n, draw, way, auroc(*pair), None)
    scores = run.score(normal, calibration=DEFAULT).values
    ranked = auroc(scores, run.score(anomalous, calibration=DEFAULT).values)
    rate = float((scores < calibration.threshold).mean())
    return Measured(known.kind, known.name, n, draw, way, ranked, rate)


def read_kept(path: Path) -> list[Measured]:
    """What was measured before."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [Measured(**json.loads(line)) for line in lines]


def keep(path: Path, found: Sequence[Measured]) -> None:
    """Write all of it, so that no line is ever half a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, "".join(json.dumps(asdict(line)) + "\n" for line in found).encode())


def summary(found: Sequence[Measured]) -> dict[str, Any]:
    """Means over draws by set, and over sets by kind and number of normals.

    Only draws that were measured in both ways count.
    """
    both = {line.what[:3] for line in found if line.way == FOLDS}
    both &= {line.what[:3] for line in found if line.way == SPLIT}
    cells: dict[tuple[str, int, str], dict[str, list[Measured]]] = {}
    for line in found:
        if line.what[:3] in both:
            ways = cells.setdefault((line.kind, line.n, line.name), {way: [] for way in WAYS})
            ways[line.way].append(line)
    sets: list[dict[str, Any]] = [
        {"kind": kind, "n": n, "set": name, **{way: of_way(lines) for way, lines in ways.items()}}
        for (kind, n, name), ways in sorted(cells.items())
    ]
    keys = sorted({(line["kind"], line["n"]) for line in sets})
    means = [
        of_sets(kind, n, [line for line in sets if (line["kind"], line["n"]) == (kind, n)])
        for kind, n in keys
    ]
    return {"means": means, "sets": sets}


def of_way(lines: Sequence[Measured]) -> dict[str, Any]:
    """The means of one set over draws; ``thresholds`` counts those that the rule could set."""
    rates = [line.rate for line in lines if line.rate is not None]
    return {
        "draws": len(lines),
        "thresholds": len(rates),
        "auroc": 100 * mean(line.auroc for line in lines),
        "rate": mean(rates) if rates else None,
    }


def of_sets(kind: str, n: int, sets: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The means over sets, and how folds differ from a split: mean, 95 % interval, sets better."""
    gaps = np.array([line[FOLDS]["auroc"] - line[SPLIT]["auroc"] for line in sets])
    places = np.random.default_rng(0).integers(0, len(gaps), (DRAWS, len(gaps)))
    interval = np.quantile(gaps[places].mean(axis=1), [0.025, 0.975]).tolist()
    found: dict[str, Any] = {"kind": kind, "n": n, "sets": len(sets)}
    found["draws"] = min(line[FOLDS]["draws"] for line in sets)
    for way in WAYS:
        rates = [line[way]["rate"] for line in sets if line[way]["rate"] is not None]
        found[way] = {
            "auroc": mean(line[way]["auroc"] for line in sets),
            "rate": mean(rates) if rates else None,
            "highest": max(rates, default=None),
        }
    better = int((gaps > 0).sum())
    return {**found, "gap": float(gaps.mean()), "interval": interval, "better": better}


def show(means: Sequence[dict[str, Any]]) -> None:
    """What fits a terminal of the means."""
    head, body = table_of(means)
    shown = [0, 2, 3, 4, 6, 7]
    title = f"AUROC in %, false alarms at {100 * ALPHA:g} % claimed"
    cut = [[row[place] for place in shown] for row in (head, *body)]
    render.show_table(title, cut[0], cut[1:])


def table_of(means: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Heading and rows, for the terminal and the docs."""
    head = ["", "sets", "split", "folds", "difference", "folds are better in"]
    head += ["false: split", "folds", "folds, worst set"]
    return head, [_row(line) for line in means]


def _row(line: dict[str, Any]) -> list[str]:
    low, high = line["interval"]
    return [
        f"{line['n']} {line['kind']}",
        str(line["sets"]),
        f"{line[SPLIT]['auroc']:.1f}",
        f"{line[FOLDS]['auroc']:.1f}",
        f"{line['gap']:+.1f} [{low:+.1f}, {high:+.1f}]",
        str(line["better"]),
        *(_percent(line[way]["rate"]) for way in (SPLIT, FOLDS)),
        _percent(line[FOLDS]["highest"]),
    ]


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.1f} %"


if __name__ == "__main__":
    typer.run(main)
