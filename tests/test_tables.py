"""Tables: what cells mean, what columns become, what files may look like."""

import io
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nice_anomaly.data import recognise
from nice_anomaly.data.tables import Chunk, Column, decode, encode, learn_columns, open_tables
from nice_anomaly.data.tables.cells import words
from nice_anomaly.errors import DataError


def cells(*values: str | None) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def learned(*values: str | None) -> Column:
    (column,) = learn_columns({"c": cells(*values)})
    return column


def read(path: Path, rows: int = 100) -> list[Chunk]:
    return list(open_tables(recognise(path).parts, rows))


KINDS = {
    "integers": (["1", "2", "3"] * 5, "number, 1 to 3 in steps of 1"),
    "decimals": ([f"{i / 7:.3f}" for i in range(20)], "number, 0 to 2.714"),
    "tied halves": (["0.5", "1.0", "2.5"] * 4, "number, 0.5 to 2.5 in steps of 0.5"),
    "decimal commas": (["1,5", "2,5", "3,25"], "number, 1.5 to 3.25"),
    "constant": (["7"] * 9, "number, always 7"),
    "gaps": (["1", "", "2.2", "NA", "3"], "number, 1 to 3, may be missing"),
    "one typing error": (["1.25"] * 19 + ["1.5x"], "number, always 1.25"),
    "truths": (["true", "false", "true"], "category of 2: true, false"),
    "words": (["a", "b", "b", None], "category of 2: b, a, may be missing"),
    "dates": (["2025-01-01", "2025-01-02T10:00"], "date, as time of day and day of week"),
    "free text": ([f"remark {i}" for i in range(50)], "left out: 50 different texts in 50 rows"),
    "nothing": (["", None, "NA"], "left out: every cell is missing"),
}


@pytest.mark.parametrize("case", [case for case in KINDS if case != "nothing"])
def test_a_column_says_what_it_is(case: str) -> None:
    values, words = KINDS[case]
    both = learn_columns({"c": cells(*values), "d": cells(*["1"] * len(values))})
    assert str(both[0]) == words


def test_a_table_without_a_usable_column_is_refused() -> None:
    with pytest.raises(DataError, match=r"no column .* \(c: every cell is missing\)"):
        learned("", None)


def test_numbers_by_hand() -> None:
    column = learned("10", "20", "40", "", "20")
    assert (column.fill, column.low, column.high, column.width) == (20, 10, 40, 2)
    seen = encode({"c": cells("15", "", "50", "abc", "inf")}, [column], 5)
    assert seen.values.tolist() == [[15, 0], [20, 1], [50, 0], [20, 0], [20, 0]]
    assert seen.notes == {2: "c 50 is outside 10 … 40"}
    assert seen.faults == {
        3: "c is abc, not a finite number",
        4: "c is inf, not a finite number",
    }


def test_a_missing_number_where_none_was_missing_is_noted() -> None:
    seen = encode({"c": cells("", "1")}, [learned("1", "2", "5")], 2)
    assert (seen.values.tolist(), seen.notes) == ([[2], [1]], {0: "c is missing"})


def test_categories_by_hand() -> None:
    column = learned("red", "blue", "red")
    seen = encode({"c": cells("blue", "red", "green", "")}, [column], 4)
    assert seen.values.tolist() == [[0, 1], [1, 0], [0, 0], [0, 0]]
    assert seen.notes == {2: "c 'green' was never seen", 3: "c is missing"}
    assert column.labels == ["c=red", "c=blue"]


def test_rare_categories_share_one_coordinate_and_so_do_new_ones() -> None:
    column = learned(*[f"v{i % 40}" for i in range(200)])
    assert len(column.categories) == 32
    seen = encode({"c": cells("v39", "brand new")}, [column], 2)
    assert (seen.values[:, -1] == 1).all()
    assert seen.notes == {}


