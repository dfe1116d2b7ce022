"""The command, ``nice-anomaly`` or ``python -m nice_anomaly``: its streams, and how it is stopped.

Ctrl-C and a request to terminate are heard from the first line on. In the middle of an import they
wait for its end, since Python swallows what is raised there, or leaves half a module behind.
"""

import io
import os
import signal
import sys
import time
from types import FrameType
from typing import Any, NoReturn

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
SAID = {130: "interrupted.", 143: "terminated."}
AGAIN = 1.0  # seconds in which a second signal is taken for the first: what it stopped tidies up
SOON = 0.02  # seconds until it is looked again whether an import has ended
SIZES = "COLUMNS", "LINES", "TERMINAL_WIDTH"
WIDEST = 1_000


def main() -> None:
    """Run the command and leave with its exit code."""
    code: Any = 1
    begun = False
    try:
        _listen_for_signals()
        _open_streams()
        _refuse_odd_sizes()
        from nice_anomaly.cli import main as command
        from nice_anomaly.cli import show_warnings

        show_warnings()
        begun = True
        command()
    except KeyboardInterrupt:
        code = 130
        sys.stderr.write(f"{SAID[code]}\n")
    except SystemExit as stop:
        code = stop.code
        if not begun and code in SAID:
            sys.stderr.write(f"{SAID[code]}\n")
    for number in CODES:
        signal.signal(number, signal.SIG_DFL)  # nothing is left to tidy up
    sys.exit(code)


def _listen_for_signals() -> None:
    """A signal raises where the program is, as KeyboardInterrupt or SystemExit."""
    stopped = -AGAIN
    pending = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped, pending
        number = pending or number
        if _importing(frame):
            pending = number
            signal.setitimer(signal.ITIMER_REAL, SOON)
            return
        pending = 0
        if time.monotonic() - stopped < AGAIN:
            return
        stopped = time.monotonic()
        _raise(number)

    def swallowed(lost: "sys.UnraisableHookArgs") -> None:
        """What is raised in a callback of the interpreter goes nowhere: raise it again."""
        nonlocal stopped, pending
        if not issubclass(lost.exc_type, KeyboardInterrupt | SystemExit):
            sys.__unraisablehook__(lost)
            return
        interrupted = issubclass(lost.exc_type, KeyboardInterrupt)
        stopped, pending = -AGAIN, signal.SIGINT if interrupted else signal.SIGTERM
        signal.setitimer(signal.ITIMER_REAL, SOON)

    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, stop)
        sys.unraisablehook = swallowed
        for number in CODES:
            signal.signal(number, stop)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _raise(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(CODES[signal.Signals(number)])


class _Patient(io.FileIO):
    """A stream of talk: that nobody hears it, or that its disk is full, stops no work."""

    def write(self, data: Any, /) -> int:
        """Write what can be written."""
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def _open_streams() -> None:
    """Streams that were closed: reading finds nothing, results cannot be written, talk is lost.

    Without this the first file that is opened would take the place of a closed stream.
    """
    for number, way in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, way)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
    talk = io.BufferedWriter(_Patient(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(talk, encoding, "backslashreplace", line_buffering=True)


def _refuse_odd_sizes() -> None:
    """Sizes of a terminal that are none are as good as not given."""
    for name in SIZES:
        text = os.environ.get(name, "1")
        if not (text.isascii() and text.isdigit() and len(text) < 5 and 0 < int(text) <= WIDEST):
            del os.environ[name]


if __name__ == "__main__":
    main()
