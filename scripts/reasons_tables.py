"""How well reasons name the column that was changed in a row, and how rows are repaired.

The folder holds .npz files with ``X`` [n, d] and ``y`` [n], 1 = anomaly. For a seed half of the
normal rows, at most 4,000, are learned with the 'table' configuration; in rows of the other half
that pass, one column is changed: to a value 6 to 10 median deviations from its median ("tail"), or
to that of another row, which is usual in itself ("relation"). Rows that are flagged now are
counted. Every method sees the same rows and the same run.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

import reasons_rivals as rivals
from experiments import store
from nice_anomaly import learn
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.explain.row_repair import changes
from nice_anomaly.explain.tables import RowExplainer
from nice_anomaly.explain.trials import Trials, View
from nice_anomaly.explain.value import Held, RowReasons
from nice_anomaly.scores import Scorer

Rows = NDArray[np.float64]
Places = NDArray[np.int64]
SETS = (
    "10_cover", "22_magic.gamma", "23_mammography", "2_annthyroid", "28_pendigits",
    "30_satellite", "39_vertebral", "40_vowels", "41_Waveform", "43_WDBC",
)  # fmt: skip
MOST_LEARNED, MOST_LEFT, MOST = 4_000, 4_000, 100
PLANTS = {"tail": 100, "relation": 600}  # rows that are changed, few of which are flagged then
TWICE, ANOMALIES, NORMALS, SHAPLEY = 60, 60, 100, 12  # rows
SCREENED = 4  # columns that either way of screening may choose, to see what that costs
KINDS = ("tail", "relation")


@dataclass(frozen=True, eq=False)
class Case:
    """A run of a set, what explains by it, and rows: learned, normal ones that pass, anomalies."""

    scorer: Scorer
    trials: Trials
    explainer: RowExplainer
    threshold: float
    learned: Rows
    normal: Rows
    anomalous: Rows

    def flagged(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of some rows are."""
        found: NDArray[np.bool_] = self.scorer(rows).values < self.threshold
        return found

    def held(self, rows: Rows) -> list[Held]:
        """Their verdicts."""
        scores = self.scorer(rows).values.tolist()
        return [Held(str(i), score, self.threshold) for i, score in enumerate(scores)]

    def reasons(self, rows: Rows) -> list[RowReasons]:
        """Reasons for them."""
        return list(self.explainer(rows, self.held(rows)))


def main(
    folder: Annotated[Path, typer.Argument(help="Where the .npz files are.")],
    quick: Annotated[bool, typer.Option(help="One seed, few rows, one epoch.")] = False,
    results: Annotated[Path, typer.Option()] = Path("results/reasons-tables.json"),
) -> None:
    """Print how often the changed column is first, and within three, for every method."""
    overrides = ["train.epochs=1", "train.least_steps=1"] if quick else []
    known = {file.stem: file for file in sorted(folder.glob("*.npz"))}
    tables = {}
    for name in [name for name in SETS if name in known] or known:
        seeds = range(1 if quick else 2)
        found = [measured(case(known[name], s, overrides), s, 10 if quick else 1) for s in seeds]
        tables[name] = together(found)
        line = (f"{kind} {tables[name][kind]['posterior']['first']:.3f}" for kind in KINDS)
        render.say(f"{name}: first of flagged {', '.join(line)}")
    content = {"all": together(list(tables.values())), "tables": tables}
    store(results, content, settings=load("table", overrides).model_dump())
    show(content["all"])


def case(file: Path, seed: int, overrides: Sequence[str]) -> Case:
    """Half of the normal rows of a set learned and calibrated; the other half is left."""
    with np.load(file) as archive:
        rows, truth = archive["X"].astype(np.float64), archive["y"]
    random = np.random.default_rng(seed)
    normal = random.permutation(np.flatnonzero(truth == 0))
    half = len(normal) // 2
    learned, left = rows[normal[:half][:MOST_LEARNED]], rows[normal[half:][:MOST_LEFT]]
    run = learn(learned, overrides=overrides, seed=seed)
    run.calibrate(say=lambda _: None)
    against, reading, references = (
        run.calibration(),
        run.manifest.data.reading,
        run.trained.references,
    )
    scorer, columns = run.scorer(against), getattr(reading, "columns", None)
    explainer = RowExplainer(scorer, references.rows, columns)
    trials = screened_to(explainer.trials, learned.shape[1])
    passing = left[scorer(left).values >= against.threshold]
    anomalous = random.permutation(rows[truth == 1])
    return Case(scorer, trials, explainer, against.threshold, learned, passing, anomalous)


