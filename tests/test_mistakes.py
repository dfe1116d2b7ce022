"""A mistake is one sentence and an exit code, and changes nothing: one table of all of them.

Every case is typed in a folder of one state, which all cases of that state share.
"""

import json
import shlex
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from conftest import Command, copied, write_csv
from PIL import Image

MISTAKES: dict[str, dict[str, tuple[str, int, str]]] = {
    "empty": {  # a folder with nothing but the empty file 'file'
        "unknown config": ("train --config imagenet", 2, "no configuration 'imagenet'"),
        "unknown key": (
            "train --set train.epoch=1", 2,
            "error: --set train.epoch=1: there is no setting train.epoch. Did you mean "
            "train.epochs?",
        ),
        "wrong type": (
            "train --set train.epochs=x", 2,
            "error: --set train.epochs=x: train.epochs should be a valid integer, got 'x'.",
        ),
        "negative seed": ("train --seed -1", 2, "error: --seed -1: seed should be greater than"),
        "no setting": ("train --set epochs", 2, "--set takes key.path=value, got 'epochs'."),
        "resume and seed": (
            "train --resume --seed 1", 2,
            "--resume goes on with the data and settings of the interrupted run: it cannot be "
            "combined with --input, --overwrite, --config, --set, --private or --seed.",
        ),
        "resume nothing": ("train --resume", 4, "no run was trained in this folder"),
        "no run to calibrate": ("calibrate", 4, "Train one with 'nice-anomaly train'"),
        "no run to detect with": ("detect --dataset mnist", 4, "nice-anomaly train"),
        "no run to show": (
            "info --run nowhere", 4,
            "there is no run in nowhere (no run.json). Train one with 'nice-anomaly train --run "
            "nowhere', or name another folder with --run.",
        ),
        "unknown set": ("detect --dataset cifar", 2, "no data set 'cifar'"),
        "set that is anomalous": (
            "train --set data.normal=breast-cancer-malignant", 2, "only anomalies",
        ),
        "too much held out": (
            "train --config digits --set data.calibration=900", 2, "more than half",
        ),
        "k": ("calibrate --k -1", 2, "--k takes a positive number"),
        "k is no number": ("calibrate --k nan", 2, "--k takes a positive number"),
        "temperature": ("sample --temperature 0", 2, "--temperature takes a positive number"),
        "output": ("detect --dataset mnist -o x.xls", 2, "--output takes a name ending in .csv"),
        "device": ("train --config digits --device abacus", 2, "no device 'abacus'"),
        "device of nothing": ("train --config digits --device meta", 2, "no device 'meta'"),
        "large seed": (f"sample --seed {2**63}", 2, "it is not below 2 to the power of 63"),
        "long run": ("info --run " + 5_000 * "x", 2, "xxx: the name is too long."),
        "long place": ("train --config digits --run " + 300 * "x", 2, "xxx: the name is too long."),
        "go on with nothing": (
            "detect x.csv --resume", 2, "--resume goes on writing a file: name it with --output.",
        ),
        "run is a file": (
            "train --config digits --run file", 4, "file is a file: name a folder with --run.",
        ),
        "no data": ("train --data-root absent", 3, "could not be downloaded"),
        "standard input": ("train -i -", 2, "cannot read the standard input"),
        "no input": ("train -i ''", 3, "the name of an input is empty"),
        "options of input": (
            "train --ignore a", 2,
            "--size, --colour, --id-column, --label-column, --anomaly-value, --ignore, "
            "--skip-unreadable, --separator, --decimal, --dates and --sheet say how your own "
            "samples are read: give --input too.",
        ),
        "nothing to look at": ("detect", 2, "one of the two"),
        "a built-in set as a file": ("detect kmnist", 2, "built-in set is --dataset kmnist"),
        "nothing to explain": ("explain", 2, "give what to explain: files or folders"),
        "which to explain": (
            "explain x.csv --id 1 --all", 2,
            "--id, --top and --all each say what to explain: give one of them.",
        ),
        "explained into a file": (
            "explain x.csv -o file", 2, "error: --output file is a file: name a folder.",
        ),
        "explained nowhere": (
            "explain x.csv -o a/b", 2,
            "error: --output a/b: the folder a/ does not exist: create it first.",
        ),
        "pictures into a file": (
            "detect x.csv --heatmaps file", 2, "error: --heatmaps file is a file: name a folder.",
        ),
        "every reason of some": (
            "detect x.csv --fdr 0.1 --explain-all", 2,
            "--fdr decides at the end what is flagged, and only that can then be explained: give "
            "--explain instead of --explain-all.",
        ),
        "no run to explain with": ("explain --dataset mnist", 4, "nice-anomaly train"),
        "by alone": ("detect -i x.csv --by", 2, "give --fdr too"),
        "floor": ("stress --floor 2", 2, "--floor takes a share between 0 and 1"),
        "nothing to compare on": ("compare", 2, "give anomalies to compare on"),
        "plan for nothing": ("plan", 2, "give --alpha RATE, --n NORMALS, or both"),
        "plan rate": ("plan --alpha 0", 2, "--alpha takes a rate"),
        "hardly a plan": ("plan --alpha 1e-300", 2, "--alpha takes a rate"),
        "plan n": ("plan --n 0", 2, "at least 1"),
        "plot": ("train --config digits --plot a.jpg", 2, "--plot takes a name ending in .svg,"),
        "plot of nothing": ("stress --plot no/a.svg", 2, "no/a.svg: the folder no/ does not"),
        "plot beside": ("compare --dataset mnist --plot a", 2, "--plot takes a name ending in"),
        "plot of detect": ("detect x.csv --plot a.gif", 2, "--plot takes a name ending in"),
        "plot of calibrate": ("calibrate --plot a.gif", 2, "--plot takes a name ending in"),
        "report to nowhere": ("report", 2, "name the page with --output, like"),
        "report of another kind": ("report -o a.pdf", 2, "--output takes a name ending in .html"),
        "report of two": (
            "report x.csv --dataset mnist -o a.html", 2, "files of your own or --dataset NAME",
        ),
        "report in a folder": ("report -o no/a.html", 2, "the folder no/ does not exist"),
        "no run to report": ("report -o a.html", 4, "no run was trained in this folder yet"),
        "plan too many": ("plan --n 1" + 30 * "0", 2, "at least 1"),
    },
    "own files": {
        **{
            f"{line.split()[0]} draws over an input": (
                f"{line} --plot photos/a.png", 2,
                "error: --plot photos/a.png is the input itself: name another file.",
            )
            for line in (
                "train photos", "calibrate photos", "detect 'photos/*.png'", "compare photos",
            )
        },
        "a figure among inputs": (
            "detect photos --plot photos/figure.png", 2,
            "error: --plot photos/figure.png lies in the input folder and would be read as input "
            "the next time: name a file outside of it.",
        ),
        "heat maps among inputs": (
            "detect photos --heatmaps photos", 2, "error: --heatmaps photos is in the input folder",
        ),
        "explained among inputs": (
            "explain photos -o photos/why", 2,
            "error: --output photos/why is in the input folder, and what is written there would be "
            "read as input the next time: name a folder outside of it.",
        ),
        "no such file": ("train -i absent.csv", 3, "there is no such file"),
        "empty folder": ("train -i nothing", 3, "the folder is empty"),
        "text files": ("train -i texts", 3, "texts: 1 file (.txt) and nothing that can be read"),
        "both kinds": ("train -i mixed", 3, "holds images"),
        "no such label": (
            "train -i t.csv --label-column z --anomaly-value 1", 3, "no column 'z' for --label",
        ),
        "no such id": (
            "train -i t.csv --id-column z", 3, "there is no column 'z'. The table has: a, b.",
        ),
        "label alone": (
            "train -i t.csv --label-column b", 2,
            "--label-column and --anomaly-value belong together",
        ),
        "all the same": ("train -i same.csv", 3, "all 40 normal samples of same.csv are the"),
        "output is a folder": (
            "detect -i t.csv -o nothing", 2, "--output: nothing is a folder: name a file in it.",
        ),
        "output without a folder": (
            "detect -i t.csv -o absent/x.csv", 2,
            "--output absent/x.csv: the folder absent/ does not exist: create it first.",
        ),
        "too few": ("train -i few.csv", 3, "at least 30"),
        "text in a column": ("train -i spoiled.csv", 3, "row 37 (the first is 0): a is oops"),
        "size": ("train -i t.csv --size 28", 2, "--size takes height x width"),
        "odd size": ("train -i t.csv --size ²x²", 2, "--size takes height x width"),
        "size of a table": (
            "train -i t.csv --size 8x8", 2, "--size and --colour are for images; this input is",
        ),
        "label of images": (
            "train -i 'mixed/*.png' --ignore a", 2,
            "--id-column, --label-column, --anomaly-value and --ignore are for tables; this "
            "input is images",
        ),
        "colour": ("train -i t.csv --colour pink", 2, "--colour takes auto, grey or rgb"),
        "two things": ("detect -i t.csv --dataset mnist", 2, "one of the two"),
        "two things to learn": (
            "train t.csv --dataset mnist", 2, "give your own data or --dataset NAME, one of the",
        ),
        "separator": ("train t.csv --separator abc", 2, "--separator takes one sign, like ';'"),
        "letter between cells": ("train t.csv --separator a", 2, "--separator takes one sign"),
        "decimal sign": ("train t.csv --decimal x", 2, "--decimal takes '.' or ',', got 'x'."),
        "order of dates": ("train t.csv --dates ymd", 2, "--dates takes dmy (day first) or mdy"),
        "dates of images": (
            "train 'mixed/*.png' --dates dmy", 2,
            "--separator, --decimal, --dates and --sheet are for tables; this input is images.",
        ),
        "sheet of a CSV": (
            "train t.csv --sheet May", 2,
            "--sheet is for workbooks, and t.csv is none: leave it away.",
        ),
        "order of no file": (
            "detect t.csv --sort score", 2,
            "--keep-columns, --flagged-only and --sort say what is in the file: name it with "
            "--output.",
        ),
    },
    "digits": {  # learned, not calibrated
        "no threshold": ("detect --dataset photos", 5, "no threshold yet"),
        "no threshold to report": ("report --dataset photos -o a.html", 5, "no threshold yet"),
        "the remedy is a command": (
            "detect --dataset photos", 5, "Run 'nice-anomaly calibrate --run runs/digits'.",
        ),
        "taken": (
            "train --config digits --run runs/digits", 2,
            "runs/digits already holds a run. Give --overwrite to replace it, --resume to go on "
            "with an interrupted one, or another folder with --run.",
        ),
        "picture of another kind": ("info --plot x.jpg", 2, "--plot takes a name ending in .svg"),
        "picture that is a folder": ("info --plot runs", 2, "--plot: runs is a folder: name"),
        "picture nowhere": ("info --plot a/x.png", 2, "--plot a/x.png: the folder a/ does not"),
        "images are no table": ("sample -o x.csv", 2, "ending in .png"),
        "no place for samples": (
            "sample -o runs/.last/x.png", 2, "--output runs/.last/x.png: runs/.last is no folder.",
        ),
        "no folder for samples": (
            "sample -o absent/x.png", 2, "the folder absent/ does not exist: create it first.",
        ),
        "nor rows on the screen": ("sample -o -", 2, "ending in .png, got '-'"),
        "nothing to resume": ("train --resume", 4, "Start one with 'nice-anomaly train'."),
        "column of a built-in set": (
            "calibrate --group-column z", 2, "--group-column class groups its samples by what",
        ),
        "files for a set of another form": (
            "calibrate -i x.png", 3, "Train on your own with 'nice-anomaly train --input PATH'.",
        ),
    },
    "digits, calibrated": {
        "explain an image that is not there": (
            "explain --dataset digits --id 99999", 3, "digits has no sample '99999'.",
        ),
        "another shape": ("detect --dataset mnist --data-root {real}", 3, "28 × 28"),
        "than that of the run": ("detect --dataset mnist --data-root {real}", 3, "8 × 8"),
        "compare with what was learned": ("compare --dataset digits", 2, "is what the run has"),
    },
    "cells": {  # a table with names and labels, calibrated
        "missing column": ("detect -i other.csv", 3, "column 'mean texture' is missing"),
        "explain a row that is not there": (
            "explain new.csv --id-column patient --id P01", 3,
            "new.csv has no sample 'P01'. Did you mean 'P",
        ),
        "explain what cannot be read": (
            "explain bad.csv --id P005", 3, "bad.csv, sample P005: mean radius is broken, not a",
        ),
        "explain beside what cannot be read": (
            "explain bad.csv", 3, "or leave it out with --skip-unreadable.",
        ),
        "images for a table": (
            "detect -i new", 3, "holds images, but the run has learned a table",
        ),
        "a row that cannot be read": (
            "calibrate -i bad.csv", 3, "with --skip-unreadable.",
        ),
    },
    "cameras": {  # a table with groups, not calibrated
        "hardly a rate": ("calibrate --alpha 1e-300", 2, "--alpha takes a rate"),
        "no alarms": (
            "calibrate --alarms 0/day --per 400", 2,
            "0 alarms a day of 400 samples a day are no share of them: there have to be fewer "
            "alarms than samples, and some.",
        ),
        "alarms of nothing": ("calibrate --alarms 5 --per 0", 2, "fewer alarms than samples"),
        "alarms a fortnight": (
            "calibrate --alarms 5/fortnight", 2,
            "--alarms takes a number, or one with a time: 5/day, 2/week, 1/hour; got "
            "'5/fortnight'.",
        ),
        "endless alarms": ("calibrate --alarms 1e999", 2, "--alarms takes a number"),
        "samples alone": (
            "calibrate --per 400", 2, "--per says of how many samples --alarms are: give both.",
        ),
        "dates alone": (
            "calibrate --time-column a", 2,
            "--time-column says of how many samples --alarms are: give both.",
        ),
        "alarms and a rate": (
            "calibrate --alarms 5 --alpha 0.1", 2,
            "--alarms are a rate, and so is --alpha: give one of them.",
        ),
        "alarms and no rate": (
            "calibrate --alarms 5 --k 3", 2,
            "--alarms are a rate, and --k is none: give one of them.",
        ),
        "alarms for sigma": (
            "calibrate --alarms 5 --rule sigma", 2,
            "--alarms are a rate, and the rule sigma takes none: leave it away.",
        ),
        "alarms without dates": (
            "calibrate --alarms 5/day", 2,
            "how many samples a day there are is not known: say it with --per, as in --per 400, or "
            "name a column of dates with --time-column.",
        ),
        "dates that are none": (
            "calibrate --alarms 5 --time-column a", 2,
            "the column 'a' holds no dates that the run understands; nor does another. Name "
            "another with --time-column, or leave it away.",
        ),
        "one tail": (
            "calibrate --threshold 1 --ceiling 4 --tail low", 2,
            "--tail low ignores scores that are too high: leave --ceiling away.",
        ),
        "two tails": (
            "calibrate --threshold 1 --tail both", 2,
            "--tail both needs the upper threshold too: give --ceiling.",
        ),
        "long name": ("detect -i new.csv --calibration " + 300 * "x", 2, "at most 64 letters"),
        "no name": ("calibrate --name ''", 2, "is named by"),
        "rate": ("calibrate --alpha 1.5", 2, "--alpha takes a rate between 0 and 1"),
        "confidence": (
            "calibrate --alpha 0.1 --confidence 95", 2, "--confidence takes a number",
        ),
        "k": ("calibrate --k -1", 2, "--k takes a positive number"),
        "rate for sigma": (
            "calibrate --rule sigma --alpha 0.1", 2, "--alpha is for the rule certified",
        ),
        "two rules": ("calibrate --k 2 --alpha 0.1", 2, "not for sigma"),
        "by hand, but where": (
            "calibrate --rule manual", 2, "the rule manual takes the threshold with --threshold.",
        ),
        "upside down": (
            "calibrate --threshold 5 --ceiling 4", 2, "--ceiling 4 is not above --threshold 5",
        ),
        "no such rule": ("calibrate --rule magic", 2, "magic"),
        "no such group": ("calibrate --group-column z", 3, "no column 'z' for grouping"),
        "a row a group": (
            "calibrate --alpha 0.1 --group-column a", 3, "groups is large enough: the",
        ),
        "name": ("calibrate --name ../x", 2, "is named by at most 64 letters"),
        "fdr": ("detect -i new.csv --fdr 5", 2, "--fdr takes a share"),
        "not yet explained": (
            "explain new.csv", 5, "Run 'nice-anomaly calibrate --run runs/train'",
        ),
        "not yet": ("detect -i new.csv", 5, "has no threshold yet"),
        "too strict": ("calibrate --alpha 0.001", 3, "300 can support --alpha 0.01."),
        "too strict, and what there is instead": (
            "calibrate --alpha 0.001", 3,
            "Or train again on 11,980 normal samples in all, of which 25 % are held out.",
        ),
        "too sure": (
            "calibrate --alpha 0.01 --confidence 0.99", 3,
            "Or keep the rate and accept --confidence 0.95, or --rule conformal, which keeps it on "
            "average. Or train again on 1,836 normal samples in all, of which 25 % are held out, "
            "or with --set data.calibration=459, which holds out 459 of the 1,200 there are.",
        ),
        "among what was learned": (
            "calibrate -i train.csv", 3, "Leave them out, or leave --input away",
        ),
    },
    "sums": {  # a labelled table, calibrated
        "score of images": ("calibrate --score latents", 2, "Take --score likelihood."),
        "no such score": ("calibrate --score magic", 2, "magic"),
        "misspelt label": (
            "compare -i new.csv --label-column z --anomaly-value bad", 3,
            "no column 'z' for --label-column",
        ),
        "what was learned": ("compare -i both.csv", 3, "that the run"),
        "no such calibration": (
            "stress --calibration x", 5,
            "no calibration named 'x'; it has: default (--calibration NAME). Run 'nice-anomaly "
            "calibrate --run runs/train --name x'.",
        ),
        "report over its input": (
            "report new.csv -o new.csv", 2, "--output takes a name ending in .html",
        ),
        "report of another kind of thing": (
            "report --dataset photos -o a.html", 3, "the run has learned 'train.csv', table",
        ),
        "report of too many": ("report new.csv -o a.html --top 900", 2, "--top takes a number of"),
        "too few": ("compare -i few.csv", 3, "10 are the fewest"),
        "other kind": ("compare --dataset photos", 3, "the run has learned 'train.csv', table"),
        "heat maps of rows": (
            "detect new.csv --heatmaps odd", 2,
            "--heatmaps are for images, and runs/train has learned a table: --explain names the "
            "columns that make a row odd.",
        ),
        "too few to explain": ("explain new.csv --top 0", 2, "--top"),
        "unreadable": ("compare -i bad.csv", 3, "with --skip-unreadable."),
    },
}  # fmt: skip
CASES = [(state, case) for state, cases in MISTAKES.items() for case in cases]