def test_dates_are_places_on_the_circles_of_day_and_week() -> None:
    column = learned("2025-03-03T00:00", "2025-03-04T06:00")
    seen = encode({"c": cells("2025-03-03T06:00", "2031-03-10T06:00", "soon")}, [column], 3)
    monday = [1, 0, 0, 1]
    assert seen.values[:2] == pytest.approx(np.array([monday, monday]), abs=1e-12)
    assert seen.faults == {2: "c is soon, not an ISO date"}


def test_columns_are_found_by_name_and_others_ignored() -> None:
    columns = learn_columns({"a": cells("1", "2", "4"), "b": cells("5", "6", "9")})
    seen = encode({"x": cells("0"), "b": cells("6"), "a": cells("2")}, columns, 1)
    assert seen.values.tolist() == [[2, 6]]
    with pytest.raises(DataError, match=r"column 'a' is missing, and 1 more: b\. The table has: x"):
        encode({"x": cells("0")}, columns, 1)


def test_long_integers_keep_every_digit_as_names_do(tmp_path: Path) -> None:
    names = [20250301123456000 + i for i in range(4)]
    pq.write_table(pa.table({"id": pa.array(names), "n": [1, 2, 3, None]}), tmp_path / "t.parquet")
    (chunk,) = read(tmp_path / "t.parquet")
    assert words(chunk.columns["id"]).tolist() == [str(name) for name in names]
    assert words(chunk.columns["n"]).tolist() == ["1", "2", "3", None]


def test_truths_are_the_same_however_they_are_written() -> None:
    column = learned("true", "false", "true")
    assert encode({"c": cells("True", "FALSE")}, [column], 2).values.tolist() == [[1, 0], [0, 1]]


def test_separated_thousands_are_never_taken_for_decimals() -> None:
    seen = encode({"c": cells("1,009", "1,5", "12,345,678")}, [learned("1", "2.5", "7")], 3)
    assert seen.values[1:].ravel().tolist() == [1.5, 12_345_678]
    assert sorted(seen.faults) == [0]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_date_at_the_edge_of_the_calendar_is_a_fault_of_its_row(text: str) -> None:
    seen = encode({"c": cells(text)}, [learned("2025-01-01", "2025-01-02")], 1)
    assert list(seen.faults) == [0]


def test_a_leading_column_without_a_name_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n,a\n0,1.5\n1,2\n2,7\n")
    (chunk,) = read(tmp_path / "t.csv")
    index, a = learn_columns(chunk.columns)
    assert (index.kind, a.kind) == ("left out", "number")


@pytest.mark.parametrize("rows", [1, 3, 100])
@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a,b\n1,x\n2,y\n3,\n4,é\n", "utf-8"),
        ("a,b\r\n1,x\r\n2,y\r\n3,\r\n4,é\r\n", "utf-8-sig"),
        ("a;b\n1;x\n2;y\n\n3;\n4;é\n", "cp1252"),
        ("a\tb\n1\tx\n2\ty\n3\t\n4\té", "utf-16"),
        ("a,b\n1,x\n2,y\n3,\n4,é\n", "utf-32"),
        ("SEP=#\r\na#b\r\n1#x\r\n2#y\r\n3#\r\n4#é\r\n", "utf-8-sig"),
        ('"a"|"b"\n"1"|"x"\n"2"|"y"\n"3"|""\n"4"|"é"\n', "utf-8"),
    ],
)
def test_one_table_in_many_dresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, encoding: str, rows: int
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode(encoding))
    chunks = read(path, rows)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
        piped = read(Path("-"), rows)
    assert [c.columns["b"].tolist() for c in piped] == [c.columns["b"].tolist() for c in chunks]
    assert sum(chunk.rows for chunk in chunks) == 4
    assert max(chunk.rows for chunk in chunks) <= rows
    assert np.concatenate([chunk.columns["a"] for chunk in chunks]).tolist() == ["1", "2", "3", "4"]
    assert np.concatenate([chunk.columns["b"] for chunk in chunks]).tolist() == [
        "x",
        "y",
        None,
        "é",
    ]


def test_a_cell_may_hold_separators_and_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n1,"x, y\nz"\n2,w\n')
    (chunk,) = read(tmp_path / "t.csv")
    assert chunk.columns["b"].tolist() == ["x, y\nz", "w"]


