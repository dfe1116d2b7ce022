"""Screening: how odd every block of an image is, before anything is scored again.

G_S = ½ r_Sᵀ (P_SS)⁻¹ r_S is exactly what the Gaussian log p gains by x̂_S = x_S + (P_SS)⁻¹ r_S, the
mean of the block given its rest. H_S = ½ g_Sᵀ (F_SS)⁻¹ g_S is a score test of the flow (Rao 1948).
Each is held beside what is usual for it in that block of normal samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nice_anomaly.explain.blocks import Blocks, blocks
from nice_anomaly.explain.forms import Form
from nice_anomaly.explain.pulls import Pull

HIGH = 0.99  # the quantile of normals that is the unit of a block's value
FEWEST = 0.1  # of the middling unit: where nothing ever happens a trifle is not everything
MOST_OWN = 0.99  # of a value, that a sample owes to itself
ALIGNED = 32  # samples at a time: one size of product, so that none depends on its neighbours
NUMBERS = 2_500_000  # in the matrices of one size of block, 10 MB
PRODUCTS = 2e10  # to make them, about a second
STEPPED = 8  # pixels: larger blocks stand two pixels apart


@dataclass(frozen=True)
class Usual:
    """Of every block the median of normals and the way from there to their 99 % quantile."""

    middle: Tensor
    reach: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "Usual":
        """From values of normals, ``[n, m]``."""
        middle, high = values.quantile(torch.tensor([0.5, HIGH]), dim=0)
        reach = high - middle
        return cls(middle, reach.clamp_min(FEWEST * reach.median()).clamp_min(1e-9))

    def __call__(self, values: Tensor) -> Tensor:
        """0 at the median, 1 at the quantile."""
        return (values - self.middle) / self.reach


@dataclass(frozen=True)
class Test:
    """One pull, asked of all blocks of one size."""

    form: Form
    usual: Usual

    @classmethod
    def of(cls, pull: Pull, places: Blocks, normal: Tensor) -> "Test":
        """With what is usual from the pulls of ``normal`` samples ``[n, d]``."""
        form = Form.of(pull.matrix, places)
        values = torch.cat([form(some) for some in normal.split(ALIGNED)])
        return cls(form, Usual.of(without_itself(values, pull.learned)))


@dataclass(frozen=True)
class Family:
    """All blocks of one side with their tests: the gain G, and H where the model has latents."""

    blocks: Blocks
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class Screened:
    """What one pass over images ``[n, d]`` found.

    ``pulls`` are theirs; ``values`` has for every side the value of every block by every test,
    ``[tests, n, m]``.
    """

    pulls: tuple[Tensor, ...]
    values: dict[int, Tensor]


@dataclass
class Screening:
    """Families of blocks by their side, each made when it is first asked for.

    ``normal`` are samples ``[m, d]`` in the model's x.
    """

    shape: tuple[int, ...]
    pulls: tuple[Pull, ...]
    normal: Tensor
    _families: dict[int, Family] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._usual = [torch.cat([*_aligned(pull, self.normal)]) for pull in self.pulls]

    def family(self, side: int) -> Family:
        """The blocks of a side."""
        if side not in self._families:
            places = blocks(self.shape, side, self._stride(side))
            each = zip(self.pulls, self._usual, strict=True)
            tests = tuple(Test.of(pull, places, normal) for pull, normal in each)
            self._families[side] = Family(places, tests)
        return self._families[side]

    def __call__(self, x: Tensor, sides: list[int]) -> Screened:
        """Screen images ``[n, d]``."""
        pulls = tuple(torch.cat([*_aligned(pull, x)]) for pull in self.pulls)
        return Screened(pulls, {side: self._values(pulls, side) for side in sides})

    def map(self, screened: Screened, sides: list[int]) -> Tensor:
        """How odd every pixel is, ``[n, h, w]``: the largest G + H of the blocks that cover it."""
        maps = (self.family(k).blocks.spread(screened.values[k].sum(dim=0)) for k in sides)
        return torch.stack([*maps]).amax(dim=0)

    def _values(self, pulls: tuple[Tensor, ...], side: int) -> Tensor:
        each = zip(self.family(side).tests, pulls, strict=True)
        return torch.stack([test.usual(_padded(test.form, pull)) for test, pull in each])

    def _stride(self, side: int) -> int:
        """How far blocks of a side stand apart: farther where they are many and large."""
        stride, rank = 1 + (side > STEPPED), max(len(pull.matrix.weights) for pull in self.pulls)
        while stride < side:
            count, size = blocks(self.shape, side, stride).values.shape
            if count * size**2 <= min(NUMBERS, PRODUCTS / rank):
                break
            stride += 1
        return stride


def without_itself(values: Tensor, learned: int) -> Tensor:
    """½ gᵀ F⁻¹ g of samples that F was learned from, each as if without it.

    With q = gᵀ F⁻¹ g / m, leaving g out of the m samples makes of it (1 - 1/m) / (1 - q) times as
    much (Sherman & Morrison 1950); that of samples which had no part stays.
    """
    if not learned:
        return values
    own = (2 * values / learned).clamp(max=MOST_OWN)
    return values / (1 - own) * (1 - 1 / learned)


def _aligned(pull: Pull, x: Tensor) -> Iterator[Tensor]:
    for some in x.split(ALIGNED):
        yield pull.of(_filled(some))[: len(some)]


def _padded(form: Form, v: Tensor) -> Tensor:
    return torch.cat([form(_filled(some))[: len(some)] for some in v.split(ALIGNED)])


def _filled(x: Tensor) -> Tensor:
    return torch.cat([x, x[:1].expand(-len(x) % ALIGNED, -1)])
