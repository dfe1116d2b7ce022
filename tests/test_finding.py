"""Finding files: nothing is left out in silence, nothing is waited for without end."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, write_csv
from PIL import Image

from nice_anomaly.data import ImageForm, ImageReading, Inputs, batches, recognise
from nice_anomaly.data.listing import files_below, files_like
from nice_anomaly.errors import DataError

READING = ImageReading(ImageForm(4, 4, 1))


def bound() -> list[str]:
    """What runs a command so that permissions bind it, for they do not bind root."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no such permissions on this system")
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("permissions do not bind root, and there is no setpriv")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


BOUND = """
import json, sys
from conftest import Command
command = Command()
done = [command(*arguments) for arguments in json.loads(sys.argv[1])]
print(json.dumps([[one.code, " ".join(one.err.split())] for one in done]))
"""


def typed(*lines: list[str]) -> list[tuple[int, str]]:
    """Exit codes and what is said, where permissions bind; all in one process, to be quick."""
    given = [*bound(), sys.executable, "-c", BOUND, json.dumps(lines)]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(given, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return [(code, said) for code, said in json.loads(done.stdout)]


def pictures(folder: Path, n: int = 4) -> Path:
    """Noise in so many files."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(n):
        noise = np.random.default_rng(place).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{place}.png")
    return folder


VERBS = ("train", "calibrate", "detect", "compare")
CLOSED = {"closed": 0o000, "names": 0o600, "reach": 0o300}


def test_what_may_not_be_read_is_named_and_never_left_out(
    elsewhere: Path, command: Command
) -> None:
    pictures(elsewhere / "good", 60)
    assert command("train", "good", "--set", "train.epochs=1").code == 0
    assert command("calibrate", "--alpha", "0.2").code == 0
    folders = {}
    for name, mode in {**CLOSED, "above": 0o000}.items():
        pictures(elsewhere / name / "open")
        folders[pictures(elsewhere / name / "in")] = mode
    folders[elsewhere / "above"] = folders.pop(elsewhere / "above" / "in")
    one = pictures(elsewhere / "file" / "in") / "1.png"

    named = [[verb, "closed"] for verb in VERBS]
    named += [["detect", name + end] for name in CLOSED for end in ("", "/*/*.png", "/**/*.png")]
    above = [["detect", given] for given in ("above", "above/in/2.png", "above/*/*")]
    files = [["calibrate", "file"], ["detect", "file"], ["detect", "file", "--skip-unreadable"]]
    for place, mode in {**folders, one: 0}.items():
        place.chmod(mode)
    said = dict(zip(map(tuple, named + above + files), typed(*named, *above, *files), strict=True))
    for place in (*folders, one):
        place.chmod(0o755)

    for line in named:
        code, sentence = said[tuple(line)]
        folder = line[1].split("/")[0]
        assert f"the folder {folder}/in cannot be read: permission denied." in sentence, line
        assert code == 3
    for line in above:
        code, sentence = said[tuple(line)]
        assert (code, "permission denied" in sentence) == (3, True), (line, sentence)
    codes, sentences = zip(*(said[tuple(line)] for line in files), strict=True)
    assert codes == (3, 3, 0)
    assert "in/1.png: cannot be read (permission denied)." in sentences[0]
    assert "1 sample could not be read" in sentences[1]


def sizes(found: Inputs) -> tuple[int, int]:
    return len(found.parts), found.skipped


def test_pipes_sockets_and_devices_in_a_folder_are_counted(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "a")
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket.png"))
    server.close()
    (folder / "note.txt").write_text("x")
    for given, others in ((str(folder), 4), (f"{folder}/*.png", 3), (f"{tmp_path}/**/*.png", 3)):
        assert sizes(recognise(given)) == (4, others)
    only = tmp_path / "only"
    only.mkdir()
    os.mkfifo(only / "pipe.png")
    with pytest.raises(DataError, match="only: 1 pipe, socket or device only"):
        recognise(str(only))


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.npz", "a.csv.zip", "a.xlsx", "a.parquet"])
def test_a_pipe_is_no_file(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name} is a pipe, no file"):
        recognise(str(tmp_path / name))


def test_a_device_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("/dev/zero")
    for given in ("/dev/zero", str(tmp_path / "a.csv")):
        with pytest.raises(DataError, match="is a device, no file"):
            recognise(given)


@pytest.mark.usefixtures("elsewhere")
def test_a_table_may_come_through_a_pipe(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(90, 3))
    write_csv("rows.csv", ["a", "b", "c"], rows)
    assert command("train", "rows.csv", "--set", "train.epochs=1").code == 0
    assert command("calibrate", "--alpha", "0.2").code == 0
    os.mkfifo("pipe.csv")
    with subprocess.Popen(["sh", "-c", "cat rows.csv > pipe.csv"]):
        through = command.json("detect", "pipe.csv")
    assert command.json("detect", "rows.csv") == {**through, "source": "rows.csv"}

    done = command("train", "pipe.csv")
    assert (done.code, "cannot read the pipe pipe.csv" in done.err) == (2, True)
    monkeypatch.setenv("NICE_ANOMALY_LIMITS", "pipe=1")
    done = command("detect", "pipe.csv")
    assert done.code == 3
    assert "for 1 second nobody has written to it" in " ".join(done.err.split())


NAMES: dict[str, tuple[Callable[[Path], str], str]] = {
    "too long": (lambda _: "a" * 5_000 + ".csv", r"a{100}… \(5,004 characters\) .*: file name too"),
    "a long part": (lambda folder: f"{folder}/{'a' * 300}.png", "file name too long"),
    "a long pattern": (lambda folder: f"{folder}/{'a' * 300}/*.png", "file name too long"),
    "NUL": (lambda _: "a\0b.csv", r"a\\x00b.csv cannot be read: embedded null byte"),
    "no UTF-8": (lambda _: os.fsdecode(b"\xff.csv"), r"^\\xff.csv: there is no such file"),
    "two lines": (lambda _: "a\n\x1b[31mb.csv", r"^a\\n\\x1b\[31mb.csv: there is no such file"),
    "a link to itself": (
        lambda folder: str(linked(folder / "loop.csv", "loop.csv")),
        "loop.csv cannot be read: too many levels of symbolic links",
    ),
    "a link to nothing": (
        lambda folder: str(linked(folder / "no.csv", "nothing")), "there is no such file",
    ),
    "below a file": (
        lambda folder: f"{linked(folder / 'a.png', __file__)}/x.png", "there is no such file",
    ),
}  # fmt: skip


def linked(link: Path, target: str) -> Path:
    link.symlink_to(target)
    return link


@pytest.mark.parametrize("case", NAMES)
def test_any_name_is_found_or_refused_in_a_sentence(case: str, tmp_path: Path) -> None:
    name, sentence = NAMES[case]
    with pytest.raises(DataError, match=sentence) as caught:
        recognise(name(tmp_path))
    assert str(caught.value).isprintable()


def test_long_names_in_every_option(elsewhere: Path, command: Command) -> None:
    long = "a" * 5_000
    for typed, code in (
        (["train", "-i", long], 3),
        (["train", "--config", long], 2),
        (["train", "--config", "mnist", "--data-root", long], 3),
        (["detect", "--dataset", "mnist", "--data-root", long], 4),
    ):
        done = command(*typed)
        assert (done.code, len(done.err) < 2_000) == (code, True), done.err
    assert list(elsewhere.iterdir()) == []


def test_names_that_no_terminal_should_see_are_escaped(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "a", 1)
    names = {
        "ü 1.png": "ü 1.png",
        "n\x1b]0;x\x07.png": r"n\x1b]0;x\x07.png",
        "a\nb.png": r"a\nb.png",
    }
    for name in names:
        shutil.copy(folder / "0.png", folder / name)
    (batch,) = batches(recognise(str(folder)), READING)
    assert set(batch.ids) == {"0.png", *names.values()}


def test_links_are_followed_once_and_broken_ones_keep_their_place(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "a", 2)
    (folder / "again").symlink_to(folder)
    (folder / "x.png").symlink_to("x.png")
    (folder / "y.png").symlink_to("nothing")
    for given in (str(folder), f"{folder}/**/*.png", f"{folder}/*.png"):
        (batch,) = batches(recognise(given), READING)
        assert [Path(name).name for name in batch.ids] == ["0.png", "1.png", "x.png", "y.png"]
        assert batch.faults[2] == "cannot be read (too many levels of symbolic links)"
        assert batch.faults[3] == "does not exist"


def test_what_goes_after_it_was_listed_keeps_its_place(tmp_path: Path) -> None:
    inputs = recognise(str(pictures(tmp_path / "a")))
    (tmp_path / "a" / "1.png").unlink()
    (tmp_path / "a" / "2.png").unlink()
    os.mkfifo(tmp_path / "a" / "2.png")
    (batch,) = batches(inputs, READING)
    assert batch.faults == {1: "does not exist", 2: "is a pipe, no file"}


PATTERNS = ["*", "*.png", "a*/*", "[ab]/*.png", "b/?.png", "**/*.png", "**/b/*", "b/**/0.*", "*/no"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_mean_what_they_mean_to_python(pattern: str, tmp_path: Path) -> None:
    for folder in ("", "a", "ab/b", "b", "b/.c"):
        pictures(tmp_path / folder, 2)
    (tmp_path / "a-z.png").touch()  # after the folder a, before ab, in the order of names
    found, others = files_like(f"{tmp_path}/{pattern}")
    assert (found, others) == (sorted(p for p in tmp_path.glob(pattern) if p.is_file()), 0)
    assert files_below(tmp_path)[0] == sorted(p for p in tmp_path.rglob("*") if p.is_file())
