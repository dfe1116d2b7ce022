"""The command line: one file a verb. Heavy imports happen inside the verbs."""

import io
import json
import logging
import signal
import sys
from types import FrameType

import typer

from nice_anomaly.cli import calibrate, compare, detect, info, plan, sample, stress, train
from nice_anomaly.cli.help import Verb, Verbs, paragraphs
from nice_anomaly.cli.options import grouped
from nice_anomaly.cli.wording import as_typed
from nice_anomaly.errors import ArtifactError, NiceAnomalyError

INTERRUPTED, TERMINATED = 130, 143
STOPPED = {INTERRUPTED: "interrupted", TERMINATED: "terminated"}

app = typer.Typer(
    name="nice-anomaly",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module, verb in (
    (train, train.train),
    (calibrate, calibrate.calibrate),
    (detect, detect.detect),
    (stress, stress.stress),
    (compare, compare.compare),
    (plan, plan.plan),
    (info, info.info),
    (sample, sample.sample),
):
    examples = "\n\n".join(["[dim]Examples[/dim]", *module.EXAMPLES])
    app.command(cls=Verb, help=paragraphs(verb), epilog=examples)(grouped(verb))


@app.callback(invoke_without_command=True)
def top(
    show: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    """Learn what normal looks like, state your false-alarm rate, find the anomalies."""
    if show:
        from nice_anomaly import __version__

        typer.echo(__version__)
        raise typer.Exit


class _Typed(logging.Formatter):
    """Remarks of the library in options."""

    def format(self, record: logging.LogRecord) -> str:
        """The sentence as one would type it."""
        return as_typed(super().format(record))


def main() -> None:
    """Run the command; an error that a user can cause is a sentence and its exit code.

    With ``--json`` it is an object on stdout too: ``error``, the sentence, and ``exit_code``.
    """
    talk = logging.getLogger("nice_anomaly")
    if not talk.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_Typed())
        talk.addHandler(handler)
    talk.setLevel(logging.INFO)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name or a terminal without our signs
            stream.reconfigure(errors="backslashreplace")
    stopped = _stoppable()
    try:
        app()
    except OSError as error:
        sys.stdout = None  # there is no use in trying again at the end
        if not isinstance(error, BrokenPipeError):  # else whoever read the output has gone
            what = error.filename or "the output cannot be written"
            sys.stderr.write(f"error: {what}: {error.strerror}.\n")
        sys.exit(ArtifactError.exit_code)
    except NiceAnomalyError as error:
        from nice_anomaly.cli.render import show_error

        show_error(error)
        _tell(str(error), error.exit_code)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        reason = _reason(stop)
        if reason:
            _tell(reason, stop.code)
        raise
    except (Exception, KeyboardInterrupt):
        if not stopped:
            raise
        _tell(STOPPED[stopped[0]], stopped[0])  # a library may have made an error of it
        sys.exit(stopped[0])


def _stoppable() -> list[int]:
    """The exit codes of the signals to stop that have come so far: half-written files go first."""
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        stopped.append(INTERRUPTED if number == signal.SIGINT else TERMINATED)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # in the background of a script
        signal.signal(signal.SIGINT, stop)
    return stopped


def _tell(sentence: str, code: object) -> None:
    """What went wrong as JSON on stdout, where that was asked for."""
    if "--json" in sys.argv[1:]:
        content = {"error": as_typed(sentence), "exit_code": code}
        sys.stdout.write(json.dumps(content, indent=2) + "\n")


def _reason(stop: SystemExit) -> str | None:
    """Why a command stopped without a result; None if it has one, whatever its exit code."""
    if stop.code == TERMINATED:
        return "terminated"
    cause: BaseException | None = stop
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return str(cause) or "interrupted"
        if hasattr(cause, "format_message"):  # of Typer: the command was mistyped
            return str(cause.format_message())
        cause = cause.__context__
    return None
