"""Repair: an image that is not flagged, with little of the given one changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nice_anomaly.explain.blocks import fitting
from nice_anomaly.explain.tries import Images, Place, Score, Trying, Values, tiles
from nice_anomaly.explain.value import Held

SIDES = (5, 7, 10)
EACH = 3  # blocks of a side by a test and round
NEAREST = 3  # normal images that a block may be borrowed from
ROUNDS, PASSES = 8, 20  # of replacing, of giving back
MOST = 0.5  # of the pixels: what replaces more of an image is no small place
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

    def better(self, images: Images, scores: Values) -> "State":
        """With the best of ``images`` ``[t, d]`` if it is better; none is above the ceiling."""
        scores = np.where(scores <= self.held.high, scores, -np.inf)
        best = int(scores.argmax())
        return self.at(images[best], scores[best]) if scores[best] > self.score else self

    def at(self, image: Images, score: float) -> "State":
        """With another image."""
        return replace(self, image=image, score=float(score))


@dataclass(frozen=True)
class Repair:
    """Flagged images → images that are not.

    Blocks are replaced by what their rest suggests, the best of a round first, or by that of the
    ``normals`` ``[m, d]`` whose rest is nearest; where that ends before an image passes, tiles of
    the nearest normal that does.
    """

    trying: Trying
    score: Score
    normals: Images
    normal_scores: Values

    def __call__(self, starts: Sequence[State], singles: Sequence[State]) -> list[State]:
        """As far as each can be repaired; ``singles`` are they with one block replaced."""
        going = [a if not b.passes else b for a, b in zip(starts, singles, strict=True)]
        ends = self._by_blocks(going)
        return [
            end if end.passes and self._small(start, end) else self._by_tiles(start) or end
            for start, end in zip(starts, ends, strict=True)
        ]

    def least(self, starts: Sequence[State], ends: Sequence[State]) -> list[State]:
        """With every tile of the start given back that the verdict does not need."""
        found = list(ends)
        going = [i for i, end in enumerate(ends) if end.passes]
        for _ in range(PASSES):
            pairs = [(found[i].image, starts[i].image) for i in going]
            places = [self._differing(*pair) for pair in pairs]
            single = [[[place] for place in some] for some in places]
            growing = [
                [[some[k] for k in order[: n + 1]] for n in range(len(order))]
                for some, order in zip(places, self._orders(pairs, single), strict=True)
            ]
            copies = [self._copied(*pair, some) for pair, some in zip(pairs, growing, strict=True)]
            still = []
            for i, images, scores in zip(going, copies, self._scores(copies), strict=True):
                passing = [one for one in map(found[i].at, images, scores) if one.passes]
                if passing:
                    found[i] = passing[-1]
                    still.append(i)
            going = still
            if not going:
                break
        return found

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
            for i, boxes, images, scores in zip(
                going, tries.boxes, tries.images, tries.scored(self.score), strict=True
            ):
                better = found[i].better(images, scores)
                if better is found[i]:
                    better = self._borrowed(found[i], boxes)
                if better is not found[i] and not better.passes:
                    still.append(i)
                found[i] = better
            going = still
        return found

    def _small(self, start: State, end: State) -> bool:
        shape = self.trying.layout.shape
        changed = (start.image != end.image).reshape(*shape[:2], -1).any(axis=2)
        return bool(changed.mean() <= MOST)

    def _by_tiles(self, start: State) -> State | None:
        held = start.held
        passing = (held.low <= self.normal_scores) & (self.normal_scores <= held.high)
        if not passing.any():
            return None
        apart = np.square(self.normals[passing].astype(np.float32) - start.image).sum(axis=1)
        pair = start.image, self.normals[passing][apart.argmin()]
        places = [*tiles(self.trying.layout.shape, TAKEN)]
        (order,) = self._orders([pair], [[[place] for place in places]])
        growing = [[places[k] for k in order[: n + 1]] for n in range(len(order))]
        images = self._copied(*pair, growing)
        states = map(replace(start, local=False).at, images, self.score(images))
        return next((one for one in states if one.passes), None)

    def _borrowed(self, state: State, boxes: Values) -> State:
        """With the best block of a normal image whose rest is near."""
        apart = np.square(self.normals.astype(np.float32) - state.image)
        total, copies = apart.sum(axis=1), []
        apart = apart.reshape(-1, *self.trying.layout.shape)
        for top, left, height, width in np.unique(boxes, axis=0).tolist():
            place = slice(top, top + height), slice(left, left + width)
            rest = total - apart[:, *place].reshape(len(total), -1).sum(axis=1)
            for other in self.normals[rest.argsort(kind="stable")[:NEAREST]]:
                copies.append(self._copied(state.image, other, [[place]]))
        images = np.concatenate(copies)
        return state.better(images, self.score(images))

    def _orders(
        self, pairs: Sequence[tuple[Images, Images]], places: Sequence[Sequence[Sequence[Place]]]
    ) -> list[list[int]]:
        """Of every pair its places from the one whose copy scores best."""
        copies = [self._copied(*pair, some) for pair, some in zip(pairs, places, strict=True)]
        return [np.argsort(-scores, kind="stable").tolist() for scores in self._scores(copies)]

    def _scores(self, images: Sequence[Images]) -> list[Values]:
        """Scores of several stacks of images by one call."""
        ends = np.cumsum([len(some) for some in images])
        return (
            np.split(self.score(np.concatenate(images)), ends[:-1])
            if len(ends) and ends[-1]
            else []
        )

    def _copied(self, image: Images, other: Images, places: Sequence[Sequence[Place]]) -> Images:
        """``image`` with some ``places`` of ``other`` in each copy."""
        shape = self.trying.layout.shape
        copies = np.repeat(image[None], len(places), axis=0)
        for copy, some in zip(copies, places, strict=True):
            for place in some:
                copy.reshape(shape)[place] = other.reshape(shape)[place]
        return copies

    def _differing(self, one: Images, other: Images) -> list[Place]:
        """The tiles in which two images differ."""
        shape = self.trying.layout.shape
        differs = one.reshape(shape) != other.reshape(shape)
        return [place for place in tiles(shape, GIVEN_BACK) if differs[place].any()]
