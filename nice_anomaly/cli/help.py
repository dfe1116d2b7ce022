"""Help: what Typer shows of a command, without a type beside what takes no value."""

import inspect
from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand, TyperGroup


class Verb(TyperCommand):
    """A command whose switches, like ``--json``, stand alone."""

    def get_params(self, ctx: Any) -> list[Any]:
        """All options."""
        return _plain(super().get_params(ctx))


class Verbs(TyperGroup):
    """The commands, with the same for the options before them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """All options."""
        return _plain(super().get_params(ctx))


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
