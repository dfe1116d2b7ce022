"""Files: put in place whole or not at all, whatever stops the process that writes them."""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nice_anomaly.errors import ArtifactError, ConfigError
from nice_anomaly.locks import held, is_at

TEMPORARY = re.compile(r"\..*\.[0-9a-f]{16}\.nice-anomaly\.tmp", re.DOTALL)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)
READABLE_NAME = 80  # bytes of a temporary file's name that tell what it will be
TURN_SECONDS, TURNS = 0.02, 500


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write to, which takes the place of ``path`` when the block ends well.

    It is flushed to disk first; after an error nothing is left of it and ``path`` is as before.
    A link stays a link, to the new content; a file that is replaced keeps its permissions. What
    killed processes left in the folder is swept.

    Raises:
        ArtifactError: no space, no permission, the path is no file or its folder none.
    """
    with saying(path):
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        before = _there(target)
        temporary, fd = _opened(target, before)
        try:
            yield temporary
            os.fsync(fd)
            if before is not None:
                _like(temporary, before)
            if os.name == "nt":  # an open file cannot be renamed there
                os.close(fd)
                fd = -1
            temporary.replace(target)
            _flush_folder(target.parent)
        finally:
            with suppress(OSError):  # what cannot be removed now is swept later
                temporary.unlink(missing_ok=True)
            if fd >= 0:
                os.close(fd)


def sweep(folder: Path) -> None:
    """Remove the temporary files whose writer was killed; one that is still written to stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_left(Path(entry.path))


def write(path: Path, content: bytes) -> None:
    """Put a file in place whole, flushed to disk, or leave what was there.

    Raises:
        ArtifactError: no space, no permission, or the path is no folder.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        ArtifactError: it may not be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ArtifactError(f"cannot remove {path}: {why(error)}.") from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """A moment in which no other process puts anything into ``folder`` that asks for one too.

    Raises:
        ArtifactError: another took longer than ten seconds.
    """
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:  # no folder yet, or none that can be opened: what is written next says why
        yield
        return
    try:
        for _ in range(TURNS):
            if held(fd) is not False:
                break
            time.sleep(TURN_SECONDS)
        else:
            raise ArtifactError(f"another process is writing in {folder}: try again later.")
        yield
    finally:
        os.close(fd)


@contextmanager
def saying(path: Path) -> Iterator[None]:
    """That ``path`` cannot be written and what to do, for an OSError in the block.

    Raises:
        ArtifactError: there was one.
    """
    try:
        yield
    except OSError as error:
        remedy = "Name a place that can be written."
        if error.errno in DENIED:
            remedy = "Ask for the permission, or name a place that you may write to."
        if error.errno in FULL:
            remedy = "Free space, or name a place that has some."
        raise ArtifactError(
            f"cannot write {path}: {why(error)}. What was there before is unchanged. {remedy}"
        ) from error


def why(error: OSError) -> str:
    """What kept a file from being read or written; a permission is called one.

    >>> why(PermissionError(errno.EPERM, "Operation not permitted"))
    'permission denied'
    """
    if error.errno == errno.EROFS:
        return "permission denied, its file system is read-only"
    if error.errno in DENIED:
        return "permission denied"
    return error.strerror or type(error).__name__


def there(path: Path) -> bool:
    """Whether something is at ``path``, as far as one may look."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def refuse_no_name(path: Path, argument: str) -> None:
    """Refuse what no file and no folder can be called.

    Raises:
        ConfigError: it is too long, or has a zero byte in it.
    """
    try:
        path.lstat()
    except ValueError as error:
        raise ConfigError(f"`{argument}` takes a path, got {str(path)!r}.") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ConfigError(f"`{argument}` {path}: the name is too long.") from error


def refuse_unfit(path: Path, argument: str = "output") -> None:
    """Say at once that a file could not be written to ``path``, rather than after hours.

    A folder that is not there may be misspelt. Devices, pipes and sockets are never replaced.

    Raises:
        ConfigError: it is no name for a file, or that of something else, or its folder is absent.
        ArtifactError: the folder may not be written to.
    """
    refuse_no_name(path, argument)
    said = f"`{argument}` {path}:"
    try:
        target = Path(os.path.realpath(path))
        found = target.lstat()
    except FileNotFoundError:
        found = None
    except NotADirectoryError as error:
        raise ConfigError(f"{said} {path.parent} is no folder.") from error
    except OSError as error:
        raise ArtifactError(f"{said} {why(error)}.") from error
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"`{argument}`: {path} is a folder: name a file in it.")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise ConfigError(
            f"`{argument}`: {path} is no plain file, and is not replaced: name another."
        )
    if not target.parent.is_dir():
        raise ConfigError(
            f"{said} the folder {target.parent if path.is_symlink() else path.parent}/ does not "
            f"exist: create it first."
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise ArtifactError(
            f"{said} permission denied: nothing can be written in {target.parent}/."
        )


def _there(target: Path) -> os.stat_result | None:
    """Owner and permissions of the file that will be replaced; None if there is none."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")
    return found


def _opened(target: Path, before: os.stat_result | None) -> tuple[Path, int]:
    """A new file beside ``target`` with a lock that tells a sweeper that its writer lives."""
    name = os.fsencode(target.name)[:READABLE_NAME].decode(errors="ignore")
    mode = 0o666 if before is None else before.st_mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR
    while True:
        token = secrets.token_hex(8)
        temporary = target.with_name(f".{name}.{token}.nice-anomaly.tmp")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        ours = False
        try:
            # A sweeper may have come before the lock: then the file is gone, or about to be.
            ours = held(fd) is not False and is_at(temporary, fd)
            if ours:
                return temporary, fd
        finally:
            if not ours:
                temporary.unlink(missing_ok=True)
                os.close(fd)


def _like(temporary: Path, before: os.stat_result) -> None:
    """Give a file the owner and the permissions of another, as far as one may."""
    now = temporary.stat()
    if os.name != "nt" and (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        with suppress(PermissionError):
            os.chown(temporary, before.st_uid, before.st_gid)
    if now.st_mode != before.st_mode:
        temporary.chmod(stat.S_IMODE(before.st_mode))


def _remove_if_left(temporary: Path) -> None:
    with suppress(OSError):
        fd = os.open(temporary, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            left = held(fd)
            if left and is_at(temporary, fd):
                temporary.unlink()
        finally:
            os.close(fd)
        if left is None and os.name == "nt":
            temporary.unlink()  # which fails while another has it open


def _flush_folder(folder: Path) -> None:
    """Make a rename last; where a folder cannot be opened or flushed the system has to do."""
    if os.name == "nt":
        return
    try:
        fd = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return  # a folder that may be written to but not listed
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in NO_FLUSH:
            raise ArtifactError(
                f"{folder} cannot be flushed to disk: {why(error)}. What was written there is in "
                f"place, but may be gone after a power failure."
            ) from error
    finally:
        os.close(fd)