def screened_to(trials: Trials, most: int) -> Trials:
    """The same with other columns tried: ``most`` by either way."""
    return replace(trials, screen=replace(trials.screen, most=most))


def measured(one: Case, seed: int, fewer: int) -> dict[str, Any]:
    """All figures of one run; ``fewer`` divides the numbers of rows."""
    random = np.random.default_rng(seed)
    found: dict[str, Any] = {"columns": one.learned.shape[1]}
    for kind in KINDS:
        true, rows, places = planted(one, kind, PLANTS[kind] // fewer, 1, random)
        found[kind] = ranked(one, rows, places[:, 0], random)
        found[f"{kind}, repair"] = repaired(one, true, rows, places[:, 0])
    for kind in KINDS:
        _, rows, places = planted(one, kind, TWICE // fewer, 2, random)
        found[f"{kind}, two"] = two(one, rows, places)
    found["anomalies"] = anomalies(one, ANOMALIES // fewer)
    some = one.normal[: NORMALS // fewer]
    views = one.trials.views(some, np.full(len(some), np.inf))
    cells = [column.p_value < 0.01 for view in views for column in view.found.values()]
    found["cells below 1 %"] = mean(cells)
    return found


def planted(
    one: Case, kind: str, count: int, columns: int, random: np.random.Generator
) -> tuple[Rows, Rows, Places]:
    """Normal rows, the same changed in some ``columns`` so that they are flagged, and in which."""
    true = one.normal[random.integers(len(one.normal), size=count)]
    rows, width = true.copy(), true.shape[1]
    places = np.array([random.permutation(width)[:columns] for _ in range(count)])
    middle = np.median(one.learned, axis=0)
    spread = np.median(np.abs(one.learned - middle), axis=0)
    spread = np.where(spread > 0, spread, one.learned.std(axis=0))
    for i, some in enumerate(places):
        size = random.uniform(6, 10, len(some)) * random.choice([-1, 1], len(some))
        other = one.normal[random.integers(len(one.normal), size=len(some)), some]
        rows[i, some] = middle[some] + size * spread[some] if kind == "tail" else other
    new = one.flagged(rows) & (rows != true).any(axis=1)
    return true[new][:MOST], rows[new][:MOST], places[new][:MOST]


def ranked(
    one: Case, rows: Rows, places: Places, random: np.random.Generator
) -> dict[str, dict[str, float]]:
    """How often the changed column is first and within three, by every method."""
    if not len(rows):
        return {}
    ceiling = np.full(len(rows), np.inf)
    views, width = one.trials.views(rows, ceiling), rows.shape[1]
    screened = screened_to(one.trials, SCREENED).views(rows, ceiling)
    few = rows[:SHAPLEY]
    blames = {
        "marginal z": rivals.marginal_z(rows, one.learned),
        "gradient × input": rivals.gradient(rows, one.scorer, one.learned),
        "Shapley sampling": rivals.shapley(few, one.scorer, one.learned, random),
        "Gaussian conditional z": rivals.gaussian_z(rows, one.scorer),
        "best value": blame(views, "gain", width),
        "posterior": blame(views, "odds", width),
        f"posterior of {SCREENED} by either screen": blame(screened, "odds", width),
    }
    return {name: placed(blame, places[: len(blame)]) for name, blame in blames.items()}


def blame(views: Sequence[View], what: str, width: int) -> Rows:
    """A figure of all columns, ``[n, d]``; -∞ for those that were not tried."""
    every: Rows = np.array(
        [[getattr(view.found.get(f"x{j}"), what, -np.inf) for j in range(width)] for view in views]
    )
    return every


def placed(blame: Rows, places: Places) -> dict[str, float]:
    """How often the true column has the largest blame, and is among the three largest."""
    own = blame[np.arange(len(blame)), places]
    above = (blame > own[:, None]).sum(axis=1)
    return {
        "rows": len(blame),
        "first": float((above == 0).mean()),
        "third": float((above < 3).mean()),
    }


def repaired(one: Case, true: Rows, rows: Rows, places: Places) -> dict[str, float]:
    """How rows of one changed column are repaired, and how far from the truth, in deviations."""
    if not len(rows):
        return {}
    started = time.process_time()
    found = one.reasons(rows)
    seconds = time.process_time() - started
    here = np.arange(len(rows)), places
    restored = np.array([reasons.repaired for reasons in found])
    right = restored[here] != rows[here]
    sigma = np.maximum(one.learned.std(axis=0), 1e-12)[places]
    apart = np.abs(restored[here] - true[here]) / sigma
    moved = np.abs(rows[here] - true[here]) / sigma
    return {
        "rows": len(rows),
        "pass": float(np.mean([r.passes for r in found])),
        "pass with one": float(np.mean([r.passes and r.changed == 1 for r in found])),
        "right column": float(right.mean()),
        "moved, deviations": float(np.median(moved)),
        "left of it, deviations": float(np.median(apart[right])) if right.any() else 0.0,
        "ms a row": 1e3 * seconds / len(rows),
    }


def two(one: Case, rows: Rows, places: Places) -> dict[str, float]:
    """How many of two changed columns the first two are: ranked at once, or one after the other."""
    if not len(rows):
        return {}
    ceiling, held = np.full(len(rows), np.inf), one.held(rows)
    views = one.trials.views(rows, ceiling)
    tops = [list(view.ranked())[:2] for view in views]
    now = rows.copy()
    done = changes(one.trials, rows, [top[0] for top in tops], held)
    for row, change in zip(now, done, strict=True):
        row[change.place] = change.after
    again = one.trials.views(now, ceiling)
    pairs = [
        [
            change.cause.column,
            *(second.slot.name for second in [*view.ranked([change.cause.column])][:1]),
        ]
        for change, view in zip(done, again, strict=True)
    ]
    return {
        "rows": len(rows),
        "at once": recall([[found.slot.name for found in top] for top in tops], places),
        "one by one": recall(pairs, places),
    }


def recall(found: Sequence[Sequence[str]], places: Places) -> float:
    """The share of the true columns among those that were found."""
    true = [{f"x{j}" for j in some} for some in places.tolist()]
    return mean([len(set(a) & b) / len(b) for a, b in zip(found, true, strict=True)])


def anomalies(one: Case, most: int) -> dict[str, float]:
    """How many flagged anomalies of the set pass when repaired, and in how many columns."""
    rows = one.anomalous[: 4 * most]
    rows = rows[one.flagged(rows)][:most]
    if not len(rows):
        return {}
    found = one.reasons(rows)
    return {
        "rows": len(rows),
        "pass": float(np.mean([reasons.passes for reasons in found])),
        "columns": float(np.mean([reasons.changed for reasons in found])),
    }


def together(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means of figures by name, sums of counts of rows; what is empty does not count."""
    keys = dict.fromkeys(key for one in found for key in one)
    result: dict[str, Any] = {}
    for key in keys:
        values = [one[key] for one in found if key in one]
        if isinstance(values[0], dict):
            result[key] = together([value for value in values if value])
        else:
            result[key] = sum(values) if key == "rows" else round(mean(values), 4)
    return result


def show(found: Mapping[str, Any]) -> None:
    """One line a method, then what else was found."""
    body = [
        [name, *(f"{found[kind][name][key]:.3f}" for kind in KINDS for key in ("first", "third"))]
        for name in found[KINDS[0]]
    ]
    heads = [f"{kind} {key}" for kind in KINDS for key in ("first", "in three")]
    render.show_table("the changed column, in rows that are flagged for it", ["", *heads], body)
    rest = {name: value for name, value in found.items() if name not in KINDS}
    body = [[name, str(value)] for name, value in rest.items()]
    render.show_table("repairs and cells", ["", ""], body)


if __name__ == "__main__":
    typer.run(main)
