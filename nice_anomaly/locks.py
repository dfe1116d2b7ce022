"""Locks: on an open file, for one process alone, gone when that process is, however it ends."""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)
NONE_HERE = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.EBADF)
FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if fcntl else 0

LetGo = Callable[[], None]
_held: set[int] = set()  # of lock files, so that a forked child can close its copies


def held(fd: int) -> bool | None:
    """Whether this process has the lock on an open file now; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return False
        if error.errno in NONE_HERE:
            return None
        raise
    return True


def is_at(path: Path, fd: int) -> bool:
    """Whether an open file is still the one of that name: another process may have removed it."""
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


def take(path: Path, note: bytes) -> LetGo | None:
    """The lock file ``path``, made if need be, with a ``note`` on who has it.

    Gives what removes the file and lets go; None if another has it.

    Raises:
        OSError: the file cannot be opened for writing.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | FLAGS, 0o666)
        _held.add(fd)
        try:
            mine = held(fd)
            if mine and is_at(path, fd):
                break
        except BaseException:
            _close(fd)
            raise
        _close(fd)
        if mine is None:
            return _without_flock(path)
        if not mine:
            return None
    _close_in_children()
    with suppress(OSError):  # a full disk: the note is for people, the lock holds without it
        os.ftruncate(fd, 0)
        os.write(fd, note)

    def let_go() -> None:
        if fd in _held:  # not in a forked child
            with suppress(OSError):
                path.unlink()
            _close(fd)

    return let_go


def _close(fd: int) -> None:
    _held.discard(fd)
    os.close(fd)


def _without_flock(path: Path) -> LetGo | None:
    """The same by other means: a lock of Windows, else a file that is there while it is held."""
    from filelock import FileLock, SoftFileLock, Timeout

    lock = (SoftFileLock if fcntl else FileLock)(f"{path}.held")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None

    def let_go() -> None:
        lock.release()
        for file in (path, *([] if fcntl else [Path(lock.lock_file)])):
            with suppress(OSError):  # on Windows: unless another has it open by now
                file.unlink()

    return let_go


@cache
def _close_in_children() -> None:
    """A child that outlives its parent would keep the lock by its copy of the open file."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_close_all)


def _close_all() -> None:
    for fd in tuple(_held):
        _close(fd)