def _empty(folder: Path) -> None:
    (folder / "file").write_bytes(b"")


def _own_files(folder: Path) -> None:
    rows = [[i * 0.37 % 1, i] for i in range(40)]
    write_csv(folder / "t.csv", ["a", "b"], rows)
    write_csv(folder / "few.csv", ["a", "b"], rows[:20])
    write_csv(folder / "spoiled.csv", ["a", "b"], [*rows[:37], ["oops", 1], *rows[38:]])
    write_csv(folder / "same.csv", ["a", "b"], [[1, 2]] * 40)
    for name in ("nothing", "texts", "mixed"):
        (folder / name).mkdir()
    (folder / "texts" / "a.txt").write_text("words")
    write_csv(folder / "mixed" / "t.csv", ["a"], [[1]])
    Image.new("L", (8, 8)).save(folder / "mixed" / "a.png")
    (folder / "photos").mkdir()
    Image.new("L", (8, 8)).save(folder / "photos" / "a.png")


def _digits(folder: Path) -> None:
    Image.new("L", (8, 8)).save(folder / "x.png")


def _calibrated(folder: Path) -> None:
    with chdir(folder):
        assert Command()("calibrate").code == 0


def _cells(folder: Path) -> None:
    write_csv(folder / "other.csv", ["mean radius"], [[1.0]])
    lines = (folder / "new.csv").read_text().splitlines()
    spoiled = lines[3].replace(lines[3].split(",")[1], "broken", 1)
    (folder / "bad.csv").write_text("\n".join([*lines[:3], spoiled, *lines[4:]]))
    (folder / "new").mkdir()
    Image.new("L", (8, 8)).save(folder / "new" / "a.png")


