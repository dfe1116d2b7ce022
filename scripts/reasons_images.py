"""Planted patches in images: whether heat, named boxes and repairs find them, and at what cost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments import train_or_load
from nice_anomaly import Run
from nice_anomaly.cli import render
from nice_anomaly.config import load
from nice_anomaly.data import evaluation_part
from nice_anomaly.explain.images import ImageExplainer
from nice_anomaly.explain.value import Box, Held, ImageReasons
from nice_anomaly.metrics import Rate, auroc
from nice_anomaly.scores import Scorer
from nice_anomaly.thresholds import Calibration, Certified
from nice_anomaly.vocabulary import ScoreName

SETS = ("mnist", "fashion")
SCORES: tuple[ScoreName, ...] = ("likelihood", "auto")
KINDS = ("another image", "noise", "constant", "missing")
SIDE, SHAPE = 7, (28, 28)
CHANGED, BY = 10, 32  # pixels of a patch at least, and levels that they change by
PLANTS, QUICK_PLANTS = 100, 3  # of a kind
SEED = 7_2026
CUT = 0.01  # of the pixels of normal images are nominally lit
STEPS = 50  # of expected gradients

Images = NDArray[np.uint8]
Maps = NDArray[np.float64]
Method = Callable[[Images], Maps]


@dataclass(frozen=True)
class Plants:
    """Images ``[n, d]`` with a patch in ``boxes``; the index of its kind in ``kinds`` ``[n]``."""

    images: Images
    before: Images
    boxes: list[Box]
    kinds: NDArray[np.int64]

    @property
    def truth(self) -> NDArray[np.bool_]:
        """The pixels of the patches, ``[n, h, w]``."""
        found = np.zeros((len(self.images), *SHAPE), dtype=bool)
        for mask, box in zip(found, self.boxes, strict=True):
            mask[box.place] = True
        return found


def measured(root: Path, *, quick: bool = False, seed: int = SEED) -> dict[str, Any]:
    """All that is known of the reasons of images, by data set."""
    count = QUICK_PLANTS if quick else PLANTS
    found = {name: of_set(name, root, count, seed) for name in SETS}
    return {"plants": {"a_kind": count, "side": SIDE, "seed": seed}, "sets": found}


def of_set(name: str, root: Path, count: int, seed: int) -> dict[str, Any]:
    """Figures of one data set: every method on the same plants."""
    run = train_or_load(load(name), Path("runs") / f"reproduce-{name}-0", root)
    test = evaluation_part(name, root).values.astype(np.uint8)
    return of_run(run, test, count, seed)


def of_run(run: Run, test: Images, count: int, seed: int) -> dict[str, Any]:
    """Figures of one run on plants in ``test`` images ``[n, d]``."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(test))
    plants = planted(test[order], count, rng)
    usual = test[order[-8 * count :]]
    found: dict[str, Any] = {}
    for score in SCORES:
        calibration = run.normals(score=score).calibrate(Certified(0.01))
        found[f"ours, {score}"] = of_ours(run, calibration, plants, usual)
        render.say(f"{run.name}, {score}: {found[f'ours, {score}']}")
    flagged = held_of(run.scorer(), found["ours, likelihood"].pop("low"), plants.images)
    found["ours, auto"].pop("low")
    which = np.array([one.flagged for one in flagged])
    for name, method in rivals(run).items():
        started = time.perf_counter()
        heat = method(plants.images)
        seconds = time.perf_counter() - started
        found[name] = {
            **pixels(heat, plants, which),
            "ms": 1000 * seconds / len(plants.images),
        }
        render.say(f"{run.name}, {name}: {found[name]}")
    return found


def planted(test: Images, count: int, rng: np.random.Generator) -> Plants:
    """``count`` plants of a kind, each in an image of its own."""
    images, before, boxes, kinds = [], [], [], []
    sources = iter(test.reshape(-1, *SHAPE))
    for kind in range(len(KINDS)):
        made = 0
        while made < count:
            image, other = next(sources), next(sources)
            top, left = (int(rng.integers(0, size - SIDE + 1)) for size in SHAPE)
            box, patched = Box(top, left, SIDE, SIDE), image.copy()
            patched[box.place] = patch(kind, other[box.place], rng)
            differs = np.abs(patched.astype(int) - image) > BY
            if differs.sum() < CHANGED:
                continue
            images.append(patched.ravel())
            before.append(image.ravel())
            boxes.append(box)
            kinds.append(kind)
            made += 1
    return Plants(np.stack(images), np.stack(before), boxes, np.array(kinds))


def patch(kind: int, other: Images, rng: np.random.Generator) -> Images:
    """A patch of a kind."""
    shape = (SIDE, SIDE)
    return {
        "another image": other,
        "noise": rng.integers(0, 256, shape, dtype=np.uint8),
        "constant": np.full(shape, rng.integers(1, 256), dtype=np.uint8),
        "missing": np.zeros(shape, dtype=np.uint8),
    }[KINDS[kind]]


