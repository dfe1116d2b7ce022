"""A nursery: a process that has everything loaded and forks a fresh command in a moment.

Run as a program it reads tasks, one JSON object a line; see ``Nursery``. In a child it can count
what the command does to files, and at the n-th time let it die or have an error of the system.
"""

import builtins
import contextlib
import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.scandir", "fcntl.flock")
DEAD = 137  # what a shell says of a process that was killed


class Nursery:
    """Commands in processes of their own, each in ``cwd``; what one says is in a file there."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )

    def start(self, argv: str, cwd: Path, log: str = "said.txt", **how: Any) -> int:
        """Begin a command line; its process id.

        ``fault`` is (what, n, below which folder): what happens at the n-th operation on files;
        ``every`` are the seconds between two checkpoints; ``user`` is who it is run by.
        """
        return self._ask(argv=argv.split(), cwd=str(cwd), log=log, **how)

    def signal(self, child: int, number: int) -> None:
        """Send a signal to a command, if it is still there."""
        assert child > 1  # others are many
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    def end(self, child: int) -> int:
        """The exit code of a command that was begun; -n if signal n killed it."""
        return self._ask(wait=child)

    def run(self, argv: str, cwd: Path, **how: Any) -> int:
        """A command line to its end; its exit code."""
        return self.end(self.start(argv, cwd, **how))

    def close(self) -> None:
        """Send everybody home."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(60) == 0

    def _ask(self, **task: Any) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task).encode() + b"\n")
        self._process.stdin.flush()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery has died"
        return int(line)


@contextlib.contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """A nursery for the time of the block."""
    opened = Nursery(folder)
    try:
        yield opened
    finally:
        opened.close()


def serve() -> None:
    """Fork a child for a command and say its process id, or wait for one and say how it ended."""
    import nice_anomaly
    from nice_anomaly.__main__ import main
    from nice_anomaly.cli import live, render, train  # noqa: F401 - loaded for the children

    warm_up(nice_anomaly)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until the command has begun
    for line in sys.stdin:
        task = json.loads(line)
        if "wait" in task:
            answer = os.waitstatus_to_exitcode(os.waitpid(task["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                act(task, main)
        print(answer, flush=True)


def warm_up(nice_anomaly: Any) -> None:
    """Load what is loaded late."""
    import numpy as np

    rows = np.random.default_rng(0).normal(size=(200, 2))
    run = nice_anomaly.learn(rows, overrides=["train.epochs=1", "train.least_steps=1"])
    run.calibrate(alpha=0.1, say=len)
    run.detect(rows, say=len)


def act(task: dict[str, Any], main: Any) -> None:
    """The command, in a child that never comes back from here."""
    from nice_anomaly import keeping

    code: Any = 1
    try:
        os.chdir(task["cwd"])
        said = os.open(task["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
        for stream in (1, 2):
            os.dup2(said, stream)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        sys.argv = ["nice-anomaly", *task["argv"]]
        if "user" in task:
            os.setgid(task["user"])
            os.setuid(task["user"])
        keeping.SAVE_EVERY_SECONDS = task.get("every", 60)  # type: ignore[misc]
        if "fault" in task:
            arm(*task["fault"])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code
    except KeyboardInterrupt:  # before it had begun
        code = 130
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        leave(code if isinstance(code, int) else 0 if code is None else 1)


def leave(code: int) -> None:
    """End the process when what it has said is written, whatever signal still comes."""
    while True:
        with contextlib.suppress(BaseException):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(code)


def arm(what: str, at: int, below: str) -> None:
    """Let ``what`` happen at the n-th operation on files in a folder; what is "count" or "die" or
    the name of an error. A count is left in ``operations.txt``."""
    seen = 0
    counted = os.open("operations.txt", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    fsync, plain = os.fsync, builtins.open

    def step() -> None:
        nonlocal seen
        seen += 1
        if what == "count":
            os.pwrite(counted, str(seen).encode(), 0)
        elif seen == at and what == "die":
            os._exit(DEAD)
        elif seen == at:
            number = getattr(errno, what)
            raise OSError(number, os.strerror(number))

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            if flags & WRITING and inside(path):
                step()
        elif event in EVENTS and (event == "fcntl.flock" or inside(args[0])):
            step()

    def inside(path: Any) -> bool:
        return isinstance(path, str | bytes) and str(Path.cwd() / os.fsdecode(path)).startswith(
            below
        )

    def flushed(fd: int) -> None:
        step()
        fsync(fd)

    def in_pieces(path: Path, content: bytes) -> int:
        with plain(path, "wb", buffering=0) as stream:
            for start in range(0, max(len(content), 1), max(len(content) // 2, 1)):
                step()
                stream.write(content[start : start + max(len(content) // 2, 1)])
        return len(content)

    os.fsync = flushed
    pathlib.Path.write_bytes = in_pieces  # type: ignore[assignment, method-assign]
    sys.addaudithook(hook)


if __name__ == "__main__":
    serve()
