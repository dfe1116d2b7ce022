"""Bad servers: whatever one answers, a download ends, in a sentence, and leaves nothing behind."""

import gzip
import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import pytest

from nice_anomaly.data.download import fetch_gzip
from nice_anomaly.errors import DataError
from nice_anomaly.limits import VARIABLE
from nice_anomaly.locks import take

OK = b"HTTP/1.0 200 OK\r\n"
ROWS = gzip.compress(bytes(3_000_000), mtime=0)
Answer = Callable[[str], Iterator[bytes]]


def slowly(*parts: bytes) -> Iterator[bytes]:
    """The first at once, the last again and again, a little at a time."""
    yield from parts
    for again in repeat(parts[-1]):
        time.sleep(0.05)
        yield again


ANSWERS: dict[str, tuple[Answer, str]] = {
    "no end": (lambda _: iter([OK, b"\r\n", *repeat(bytes(9_999), 99)]), "more than 50,000 bytes"),
    "a huge promise": (
        lambda _: iter([OK + b"Content-Length: 99999999999\r\n\r\n"]),
        "99,999,999,999, more than 50,000 bytes in a download.*'download=99999999999'",
    ),
    "headers in drops": (lambda _: slowly(OK, b"x"), "not there after 1 second"),
    "a body in drops": (lambda _: slowly(OK + b"\r\n", b"\x1f"), "not there after 1 second"),
    "silence": (lambda _: slowly(b""), "not there after 1 second"),
    "go on for ever": (lambda _: slowly(b"HTTP/1.1 100 Go\r\n\r\n"), "not there after 1 second"),
    "a loop": (
        lambda here: iter([b"HTTP/1.0 302 Found\r\nLocation: %s\r\n\r\n" % here.encode()]),
        "redirect error that would lead to an infinite loop",
    ),
    "a local file": (
        lambda _: iter([b"HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"]),
        "not allowed",
    ),
    "another protocol": (
        lambda _: iter([b"HTTP/1.0 302 Found\r\nLocation: ftp://127.0.0.1/x\r\n\r\n"]),
        "unknown url type: ftp",
    ),
    "a page": (
        lambda _: iter([OK, b"\r\n<!DOCTYPE html>\n<h1>hello</h1>"]),
        "no gzip file, it starts with '<!DOCTYPE html> <h1>hello</h1>'",
    ),
    "too short": (
        lambda _: iter([OK, b"Content-Length: 100\r\n\r\n\x1f\x8b45"]),
        "cut short after 4 of 100 bytes",
    ),
    "another file": (lambda _: iter([OK, b"\r\n\x1f\x8b"]), "damaged on the way"),
    "an error in colour": (
        lambda _: iter([b"HTTP/1.0 500 \x1b[31mred\x07\r\n\r\n"]),
        r"500: \\x1b\[31mred\\x07",
    ),
    "no HTTP": (lambda _: iter([b"220 mail.example ready\r\n"]), "220 mail.example ready"),
    "nothing": (lambda _: iter([]), "closed connection without response"),
}


def answering(answer: Answer) -> tuple[str, Callable[[], None]]:
    """The address of a server that answers so, and what ends it."""
    server = socket.create_server(("127.0.0.1", 0))
    here = f"http://127.0.0.1:{server.getsockname()[1]}/a.gz"

    def serve(client: socket.socket) -> None:
        with client:
            client.recv(65_536)
            try:
                for part in answer(here):
                    client.sendall(part)
            except OSError:  # whoever asked has gone
                return

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()

    def end() -> None:
        server.shutdown(socket.SHUT_RDWR)
        server.close()

    return here, end


@pytest.mark.parametrize("case", ANSWERS)
def test_whatever_a_server_answers(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "download=50000,downloading=1")
    answer, sentence = ANSWERS[case]
    here, end = answering(answer)
    with pytest.raises(DataError, match=sentence) as caught:
        fetch_gzip([here], "0" * 32, tmp_path / "a")
    end()
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() and len(line) < 400 for line in lines)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        *(
            "nonsense",
            "",
            "http://",
            "http://[",
            "http://a b/c",
            "http://\x1b/",
            "http://127.0.0.1:x/",
        ),
        *(
            "file:///etc/hostname",
            "ftp://127.0.0.1/a",
            "data:,a",
            f"http://{'a' * 300}/",
            "http://ü\0",
        ),
    ],
)
def test_whatever_is_no_address_of_a_server(address: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        fetch_gzip([address], "0" * 32, tmp_path / "a")
    assert all(line.isprintable() for line in str(caught.value).splitlines())
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_unpacks_to_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "unpacked=1000000")
    here, end = answering(lambda _: iter([OK, b"\r\n", ROWS]))
    with pytest.raises(DataError, match="more than 1,000,000 bytes when unpacked"):
        fetch_gzip([here], hashlib.md5(ROWS).hexdigest(), tmp_path / "a")
    end()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_download_is_swept_by_the_next_and_a_living_one_is_not(tmp_path: Path) -> None:
    waiting, end = answering(lambda _: slowly(OK + b"\r\n", b"\x1f"))
    code = (
        "import sys; from pathlib import Path; from nice_anomaly.data.download import fetch_gzip\n"
        "fetch_gzip([sys.argv[1]], '0', Path(sys.argv[2]))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, waiting, str(tmp_path / "a")])
    while not [*tmp_path.glob(".download-*/file.gz")]:
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    end()
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 2

    (tmp_path / ".download-living").mkdir()
    let_go = take(tmp_path / ".download-living.lock", b"")
    assert let_go is not None
    here, end = answering(lambda _: iter([OK, b"\r\n", ROWS]))
    fetch_gzip([here], hashlib.md5(ROWS).hexdigest(), tmp_path / "a")
    end()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a", ".download-living", ".download-living.lock"}
    let_go()
