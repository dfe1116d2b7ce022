"""Download: one file at a time, verified, put in its place only when it is whole."""

import gzip
import hashlib
import logging
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from nice_anomaly.errors import DataError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 30
ATTEMPTS = 2


def fetch_gzip(urls: Sequence[str], md5: str, target: Path) -> None:
    """Download a .gz file from the first address that works and unpack it to ``target``.

    Everything happens in a temporary folder beside ``target``; the checked, unpacked file is
    renamed into place, so that a broken download leaves nothing behind. Each address is tried
    twice before the next.

    Raises:
        DataError: no address gave a file with the MD5 sum ``md5``, or it cannot be stored.
    """
    failures: list[str] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as folder:
            archive, unpacked = Path(folder) / "file.gz", Path(folder) / "file"
            for url in (u for u in urls for _ in range(ATTEMPTS)):
                failure = _try(url, archive, md5)
                if failure is None:
                    unpack(archive, unpacked)
                    unpacked.replace(target)
                    return
                if failure not in failures:
                    failures.append(failure)
    except OSError as error:
        raise DataError(
            f"cannot store {target}: {error.strerror}. Choose a folder that can be written "
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
    """Decompress a .gz file and flush it to disk."""
    with gzip.open(archive) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
        sink.flush()
        os.fsync(sink.fileno())


def _try(url: str, archive: Path, md5: str) -> str | None:
    """Download one address; None when the file is whole, else why it is not."""
    logger.info("downloading %s", url)
    request = urllib.request.Request(url, headers={"User-Agent": "nice-anomaly"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            content = response.read()
    except (OSError, HTTPException) as error:
        return f"{url}: {error}"
    archive.write_bytes(content)
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return None if found == md5 else f"{url}: damaged on the way (MD5 {found}, expected {md5})"
