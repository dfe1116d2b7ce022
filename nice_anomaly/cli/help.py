"""Help: what Typer shows of a command, without a type beside what takes no value."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperCommand, TyperGroup

from nice_anomaly.cli.layout import visible


class Verb(TyperCommand):
    """A command whose switches, like ``--json``, stand alone."""

    def get_params(self, ctx: Any) -> list[Any]:
        """All options."""
        return _plain(super().get_params(ctx))


class Verbs(TyperGroup):
    """The commands, with the same for the options before them; mistypings are said visibly."""

    def make_context(self, *given: Any, **words: Any) -> Any:
        """What was typed before the command."""
        with _said_visibly():
            return super().make_context(*given, **words)

    def invoke(self, ctx: Any) -> Any:
        """The command."""
        with _said_visibly():
            return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        """All options."""
        return _plain(super().get_params(ctx))


@contextmanager
def _said_visibly() -> Iterator[None]:
    """Errors of Typer, which repeat what was typed, with nothing that steers a terminal."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):
            said = visible(error.format_message())
            error.format_message = lambda: said
        raise


def _plain(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            parameter.display_type_rich = lambda ctx: None  # noqa: ARG005
        elif parameter.is_flag:
            parameter.metavar = ""
    return parameters


def paragraphs(verb: Callable[..., None]) -> str:
    """What a verb says of itself, its lines free to break where the terminal ends."""
    text = inspect.cleandoc(verb.__doc__ or "")
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
