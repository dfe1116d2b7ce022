"""Memory: arrays and frames give what the files of the same content give."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from nice_anomaly.data import (
    Batch,
    Column,
    ImageForm,
    ImageReading,
    InMemory,
    Material,
    Own,
    TableReading,
    Wishes,
    batches,
    learn,
    recall,
    recognise,
    restored,
    stored,
)
from nice_anomaly.data.arrays import open_array
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.settings import DataSettings

SETTINGS = DataSettings(early_stopping=20, calibration=50)
N = 9_000  # more than one chunk


def table() -> pd.DataFrame:
    """Every type of column, a few missing cells, a label; more rows than are read at a time."""
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "number": random.normal(size=N),
            "count": random.integers(0, 9, N),
            "word": random.choice(["red", "blue", "ü"], N),
            "truth": random.random(N) > 0.5,
            "moment": pd.Timestamp("2025-03-01") + pd.to_timedelta(np.arange(N), "h"),
            "kind": pd.Categorical(random.choice(["a", "b"], N)),
            "code": 2**53 + np.arange(N) * (np.arange(N) > 8_500),
            "label": np.where(random.random(N) < 0.1, "bad", "good"),
        }
    )
    frame.loc[::50, "number"] = np.nan
    frame.loc[7, "word"] = None
    return frame


def numbers() -> np.ndarray:
    rows = np.random.default_rng(6).normal(size=(N, 4))
    rows[3, 1] = np.nan
    return rows


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def saved(array: np.ndarray, path: Path) -> Path:
    np.save(path, array)
    return path


def packed(array: np.ndarray, path: Path) -> Path:
    np.savez(path, array)
    return path


FRAMES: dict[str, Callable[[pd.DataFrame], object]] = {
    "pandas": lambda frame: frame,
    "pandas of objects": lambda frame: frame.astype({"word": object, "label": object}),
    "Arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "Arrow in pieces": lambda frame: pa.concat_tables(
        pa.Table.from_pandas(frame[start : start + 1_000], preserve_index=False)
        for start in range(0, N, 1_000)
    ),
    "Polars": lambda frame: pl.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)),
}
ARRAYS: dict[str, Callable[[np.ndarray, Path], object]] = {
    "array": lambda array, _: array,
    "lists": lambda array, _: array.tolist(),
    "masked array": lambda array, _: np.ma.masked_invalid(array),
    "tensor": lambda array, _: __import__("torch").from_numpy(array),
    "npz": lambda array, folder: packed(array, folder / "rows.npz"),
    "in a generator": lambda array, _: (piece for piece in [array]),
}


def seen(given: object, reading: Any) -> list[Batch]:
    return list(batches(recognise(given), reading))


def same_batches(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (a.ids, a.faults, a.notes, a.groups) == (b.ids, b.faults, b.notes, b.groups)
        assert np.array_equal(a.values, b.values)
        assert (a.truth is None) == (b.truth is None)
        if a.truth is not None and b.truth is not None:
            assert np.array_equal(a.truth.anomalous, b.truth.anomalous)
            assert np.array_equal(a.truth.normal, b.truth.normal)


def same_material(one: Material, other: Material) -> None:
    assert one.dataset.fingerprint == other.dataset.fingerprint
    for part in ("fit", "early_stopping", "calibration"):
        assert np.array_equal(getattr(one.split, part), getattr(other.split, part))
    assert one.reading == other.reading
    for count in ("total", "anomalies", "unlabelled", "unreadable", "labels"):
        assert getattr(one, count) == getattr(other, count)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    table().to_parquet(path)
    return path


@pytest.mark.parametrize("rows", [100_000, 500])
@pytest.mark.parametrize("dress", FRAMES)
def test_a_frame_is_learned_as_its_parquet_file_is(parquet: Path, dress: str, rows: int) -> None:
    wishes = Wishes(id_column="code", label_column="label", anomaly_values=("BAD",))
    settings = DataSettings(early_stopping=20, calibration=50, rows=rows)
    of_file = learn(recognise(parquet), wishes, settings, 3)
    inputs = recognise(FRAMES[dress](table()))
    of_frame = learn(inputs, wishes, settings, 3)
    same_material(of_frame, of_file)
    assert of_file.anomalies == (table()["label"] == "bad").sum()
    assert len(of_file.dataset) == min(rows, N - of_file.anomalies)
    assert of_file.source == Own((str(parquet),), of_file.reading)  # type: ignore[arg-type]
    assert of_frame.source == InMemory(of_file.reading)  # type: ignore[arg-type]
    assert of_file.reading is not None
    same_material(recall(inputs, of_file.reading, settings, 3), of_file)


@pytest.mark.parametrize("dress", FRAMES)
def test_a_frame_is_read_as_its_parquet_file_is(parquet: Path, dress: str) -> None:
    wishes = Wishes(label_column="label", anomaly_values=("bad",))
    reading = learn(recognise(parquet), wishes, SETTINGS, 3).reading
    assert isinstance(reading, TableReading)
    odd = table()
    odd.loc[5, "number"] = np.inf
    odd.loc[6, "word"] = "never"
    odd.loc[8_900, "number"] = 1e6
    odd.to_parquet(parquet.parent / "odd.parquet")
    for asked in (reading, reading.grouped_by("kind"), reading.named_by("code")):
        of_file = seen(parquet.parent / "odd.parquet", asked)
        same_batches(seen(FRAMES[dress](odd), asked), of_file)
    assert of_file[0].faults == {5: "number is inf, not a finite number"}
    assert of_file[0].notes[6] == "word 'never' was never seen"
    shuffled = odd[odd.columns[::-1]]
    same_batches(seen(FRAMES[dress](shuffled), asked), of_file)


@pytest.mark.parametrize("dress", ARRAYS)
def test_an_array_is_what_its_file_is(tmp_path: Path, dress: str) -> None:
    file = saved(numbers(), tmp_path / "rows.npy")
    inputs = recognise(ARRAYS[dress](numbers(), tmp_path))
    of_file = learn(recognise(file), Wishes(), SETTINGS, 3)
    same_material(learn(inputs, Wishes(), SETTINGS, 3), of_file)
    assert of_file.reading is not None
    same_batches(list(batches(inputs, of_file.reading)), seen([str(file)], of_file.reading))
    assert inputs.in_memory == (dress != "npz")
    assert bool(inputs.arguments) == bool(inputs.paths) == (dress == "npz")


@pytest.mark.parametrize("shape", [(600, 5, 6), (600, 5, 6, 3), (600, 5, 6, 1)])
def test_an_array_of_images_is_what_its_file_is(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = saved(pixels(*shape), tmp_path / "images.npy")
    of_file = learn(recognise(file), Wishes(), SETTINGS, 3)
    same_material(learn(recognise(pixels(*shape)), Wishes(), SETTINGS, 3), of_file)
    assert of_file.reading is not None
    same_batches(seen(pixels(*shape), of_file.reading), seen(file, of_file.reading))


def test_the_same_images_as_files_and_as_an_array(tmp_path: Path) -> None:
    for place, image in enumerate(pixels(600, 5, 6)):
        Image.fromarray(image).save(tmp_path / f"{place:03}.png")
    of_files = learn(recognise(tmp_path), Wishes(size=(5, 6)), SETTINGS, 3)
    same_material(learn(recognise(pixels(600, 5, 6)), Wishes(), SETTINGS, 3), of_files)


@pytest.mark.parametrize("kind", [bool, np.int16, np.uint64, np.float16, np.uint8])
def test_every_kind_of_number_is_read(kind: type) -> None:
    array = (np.arange(80).reshape(40, 2) % 7 > 3).astype(kind)
    material = learn(recognise(array), Wishes(), DataSettings(early_stopping=5, calibration=5), 0)
    assert np.array_equal(material.dataset.values, array.astype(float))


def test_a_masked_cell_is_missing() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    (part,) = recognise(np.ma.masked_equal(rows.astype(int), 3)).parts
    assert np.isnan(part.samples[1, 1])  # type: ignore[union-attr]


def test_the_index_of_a_frame_names_its_rows() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 5.0]}, index=["x", "y", "z"])
    reading = TableReading((Column("a", "number", low=1, high=5),))
    for index, ids in [
        (["x", "y", "z"], ["x", "y", "z"]),
        ([4, 2, 7], ["4", "2", "7"]),
        (pd.RangeIndex(3), ["0", "1", "2"]),
        (pd.RangeIndex(5, 8), ["5", "6", "7"]),
    ]:
        assert seen(frame.set_axis(index), reading)[0].ids == ids
    two = seen([frame, frame], reading)
    assert [batch.ids[0] for batch in two] == ["frame 0:x", "frame 1:x"]


def test_an_index_that_names_rows_twice_is_refused_only_where_rows_are_told_apart() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 2))
    frame = pd.DataFrame(rows, columns=["a", "b"], index=[*range(57), 7, 7, 8])
    inputs = recognise(frame)
    reading = learn(inputs, Wishes(), DataSettings(early_stopping=5, calibration=5), 0).reading
    assert isinstance(reading, TableReading)
    with pytest.raises(DataError, match=r"of the frame names 3 rows twice, e\.g\. '7': it cannot"):
        batches(inputs, reading)
    (named,) = batches(inputs, reading.named_by("a"))
    assert named.ids[0] == f"{rows[0, 0]:.15g}"


def test_an_array_of_another_width_is_refused() -> None:
    settings = DataSettings(early_stopping=5, calibration=5)
    reading = learn(recognise(numbers()[:99]), Wishes(), settings, 0).reading
    assert reading is not None
    for width in (3, 5):
        given = recognise(np.ones((9, width)))
        with pytest.raises(DataError, match=f"has {width} columns, but the run has learned from 4"):
            batches(given, reading)


@pytest.mark.parametrize("save", [saved, packed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_in_a_file_is_read_a_piece_at_a_time(
    save: Callable[[np.ndarray, Path], Path], order: Any, tmp_path: Path
) -> None:
    rows = np.asarray(numbers(), order=order)
    file = save(rows, tmp_path / ("rows.npy" if save is saved else "rows.npz"))
    inputs = recognise(str(tmp_path))
    assert inputs.paths == (file,)
    pieces = [piece for piece, _ in open_array(file).pieces(1_000)]
    assert [len(piece) for piece in pieces] == [1_000] * 9
    assert np.array_equal(np.concatenate(pieces), rows, equal_nan=True)
    file.unlink()
    with pytest.raises(DataError, match=r"rows.np[yz] cannot be read .*: no such file"):
        learn(inputs, Wishes(), SETTINGS, 3)


def test_more_array_files_than_a_process_may_open(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for place in range(80):
        np.save(tmp_path / f"{place}.npy", np.random.default_rng(place).normal(size=(2, 3)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        material = learn(recognise(tmp_path), Wishes(), SETTINGS, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert material.total == 160


def test_paths_of_many_kinds_mean_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a\n1\n")
    for given in ("t.csv", Path("t.csv"), ["t.csv", Path("t.csv")], Path().glob("*.csv"), "*.csv"):
        inputs = recognise(given)
        assert inputs.parts == inputs.paths == (Path("t.csv"),)
        assert set(inputs.arguments) <= {str(tmp_path / "t.csv"), str(tmp_path / "*.csv")}
        assert not inputs.in_memory


def scipy_matrix() -> object:
    return pytest.importorskip("scipy.sparse").csr_matrix(np.eye(3))


def empty() -> Iterator[str]:
    yield from ()


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "None": (lambda: None, "^None cannot be read: it has to be a path or several, a numpy array"),
    "a number": (lambda: 3, "an object of type int cannot be read"),
    "a dict": (lambda: {"a": [1]}, r"type dict .* frame, e\.g\. pandas\.DataFrame\(columns\)"),
    "a set": (lambda: {"a.csv"}, "an object of type set cannot be read"),
    "a list of None": (lambda: [None], "^None cannot be read"),
    "an empty list": (list, "nothing was given"),
    "an empty generator": (empty, "nothing was given"),
    "an empty name": (lambda: " ", "the name of an input is empty"),
    "an address": (lambda: "https://example.org/t.csv?x=1", "is an address: download it first"),
    "an address as a path": (lambda: Path("s3://bucket/t.csv"), "is an address"),
    "no file": (lambda: "nowhere.csv", "^nowhere.csv: there is no such file"),
    "one axis": (
        lambda: np.ones(5),
        r"an array of shape \(5,\) .*: rows are \[n, columns\], images \[n, height, width\] or "
        r"\[n, height, width, 3\] of uint8\. One column is array\.reshape\(-1, 1\)",
    ),
    "a list of numbers": (lambda: [1, 2.5], r"an array of shape \(2,\)"),
    "ragged lists": (lambda: [[1, 2], [3]], "rows of one length"),
    "five axes": (lambda: np.ones((2, 2, 2, 2, 2), np.uint8), r"of shape \(2, 2, 2, 2, 2\)"),
    "no rows": (lambda: np.ones((0, 3)), r"no samples: its shape is \(0, 3\)"),
    "objects": (lambda: np.array([[1, "x"]], dtype=object), r"object .*array\.astype\(float\)"),
    "texts": (lambda: np.array([["1", "2"]]), r"<U1 values; .*array\.astype\(float\)"),
    "complex numbers": (lambda: np.ones((3, 2)) * 1j, "complex128 values; numbers are needed"),
    "images of floats": (lambda: np.ones((3, 4, 4)), "images are uint8, 0 to 255"),
    "several images": (
        lambda: [np.ones((4, 4), np.uint8)] * 2,
        r"may be images or tables: np\.stack\(arrays\)",
    ),
    "a sparse matrix": (scipy_matrix, r"a sparse csr_matrix is not read: use its \.toarray\(\)"),
    "a tensor with a gradient": (
        lambda: __import__("torch").ones(3, 2, requires_grad=True),
        r"cannot become a numpy array: .*detach",
    ),
    "a column of pandas": (lambda: pd.Series([1, 2]), r"Series.*series\.to_frame\(\)"),
    "a column of Polars": (lambda: pl.Series([1, 2]), r"Series.*series\.to_frame\(\)"),
    "a lazy frame": (lambda: pl.LazyFrame({"a": [1]}), r"LazyFrame cannot .*\.collect\(\)"),
    "mixed objects": (lambda: pd.DataFrame({"a": [1], "b": [[1, "x"]]}).explode("b"), "column b"),
    "two columns of one name": (
        lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
        "the frame: the column name 'a' is there twice",
    ),
    "two Arrow columns of one name": (
        lambda: pa.table([[1], [2]], names=["a", "a"]),
        "the frame: the column name 'a' is there twice",
    ),
    "names that are one as text": (
        lambda: pd.DataFrame([[1, 2]], columns=[0, "0"]),
        "the column name '0' is there twice",
    ),
    "a frame without rows": (lambda: pd.DataFrame({"a": []}), "columns but no rows"),
    "a frame without columns": (lambda: pd.DataFrame(), "no columns"),
    "images and a table": (
        lambda: [np.ones((3, 2)), pixels(3, 4, 4)],
        r"holds images \(array 1\) and tables \(array 0\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_says_what_to_do(case: str) -> None:
    given, sentence = BAD[case]
    with pytest.raises(DataError, match=sentence):
        recognise(given())


def test_a_frame_without_pyarrow_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'nice-anomaly\[table\]'\.$"):
        recognise(frame)


WISHES = {
    "colour": (Wishes(colour="pink"), r"^`colour` takes auto, grey or rgb, got 'pink'\.$"),
    "one side": (Wishes(size=(3,)), "`size` takes a height and a width"),  # type: ignore[arg-type]
    "no pixels": (Wishes(size=(0, 3)), "`size` takes"),
    "half a pixel": (Wishes(size=(2.5, 3)), "`size` takes"),  # type: ignore[arg-type]
    "size of a table": (Wishes(size=(4, 4)), "`size` and `colour` are for images"),
    "colour of a table": (Wishes(colour="grey"), "`size` and `colour` are for images"),
    "a label without values": (Wishes(label_column="x0"), "belong together"),
    "values without a label": (Wishes(anomaly_values=("1",)), "belong together"),
}


@pytest.mark.parametrize("case", WISHES)
def test_wishes_that_make_no_sense_are_refused(case: str) -> None:
    wishes, sentence = WISHES[case]
    with pytest.raises(ConfigError, match=sentence):
        learn(recognise(numbers()), wishes, SETTINGS, 0)


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(id_column="a"),
        Wishes(label_column="a", anomaly_values=("1",)),
        Wishes(ignored=("a",)),
    ],
)
def test_wishes_for_a_table_are_refused_for_images(wishes: Wishes) -> None:
    with pytest.raises(ConfigError, match="are for tables; this input is images"):
        learn(recognise(pixels(40, 4, 4)), wishes, SETTINGS, 0)


def test_the_fewest_samples_are_for_the_caller_to_say() -> None:
    settings, few = DataSettings(early_stopping=2, calibration=3), numbers()[4:14]
    with pytest.raises(DataError, match="the array has 10 normal samples; at least 30"):
        learn(recognise(few), Wishes(), settings, 0)
    assert learn(recognise(few), Wishes(fewest=10), settings, 0).total == 10


def test_the_standard_input_cannot_be_learned_from() -> None:
    with pytest.raises(ConfigError, match="cannot read the standard input"):
        learn(recognise("-"), Wishes(), SETTINGS, 0)


IMAGES = ImageReading(ImageForm(4, 5, 3))
TABLE = TableReading(
    (Column("a", "number", fill=1.5, high=2), Column("b", "category", categories=("x", "y"))),
    id_column="i",
    label_column="l",
    anomaly_values=("1", "2"),
    group_column="g",
)


@pytest.mark.parametrize("reading", [IMAGES, IMAGES.grouped_by("folder"), TABLE, TableReading()])
def test_a_stored_reading_comes_back(reading: Any) -> None:
    plain = stored(reading)
    assert list(plain) == [
        *("form", "columns", "id_column", "label_column", "anomaly_values", "group_column")
    ]
    assert restored(json.loads(json.dumps(plain))) == reading
    assert restored(plain) == reading


NONSENSE = {
    "no form": lambda plain: plain.pop("form"),
    "no columns": lambda plain: plain.pop("columns"),
    "an unknown entry": lambda plain: plain.update(more=1),
    "text for columns": lambda plain: plain.update(columns="abc"),
    "an unknown kind": lambda plain: plain["columns"][0].update(kind="picture"),
    "text for a number": lambda plain: plain["columns"][0].update(low="0"),
    "an unknown part of a column": lambda plain: plain["columns"][0].update(more=1),
    "a form and columns": lambda plain: plain.update(form={"height": 1, "width": 1, "channels": 1}),
    "half a form": lambda plain: plain.update(form={"height": 1}, columns=[]),
    "one value for many": lambda plain: plain.update(anomaly_values="1"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_a_damaged_reading_is_refused(case: str) -> None:
    plain = json.loads(json.dumps(stored(TABLE)))
    NONSENSE[case](plain)
    with pytest.raises((KeyError, TypeError, ValueError)):
        restored(plain)


def test_a_reading_is_changed_by_copying() -> None:
    assert TABLE.grouped_by("h") == replace(TABLE, group_column="h")
    assert TABLE.labelled_by("m", ("0",)) == replace(TABLE, label_column="m", anomaly_values=("0",))
    with pytest.raises(ConfigError, match="images have no column 'x': `group_column='folder'`"):
        IMAGES.grouped_by("x")
    for act in (lambda: IMAGES.named_by("x"), lambda: IMAGES.labelled_by("x", ("1",))):
        with pytest.raises(ConfigError, match="`id_column` and `label_column` are for tables"):
            act()
    assert (IMAGES.kind, TABLE.kind, TABLE.layout.shape) == ("image", "table", (3,))