def test_a_ragged_row_keeps_its_place_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3\n4,5,6\n7,8\n")
    (chunk,) = read(tmp_path / "t.csv")
    assert chunk.columns["a"].tolist() == ["1", None, None, "7"]
    assert chunk.faults == {
        1: "has 1 cell, the heading has 2",
        2: "has 3 cells, the heading has 2",
    }


BROKEN = {
    "open quote": (b'a,b\n1,x\n2,"said 5 inch\n3,y\n', "quote that is not closed"),
    "empty": (b"", "is empty"),
    "heading only": (b"a,b\n", "no rows"),
    "the same name twice": (b"a,b,a\n1,2,3\n", "'a' is there twice"),
    "no name": (b"a,,c\n1,2,3\n", "column 2 has no name"),
    "no heading": (b"1.5,2\n3,4\n", "first line holds only numbers"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0", "binary data"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_csv_is_named(tmp_path: Path, case: str) -> None:
    content, sentence = BROKEN[case]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        read(tmp_path / "t.csv")
    assert "t.csv" in str(caught.value)


def test_a_cut_parquet_file_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(1000))}), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"a,b\n1,2\n"):
        (tmp_path / "t.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"t\.parquet"):
            read(tmp_path / "t.parquet")


def test_parquet_types_become_cells(tmp_path: Path) -> None:
    moment = datetime(2025, 3, 3, 6)
    table = pa.table(
        {
            "int": [1, None, 3],
            "float": pa.array([0.5, 1.5, None], pa.float32()),
            "truth": [True, False, None],
            "word": pa.array(["x", "y", "x"]).dictionary_encode(),
            "moment": [moment, None, moment],
            "nested": [[1], [2], [3]],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    chunks = read(tmp_path / "t.parquet", rows=2)
    assert [chunk.rows for chunk in chunks] == [2, 1]
    assert list(chunks[0].columns) == ["int", "float", "truth", "word", "moment"]
    assert list(chunks[0].unusable) == ["nested"]
    columns = learn_columns({name: c for name, c in chunks[0].columns.items() if name != "moment"})
    assert [column.kind for column in columns] == ["number", "number", "category", "category"]
    assert chunks[0].columns["moment"][0] == np.datetime64(moment)
    assert np.isnat(chunks[0].columns["moment"][1])


def test_arrays_are_tables_and_objects_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.arange(6.0).reshape(3, 2), y=np.array([0, 0, 1]))
    (chunk,) = read(tmp_path / "t.npz")
    assert {name: c.tolist() for name, c in chunk.columns.items()} == {
        "x0": [0, 2, 4],
        "x1": [1, 3, 5],
        "y": [0, 0, 1],
    }
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="never unpickled"):
        read(tmp_path / "o.npy")
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("a.txt", "no array")
    with pytest.raises(DataError, match=r"text\.npz holds 0 arrays"):
        read(tmp_path / "text.npz")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "t.npz").read_bytes()[:90])
    with pytest.raises(DataError, match=r"cut\.npy"):
        read(tmp_path / "cut.npy")


ROUND_TRIPS: dict[str, list[str | None]] = {
    "integers": ["1", "2", "3", "2", "9"] * 5,
    "tenths": ["0.3", "0.1", "0.2", "0.7"] * 5,
    "off the origin": ["0.7", "3.7", "6.7", "-2.3"] * 5,
    "decimals": [f"{i / 7:.4g}" for i in range(20)],
    "small beside large": ["0.00012346", "1", "98765", "-3.25", "0"],
    "a narrow range far out": ["1000000.25", "1000000.31", "1000000.4871"],
    "always the same": ["7.25"] * 9,
    "numbers with gaps": ["1", None, "2.2", None, "3"],
    "words": ["a", "b", "b", "c"],
    "words with gaps": ["a", "b", "b", None],
    "truths": ["true", "false", "true"],
    "dates": ["2024-01-01T00:00:00", "2024-01-03T10:20:30", "2024-01-07T23:59:59"],
    "dates with gaps": ["2024-01-05T12:00:00", None],
}


