"""Reasons for rows: conditionals against closed forms, columns as blocks, repairs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor, nn

from nice_anomaly import Run, learn
from nice_anomaly.data import Column, TableReading
from nice_anomaly.data.tables import encode
from nice_anomaly.density import Density, Shape
from nice_anomaly.explain import row_repair
from nice_anomaly.explain.kinds import NEVER_SEEN, UNKNOWN, Listed, Moments
from nice_anomaly.explain.slot import Slot
from nice_anomaly.explain.slots import slots
from nice_anomaly.explain.tables import RowExplainer
from nice_anomaly.explain.value import Held, RowReasons
from nice_anomaly.flow import Architecture, Flow
from nice_anomaly.flow.whitening import Whitening
from nice_anomaly.preprocess import Preprocess
from nice_anomaly.scores import Scorer

Rows = NDArray[np.float64]
INF = float("inf")


def identity(scale: Rows, step: float = 0.0) -> Preprocess:
    """x = v / scale, without noise."""
    one = torch.ones(len(scale), dtype=torch.float64)
    return Preprocess(step * one, 0 * one, torch.from_numpy(scale), one, 0 * one, 0 * one)


def gaussian(covariance: Rows, scale: Rows | None = None) -> Scorer:
    """One whose density of x is normal with mean 0, exactly."""
    d = len(covariance)
    flow = Flow(Architecture(dimensions=d, couplings=2, layers=1, width=4, prior="gaussian"))
    if (covariance != np.eye(d)).any():
        law = Whitening.from_moments(torch.zeros(d).double(), torch.from_numpy(covariance))
        flow.whitening.load_state_dict(law.state_dict())
    return Scorer(flow, identity(np.ones(d) if scale is None else scale), torch.float32, "w")


def drawn(covariance: Rows, n: int, scale: float = 1.0) -> Rows:
    rows = np.random.default_rng(0).multivariate_normal(np.zeros(len(covariance)), covariance, n)
    return scale * rows


def explained(
    scorer: Scorer,
    references: Rows,
    rows: Rows,
    low: float,
    columns: Sequence[Column] | None = None,
    high: float = INF,
) -> list[RowReasons]:
    scores = scorer(rows).values.tolist()
    held = [Held(str(i), score, low, high) for i, score in enumerate(scores)]
    return list(RowExplainer(scorer, references, columns)(rows, held))


PAIR = np.array([[1.0, 0.9], [0.9, 1.0]])  # x | y is N(0.9 y, 0.19)
SD = np.sqrt(0.19)


@pytest.mark.parametrize("scale", [1.0, 250.0])
@pytest.mark.parametrize("row", [(1.0, -1.0), (-0.5, 1.0), (12.0, 0.5)])
def test_of_two_normal_columns_all_is_as_computed_by_hand(
    scale: float, row: tuple[float, float]
) -> None:
    scorer = gaussian(PAIR, scale * np.ones(2))
    trials = RowExplainer(scorer, drawn(PAIR, 400, scale), None).trials
    rows, (x, y) = scale * np.array([row]), row
    (view,) = trials.views(rows, np.array([INF]))
    (change,) = row_repair.changes(trials, rows, [view.found["x0"]], [Held("a", -1.0, 0.0)])
    cause = change.cause
    assert cause.value == scale * x
    assert cause.median == pytest.approx(scale * 0.9 * y, abs=0.02 * scale)
    assert cause.low == pytest.approx(scale * (0.9 * y - 1.645 * SD), abs=0.03 * scale)
    assert cause.high == pytest.approx(scale * (0.9 * y + 1.645 * SD), abs=0.03 * scale)
    assert cause.expected == pytest.approx(scale * 0.9 * y, abs=0.02 * scale)
    z = abs(x - 0.9 * y) / SD
    assert cause.gain == pytest.approx(z**2 / 2, rel=1e-3)
    if z < 6:
        assert cause.p_value == pytest.approx(2 * norm.sf(z), rel=0.1)
    assert (1e-200 < cause.p_value < 1e-8) == (z > 6)
    assert cause.usual == (x != 12)


def test_p_values_of_normal_cells_are_uniform() -> None:
    covariance = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.0], [0.3, 0.0, 1.0]])
    explainer = RowExplainer(gaussian(covariance), drawn(covariance, 400), None)
    rows = drawn(covariance, 500)
    views = explainer.trials.views(rows, np.full(500, INF))
    p = np.array([[column.p_value for column in view.found.values()] for view in views])
    for rate in (0.01, 0.1, 0.5):
        assert (p < rate).mean() == pytest.approx(rate, abs=4 * np.sqrt(rate / 1500))


LINE = np.array([[1.0, 2.0, 1.0], [2.0, 4.01, 2.0], [1.0, 2.0, 1.01]])  # y = 2x, z = x


@pytest.mark.parametrize(("row", "broken"), [((0.5, -1.0, 0.5), "x1"), ((0.5, 1.0, -0.5), "x2")])
def test_a_broken_relation_is_named_and_the_value_is_usual_in_itself(
    row: tuple[float, ...], broken: str
) -> None:
    (one,) = explained(gaussian(LINE), drawn(LINE, 400), np.array([row]), low=-10.0)
    first = one.causes[0]
    assert (first.column, first.usual, one.changed, one.passes) == (broken, True, 1, True)
    assert first.expected == pytest.approx(1.0 if broken == "x1" else 0.5, abs=0.05)
    assert one.cells == pytest.approx({"x0": 0.5, "x1": 1.0, "x2": 0.5}, abs=0.05)
    assert first.p_value < 1e-6


def test_where_either_of_two_columns_may_be_wrong_both_are_said() -> None:
    (one,) = explained(gaussian(PAIR), drawn(PAIR, 400), np.array([[2.0, -2.0]]), low=-6.0)
    assert (one.changed, {cause.column for cause in one.causes}) == (1, {"x0", "x1"})


def test_a_column_that_would_not_do_alone_is_no_alternative() -> None:
    (one,) = explained(gaussian(PAIR), drawn(PAIR, 400), np.array([[30.0, -1.0]]), low=-6.0)
    assert [cause.column for cause in one.causes] == ["x0"]


BLOCKS = np.kron(np.eye(3), PAIR)  # three pairs of columns that know nothing of another


def test_several_causes_are_found_one_after_the_other() -> None:
    row = np.array([[8.0, 0.0, 0.5, 0.5, 0.0, -9.0]])
    (one,) = explained(gaussian(BLOCKS), drawn(BLOCKS, 400), row, low=-12.0)
    assert (one.changed, one.passes) == (2, True)
    assert [cause.column for cause in one.causes[:2]] == ["x5", "x0"]
    assert one.repaired_score == pytest.approx(float(gaussian(BLOCKS)(one.repaired[None])[0]))
    kept = [1, 2, 3, 4]
    assert one.repaired[kept].tolist() == row[0, kept].tolist()


def test_a_change_that_is_not_needed_is_given_back() -> None:
    scorer, row = gaussian(BLOCKS), np.array([8.0, 0.0, 0.5, 0.5, 0.0, 0.0])
    trials = RowExplainer(scorer, drawn(BLOCKS, 400), None).trials
    held = Held("a", float(scorer(row[None])[0]), -12.0)
    state = row_repair.Repaired(row, (), held.score, False)
    (view,) = trials.views(row[None], np.array([INF]))
    for name in ("x2", "x0"):
        (change,) = row_repair.changes(trials, state.row[None], [view.found[name]], [held])
        after = state.row.copy()
        after[change.place] = change.after
        state = row_repair.Repaired(after, (*state.changes, change), change.score, True)
    found = row_repair.pruned(trials, state, held)
    assert found.changed == ["x0"]
    assert found.row[2] == 0.5
    assert found.score == pytest.approx(float(scorer(found.row[None])[0]))


def test_what_eight_columns_cannot_mend_does_not_pass() -> None:
    wide = np.eye(12)
    (one,) = explained(gaussian(wide), drawn(wide, 400), np.full((1, 12), 9.0), low=-20.0)
    assert (one.changed, one.passes, len(one.causes)) == (8, False, 8)
    assert (np.abs(one.repaired) < 0.1).sum() == 8


def test_what_is_too_usual_has_no_cause_and_is_left_alone() -> None:
    rows = np.array([[0.6, 0.0]])
    (one,) = explained(gaussian(PAIR), drawn(PAIR, 400), rows, low=-9.0, high=-3.0)
    assert one.held.too_usual
    assert (one.causes, one.changed, one.passes) == ((), 0, False)
    assert one.repaired.tolist() == [0.6, 0.0]


def test_a_repair_does_not_rise_above_the_ceiling() -> None:
    rows, top = np.array([[0.0, 5.0]]), float(gaussian(PAIR)(np.zeros((1, 2)))[0])
    (one,) = explained(gaussian(PAIR), drawn(PAIR, 400), rows, low=-9.0, high=top - 0.2)
    assert one.passes
    assert -9 <= one.repaired_score <= top - 0.2


def test_a_row_that_passes_has_its_oddest_column() -> None:
    (one,) = explained(gaussian(BLOCKS), drawn(BLOCKS, 400), np.array([[0.0, 0, 0, 0, 2, 2]]), -99)
    assert (one.changed, one.passes) == (0, True)
    assert len(one.causes) >= 1
    assert one.repaired.tolist() == [0, 0, 0, 0, 2, 2]


def test_reasons_do_not_depend_on_the_other_rows() -> None:
    rows = drawn(BLOCKS, 40, scale=2.0)
    together = explained(gaussian(BLOCKS), drawn(BLOCKS, 400), rows, low=-8.0)
    for i in (0, 17, 39):
        (alone,) = explained(gaussian(BLOCKS), drawn(BLOCKS, 400), rows[i : i + 1], low=-8.0)
        assert [cause.column for cause in alone.causes] == [c.column for c in together[i].causes]
        assert alone.repaired == pytest.approx(together[i].repaired)


def test_no_rows_have_no_reasons() -> None:
    assert explained(gaussian(PAIR), drawn(PAIR, 9), np.empty((0, 2)), low=0.0) == []


# Many columns.


def test_of_many_columns_few_are_tried_and_the_right_one_is_named() -> None:
    d = 2_000
    rng = np.random.default_rng(0)
    normal, rows = rng.normal(size=(60, d)), rng.normal(size=(5, d))
    rows[np.arange(5), 300 * np.arange(5)] = 11.0
    scorer = gaussian(np.eye(d))
    explainer = RowExplainer(scorer, normal, None)
    assert (explainer.trials.screen.chosen(rows).sum(axis=1) <= 30).all()
    scores = scorer(rows).values
    held = [Held(str(i), s, s + 40) for i, s in enumerate(scores.tolist())]
    found = list(explainer(rows, held))
    assert [one.causes[0].column for one in found] == [f"x{300 * i}" for i in range(5)]
    assert all(one.passes and one.changed == 1 for one in found)


@dataclass(frozen=True)
class Thirty:
    dimensions: int = 30
    largest_matrix: int = 900
    kind: ClassVar[str] = "curve"


class Curve(Density):
    """x_1 = x_0² + noise, the others normal: what no covariance sees, and a model of no flow."""

    architecture: Shape = Thirty()

    def __init__(self) -> None:
        super().__init__()
        self.sd = nn.Parameter(torch.tensor(0.1))

    def log_prob(self, x: Tensor) -> Tensor:
        apart = (x[:, 1] - x[:, 0] ** 2) / self.sd
        rest = torch.cat([x[:, :1], x[:, 2:]], dim=1)
        return -0.5 * (apart**2 + rest.square().sum(dim=1)).double()

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Tensor:
        del temperature
        x = torch.randn(n, 30, generator=torch.Generator().manual_seed(seed))
        x[:, 1] = x[:, 0] ** 2 + 0.1 * x[:, 1]
        return x

    def parameter_groups(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        return [], [self.sd]


def test_a_curve_among_many_columns_is_found_by_its_slope() -> None:
    model = Curve()
    normal = model.sample(400, seed=0).double().numpy()
    row = np.zeros((1, 30))
    row[0, :2] = 2.0, 0.5
    scorer = Scorer(model, identity(np.ones(30)), torch.float32, "w")
    (one,) = explained(scorer, normal, row, low=-40.0)
    assert {one.causes[0].column, one.causes[-1].column} <= {"x0", "x1"}
    assert one.passes
    row[0, 5] = 2.6  # what a line would blame first
    one_each = replace(RowExplainer(scorer, normal, None).trials.screen, most=1)
    chosen = set(np.flatnonzero(one_each.chosen(row)[0]).tolist())
    assert 5 in chosen
    assert chosen & {0, 1}


# Columns of all kinds.


@cache
def mixed() -> tuple[Run, dict[str, Any]]:
    """A run on a table of every kind of column, which all know of another."""
    rng, n = np.random.default_rng(0), 1_000
    colour = rng.choice(["red", "blue"], n)
    warm = np.where(colour == "red", 70.0, 20.0) + rng.normal(0, 3, n)
    hours = np.where(colour == "red", 14, 8) + rng.normal(0, 0.4, n)
    seconds = (rng.integers(0, 5, n) * 86_400 + hours * 3_600).astype("timedelta64[s]")
    count = rng.poisson(4, n).astype(float)
    load = 2.5 * count + rng.normal(0, 0.4, n)
    load[rng.random(n) < 0.1] = np.nan
    shape = np.where(colour == "red", "round", "square").astype(object)
    shape[rng.random(n) < 0.1] = None
    table = {
        "colour": colour.astype(object),
        "warm": warm,
        "start": np.datetime64("2024-01-01T00:00:00") + seconds,
        "count": count,
        "load": load,
        "shape": shape,
    }
    import pandas

    run = learn(pandas.DataFrame(table), overrides=["train.epochs=10"])
    run.calibrate(say=lambda _: None)
    return run, table


ODD: list[tuple[dict[str, Any], str, Any, bool]] = [  # cells, what is named, as what, usual
    ({"colour": "purple"}, "colour", UNKNOWN, False),
    ({"shape": "oval"}, "shape", NEVER_SEEN, False),
    ({"start": np.datetime64("2024-01-07T03:10:00")}, "start", "03:10 on a Sunday", False),
    ({"count": 40.0}, "count", 40.0, False),
    ({"warm": 500.0}, "warm", 500.0, False),
    ({"load": 99.0}, "load", 99.0, False),
]


@pytest.mark.parametrize(("cells", "column", "value", "usual"), ODD)
def test_a_column_of_any_kind_is_named_and_repaired_as_one(
    cells: dict[str, Any], column: str, value: Any, usual: bool
) -> None:
    run, table = mixed()
    reading = run.manifest.data.reading
    assert isinstance(reading, TableReading)
    whole = np.flatnonzero([shape is not None for shape in table["shape"]])
    one = {name: every[whole[:1]].copy() for name, every in table.items()}
    for name, cell in cells.items():
        one[name][0] = cell
    row = encode(one, reading.columns, 1).values
    scorer, threshold = run.scorer(run.calibration()), run.calibration().threshold
    references = run.trained.references.rows.astype(float)
    (found,) = explained(scorer, references, row, threshold, reading.columns)
    first = found.causes[0]
    assert found.held.flagged
    assert (first.column, first.value, first.usual) == (column, value, usual)
    assert (found.passes, found.changed) == (True, 1)
    again = {name: np.array([cell], dtype=one[name].dtype) for name, cell in found.cells.items()}
    coordinates = encode(again, reading.columns, 1)
    assert not coordinates.faults
    assert coordinates.values[0] == pytest.approx(found.repaired, abs=1e-9)
    if column == "colour":
        colder = table["warm"][whole[0]] < 45
        assert first.expected == ("blue" if colder else "red")
        assert first.probability is not None
        assert first.probability > 0.9
        assert first.median is None
    if column == "count":
        assert first.expected == round(table["load"][whole[0]] / 2.5)
        assert isinstance(first.expected, float)


def slot(column: Column, cells: list[list[float]]) -> Slot:
    """The one slot of a table of a single column, normal ``cells`` of which are coordinates."""
    width = column.width
    (only,) = slots([column], identity(np.ones(width)), np.array(cells), 64)
    return only


def test_levels_stay_levels() -> None:
    found = slot(Column("a", "number", low=2.0, high=14.0, step=3.0), [[2.0], [5.0]])
    assert found.states.ravel().tolist() == [2, 5, 8, 11, 14]
    squares = [[float(i**2)] for i in range(100)]
    many = slot(Column("a", "number", low=0.0, high=9_999.0, step=1.0), squares)
    assert 60 < len(many.states) <= 64
    assert many.states.ravel().tolist() == many.states.ravel().round().tolist()
    assert (many.states < 100).sum() == 3  # where the cells are: evenly there is one


@pytest.mark.parametrize("far", [1e300, -1e308])
def test_a_cell_at_the_end_of_numbers_is_told_without_a_warning(far: float) -> None:
    (one,) = explained(gaussian(np.eye(2)), drawn(np.eye(2), 99), np.array([[far, 0.0]]), -9.0)
    assert (one.causes[0].column, one.causes[0].value) == ("x0", far)


def test_a_number_that_may_be_missing_has_a_state_for_that() -> None:
    column = Column("a", "number", fill=3.0, low=0.0, high=9.0, gaps=True)
    found = slot(column, [[1.0, 0.0], [3.0, 1.0], [8.0, 0.0]])
    assert found.states[-1].tolist() == [3.0, 1.0]
    assert (found.states[:-1, 1] == 0).all()
    assert found.cell(np.array([3.0, 1.0])) is None
    assert found.usual(np.array([3.0, 1.0]))
    assert found.cell(np.array([3.0, 0.0])) == 3.0


def test_a_column_that_never_changes_can_only_be_that() -> None:
    found = slot(Column("a", "number", fill=4.0, low=4.0, high=4.0), [[4.0], [4.0]])
    assert found.states.tolist() == [[4.0]]
    (one,) = explained(
        gaussian(np.eye(1)), np.zeros((9, 1)), np.array([[50.0]]), -9.0,
        [Column("a", "number", low=0.0, high=0.0)],
    )  # fmt: skip
    assert (one.causes[0].expected, one.passes) == (0.0, True)


def test_a_category_has_its_known_values_and_missing() -> None:
    column = Column("a", "category", categories=("red", "blue"), gaps=True)
    found = slot(column, [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert isinstance(found, Listed)
    assert found.states.tolist() == np.eye(3).tolist()
    assert found.often.tolist() == [0.5, 0.25, 0.25]
    assert [found.cell(np.eye(3)[i]) for i in range(3)] == ["red", "blue", None]
    assert found.cell(np.zeros(3)) == NEVER_SEEN


@pytest.mark.parametrize(
    ("form", "cell", "said"),
    [
        ("", "2024-01-03T08:05:00", "08:05 on a Wednesday"),
        ("", "2024-01-07T23:59:30", "23:59:30 on a Sunday"),
        ("%H:%M", "08:05", "08:05"),
    ],
)
def test_moments_are_told_as_they_are_known(form: str, cell: str, said: str) -> None:
    column = Column("a", "date", low=0.0, high=1.0, form=form)
    cells = {"a": np.array([cell], dtype=object)}
    block = encode(cells, [column], 1).values
    found = slot(column, [*block.tolist(), *block.tolist()])
    assert isinstance(found, Moments)
    assert len(found.states) == (24 if form else 7 * 24)
    assert found.cell(block[0]) == said
    assert found.usual(block[0])
    back = encode({"a": np.array([found.plain(block[0])])}, [replace(column, form="")], 1)
    assert back.values[0, : column.width] == pytest.approx(block[0])


def test_days_without_a_time_are_told_as_days() -> None:
    column = Column("a", "date", low=0.0, high=1.0)
    block = encode({"a": np.array(["2024-01-03"], dtype=object)}, [column], 1).values
    assert slot(column, block.tolist()).cell(block[0]) == "a Wednesday"


def test_columns_are_set_again_once_no_more_may_be_changed() -> None:
    """The first was set beside seven that were wrong themselves."""
    tied = np.full((12, 12), 0.95) + 0.05 * np.eye(12)
    row, scorer = np.array([[4.0, -4.0] * 4 + [0.0] * 4]), gaussian(tied)
    (one,) = explained(scorer, drawn(tied, 400), row, low=-1.0)
    assert (one.changed, one.passes) == (8, True)
    assert len({cause.column for cause in one.causes}) == 8
    rise = sum(cause.gain for cause in one.causes)
    assert one.held.score + rise == pytest.approx(one.repaired_score)
    for cause in one.causes:
        place = int(cause.column[1:])
        assert (cause.value, cause.expected) == (row[0, place], one.repaired[place])


def test_numbers_beyond_all_measure_are_named_and_repaired() -> None:
    """Through a heavy tail log p of such a number is minus infinity."""
    scorer = gaussian(np.eye(3))
    tail = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    scorer = replace(scorer, preprocess=replace(scorer.preprocess, tail=tail))
    row = np.array([[1e300, -1e200, 0.0]])
    assert np.isneginf(scorer(row).values)
    (one,) = explained(scorer, drawn(np.eye(3), 400), row, low=-9.0)
    assert (one.passes, {cause.column for cause in one.causes}) == (True, {"x0", "x1"})
    assert {cause.value for cause in one.causes} == {1e300, -1e200}
