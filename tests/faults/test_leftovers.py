"""Files take their place whole; what killed writers left goes, and nothing else ever does."""

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nice_anomaly.errors import ArtifactError
from nice_anomaly.files import replacing, sweep, write

LEFT = ".found.csv.0123456789abcdef.nice-anomaly.tmp"
FOREIGN = (
    ".found.csv.1234.tmp",
    "found.csv.0123456789abcdef.nice-anomaly.tmp",
    ".found.csv.0123456789abcdeg.nice-anomaly.tmp",
    ".found.csv.0123456789abcdef.nice-anomaly.tmp~",
    ".probe.4",
    "weights-0123456789ab.safetensors",
)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("sweeping", [sweep, lambda folder: write(folder / "new", b"")])
def test_what_a_killed_writer_left_goes_and_nothing_else(
    tmp_path: Path, sweeping: Callable[[Path], None]
) -> None:
    for name in (LEFT, *FOREIGN):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / LEFT.replace("0", "1")).mkdir()
    (tmp_path / LEFT.replace("0", "2")).symlink_to(FOREIGN[0])
    stay = {*FOREIGN, LEFT.replace("0", "1"), LEFT.replace("0", "2")}
    sweeping(tmp_path)
    assert names(tmp_path) - {"new"} == stay


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    with replacing(tmp_path / "found.csv") as temporary:
        temporary.write_text("half")
        script = "import sys; from nice_anomaly.files import *; sweep(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=120)
        assert names(tmp_path) == {temporary.name}
    assert names(tmp_path) == {"found.csv"}


def test_a_sweeper_between_the_making_of_a_file_and_its_lock_costs_one_more_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locking, swept = fcntl.flock, []

    def late(fd: int, how: int) -> None:
        if not swept:
            swept.append(fd)
            sweep(tmp_path)
            assert names(tmp_path) == set()
        locking(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with replacing(tmp_path / "file") as temporary:
        temporary.write_bytes(b"content")
        sweep(tmp_path)
        assert names(tmp_path) == {temporary.name}
    assert (tmp_path / "file").read_bytes() == b"content"
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize("name", ["é" * 120 + ".csv", "x" * 255, "a\nb", "\udcff.csv", ".hidden"])
def test_any_name_of_a_file_can_be_replaced(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, b"content")
    (tmp_path / name).write_bytes(b"before")
    with replacing(tmp_path / name) as temporary:
        temporary.write_bytes(b"after")
        assert len(os.fsencode(temporary.name)) < 140
    assert names(tmp_path) == {name}
    assert (tmp_path / name).read_bytes() == b"after"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"before")
    file.chmod(mode)
    with replacing(file) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) & ~0o600 & ~mode == 0  # open to nobody else
        temporary.write_bytes(b"after")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"after", mode)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_new_file_has_the_permissions_that_others_have(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing"])
def test_a_link_stays_a_link(tmp_path: Path, there: bool) -> None:
    (tmp_path / "far").mkdir()
    if there:
        (tmp_path / "far" / "file").write_bytes(b"before")
    (tmp_path / "link").symlink_to("far/file")
    write(tmp_path / "link", b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "file").read_bytes() == b"after"
    assert names(tmp_path / "far") == {"file"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.mkdir, "it is a folder"),
        (os.mkfifo, "it is no plain file"),
        (lambda path: path.symlink_to("/dev/null"), "it is no plain file"),
    ],
    ids=["folder", "pipe", "device"],
)
def test_what_is_no_file_is_not_replaced(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    make(tmp_path / "here")
    before = (tmp_path / "here").lstat()
    with pytest.raises(ArtifactError, match=said):
        write(tmp_path / "here", b"content")
    assert os.path.samestat(before, (tmp_path / "here").lstat())
    assert names(tmp_path) == {"here"}


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(ArtifactError, match="it is no plain file"):
        write(Path("/dev/null"), b"content")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_error_in_the_block_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException]
) -> None:
    (tmp_path / "file").write_bytes(b"before")

    def half() -> None:
        with replacing(tmp_path / "file") as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        half()
    assert (tmp_path / "file").read_bytes() == b"before"
    assert names(tmp_path) == {"file"}
