"""Repair: an image that is not flagged, with little of the given one changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nice_anomaly.explain.blocks import fitting
from nice_anomaly.explain.tries import Images, Score, Trying, Values, tiles
from nice_anomaly.explain.value import Held

SIDES = (4, 7, 10)
EACH = 3  # blocks of a side by a test and round
ROUNDS = 20
TAKEN, GIVEN_BACK = 4, 7  # tiles across an image


@dataclass(frozen=True, eq=False)
class State:
    """An image ``[d]`` on its way to one that is not flagged, with its score."""

    held: Held
    image: Images
    score: float
    local: bool = True

    @property
    def passes(self) -> bool:
        """Whether it has arrived."""
        return self.held.low <= self.score <= self.held.high

    def better(self, images: Images, scores: Values) -> "State | None":
        """The best of ``images`` ``[t, d]`` if it is better; none is above the ceiling."""
        scores = np.where(scores <= self.held.high, scores, -np.inf)
        best = int(scores.argmax())
        if not scores[best] > self.score:
            return None
        return replace(self, image=images[best], score=float(scores[best]))


@dataclass(frozen=True)
class Repair:
    """Flagged images → images that are not.

    Blocks are replaced by what their rest suggests, the best of a round first; where that ends
    before an image passes, tiles of the nearest of ``normals`` ``[m, d]`` that does.
    """

    trying: Trying
    score: Score
    normals: Images
    normal_scores: Values

    def __call__(self, states: Sequence[State]) -> list[State]:
        """As far as each can be repaired."""
        by_blocks = self._by_blocks(states)
        return [
            end if end.passes else self._by_tiles(start) or end
            for start, end in zip(states, by_blocks, strict=True)
        ]

    def least(self, start: Images, end: State) -> State:
        """With every tile of ``start`` given back that the verdict does not need."""
        shape, state = self.trying.layout.shape, end
        for _ in range(ROUNDS):
            before = state
            places = [p for p in tiles(shape, GIVEN_BACK) if self._differs(start, state.image, p)]
            order = self.score(self._copied(state.image, start, [[p] for p in places]))
            places = [places[i] for i in np.argsort(-order, kind="stable")]
            prefixes = [places[: i + 1] for i in range(len(places))]
            images = self._copied(state.image, start, prefixes)
            for image, score in zip(images, self.score(images), strict=True):
                given = replace(end, image=image, score=float(score))
                state = given if given.passes else state
            if state is before:
                break
        return state

    def _by_blocks(self, states: Sequence[State]) -> list[State]:
        found, going = list(states), [i for i, one in enumerate(states) if not one.passes]
        sides = fitting(self.trying.layout.shape, SIDES)
        for _ in range(ROUNDS):
            if not going:
                break
            raw = np.stack([found[i].image for i in going])
            screened = self.trying.screening(self.trying.model_sees(raw), sides)
            tries = self.trying.each(raw, screened, sides, EACH)
            still = []
            for i, images, scores in zip(
                going, tries.images, tries.scored(self.score), strict=True
            ):
                better = found[i].better(images, scores)
                found[i] = better or found[i]
                if better and not better.passes:
                    still.append(i)
            going = still
        return found

    def _by_tiles(self, start: State) -> State | None:
        held = start.held
        passing = (held.low <= self.normal_scores) & (self.normal_scores <= held.high)
        if not passing.any():
            return None
        apart = np.square(self.normals[passing].astype(np.float32) - start.image).sum(axis=1)
        other = self.normals[passing][apart.argmin()]
        places = [*tiles(self.trying.layout.shape, TAKEN)]
        order = self.score(self._copied(start.image, other, [[p] for p in places]))
        places = [places[i] for i in np.argsort(-order, kind="stable")]
        images = self._copied(start.image, other, [places[: i + 1] for i in range(len(places))])
        states = [
            replace(start, image=image, score=float(score), local=False)
            for image, score in zip(images, self.score(images), strict=True)
        ]
        return next((one for one in states if one.passes), None)

    def _copied(
        self, image: Images, other: Images, places: Sequence[Sequence[tuple[slice, slice]]]
    ) -> Images:
        """``image`` with some ``places`` of ``other`` in each copy."""
        shape = self.trying.layout.shape
        copies = np.repeat(image[None], len(places), axis=0).reshape(-1, *shape)
        for copy, some in zip(copies, places, strict=True):
            for place in some:
                copy[place] = other.reshape(shape)[place]
        return copies.reshape(len(places), -1)

    def _differs(self, one: Images, other: Images, place: tuple[slice, slice]) -> bool:
        shape = self.trying.layout.shape
        return bool((one.reshape(shape)[place] != other.reshape(shape)[place]).any())
