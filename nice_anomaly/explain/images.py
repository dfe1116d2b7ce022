"""Images: where an image is odd, and what was expected there."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.data import Layout
from nice_anomaly.explain.blocks import fitting
from nice_anomaly.explain.image_repair import Repair, State
from nice_anomaly.explain.pulls import gaussian, latent
from nice_anomaly.explain.screening import Screening
from nice_anomaly.explain.tries import Images, Trying, Values
from nice_anomaly.explain.value import Held, ImageReasons
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.run.canaries import drawn_rows
from nice_anomaly.scores import Scorer

SCREENED, RESCORED = (3, 5, 7, 10), (5, 7, 10)  # sides of blocks
BEST = 12  # blocks of a side that are scored again
FINE = (5, 7)  # the sides that make heat: larger blocks light too much around them
NORMALS, VALUES = (
    1_000,
    8_000_000,
)  # that screening learns from: what references there are, then draws
SEED = 1 << 20  # of draws, unlike that of references that were drawn
TOGETHER, BYTES = 64, 1 << 26  # images at a time, and of what is tried of them
NATS = 1.0  # a replaced pixel gains by itself
TIES = 1e-3  # units of the score that screening decides


class ImageExplainer:
    """An ``Explainer`` of images."""

    def __init__(self, scorer: Scorer, references: NDArray[Any], layout: Layout) -> None:
        self._scorer, self._references, self._layout = scorer, references, layout

    def __call__(self, raw: NDArray[Any], held: Sequence[Held]) -> Iterator[ImageReasons]:
        """See ``Explainer``."""
        sides = len(fitting(self._layout.shape, RESCORED))
        each = BEST * sides * self._layout.dimensions
        together = max(1, min(TOGETHER, BYTES // each))
        for start in range(0, len(raw), together):
            some = slice(start, start + together)
            yield from self._explained(np.ascontiguousarray(raw[some]), held[some])

    def _explained(self, raw: Images, held: Sequence[Held]) -> Iterator[ImageReasons]:
        trying, shape = self._trying, self._layout.shape
        screened_sides, sides = fitting(shape, SCREENED), fitting(shape, RESCORED)
        screened = trying.screening(trying.model_sees(raw), screened_sides)
        tries = trying.best(raw, screened, sides, BEST)
        scores = tries.scored(self._score)
        odd = trying.screening.map(screened, screened_sides).double().numpy()
        starts = [State(one, row, one.score) for one, row in zip(held, raw, strict=True)]
        ends = [self._single(*each) for each in zip(starts, tries.images, scores, strict=True)]
        leasts = list(starts)
        wanted = [i for i, one in enumerate(held) if one.flagged and not one.too_usual]
        flagged = [starts[i] for i in wanted]
        repaired = self._repair(flagged, [ends[i] for i in wanted])
        least = self._repair.least(flagged, repaired)
        for i, *found in zip(wanted, repaired, least, strict=True):
            ends[i], leasts[i] = found
        for i, one in enumerate(held):
            rises = scores[i] - one.score
            named = self._named(tries.boxes[i], rises)
            here = rises[named] > 0 and not one.too_usual
            yield ImageReasons(
                held=one,
                image=raw[i].reshape(shape),
                heat=self._heat(tries.boxes[i], rises, odd[i]),
                box=tries.box(i, named) if here else None,
                gain=float(rises[named]) if here else 0.0,
                expected=ends[i].image.reshape(shape),
                expected_score=ends[i].score,
                least=leasts[i].image.reshape(shape),
                least_score=leasts[i].score,
                local=ends[i].local,
                passes=ends[i].passes,
                levels=self._layout.levels,
            )

    def _heat(self, boxes: NDArray[np.int64], rises: Values, odd: Values) -> Values:
        """The largest rise over the fine tries of a pixel; ``odd`` ``[h, w]`` breaks ties."""
        heat, finest = np.zeros_like(odd), max(fitting(self._layout.shape, FINE))
        for (top, left, height, width), rise in zip(boxes.tolist(), rises, strict=True):
            if max(height, width) <= finest:
                place = slice(top, top + height), slice(left, left + width)
                heat[place] = np.maximum(heat[place], rise)
        ties = odd - odd.min()
        found: Values = heat + TIES * ties / (1 + ties)
        return found

    def _named(self, boxes: NDArray[np.int64], rises: Values) -> int:
        """The try that explains most: any block gains a little, the more the larger it is."""
        if self._scorer.typicality is not None:
            return int(rises.argmax())
        return int((rises - NATS * boxes[:, 2] * boxes[:, 3]).argmax())

    def _single(self, start: State, images: Images, scores: Values) -> State:
        """With the one block replaced that the score rises most with."""
        if start.held.too_usual:
            return State(start.held, start.image, start.score, local=False)
        return start.better(images, scores)

    def _score(self, raw: Images) -> Values:
        return self._scorer(raw).values

    @cached_property
    def _trying(self) -> Trying:
        preprocess = self._scorer.preprocess.to(torch.device("cpu"))
        model = self._scorer.model
        normal = preprocess.midpoint(torch.from_numpy(self._normals(preprocess)))
        pulls = [gaussian(model, normal), latent(model, normal)]
        found = tuple(pull for pull in pulls if pull is not None)
        return Trying(Screening(self._layout.shape, found, normal), preprocess, self._layout)

    def _normals(self, preprocess: Preprocess) -> Images:
        """The references, and beside few of them what the model draws."""
        layout = self._layout
        missing = min(NORMALS, VALUES // layout.dimensions) - len(self._references)
        if missing <= 0:
            return self._references
        drawn = drawn_rows(self._scorer.model, preprocess, layout, SEED, missing)
        return np.concatenate([self._references, drawn])

    @cached_property
    def _repair(self) -> Repair:
        scores = self._score(self._references)
        return Repair(self._trying, self._score, self._references, scores)