def of_ours(run: Run, calibration: Calibration, plants: Plants, usual: Images) -> dict[str, Any]:
    """Heat, boxes, repairs, quietness and time of the explainer of one score."""
    scorer = run.scorer(calibration)
    references = run.trained.references.rows
    layout = run.manifest.data.layout
    started = time.perf_counter()
    explain = ImageExplainer(scorer, references, layout)
    list(explain(plants.images[:1], held_of(scorer, np.inf, plants.images[:1])))
    start = time.perf_counter() - started
    low = float(np.asarray(calibration.threshold).min())
    held = held_of(scorer, low, plants.images)
    flagged = np.array([one.flagged for one in held])
    timed: dict[str, float] = {}
    reasons: list[ImageReasons | None] = [None] * len(held)
    for name, which in (("ms_flagged", flagged), ("ms", ~flagged)):
        places = np.flatnonzero(which)
        started = time.perf_counter()
        for i, one in zip(
            places, explain(plants.images[places], [held[i] for i in places]), strict=True
        ):
            reasons[i] = one
        timed[name] = 1000 * (time.perf_counter() - started) / max(1, len(places))
    every = [one for one in reasons if one is not None]
    heat = np.stack([one.heat for one in every])
    touched = np.array([touches(a.box, b) for a, b in zip(every, plants.boxes, strict=True)])
    quiet = np.stack([one.heat for one in explain(usual, held_of(scorer, low, usual))])
    half = len(quiet) // 2
    lit = float((quiet[half:] > np.quantile(quiet[:half], 1 - CUT)).mean())
    return {
        "low": low,
        **pixels(heat, plants, flagged),
        "touches": Rate.of(touched).record("share"),
        "touches_flagged": Rate.of(touched[flagged]).record("share") if flagged.any() else None,
        **repairs([every[i] for i in np.flatnonzero(flagged)]),
        "lit": lit,
        **timed,
        "start_seconds": start,
    }


def repairs(reasons: Sequence[ImageReasons]) -> dict[str, Any]:
    """How flagged images were repaired."""
    if not reasons:
        return {}
    local = np.array([one.local and one.passes for one in reasons])
    passes = np.array([one.passes for one in reasons])
    changed = [np.count_nonzero(one.expected != one.image) for one in reasons]
    least = [np.count_nonzero(one.least != one.image) for one in reasons]
    return {
        "flagged": len(reasons),
        "repaired_local": Rate.of(local).record("share"),
        "repaired": Rate.of(passes).record("share"),
        "changed": float(np.median(changed)),
        "changed_least": float(np.median(least)),
    }


def touches(box: Box | None, patch: Box) -> bool:
    """Whether a named box and a patch share a pixel."""
    if box is None:
        return False
    down = box.top < patch.top + patch.height and patch.top < box.top + box.height
    return down and box.left < patch.left + patch.width and patch.left < box.left + box.width


def pixels(heat: Maps, plants: Plants, flagged: NDArray[np.bool_]) -> dict[str, Any]:
    """The pixel AUROC of every plant, averaged overall, by kind and over flagged ones."""
    each = np.array(
        [
            auroc(mask_heat(-h, ~t), mask_heat(-h, t))
            for h, t in zip(heat, plants.truth, strict=True)
        ]
    )
    kinds = {kind: mean_of(each[plants.kinds == i]) for i, kind in enumerate(KINDS)}
    return {"auroc": mean_of(each), "flagged_auroc": mean_of(each[flagged]), "kinds": kinds}


def mask_heat(heat: Maps, mask: NDArray[np.bool_]) -> Maps:
    """Heat of some pixels."""
    found: Maps = heat[mask].astype(np.float64)
    return found


def mean_of(values: Maps) -> list[float] | None:
    """Mean and its 95 % interval."""
    if len(values) < 2:
        return None
    mean, reach = values.mean(), 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return [round(float(number), 4) for number in (mean, mean - reach, mean + reach)]


def held_of(scorer: Scorer, low: float, images: Images) -> list[Held]:
    """Verdicts by a threshold."""
    return [Held(str(i), s, low) for i, s in enumerate(scorer(images).values.tolist())]


def rivals(run: Run) -> dict[str, Method]:
    """Other ways to say which pixels of images ``[n, d]`` are odd, ``[n, h, w]`` each."""
    model, preprocess = run.trained.model.cpu(), run.trained.preprocess
    normal = preprocess.midpoint(torch.from_numpy(run.trained.references.rows))
    mean = run.trained.references.rows.mean(axis=0).round().astype(np.uint8).reshape(SHAPE)
    scorer = run.scorer()

    def slope(x: torch.Tensor) -> torch.Tensor:
        given = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(model.log_prob(given).sum(), given)
        return found

    def gradient(images: Images) -> Maps:
        x = preprocess.midpoint(torch.from_numpy(images))
        return (slope(x) * x).abs().double().numpy().reshape(-1, *SHAPE)

    def expected(images: Images) -> Maps:
        generator = torch.Generator().manual_seed(0)
        x = preprocess.midpoint(torch.from_numpy(images))
        total = torch.zeros_like(x)
        for _ in range(STEPS):
            base = normal[torch.randint(len(normal), (len(x),), generator=generator)]
            along = torch.rand(len(x), 1, generator=generator)
            total = total - slope(base + along * (x - base)) * (x - base)
        found: Maps = total.double().numpy()
        return found.reshape(-1, *SHAPE)

    def occluded(images: Images) -> Maps:
        heat = np.full((len(images), *SHAPE), -np.inf)
        for one, image, before in zip(
            heat, images.reshape(-1, *SHAPE), scorer(images).values, strict=True
        ):
            places = [
                (slice(i, i + SIDE), slice(j, j + SIDE))
                for i in range(SHAPE[0] - SIDE + 1)
                for j in range(SHAPE[1] - SIDE + 1)
            ]
            copies = np.repeat(image[None], len(places), axis=0)
            for copy, place in zip(copies, places, strict=True):
                copy[place] = mean[place]
            for place, score in zip(places, scorer(copies.reshape(-1, 784)).values, strict=True):
                one[place] = np.maximum(one[place], score - before)
        return heat

    return {
        "gradient x input": gradient,
        "occlusion by the mean": occluded,
        "expected gradients": expected,
    }
