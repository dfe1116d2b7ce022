"""Download: one file at a time, verified, put in its place only when it is whole.

No server can make it last, or take more, than its limits allow.
"""

import gzip
import hashlib
import logging
import os
import queue
import secrets
import shutil
import threading
import time
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from nice_anomaly.data.listing import why
from nice_anomaly.errors import DataError
from nice_anomaly.limits import beyond, limit
from nice_anomaly.locks import take
from nice_anomaly.words import brief, count_of

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30  # of silence
ATTEMPTS = 2
PREFIX, LOCK = ".download-", ".lock"
BLOCK = 1 << 16
GZIP = b"\x1f\x8b"
HANDLERS = (  # of http and https alone, whatever an address or a redirection says
    urllib.request.ProxyHandler,
    urllib.request.UnknownHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor,
)


def fetch_gzip(urls: Sequence[str], md5: str, target: Path) -> None:
    """Download a .gz file from the first address that works and unpack it to ``target``.

    Everything happens in a temporary folder beside ``target``; the checked, unpacked file is
    renamed into place, so that a broken download leaves nothing behind. Each address is tried
    twice before the next. What killed downloads have left there is removed.

    Raises:
        DataError: no address gave a file with the MD5 sum ``md5``, or it cannot be stored.
    """
    failures: list[str] = []
    ends = time.monotonic() + limit("downloading")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _workshop(target.parent) as folder:
            archive, unpacked = folder / "file.gz", folder / "file"
            for url in (u for u in urls for _ in range(ATTEMPTS) if time.monotonic() < ends):
                failure = _try(url, archive, md5, ends)
                if failure is None:
                    unpack(archive, unpacked)
                    unpacked.replace(target)
                    return
                if failure not in failures:
                    failures.append(failure)
    except OSError as error:
        raise DataError(
            f"cannot store {target}: {why(error)}. Choose a folder that can be written "
            f"with `data_root` or NICE_ANOMALY_DATA."
        ) from error
    raise DataError(
        f"{target} is not there and could not be downloaded:",
        *(f"  {failure}" for failure in failures),
        f"Put {target.name} (or {target.name}.gz) into {target.parent} by hand, or name "
        f"another folder with `data_root` or NICE_ANOMALY_DATA. 'make demo' needs no download.",
    )


def check_md5(archive: Path, md5: str) -> None:
    """Raises DataError when the file's MD5 sum is another."""
    found = file_digest(archive, "md5")
    if found != md5:
        raise DataError(
            f"{archive} is damaged: MD5 {found}, expected {md5}. Delete it to have it "
            f"downloaded again, or put a good copy in its place."
        )


def file_digest(path: Path, algorithm: str) -> str:
    """The hexadecimal digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def unpack(archive: Path, target: Path) -> None:
    """Decompress a .gz file and flush it to disk.

    Raises:
        DataError: damaged, or more than the limit 'unpacked'.
        OSError: it cannot be read or written.
    """
    most, count = limit("unpacked"), 0
    try:
        with gzip.open(archive) as source, target.open("wb") as sink:
            while block := source.read(BLOCK):
                count += len(block)
                if count > most:
                    raise DataError(beyond("unpacked", None, archive))
                sink.write(block)
            sink.flush()
            os.fsync(sink.fileno())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{archive} is damaged: {brief(error)}. Delete it to have it downloaded again."
        ) from error


@contextmanager
def _workshop(parent: Path) -> Iterator[Path]:
    """A temporary folder, removed afterwards, and those of downloads that were killed before.

    One is there only while whoever works in it holds its lock: a lock that can be had is that of
    a dead one.
    """
    for name in {old.name.removesuffix(LOCK) for old in parent.glob(f"{PREFIX}*")}:
        let_go = take(parent / f"{name}{LOCK}", b"")
        if let_go is not None:
            shutil.rmtree(parent / name, ignore_errors=True)
            let_go()
    folder = parent / f"{PREFIX}{secrets.token_hex(8)}"
    let_go = take(parent / f"{folder.name}{LOCK}", b"")
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if let_go is not None:
            let_go()


def _try(url: str, archive: Path, md5: str, ends: float) -> str | None:
    """Download one address before the time ``ends``; None when it is whole, else why it is not."""
    logger.info("downloading %s", brief(url, 200))
    digest, count, promised, start = hashlib.md5(usedforsecurity=False), 0, None, b""
    with archive.open("wb") as sink:
        for said in _heard(url, ends):
            match said:
                case str():
                    return f"{brief(url, 200)}: {said}"
                case int():
                    promised = said
                case bytes():
                    start = start or said[:60]
                    count += len(said)
                    digest.update(said)
                    sink.write(said)
            if max(count, promised or 0) > limit("download"):
                return beyond("download", promised, brief(url, 200)).rstrip(".")
    found = digest.hexdigest()
    if found == md5:
        return None
    wrong = f"damaged on the way (MD5 {found}, expected {md5})"
    if promised is not None and count < promised:
        wrong = f"cut short after {count:,} of {promised:,} bytes"
    elif not start.startswith(GZIP):
        wrong = f"no gzip file, it starts with '{brief(start.decode('ascii', 'replace'))}'"
    return f"{brief(url, 200)}: {wrong}"


def _heard(url: str, ends: float) -> Iterator[int | bytes | str]:
    """What a server says before the time ``ends``: its length if it says so, then its bytes.

    The last is why there is no more of them, where that is no good end. The server is heard by a
    thread of its own: one that sends a letter now and then cannot keep this one waiting.
    """
    said: queue.Queue[int | bytes | str | None] = queue.Queue(maxsize=64)
    threading.Thread(target=_listen, args=(url, said), daemon=True).start()
    try:
        while (one := said.get(timeout=max(0.0, ends - time.monotonic()))) is not None:
            yield one
    except queue.Empty:
        yield f"not there after {count_of(limit('downloading'), 'second')}"


def _listen(url: str, said: queue.Queue[int | bytes | str | None]) -> None:
    """Put what a server says into a queue, as long as it is emptied, and None at the end."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "nice-anomaly"})
        opener = urllib.request.OpenerDirector()
        for handler in HANDLERS:
            opener.add_handler(handler())
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            if response.length is not None:
                said.put(response.length, timeout=TIMEOUT_SECONDS)
            while block := response.read1(BLOCK):
                said.put(block, timeout=TIMEOUT_SECONDS)
        said.put(None, timeout=TIMEOUT_SECONDS)
    except queue.Full:
        return
    except (OSError, HTTPException, ValueError) as error:
        with suppress(queue.Full):
            said.put(brief(error, 200), timeout=TIMEOUT_SECONDS)
