"""Collect what the pictures show of a run of MNIST, in files that are small enough to keep.

Writes results/pictures.npz and results/pictures.json, from which ``figures.py`` draws without data
or a model. 'make reproduce' does it for the run of its first line.
"""

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from experiments import DataRoot, Results, store, train_or_load
from nice_anomaly import Run, builtin
from nice_anomaly.config import load
from nice_anomaly.data import evaluation_part
from nice_anomaly.files import write
from nice_anomaly.flow import Flow
from nice_anomaly.metrics import Rate
from nice_anomaly.scores import Scorer

SETS = ("mnist", "kmnist")
LINEAR = 3_000  # beyond this a histogram's bins are logarithmic: characters lie far out
FARTHEST = 1e6
SHOWN = 3  # the place of the image in its test part whose path is shown
BATCH = {"mnist": 1_000, "kmnist": 50}  # the batch that discoveries are made in
Arrays = dict[str, NDArray[Any]]


def main(
    run: Annotated[Path, typer.Option()] = Path("runs/reproduce-mnist-0"),
    results: Results = Path("results"),
    data_root: DataRoot = Path("data"),
) -> None:
    """Collect from the run of 'make reproduce', which is trained if it is not there."""
    trained = train_or_load(load("mnist"), run, data_root)
    trained.calibrate()
    collect(trained, data_root, results)


def collect(run: Run, data_root: Path, results: Path) -> None:
    """Write both files for a calibrated run."""
    calibration = run.calibration()
    normals = run.normals(group_column="class")
    arrays: Arrays = {
        "held_out": normals.scores.values,
        "held_out_class": np.array(normals.groups, dtype=np.uint8),
        "edges": edges(),
    }
    facts: dict[str, Any] = {"seed": run.manifest.settings.seed}
    facts["threshold"] = calibration.threshold
    scorer = run.scorer()
    for name in SETS:
        images = evaluation_part(name, data_root).values
        found = run.detect(builtin(name))
        arrays[f"{name}_counts"] = counts(found.scores)
        arrays[f"{name}_batch"] = found.scores[: BATCH[name]]
        arrays |= {f"{name}_{stage}": at for stage, at in path(scorer, images[SHOWN]).items()}
        facts[f"{name}_score"] = float(found.scores[SHOWN])
        facts[f"{name}_flagged"] = Rate.of(found.flagged).value
    blank = np.zeros((1, scorer.model.architecture.dimensions), dtype=np.uint8)
    facts["blank_score"] = float(scorer(blank).values[0])
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    write(results / "pictures.npz", content.getvalue())
    store(results / "pictures.json", facts, settings=run.manifest.settings.model_dump())


def counts(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many scores are in each bin; what lies further out is counted at the edge."""
    return np.histogram(np.clip(scores, -FARTHEST, LINEAR), edges())[0]


def edges() -> NDArray[np.float64]:
    """Of a histogram's bins: even in the middle, of even width in a logarithm to the left."""
    return np.array([*-np.geomspace(FARTHEST, LINEAR, 80), *np.linspace(-LINEAR, LINEAR, 61)[1:]])


def path(scorer: Scorer, image: NDArray[Any]) -> Arrays:
    """One image ``[d]`` on its way: pixels, whitened, latents, log p of each latent."""
    model = scorer.model
    assert isinstance(model, Flow)
    raw = torch.from_numpy(image[None])
    with torch.inference_mode():
        x = scorer.preprocess.midpoint(raw)
        stages = {"whitened": model.whitening(x)[0], "latents": model(x)[0]}
        stages["terms"] = model.split(x).terms
    return {"pixels": image} | {
        name: values[0].numpy().astype(np.float32) for name, values in stages.items()
    }


if __name__ == "__main__":
    typer.run(main)