@pytest.mark.parametrize("case", ROUND_TRIPS)
def test_what_was_encoded_is_decoded_to_the_same_cells(case: str) -> None:
    """decode(encode(row)) = row, between other columns too; those left out are not there."""
    values, n = ROUND_TRIPS[case], len(ROUND_TRIPS[case])
    odd = np.arange(n) % 2 == 1
    table = {
        "gappy": cells(*(None if odd[i] else "x" for i in range(n))),
        "c": cells(*values),
        "empty": cells(*[None] * n),
        "number": cells(*map(str, odd * 1.0)),
    }
    columns = learn_columns(table)
    found = decode(encode(table, columns, n).values, columns)
    assert list(found) == ["gappy", "c", "number"]
    assert words(found["c"]).tolist() == values
    assert words(found["gappy"]).tolist() == table["gappy"].tolist()
    assert found["number"].tolist() == (odd * 1.0).tolist()


def test_of_a_date_the_second_of_the_week_comes_back() -> None:
    """2026-03-04 was a Wednesday, as is 2024-01-03; the last second stays on its day."""
    table = {"when": cells("2026-03-04 10:20:30", "2026-03-08 23:59:59.9", "2026-03-09")}
    columns = learn_columns(table)
    found = decode(encode(table, columns, 3).values, columns)["when"]
    assert found.astype(str).tolist() == [
        "2024-01-03T10:20:30",
        "2024-01-07T23:59:59",
        "2024-01-01T00:00:00",
    ]


def test_every_minute_of_the_week_comes_back() -> None:
    minutes = np.datetime64("2024-01-01", "m") + np.arange(7 * 24 * 60)
    column = Column("when", "date")
    coordinates = encode({"when": minutes.astype("datetime64[us]")}, [column], len(minutes)).values
    assert (decode(coordinates, [column])["when"] == minutes).all()


NEAREST: dict[str, tuple[Column, list[float], object]] = {
    "the nearest level": (Column("c", "number", low=0.5, high=4.5, step=1.0), [2.6], 2.5),
    "halfway is up": (Column("c", "number", low=0.5, high=4.5, step=1.0), [3.0], 3.5),
    "below the lowest seen": (Column("c", "number", low=0.0, high=4.0, step=1.0), [-0.8], -1.0),
    "always the same": (Column("c", "number", low=7.0, high=7.0), [7.4], 7.0),
    "five digits": (Column("c", "number", low=-9.0, high=9.0), [-0.0123456789], -0.012346),
    "five digits of the range": (Column("c", "number", low=1e6, high=1e6 + 9), [1e6 + 1 / 3],
                                 1000000.3333),
    "the likeliest word": (Column("c", "category", categories=("a", "b")), [0.2, 0.3], "b"),
    "words beyond those kept": (Column("c", "category", categories=("a", "(other)")), [0, 1.0],
                                "(other)"),
    "rather missing": (Column("c", "category", gaps=True, categories=("a", "b")), [1, 0, 0.6],
                       None),
    "rather there": (Column("c", "number", gaps=True, low=0.0, high=4.0, step=1.0), [2, 0.4], 2.0),
    "off the circles": (Column("c", "date"), [0.0, -7.0, 0.0, 0.2],
                        datetime(2024, 1, 1, 12)),
}  # fmt: skip


@pytest.mark.parametrize("case", NEAREST)
def test_what_was_drawn_is_taken_for_the_nearest_cell(case: str) -> None:
    column, coordinates, cell = NEAREST[case]
    found = decode(np.array([coordinates], dtype=float), [column])
    assert found["c"].tolist() == [cell]


def test_a_category_is_the_same_with_either_decimal_sign() -> None:
    """A column of words with a few numbers: a later file may show its sign, or hold one row."""
    column = learned(*["0,5", "low", "high"] * 4)
    assert column.kind == "category"
    seen = encode({"c": cells("0.5", "0,5", "low", "0,6")}, [column], 4)
    assert seen.values[0].tolist() == seen.values[1].tolist()
    assert list(seen.notes) == [3]
