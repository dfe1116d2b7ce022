"""Data: every way an IDX file can be wrong, downloads that break, and disjoint splits."""

import gzip
import hashlib
import http.server
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from nice_anomaly.data import (
    BUILTIN,
    BuiltIn,
    Dataset,
    Layout,
    builtin,
    builtin_material,
    evaluation_part,
    training_part,
)
from nice_anomaly.data.download import fetch_gzip
from nice_anomaly.data.idx import read_images
from nice_anomaly.data.splits import split
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.settings import DataSettings

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8)
GOOD = struct.pack(">4I", 0x803, 2, 3, 4) + IMAGES.tobytes()


def test_idx_images_come_out_as_they_went_in(tmp_path: Path) -> None:
    (tmp_path / "idx").write_bytes(GOOD)
    assert np.array_equal(read_images(tmp_path / "idx"), IMAGES.reshape(2, 12))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: 0 bytes"),
        (GOOD[:10], "not even a header"),
        (b"<html>" + GOOD, "no IDX image file: it starts with 0x3c68746d"),
        (struct.pack(">4I", 0x801, 2, 3, 4) + IMAGES.tobytes(), "0x00000801, expected 0x00000803"),
        (GOOD[:-1], "truncated: 39 bytes, but its header promises 2 images of 3 × 4, 40 bytes"),
        (GOOD + b"x", "too long"),
    ],
)
def test_a_damaged_idx_file_says_what_is_wrong(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "idx").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_images(tmp_path / "idx")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_images(tmp_path)


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files`` by path; ``broken`` answers are cut short that many times."""

    files: dict[str, bytes]
    broken = 0
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.broken:
            self.server.broken -= 1
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked = {"/idx.gz": gzip.compress(GOOD)}, []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def address(server: Server, path: str = "/idx.gz") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_download_unpacks_into_place(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "raw" / "idx"
    fetch_gzip([address(server)], md5(server.files["/idx.gz"]), target)
    assert target.read_bytes() == GOOD
    assert [path.name for path in target.parent.iterdir()] == ["idx"]


def test_a_download_cut_short_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.broken = 1
    fetch_gzip([address(server)], md5(server.files["/idx.gz"]), tmp_path / "idx")
    assert (tmp_path / "idx").read_bytes() == GOOD
    assert server.asked == ["/idx.gz"] * 2


def test_a_second_mirror_is_asked_when_the_first_has_no_file(
    server: Server, tmp_path: Path
) -> None:
    urls = [address(server, "/gone.gz"), address(server)]
    fetch_gzip(urls, md5(server.files["/idx.gz"]), tmp_path / "idx")
    assert (tmp_path / "idx").read_bytes() == GOOD


@pytest.mark.parametrize(
    ("path", "broken", "digest", "message"),
    [
        ("/gone.gz", 0, "", "404"),
        ("/idx.gz", 0, "0" * 32, "damaged on the way"),
        ("/idx.gz", 9, "0" * 32, "idx.gz: "),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_what_to_do(
    server: Server, tmp_path: Path, path: str, broken: int, digest: str, message: str
) -> None:
    server.broken = broken
    with pytest.raises(DataError, match=message) as caught:
        fetch_gzip([address(server, path)], digest, tmp_path / "idx")
    assert "make demo" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch_gzip(["http://127.0.0.1:9/idx.gz"], "", tmp_path / "idx")


def test_only_the_file_of_the_part_is_asked_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NICE_ANOMALY_MIRROR", address(server, ""))
    with pytest.raises(DataError):
        evaluation_part("kmnist", tmp_path)
    assert set(server.asked) == {"/KMNIST/t10k-images-idx3-ubyte.gz"}


def test_a_packed_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(GOOD))
    with pytest.raises(DataError, match="is damaged: MD5"):
        evaluation_part("mnist", tmp_path)


def test_a_whole_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    content = struct.pack(">4I", 0x803, 1, 28, 28) + bytes(784)
    (folder / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match="not the published MNIST file"):
        evaluation_part("mnist", tmp_path)


@pytest.mark.parametrize("name", ["digits", "photos", "breast-cancer"])
def test_shipped_sets_have_disjoint_parts_that_never_change(name: str, tmp_path: Path) -> None:
    train, test = training_part(name, tmp_path), evaluation_part(name, tmp_path)
    assert train.layout == test.layout == BUILTIN[name].layout
    rows = {row.tobytes() for row in train.values}
    shared = sum(row.tobytes() in rows for row in test.values)
    assert shared <= (4 if name == "photos" else 0)  # photographs have flat, identical patches
    assert training_part(name, tmp_path).fingerprint == train.fingerprint


def test_the_breast_cancer_rows_are_all_there(tmp_path: Path) -> None:
    counts = [
        len(training_part("breast-cancer", tmp_path)),
        len(evaluation_part("breast-cancer", tmp_path)),
        len(evaluation_part("breast-cancer-malignant", tmp_path)),
    ]
    assert counts == [257, 100, 212]


def test_anomalies_cannot_be_learned(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds only anomalies"):
        training_part("breast-cancer-malignant", tmp_path)


@pytest.mark.parametrize("act", [builtin, lambda name: training_part(name, Path())])
def test_an_unknown_name_lists_the_known(act: Callable[[str], object]) -> None:
    with pytest.raises(ConfigError, match=", ".join(BUILTIN)):
        act("cifar")


def test_what_a_run_learns_from_a_built_in_set(tmp_path: Path) -> None:
    settings = DataSettings(early_stopping=20, calibration=50)
    material = builtin_material("breast-cancer", settings, 3, tmp_path)
    parts = split(257, early_stopping=20, calibration=50, seed=3)
    assert material.source == builtin("breast-cancer") == BuiltIn("breast-cancer")
    assert (material.total, material.reading) == (257, None)
    assert np.array_equal(material.split.calibration, parts.calibration)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_by_row(bad: float) -> None:
    values = np.zeros((4, 2))
    values[2, 1] = bad
    with pytest.raises(DataError, match="1 row, the first in row 2"):
        Dataset("x", Layout("table", (2,), 0), values)


def test_the_fingerprint_sees_every_value() -> None:
    layout = Layout("table", (2,), 0)
    changed = np.zeros((4, 2))
    changed[3, 1] = 1e-300
    assert Dataset("x", layout, changed).fingerprint != (
        Dataset("x", layout, np.zeros((4, 2))).fingerprint
    )


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_splits_are_disjoint_complete_and_repeatable(seed: int) -> None:
    parts = split(1000, early_stopping=100, calibration=200, seed=seed)
    together = np.concatenate([parts.fit, parts.early_stopping, parts.calibration])
    assert [len(parts.fit), len(parts.early_stopping), len(parts.calibration)] == [700, 100, 200]
    assert np.array_equal(np.sort(together), np.arange(1000))
    again = split(1000, early_stopping=100, calibration=200, seed=seed)
    assert np.array_equal(parts.calibration, again.calibration)


def test_a_split_that_starves_the_training_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than half of the 100"):
        split(100, early_stopping=20, calibration=31, seed=0)


@pytest.mark.parametrize("columns", [1, 2])
def test_a_fingerprint_is_that_of_the_first_runs(columns: int) -> None:
    """Whatever a layout is called in sentences: stored runs are found again by it."""
    values = np.zeros((3, columns))
    text = f"table rows of {columns} columns|float64|3"
    expected = hashlib.sha256(text.encode() + values.tobytes()).hexdigest()
    assert Dataset("x", Layout("table", (columns,), 0), values).fingerprint == expected
