"""A detection that was cut off goes on, and what it writes is that of an undisturbed one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from conftest import Command, copied, write_csv

import nice_anomaly as na
from nice_anomaly.evaluation import journal
from nice_anomaly.evaluation.journal import journal_of
from nice_anomaly.locks import held

ROWS, BATCH = 26_000, 8_192
RUN = "--run", "runs/train"
AT_ONCE = (  # the command, with no few seconds of patience
    "from nice_anomaly.evaluation import journal; journal.PATIENCE = 0; "
    "from nice_anomaly.__main__ import main; main()"
)


@pytest.fixture(scope="module")
def shared_long(shared_sums: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(shared_sums, tmp_path_factory.mktemp("long"))
    a, b, noise = np.random.default_rng(1).normal(size=(3, ROWS))
    rows = zip(a.round(5), b.round(5), (a + b + noise / 20).round(5), strict=True)
    write_csv(folder / "long.csv", ["a", "b", "c"], rows)
    lines = (folder / "long.csv").read_text().splitlines()
    lines[20_000] = "oops,1,2"
    (folder / "long.csv").write_text("\n".join(lines))
    with chdir(folder):
        assert Command()("detect", "long.csv", *RUN, "-o", "whole.csv").code == 3
    return folder


@pytest.fixture
def long(shared_long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    copied(shared_long / "runs", tmp_path / "runs")
    for name in ("long.csv", "new.csv"):
        shutil.copy2(shared_long / name, tmp_path)
    return tmp_path


def detection(output: str, inputs: str, batches: int, said: list[str]) -> None:
    """One that is interrupted after so many batches."""
    with journal_of(Path(output), resume=False, say=said.append) as kept:
        stream = na.load_run("runs/train").stream(inputs, journal=kept)
        assert sum(1 for _ in islice(stream.verdicts, batches)) == batches
        raise KeyboardInterrupt


def cut_off(output: str, batches: int = 2) -> Path:
    """The journal of such a detection."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(journal, "PATIENCE", 0)
        with pytest.raises(KeyboardInterrupt):
            detection(output, "long.csv", batches, said)
    assert said == ["the scores so far are kept: the same command with `resume=True` goes on"]
    return Path(f".{output}.scores")


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("csv", ("--keep-columns", "--sort", "score")),
        ("parquet", ("--fdr", "0.1")),
        ("xlsx", ("--flagged-only", "--keep-columns")),
    ],
)
def test_a_killed_detection_goes_on_to_the_same_bytes(
    command: Command, long: Path, suffix: str, options: tuple[str, ...]
) -> None:
    line = "detect", "long.csv", *RUN, "--skip-unreadable", *options
    output, kept = long / f"out.{suffix}", long / f".out.{suffix}.scores"
    whole = command(*line, "-o", f"whole.{suffix}")
    assert whole.code == 0, whole.err
    killed = subprocess.Popen(
        [sys.executable, "-c", AT_ONCE, *line, "-o", output.name], stderr=subprocess.DEVNULL
    )
    while not kept.exists() or kept.stat().st_size < 2 * 8 * BATCH:
        time.sleep(0.001)
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert kept.exists()
    assert not output.exists()
    done = command(*line, "-o", output.name, "--resume")
    assert (done.code, done.out) == (0, whole.out), done.err
    assert output.read_bytes() == (long / f"whole.{suffix}").read_bytes()
    left = {"runs", "new.csv", "long.csv", output.name, f"whole.{suffix}"}
    assert {path.name for path in long.iterdir()} == left  # what killed ones left is swept


def test_scores_that_were_kept_are_not_computed_again(command: Command, long: Path) -> None:
    """They are taken as they stand, if they are whole: here they are others."""
    kept = cut_off("out.jsonl")
    content = bytearray(kept.read_bytes())
    start = content.index(b"\n") + 1
    record = journal.HEAD.size + 8 * BATCH
    content[start + journal.HEAD.size : start + record] = np.full(BATCH, -3.5).tobytes()
    content[start + record : start + record + journal.HASH] = journal._hash(
        bytes(content[start : start + record])
    )
    kept.write_bytes(content)
    assert command("detect", "long.csv", *RUN, "-o", "out.jsonl", "--resume").code == 3
    lines = (long / "out.jsonl").read_text().splitlines()
    assert ['"score": -3.5,' in line for line in lines].count(True) == BATCH
    assert '"score": -3.5,' in lines[BATCH - 1]


def longer(kept: Path) -> None:
    with kept.open("ab") as stream:
        stream.write(b"\x05\0\0\0\0\0\0\0 and no more")


def endless(kept: Path) -> None:
    with kept.open("ab") as stream:
        stream.write(b"\xff" * 200)


def shorter(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-5])


def flipped(kept: Path) -> None:
    content = bytearray(kept.read_bytes())
    content[-1_000] ^= 1
    kept.write_bytes(content)


def header_alone(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes().partition(b"\n")[0] + b"\n")


