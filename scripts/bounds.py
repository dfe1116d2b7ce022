"""What a bound costs: the theorems of VLB^(K) in numbers, and a VAE beside the flow.

Writes results/bounds.json, from which docs/bounds.md and its pictures are made: the climb of
VLB^(K) to log p(x) where that is known and where it is not, the variance of two gradients, what a
trainable prior does, and the errors of flow and VAE after equal training time. About half an hour.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import typer
from torch import Tensor

from annealed import annealed
from experiments import DataRoot, Results, store, train_or_load
from linear_gaussian import climb
from nice_anomaly import Run, builtin
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.data import evaluation_part
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.thresholds import Certified, Rule, Sigma
from nice_anomaly.vae import GRADIENTS, VAE
from nice_anomaly.vocabulary import Gradient

RUNS = Path("runs/bounds")
ODD = "kmnist"  # to the digits that the VAE is looked at with
PAIRS = {"mnist": ODD, "fashion": "mnist"}  # what is learned, and what is anomalous
AS_LONG = ("train.epochs=9",)  # of the VAE: as many seconds as the flow trains
RULES: dict[str, Rule] = {"sigma": Sigma(3.0), "certified": Certified(0.01, 0.95)}
KNOWN = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000]
IMAGES, CHAINS, STEPS = 100, 8, 400  # of the reference by annealing
LOOSENESS = [1, 8, 64, 256]
TIGHT, SINGLES, LOOKED_AT = 1_000, 50, 300  # draws, single draws to average, images of a set
BATCH, REPEATS = 32, 40  # of the gradients
GRADIENT_DRAWS = [2, 4, 8, 16, 32, 64]


def main(results: Results = Path("results"), data_root: DataRoot = Path("data")) -> None:
    """Train what is missing, measure, print and store."""
    vae = of(data_root, "mnist", "vae")
    standard = of(data_root, "mnist", "vae", "vae.trainable_prior=false")
    content = {
        "linear": said("a linear-Gaussian model", climb(0, KNOWN)),
        "climb": said("the trained VAE", climbing(vae, data_root)),
        "gradients": said("two gradients", gradients(vae)),
        "prior": {
            name: {"bound": nats(run), "errors": errors(run, ODD)}
            for name, run in (("trainable", vae), ("standard normal", standard))
        },
        "detection": {
            learned: {
                kind: {
                    "nats": nats(run),
                    "train_seconds": run.manifest.seconds,
                    "epochs": len(run.manifest.history),
                    "errors": errors(run, anomalous),
                }
                for kind, overrides in (("nice", ()), ("vae", AS_LONG))
                for run in [of(data_root, learned, kind, *overrides)]
            }
            for learned, anomalous in PAIRS.items()
        },
        "gaps": gaps(vae, data_root),
        "looseness": [loose(vae, k, data_root) for k in LOOSENESS],
    }
    store(results / "bounds.json", content, settings=vae.manifest.settings.model_dump())
    show(content)


def of(data_root: Path, learned: str, kind: str, *overrides: str) -> Run:
    """A run on a built-in set: the flow as it is shipped, or the VAE."""
    more = [f"data.normal={learned}", *overrides]
    settings = load(learned) if kind == "nice" else load("vae", more)
    name = "-".join([learned, kind, *(text.replace("=", "-") for text in overrides)])
    return train_or_load(settings, RUNS / name, data_root)


def said(what: str, found: dict[str, Any]) -> dict[str, Any]:
    """Tell that a part is done."""
    render.say(f"measured: {what}")
    return found


def model_of(run: Run) -> VAE:
    """Its model, which is a VAE."""
    model = run.trained.model
    assert isinstance(model, VAE)
    return model


def some_test_images(run: Run, data_root: Path, n: int) -> tuple[Tensor, Tensor]:
    """The first ``n`` normal test images as the model takes them, and the nats to add."""
    raw = torch.from_numpy(evaluation_part(run.manifest.data.name, data_root).values[:n])
    return run.trained.preprocess.midpoint(raw), run.trained.preprocess.log_jacobian(raw)


def climbing(run: Run, data_root: Path) -> dict[str, Any]:
    """VLB^(K) of test images over K, beside annealed importance sampling."""
    vae = model_of(run)
    x, jacobian = some_test_images(run, data_root, IMAGES)
    with torch.no_grad():
        bounds = {k: vae.bound(x, k, seed=1) + jacobian for k in KNOWN}
    reference, accepted = annealed(vae, x, chains=CHAINS, steps=STEPS, seed=0)
    return {
        "images": IMAGES,
        "bounds": [{"draws": k, "bound": found.mean().item()} for k, found in bounds.items()],
        "annealed": (reference + jacobian).mean().item(),
        "chains": CHAINS,
        "steps": STEPS,
        "accepted": accepted,
    }


def gaps(run: Run, data_root: Path) -> dict[str, Any]:
    """How much VLB^(1) lacks of VLB^(1000), for normal images and for others."""
    vae, preprocess = model_of(run), run.trained.preprocess
    found = {}
    for name in (run.manifest.data.name, ODD, "fashion"):
        values = evaluation_part(name, data_root).values[:LOOKED_AT]
        x = preprocess.midpoint(torch.from_numpy(values))
        with torch.no_grad():
            loose = torch.stack([vae.bound(x, 1, seed) for seed in range(SINGLES)]).mean(dim=0)
            gap = vae.bound(x, TIGHT, seed=SINGLES) - loose
        middle = gap.quantile(torch.tensor([0.05, 0.5, 0.95]).double())
        found[name] = {"images": len(values), "bound": loose.mean().item(), "gap": middle.tolist()}
    return {"draws": TIGHT, "sets": found}


def gradients(run: Run) -> dict[str, Any]:
    """The variance of the gradient by φ, summed over its weights, in units of its squared mean."""
    vae = model_of(run)
    rows = torch.from_numpy(run.own_data().learned[:BATCH])
    x = run.trained.preprocess.midpoint(rows)
    phi = [*vae.encoder.parameters(), *vae.read.parameters(), vae.log_std]
    generator = torch.Generator().manual_seed(0)

    def gradient(name: Gradient, draws: int) -> Tensor:
        q = vae.encode(x)
        y = torch.randn(draws, *q.mean.shape, generator=generator)
        bound = GRADIENTS[name](q, lambda z: vae.joint(x, z), y).mean()
        parts = torch.autograd.grad(bound, phi)
        return torch.cat([part.flatten() for part in parts]).double()

    best = torch.stack([gradient("reparametrised", 64) for _ in range(REPEATS)]).mean(dim=0)
    lines = []
    for draws in GRADIENT_DRAWS:
        line: dict[str, float] = {"draws": draws}
        for name in GRADIENTS:
            found = torch.stack([gradient(name, draws) for _ in range(REPEATS)])
            line[name] = (found.var(dim=0).sum() / best.square().sum()).item()
        lines.append(line)
    return {"batch": BATCH, "repeats": REPEATS, "lines": lines}


def nats(run: Run) -> dict[str, Any]:
    """The mean score of the normal test images, dequantised; what the score is."""
    normal = builtin(run.manifest.data.name)
    return {
        "nats": float(run.score(normal, noise_seed=0).values.mean()),
        "quantity": run.trained.model.quantity,
    }


def errors(run: Run, anomalous: str) -> dict[str, Any]:
    """Both errors by each rule, and the AUROC."""
    normal, odd = builtin(run.manifest.data.name), builtin(anomalous)
    held_out = run.normals(score="likelihood")
    scores = run.score(normal), run.score(odd)
    found: dict[str, Any] = {"auroc": auroc(*(part.values for part in scores))}
    for name, rule in RULES.items():
        threshold = held_out.calibrate(rule).threshold
        type_i, type_ii = (Rate.of(part.values < threshold) for part in scores)
        missed = Rate(type_ii.n - type_ii.count, type_ii.n)
        found[name] = {
            "threshold": threshold,
            "type_i": {"rate": type_i.value, "interval": type_i.interval},
            "type_ii": {"rate": missed.value, "interval": missed.interval},
        }
    return found


def loose(run: Run, draws: int, data_root: Path) -> dict[str, Any]:
    """The same VAE, judged by a looser or a tighter bound."""
    render.say(f"errors by VLB^({draws})")
    vae = model_of(run)
    other = VAE(replace(vae.architecture, draws=draws))
    other.load_state_dict(vae.state_dict())
    same = Run(replace(run.trained, model=other), data_root=data_root)
    return {"draws": draws, **nats(same), "errors": errors(same, ODD)}


def show(content: dict[str, Any]) -> None:
    """The two tables that matter."""
    for learned, kinds in content["detection"].items():
        render.show_table(
            f"{learned} → {PAIRS[learned]}",
            ["model", "nats", "AUROC", "3σ: I %", "II %", "1 %: I %", "II %", "s"],
            [
                [
                    kind,
                    f"{found['nats']['nats']:.1f}",
                    f"{found['errors']['auroc']:.5f}",
                    *(
                        f"{100 * found['errors'][rule][error]['rate']:.2f}"
                        for rule in RULES
                        for error in ("type_i", "type_ii")
                    ),
                    f"{found['train_seconds']:.0f}",
                ]
                for kind, found in kinds.items()
            ],
        )


if __name__ == "__main__":
    typer.run(main)
