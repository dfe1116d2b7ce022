"""The command, ``nice-anomaly`` or ``python -m nice_anomaly``: its streams, and how it is stopped.

Ctrl-C and a request to terminate are heard from the first line on. In the middle of an import they
wait for its end, since Python swallows what is raised there, or leaves half a module behind; but
not for long, then the command ends as if it was killed.
"""

import sys

try:
    import io
    import os
    import signal
    import time
    from types import FrameType
    from typing import Any
except KeyboardInterrupt:
    sys.stderr.write("interrupted.\n")
    sys.exit(130)

CODES: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}
SAID = {130: "interrupted.", 143: "terminated."}
AGAIN = 1.0  # seconds in which a second signal is taken for the first: what it stopped tidies up
LONG = 2.0  # seconds that the end of an import is waited for
SOON = 0.02  # seconds until it is looked again whether an import has ended
SIZES = "COLUMNS", "LINES", "TERMINAL_WIDTH"
NARROWEST, WIDEST = 20, 1_000


def main() -> None:
    """Run the command and leave with its exit code."""
    code: Any = 1
    begun = False
    try:
        STOPS.listen()
        _open_streams()
        _forget_odd_sizes()
        from nice_anomaly import cli

        cli.show_warnings()
        begun = True
        cli.main()
    except KeyboardInterrupt:
        code = _said(130)
    except SystemExit as stop:
        code = stop.code if begun or stop.code not in SAID else _said(stop.code)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        code = _said(CODES[STOPS.number]) if STOPS.number else cli.confess(error)
    STOPS.end()
    try:
        sys.stdout.flush()
    except (AttributeError, OSError):  # there is none any more, or it is full: that was said
        sys.stdout = None
    sys.exit(code)


def _said(code: int) -> int:
    sys.stderr.write(f"{SAID[code]}\n")
    return code


class _Stops:
    """What a signal does: it raises KeyboardInterrupt or SystemExit, where the program is.

    ``number`` is the signal that did, 0 if none.
    """

    def __init__(self) -> None:
        self.number, self._waiting, self._at, self._until = 0, 0, -AGAIN, 0.0

    def listen(self) -> None:
        """From now on, if the system has such signals."""
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._stop)
            sys.unraisablehook = self._swallowed
            for number in CODES:
                if (
                    signal.getsignal(number) is not signal.SIG_IGN
                ):  # as in the background of a script
                    signal.signal(number, self._stop)

    def end(self) -> None:
        """From now on a signal ends the program at once: nothing is left to tidy up."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number in CODES:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        number, now = self._waiting or number, time.monotonic()
        if _importing(frame):
            if not self._waiting:
                self._until = now + LONG
            elif now > self._until:
                _said(CODES[number])
                os._exit(CODES[number])
            self._wait(number)
            return
        self._waiting = 0
        if now - self._at >= AGAIN:
            self.number, self._at = number, now
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            sys.exit(CODES[number])

    def _wait(self, number: int) -> None:
        self._waiting = number
        signal.setitimer(signal.ITIMER_REAL, SOON)

    def _swallowed(self, lost: "sys.UnraisableHookArgs") -> None:
        """What is raised in a callback of the interpreter goes nowhere: raise it again.

        Other errors there are of what was left half done, as after a signal.
        """
        if issubclass(lost.exc_type, KeyboardInterrupt | SystemExit) and self.number:
            self._at, self._until = -AGAIN, time.monotonic() + LONG
            self._wait(self.number)
        elif sys.flags.dev_mode:
            sys.__unraisablehook__(lost)


STOPS = _Stops()


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


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


def _forget_odd_sizes() -> None:
    """Sizes of a terminal that are none are as good as not given."""
    for name in SIZES:
        text = os.environ.get(name, "80")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
        if not NARROWEST <= number <= WIDEST:
            del os.environ[name]


if __name__ == "__main__":
    main()
