"""Reasons end to end: what explain says and writes, and what detect says of them."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, copied, lines_of, rows_of, write_csv
from PIL import Image

from nice_anomaly import NiceAnomalyError, builtin, load_run
from nice_anomaly.cli import render
from nice_anomaly.errors import ArtifactError, DataError
from nice_anomaly.explain.folder import Album, names_for
from nice_anomaly.explain.pictures import RIM, TITLES, page, panels, sheet, small_panels, verdict
from nice_anomaly.explain.value import Box, Held, ImageReasons

RUN = Path("runs/train")
DIGITS = Path("runs/digits")


@pytest.fixture
def sums(shared_sums: Path, elsewhere: Path) -> Path:
    """c = a + b, which half of new.csv breaks."""
    copied(shared_sums, elsewhere)
    return RUN


@pytest.fixture
def digits(shared_digits: Path, elsewhere: Path, command: Command) -> Path:
    copied(shared_digits, elsewhere)
    assert command("calibrate", "--alpha", "0.05").code == 0
    return DIGITS


def test_the_flagged_are_explained_the_least_probable_first(sums: Path, command: Command) -> None:
    found = command.json("explain", "new.csv", "--run", sums, "--top", 5)
    least = command.json("detect", "new.csv", "--run", sums)
    scores = [one["score"] for one in found["explained"]]
    assert len(scores) == 5
    assert scores == sorted(scores)
    assert {one["id"] for one in found["explained"]} <= {*least["flagged_ids"]}
    assert (found["n"], found["flagged"]) == (400, least["flagged"])
    for one in found["explained"]:
        assert one["flagged"]
        assert one["causes"][0]["column"] in ("a", "b", "c")
        assert one["causes"][0]["gain"] > 0
        assert len(one["reasons"]) >= 1
    every = command.json("explain", "new.csv", "--run", sums, "--all")
    assert len(every["explained"]) == least["flagged"]


def test_a_repaired_row_passes_when_it_is_detected(sums: Path, command: Command) -> None:
    done = command("explain", "new.csv", "--run", sums, "--all", "--output", "why")
    assert done.code == 0, done.err
    assert sorted(path.name for path in Path("why").iterdir()) == ["reasons.csv", "reasons.json"]
    rows = rows_of("why/reasons.csv")
    before = {str(row): cells for row, cells in enumerate(rows_of("new.csv"))}
    for row in rows:
        other = {name for name in "abc" if float(row[name]) != float(before[row["id"]][name])}
        assert other == {*row["changed"].split(", ")} - {""}, "the others stay as they stood"
    write_csv("again.csv", ["a", "b", "c"], ([row[name] for name in "abc"] for row in rows))
    again = load_run(sums).detect("again.csv")
    passing = [row["passes"] == "true" for row in rows]
    assert sum(passing) > 0.9 * len(rows)
    assert (~again.flagged).tolist() == passing


def test_on_the_screen_one_is_shown_in_detail_and_several_in_lines(
    sums: Path, command: Command
) -> None:
    one = command("explain", "new.csv", "--run", sums, "--top", 1)
    assert "90 % range" in one.out
    assert "and passes" in one.out
    several = command("explain", "new.csv", "--run", sums, "--top", 3)
    assert "the 3 explained" in several.out
    for shown in (one, several):
        assert max(map(len, shown.out.splitlines())) <= 80


@pytest.fixture
def shifts(elsewhere: Path, command: Command) -> Path:
    """Two lines, one by day and one by night, each with a weight of its own."""
    rng = np.random.default_rng(3)

    def row(i: int, line: str) -> list[str]:
        hour = 10 if line == "A" else 22
        weight = rng.normal(20 if line == "A" else 30, 0.5)
        return [f"2025-03-{1 + i % 28:02} {hour}:{i % 60:02}", line, f"{weight:.2f}"]

    names = ["start", "line", "weight"]
    rows = [row(i, "AB"[i % 2]) for i in range(400)]
    write_csv(elsewhere / "normal.csv", names, rows)
    assert command("train", "normal.csv", "--run", RUN, "--seed", "1").code == 0
    assert command("calibrate", "--alpha", "0.05").code == 0
    odd = [["2025-03-04 10:30", "C", "20.1"], ["2025-03-04 10:30", "B", ""]]
    write_csv("odd.csv", names, [*odd, ["2025-03-04 22:30", "A", "20.0"], *rows[:20]])
    return RUN


def test_a_cell_that_no_coordinate_tells_is_told_as_it_stands(
    shifts: Path, command: Command
) -> None:
    found = command.json("explain", "odd.csv", "--run", shifts, "--id", "0", "--id", "1")
    causes = [{one["column"]: one for one in each["causes"]} for each in found["explained"]]
    assert (causes[0]["line"]["value"], causes[0]["line"]["unseen"]) == ("C", True)
    assert any("line is 'C', never seen" in text for text in found["explained"][0]["reasons"])
    for one in causes[1].values():
        assert one["value"] is None if one["column"] == "weight" else one["value"] is not None
    for fdr in ((), ("--fdr", "0.5")):  # which keeps no cells
        command("detect", "odd.csv", "--run", shifts, "--explain", "-o", "f.csv", *fdr)
        assert rows_of("f.csv")[0]["reason_1"].startswith("line is 'C', never seen")


def test_a_repaired_moment_names_no_week(shifts: Path, command: Command) -> None:
    found = command.json("explain", "odd.csv", "--run", shifts, "--id", "0", "--id", "2")
    assert "2024" not in json.dumps(found)
    command("explain", "odd.csv", "--run", shifts, "--all", "--output", "why")
    starts = {row["id"]: row["start"] for row in rows_of("why/reasons.csv")}
    assert starts["0"] == "2025-03-04 10:30"
    assert starts["2"].partition(" on a ")[2], starts["2"]


def test_ids_are_explained_as_they_were_asked_for(sums: Path, command: Command) -> None:
    found = command.json("explain", "new.csv", "--run", sums, "--id", "7", "--id", "2")
    assert [one["id"] for one in found["explained"]] == ["7", "2"]
    assert [one.held.id for one in load_run(sums).explain("new.csv", ids=[7, 2])] == ["7", "2"]
    two = load_run(sums).explain(["new.csv", "train.csv"], ids=["train.csv:1"])
    assert (len(two), two[0].held.id) == (1, "train.csv:1")


def test_where_nothing_is_flagged_the_closest_calls_are_explained(
    sums: Path, command: Command
) -> None:
    assert command("calibrate", "--threshold=-1e9", "--name", "never", "--run", sums).code == 0
    done = command("explain", "new.csv", "--run", sums, "--calibration", "never")
    assert done.code == 0
    assert "nothing is flagged among 400 samples: these came closest" in done.err
    assert "the 3 explained" in done.out
    run, said = load_run(sums), []
    closest = run.explain("new.csv", calibration="never", say=said.append)
    scores = run.detect("new.csv", calibration="never", say=len).scores
    assert [one.held.score for one in closest] == sorted(scores)[:3]
    assert not run.explain("new.csv", calibration="never", flagged_only=True, say=len)


def test_a_sample_is_held_against_the_threshold_of_its_group(
    shared_cameras: Path, elsewhere: Path, command: Command
) -> None:
    copied(shared_cameras, elsewhere)
    grouped = ("--group-column", "camera", "--alpha", "0.1")
    assert command("calibrate", *grouped, "--run", RUN).code == 0
    run = load_run(RUN)
    groups = {group.name: group.bounds.low for group in run.calibration().groups}
    assert len({*groups.values()}) == 2
    found = run.explain("new.csv", most=20, say=len)
    cameras = [row["camera"] for row in rows_of("new.csv")]
    assert {one.held.low for one in found} <= {*groups.values()}
    for one in found:
        assert one.held.low == groups[cameras[int(one.held.id)]]
        assert one.held.flagged


def test_what_is_too_usual_is_called_that(sums: Path, command: Command) -> None:
    hand = ("--threshold=-1e9", "--ceiling=-3", "--name", "both", "--run", sums)
    assert command("calibrate", *hand).code == 0
    one = load_run(sums).explain("new.csv", calibration="both", most=1, say=len)[0]
    assert one.held.too_usual
    assert one.held.high == -3.0
    told = command.json("explain", "new.csv", "--run", sums, "--calibration", "both", "--top", 1)
    assert "above the ceiling" in told["explained"][0]["reasons"][0]
    which = ("--calibration", "both", "--top", 1)
    shown = command("explain", "new.csv", "--run", sums, *which).out
    assert "above the ceiling" in shown
    assert "as expected" not in shown  # where nothing was replaced
    black = np.zeros((8, 8), dtype=np.uint8)
    blank = replace(reasons_for("a"), held=Held("a", 5.0, 0.0, 4.0), image=black, expected=black)
    assert verdict(blank, " nats") == "flagged: 5.0 nats; ceiling 4.0"


REASONS = ["reason_1", "expected_1", "reason_2", "expected_2", "reason_3", "expected_3"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx"])
def test_detect_writes_reasons_of_what_is_flagged(
    sums: Path, command: Command, suffix: str
) -> None:
    passing = [row for row in rows_of("new.csv") if row["state"] == "good"][:9]
    write_csv("first.csv", ["a", "b", "c"], ([row[name] for name in "abc"] for row in passing))
    write_csv("later.csv", ["a", "b", "c"], [[1, 1, 9], [0.1, 0.2, 0.3], ["x", 1, 1]])
    done = command(
        "detect", "first.csv", "later.csv", "--run", sums, "--explain", "-o", f"found.{suffix}",
        "--skip-unreadable", "--keep-columns",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = read_rows(f"found.{suffix}")
    assert [name for name in rows[0] if name in REASONS] == REASONS
    odd = rows[9]
    assert odd["id"] == "later.csv:0"
    assert odd["reason_1"]
    assert odd["expected_1"]
    for row in rows:
        if str(row["flagged"]).lower() != "true":
            assert not any(row[name] for name in REASONS)
    assert str(odd["reason_1"])[:12] in done.out


def read_rows(path: str) -> list[dict[str, object]]:
    if path.endswith(".csv"):
        return [dict(row) for row in rows_of(path)]
    if path.endswith(".jsonl"):
        return lines_of(path)
    if path.endswith(".parquet"):
        import pyarrow.parquet

        return list(pyarrow.parquet.read_table(path).to_pylist())
    import openpyxl

    head, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_reasons_are_the_same_whatever_else_is_asked(sums: Path, command: Command) -> None:
    common = ("detect", "new.csv", "--run", sums)
    assert command(*common, "--explain", "-o", "plain.csv").code == 0
    plain = {row["id"]: row["reason_1"] for row in rows_of("plain.csv")}
    assert command(*common, "--explain-all", "-o", "all.csv").code == 0
    every = {row["id"]: row["reason_1"] for row in rows_of("all.csv")}
    assert all(every.values())
    assert all(every[name] == why for name, why in plain.items() if why)
    ways = ("--fdr", "0.2", "--by"), ("--flagged-only", "--sort", "score")
    for way in ways:
        assert command(*common, "--explain", "-o", "other.csv", *way).code == 0
        other = {row["id"]: row["reason_1"] for row in rows_of("other.csv")}
        told = {name: why for name, why in other.items() if why}
        assert told
        assert told.items() <= every.items()
    found = command.json(*common, "--explain")
    assert [one["id"] for one in found["reasons"]] == found["flagged_ids"]
    assert found["reasons_left_out"] == 0
    assert "reasons" not in command.json(*common)


def test_a_run_that_keeps_no_normals_explains_with_what_it_draws(
    sums: Path, command: Command
) -> None:
    assert command("info", "--run", sums).out.count("to explain with") == 1
    table = ("-i", "train.csv", "--ignore", "state", "--set", "train.epochs=2")
    assert command("train", *table, "--private", "--run", "private").code == 0
    assert not [*Path("private").glob("references-*")]
    assert command("calibrate", "--alpha", "0.05", "--run", "private").code == 0
    for verb in (("explain", "--top", 1), ("detect", "--explain")):
        done = command(*verb, "-i", "new.csv", "--run", "private")
        assert done.code == 0
        assert done.err.count("keeps no normal samples") == 1
    assert "none: its model draws" in command("info", "--run", "private").out


def test_damaged_references_stop_explanations_alone(sums: Path, command: Command) -> None:
    file = next(sums.glob("references-*"))
    file.write_bytes(file.read_bytes() + b" ")
    assert command("detect", "new.csv", "--run", sums).code == 0
    done = command("explain", "new.csv", "--run", sums)
    assert done.code == ArtifactError.exit_code
    assert "references" in done.err
    assert command("verify", "--run", sums).code == ArtifactError.exit_code


def test_images_have_pictures_that_stay_in_their_folder(digits: Path, command: Command) -> None:
    where = ("explain", "--dataset", "digits", "--run", digits, "--top", 2, "-o", "why")
    done = command(*where)
    assert done.code == 0, done.err
    assert "wrote 5 files to why" in done.err
    names = sorted(path.name for path in Path("why").iterdir())
    assert names[-1] == "contact-sheet.png"
    for file in Path("why").glob("*.json"):
        told = json.loads(file.read_text())
        assert np.array(told["heat"]).shape == np.array(told["image"]).shape == (8, 8)
        with Image.open(file.with_suffix(".png")) as picture:
            assert picture.size[0] < 1_600
    assert command(*where).code == 0, "what was explained before is replaced"
    assert sorted(path.name for path in Path("why").iterdir()) == names


def test_no_file_of_another_origin_is_touched(digits: Path, command: Command) -> None:
    where = ("explain", "--dataset", "digits", "--run", digits, "--top", 1, "-o", "why")
    assert command(*where).code == 0
    ours = sorted(Path("why").iterdir())
    for file in ours:
        file.write_bytes(b"mine")
    assert command(*where).code == 0
    assert all(file.read_bytes() == b"mine" for file in ours)
    assert sorted(Path("why").glob("*-2.*"))
    Path("why/contact-sheet.png").write_bytes(b"mine")
    done = command(*where)
    assert (done.code, "that no explanation wrote" in done.err) == (2, True)
    link = Path("why/reasons.json")
    link.symlink_to("/dev/null")
    Path("why/contact-sheet.png").unlink()
    assert command(*where).code == 2
    assert link.is_symlink()


def test_heat_maps_of_the_flagged_up_to_a_limit(
    digits: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("detect", "--dataset", "digits", "--run", digits)
    flagged = command.json(*common)["flagged"]
    assert flagged > 2
    monkeypatch.setenv("NICE_ANOMALY_LIMITS", "heatmaps=2")
    done = command(*common, "--heatmaps", "odd", "-o", "found.csv", "--explain")
    assert f"drew 2 pictures in odd; {flagged - 2:,} more are flagged" in done.err
    assert len([*Path("odd").iterdir()]) == 5
    rows = [row for row in rows_of("found.csv") if row["flagged"] == "true"]
    assert all(row["reason_1"] for row in rows)
    assert any(row["box"].startswith("rows ") for row in rows)


def test_in_a_notebook(digits: Path, sums: Path) -> None:
    images = load_run(digits).explain(builtin("digits"), most=2, say=len)
    assert [one.image.shape for one in images] == [(8, 8)] * 2
    rows = load_run(sums).explain("new.csv", most=2, say=len)
    for found, kept in ((images, "box"), (rows, "expected_1")):
        assert len(found) == 2
        assert kept in found.to_frame()
        assert found.plot().get_axes()
        json.dumps(found.record(), allow_nan=False)
        assert isinstance(found[:1], tuple)
    with pytest.raises(NiceAnomalyError, match="at least 1"):
        load_run(sums).explain("new.csv", most=0)
    with pytest.raises(DataError, match="has no samples 'x', 'y'"):
        load_run(sums).explain("new.csv", ids=["x", "y", 1])


HOSTILE = (
    "../../etc/passwd", "a/b.png", "<script>", "x" * 300, "é" * 300, "..", ".", "", "a\nb", "nul",
    "contact-sheet", "reasons", "A", "a", "a.png", "-rf", "部品", "\ud800",
)  # fmt: skip


def reasons_for(label: str, box: Box | None = None) -> ImageReasons:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    held = Held(label, 1.0, 2.0)
    score = 3.0, image, 3.0, True, True
    return ImageReasons(held, image, image.astype(np.float64), box, 2.0, image, *score)


def test_every_name_is_a_file_of_its_own_in_the_folder(elsewhere: Path) -> None:
    album = Album(Path("why"), "")
    labels = [*HOSTILE, *HOSTILE]
    for label in labels:
        album.add(reasons_for(label))
    album.close()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["why"]
    told = [json.loads(path.read_text())["id"] for path in Path("why").glob("*.json")]
    assert sorted(told) == sorted(labels)
    folded = {path.name.casefold() for path in Path("why").iterdir()}
    assert len(folded) == 2 * len(labels) + 1
    assert max(len(os.fsencode(path.name)) for path in Path("why").iterdir()) < 200
    assert next(names_for("IMG_7.png")) == "IMG_7"


@pytest.mark.parametrize("box", [Box(0, 0, 8, 8), Box(3, 2, 1, 4), Box(7, 7, 1, 1)])
def test_a_box_is_drawn_around_the_pixels_that_it_names(box: Box) -> None:
    with_box, without = (page(reasons_for("a", one), "") for one in (box, None))
    zoom = 224 // 8
    top = 24 + 2 * 20 + 16 + 20 + 4 + RIM
    left = 24 + RIM
    shown = with_box[top : top + 8 * zoom, left : left + 8 * zoom]
    plain = without[top : top + 8 * zoom, left : left + 8 * zoom]
    rows, columns = box.place
    inside = (
        slice(rows.start * zoom, rows.stop * zoom),
        slice(columns.start * zoom, columns.stop * zoom),
    )
    assert np.array_equal(shown[inside], plain[inside])
    above = with_box[top + rows.start * zoom - 1, left + columns.start * zoom]
    assert above.tolist() == [0x35, 0xD0, 0xBA]


def test_pictures_fit_where_they_are_shown() -> None:
    one = reasons_for("a", Box(2, 2, 3, 3))
    assert len(panels(one)) == len(TITLES)
    for height, width in ((64, 18), (4, 4), (9, 30)):
        for picture in small_panels(one, height, width):
            assert picture.shape[0] <= height
            assert picture.shape[1] <= width
    assert sheet([one] * 100, " nats").shape[0] < 10_000


def test_a_terminal_without_colours_has_no_pictures(digits: Path, command: Command) -> None:
    assert not render.shows_pictures()
    done = command("explain", "--dataset", "digits", "--run", digits, "--top", 1)
    assert "▀" not in done.out
    assert "rows" in done.out
