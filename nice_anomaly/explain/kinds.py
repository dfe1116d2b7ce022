"""Kinds: slots whose states are a list, categories and moments of a week."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.data import Column, decode
from nice_anomaly.explain.slot import Array, Judged, Slot, best_of, log_sum, peak

NEVER_SEEN = "(a value that was never seen)"
UNKNOWN = "(missing, or a value that was never seen)"  # where no coordinate says which
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS, ROUND = 24, 5 / 60  # states a day; hours that a suggested time of day is told in
ANOTHER_DAY = 1.0  # nats that another day has to be worth
RARE = 0.01  # of normal rows: what is less often is not usual


@dataclass(frozen=True, eq=False)
class Listed(Slot):
    """A column whose states are all there is; ``often`` ``[k]`` is how often each is, a share."""

    name: str
    place: slice
    column: Column
    sample: Array
    unit: str = ""
    states: Array = field(init=False)
    often: Array = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", self._states())
        places = self._place_of(self.sample)
        counts = np.bincount(places + 1, minlength=len(self.states) + 1)[1:]
        object.__setattr__(self, "often", counts / max(1, counts.sum()))

    def _states(self) -> Array:
        values = np.eye(len(self.column.categories), self.column.width)
        missing = np.eye(1, self.column.width, self.column.width - 1)
        return np.concatenate([values, missing]) if self.column.gaps else values

    def _place_of(self, blocks: Array) -> NDArray[np.int64]:
        """Which state stands in every block ``[n, w]``, -1 for none."""
        return np.where(blocks.max(axis=1) > 0.5, blocks.argmax(axis=1), -1)

    def judged(self, scores: Array, own: Array, blocks: Array, ceiling: Array) -> Judged:
        """See ``Slot``. What is none of the states is one more."""
        count, places = len(self.states), self._place_of(blocks)
        unknown = np.where(places < 0, own, -np.inf)
        total = log_sum(np.column_stack([scores, unknown]))
        less = np.where(scores <= own[:, None] + 1e-6, scores, -np.inf)
        odd = log_sum(np.column_stack([less, own]))
        often = np.append(self.often, 0.0)[places]
        best = best_of(self._preferred(scores, places), ceiling)
        none = np.full(len(own), np.nan)
        return Judged(
            best,
            self._finer(scores, best),
            scores[np.arange(len(own)), best] - own,
            np.log(often / 2 + 0.5 / (count + 1)) - (own - total),
            np.exp(np.minimum(odd - total, 0.0)),
            none,
            none,
            none,
            self._probability(scores[np.arange(len(own)), best] - total),
        )

    def _preferred(self, scores: Array, places: NDArray[np.int64]) -> Array:
        """Scores by which the best state is chosen, beside the states ``[n]`` in place."""
        del places
        return scores

    def _probability(self, log_shares: Array) -> Array:
        """How probable the best states are, where a person wants to know."""
        return np.exp(np.minimum(log_shares, 0.0))

    def _finer(self, scores: Array, best: NDArray[np.int64]) -> Array:
        del scores
        return self.states[best]

    def usual(self, block: Array) -> bool:
        """Whether it is a known value."""
        return bool(self._place_of(block[None])[0] >= 0)

    def cell(self, block: Array) -> Any:
        """Its text, or that it was never seen; None where it is missing."""
        place = int(self._place_of(block[None])[0])
        if place < 0:
            return NEVER_SEEN if self.column.gaps else UNKNOWN
        known = self.column.categories
        return known[place] if place < len(known) else None


@dataclass(frozen=True, eq=False)
class Moments(Listed):
    """A column of moments, of which a time of day is known and, if dated, a day of the week."""

    def _states(self) -> Array:
        days = range(7 if self.column.dated else 1)
        every = np.array([self._circles(day, hour) for day in days for hour in range(HOURS)])
        missing = np.eye(1, self.column.width, self.column.width - 1)
        return np.concatenate([every, missing]) if self.column.gaps else every

    def _circles(self, day: float, hour: float) -> list[float]:
        angles = [2 * math.pi * hour / 24, 2 * math.pi * day / 7][: len(self.column.parts) // 2]
        circles = [turn(angle) for angle in angles for turn in (math.sin, math.cos)]
        return circles + [0.0] * self.column.gaps

    def _preferred(self, scores: Array, places: NDArray[np.int64]) -> Array:
        """Another day has to be clearly better than the same."""
        same = places[:, None] // HOURS == np.arange(scores.shape[1]) // HOURS
        preferred: Array = scores - ANOTHER_DAY * ~same
        return preferred

    def _probability(self, log_shares: Array) -> Array:
        return np.full(len(log_shares), np.nan)  # of one hour of a week

    def _told(self, blocks: Array) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
        """The hour and the day of every block, and which are missing."""
        circles = blocks[:, : len(self.column.parts)]
        turns = np.arctan2(circles[:, ::2], circles[:, 1::2]) / (2 * np.pi)
        hours = np.round(turns[:, 0] % 1 * 24, 4) % 24
        days = np.rint(turns[:, 1:] * 7).astype(int).sum(axis=1) % 7
        return hours, days, np.abs(circles).max(axis=1) < 1e-9

    def _place_of(self, blocks: Array) -> NDArray[np.int64]:
        hours, days, missing = self._told(blocks)
        gap = len(self.states) - 1 if self.column.gaps else -1
        return np.where(missing, gap, days * HOURS + np.rint(hours).astype(int) % HOURS)

    def _finer(self, scores: Array, best: NDArray[np.int64]) -> Array:
        """The time between the hours, on a circle."""
        day, hour = best // HOURS, best % HOURS
        around = hour[:, None] + np.arange(-1, 2)
        places = np.minimum(day[:, None] * HOURS + around % HOURS, len(self.states) - 1)
        tops = peak(around.astype(float), np.take_along_axis(scores, places, axis=1))
        times = np.rint(tops / ROUND) * ROUND
        missing = best == 7 * HOURS if self.column.dated else best == HOURS
        return np.array(
            [
                self.states[-1] if gone else self._circles(d, h)
                for gone, d, h in zip(missing, day.tolist(), times.tolist(), strict=True)
            ]
        ).reshape(len(best), -1)

    def usual(self, block: Array) -> bool:
        """Whether normal moments have such a time of day, and such a day of the week."""
        (hour,), (day,), (missing,) = self._told(block[None])
        hours, days, gaps = self._told(self.sample)
        if missing or gaps.all():
            return bool(gaps.any())
        near = np.abs((hours[~gaps] - hour + 12) % 24 - 12) <= 1
        return bool(min(near.mean(), (days[~gaps] == day).mean()) >= RARE)

    def cell(self, block: Array) -> Any:
        """As it is known: "14:05 on a Sunday", without a time where no normal moment has one."""
        (hour,), (day,), (missing,) = self._told(block[None])
        if missing:
            return None
        seconds = round(hour * 3600) % 86_400
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
        clock += f":{seconds % 60:02}" if seconds % 60 else ""
        if not self.column.dated:
            return clock
        hours, _, _ = self._told(self.sample)
        timeless = not hours.any() and not seconds
        return f"a {DAYS[day]}" if timeless else f"{clock} on a {DAYS[day]}"

    def plain(self, block: Array) -> Any:
        """The moment in one certain week, None where it is missing."""
        if self._told(block[None])[2][0]:
            return None
        return decode(block[None], [self.column])[self.column.name][0]