def _nothing(folder: Path) -> None:
    del folder


def _sums(folder: Path) -> None:
    write_csv(folder / "few.csv", ["a", "b", "c"], [[1, 2, 3]])
    lines = (folder / "new.csv").read_text().splitlines()
    odd = [line for line in lines if line.endswith("bad")]
    train = (folder / "train.csv").read_text().splitlines()
    (folder / "both.csv").write_text("\n".join([*train, *odd]))
    (folder / "bad.csv").write_text("\n".join([*lines, "oops,1,1,good"]))


STATES: dict[str, tuple[str | None, Callable[[Path], None]]] = {  # a shared run, what is added
    "empty": (None, _empty),
    "own files": (None, _own_files),
    "digits": ("shared_digits", _digits),
    "digits, calibrated": ("shared_digits", _calibrated),
    "cells": ("shared_cells", _cells),
    "cameras": ("shared_cameras", _nothing),
    "sums": ("shared_sums", _sums),
}


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a state."""
    shared, prepare = STATES[request.param]
    place = tmp_path_factory.mktemp(request.param.replace(", ", "-").replace(" ", "-"))
    if shared is not None:
        copied(request.getfixturevalue(shared), place)
    prepare(place)
    return place


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("folder", "case"), CASES, indirect=["folder"], ids=[": ".join(case) for case in CASES]
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    command: Command,
    folder: Path,
    case: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, code, sentence = MISTAKES[request.node.callspec.params["folder"]][case]
    if "{real}" in line:
        line = line.format(real=request.getfixturevalue("real_data"))
    monkeypatch.setenv("NICE_ANOMALY_MIRROR", "http://127.0.0.1:9")
    monkeypatch.chdir(folder)
    before = content(folder)
    done = command(*shlex.split(line))
    assert (done.code, done.out) == (code, ""), done.err
    assert sentence in done.err
    assert [done.err.count("Usage: "), f"\n{done.err}".count("\nerror: ")] in ([1, 0], [0, 1])
    assert "Traceback" not in done.err
    assert "`" not in done.err  # what the library says in Python was translated
    assert content(folder) == before


AS_JSON = {  # in a folder with nothing: the sentence, the exit code
    "train --set train.epoch=1 --json": (
        "--set train.epoch=1: there is no setting train.epoch. Did you mean train.epochs?", 2,
    ),
    "info --json --run nowhere": (
        "there is no run in nowhere (no run.json). Train one with 'nice-anomaly train --run "
        "nowhere', or name another folder with --run.", 4,
    ),
    "train --json -i absent.csv": ("absent.csv: there is no such file", 3),
    "calibrate --json --alhpa 0.01": ("No such option: --alhpa", 2),
    "calibrate --json --alpha": ("Option '--alpha' requires an argument", 2),
    "calibrate --json --alpha x": ("Invalid value for '--alpha'", 2),
    "stress --n 1 --json": ("Invalid value for '--n'", 2),
    "clibrate --json": ("No such command 'clibrate'", 2),
    "sample --json": ("No such option: --json", 2),
    "--json": ("No such option: --json", 2),
}  # fmt: skip


@pytest.mark.parametrize("line", AS_JSON)
def test_with_json_a_mistake_is_one_object(command: Command, elsewhere: Path, line: str) -> None:
    sentence, code = AS_JSON[line]
    done = command(*line.split())
    found = json.loads(done.out)
    assert found.keys() == {"error", "exit_code"}
    assert found["exit_code"] == code == done.code
    assert found["error"].startswith(sentence)
    assert sentence.split("'")[0] in " ".join(done.err.split())  # which stays as it is
    assert not [*elsewhere.iterdir()]


def test_the_table_has_all_the_states() -> None:
    assert MISTAKES.keys() == STATES.keys()
