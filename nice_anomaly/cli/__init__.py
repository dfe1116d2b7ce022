"""The command line: one file a verb. Heavy imports happen inside the verbs."""

import io
import json
import logging
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NoReturn

import typer

from nice_anomaly.cli import (
    calibrate,
    compare,
    detect,
    explain,
    info,
    plan,
    report,
    sample,
    stress,
    train,
    verify,
)
from nice_anomaly.cli.help import Verb, Verbs, paragraphs
from nice_anomaly.cli.layout import visible
from nice_anomaly.cli.options import grouped
from nice_anomaly.cli.wording import as_typed
from nice_anomaly.errors import ArtifactError, DataError, NiceAnomalyError

INTERRUPTED, TERMINATED = 130, 143
LONGEST = 500  # signs of what a library says

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
    (explain, explain.explain),
    (report, report.report),
    (stress, stress.stress),
    (compare, compare.compare),
    (plan, plan.plan),
    (info, info.info),
    (sample, sample.sample),
    (verify, verify.verify),
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
        return visible(as_typed(record.getMessage()))


def main() -> None:
    """Run the command; an error that a user can cause is a sentence and its exit code.

    With ``--json`` it is an object on stdout too: ``error``, the sentence, and ``exit_code``.
    """
    try:
        _prepare()
        _run()
    except OSError as error:
        sys.stdout = None  # there is no use in trying again at the end
        if not isinstance(error, BrokenPipeError):  # else whoever read the output has gone
            what = error.filename or "the output cannot be written"
            _stop(ArtifactError.exit_code, f"{what}: {error.strerror or error}.")
        sys.exit(ArtifactError.exit_code)
    except NiceAnomalyError as error:
        _stop(error.exit_code, *error.args)
    except MemoryError:
        _stop(DataError.exit_code, "there is not enough memory for this. Give less at a time.")


def _prepare() -> None:
    """Who hears remarks, which signs a stream takes, what ends the command."""
    talk = logging.getLogger("nice_anomaly")
    if not talk.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_Typed())
        talk.addHandler(handler)
    talk.setLevel(logging.INFO)
    if logging.lastResort is not None:  # that of other libraries
        logging.lastResort.setFormatter(_Typed())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name or a terminal without our signs
            stream.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # half-written files go


def _run() -> None:
    """The command, until its results are out."""
    try:
        app()
    except KeyboardInterrupt:  # in what Typer does before and after
        _interrupted()
    except SystemExit as stop:
        chain = [*_causes(stop)]
        if any(isinstance(cause, BrokenPipeError) for cause in chain):
            raise BrokenPipeError from stop
        unsaid = [c.__cause__ for c in chain if isinstance(c.__cause__, KeyboardInterrupt)]
        if stop.code == TERMINATED or unsaid:
            said = str(unsaid[0]) if unsaid else "terminated."
            sys.stderr.write(f"{visible(as_typed(said or 'interrupted.'))}\n")
        reason = _reason(stop, chain)
        if reason:
            _tell(reason, stop.code)
        if sys.stdout is not None:
            sys.stdout.flush()
        raise
    except Exception as error:
        # A library may make an error of its own of an interruption, and name it.
        if KeyboardInterrupt.__name__ not in repr(error):
            raise
        _interrupted()


def _interrupted() -> NoReturn:
    sys.stderr.write("interrupted.\n")
    _tell("interrupted", INTERRUPTED)
    sys.exit(INTERRUPTED)


def show_warnings() -> None:
    """What other libraries warn of is a note."""

    def show(message: object, *_: object, **__: object) -> None:
        from nice_anomaly.cli.render import say

        say(f"note: {message}")

    warnings.showwarning = show


def _stop(code: int, *lines: object) -> NoReturn:
    from nice_anomaly.cli.render import show_error

    show_error(*lines)
    _tell("\n".join(map(str, lines)), code)
    sys.exit(code)


def confess(error: Exception) -> int:
    """Say what is a mistake of ours, and what a person can do about it; gives the exit code."""
    from nice_anomaly.cli.render import show_error

    trace, where = error.__traceback__, ""
    while trace is not None:
        where = f"{trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno}"
        trace = trace.tb_next
    said = (
        f"this should not have happened: {type(error).__name__}: {str(error)[:LONGEST]} ({where}). "
        f"It is a mistake in nice-anomaly. 'python -X dev -m nice_anomaly' and the same options "
        f"show all of it: please report that."
    )
    show_error(said)
    _tell(said, NiceAnomalyError.exit_code)
    return NiceAnomalyError.exit_code


def _tell(sentence: str, code: object) -> None:
    """What went wrong as JSON on stdout, where that was asked for."""
    if "--json" in sys.argv[1:] and sys.stdout is not None:
        content = {"error": as_typed(sentence), "exit_code": code}
        try:
            sys.stdout.write(json.dumps(content, indent=2) + "\n")
            sys.stdout.flush()
        except OSError:  # stderr and the exit code say it
            sys.stdout = None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it came from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__context__


def _reason(stop: SystemExit, chain: Sequence[BaseException]) -> str | None:
    """Why a command stopped without a result; None if it has one, whatever its exit code."""
    if stop.code == TERMINATED:
        return "terminated"
    for cause in chain:
        if isinstance(cause, KeyboardInterrupt):
            return str(cause) or "interrupted"
        if hasattr(cause, "format_message"):  # of Typer: the command was mistyped
            return str(cause.format_message())
    return None