@pytest.mark.parametrize("spoil", [longer, endless, shorter, flipped, header_alone])
def test_what_is_not_whole_is_scored_again(
    command: Command, long: Path, shared_long: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(cut_off("out.csv"))
    assert command("detect", "long.csv", *RUN, "-o", "out.csv", "--resume").code == 3
    assert (long / "out.csv").read_bytes() == (shared_long / "whole.csv").read_bytes()


def another_run(command: Command) -> None:
    label = "--label-column", "state", "--anomaly-value", "bad"
    quick = "--set", "train.epochs=1", "--overwrite"
    assert command("train", "new.csv", *RUN, *label, *quick).code == 0
    assert command("calibrate", *RUN).code == 0


def touched(command: Command) -> None:
    del command
    os.utime("long.csv", (1, 1))


def other_values(command: Command) -> None:
    """Nothing tells but the values themselves."""
    del command
    before, content = Path("long.csv").stat(), Path("long.csv").read_bytes()
    Path("long.csv").write_bytes(content.replace(b"1", b"2", 1))
    os.utime("long.csv", ns=(before.st_atime_ns, before.st_mtime_ns))


def nothing(command: Command) -> None:
    del command


def garbage(command: Command) -> None:
    del command
    Path(".out.csv.scores").write_bytes(b"\x00\xff{" * 50)


def of_a_later_version(command: Command) -> None:
    del command
    Path(".out.csv.scores").write_bytes(b'{"more": 1}\n')


def a_folder(command: Command) -> None:
    del command
    Path(".out.csv.scores").unlink()
    Path(".out.csv.scores").mkdir()


REFUSED: dict[str, tuple[Callable[[Command], None], str, str]] = {
    "another run": (another_run, "long.csv", "it had another run"),
    "another file": (nothing, "new.csv", "it had another input"),
    "a file that was written since": (touched, "long.csv", "it had another input"),
    "a file that was changed in secret": (other_values, "long.csv", "the input is not what it was"),
    "another sign": (nothing, "long.csv --separator ,", "it had another way to read it"),
    "garbage": (garbage, "long.csv", ".out.csv.scores cannot be read"),
    "another version": (of_a_later_version, "long.csv", "it was one of another version"),
    "a folder": (a_folder, "long.csv", ".out.csv.scores cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_was_something_else_is_refused_and_kept(
    command: Command, long: Path, case: str
) -> None:
    prepare, given, said = REFUSED[case]
    kept = cut_off("out.csv", 1)
    prepare(command)
    before = kept.read_bytes() if kept.is_file() else b""
    done = command("detect", *given.split(), *RUN, "-o", "out.csv", "--resume")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: --resume cannot go on with the detection into out.csv")
    assert said in done.err
    assert "leave --resume away to begin anew." in done.err
    assert not (long / "out.csv").exists()
    assert (kept.read_bytes() if kept.is_file() else b"") == before


@pytest.mark.usefixtures("long")
def test_without_it_the_detection_begins_anew(command: Command) -> None:
    done = command("detect", "new.csv", *RUN, "-o", "out.csv", "--resume")
    assert done.code == 2
    assert "no detection into out.csv was cut off" in done.err
    assert command("detect", "new.csv", *RUN, "--resume").code == 2
    kept = cut_off("out.csv", 1)
    done = command("detect", "new.csv", *RUN, "-o", "out.csv")
    assert done.code == 0
    assert "note: a detection into out.csv was cut off. This one begins anew; --resume" in done.err
    assert not kept.exists()
    assert "cut off" not in command("detect", "new.csv", *RUN, "-o", "out.csv").err


def test_two_into_the_same_file_do_not_meet(command: Command, long: Path) -> None:
    kept = cut_off("out.csv", 1)
    with kept.open("r+b") as stream:
        assert held(stream.fileno())  # as by a detection that is running
        before = kept.read_bytes()
        done = command("detect", "long.csv", *RUN, "-o", "out.csv", "--resume")
        assert done.code == 2
        assert "a detection into out.csv is running" in done.err
        assert command("detect", "new.csv", *RUN, "-o", "out.csv").code == 0
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(journal, "PATIENCE", 0)
            done = command("detect", "long.csv", *RUN, "-o", "out.csv")
        assert "--resume will not go on from here: another detection into it" in done.err
        assert kept.read_bytes() == before
    assert command("detect", "long.csv", *RUN, "-o", "out.csv", "--resume").code == 3
    assert len((long / "out.csv").read_text().splitlines()) == ROWS + 1


def test_a_short_detection_leaves_nothing_beside_its_output(long: Path) -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        detection("out.csv", "new.csv", 1, said)
    assert not said
    assert not [*long.glob(".*")]


def test_a_termination_says_how_to_go_on(long: Path) -> None:
    kept = Path(".out.csv.scores")
    stopped = subprocess.Popen(
        [sys.executable, "-c", AT_ONCE, "detect", "long.csv", *RUN, "-o", "out.csv"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not kept.exists() or not kept.stat().st_size:
        time.sleep(0.001)
        assert stopped.poll() is None
    stopped.terminate()
    _, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 143
    kept_so_far = "the scores so far are kept: the same command with --resume goes on"
    assert err.splitlines()[-2:] == [kept_so_far, "terminated."]
    assert {path.name for path in long.iterdir()} == {"runs", "new.csv", "long.csv", kept.name}
